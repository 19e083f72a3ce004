// SPDX-License-Identifier: GPL-2.0
/*
 * Security policies of a function, and the tombstones that outlive them.
 *
 * The core flushes offloaded policies on NETDEV_DOWN, daemons crash, operators
 * delete: what was protected must not become cleartext by that (I1, I2). Each
 * direction has two databases:
 *
 *	spd	the policies the kernel has now
 *	tombs	every protecting policy (template or block) that the kernel has or had
 *
 * A policy enters both at once and leaves only spd, so nothing must be allocated
 * and no gap opens when it goes. spd decides; where it would let a packet pass in
 * the clear, a match in tombs closes the flow, unless a bypass policy with a
 * strictly better priority had opened it before.
 *
 * A tombstone goes when a policy with the very same selector and direction is added,
 * when fail-closed is switched off, with the function, or when the netdev moves to
 * another network namespace: it was its owner's there, and the next one gets defaults.
 */
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "policy.h"

#define TOMBS_MAX 4096

static const struct iroce_spd_size spd_size_min = { .n_buckets = 16, .n_tuples = 8 };

/* ---- writers, under ipsec->lock --------------------------------------- */

void iroce_policy_release(struct iroce_policy *policy)
{
	if (!policy->is_owned && !policy->tomb.is_linked)
		kfree_rcu(policy, rcu);
}

static void remove_tomb(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	iroce_spd_remove(&ipsec->tombs[policy->dir], &policy->tomb);
	iroce_policy_release(policy);
}

static bool is_tomb(const struct iroce_policy *policy)
{
	return !policy->spd.is_linked && !policy->is_pending;
}

/* A policy for the very same traffic is here again: it decides from now on. */
static void supersede_tombs(struct iroce_ipsec *ipsec, const struct iroce_policy *by)
{
	struct iroce_spd *tombs = &ipsec->tombs[by->dir];
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_find(tombs, &by->spd.sel, NULL); node; node = next) {
		struct iroce_policy *was = iroce_policy_of_tomb(node);

		next = iroce_spd_find(tombs, &by->spd.sel, node);
		if (!is_tomb(was))
			continue;
		ipsec->n_tombs--;
		remove_tomb(ipsec, was);
	}
}

/* @policy is out of spd: does its tombstone stay? */
static void keep_tomb(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	if (!policy->tomb.is_linked)
		return;
	if (!ipsec->is_fail_closed) {
		remove_tomb(ipsec, policy);
		return;
	}
	WRITE_ONCE(ipsec->has_told, false);
	if (ipsec->n_tombs < TOMBS_MAX) {
		ipsec->n_tombs++;
		return;
	}
	if (!ipsec->is_closed[policy->dir])
		netdev_warn(ipsec->f->netdev,
			    "more than %d policies were removed: closed for all traffic without policy until ipsec-fail-closed is switched off\n",
			    TOMBS_MAX);
	/* Before the tombstone goes: iroce_policy_decide(), which misses the tombstone, sees this. */
	WRITE_ONCE(ipsec->is_closed[policy->dir], true);
	smp_wmb();
	remove_tomb(ipsec, policy);
}

/* The policy that waits for @old to go, if any. */
static struct iroce_policy *pending_find(struct iroce_ipsec *ipsec,
					 const struct iroce_policy *old)
{
	struct iroce_policy *policy;

	list_for_each_entry(policy, &ipsec->pending, link)
		if (policy->dir == old->dir &&
		    iroce_selector_equal(&policy->spd.sel, &old->spd.sel))
			return policy;
	return NULL;
}

static int policy_link(struct iroce_ipsec *ipsec, struct iroce_policy *policy,
		       struct iroce_policy *old)
{
	struct iroce_spd_node *before = NULL;
	int err;

