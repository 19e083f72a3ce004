// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Security association database: both searches, life, order, resizing; then random operations
 * against a plain array.
 */
#include "unit.h"
#include "core/sad.h"

static void *mem_new(u32 n_buckets)
{
	size_t size = iroce_sad_mem_size(n_buckets);
	void *mem = malloc(size);

	assert_non_null(mem);
	memset(mem, 0xa5, size);
	return mem;
}

static void sad_make(struct iroce_sad *sad, u32 n_buckets)
{
	assert_int_equal(iroce_sad_init(sad, mem_new(n_buckets), n_buckets, 12345), 0);
}

static void sad_destroy(struct iroce_sad *sad)
{
	free(iroce_sad_fini(sad));
}

static void sad_resize(struct iroce_sad *sad, u32 n_buckets)
{
	void *old;

	assert_int_equal(iroce_sad_rehash(sad, mem_new(n_buckets), n_buckets, &old), 0);
	/* Nobody reads: the grace period is over at once. What is still used would show. */
	memset(old, 0x5a, sizeof(void *));
	free(old);
	iroce_sad_rehash_done(sad);
}

static union iroce_addr addr(u32 v)
{
	return iroce_addr_v4(cpu_to_be32(v));
}

static struct iroce_sad_node node(u8 dir, u32 saddr, u32 daddr, u32 spi, u32 reqid)
{
	struct iroce_sad_node n;

	memset(&n, 0, sizeof(n));
	n.saddr = addr(saddr);
	n.daddr = addr(daddr);
	n.spi = cpu_to_be32(spi);
	n.reqid = reqid;
	n.family = AF_INET;
	n.dir = dir;
	return n;
}

/* From 1 to 2. */
static void add_new(struct iroce_sad *sad, struct iroce_sad_node *n, u8 dir, u32 spi, u32 reqid)
{
	*n = node(dir, 1, 2, spi, reqid);
	assert_int_equal(iroce_sad_add(sad, n), 0);
}

static struct iroce_flow_key flow(u32 saddr, u32 daddr)
{
	struct iroce_flow_key f = { .family = AF_INET, .proto = 17, .saddr = addr(saddr),
				    .daddr = addr(daddr) };

	return f;
}

static struct iroce_sad_node *find_out(const struct iroce_sad *sad, u32 saddr, u32 daddr,
				       u32 reqid, u32 spi)
{
	struct iroce_sad_out_key key = { .saddr = addr(saddr), .daddr = addr(daddr),
					 .reqid = reqid, .spi = cpu_to_be32(spi),
					 .family = AF_INET };
	struct iroce_flow_key f = flow(saddr, daddr);

	return iroce_sad_find_out(sad, &key, &f);
}

static struct iroce_sad_node *find_in(const struct iroce_sad *sad, u32 daddr, u32 spi)
{
	union iroce_addr a = addr(daddr);

	return iroce_sad_find(sad, IROCE_DIR_IN, AF_INET, &a, cpu_to_be32(spi));
}

static void bucket_counts_that_are_no_power_of_two_are_refused(void **state)
{
	static const u32 bad[] = { 0, 3, 6, 1000, (1 << 24) + 1, 1 << 25, 0x80000000 };
	struct iroce_sad sad;
	void *old;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(iroce_sad_init(&sad, NULL, bad[i], 0), -EINVAL);
	sad_make(&sad, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(iroce_sad_rehash(&sad, NULL, bad[i], &old), -EINVAL);
	sad_destroy(&sad);
}

static void inbound_sa_is_found_by_all_of_its_key_and_by_nothing_less(void **state)
{
	struct iroce_sad_node n = node(IROCE_DIR_IN, 1, 2, 0x101, 7);
	union iroce_addr a = addr(2);
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 1);
	assert_int_equal(iroce_sad_add(&sad, &n), 0);
	assert_ptr_equal(find_in(&sad, 2, 0x101), &n);
	assert_null(find_in(&sad, 3, 0x101));
	assert_null(find_in(&sad, 2, 0x102));
	assert_null(iroce_sad_find(&sad, IROCE_DIR_OUT, AF_INET, &a, n.spi));
	assert_null(iroce_sad_find(&sad, IROCE_DIR_IN, AF_INET6, &a, n.spi));
	/* An inbound SA is no candidate for sending. */
	assert_null(find_out(&sad, 1, 2, 7, 0));
	sad_destroy(&sad);
}

