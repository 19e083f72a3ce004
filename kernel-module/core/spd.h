/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Security policy database of one function and one direction: the best policy for a flow.
 * Tuple space search: policies with the same mask (prefix lengths, protocol or any, port masks)
 * share a tuple, one hash lookup decides a tuple. Few distinct masks, any number of policies:
 * O(1). Tuples that can't beat the best match so far are skipped. A policy that looks at protocol
 * or ports also sits in a blind tuple, by its addresses alone, for flows that hide them.
 *
 *   tuples (best priority first after a rehash)         buckets, shared by all tuples
 *   | /32 /32 udp any any, best 10 | -- hash(flow & mask) --> [ ]->node->node
 *   | /24 /0  any any any, best 90 | -- hash(flow & mask) --> [ ]->node
 *
 * Readers (lookup, is_empty, find) take no lock and may run on any CPU, in softirq, beside a
 * writer; they run under rcu_read_lock(), and what they return is good until its end.
 * Writers (all else) are serialised by the caller; readers need not be kept out.
 * A removed node may be changed, freed or added again only after a grace period.
 */
#ifndef IROCE_CORE_SPD_H
#define IROCE_CORE_SPD_H

#include "selector.h"

struct iroce_spd_node;

struct iroce_spd_link {
	struct iroce_spd_link *next;
	struct iroce_spd_node *node;
};

/**
 * struct iroce_spd_node - embed this in the policy
 * @sel: selector; its family must be given
 * @priority: the lower value wins; among equals the policy that was added first
 * @is_bypass: the policy lets packets pass in the clear. Only flows with something unknown
 *	(fragments) care: such a flow matches a protecting or blocking policy by what is known, and
 *	a bypass policy that asks for what is unknown never (I1, I2)
 *
 * The caller fills the first block before iroce_spd_add() and leaves it alone afterwards.
 */
struct iroce_spd_node {
	struct iroce_selector sel;
	u32 priority;
	bool is_bypass;

	/* private: core's own */
	bool is_linked;
	bool has_blind;
	u32 tuple[2]; /* index of its tuple and of its blind tuple; writers only */
	/* By table version: a rehash never touches what old readers walk. */
	u64 order[2]; /* of addition, constant while in that table */
	struct iroce_spd_link link[2];
	struct iroce_spd_link blind[2]; /* by addresses alone, for flows with unknowns */
	struct iroce_spd_node *all_prev; /* writers only, in order of addition */
	struct iroce_spd_node *all_next;
};

struct iroce_spd_table;

struct iroce_spd {
	struct iroce_spd_table *table;
	struct iroce_spd_table *retired; /* may have readers until iroce_spd_rehash_done() */
	struct iroce_spd_node *first;
	struct iroce_spd_node *last;
	u32 n_nodes;
	u32 n_changes; /* lets a lookup notice that it ran beside one, and look again */
	u32 seed;
};

/**
 * struct iroce_spd_size - how big a table is
 * @n_buckets: a power of two
 * @n_tuples: room for that many distinct masks; a node needs up to two
 */
struct iroce_spd_size {
	u32 n_buckets;
	u32 n_tuples;
};

/* Bytes of memory, aligned as malloc does, that a table of this size needs. */
size_t iroce_spd_mem_size(const struct iroce_spd_size *size);

/**
 * iroce_spd_init - an empty database
 * @spd: nobody else sees it yet
 * @mem: iroce_spd_mem_size(@size) bytes, content does not matter
 * @size: read once, not kept
 * @seed: random
 *
 * Return: 0; -EINVAL @size.
 */
int __must_check iroce_spd_init(struct iroce_spd *spd, void *mem,
				const struct iroce_spd_size *size, u32 seed);

/**
 * iroce_spd_fini - the end of an empty database
 * @spd: no reader is left, and no rehash is under way
 *
 * Return: the table's memory, to be freed by the caller.
 */
static inline void *iroce_spd_fini(struct iroce_spd *spd)
{
	void *mem = spd->table;

	spd->table = NULL;
	return mem;
}

