// SPDX-License-Identifier: GPL-2.0
/*
 * Security associations: their life from state_add to the last reference, their
 * lifetimes, and the database the data path finds them in (core/sad.h).
 *
 *	state_add      alloc, key, insert      1 reference, xfrm's
 *	state_delete   kill: unlinked, dead    atomic, under x->lock
 *	state_free     put                     may sleep
 *	last put       an RCU grace period, then keys wiped by the tfm's destructor
 *
 * Twins. xfrm adds a second state with the identity of a first one before it looks whether
 * there is one: a mistake that it takes back, or an update of lifetimes. If the first one ends
 * before xfrm has looked, the second is valid. So it waits, unseen by packets, and takes over when
 * the first one is killed.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "ipsec.h"

#define SAD_BUCKETS_MIN 16

/* ---- reference -------------------------------------------------------- */

void iroce_sa_destroy(struct iroce_sa *sa)
{
	iroce_numbers_put(sa->num);
	kfree(sa);
}

static void sa_free_work(struct work_struct *work)
{
	struct iroce_sa *sa = container_of(to_rcu_work(work), struct iroce_sa, free_work);

	iroce_sa_drop_key(sa);
	iroce_state_reopen(sa);
	iroce_sa_destroy(sa);
}

struct iroce_sa *iroce_sa_get(struct iroce_sa *sa)
{
	refcount_inc(&sa->ref);
	return sa;
}

void iroce_sa_put(struct iroce_sa *sa)
{
	/* Receivers use SA and tfm under RCU alone. Freeing a tfm may sleep, and we may be anywhere. */
	if (refcount_dec_and_test(&sa->ref))
		queue_rcu_work(iroce_ipsec_wq, &sa->free_work);
}

bool iroce_sa_is_live(const struct iroce_sa *sa)
{
	return !READ_ONCE(sa->is_dead) && iroce_sad_life(&sa->node) != IROCE_SA_DEAD;
}

u32 iroce_sa_reqid(const struct iroce_sa *sa)
{
	return sa->node.reqid;
}

/* ---- lifetimes -------------------------------------------------------- */

/*
 * xfrm knows no lifetime in numbers, so what it does at the end of one is done here, as
 * in xfrm_state_check_expire(): its timer deletes the state and tells. x->lock; valid.
 */
static void xfrm_expire(struct xfrm_state *x, bool are_low, bool are_spent)
{
	if (are_spent) {
		x->km.state = XFRM_STATE_EXPIRED;
		hrtimer_start(&x->mtimer, 0, HRTIMER_MODE_REL_SOFT);
		return;
	}
	if (xfrm_state_check_expire(x))
		return;
	if (are_low && !x->km.dying) {
		x->km.dying = 1;
		km_state_expired(x, 0, 0);
	}
}

/*
 * Lets xfrm see the counters: it moves the state on and sends its events. A state
 * that xfrm has not made valid yet (its state_add is still under way) is asked
 * again a little later.
 */
static void sa_expire_work(struct work_struct *work)
{
	struct iroce_sa *sa = container_of(work, struct iroce_sa, expire_work.work);
	struct xfrm_state *x;

	bool are_low, are_spent;

	spin_lock_bh(&sa->lock);
	x = sa->x;
	are_low = sa->are_low;
	are_spent = sa->are_spent;
	spin_unlock_bh(&sa->lock);
	/* state_free waits for us before it lets go of x. */
	if (!x)
		return;

	spin_lock_bh(&x->lock);
	if (x->km.state == XFRM_STATE_VALID)
		xfrm_expire(x, are_low, are_spent);
	else if (x->km.state == XFRM_STATE_VOID)
		queue_delayed_work(iroce_ipsec_wq, &sa->expire_work, msecs_to_jiffies(10));
	spin_unlock_bh(&x->lock);
}

