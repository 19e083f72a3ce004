// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Security association database: two hash tables over the same intrusive nodes.
 * Chains are singly linked, published with release and walked with iroce_deref(); a rehash builds
 * a second set of links (the other version) and swaps the table, so no reader meets a half-moved
 * chain.
 */
#include "sad.h"
#include "hash.h"

#define BUCKETS_MIN 16U
#define BUCKETS_MAX (1U << 24)

struct iroce_sad_table {
	struct iroce_sad_node **spi;
	struct iroce_sad_node **out;
	u32 mask; /* n_buckets - 1 */
	u8 ver; /* which link of the nodes this table uses */
};

static u32 spi_hash(u32 seed, u8 dir, u16 family, const union iroce_addr *daddr, __be32 spi)
{
	u32 h = iroce_hash_add(seed, (__force u32)spi);

	h = iroce_hash_add(h, (u32)dir << 16 | family);
	return iroce_hash_end(iroce_hash_addr(h, family, daddr));
}

static u32 out_hash(u32 seed, u32 reqid, u16 family, const union iroce_addr *saddr,
		    const union iroce_addr *daddr)
{
	u32 h = iroce_hash_add(seed, reqid);

	h = iroce_hash_add(h, family);
	h = iroce_hash_addr(h, family, saddr);
	return iroce_hash_end(iroce_hash_addr(h, family, daddr));
}

static struct iroce_sad_node **spi_bucket(const struct iroce_sad *sad,
					  const struct iroce_sad_table *t,
					  const struct iroce_sad_node *n)
{
	return &t->spi[spi_hash(sad->seed, n->dir, n->family, &n->daddr, n->spi) & t->mask];
}

static struct iroce_sad_node **out_bucket(const struct iroce_sad *sad,
					  const struct iroce_sad_table *t,
					  const struct iroce_sad_node *n)
{
	return &t->out[out_hash(sad->seed, n->reqid, n->family, &n->saddr, &n->daddr) & t->mask];
}

static bool is_size_valid(u32 n_buckets)
{
	return n_buckets && n_buckets <= BUCKETS_MAX && !(n_buckets & (n_buckets - 1));
}

size_t iroce_sad_mem_size(u32 n_buckets)
{
	return sizeof(struct iroce_sad_table) +
	       2 * (size_t)n_buckets * sizeof(struct iroce_sad_node *);
}

static struct iroce_sad_table *table_init(void *mem, u32 n_buckets, u8 ver)
{
	struct iroce_sad_table *t = mem;

	memset(mem, 0, iroce_sad_mem_size(n_buckets));
	t->spi = (struct iroce_sad_node **)(t + 1);
	t->out = t->spi + n_buckets;
	t->mask = n_buckets - 1;
	t->ver = ver;
	return t;
}

int iroce_sad_init(struct iroce_sad *sad, void *mem, u32 n_buckets, u32 seed)
{
	if (!is_size_valid(n_buckets))
		return -EINVAL;
	memset(sad, 0, sizeof(*sad));
	sad->seed = seed;
	sad->table = table_init(mem, n_buckets, 0);
	return 0;
}

/* At the head: the newest of a group is met first. */
static void table_link(const struct iroce_sad *sad, struct iroce_sad_table *t,
		       struct iroce_sad_node *node)
{
	struct iroce_sad_node **head = spi_bucket(sad, t, node);

	node->spi_next[t->ver] = *head;
	iroce_publish(*head, node);
	if (node->dir != IROCE_DIR_OUT)
		return;
	head = out_bucket(sad, t, node);
	node->out_next[t->ver] = *head;
	iroce_publish(*head, node);
}

static bool has_id(const struct iroce_sad_node *n, u8 dir, u16 family,
		   const union iroce_addr *daddr, __be32 spi)
{
	return n->spi == spi && n->dir == dir && n->family == family &&
	       iroce_addr_equal(&n->daddr, daddr);
}

