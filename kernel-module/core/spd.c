// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Security policy database: tuple space search over intrusive nodes.
 * What is found is always matched in full, hashes and tuples only steer: a race can make a reader
 * miss a policy that is just being added, never take a wrong one or miss one that stays.
 */
#include "spd.h"
#include "hash.h"

#define BUCKETS_MIN 16U
#define BUCKETS_MAX (1U << 24)
#define TUPLES_MAX (1U << 20)
#define TUPLES_SPARE 8U
/* Between two policies' places in the order: room for replacements to squeeze in. */
#define ORDER_STEP (1ULL << 20)
/* With less room than this left, ask for a rehash, which numbers anew. */
#define ORDER_TIGHT (1ULL << 10)
/* So few tuples need no sorting. */
#define UNSORTED_MAX 4U

/* The part of a selector that says what is looked at, not what is found there. */
struct mask {
	__be16 sport;
	__be16 dport;
	u16 family;
	u8 prefixlen_s;
	u8 prefixlen_d;
	bool has_proto;
	bool is_blind; /* holds the policies that look at protocol or ports, by addresses */
};

struct tuple {
	struct mask mask; /* constant once published */
	u32 best; /* no policy in here has a lower priority value; U32_MAX if empty */
	u32 n_nodes; /* writers only */
};

struct iroce_spd_table {
	struct iroce_spd_link **buckets;
	struct tuple *tuples;
	u32 bucket_mask;
	u32 max_tuples;
	u32 n_tuples; /* published; a slot is never given another mask in a table's life */
	u32 n_dead; /* tuples without policies */
	u32 n_links;
	u32 n_adds; /* since the rehash that made this table */
	bool is_unsorted;
	bool is_order_tight;
	u8 ver; /* which links and order of the nodes this table uses */
};

static struct mask mask_of(const struct iroce_selector *sel)
{
	struct mask m = {
		.sport = sel->sport_mask,
		.dport = sel->dport_mask,
		.family = sel->family,
		.prefixlen_s = sel->prefixlen_s,
		.prefixlen_d = sel->prefixlen_d,
		.has_proto = sel->proto,
	};

	return m;
}

/* Where flows that hide protocol or ports look for the policy. */
static struct mask blind_mask_of(const struct iroce_selector *sel)
{
	struct mask m = {
		.family = sel->family,
		.prefixlen_s = sel->prefixlen_s,
		.prefixlen_d = sel->prefixlen_d,
		.is_blind = true,
	};

	return m;
}

/* Does it look at anything that a flow may hide? */
static bool mask_is_deep(const struct mask *m)
{
	return m->has_proto || (m->sport | m->dport);
}

static bool mask_equal(const struct mask *a, const struct mask *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->family == b->family &&
	       a->prefixlen_s == b->prefixlen_s && a->prefixlen_d == b->prefixlen_d &&
	       a->has_proto == b->has_proto && a->is_blind == b->is_blind;
}

static union iroce_addr addr_mask(const union iroce_addr *a, u8 len)
{
	union iroce_addr out = { .v6 = { 0, 0, 0, 0 } };
	u32 i;

	for (i = 0; i < len / 32; i++)
		out.v6[i] = a->v6[i];
	if (len % 32)
		out.v6[i] = a->v6[i] & cpu_to_be32(~0U << (32 - len % 32));
	return out;
}

static u32 hash_masked(u32 seed, const struct mask *m, const union iroce_addr *saddr,
		       const union iroce_addr *daddr, u8 proto, __be16 sport, __be16 dport)
{
	union iroce_addr s = addr_mask(saddr, m->prefixlen_s);
	union iroce_addr d = addr_mask(daddr, m->prefixlen_d);
	u32 h;

	h = iroce_hash_add(seed, (u32)m->prefixlen_s << 24 | (u32)m->prefixlen_d << 16 |
					 (u32)m->is_blind << 9 | (u32)m->has_proto << 8 |
					 (m->has_proto ? proto : 0));
	h = iroce_hash_add(h, (u32)(__force u16)m->sport << 16 | (__force u16)m->dport);
	h = iroce_hash_add(h, (u32)(__force u16)(sport & m->sport) << 16 |
				      (__force u16)(dport & m->dport));
	h = iroce_hash_addr(h, m->family, &s);
	return iroce_hash_end(iroce_hash_addr(h, m->family, &d));
}