/* A limit is reached: what it means for the data path now, and tell xfrm. */
static void sa_limit_reached(struct iroce_sa *sa)
{
	u64 packets = atomic64_read(&sa->num->packets);
	u64 bytes = atomic64_read(&sa->num->bytes);
	bool is_news = false;

	spin_lock_bh(&sa->lock);
	if (packets >= sa->hard_packets || bytes >= sa->hard_bytes) {
		is_news = iroce_sad_life(&sa->node) != IROCE_SA_DEAD;
		iroce_sad_set_life(&sa->node, IROCE_SA_DEAD);
	} else if (!sa->is_soft_fired &&
		   (packets >= sa->soft_packets || bytes >= sa->soft_bytes)) {
		is_news = true;
		WRITE_ONCE(sa->is_soft_fired, true);
		iroce_sad_set_life(&sa->node, IROCE_SA_DYING);
	}
	if (is_news && sa->x)
		queue_delayed_work(iroce_ipsec_wq, &sa->expire_work, 0);
	spin_unlock_bh(&sa->lock);
}

/* RFC 4303 section 3.3.3: a number must not come again, so another SA must be there before. */
void iroce_sa_numbers_used(struct iroce_sa *sa, u64 seq)
{
	bool is_news = false;

	spin_lock_bh(&sa->lock);
	if (iroce_sad_life(&sa->node) == IROCE_SA_DEAD) {
		/* Its end has been told. */
	} else if (seq >= sa->hard_seq) {
		is_news = true;
		sa->are_spent = true;
		iroce_sad_set_life(&sa->node, IROCE_SA_DEAD);
	} else if (seq >= sa->soft_seq && !sa->are_low) {
		is_news = true;
		WRITE_ONCE(sa->are_low, true);
		iroce_sad_set_life(&sa->node, IROCE_SA_DYING);
	}
	if (is_news && sa->x)
		queue_delayed_work(iroce_ipsec_wq, &sa->expire_work, 0);
	spin_unlock_bh(&sa->lock);
}

bool iroce_sa_is_spent(const struct iroce_sa *sa)
{
	return READ_ONCE(sa->has_limits) &&
	       ((u64)atomic64_read(&sa->num->packets) >= READ_ONCE(sa->hard_packets) ||
		(u64)atomic64_read(&sa->num->bytes) >= READ_ONCE(sa->hard_bytes));
}

bool iroce_sa_charge(struct iroce_sa *sa, unsigned int len)
{
	struct iroce_numbers *num = sa->num;
	u64 packets = atomic64_inc_return(&num->packets);
	u64 bytes = atomic64_add_return(len, &num->bytes);
	time64_t now = ktime_get_real_seconds();

	if (unlikely(READ_ONCE(sa->has_limits))) {
		/* As xfrm: the packet that reaches the limit is the last one to pass. */
		if (packets > READ_ONCE(sa->hard_packets) ||
		    bytes - len >= READ_ONCE(sa->hard_bytes)) {
			atomic64_dec(&num->packets);
			atomic64_sub(len, &num->bytes);
			sa_limit_reached(sa);
			return false;
		}
		if (packets >= READ_ONCE(sa->hard_packets) ||
		    bytes >= READ_ONCE(sa->hard_bytes) ||
		    (!READ_ONCE(sa->is_soft_fired) &&
		     (packets >= READ_ONCE(sa->soft_packets) ||
		      bytes >= READ_ONCE(sa->soft_bytes))))
			sa_limit_reached(sa);
	}
	atomic64_inc(&sa->packets);
	atomic64_add(len, &sa->bytes);
	if (unlikely(!READ_ONCE(sa->first_use)))
		cmpxchg(&sa->first_use, 0, now);
	if (READ_ONCE(sa->last_use) != now)
		WRITE_ONCE(sa->last_use, now);
	return true;
}

/*
 * A packet that meets some old and some new limits is judged by sa_limit_reached(), under the
 * lock; at most it is itself dropped, or passes, by what was true a moment ago.
 */
void iroce_sa_set_limits(struct iroce_sa *sa, const struct xfrm_lifetime_cfg *lft)
{
	if (sa->soft_packets == lft->soft_packet_limit &&
	    sa->hard_packets == lft->hard_packet_limit &&
	    sa->soft_bytes == lft->soft_byte_limit && sa->hard_bytes == lft->hard_byte_limit)
		return;
	WRITE_ONCE(sa->soft_packets, lft->soft_packet_limit);
	WRITE_ONCE(sa->hard_packets, lft->hard_packet_limit);
	WRITE_ONCE(sa->soft_bytes, lft->soft_byte_limit);
	WRITE_ONCE(sa->hard_bytes, lft->hard_byte_limit);
	WRITE_ONCE(sa->is_soft_fired, false);
	WRITE_ONCE(sa->are_low, false);
	/*
	 * xfrm changes limits of valid states alone: one whose hard limit we saw reached, and
	 * xfrm did not yet, lives on. Where the new limits are reached too, the next packet tells.
	 */
	iroce_sad_set_life(&sa->node, IROCE_SA_VALID);
	WRITE_ONCE(sa->has_limits,
		   lft->soft_packet_limit != XFRM_INF || lft->hard_packet_limit != XFRM_INF ||
		   lft->soft_byte_limit != XFRM_INF || lft->hard_byte_limit != XFRM_INF);
}

