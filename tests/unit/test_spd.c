// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Security policy database: priority, order, replacement, hidden ports, resizing; then thousands
 * of random policies and flows against the linear model.
 */
#include "unit.h"
#include "spd_model.h"

static void *mem_new(const struct iroce_spd_size *size)
{
	void *mem = malloc(iroce_spd_mem_size(size));

	assert_non_null(mem);
	memset(mem, 0xa5, iroce_spd_mem_size(size));
	return mem;
}

static void spd_make(struct iroce_spd *spd, u32 n_buckets, u32 n_tuples)
{
	struct iroce_spd_size size = { .n_buckets = n_buckets, .n_tuples = n_tuples };

	assert_int_equal(iroce_spd_init(spd, mem_new(&size), &size, 4242), 0);
}

static void spd_destroy(struct iroce_spd *spd)
{
	free(iroce_spd_fini(spd));
}

static void spd_resize(struct iroce_spd *spd, const struct iroce_spd_size *size)
{
	void *old;

	assert_int_equal(iroce_spd_rehash(spd, mem_new(size), size, &old), 0);
	memset(old, 0x5a, sizeof(void *));
	free(old);
	iroce_spd_rehash_done(spd);
}

static void must_add(struct iroce_spd *spd, struct iroce_spd_node *n,
		     struct iroce_spd_node *before)
{
	int err = iroce_spd_add(spd, n, before);
	struct iroce_spd_size size;

	if (err == -ENOSPC) {
		assert_true(iroce_spd_wants_resize(spd, &size));
		spd_resize(spd, &size);
		err = iroce_spd_add(spd, n, before);
	}
	assert_int_equal(err, 0);
}

static void spd_make_with(struct iroce_spd *spd, struct iroce_spd_node *a, struct iroce_spd_node *b)
{
	spd_make(spd, 16, 8);
	must_add(spd, a, NULL);
	must_add(spd, b, NULL);
}

static union iroce_addr addr(u32 v)
{
	return iroce_addr_v4(cpu_to_be32(v));
}

/* Everything of IPv4 at this priority. */
static struct iroce_spd_node policy(u32 priority)
{
	struct iroce_spd_node n;

	memset(&n, 0, sizeof(n));
	n.sel.family = AF_INET;
	n.priority = priority;
	return n;
}

static struct iroce_spd_node policy_port(u32 priority, u16 dport)
{
	struct iroce_spd_node n = policy(priority);

	n.sel.proto = 17;
	n.sel.dport = htons(dport);
	n.sel.dport_mask = 0xffff;
	return n;
}

static struct iroce_flow_key flow(u32 saddr, u32 daddr, u8 proto, u16 dport)
{
	struct iroce_flow_key f = { .family = AF_INET, .saddr = addr(saddr), .daddr = addr(daddr),
				    .proto = proto, .dport = htons(dport) };

	return f;
}

static void sizes_that_make_no_table_are_refused(void **state)
{
	static const struct iroce_spd_size bad[] = {
		{ 0, 4 }, { 3, 4 }, { 16, 0 }, { 1 << 25, 4 }, { 16, (1 << 20) + 1 },
	};
	struct iroce_spd spd;
	void *old;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(iroce_spd_init(&spd, NULL, &bad[i], 0), -EINVAL);
	spd_make(&spd, 16, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(iroce_spd_rehash(&spd, NULL, &bad[i], &old), -EINVAL);
	spd_destroy(&spd);
}

static void empty_database_says_so_and_finds_nothing(void **state)
{
	struct iroce_flow_key f = flow(1, 2, 17, 4791);
	struct iroce_spd_node n = policy(5);
	struct iroce_spd spd;

	(void)state;
	spd_make(&spd, 16, 4);
	assert_true(iroce_spd_is_empty(&spd));
	assert_null(iroce_spd_lookup(&spd, &f));
	must_add(&spd, &n, NULL);
	assert_false(iroce_spd_is_empty(&spd));
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &n);
	assert_ptr_equal(iroce_spd_remove(&spd, &n), &n);
	assert_null(iroce_spd_remove(&spd, &n));
	assert_true(iroce_spd_is_empty(&spd));
	assert_null(iroce_spd_lookup(&spd, &f));
	assert_null(iroce_spd_first(&spd));
	spd_destroy(&spd);
}