static struct iroce_spd_link **bucket_of_flow(const struct iroce_spd *spd,
					      const struct iroce_spd_table *t,
					      const struct mask *m,
					      const struct iroce_flow_key *flow)
{
	return &t->buckets[hash_masked(spd->seed, m, &flow->saddr, &flow->daddr, flow->proto,
				       flow->sport, flow->dport) &
			   t->bucket_mask];
}

static struct iroce_spd_link **bucket_of_sel(const struct iroce_spd *spd,
					     const struct iroce_spd_table *t,
					     const struct mask *m,
					     const struct iroce_selector *sel)
{
	return &t->buckets[hash_masked(spd->seed, m, &sel->saddr, &sel->daddr, sel->proto,
				       sel->sport, sel->dport) &
			   t->bucket_mask];
}

static bool is_size_valid(const struct iroce_spd_size *size)
{
	return size->n_buckets && size->n_buckets <= BUCKETS_MAX &&
	       !(size->n_buckets & (size->n_buckets - 1)) && size->n_tuples &&
	       size->n_tuples <= TUPLES_MAX;
}

size_t iroce_spd_mem_size(const struct iroce_spd_size *size)
{
	return sizeof(struct iroce_spd_table) +
	       size->n_buckets * sizeof(struct iroce_spd_link *) +
	       size->n_tuples * sizeof(struct tuple);
}

static struct iroce_spd_table *table_init(void *mem, const struct iroce_spd_size *size, u8 ver)
{
	struct iroce_spd_table *t = mem;

	memset(mem, 0, iroce_spd_mem_size(size));
	t->buckets = (struct iroce_spd_link **)(t + 1);
	t->tuples = (struct tuple *)(t->buckets + size->n_buckets);
	t->bucket_mask = size->n_buckets - 1;
	t->max_tuples = size->n_tuples;
	t->ver = ver;
	return t;
}

int iroce_spd_init(struct iroce_spd *spd, void *mem, const struct iroce_spd_size *size,
		   u32 seed)
{
	if (!is_size_valid(size))
		return -EINVAL;
	memset(spd, 0, sizeof(*spd));
	spd->seed = seed;
	spd->table = table_init(mem, size, 0);
	return 0;
}

static u32 tuple_find(const struct iroce_spd_table *t, const struct mask *m)
{
	u32 i;

	for (i = 0; i < t->n_tuples; i++)
		if (mask_equal(&t->tuples[i].mask, m))
			return i;
	return i;
}

/* The tuple of a mask, a new one if need be; there is room. Returns its index. */
static u32 tuple_get(struct iroce_spd_table *t, const struct mask *m)
{
	u32 i = tuple_find(t, m);

	if (i < t->n_tuples)
		return i;
	t->tuples[i].mask = *m;
	t->tuples[i].best = U32_MAX;
	t->tuples[i].n_nodes = 0;
	t->n_dead++;
	smp_store_release(&t->n_tuples, i + 1);
	return i;
}

/* Count a policy in. Before it is linked: a reader must not skip the tuple that has it. */
static void tuple_enter(struct iroce_spd_table *t, u32 i, u32 priority)
{
	struct tuple *tuple = &t->tuples[i];

	if (!tuple->n_nodes++)
		t->n_dead--;
	if (priority >= tuple->best)
		return;
	WRITE_ONCE(tuple->best, priority);
	if (i && t->tuples[i - 1].best > priority)
		t->is_unsorted = true;
}