	/* As xfrm: at the same priority the new one takes the old one's place. */
	if (old && old->spd.priority == policy->spd.priority)
		before = &old->spd;
	err = iroce_spd_add(&ipsec->spd[policy->dir], &policy->spd, before);
	if (err)
		return err;
	policy->is_pending = false;
	supersede_tombs(ipsec, policy);
	/* Pairs with is_waiting(), decide.c: who finds it counted finds it in spd. */
	if (iroce_policy_is_protecting(policy))
		smp_store_release(&ipsec->n_protecting[policy->dir],
				  ipsec->n_protecting[policy->dir] + 1);
	return 0;
}

void iroce_policy_unlink(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	struct iroce_policy *next;

	if (policy->is_pending) {
		list_del(&policy->link);
		policy->is_pending = false;
		if (policy->tomb.is_linked)
			iroce_spd_remove(&ipsec->tombs[policy->dir], &policy->tomb);
		return;
	}
	next = pending_find(ipsec, policy);
	if (next) {
		list_del(&next->link);
		if (WARN_ON_ONCE(policy_link(ipsec, next, policy)))
			next = NULL;
	}
	/*
	 * Its tombstone stands since it was added: iroce_policy_decide() may miss the policy, and
	 * must see the tombstone then.
	 */
	smp_wmb();
	iroce_spd_remove(&ipsec->spd[policy->dir], &policy->spd);
	if (iroce_policy_is_protecting(policy))
		WRITE_ONCE(ipsec->n_protecting[policy->dir],
			   ipsec->n_protecting[policy->dir] - 1);
	if (!next)
		keep_tomb(ipsec, policy);
	else if (policy->tomb.is_linked)
		iroce_spd_remove(&ipsec->tombs[policy->dir], &policy->tomb);
}

int iroce_policy_insert(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	int err;

	if (iroce_policy_is_protecting(policy)) {
		err = iroce_spd_add(&ipsec->tombs[policy->dir], &policy->tomb, NULL);
		if (err)
			return err;
	}
	/*
	 * xfrm adds the new policy before it knows whether it may replace the old
	 * one, and takes it back if not. Until the old one goes, the old one holds.
	 */
	if (iroce_spd_find(&ipsec->spd[policy->dir], &policy->spd.sel, NULL)) {
		policy->is_pending = true;
		list_add_tail(&policy->link, &ipsec->pending);
		return 0;
	}
	err = policy_link(ipsec, policy, NULL);
	if (err && policy->tomb.is_linked)
		iroce_spd_remove(&ipsec->tombs[policy->dir], &policy->tomb);
	return err;
}

/* ---- growth ----------------------------------------------------------- */

/* Room for at least one more policy in @spd. Process context. */
static int spd_grow(struct iroce_ipsec *ipsec, struct iroce_spd *spd)
{
	struct iroce_spd_size size;
	void *mem, *old;
	bool is_wanted;
	int err = 0;

	mutex_lock(&ipsec->resize_lock);
	spin_lock_bh(&ipsec->lock);
	is_wanted = iroce_spd_wants_resize(spd, &size);
	spin_unlock_bh(&ipsec->lock);
	if (!is_wanted)
		goto out;

	mem = kvmalloc(iroce_spd_mem_size(&size), GFP_KERNEL);
	if (!mem) {
		err = -ENOMEM;
		goto out;
	}
	spin_lock_bh(&ipsec->lock);
	err = iroce_spd_rehash(spd, mem, &size, &old);
	spin_unlock_bh(&ipsec->lock);
	if (err) {
		kvfree(mem);
		goto out;
	}
	synchronize_rcu();
	kvfree(old);
	spin_lock_bh(&ipsec->lock);
	iroce_spd_rehash_done(spd);
	spin_unlock_bh(&ipsec->lock);
out:
	mutex_unlock(&ipsec->resize_lock);
	return err;
}

int iroce_policy_make_room(struct iroce_ipsec *ipsec, const struct iroce_policy *policy)
{
	return spd_grow(ipsec, &ipsec->spd[policy->dir]) ?:
	       spd_grow(ipsec, &ipsec->tombs[policy->dir]);
}

/* ---- fail closed ------------------------------------------------------ */