/* ---- database --------------------------------------------------------- */

struct iroce_sa *iroce_sa_alloc(void)
{
	struct iroce_sa *sa;

	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return NULL;
	sa->num = iroce_numbers_create();
	if (!sa->num) {
		kfree(sa);
		return NULL;
	}
	refcount_set(&sa->ref, 1);
	spin_lock_init(&sa->lock);
	INIT_DELAYED_WORK(&sa->expire_work, sa_expire_work);
	INIT_RCU_WORK(&sa->free_work, sa_free_work);
	return sa;
}

bool iroce_sa_is_same(const struct iroce_sa *a, const struct iroce_sa *b)
{
	return a->node.family == b->node.family && a->node.dir == b->node.dir &&
	       a->node.spi == b->node.spi &&
	       iroce_addr_equal(&a->node.daddr, &b->node.daddr) &&
	       a->is_esn == b->is_esn && a->window == b->window && a->key_hash == b->key_hash;
}

/* @sa goes on with the numbers of @first: one key, one counter, one window. ipsec->lock. */
static void use_numbers_of(struct iroce_sa *sa, struct iroce_sa *first)
{
	iroce_numbers_put(sa->num);
	refcount_inc(&first->num->ref);
	sa->num = first->num;
	sa->has_replay = first->has_replay;
}

/* ipsec->lock. */
static int insert(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
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

int iroce_sad_insert(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
{
	bool is_crowded;
	int err;

	spin_lock_bh(&ipsec->lock);
	err = insert(ipsec, sa);
	is_crowded = iroce_sad_wants_resize(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
	if (is_crowded)
		queue_work(iroce_ipsec_wq, &ipsec->resize_work);
	if (!err)
		iroce_flow_changed(ipsec->f);
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
static void bequeath(const struct iroce_sa *sa, struct iroce_sa *heir)
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

void iroce_sad_kill(struct iroce_ipsec *ipsec, struct iroce_sa *sa)
{
	struct iroce_sad_node *heir;

	spin_lock_bh(&ipsec->lock);
	/* Before its window is read: see replay_commit(). */
	WRITE_ONCE(sa->is_dead, true);
	heir = iroce_sad_heir(&ipsec->sad, &sa->node);
	if (heir)
		bequeath(sa, iroce_sa_of(heir));
	iroce_sad_remove(&ipsec->sad, &sa->node);
	spin_unlock_bh(&ipsec->lock);
	iroce_flow_changed(ipsec->f);
}

struct iroce_sa *iroce_sad_lookup_in(const struct iroce_ipsec *ipsec,
				     const struct iroce_flow_key *key, __be32 spi)
{
	struct iroce_sad_node *node;

	node = iroce_sad_find(&ipsec->sad, IROCE_DIR_IN, key->family, &key->daddr, spi);
	return node ? iroce_sa_of(node) : NULL;
}

int iroce_sad_setup(struct iroce_ipsec *ipsec)
{
	void *mem;
	int err;

	mem = kvmalloc(iroce_sad_mem_size(SAD_BUCKETS_MIN), GFP_KERNEL);
	if (!mem)
		return -ENOMEM;
	err = iroce_sad_init(&ipsec->sad, mem, SAD_BUCKETS_MIN, get_random_u32());
	if (err)
		kvfree(mem);
	return err;
}

void iroce_sad_teardown(struct iroce_ipsec *ipsec)
{
	struct iroce_sad_node *node;

	/* xfrm flushed the netdev's states when it was unregistered. */
	while (WARN_ON_ONCE((node = iroce_sad_first(&ipsec->sad)) != NULL))
		iroce_sad_kill(ipsec, iroce_sa_of(node));
	kvfree(ipsec->sad.table);
}