static void malformed_policies_are_refused(void **state)
{
	struct iroce_spd_node n = policy(5), other = policy(6), loose = policy(5);
	struct iroce_spd spd;

	(void)state;
	spd_make(&spd, 16, 4);
	n.sel.family = 0;
	assert_int_equal(iroce_spd_add(&spd, &n, NULL), -EINVAL);
	n.sel.family = AF_INET;
	n.sel.prefixlen_s = 33;
	assert_int_equal(iroce_spd_add(&spd, &n, NULL), -EINVAL);
	n.sel.prefixlen_s = 32;
	must_add(&spd, &other, NULL);
	assert_int_equal(iroce_spd_add(&spd, &n, &other), -EINVAL);
	assert_int_equal(iroce_spd_add(&spd, &n, &loose), -EINVAL);
	assert_int_equal(iroce_spd_add(&spd, &other, NULL), -EEXIST);
	assert_false(n.is_linked);
	spd_destroy(&spd);
}

static void lower_priority_value_wins_whatever_the_order_of_addition(void **state)
{
	struct iroce_flow_key f = flow(1, 2, 17, 4791);
	struct iroce_spd_node wide, port;
	struct iroce_spd spd;
	int turn;

	(void)state;
	for (turn = 0; turn < 4; turn++) {
		wide = policy(turn & 1 ? 10 : 20);
		port = policy_port(turn & 1 ? 20 : 10, 4791);
		spd_make(&spd, 16, 4);
		must_add(&spd, turn & 2 ? &wide : &port, NULL);
		must_add(&spd, turn & 2 ? &port : &wide, NULL);
		assert_ptr_equal(iroce_spd_lookup(&spd, &f), turn & 1 ? &wide : &port);
		spd_destroy(&spd);
	}
}

static void among_equal_priorities_the_first_added_wins_also_after_a_rehash(void **state)
{
	struct iroce_flow_key f = flow(1, 2, 17, 4791);
	struct iroce_spd_size size = { 32, 16 };
	struct iroce_spd_node n[4];
	struct iroce_spd spd;
	int i;

	(void)state;
	n[0] = policy_port(7, 4791);
	n[1] = policy(7);
	n[2] = policy_port(7, 4791);
	n[3] = policy(7);
	spd_make(&spd, 16, 8);
	for (i = 0; i < 4; i++)
		must_add(&spd, &n[i], NULL);
	for (i = 0; i < 4; i++) {
		assert_ptr_equal(iroce_spd_lookup(&spd, &f), &n[i]);
		spd_resize(&spd, &size);
		assert_ptr_equal(iroce_spd_lookup(&spd, &f), &n[i]);
		iroce_spd_remove(&spd, &n[i]);
	}
	spd_destroy(&spd);
}

static void replacement_takes_the_place_of_the_old_policy(void **state)
{
	struct iroce_flow_key f = flow(1, 2, 17, 4791);
	struct iroce_spd_node first = policy(7), old = policy_port(7, 4791);
	struct iroce_spd_node fresh = policy_port(7, 4791), last = policy(7);
	struct iroce_spd spd;

	(void)state;
	spd_make_with(&spd, &first, &old);
	must_add(&spd, &last, NULL);
	must_add(&spd, &fresh, &old);
	assert_ptr_equal(iroce_spd_next(&first), &fresh);
	assert_ptr_equal(iroce_spd_next(&fresh), &old);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &first);
	iroce_spd_remove(&spd, &first);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &fresh);
	/* If the core then refuses the new one, the old is what it was. */
	iroce_spd_remove(&spd, &fresh);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &old);
	must_add(&spd, &fresh, &old);
	iroce_spd_remove(&spd, &old);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &fresh);
	iroce_spd_remove(&spd, &fresh);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &last);
	spd_destroy(&spd);
}