static void same_key_twice_is_refused_but_not_in_the_other_direction(void **state)
{
	struct iroce_sad_node a = node(IROCE_DIR_IN, 1, 2, 0x101, 7);
	struct iroce_sad_node b = node(IROCE_DIR_IN, 9, 2, 0x101, 8);
	struct iroce_sad_node c = node(IROCE_DIR_OUT, 1, 2, 0x101, 7);
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 16);
	assert_int_equal(iroce_sad_add(&sad, &a), 0);
	assert_int_equal(iroce_sad_add(&sad, &a), -EEXIST);
	assert_int_equal(iroce_sad_add(&sad, &b), -EEXIST);
	assert_int_equal(iroce_sad_add(&sad, &c), 0);
	assert_int_equal(iroce_sad_count(&sad), 2);
	assert_ptr_equal(iroce_sad_remove(&sad, &a), &a);
	assert_int_equal(iroce_sad_add(&sad, &b), 0);
	sad_destroy(&sad);
}

static void malformed_sas_are_refused(void **state)
{
	struct iroce_sad_node n;
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 16);
	n = node(IROCE_DIR_IN, 1, 2, 0, 7);
	assert_int_equal(iroce_sad_add(&sad, &n), -EINVAL);
	n = node(2, 1, 2, 3, 7);
	assert_int_equal(iroce_sad_add(&sad, &n), -EINVAL);
	n = node(IROCE_DIR_IN, 1, 2, 3, 7);
	n.family = 0;
	assert_int_equal(iroce_sad_add(&sad, &n), -EINVAL);
	n = node(IROCE_DIR_IN, 1, 2, 3, 7);
	n.sel.family = AF_INET;
	n.sel.prefixlen_d = 33;
	assert_int_equal(iroce_sad_add(&sad, &n), -EINVAL);
	assert_int_equal(iroce_sad_count(&sad), 0);
	assert_null(iroce_sad_first(&sad));
	sad_destroy(&sad);
}

static void removed_sa_is_found_no_more_and_removed_once(void **state)
{
	struct iroce_sad_node n[3];
	struct iroce_sad sad;
	int i;

	(void)state;
	sad_make(&sad, 1); /* all in one chain */
	for (i = 0; i < 3; i++)
		add_new(&sad, &n[i], IROCE_DIR_OUT, 0x100 + i, 7);
	assert_ptr_equal(iroce_sad_remove(&sad, &n[1]), &n[1]);
	assert_null(iroce_sad_remove(&sad, &n[1]));
	assert_null(iroce_sad_find(&sad, IROCE_DIR_OUT, AF_INET, &n[1].daddr, n[1].spi));
	assert_null(find_out(&sad, 1, 2, 7, 0x101));
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0x100), &n[0]);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0x102), &n[2]);
	assert_ptr_equal(iroce_sad_first(&sad), &n[0]);
	assert_ptr_equal(iroce_sad_next(&n[0]), &n[2]);
	assert_null(iroce_sad_next(&n[2]));
	assert_ptr_equal(iroce_sad_remove(&sad, &n[0]), &n[0]);
	assert_ptr_equal(iroce_sad_remove(&sad, &n[2]), &n[2]);
	assert_null(iroce_sad_first(&sad));
	assert_int_equal(iroce_sad_count(&sad), 0);
	sad_destroy(&sad);
}

/* R14: xfrm adds a second state before it looks whether the first one is still there. */
static void finding_R14_an_sa_that_waits_takes_over_when_the_other_leaves(void **state)
{
	struct iroce_sad_node first, second, third, other;
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 1);
	add_new(&sad, &other, IROCE_DIR_OUT, 9, 1);
	add_new(&sad, &first, IROCE_DIR_OUT, 5, 1);
	second = third = node(IROCE_DIR_OUT, 1, 2, 5, 1);
	assert_int_equal(iroce_sad_add(&sad, &second), -EEXIST);
	iroce_sad_wait(&sad, &second);
	assert_int_equal(iroce_sad_add(&sad, &third), -EEXIST);
	iroce_sad_wait(&sad, &third);
	assert_int_equal(iroce_sad_count(&sad), 2);
	assert_ptr_equal(find_out(&sad, 1, 2, 1, 5), &first);
	assert_null(iroce_sad_heir(&sad, &other));
	assert_null(iroce_sad_heir(&sad, &second));
	assert_ptr_equal(iroce_sad_heir(&sad, &first), &second);

	assert_ptr_equal(iroce_sad_remove(&sad, &first), &first);
	assert_ptr_equal(find_out(&sad, 1, 2, 1, 5), &second);
	assert_int_equal(iroce_sad_count(&sad), 2);
	assert_null(iroce_sad_remove(&sad, &first));
	assert_ptr_equal(iroce_sad_heir(&sad, &second), &third);
	assert_null(iroce_sad_heir(&sad, &first));

	assert_ptr_equal(iroce_sad_remove(&sad, &second), &second);
	assert_ptr_equal(find_out(&sad, 1, 2, 1, 5), &third);
	assert_ptr_equal(iroce_sad_remove(&sad, &third), &third);
	assert_null(find_out(&sad, 1, 2, 1, 5));
	assert_ptr_equal(find_out(&sad, 1, 2, 1, 9), &other);
	assert_int_equal(iroce_sad_count(&sad), 1);
	sad_destroy(&sad);
}