static void clear_tombs(struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_first(&ipsec->tombs[dir]); node; node = next) {
		struct iroce_policy *policy = iroce_policy_of_tomb(node);

		next = iroce_spd_next(node);
		if (!is_tomb(policy))
			continue;
		ipsec->n_tombs--;
		remove_tomb(ipsec, policy);
	}
	WRITE_ONCE(ipsec->is_closed[dir], false);
	WRITE_ONCE(ipsec->has_told, false);
}

void iroce_ipsec_set_starts_closed(struct iroce_func *f, bool is_closed)
{
	WRITE_ONCE(f->ipsec->starts_closed, is_closed);
	WRITE_ONCE(f->ipsec->has_told, false);
	iroce_ipsec_changed(f->ipsec);
	/* Senders that found it open are through when the caller hears that it is closed. */
	synchronize_rcu_expedited();
}

unsigned int iroce_ipsec_n_tombs(const struct iroce_func *f)
{
	return READ_ONCE(f->ipsec->n_tombs);
}

void iroce_ipsec_set_fail_closed(struct iroce_func *f, bool is_closed)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	spin_lock_bh(&ipsec->lock);
	WRITE_ONCE(ipsec->is_fail_closed, is_closed);
	if (!is_closed) {
		clear_tombs(ipsec, IROCE_DIR_IN);
		clear_tombs(ipsec, IROCE_DIR_OUT);
	}
	spin_unlock_bh(&ipsec->lock);
	iroce_ipsec_changed(f->ipsec);
}

/*
 * The netdev is registered, in a namespace: the first time, or moved from another, whose
 * owner had the tombstones. It is down, and xfrm has taken all policies away.
 */
void iroce_ipsec_net_changed(struct iroce_func *f)
{
	struct iroce_ipsec *ipsec = f->ipsec;
	const struct net *net = dev_net(f->netdev);

	ASSERT_RTNL();
	if (ipsec->net == net)
		return;
	ipsec->net = net;
	spin_lock_bh(&ipsec->lock);
	clear_tombs(ipsec, IROCE_DIR_IN);
	clear_tombs(ipsec, IROCE_DIR_OUT);
	WRITE_ONCE(ipsec->is_fail_closed, true);
	spin_unlock_bh(&ipsec->lock);
	iroce_ipsec_changed(f->ipsec);
}

bool iroce_ipsec_is_fail_closed(const struct iroce_func *f)
{
	return READ_ONCE(f->ipsec->is_fail_closed);
}

/* ---- life ------------------------------------------------------------- */

static int spd_init_one(struct iroce_spd *spd)
{
	void *mem = kvmalloc(iroce_spd_mem_size(&spd_size_min), GFP_KERNEL);
	int err;

	if (!mem)
		return -ENOMEM;
	err = iroce_spd_init(spd, mem, &spd_size_min, get_random_u32());
	if (err)
		kvfree(mem);
	return err;
}

static void spd_free_all(struct iroce_ipsec *ipsec)
{
	int dir;

	for (dir = 0; dir < 2; dir++) {
		kvfree(ipsec->spd[dir].table);
		kvfree(ipsec->tombs[dir].table);
	}
}

int iroce_policy_init(struct iroce_ipsec *ipsec)
{
	int dir, err;

	for (dir = 0; dir < 2; dir++) {
		err = spd_init_one(&ipsec->spd[dir]) ?: spd_init_one(&ipsec->tombs[dir]);
		if (err) {
			spd_free_all(ipsec);
			return err;
		}
	}
	return 0;
}

void iroce_policy_fini(struct iroce_ipsec *ipsec)
{
	int dir;

	spin_lock_bh(&ipsec->lock);
	for (dir = 0; dir < 2; dir++) {
		/* xfrm flushed the netdev's policies when it was unregistered. */
		WARN_ON_ONCE(!iroce_spd_is_empty(&ipsec->spd[dir]));
		clear_tombs(ipsec, dir);
	}
	spin_unlock_bh(&ipsec->lock);
	spd_free_all(ipsec);
}