/* Count a policy out. After it is unlinked, and no longer in the list of all. */
static void tuple_leave(const struct iroce_spd *spd, struct iroce_spd_table *t, u32 i,
			u32 priority)
{
	struct tuple *tuple = &t->tuples[i];
	const struct iroce_spd_node *n;
	u32 best = U32_MAX;

	if (!--tuple->n_nodes)
		t->n_dead++;
	if (priority > tuple->best)
		return;
	for (n = spd->first; n && tuple->n_nodes && best > tuple->best; n = n->all_next)
		if ((n->tuple[0] == i || (n->has_blind && n->tuple[1] == i)) && n->priority < best)
			best = n->priority;
	WRITE_ONCE(tuple->best, best);
}

static void link_add(struct iroce_spd_table *t, struct iroce_spd_link **head,
		     struct iroce_spd_link *link)
{
	link->next = *head;
	iroce_publish(*head, link);
	t->n_links++;
}

static void link_del(struct iroce_spd_table *t, struct iroce_spd_link **head,
		     struct iroce_spd_link *link)
{
	struct iroce_spd_link **pp;

	/* The link keeps its next: a reader that stands on it walks on. */
	for (pp = head; *pp != link; pp = &(*pp)->next)
		;
	iroce_publish(*pp, link->next);
	t->n_links--;
}

/* Put a node into a table that has room for its masks. */
static void table_link(const struct iroce_spd *spd, struct iroce_spd_table *t,
		       struct iroce_spd_node *node, u64 order)
{
	struct mask m = mask_of(&node->sel);
	u8 ver = t->ver;

	node->order[ver] = order;
	node->link[ver].node = node;
	node->blind[ver].node = node;
	node->has_blind = mask_is_deep(&m);
	node->tuple[0] = tuple_get(t, &m);
	tuple_enter(t, node->tuple[0], node->priority);
	link_add(t, bucket_of_sel(spd, t, &m, &node->sel), &node->link[ver]);
	if (!node->has_blind)
		return;
	m = blind_mask_of(&node->sel);
	node->tuple[1] = tuple_get(t, &m);
	tuple_enter(t, node->tuple[1], node->priority);
	link_add(t, bucket_of_sel(spd, t, &m, &node->sel), &node->blind[ver]);
}

static bool has_room(const struct iroce_spd_table *t, const struct iroce_selector *sel)
{
	struct mask m = mask_of(sel);
	u32 need = tuple_find(t, &m) == t->n_tuples;

	if (mask_is_deep(&m)) {
		m = blind_mask_of(sel);
		need += tuple_find(t, &m) == t->n_tuples;
	}
	return need <= t->max_tuples - t->n_tuples;
}

/* A place in the order at the end, or just before @before; 0 if there is none left. */
static u64 order_take(const struct iroce_spd *spd, const struct iroce_spd_node *before)
{
	struct iroce_spd_table *t = spd->table;
	u64 order, prev, room;

	if (before) {
		prev = before->all_prev ? before->all_prev->order[t->ver] : 0;
		order = before->order[t->ver] - 1;
		room = order - prev;
	} else {
		prev = spd->last ? spd->last->order[t->ver] : 0;
		room = prev > U64_MAX - ORDER_STEP ? 0 : U64_MAX - ORDER_STEP - prev;
		order = prev + ORDER_STEP;
	}
	/* Ask in time: the caller may not be able to rehash when it needs the place. */
	if (room < ORDER_TIGHT)
		t->is_order_tight = true;
	return room ? order : 0;
}

static void all_insert(struct iroce_spd *spd, struct iroce_spd_node *node,
		       struct iroce_spd_node *before)
{
	struct iroce_spd_node *prev = before ? before->all_prev : spd->last;

	node->all_prev = prev;
	node->all_next = before;
	if (prev)
		prev->all_next = node;
	else
		spd->first = node;
	if (before)
		before->all_prev = node;
	else
		spd->last = node;
}

static void all_remove(struct iroce_spd *spd, struct iroce_spd_node *node)
{
	if (node->all_prev)
		node->all_prev->all_next = node->all_next;
	else
		spd->first = node->all_next;
	if (node->all_next)
		node->all_next->all_prev = node->all_prev;
	else
		spd->last = node->all_prev;
}

/*
 * After a node was linked and before one is unlinked: a search that began too early for the first
 * and came too late for the second sees the number changed, and begins again.
 */