static void order_with_no_place_left_asks_for_a_rehash_and_goes_on(void **state)
{
	struct iroce_spd_node a = policy(7), b = policy(7), c = policy(7), d = policy(7);
	struct iroce_flow_key f = flow(1, 2, 17, 4791);
	struct iroce_spd_size size;
	struct iroce_spd spd;

	(void)state;
	spd_make_with(&spd, &a, &b);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	/* As after a million replacements of b. */
	b.order[0] = a.order[0] + 1;
	assert_int_equal(iroce_spd_add(&spd, &c, &b), -ENOSPC);
	assert_false(c.is_linked);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_int_equal(iroce_spd_add(&spd, &c, &b), 0);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	iroce_spd_remove(&spd, &a);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &c);
	/* The same at the far end. */
	b.order[1] = U64_MAX - 5;
	assert_int_equal(iroce_spd_add(&spd, &d, NULL), -ENOSPC);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_int_equal(iroce_spd_add(&spd, &d, NULL), 0);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &c);
	spd_destroy(&spd);
}

static void order_asks_for_a_rehash_before_it_runs_out(void **state)
{
	struct iroce_spd_node a = policy(7), b = policy(7), c = policy(7), d = policy(7);
	struct iroce_spd_size size;
	struct iroce_spd spd;

	(void)state;
	spd_make_with(&spd, &a, &b);
	b.order[0] = a.order[0] + 1000;
	assert_int_equal(iroce_spd_add(&spd, &c, &b), 0);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	b.order[1] = U64_MAX - 2 * 1048576 + 1000;
	assert_int_equal(iroce_spd_add(&spd, &d, NULL), 0);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	iroce_spd_remove(&spd, &d);
	b.order[1] = U64_MAX - 1048576 - 1000;
	assert_int_equal(iroce_spd_add(&spd, &d, NULL), 0);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_destroy(&spd);
}

static void exact_selector_is_found_best_first_and_nothing_similar(void **state)
{
	struct iroce_spd_node a = policy_port(9, 4791), b = policy_port(3, 4791);
	struct iroce_spd_node c = policy_port(9, 4791), near = policy_port(1, 4792);
	struct iroce_selector sel = a.sel;
	struct iroce_spd spd;

	(void)state;
	spd_make(&spd, 1, 8);
	near.sel.dport_mask = htons(0xfff0); /* covers 4791, is not it */
	must_add(&spd, &near, NULL);
	assert_null(iroce_spd_find(&spd, &sel, NULL));
	must_add(&spd, &a, NULL);
	must_add(&spd, &b, NULL);
	must_add(&spd, &c, NULL);
	assert_ptr_equal(iroce_spd_find(&spd, &sel, NULL), &b);
	assert_ptr_equal(iroce_spd_find(&spd, &sel, &b), &a);
	assert_ptr_equal(iroce_spd_find(&spd, &sel, &a), &c);
	assert_null(iroce_spd_find(&spd, &sel, &c));
	/* Bits beyond a prefix make another selector, as for xfrm. */
	sel.saddr = addr(77);
	assert_null(iroce_spd_find(&spd, &sel, NULL));
	spd_destroy(&spd);
}

static void fragment_falls_under_a_protecting_policy_with_ports(void **state)
{
	struct iroce_spd_node protect = policy_port(10, 4791), bypass = policy(20);
	struct iroce_flow_key f = flow(1, 2, 17, 0);
	struct iroce_spd spd;

	(void)state;
	bypass.is_bypass = true;
	spd_make_with(&spd, &protect, &bypass);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &bypass);
	f.flags = IROCE_FLOW_PORTS_UNKNOWN;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &protect);
	f.proto = 6;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &bypass);
	f.flags |= IROCE_FLOW_PROTO_UNKNOWN;
	f.proto = 0;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &protect);
	spd_destroy(&spd);
}

static void fragment_does_not_slip_through_a_bypass_policy_with_ports(void **state)
{
	struct iroce_spd_node bypass = policy_port(10, 22), block = policy(20);
	struct iroce_flow_key f = flow(1, 2, 17, 22);
	struct iroce_spd spd;

	(void)state;
	bypass.is_bypass = true;
	spd_make_with(&spd, &bypass, &block);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &bypass);
	f.flags = IROCE_FLOW_PORTS_UNKNOWN;
	f.dport = 0;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &block);
	spd_destroy(&spd);
}

