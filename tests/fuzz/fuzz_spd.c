// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The input as a series of operations on a policy database, held against the linear model:
 * add, replace, remove, rehash, look up.
 */
#include "fuzz.h"
#include "spd_model.h"

#define N_NODES 48

struct world {
	struct iroce_spd spd;
	struct spd_model model;
	struct iroce_spd_node nodes[N_NODES];
};

static void resize(struct world *w, const struct iroce_spd_size *size)
{
	void *mem = malloc(iroce_spd_mem_size(size));
	void *old;

	MUST(mem);
	if (iroce_spd_rehash(&w->spd, mem, size, &old)) {
		free(mem);
		return;
	}
	free(old);
	iroce_spd_rehash_done(&w->spd);
}

/* Few values, so that flows meet policies. */
static union iroce_addr take_addr(struct input *in, u16 family)
{
	u8 v = take(in, 1);
	u32 v4 = 0x0a000000U | (v & 3U) << 30 | (v >> 2 & 7);
	union iroce_addr a = iroce_addr_v4(cpu_to_be32(v4));

	if (family == AF_INET6) {
		a.v6[1] = cpu_to_be32((u32)(v >> 5 & 1) << 31);
		a.v6[3] = cpu_to_be32(v >> 6);
	}
	return a;
}

static void take_policy(struct input *in, struct iroce_spd_node *n)
{
	static const u16 masks[] = { 0, 0xffff, 0xff00, 1 };
	u8 v = take(in, 1);

	memset(n, 0, sizeof(*n));
	n->sel.family = v & 1 ? AF_INET6 : AF_INET;
	n->is_bypass = v & 2;
	n->sel.proto = v & 4 ? 17 : v & 8 ? 6 : 0;
	n->sel.sport_mask = masks[v >> 4 & 3];
	n->sel.dport_mask = masks[v >> 6 & 3];
	n->sel.sport = take(in, 1);
	n->sel.dport = take(in, 1);
	n->sel.saddr = take_addr(in, n->sel.family);
	n->sel.daddr = take_addr(in, n->sel.family);
	n->sel.prefixlen_s = take(in, 1) % (n->sel.family == AF_INET ? 34 : 130);
	n->sel.prefixlen_d = take(in, 1) % (n->sel.family == AF_INET ? 34 : 130);
	n->priority = take(in, 1) % 8;
}

static void add(struct input *in, struct world *w)
{
	struct iroce_spd_node *n = &w->nodes[take(in, 1) % N_NODES], *before = NULL;
	struct iroce_spd_size size;
	u8 which;
	int err;

	if (n->is_linked)
		return;
	take_policy(in, n);
	which = take(in, 1);
	if (which & 0x80 && w->model.n) {
		before = w->model.nodes[which % w->model.n];
		n->priority = before->priority;
	}
	err = iroce_spd_add(&w->spd, n, before);
	if (err == -ENOSPC) {
		MUST(iroce_spd_wants_resize(&w->spd, &size));
		resize(w, &size);
		err = iroce_spd_add(&w->spd, n, before);
	}
	if (!iroce_selector_is_valid(&n->sel)) {
		MUST(err == -EINVAL && !n->is_linked);
		return;
	}
	MUST(!err);
	spd_model_add(&w->model, n, before);
}

static void remove_one(struct input *in, struct world *w)
{
	struct iroce_spd_node *n = &w->nodes[take(in, 1) % N_NODES];
	bool was_linked = n->is_linked;

	MUST(iroce_spd_remove(&w->spd, n) == (was_linked ? n : NULL));
	if (was_linked)
		spd_model_remove(&w->model, n);
}

static void look_up(struct input *in, struct world *w)
{
	u8 v = take(in, 1);
	struct iroce_flow_key f = { .family = v & 1 ? AF_INET6 : AF_INET };

	f.saddr = take_addr(in, f.family);
	f.daddr = take_addr(in, f.family);
	f.flags = v & 2 ? IROCE_FLOW_PORTS_UNKNOWN : 0;
	if (v & 2 && v & 4) {
		f.flags |= IROCE_FLOW_PROTO_UNKNOWN;
	} else {
		f.proto = v & 8 ? 17 : 6;
	}
	if (!f.flags) {
		f.sport = take(in, 1);
		f.dport = take(in, 1);
	}
	MUST(iroce_spd_lookup(&w->spd, &f) == spd_model_lookup(&w->model, &f));
}

static void find_exact(struct input *in, struct world *w)
{
	const struct iroce_spd_node *n = &w->nodes[take(in, 1) % N_NODES];
	struct iroce_spd_node *found = NULL;
	size_t i, want = 0, have = 0;

	if (!n->is_linked)
		return;
	for (i = 0; i < w->model.n; i++)
		want += iroce_selector_equal(&w->model.nodes[i]->sel, &n->sel);
	while ((found = iroce_spd_find(&w->spd, &n->sel, found)))
		have++;
	MUST(have == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct iroce_spd_size s = { 1, 1 };
	static struct world w;

	memset(&w, 0, sizeof(w));
	s.n_tuples += take(&in, 1) % 8;
	MUST(!iroce_spd_init(&w.spd, malloc(iroce_spd_mem_size(&s)), &s, take(&in, 4)));
	while (in.size) {
		switch (take(&in, 1) % 8) {
		case 0:
		case 1:
			add(&in, &w);
			break;
		case 2:
			remove_one(&in, &w);
			break;
		case 3:
			s.n_buckets = 1U << take(&in, 1) % 6;
			s.n_tuples = 1 + take(&in, 1);
			resize(&w, &s);
			break;
		case 4:
			if (iroce_spd_wants_resize(&w.spd, &s)) {
				resize(&w, &s);
				MUST(!iroce_spd_wants_resize(&w.spd, &s));
			}
			break;
		case 5:
			find_exact(&in, &w);
			break;
		default:
			look_up(&in, &w);
		}
		MUST(iroce_spd_is_empty(&w.spd) == !w.model.n);
	}
	free(iroce_spd_fini(&w.spd));
	return 0;
}