static void finding_R14_an_sa_that_waits_can_be_taken_back(void **state)
{
	struct iroce_sad_node first, second;
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 1);
	add_new(&sad, &first, IROCE_DIR_IN, 5, 1);
	second = node(IROCE_DIR_IN, 1, 2, 5, 1);
	iroce_sad_wait(&sad, &second);
	assert_ptr_equal(iroce_sad_remove(&sad, &second), &second);
	assert_null(iroce_sad_remove(&sad, &second));
	assert_ptr_equal(find_in(&sad, 2, 5), &first);
	iroce_sad_wait(&sad, &second);
	sad_resize(&sad, 4);
	assert_ptr_equal(find_in(&sad, 2, 5), &first);
	iroce_sad_remove(&sad, &first);
	assert_ptr_equal(find_in(&sad, 2, 5), &second);
	assert_ptr_equal(iroce_sad_first(&sad), &second);
	assert_null(iroce_sad_next(&second));
	sad_destroy(&sad);
}

static void reader_on_a_removed_sa_walks_on(void **state)
{
	struct iroce_sad_node n[3];
	struct iroce_sad sad;
	int i;

	(void)state;
	sad_make(&sad, 1);
	for (i = 0; i < 3; i++)
		add_new(&sad, &n[i], IROCE_DIR_IN, 0x100 + i, 7);
	iroce_sad_remove(&sad, &n[1]);
	assert_ptr_equal(n[1].spi_next[0], &n[0]);
	sad_destroy(&sad);
}

static void newest_valid_sa_is_chosen_and_a_dying_one_only_without_it(void **state)
{
	struct iroce_sad_node n[3];
	struct iroce_sad sad;
	int i;

	(void)state;
	sad_make(&sad, 4);
	for (i = 0; i < 3; i++) {
		add_new(&sad, &n[i], IROCE_DIR_OUT, 0x100 + i, 7);
		assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[i]);
	}
	iroce_sad_set_life(&n[2], IROCE_SA_DYING);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[1]);
	iroce_sad_set_life(&n[1], IROCE_SA_DEAD);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[0]);
	iroce_sad_set_life(&n[0], IROCE_SA_DYING);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[2]);
	iroce_sad_set_life(&n[2], IROCE_SA_DEAD);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[0]);
	iroce_sad_set_life(&n[0], IROCE_SA_DEAD);
	assert_null(find_out(&sad, 1, 2, 7, 0));
	/* By SPI the dead are still found, for their counters. */
	assert_ptr_equal(iroce_sad_find(&sad, IROCE_DIR_OUT, AF_INET, &n[0].daddr, n[0].spi),
			 &n[0]);
	assert_int_equal(iroce_sad_life(&n[0]), IROCE_SA_DEAD);
	sad_destroy(&sad);
}

static void template_asks_for_reqid_addresses_and_spi(void **state)
{
	struct iroce_sad_node n = node(IROCE_DIR_OUT, 1, 2, 0x101, 7);
	struct iroce_sad_out_key key = { .saddr = addr(1), .daddr = addr(2), .reqid = 7,
					 .family = AF_INET6 };
	struct iroce_flow_key f = flow(1, 2);
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 1);
	assert_int_equal(iroce_sad_add(&sad, &n), 0);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0x101), &n);
	assert_null(find_out(&sad, 1, 2, 7, 0x102));
	assert_null(find_out(&sad, 1, 2, 8, 0));
	assert_null(find_out(&sad, 3, 2, 7, 0));
	assert_null(find_out(&sad, 1, 3, 7, 0));
	assert_null(iroce_sad_find_out(&sad, &key, &f));
	sad_destroy(&sad);
}