static struct iroce_sad_node *table_find(const struct iroce_sad *sad,
					 const struct iroce_sad_table *t, u8 dir, u16 family,
					 const union iroce_addr *daddr, __be32 spi)
{
	u32 hash = spi_hash(sad->seed, dir, family, daddr, spi);
	struct iroce_sad_node *n;

	for (n = iroce_deref(t->spi[hash & t->mask]); n; n = iroce_deref(n->spi_next[t->ver]))
		if (has_id(n, dir, family, daddr, spi))
			return n;
	return NULL;
}

static bool is_node_valid(const struct iroce_sad_node *node)
{
	if (node->family != AF_INET && node->family != AF_INET6)
		return false;
	if (node->dir != IROCE_DIR_IN && node->dir != IROCE_DIR_OUT)
		return false;
	if (node->sel.family && !iroce_selector_is_valid(&node->sel))
		return false;
	return node->spi;
}

/*
 * After a node was linked and before one is unlinked: a search that began too early for the first
 * and came too late for the second sees the number changed, and begins again.
 */
static void count_change(struct iroce_sad *sad)
{
	smp_store_release(&sad->n_changes, sad->n_changes + 1);
}

static void list_append(struct iroce_sad_list *list, struct iroce_sad_node *node)
{
	node->all_next = NULL;
	node->all_prev = list->newest;
	if (list->newest)
		list->newest->all_next = node;
	else
		list->oldest = node;
	list->newest = node;
}

static void list_remove(struct iroce_sad_list *list, struct iroce_sad_node *node)
{
	if (node->all_prev)
		node->all_prev->all_next = node->all_next;
	else
		list->oldest = node->all_next;
	if (node->all_next)
		node->all_next->all_prev = node->all_prev;
	else
		list->newest = node->all_prev;
}

static void publish_node(struct iroce_sad *sad, struct iroce_sad_node *node)
{
	node->life = IROCE_SA_VALID;
	node->is_linked = true;
	node->is_waiting = false;
	list_append(&sad->all, node);
	WRITE_ONCE(sad->n_nodes, sad->n_nodes + 1);
	table_link(sad, sad->table, node);
	count_change(sad);
}

int iroce_sad_add(struct iroce_sad *sad, struct iroce_sad_node *node)
{
	if (!is_node_valid(node))
		return -EINVAL;
	if (table_find(sad, sad->table, node->dir, node->family, &node->daddr, node->spi))
		return -EEXIST;
	publish_node(sad, node);
	return 0;
}

void iroce_sad_wait(struct iroce_sad *sad, struct iroce_sad_node *node)
{
	node->life = IROCE_SA_VALID;
	node->is_waiting = true;
	list_append(&sad->waiting, node);
}

static void stop_waiting(struct iroce_sad *sad, struct iroce_sad_node *node)
{
	list_remove(&sad->waiting, node);
	node->is_waiting = false;
}

struct iroce_sad_node *iroce_sad_heir(const struct iroce_sad *sad,
				      const struct iroce_sad_node *node)
{
	struct iroce_sad_node *n;

	if (node->is_waiting || !node->is_linked)
		return NULL;
	for (n = sad->waiting.oldest; n; n = n->all_next)
		if (has_id(n, node->dir, node->family, &node->daddr, node->spi))
			return n;
	return NULL;
}

struct iroce_sad_node *iroce_sad_remove(struct iroce_sad *sad, struct iroce_sad_node *node)
{
	struct iroce_sad_node *heir = iroce_sad_heir(sad, node);
	struct iroce_sad_table *t = sad->table;
	struct iroce_sad_node **pp;

	if (node->is_waiting) {
		stop_waiting(sad, node);
		return node;
	}
	if (!node->is_linked)
		return NULL;
	if (heir) {
		stop_waiting(sad, heir);
		publish_node(sad, heir);
	}

	count_change(sad);
	/* The node keeps its own links: a reader that stands on it walks on. */
	for (pp = spi_bucket(sad, t, node); *pp != node; pp = &(*pp)->spi_next[t->ver])
		;
	iroce_publish(*pp, node->spi_next[t->ver]);
	if (node->dir == IROCE_DIR_OUT) {
		for (pp = out_bucket(sad, t, node); *pp != node; pp = &(*pp)->out_next[t->ver])
			;
		iroce_publish(*pp, node->out_next[t->ver]);
	}