/**
 * iroce_spd_add - publish a policy
 * @spd: the database
 * @node: the caller's memory, its first block filled; the database's until it is removed
 * @before: NULL, or a policy of this database with the same priority whose place in the order
 *          of addition the new one takes (and wins against it while both are there): how
 *          xfrm replaces a policy. Add the new, then remove the old: no gap for readers.
 *
 * Several policies with the same selector may be present, as while xfrm replaces one.
 *
 * Return: 0; -ENOSPC no room for another mask (or in the order, before @before): bring what
 * iroce_spd_wants_resize() now says, rehash, try again;
 * -EINVAL selector (the family must be given), or @before not linked or of another priority;
 * -EEXIST @node is linked already.
 */
int __must_check iroce_spd_add(struct iroce_spd *spd, struct iroce_spd_node *node,
			       struct iroce_spd_node *before);

/**
 * iroce_spd_remove - unlink a policy
 * @spd: the database
 * @node: the policy
 *
 * Return: @node, now the caller's, to be freed after a grace period; NULL if it was not linked.
 */
struct iroce_spd_node *iroce_spd_remove(struct iroce_spd *spd, struct iroce_spd_node *node);

/* Is there no policy at all? Cheap, reader; what most packets ask first. */
static inline bool iroce_spd_is_empty(const struct iroce_spd *spd)
{
	return !READ_ONCE(spd->n_nodes);
}

/**
 * iroce_spd_lookup - the policy that decides a flow; reader
 * @spd: the database
 * @flow: what is known of it, and what is not
 *
 * Beside writers: a policy that is in the database during the whole lookup is never missed, and
 * while one is replaced (add the new, remove the old) either of the two is found.
 *
 * Return: the matching policy with the lowest priority value, the oldest among equals; NULL if
 * none matches.
 */
struct iroce_spd_node *iroce_spd_lookup(const struct iroce_spd *spd,
					const struct iroce_flow_key *flow);

/**
 * iroce_spd_find - policies with exactly this selector; reader
 * @spd: the database
 * @sel: compared by iroce_selector_equal()
 * @after: NULL for the best of them, or one found before for the next best
 *
 * Best in the order of lookup. Replacement and tombstones look here. Beside a writer it may miss
 * a policy that is being replaced, unlike iroce_spd_lookup().
 *
 * Return: the policy, or NULL if there is none, or none after @after.
 */
struct iroce_spd_node *iroce_spd_find(const struct iroce_spd *spd,
				      const struct iroce_selector *sel,
				      const struct iroce_spd_node *after);

/* Iterate over all policies in order of addition; writers only. Fetch next before a removal. */
static inline struct iroce_spd_node *iroce_spd_first(const struct iroce_spd *spd)
{
	return spd->first;
}

static inline struct iroce_spd_node *iroce_spd_next(const struct iroce_spd_node *node)
{
	return node->all_next;
}

/**
 * iroce_spd_wants_resize - should the caller bring other memory?
 * @spd: the database
 * @out: the size it should bring, written if true
 *
 * Asked before each addition, the addition finds its room; also worth asking after removals.
 *
 * Return: true when buckets are crowded, when there is no room left for another node's masks or
 * soon none in the order, when removed masks or tuples out of order slow readers down; false while
 * a rehash is under way.
 */
bool iroce_spd_wants_resize(const struct iroce_spd *spd, struct iroce_spd_size *out);

/**
 * iroce_spd_rehash - move everything to new memory, tuples sorted by best priority
 * @spd: the database
 * @mem: iroce_spd_mem_size(@size) bytes
 * @size: of the new table; read once, not kept
 * @old: where to put the old memory; readers may still be in it
 *
 * The caller waits for a grace period, frees @old, then calls iroce_spd_rehash_done(): until
 * then the database works as ever but does not rehash again. O(n), readers go on meanwhile.
 *
 * Return: 0; -EBUSY the last one is not done yet; -EINVAL @size; -ENOSPC @size has less tuples
 * than there are masks. On error nothing changed.
 */
int __must_check iroce_spd_rehash(struct iroce_spd *spd, void *mem,
				  const struct iroce_spd_size *size, void **old);

/* A grace period has passed since iroce_spd_rehash(). */
void iroce_spd_rehash_done(struct iroce_spd *spd);

#endif /* IROCE_CORE_SPD_H */