static void sa_for_any_source_is_second_choice(void **state)
{
	struct iroce_sad_node any = node(IROCE_DIR_OUT, 0, 2, 0x101, 7);
	struct iroce_sad_node own = node(IROCE_DIR_OUT, 1, 2, 0x102, 7);
	struct iroce_sad_node newer = node(IROCE_DIR_OUT, 0, 2, 0x103, 7);
	struct iroce_sad sad;

	(void)state;
	sad_make(&sad, 16);
	assert_int_equal(iroce_sad_add(&sad, &any), 0);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &any);
	assert_int_equal(iroce_sad_add(&sad, &own), 0);
	assert_int_equal(iroce_sad_add(&sad, &newer), 0);
	assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &own);
	assert_ptr_equal(find_out(&sad, 5, 2, 7, 0), &newer);
	assert_ptr_equal(find_out(&sad, 0, 2, 7, 0), &newer);
	sad_destroy(&sad);
}

static void selector_of_the_sa_decides_among_its_group(void **state)
{
	struct iroce_sad_node udp = node(IROCE_DIR_OUT, 1, 2, 0x101, 7);
	struct iroce_sad_node tcp = node(IROCE_DIR_OUT, 1, 2, 0x102, 7);
	struct iroce_sad_out_key key = { .saddr = addr(1), .daddr = addr(2), .reqid = 7,
					 .family = AF_INET };
	struct iroce_flow_key f = flow(1, 2);
	struct iroce_sad sad;

	(void)state;
	udp.sel.family = AF_INET;
	udp.sel.proto = 17;
	tcp.sel.family = AF_INET;
	tcp.sel.proto = 6;
	sad_make(&sad, 16);
	assert_int_equal(iroce_sad_add(&sad, &udp), 0);
	assert_int_equal(iroce_sad_add(&sad, &tcp), 0);
	assert_ptr_equal(iroce_sad_find_out(&sad, &key, &f), &udp);
	f.proto = 6;
	assert_ptr_equal(iroce_sad_find_out(&sad, &key, &f), &tcp);
	f.proto = 1;
	assert_null(iroce_sad_find_out(&sad, &key, &f));
	f.flags = IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
	assert_null(iroce_sad_find_out(&sad, &key, &f));
	sad_destroy(&sad);
}

static void ipv6_uses_all_of_the_address(void **state)
{
	struct iroce_sad_node n[4];
	struct iroce_sad sad;
	int i;

	(void)state;
	sad_make(&sad, 1);
	for (i = 0; i < 4; i++) {
		n[i] = node(IROCE_DIR_IN, 0, 0, 0x101, 7);
		n[i].family = AF_INET6;
		n[i].daddr.v6[i] = 1;
		assert_int_equal(iroce_sad_add(&sad, &n[i]), 0);
	}
	for (i = 0; i < 4; i++)
		assert_ptr_equal(iroce_sad_find(&sad, IROCE_DIR_IN, AF_INET6, &n[i].daddr,
						n[i].spi), &n[i]);
	sad_destroy(&sad);
}

static void rehash_keeps_everything_and_its_order(void **state)
{
	static const u32 sizes[] = { 1, 2, 64, 1024, 16 };
	struct iroce_sad_node n[100];
	struct iroce_sad sad;
	size_t s;
	int i;

	(void)state;
	sad_make(&sad, 16);
	for (i = 0; i < 100; i++)
		add_new(&sad, &n[i], i & 1 ? IROCE_DIR_OUT : IROCE_DIR_IN, 0x100 + i, 7);
	iroce_sad_set_life(&n[99], IROCE_SA_DYING);
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		sad_resize(&sad, sizes[s]);
		for (i = 0; i < 100; i++)
			assert_ptr_equal(iroce_sad_find(&sad, n[i].dir, AF_INET, &n[i].daddr,
							n[i].spi), &n[i]);
		assert_ptr_equal(find_out(&sad, 1, 2, 7, 0), &n[97]);
		assert_int_equal(iroce_sad_life(&n[99]), IROCE_SA_DYING);
	}
	for (i = 0; i < 100; i++)
		assert_ptr_equal(iroce_sad_remove(&sad, &n[i]), &n[i]);
	sad_destroy(&sad);
}

