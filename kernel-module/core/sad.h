/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Security association database of one function: O(1) by (direction, family, daddr, SPI), and
 * for outbound SAs by (reqid, family, saddr, daddr), newest first.
 * Intrusive nodes and bucket memory are the caller's.
 *
 * Readers (the find functions) take no lock and may run on any CPU, in softirq, beside a writer;
 * they run under rcu_read_lock(), and what they return is good until its end.
 * Writers (all else) are serialised by the caller; readers need not be kept out.
 * A removed node may be changed, freed or added again only after a grace period.
 */
#ifndef IROCE_CORE_SAD_H
#define IROCE_CORE_SAD_H

#include "selector.h"

enum iroce_dir {
	IROCE_DIR_IN,
	IROCE_DIR_OUT,
};

/* How far an SA is in its life; only the outbound search looks at it. */
enum iroce_sa_life {
	IROCE_SA_VALID,
	IROCE_SA_DYING, /* soft limit reached: used only if there is no valid one */
	IROCE_SA_DEAD, /* hard limit reached, numbers used up: never chosen */
};

/**
 * struct iroce_sad_node - embed this in the SA
 * @saddr: source address; any: every source (outbound search, second choice)
 * @daddr: destination address
 * @sel: selector of the SA, see iroce_selector_match(); all zero: any
 * @spi: not 0
 * @reqid: by which a policy's template names the SA
 * @family: AF_INET or AF_INET6, of the addresses
 * @dir: enum iroce_dir
 *
 * The caller fills the first block before iroce_sad_add() and leaves it alone afterwards.
 */
struct iroce_sad_node {
	union iroce_addr saddr;
	union iroce_addr daddr;
	struct iroce_selector sel;
	__be32 spi;
	u32 reqid;
	u16 family;
	u8 dir;

	/* private: core's own */
	u8 life; /* enum iroce_sa_life, by iroce_sad_set_life() */
	bool is_linked;
	/* One link per table version: a rehash never touches what old readers walk. */
	struct iroce_sad_node *spi_next[2];
	struct iroce_sad_node *out_next[2];
	struct iroce_sad_node *all_prev; /* writers only, oldest first; of all, or of the waiting */
	struct iroce_sad_node *all_next;
	bool is_waiting;
};

/* Oldest first; writers only. */
struct iroce_sad_list {
	struct iroce_sad_node *oldest;
	struct iroce_sad_node *newest;
};

struct iroce_sad_table;

struct iroce_sad {
	struct iroce_sad_table *table;
	struct iroce_sad_table *retired; /* may have readers until iroce_sad_rehash_done() */
	struct iroce_sad_list all; /* whom readers find */
	struct iroce_sad_list waiting; /* whose identity another one has, see iroce_sad_wait() */
	u32 n_nodes; /* of @all */
	u32 n_changes; /* lets an outbound search notice that it ran beside one */
	u32 seed;
};

/* Bytes of memory, aligned as malloc does, that a table of @n_buckets needs. */
size_t iroce_sad_mem_size(u32 n_buckets);

/**
 * iroce_sad_init - an empty database
 * @sad: nobody else sees it yet
 * @mem: iroce_sad_mem_size(@n_buckets) bytes, content does not matter
 * @n_buckets: a power of two
 * @seed: random, so that a peer can't choose colliding SPIs
 *
 * Return: 0; -EINVAL @n_buckets.
 */
int __must_check iroce_sad_init(struct iroce_sad *sad, void *mem, u32 n_buckets, u32 seed);

/**
 * iroce_sad_fini - the end of an empty database
 * @sad: no reader is left, and no rehash is under way
 *
 * Return: the table's memory, to be freed by the caller.
 */
static inline void *iroce_sad_fini(struct iroce_sad *sad)
{
	void *mem = sad->table;

	sad->table = NULL;
	return mem;
}

/**
 * iroce_sad_add - publish an SA
 * @sad: the database
 * @node: the caller's memory, its first block filled; the database's until it is removed
 *
 * From here on readers find it; it counts as the newest of its outbound group.
 *
 * Return: 0; -EEXIST (direction, family, daddr, SPI) is taken; -EINVAL family, direction,
 * selector or SPI 0.
 */
int __must_check iroce_sad_add(struct iroce_sad *sad, struct iroce_sad_node *node);

/**
 * iroce_sad_wait - keep an SA that iroce_sad_add() refused with -EEXIST
 * @sad: the database
 * @node: the SA; the database's until it is removed
 *
 * Readers do not find it until the SA that has its identity is removed: then the one that has
 * waited longest takes over.
 */
void iroce_sad_wait(struct iroce_sad *sad, struct iroce_sad_node *node);