static void count_change(struct iroce_spd *spd)
{
	smp_store_release(&spd->n_changes, spd->n_changes + 1);
}

int iroce_spd_add(struct iroce_spd *spd, struct iroce_spd_node *node,
		  struct iroce_spd_node *before)
{
	struct iroce_spd_table *t = spd->table;
	u64 order;

	if (node->is_linked)
		return -EEXIST;
	if (!iroce_selector_is_valid(&node->sel))
		return -EINVAL;
	if (before && (!before->is_linked || before->priority != node->priority))
		return -EINVAL;
	if (!has_room(t, &node->sel))
		return -ENOSPC;
	order = order_take(spd, before);
	if (!order)
		return -ENOSPC;

	node->is_linked = true;
	all_insert(spd, node, before);
	t->n_adds++;
	/* Counted before it can be found: nobody is told "empty" once the add has returned. */
	WRITE_ONCE(spd->n_nodes, spd->n_nodes + 1);
	table_link(spd, t, node, order);
	count_change(spd);
	return 0;
}

struct iroce_spd_node *iroce_spd_remove(struct iroce_spd *spd, struct iroce_spd_node *node)
{
	struct iroce_spd_table *t = spd->table;
	struct mask m;

	if (!node->is_linked)
		return NULL;

	count_change(spd);
	m = mask_of(&node->sel);
	link_del(t, bucket_of_sel(spd, t, &m, &node->sel), &node->link[t->ver]);
	if (node->has_blind) {
		m = blind_mask_of(&node->sel);
		link_del(t, bucket_of_sel(spd, t, &m, &node->sel), &node->blind[t->ver]);
	}
	all_remove(spd, node);
	node->is_linked = false;
	tuple_leave(spd, t, node->tuple[0], node->priority);
	if (node->has_blind)
		tuple_leave(spd, t, node->tuple[1], node->priority);
	WRITE_ONCE(spd->n_nodes, spd->n_nodes - 1);
	return node;
}

static bool is_better(const struct iroce_spd_node *a, const struct iroce_spd_node *b, u8 ver)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->order[ver] < b->order[ver];
}

static bool node_matches(const struct iroce_spd_node *node, const struct iroce_flow_key *flow)
{
	/* What a flow hides may be what is protected, and is never what is let through. */
	return node->is_bypass ? iroce_selector_match(&node->sel, flow) :
				 iroce_selector_may_match(&node->sel, flow);
}

static struct iroce_spd_node *lookup_once(const struct iroce_spd *spd,
					  const struct iroce_flow_key *flow)
{
	const struct iroce_spd_table *t = iroce_deref(spd->table);
	u32 n_tuples = smp_load_acquire(&t->n_tuples);
	struct iroce_spd_node *best = NULL;
	struct iroce_spd_link *link;
	u32 i;

	for (i = 0; i < n_tuples; i++) {
		const struct tuple *tuple = &t->tuples[i];
		const struct mask *m = &tuple->mask;

		if (m->family != flow->family)
			continue;
		/* A flow with unknowns can't be hashed by them: the blind tuples stand in. */
		if (flow->flags ? mask_is_deep(m) : m->is_blind)
			continue;
		if (best && READ_ONCE(tuple->best) > best->priority)
			continue;
		for (link = iroce_deref(*bucket_of_flow(spd, t, m, flow)); link;
		     link = iroce_deref(link->next))
			if ((!best || is_better(link->node, best, t->ver)) &&
			    node_matches(link->node, flow))
				best = link->node;
	}
	return best;
}

struct iroce_spd_node *iroce_spd_lookup(const struct iroce_spd *spd,
					const struct iroce_flow_key *flow)
{
	struct iroce_spd_node *best;
	u32 n_changes;

	/*
	 * A walk that passed the place of the new policy before it was there, and the place of
	 * the old one after it was gone, has seen neither: the packet would leave in the clear
	 * (I1). Each turn means that a writer got on, none waits for one.
	 */
	do {
		n_changes = smp_load_acquire(&spd->n_changes);
		best = lookup_once(spd, flow);
		iroce_deref_end();
	} while (unlikely(READ_ONCE(spd->n_changes) != n_changes));
	return best;
}