static void rehash_leaves_the_links_of_old_readers_alone(void **state)
{
	struct iroce_sad_node n[20], before[20];
	struct iroce_sad sad;
	void *old, *mem = mem_new(4);
	int i;

	(void)state;
	sad_make(&sad, 1);
	for (i = 0; i < 20; i++)
		add_new(&sad, &n[i], IROCE_DIR_OUT, 0x100 + i, i & 3);
	memcpy(before, n, sizeof(n));
	assert_int_equal(iroce_sad_rehash(&sad, mem, 4, &old), 0);
	for (i = 0; i < 20; i++) {
		assert_ptr_equal(n[i].spi_next[0], before[i].spi_next[0]);
		assert_ptr_equal(n[i].out_next[0], before[i].out_next[0]);
	}
	free(old);
	iroce_sad_rehash_done(&sad);
	sad_destroy(&sad);
}

static void second_rehash_waits_for_the_end_of_the_first(void **state)
{
	struct iroce_sad_node a = node(IROCE_DIR_IN, 1, 2, 0x101, 7);
	struct iroce_sad_node b = node(IROCE_DIR_IN, 1, 2, 0x102, 7);
	struct iroce_sad sad;
	void *old, *none = NULL, *spare;

	(void)state;
	sad_make(&sad, 16);
	spare = mem_new(64);
	assert_int_equal(iroce_sad_add(&sad, &a), 0);
	assert_int_equal(iroce_sad_rehash(&sad, mem_new(32), 32, &old), 0);
	assert_int_equal(iroce_sad_rehash(&sad, spare, 64, &none), -EBUSY);
	assert_null(none);
	assert_int_equal(iroce_sad_wants_resize(&sad), 0);
	/* Meanwhile all else works. */
	assert_int_equal(iroce_sad_add(&sad, &b), 0);
	assert_ptr_equal(find_in(&sad, 2, 0x102), &b);
	assert_ptr_equal(iroce_sad_remove(&sad, &a), &a);
	assert_null(find_in(&sad, 2, 0x101));
	/* A reader that is still in the old table is not led astray. */
	assert_null(a.spi_next[0]);
	free(old);
	iroce_sad_rehash_done(&sad);
	assert_int_equal(iroce_sad_rehash(&sad, spare, 64, &old), 0);
	assert_ptr_equal(find_in(&sad, 2, 0x102), &b);
	free(old);
	iroce_sad_rehash_done(&sad);
	sad_destroy(&sad);
}

static void resize_is_wanted_when_crowded_or_sparse_and_then_no_more(void **state)
{
	static struct iroce_sad_node n[5000];
	struct iroce_sad sad;
	int i, resizes = 0;
	u32 want;

	(void)state;
	sad_make(&sad, 16);
	assert_int_equal(iroce_sad_wants_resize(&sad), 0);
	for (i = 0; i < 5000; i++) {
		add_new(&sad, &n[i], IROCE_DIR_IN, 0x100 + i, 7);
		want = iroce_sad_wants_resize(&sad);
		if (!want)
			continue;
		sad_resize(&sad, want);
		resizes++;
		assert_int_equal(iroce_sad_wants_resize(&sad), 0);
		assert_true(want >= iroce_sad_count(&sad));
	}
	assert_true(resizes > 3 && resizes < 15);
	for (i = 0; i < 5000; i++) {
		iroce_sad_remove(&sad, &n[i]);
		want = iroce_sad_wants_resize(&sad);
		if (!want)
			continue;
		sad_resize(&sad, want);
		resizes++;
		assert_int_equal(iroce_sad_wants_resize(&sad), 0);
	}
	assert_true(resizes < 30);
	assert_true(sad.n_nodes == 0);
	sad_destroy(&sad);
}

#define N 400

static struct iroce_sad_node *model_find_out(struct iroce_sad_node **all, int n,
					     const struct iroce_sad_out_key *key)
{
	struct iroce_sad_node *best = NULL;
	int pass, i;

	for (pass = 0; pass < 2 && !best; pass++) {
		union iroce_addr saddr = pass ? addr(0) : key->saddr;

		for (i = 0; i < n; i++) {
			struct iroce_sad_node *x = all[i];

			if (x->dir != IROCE_DIR_OUT || x->life == IROCE_SA_DEAD ||
			    memcmp(&x->saddr, &saddr, 16) || memcmp(&x->daddr, &key->daddr, 16) ||
			    x->reqid != key->reqid || (key->spi && key->spi != x->spi))
				continue;
			if (!best || x->life <= best->life)
				best = x;
		}
	}
	return best;
}

