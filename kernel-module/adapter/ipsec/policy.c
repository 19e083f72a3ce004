// SPDX-License-Identifier: GPL-2.0
/*
 * Security policies of a function, and the fences that outlive them.
 *
 * The core flushes offloaded policies on NETDEV_DOWN, daemons crash, operators
 * delete: what was protected must not become cleartext by that (I1, I2). Each
 * direction has two databases:
 *
 *	spd	the policies the kernel has now
 *	fence	every protecting policy (template or block) that it has or had
 *
 * A policy enters both at once and leaves only spd, so nothing must be allocated
 * and no gap opens when it goes. spd decides; where it would let a packet pass in
 * the clear, a match in fence closes the flow, unless a bypass policy with a
 * strictly better priority had opened it before.
 *
 * A fence goes when a policy with the very same selector and direction is added,
 * when fail-closed is switched off, with the function, or when the netdev moves to
 * another network namespace: it was its owner's there, and the next one gets defaults.
 */
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "policy.h"

#define FENCES_MAX 4096

static const struct iroce_spd_size spd_size_min = { .n_buckets = 16, .n_tuples = 8 };

/* ---- writers, under ipsec->lock --------------------------------------- */

void iroce_policy_release(struct iroce_policy *policy)
{
	if (!policy->is_owned && !policy->fence.is_linked)
		kfree_rcu(policy, rcu);
}

static void fence_remove(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
	iroce_policy_release(policy);
}

static bool is_fence_only(const struct iroce_policy *policy)
{
	return !policy->spd.is_linked && !policy->is_pending;
}

/* A policy for the very same traffic is here again: it decides from now on. */
static void fences_supersede(struct iroce_ipsec *ipsec, const struct iroce_policy *by)
{
	struct iroce_spd *fence = &ipsec->fence[by->dir];
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_find(fence, &by->spd.sel, NULL); node; node = next) {
		struct iroce_policy *was = iroce_policy_of_fence(node);

		next = iroce_spd_find(fence, &by->spd.sel, node);
		if (!is_fence_only(was))
			continue;
		ipsec->n_fences--;
		fence_remove(ipsec, was);
	}
}

/* @policy is out of spd: keep its fence? */
static void fence_keep(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	if (!policy->fence.is_linked)
		return;
	if (!ipsec->is_fail_closed) {
		fence_remove(ipsec, policy);
		return;
	}
	WRITE_ONCE(ipsec->has_told, false);
	if (ipsec->n_fences < FENCES_MAX) {
		ipsec->n_fences++;
		return;
	}
	if (!ipsec->is_closed[policy->dir])
		netdev_warn(ipsec->f->netdev,
			    "more than %d policies were removed: closed for all traffic without policy until ipsec-fail-closed is switched off\n",
			    FENCES_MAX);
	/* Before the fence goes: who misses it sees this. */
	WRITE_ONCE(ipsec->is_closed[policy->dir], true);
	smp_wmb();
	fence_remove(ipsec, policy);
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
	fences_supersede(ipsec, policy);
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
		if (policy->fence.is_linked)
			iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
		return;
	}
	next = pending_find(ipsec, policy);
	if (next) {
		list_del(&next->link);
		if (WARN_ON_ONCE(policy_link(ipsec, next, policy)))
			next = NULL;
	}
	/* Its fence is up since it was added; readers that miss it here must see that. */
	smp_wmb();
	iroce_spd_remove(&ipsec->spd[policy->dir], &policy->spd);
	if (iroce_policy_is_protecting(policy))
		WRITE_ONCE(ipsec->n_protecting[policy->dir],
			   ipsec->n_protecting[policy->dir] - 1);
	if (!next)
		fence_keep(ipsec, policy);
	else if (policy->fence.is_linked)
		iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
}

int iroce_policy_insert(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	int err;

	if (iroce_policy_is_protecting(policy)) {
		err = iroce_spd_add(&ipsec->fence[policy->dir], &policy->fence, NULL);
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
	if (err && policy->fence.is_linked)
		iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
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
	       spd_grow(ipsec, &ipsec->fence[policy->dir]);
}

/* ---- fail closed ------------------------------------------------------ */

static void fences_clear(struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_first(&ipsec->fence[dir]); node; node = next) {
		struct iroce_policy *policy = iroce_policy_of_fence(node);

		next = iroce_spd_next(node);
		if (!is_fence_only(policy))
			continue;
		ipsec->n_fences--;
		fence_remove(ipsec, policy);
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

unsigned int iroce_ipsec_n_fences(const struct iroce_func *f)
{
	return READ_ONCE(f->ipsec->n_fences);
}

void iroce_ipsec_set_fail_closed(struct iroce_func *f, bool is_closed)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	spin_lock_bh(&ipsec->lock);
	WRITE_ONCE(ipsec->is_fail_closed, is_closed);
	if (!is_closed) {
		fences_clear(ipsec, IROCE_DIR_IN);
		fences_clear(ipsec, IROCE_DIR_OUT);
	}
	spin_unlock_bh(&ipsec->lock);
	iroce_ipsec_changed(f->ipsec);
}

/*
 * The netdev is registered, in a namespace: the first time, or moved from another, whose
 * owner had the fences. It is down, and xfrm has taken all policies away.
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
	fences_clear(ipsec, IROCE_DIR_IN);
	fences_clear(ipsec, IROCE_DIR_OUT);
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
		kvfree(ipsec->fence[dir].table);
	}
}

int iroce_spd_setup(struct iroce_ipsec *ipsec)
{
	int dir, err;

	for (dir = 0; dir < 2; dir++) {
		err = spd_init_one(&ipsec->spd[dir]) ?: spd_init_one(&ipsec->fence[dir]);
		if (err) {
			spd_free_all(ipsec);
			return err;
		}
	}
	return 0;
}

void iroce_spd_teardown(struct iroce_ipsec *ipsec)
{
	int dir;

	spin_lock_bh(&ipsec->lock);
	for (dir = 0; dir < 2; dir++) {
		/* xfrm flushed the netdev's policies when it was unregistered. */
		WARN_ON_ONCE(!iroce_spd_is_empty(&ipsec->spd[dir]));
		fences_clear(ipsec, dir);
	}
	spin_unlock_bh(&ipsec->lock);
	spd_free_all(ipsec);
}