struct iroce_spd_node *iroce_spd_find(const struct iroce_spd *spd,
				      const struct iroce_selector *sel,
				      const struct iroce_spd_node *after)
{
	const struct iroce_spd_table *t = iroce_deref(spd->table);
	struct mask m = mask_of(sel);
	struct iroce_spd_node *best = NULL;
	struct iroce_spd_link *link;

	for (link = iroce_deref(*bucket_of_sel(spd, t, &m, sel)); link;
	     link = iroce_deref(link->next))
		if (iroce_selector_equal(&link->node->sel, sel) &&
		    (!after || is_better(after, link->node, t->ver)) &&
		    (!best || is_better(link->node, best, t->ver)))
			best = link->node;
	return best;
}

static u32 pow2_at_least(u32 n)
{
	u32 p = BUCKETS_MIN;

	while (p < n && p < BUCKETS_MAX)
		p *= 2;
	return p;
}

bool iroce_spd_wants_resize(const struct iroce_spd *spd, struct iroce_spd_size *out)
{
	const struct iroce_spd_table *t = spd->table;
	u32 n_buckets = t->bucket_mask + 1;
	u32 live = t->n_tuples - t->n_dead;
	bool is_crowded, is_sparse, is_full, is_stale, is_messy;

	if (spd->retired)
		return false;

	is_crowded = t->n_links > n_buckets && n_buckets < BUCKETS_MAX;
	is_sparse = t->n_links < n_buckets / 8 && n_buckets > BUCKETS_MIN;
	is_full = t->max_tuples - t->n_tuples < 2 && live + TUPLES_SPARE <= TUPLES_MAX;
	/* Readers pass every tuple, also the dead. */
	is_stale = t->n_dead > live + TUPLES_SPARE;
	/* Sorting costs O(n): not for each of many additions. */
	is_messy = t->is_unsorted && live > UNSORTED_MAX && t->n_adds > spd->n_nodes / 8;
	if (!is_crowded && !is_sparse && !is_full && !is_stale && !is_messy && !t->is_order_tight)
		return false;

	out->n_buckets = pow2_at_least(2 * t->n_links);
	out->n_tuples = live + live / 2 + TUPLES_SPARE;
	if (out->n_tuples > TUPLES_MAX)
		out->n_tuples = TUPLES_MAX;
	return true;
}

/* Give the new table its tuples, best first; empty as yet. */
static int tuples_copy(struct iroce_spd_table *to, const struct iroce_spd_table *from)
{
	u32 i, j;

	for (i = 0; i < from->n_tuples; i++) {
		const struct tuple *tuple = &from->tuples[i];

		if (!tuple->n_nodes)
			continue;
		if (to->n_tuples == to->max_tuples)
			return -ENOSPC;
		/* Insertion sort: there are few, and they mostly are in order. */
		for (j = to->n_tuples++; j && to->tuples[j - 1].best > tuple->best; j--)
			to->tuples[j] = to->tuples[j - 1];
		to->tuples[j] = *tuple;
		to->tuples[j].n_nodes = 0;
	}
	to->n_dead = to->n_tuples;
	return 0;
}

int iroce_spd_rehash(struct iroce_spd *spd, void *mem, const struct iroce_spd_size *size,
		     void **old)
{
	struct iroce_spd_table *t;
	struct iroce_spd_node *n;
	u64 order = 0;
	int err;

	if (!is_size_valid(size))
		return -EINVAL;
	/* Old readers may still walk the links that this would write. */
	if (spd->retired)
		return -EBUSY;

	t = table_init(mem, size, !spd->table->ver);
	err = tuples_copy(t, spd->table);
	if (err)
		return err;
	for (n = spd->first; n; n = n->all_next) {
		order += ORDER_STEP;
		table_link(spd, t, n, order);
	}
	spd->retired = spd->table;
	*old = spd->table;
	iroce_publish(spd->table, t);
	return 0;
}

void iroce_spd_rehash_done(struct iroce_spd *spd)
{
	spd->retired = NULL;
}