static void random_operations_agree_with_a_plain_array(void **state)
{
	static struct iroce_sad_node pool[N];
	struct iroce_sad_node *all[N], *found;
	struct iroce_sad sad;
	int step, n = 0, i;
	u32 want;

	(void)state;
	memset(pool, 0, sizeof(pool));
	sad_make(&sad, 1);
	for (step = 0; step < 60000; step++) {
		struct iroce_sad_node *x = &pool[rand_below(N)];
		struct iroce_sad_out_key key = { .saddr = addr(rand_below(3)),
						 .daddr = addr(rand_below(3)),
						 .reqid = rand_below(3), .family = AF_INET };
		struct iroce_flow_key f = flow(1, 2);

		switch (rand_below(8)) {
		case 0:
		case 1:
			if (x->is_linked)
				break;
			*x = node(rand_below(2), rand_below(3), rand_below(3),
				  1 + rand_below(200), rand_below(3));
			for (i = 0; i < n; i++)
				if (all[i]->dir == x->dir && all[i]->spi == x->spi &&
				    !memcmp(&all[i]->daddr, &x->daddr, 16))
					break;
			assert_int_equal(iroce_sad_add(&sad, x), i < n ? -EEXIST : 0);
			if (i == n)
				all[n++] = x;
			break;
		case 2:
			found = iroce_sad_remove(&sad, x);
			for (i = 0; i < n && all[i] != x; i++)
				;
			assert_ptr_equal(found, i < n ? x : NULL);
			if (i < n) {
				n--;
				memmove(&all[i], &all[i + 1], (n - i) * sizeof(all[0]));
			}
			break;
		case 3:
			if (x->is_linked)
				iroce_sad_set_life(x, rand_below(3));
			break;
		case 4:
			want = iroce_sad_wants_resize(&sad);
			if (want)
				sad_resize(&sad, want);
			else if (!rand_below(50))
				sad_resize(&sad, 1 << rand_below(9));
			break;
		default:
			if (!rand_below(3))
				key.spi = cpu_to_be32(1 + rand_below(200));
			assert_ptr_equal(iroce_sad_find_out(&sad, &key, &f),
					 model_find_out(all, n, &key));
			assert_ptr_equal(iroce_sad_find(&sad, x->dir, AF_INET, &x->daddr, x->spi),
					 x->is_linked ? x : iroce_sad_find(&sad, x->dir, AF_INET,
									   &x->daddr, x->spi));
		}
		assert_int_equal(iroce_sad_count(&sad), n);
	}
	for (i = 0, found = iroce_sad_first(&sad); found; found = iroce_sad_next(found))
		assert_ptr_equal(found, all[i++]);
	assert_int_equal(i, n);
	sad_destroy(&sad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_counts_that_are_no_power_of_two_are_refused),
		cmocka_unit_test(inbound_sa_is_found_by_all_of_its_key_and_by_nothing_less),
		cmocka_unit_test(same_key_twice_is_refused_but_not_in_the_other_direction),
		cmocka_unit_test(malformed_sas_are_refused),
		cmocka_unit_test(removed_sa_is_found_no_more_and_removed_once),
		cmocka_unit_test(finding_R14_an_sa_that_waits_takes_over_when_the_other_leaves),
		cmocka_unit_test(finding_R14_an_sa_that_waits_can_be_taken_back),
		cmocka_unit_test(reader_on_a_removed_sa_walks_on),
		cmocka_unit_test(newest_valid_sa_is_chosen_and_a_dying_one_only_without_it),
		cmocka_unit_test(template_asks_for_reqid_addresses_and_spi),
		cmocka_unit_test(sa_for_any_source_is_second_choice),
		cmocka_unit_test(selector_of_the_sa_decides_among_its_group),
		cmocka_unit_test(ipv6_uses_all_of_the_address),
		cmocka_unit_test(rehash_keeps_everything_and_its_order),
		cmocka_unit_test(rehash_leaves_the_links_of_old_readers_alone),
		cmocka_unit_test(second_rehash_waits_for_the_end_of_the_first),
		cmocka_unit_test(resize_is_wanted_when_crowded_or_sparse_and_then_no_more),
		cmocka_unit_test(random_operations_agree_with_a_plain_array),
	};

	return cmocka_run_group_tests_name("sad", tests, rand_setup, NULL);
}
