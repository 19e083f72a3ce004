// SPDX-License-Identifier: GPL-2.0
/*
 * The SAs of a function, as the data path finds them (core/sad.h).
 *
 * Twins. xfrm adds a second state with the identity of a first one before it looks whether
 * there is one: a mistake that it takes back, or an update of lifetimes. If the first one ends
 * before xfrm has looked, the second is valid. So it waits, unseen by packets, and takes over when
 * the first one is killed.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "sadb.h"

#define SAD_BUCKETS_MIN 16

/* @sa goes on with the numbers of @first: one key, one counter, one window. ipsec->lock. */
static void use_numbers_of(struct iroce_sa *sa, struct iroce_sa *first)
{
	iroce_numbers_put(sa->num);
	refcount_inc(&first->num->ref);
	sa->num = first->num;
	sa->has_replay = first->has_replay;
}

/* ipsec->lock. */
static int insert_sa(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
{
	struct iroce_sad_node *node = &sa->node, *other;

	other = iroce_sad_find(&ipsec->sad, node->dir, node->family, &node->daddr, node->spi);
	if (!other)
		return iroce_sad_add(&ipsec->sad, node);
	if (iroce_sa_is_same(sa, iroce_sa_of(other)))
		use_numbers_of(sa, iroce_sa_of(other));
	iroce_sad_wait(&ipsec->sad, node);
	return 0;
}

int iroce_sadb_insert(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
{
	bool is_crowded;
	int err;

	spin_lock_bh(&ipsec->lock);
	err = insert_sa(ipsec, sa);
	is_crowded = iroce_sad_wants_resize(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
	if (is_crowded)
		queue_work(iroce_ipsec_wq, &ipsec->resize_work);
	if (!err)
		iroce_ipsec_changed(ipsec);
	return err;
}

/* Of a heir with the same key and a window of its own: it takes nothing that @sa may have seen (I4). */
static void bequeath_window(const struct iroce_sa *sa, struct iroce_sa *heir)
{
	struct iroce_replay *window = &heir->num->replay;
	u64 top;

	if (heir->key_hash != sa->key_hash || !sa->has_replay || !heir->has_replay)
		return;
	spin_lock(&sa->num->lock);
	top = max(sa->num->replay.top, window->top);
	spin_unlock(&sa->num->lock);
	if (!heir->is_esn)
		top = min_t(u64, top, U32_MAX);
	/* Nobody finds the heir yet. One that cannot be set refuses everything. */
	if (iroce_replay_init(window, window->bits, heir->is_esn, top))
		window->bits = 0;
}

/* What @sa has counted, its heir, which shares its numbers, has counted as well. ipsec->lock. */
static void bequeath_numbers(const struct iroce_sa *sa, struct iroce_sa *heir)
{
	if (heir->num != sa->num) {
		bequeath_window(sa, heir);
		return;
	}
	atomic64_set(&heir->packets, atomic64_read(&sa->packets));
	atomic64_set(&heir->bytes, atomic64_read(&sa->bytes));
	WRITE_ONCE(heir->first_use, READ_ONCE(sa->first_use));
	WRITE_ONCE(heir->last_use, READ_ONCE(sa->last_use));
}

void iroce_sadb_kill(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
{
	struct iroce_sad_node *heir;

	spin_lock_bh(&ipsec->lock);
	/* Before its window is read: see replay_commit(). */
	WRITE_ONCE(sa->is_dead, true);
	heir = iroce_sad_heir(&ipsec->sad, &sa->node);
	if (heir)
		bequeath_numbers(sa, iroce_sa_of(heir));
	iroce_sad_remove(&ipsec->sad, &sa->node);
	spin_unlock_bh(&ipsec->lock);
	iroce_ipsec_changed(ipsec);
}

struct iroce_sa *iroce_sadb_lookup_in(const struct iroce_ipsec *ipsec,
				      const struct iroce_flow_key *key, __be32 spi)
{
	struct iroce_sad_node *node;

	node = iroce_sad_find(&ipsec->sad, IROCE_DIR_IN, key->family, &key->daddr, spi);
	return node ? iroce_sa_of(node) : NULL;
}

/* ---- growth ----------------------------------------------------------- */

/* @mem is the new table; returns what to free after a grace period. */
static void *sad_swap(struct iroce_ipsec *ipsec, void *mem, u32 n_buckets)
{
	void *old = mem;

	spin_lock_bh(&ipsec->lock);
	if (iroce_sad_rehash(&ipsec->sad, mem, n_buckets, &old))
		old = mem;
	spin_unlock_bh(&ipsec->lock);
	return old;
}

static void sad_resize(struct iroce_ipsec *ipsec)
{
	u32 n_buckets;
	void *mem, *old;

	spin_lock_bh(&ipsec->lock);
	n_buckets = iroce_sad_wants_resize(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
	if (!n_buckets)
		return;
	/* Without memory it goes on as it is, only slower. */
	mem = kvmalloc(iroce_sad_mem_size(n_buckets), GFP_KERNEL | __GFP_NOWARN);
	if (!mem)
		return;
	old = sad_swap(ipsec, mem, n_buckets);
	synchronize_rcu();
	kvfree(old);
	spin_lock_bh(&ipsec->lock);
	iroce_sad_rehash_done(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
}

static void resize_work(struct work_struct *work)
{
	struct iroce_ipsec *ipsec = container_of(work, struct iroce_ipsec, resize_work);

	mutex_lock(&ipsec->resize_lock);
	sad_resize(ipsec);
	mutex_unlock(&ipsec->resize_lock);
}

/* ---- life ------------------------------------------------------------- */

int iroce_sadb_init(struct iroce_ipsec *ipsec)
{
	void *mem;
	int err;

	INIT_WORK(&ipsec->resize_work, resize_work);
	mem = kvmalloc(iroce_sad_mem_size(SAD_BUCKETS_MIN), GFP_KERNEL);
	if (!mem)
		return -ENOMEM;
	err = iroce_sad_init(&ipsec->sad, mem, SAD_BUCKETS_MIN, get_random_u32());
	if (err)
		kvfree(mem);
	return err;
}

void iroce_sadb_fini(struct iroce_ipsec *ipsec)
{
	struct iroce_sad_node *node;

	/* xfrm flushed the netdev's states when it was unregistered. */
	while (WARN_ON_ONCE((node = iroce_sad_first(&ipsec->sad)) != NULL))
		iroce_sadb_kill(ipsec, iroce_sa_of(node));
	kvfree(ipsec->sad.table);
}