	list_remove(&sad->all, node);
	node->is_linked = false;
	WRITE_ONCE(sad->n_nodes, sad->n_nodes - 1);
	return node;
}

struct iroce_sad_node *iroce_sad_find(const struct iroce_sad *sad, enum iroce_dir dir,
				      u16 family, const union iroce_addr *daddr, __be32 spi)
{
	return table_find(sad, iroce_deref(sad->table), dir, family, daddr, spi);
}

/* The best SA with exactly this saddr. */
static struct iroce_sad_node *out_find(const struct iroce_sad *sad,
				       const struct iroce_sad_table *t,
				       const struct iroce_sad_out_key *key,
				       const union iroce_addr *saddr,
				       const struct iroce_flow_key *flow)
{
	u32 hash = out_hash(sad->seed, key->reqid, key->family, saddr, &key->daddr);
	struct iroce_sad_node *dying = NULL;
	struct iroce_sad_node *n;

	for (n = iroce_deref(t->out[hash & t->mask]); n; n = iroce_deref(n->out_next[t->ver])) {
		enum iroce_sa_life life = iroce_sad_life(n);

		if (life == IROCE_SA_DEAD || n->reqid != key->reqid || n->family != key->family ||
		    !iroce_addr_equal(&n->daddr, &key->daddr) ||
		    !iroce_addr_equal(&n->saddr, saddr) || (key->spi && n->spi != key->spi) ||
		    !iroce_selector_match(&n->sel, flow))
			continue;
		if (life == IROCE_SA_VALID)
			return n;
		if (!dying)
			dying = n;
	}
	return dying;
}

struct iroce_sad_node *iroce_sad_find_out(const struct iroce_sad *sad,
					  const struct iroce_sad_out_key *key,
					  const struct iroce_flow_key *flow)
{
	static const union iroce_addr any;
	const struct iroce_sad_table *t;
	struct iroce_sad_node *n;
	u32 n_changes;

	do {
		n_changes = smp_load_acquire(&sad->n_changes);
		t = iroce_deref(sad->table);
		n = out_find(sad, t, key, &key->saddr, flow);
		if (!n && !iroce_addr_is_any(&key->saddr))
			n = out_find(sad, t, key, &any, flow);
		if (n)
			return n;
		/*
		 * The walk may have come too early for a rekey's new SA and too late for the old
		 * one. Each turn means that a writer got on, none waits for one.
		 */
		iroce_deref_end();
	} while (unlikely(READ_ONCE(sad->n_changes) != n_changes));
	return NULL;
}

u32 iroce_sad_wants_resize(const struct iroce_sad *sad)
{
	u32 have = sad->table->mask + 1;
	u32 want = BUCKETS_MIN;

	if (sad->retired)
		return 0;
	/* Between one eighth and one node per bucket is left alone: no resize back and forth. */
	if (sad->n_nodes <= have && (sad->n_nodes >= have / 8 || have <= BUCKETS_MIN))
		return 0;
	while (want < BUCKETS_MAX && want / 2 < sad->n_nodes)
		want *= 2;
	return want == have ? 0 : want;
}

int iroce_sad_rehash(struct iroce_sad *sad, void *mem, u32 n_buckets, void **old)
{
	struct iroce_sad_table *t;
	struct iroce_sad_node *n;

	if (!is_size_valid(n_buckets))
		return -EINVAL;
	/* Old readers may still walk the links that this would write. */
	if (sad->retired)
		return -EBUSY;

	t = table_init(mem, n_buckets, !sad->table->ver);
	for (n = sad->all.oldest; n; n = n->all_next)
		table_link(sad, t, n);
	sad->retired = sad->table;
	*old = sad->table;
	iroce_publish(sad->table, t);
	return 0;
}

void iroce_sad_rehash_done(struct iroce_sad *sad)
{
	sad->retired = NULL;
}
