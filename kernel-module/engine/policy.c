// SPDX-License-Identifier: GPL-2.0
/*
 * Deleted policies let go of their device. xfrm keeps a policy as long as somebody has it, and
 * an offloaded policy its device (xdo.dev). The route that a socket has cached keeps the policy
 * (xfrm_dst.pols), until the socket sends again: an idle connection would keep a device from going
 * for ever. For states xfrm_dev_state_flush() does what for policies nobody does: this.
 *
 *	xdo_dev_policy_delete --> listed --> xdo_dev_policy_free: off the list, the usual end
 *	                            |
 *	                            +--> still there after DELAY: the work is xfrm_dev_policy_free()
 *
 * Who reads xdo of a policy that is deleted, and when the work is safe from it:
 *
 *	xfrm_state_find()	in one RCU section looks at xdo.type, and at xdo.dev only if that
 *				says "packet": a grace period after xdo.type is cleared nobody does.
 *				From then on it takes the policy for one of software, which seals
 *				as well, or finds no state.
 *	XFRM_MSG_DELPOLICY,	build their message after the deletion, with a reference of the policy
 *	XFRM_MSG_POLEXPIRE	alone: they look whether there is an xdo.dev and then at its ifindex.
 *				So xdo.dev never becomes NULL, but blackhole_netdev, which is there
 *				for ever; and whoever has read the device before that is through when
 *				softirqs are (RCU) and each task has slept once (tasks RCU).
 *	xfrm_policy_destroy()	comes with the last reference: the work has one.
 *	the rest		looks at policies of the database: not at deleted ones.
 *
 * blackhole_netdev has no xfrmdev_ops: xfrm_dev_policy_free() passes over it, and puts no
 * reference: so it has none.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <net/xfrm.h>

#include "ipsec_roce_engine.h"
#include "own.h"

/* Whoever has a policy for a moment is not troubled. */
#define DELAY		max(HZ / 10, 1)
#define BATCH_MAX	256

static LIST_HEAD(kept);			/* first deleted, first out */
static bool is_freeing;			/* some were taken off and their drivers have them yet */
static DEFINE_SPINLOCK(kept_lock);	/* of both; BH disabled; innermost */

static void let_go(struct work_struct *work);
static DECLARE_DELAYED_WORK(let_go_work, let_go);

void ipsec_roce_policy_deleted(struct ipsec_roce_kept_policy *policy, struct xfrm_policy *xp)
{
	/*
	 * One that xfrm has never inserted has no other users; xfrm frees it at once, whatever its
	 * count of references says. (One that was has been hashed by its index, and looks so still.)
	 */
	if (hlist_unhashed(&xp->byidx))
		return;
	policy->xp = xp;
	spin_lock_bh(&kept_lock);
	list_add_tail(&policy->link, &kept);
	spin_unlock_bh(&kept_lock);
	schedule_delayed_work(&let_go_work, DELAY);
}
EXPORT_SYMBOL_GPL(ipsec_roce_policy_deleted);

void ipsec_roce_policy_freed(struct ipsec_roce_kept_policy *policy)
{
	spin_lock_bh(&kept_lock);
	list_del_init(&policy->link);
	spin_unlock_bh(&kept_lock);
}
EXPORT_SYMBOL_GPL(ipsec_roce_policy_freed);

/* A deleted policy that the work has a reference of. */
struct leaver {
	struct xfrm_policy *xp;
	struct net_device *dev;
};

/*
 * The memory of a policy that is listed is good: its driver takes it off before xfrm frees it. One
 * that is not dead is being deleted just now.
 */
static unsigned int take(struct leaver *leavers)
{
	struct ipsec_roce_kept_policy *policy, *next;
	unsigned int n = 0;

	spin_lock_bh(&kept_lock);
	list_for_each_entry_safe(policy, next, &kept, link) {
		struct xfrm_policy *xp = policy->xp;

		if (n == BATCH_MAX)
			break;
		if (!READ_ONCE(xp->walk.dead) || !refcount_inc_not_zero(&xp->refcnt))
			continue;
		list_del_init(&policy->link);
		leavers[n++] = (struct leaver) { .xp = xp, .dev = xp->xdo.dev };
	}
	is_freeing = n;
	spin_unlock_bh(&kept_lock);
	return n;
}

static void part(struct leaver *leavers, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		leavers[i].xp->xdo.type = XFRM_DEV_OFFLOAD_UNSPECIFIED;
	synchronize_rcu();
	for (i = 0; i < n; i++) {
		leavers[i].dev->xfrmdev_ops->xdo_dev_policy_free(leavers[i].xp);
		WRITE_ONCE(leavers[i].xp->xdo.dev, blackhole_netdev);
	}
	spin_lock_bh(&kept_lock);
	is_freeing = false;
	spin_unlock_bh(&kept_lock);
	synchronize_rcu();
	synchronize_rcu_tasks();
	for (i = 0; i < n; i++) {
		netdev_put(leavers[i].dev, &leavers[i].xp->xdo.dev_tracker);
		xfrm_pol_put(leavers[i].xp);
	}
}

/* One batch at a time: who waits for the first of the list is not kept by those that come after. */
static void let_go(struct work_struct *work)
{
	static struct leaver leavers[BATCH_MAX];	/* one work, not two at a time */
	unsigned int n = take(leavers);
	bool is_done;

	if (n)
		part(leavers, n);
	spin_lock_bh(&kept_lock);
	is_done = list_empty(&kept);
	spin_unlock_bh(&kept_lock);
	if (!is_done)
		schedule_delayed_work(&let_go_work, n == BATCH_MAX ? 0 : DELAY);
}

static bool has_kept(const struct net_device *dev)
{
	const struct ipsec_roce_kept_policy *policy;
	bool has;

	spin_lock_bh(&kept_lock);
	has = is_freeing;
	list_for_each_entry(policy, &kept, link)
		if (policy->xp->xdo.dev == dev)
			has = true;
	spin_unlock_bh(&kept_lock);
	return has;
}

void ipsec_roce_policy_settle(const struct net_device *dev)
{
	while (has_kept(dev)) {
		mod_delayed_work(system_wq, &let_go_work, 0);
		/* Or xfrm is about to free one, or has not marked it as dead yet. */
		usleep_range(1000, 2000);
	}
}
EXPORT_SYMBOL_GPL(ipsec_roce_policy_settle);

void ipsec_roce_policy_exit(void)
{
	cancel_delayed_work_sync(&let_go_work);
}