static void fragment_passes_a_bypass_policy_that_asks_for_what_is_known(void **state)
{
	struct iroce_spd_node bypass = policy(10), block = policy(20);
	struct iroce_flow_key f = flow(1, 2, 17, 0);
	struct iroce_spd spd;

	(void)state;
	bypass.is_bypass = true;
	bypass.sel.proto = 17;
	spd_make_with(&spd, &bypass, &block);
	f.flags = IROCE_FLOW_PORTS_UNKNOWN;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &bypass);
	f.flags |= IROCE_FLOW_PROTO_UNKNOWN;
	f.proto = 0;
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &block);
	spd_destroy(&spd);
}

static void database_out_of_tuples_refuses_and_takes_it_after_a_rehash(void **state)
{
	struct iroce_spd_node a = policy(1), b = policy_port(2, 1), c = policy_port(3, 2);
	struct iroce_flow_key f = flow(1, 2, 17, 1);
	struct iroce_spd_size size, small = { 16, 2 };
	struct iroce_spd spd;
	void *old, *mem;

	(void)state;
	spd_make(&spd, 16, 2);
	assert_int_equal(iroce_spd_add(&spd, &a, NULL), 0);
	/* Needs two: its own and the one for hidden ports. */
	assert_int_equal(iroce_spd_add(&spd, &b, NULL), -ENOSPC);
	assert_false(b.is_linked);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &a);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_int_equal(iroce_spd_add(&spd, &b, NULL), 0);
	assert_int_equal(iroce_spd_add(&spd, &c, NULL), 0); /* the same masks: no room needed */
	mem = mem_new(&small);
	assert_int_equal(iroce_spd_rehash(&spd, mem, &small, &old), -ENOSPC);
	free(mem);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &a);
	spd_destroy(&spd);
}

static void rehash_leaves_the_links_and_order_of_old_readers_alone(void **state)
{
	struct iroce_spd_size size = { 4, 8 };
	struct iroce_spd_node n[20], before[20];
	void *old, *mem = mem_new(&size);
	struct iroce_spd spd;
	int i;

	(void)state;
	spd_make(&spd, 1, 8);
	for (i = 0; i < 20; i++) {
		n[i] = policy_port(7, i);
		must_add(&spd, &n[i], NULL);
	}
	iroce_spd_remove(&spd, &n[3]);
	memcpy(before, n, sizeof(n));
	assert_int_equal(iroce_spd_rehash(&spd, mem, &size, &old), 0);
	for (i = 0; i < 20; i++) {
		assert_ptr_equal(n[i].link[0].next, before[i].link[0].next);
		assert_ptr_equal(n[i].blind[0].next, before[i].blind[0].next);
		assert_true(n[i].order[0] == before[i].order[0]);
	}
	free(old);
	iroce_spd_rehash_done(&spd);
	spd_destroy(&spd);
}

static void second_rehash_waits_for_the_end_of_the_first(void **state)
{
	struct iroce_spd_size size = { 32, 8 };
	struct iroce_spd_node a = policy(1), b = policy_port(0, 1);
	struct iroce_flow_key f = flow(1, 2, 17, 1);
	void *old, *none = NULL, *spare = mem_new(&size);
	struct iroce_spd spd;

	(void)state;
	spd_make(&spd, 16, 2);
	must_add(&spd, &a, NULL);
	assert_int_equal(iroce_spd_rehash(&spd, mem_new(&size), &size, &old), 0);
	assert_int_equal(iroce_spd_rehash(&spd, spare, &size, &none), -EBUSY);
	assert_null(none);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	assert_int_equal(iroce_spd_add(&spd, &b, NULL), 0);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &b);
	iroce_spd_remove(&spd, &b);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &a);
	free(old);
	iroce_spd_rehash_done(&spd);
	assert_int_equal(iroce_spd_rehash(&spd, spare, &size, &old), 0);
	assert_ptr_equal(iroce_spd_lookup(&spd, &f), &a);
	free(old);
	iroce_spd_rehash_done(&spd);
	spd_destroy(&spd);
}

