// SPDX-License-Identifier: GPL-2.0
/*
 * Guards: between becoming a bond's port and having its policies, a device would hand
 * cleartext to the bond (I2). A guard drops all that the device gets meanwhile. RTNL.
 */
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "bond.h"
#include "guard.h"

struct guard {
	struct list_head link;
	struct nf_hook_ops nf;
};

static LIST_HEAD(guards);

/* Netfilter counts nowhere what it drops: these are in the device's own rx_dropped. */
static unsigned int drop_all(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	dev_core_stats_rx_dropped_inc(skb->dev);
	return NF_DROP;
}

static struct guard *guard_find(const struct net_device *dev)
{
	struct guard *guard;

	list_for_each_entry(guard, &guards, link)
		if (guard->nf.dev == dev)
			return guard;
	return NULL;
}

static void guard_destroy(struct guard *guard)
{
	nf_unregister_net_hook(dev_net(guard->nf.dev), &guard->nf);
	list_del(&guard->link);
	kfree_rcu_mightsleep(guard);
}

static void guard_drop_all(struct work_struct *work)
{
	struct guard *guard, *next;

	rtnl_lock();
	list_for_each_entry_safe(guard, next, &guards, link)
		guard_destroy(guard);
	rtnl_unlock();
}

static DECLARE_WORK(guard_work, guard_drop_all);

void ipsec_roce_guard_add(struct net_device *dev)
{
	struct guard *guard;

	if (guard_find(dev))
		return;
	/* Without one, a bond that has policies refuses the port. */
	guard = kzalloc(sizeof(*guard), GFP_KERNEL);
	if (!guard)
		return;
	guard->nf = (struct nf_hook_ops) {
		.hook = drop_all,
		.dev = dev,
		.pf = NFPROTO_NETDEV,
		.hooknum = NF_NETDEV_INGRESS,
		.priority = INT_MIN,
	};
	if (nf_register_net_hook(dev_net(dev), &guard->nf)) {
		kfree(guard);
		return;
	}
	list_add(&guard->link, &guards);
	/* Runs when whoever has RTNL is through, joined or not. */
	queue_work(ipsec_roce_wq, &guard_work);
}

bool ipsec_roce_guard_has(const struct net_device *dev)
{
	return guard_find(dev);
}

void ipsec_roce_guard_drop(struct net_device *dev)
{
	struct guard *guard = guard_find(dev);

	if (guard)
		guard_destroy(guard);
}

void ipsec_roce_guard_exit(void)
{
	flush_work(&guard_work);
}