/**
 * iroce_sad_heir - who takes over if an SA is removed
 * @sad: the database
 * @node: the SA that would be removed
 *
 * Return: an SA that waits, or NULL: none does, or @node itself waits or is in no database.
 */
struct iroce_sad_node *iroce_sad_heir(const struct iroce_sad *sad,
				      const struct iroce_sad_node *node);

/**
 * iroce_sad_remove - unlink an SA, or one that waits
 * @sad: the database
 * @node: the SA
 *
 * Its heir is published first: one of the two is found at any time (I7).
 *
 * Return: @node, now the caller's, to be freed after a grace period; NULL if it was not linked,
 * so that two paths that both want it dead free it once.
 */
struct iroce_sad_node *iroce_sad_remove(struct iroce_sad *sad, struct iroce_sad_node *node);

/*
 * Any context, concurrent with readers. Ordered behind what was added before: who sees an SA dead
 * sees the one that follows it.
 */
static inline void iroce_sad_set_life(struct iroce_sad_node *node, enum iroce_sa_life life)
{
	smp_store_release(&node->life, (u8)life);
}

static inline enum iroce_sa_life iroce_sad_life(const struct iroce_sad_node *node)
{
	return (enum iroce_sa_life)smp_load_acquire(&node->life);
}

/**
 * iroce_sad_find - the SA of a direction by destination and SPI; reader
 * @sad: the database
 * @dir: direction
 * @family: AF_INET or AF_INET6, of @daddr
 * @daddr: destination address
 * @spi: SPI
 *
 * Inbound packets come here. A dead SA is found as well: the caller counts the drop.
 *
 * Return: the SA, or NULL.
 */
struct iroce_sad_node *iroce_sad_find(const struct iroce_sad *sad, enum iroce_dir dir,
				      u16 family, const union iroce_addr *daddr, __be32 spi);

/**
 * struct iroce_sad_out_key - what a policy's template asks for
 * @saddr: source address of the packet (transport mode), or the template's
 * @daddr: destination address, likewise
 * @reqid: the template's
 * @spi: the template's; 0: any
 * @family: AF_INET or AF_INET6, of the addresses
 *
 * No wildcard in saddr: if it is any, only SAs with any are found.
 */
struct iroce_sad_out_key {
	union iroce_addr saddr;
	union iroce_addr daddr;
	u32 reqid;
	__be32 spi;
	u16 family;
};

/**
 * iroce_sad_find_out - the outbound SA for a flow; reader
 * @sad: the database
 * @key: what the template asks for
 * @flow: matched against the SA's own selector
 *
 * The order is xfrm's (xfrm_state_find): SAs with this saddr before those with any; among them
 * a valid one before a dying one, and the newest first.
 *
 * Beside a rekey (add the new SA, let the old die or remove it) one of the two is found (I7).
 *
 * Return: the SA or NULL: fail closed.
 */
struct iroce_sad_node *iroce_sad_find_out(const struct iroce_sad *sad,
					  const struct iroce_sad_out_key *key,
					  const struct iroce_flow_key *flow);

/* Iterate over all SAs, oldest first; writers only. Fetch the next before removing one. */
static inline struct iroce_sad_node *iroce_sad_first(const struct iroce_sad *sad)
{
	return sad->all.oldest;
}

static inline struct iroce_sad_node *iroce_sad_next(const struct iroce_sad_node *node)
{
	return node->all_next;
}

/* How many SAs there are; a hint when read beside a writer. */
static inline u32 iroce_sad_count(const struct iroce_sad *sad)
{
	return READ_ONCE(sad->n_nodes);
}

/**
 * iroce_sad_wants_resize - should the caller bring more (or less) memory?
 * @sad: the database
 *
 * Return: the number of buckets it should bring, 0 if the table is fine or a rehash is still
 * under way.
 */
u32 iroce_sad_wants_resize(const struct iroce_sad *sad);

/**
 * iroce_sad_rehash - move everything to new memory
 * @sad: the database
 * @mem: iroce_sad_mem_size(@n_buckets) bytes
 * @n_buckets: a power of two
 * @old: where to put the old memory; readers may still be in it
 *
 * The caller waits for a grace period, frees @old, then calls iroce_sad_rehash_done(): until
 * then the database works as ever but does not rehash again. O(n), readers go on meanwhile.
 *
 * Return: 0; -EBUSY the last one is not done yet; -EINVAL @n_buckets.
 */
int __must_check iroce_sad_rehash(struct iroce_sad *sad, void *mem, u32 n_buckets, void **old);

/* A grace period has passed since iroce_sad_rehash(). */
void iroce_sad_rehash_done(struct iroce_sad *sad);

#endif /* IROCE_CORE_SAD_H */