static void many_policies_of_few_masks_settle_after_a_few_resizes(void **state)
{
	static struct iroce_spd_node n[4000];
	struct iroce_spd_size size;
	struct iroce_flow_key f;
	struct iroce_spd spd;
	int i, resizes = 0;

	(void)state;
	spd_make(&spd, 16, 2);
	for (i = 0; i < 4000; i++) {
		n[i] = policy(4000 - i);
		n[i].sel.daddr = addr(i);
		n[i].sel.prefixlen_d = 32;
		must_add(&spd, &n[i], NULL);
		if (iroce_spd_wants_resize(&spd, &size)) {
			spd_resize(&spd, &size);
			assert_false(iroce_spd_wants_resize(&spd, &size));
			resizes++;
		}
	}
	assert_true(resizes > 3 && resizes < 20);
	for (i = 0; i < 4000; i++) {
		f = flow(1, i, 17, 1);
		assert_ptr_equal(iroce_spd_lookup(&spd, &f), &n[i]);
	}
	for (i = 0; i < 4000; i++) {
		iroce_spd_remove(&spd, &n[i]);
		if (iroce_spd_wants_resize(&spd, &size)) {
			spd_resize(&spd, &size);
			assert_false(iroce_spd_wants_resize(&spd, &size));
			resizes++;
		}
	}
	assert_true(resizes < 40);
	spd_destroy(&spd);
}

static void dead_tuples_and_tuples_out_of_order_ask_for_a_rehash(void **state)
{
	static struct iroce_spd_node n[33];
	struct iroce_spd_size size;
	struct iroce_spd spd;
	int i;

	(void)state;
	spd_make(&spd, 64, 64);
	for (i = 0; i < 33; i++) {
		n[i] = policy(100 + i);
		n[i].sel.prefixlen_d = i;
		must_add(&spd, &n[i], NULL);
	}
	assert_false(iroce_spd_wants_resize(&spd, &size)); /* best first already */
	for (i = 0; i < 30; i++)
		iroce_spd_remove(&spd, &n[i]);
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	for (i = 0; i < 8; i++) {
		n[i].priority = 50 - i; /* each better than those before */
		must_add(&spd, &n[i], NULL);
	}
	assert_true(iroce_spd_wants_resize(&spd, &size));
	spd_resize(&spd, &size);
	assert_false(iroce_spd_wants_resize(&spd, &size));
	spd_destroy(&spd);
}

/* A small world, so that random flows meet random policies. */
static union iroce_addr rand_addr(u16 family)
{
	union iroce_addr a = addr(0x0a000000 | rand_below(4) << 8 | rand_below(4));

	if (family == AF_INET6) {
		a.v6[1] = cpu_to_be32(rand_below(2));
		a.v6[3] = cpu_to_be32(rand_below(4));
	}
	return a;
}

static u8 rand_prefix(u16 family)
{
	static const u8 lens4[] = { 0, 8, 22, 24, 30, 31, 32 };
	static const u8 lens6[] = { 0, 24, 32, 63, 64, 126, 128 };

	return family == AF_INET ? lens4[rand_below(ARRAY_SIZE(lens4))] :
				   lens6[rand_below(ARRAY_SIZE(lens6))];
}

static void rand_policy(struct iroce_spd_node *n)
{
	static const u16 masks[] = { 0, 0, 0, 0xffff, 0xfffe };
	static const u8 protos[] = { 0, 0, 17, 6 };

	memset(n, 0, sizeof(*n));
	n->sel.family = rand_below(3) ? AF_INET : AF_INET6;
	n->sel.saddr = rand_addr(n->sel.family);
	n->sel.daddr = rand_addr(n->sel.family);
	n->sel.prefixlen_s = rand_prefix(n->sel.family);
	n->sel.prefixlen_d = rand_prefix(n->sel.family);
	n->sel.proto = protos[rand_below(ARRAY_SIZE(protos))];
	n->sel.sport = htons(rand_below(4));
	n->sel.dport = htons(rand_below(4));
	n->sel.sport_mask = htons(masks[rand_below(ARRAY_SIZE(masks))]);
	n->sel.dport_mask = htons(masks[rand_below(ARRAY_SIZE(masks))]);
	n->priority = rand_below(10) ? rand_below(6) * 1000 : U32_MAX - rand_below(2);
	n->is_bypass = !rand_below(3);
}

