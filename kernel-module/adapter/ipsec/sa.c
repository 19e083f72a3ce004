// SPDX-License-Identifier: GPL-2.0
/*
 * Security associations: their life from state_add to the last reference, their
 * numbers, their lifetimes.
 *
 *	state_add      alloc, key, insert      1 reference, xfrm's
 *	state_delete   kill: unlinked, dead    atomic, under x->lock
 *	state_free     put                     may sleep
 *	last put       an RCU grace period, then keys wiped by the tfm's destructor
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "cipher.h"
#include "engine/ipsec_roce_engine.h"
#include "sa.h"

struct workqueue_struct *iroce_ipsec_wq;

/* ---- numbers ---------------------------------------------------------- */

static struct iroce_numbers *numbers_create(void)
{
	struct iroce_numbers *num;

	num = kzalloc(sizeof(*num), GFP_KERNEL);
	if (!num)
		return NULL;
	refcount_set(&num->ref, 1);
	spin_lock_init(&num->lock);
	get_random_bytes(&num->iv_base, sizeof(num->iv_base));
	return num;
}

void iroce_numbers_put(struct iroce_numbers *num)
{
	if (refcount_dec_and_test(&num->ref))
		kfree(num);
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

/* ---- life -------------------------------------------------------------- */

/* The state that a dead SA had closed to the stack gets its own type back. May sleep. */
static void sa_reopen(struct iroce_sa *sa)
{
	if (!sa->closed)
		return;
	ipsec_roce_state_reopen(sa->closed);
	xfrm_state_put(sa->closed);
}

void iroce_sa_destroy(struct iroce_sa *sa)
{
	iroce_numbers_put(sa->num);
	kfree(sa);
}

static void sa_free_work(struct work_struct *work)
{
	struct iroce_sa *sa = container_of(to_rcu_work(work), struct iroce_sa, free_work);

	iroce_sa_drop_key(sa);
	sa_reopen(sa);
	iroce_sa_destroy(sa);
}

struct iroce_sa *iroce_sa_alloc(void)
{
	struct iroce_sa *sa;

	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return NULL;
	sa->num = numbers_create();
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

bool iroce_sa_is_same(const struct iroce_sa *a, const struct iroce_sa *b)
{
	return a->node.family == b->node.family && a->node.dir == b->node.dir &&
	       a->node.spi == b->node.spi &&
	       iroce_addr_equal(&a->node.daddr, &b->node.daddr) &&
	       a->is_esn == b->is_esn && a->window == b->window && a->key_hash == b->key_hash;
}