static void rand_flow(struct iroce_flow_key *f)
{
	memset(f, 0, sizeof(*f));
	f->family = rand_below(3) ? AF_INET : AF_INET6;
	f->saddr = rand_addr(f->family);
	f->daddr = rand_addr(f->family);
	switch (rand_below(6)) {
	case 0:
		f->flags = IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
		return;
	case 1:
		f->flags = IROCE_FLOW_PORTS_UNKNOWN;
		break;
	default:
		f->sport = htons(rand_below(4));
		f->dport = htons(rand_below(4));
	}
	f->proto = rand_below(3) ? 17 : 6;
}

static void run_random(u32 n_policies, int steps)
{
	static struct iroce_spd_node pool[SPD_MODEL_MAX];
	static struct spd_model model;
	struct iroce_spd_size size;
	struct iroce_flow_key f;
	struct iroce_spd spd;
	u32 hits = 0;

	memset(pool, 0, sizeof(pool));
	memset(&model, 0, sizeof(model));
	spd_make(&spd, 1, 1);
	while (steps--) {
		struct iroce_spd_node *n = &pool[rand_below(n_policies)], *before = NULL;

		switch (rand_below(12)) {
		case 0:
		case 1:
			if (n->is_linked)
				break;
			rand_policy(n);
			if (model.n && !rand_below(4)) {
				before = model.nodes[rand_below(model.n)];
				n->sel = before->sel;
				n->priority = before->priority;
			}
			must_add(&spd, n, before);
			spd_model_add(&model, n, before);
			break;
		case 2:
			if (!n->is_linked || rand_below(2))
				break;
			assert_ptr_equal(iroce_spd_remove(&spd, n), n);
			spd_model_remove(&model, n);
			break;
		case 3:
			if (iroce_spd_wants_resize(&spd, &size))
				spd_resize(&spd, &size);
			break;
		default:
			rand_flow(&f);
			n = spd_model_lookup(&model, &f);
			assert_ptr_equal(iroce_spd_lookup(&spd, &f), n);
			hits += !!n;
		}
		assert_int_equal(iroce_spd_is_empty(&spd), !model.n);
	}
	/* A test that never hits, or always, would prove little. */
	print_message("%zu policies, %u lookups hit\n", model.n, hits);
	assert_true(hits > 100);
	spd_destroy(&spd);
}

static void random_policies_and_flows_agree_with_the_linear_model(void **state)
{
	(void)state;
	run_random(5, 20000);
	run_random(60, 20000);
	run_random(4000, 40000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_make_no_table_are_refused),
		cmocka_unit_test(empty_database_says_so_and_finds_nothing),
		cmocka_unit_test(malformed_policies_are_refused),
		cmocka_unit_test(lower_priority_value_wins_whatever_the_order_of_addition),
		cmocka_unit_test(among_equal_priorities_the_first_added_wins_also_after_a_rehash),
		cmocka_unit_test(replacement_takes_the_place_of_the_old_policy),
		cmocka_unit_test(order_with_no_place_left_asks_for_a_rehash_and_goes_on),
		cmocka_unit_test(order_asks_for_a_rehash_before_it_runs_out),
		cmocka_unit_test(exact_selector_is_found_best_first_and_nothing_similar),
		cmocka_unit_test(fragment_falls_under_a_protecting_policy_with_ports),
		cmocka_unit_test(fragment_does_not_slip_through_a_bypass_policy_with_ports),
		cmocka_unit_test(fragment_passes_a_bypass_policy_that_asks_for_what_is_known),
		cmocka_unit_test(database_out_of_tuples_refuses_and_takes_it_after_a_rehash),
		cmocka_unit_test(rehash_leaves_the_links_and_order_of_old_readers_alone),
		cmocka_unit_test(second_rehash_waits_for_the_end_of_the_first),
		cmocka_unit_test(many_policies_of_few_masks_settle_after_a_few_resizes),
		cmocka_unit_test(dead_tuples_and_tuples_out_of_order_ask_for_a_rehash),
		cmocka_unit_test(random_policies_and_flows_agree_with_the_linear_model),
	};

	return cmocka_run_group_tests_name("spd", tests, rand_setup, NULL);
}
