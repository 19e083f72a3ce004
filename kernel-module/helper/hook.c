// SPDX-License-Identifier: GPL-2.0
/*
 * Bonds: how their offload becomes ours, and how it is given back.
 *
 * The stock bond has offload ops of its own, for active-backup and for states alone.
 * They are replaced while no state is the stock ops', and restored when none is ours:
 * a state met by the wrong ops would have its handle taken for something else. Both
 * happen under the two locks that cover everything that could add one: the netns'
 * xfrm_cfg_mutex (netlink) and RTNL (ports, features). In that order, and so from a
 * work item, as the notifier has RTNL already; some drivers take RTNL in state_add.
 *
 * ops of a bond may be called without a lock (offload_ok), or be about to be called
 * when they are replaced: what could be running is waited for with RCU and tasks RCU
 * before memory goes, and before the module does.
 */
#include <linux/delay.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/bonding.h>
#include <net/net_namespace.h>

#include "compat/compat.h"
#include "bond.h"
#include "events.h"
#include "follow.h"
#include "hook.h"
#include "policy.h"
#include "port.h"
#include "promote.h"
#include "sa.h"
#include "shadow.h"
#include "stats.h"

static bool is_exiting;		/* RTNL */

IROCE_COMPAT_XDO_STATE_OPS(ipsec_roce_sa_add, ipsec_roce_sa_delete, ipsec_roce_sa_free)

const struct xfrmdev_ops ipsec_roce_hook_ops = {
	.xdo_dev_state_add = iroce_compat_xdo(ipsec_roce_sa_add),
	.xdo_dev_state_delete = iroce_compat_xdo(ipsec_roce_sa_delete),
	.xdo_dev_state_free = iroce_compat_xdo(ipsec_roce_sa_free),
	.xdo_dev_offload_ok = ipsec_roce_shadow_offload_ok,
	.xdo_dev_state_update_stats = ipsec_roce_stats_update,
	.xdo_dev_policy_add = ipsec_roce_policy_add,
	.xdo_dev_policy_delete = ipsec_roce_policy_delete,
	.xdo_dev_policy_free = ipsec_roce_policy_free,
};

/* ---- hook ------------------------------------------------------------- */

static int take_ports(struct ipsec_roce_bond *bond)
{
	struct bonding *b = netdev_priv(bond->dev);
	struct ipsec_roce_port *port;
	struct list_head *iter;
	struct slave *slave;
	int err = 0;

	mutex_lock(&bond->lock);
	bond_for_each_slave(b, slave, iter) {
		/* There is no SA yet that it could refuse. */
		err = ipsec_roce_port_join(bond, slave->dev, NULL);
		if (err)
			break;
		port = ipsec_roce_bond_port(bond, slave->dev);
		ipsec_roce_port_set_running(bond, port, slave->link == BOND_LINK_UP);
	}
	ipsec_roce_port_set_active(bond);
	mutex_unlock(&bond->lock);
	return err;
}

static void drop_ports(struct ipsec_roce_bond *bond)
{
	u32 i;

	mutex_lock(&bond->lock);
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (bond->ports[i])
			ipsec_roce_port_leave(bond, bond->ports[i]);
	mutex_unlock(&bond->lock);
}

/* xfrm_cfg_mutex and RTNL. */
static void hook_bond(struct net_device *dev)
{
	struct bonding *b = netdev_priv(dev);
	struct ipsec_roce_bond *bond;
	bool is_used;
	int err;

	mutex_lock(&b->ipsec_lock);
	is_used = !list_empty(&b->ipsec_list);
	mutex_unlock(&b->ipsec_lock);
	if (is_used) {
		netdev_warn(dev, "ipsec_roce: the bonding driver itself has SAs offloaded, delete them first\n");
		return;
	}
	/* What the stock ops deleted, and somebody still holds, is to be freed by them. */
	ipsec_roce_bond_flush(dev);
	bond = kzalloc(sizeof(*bond), GFP_KERNEL);
	if (!bond)
		return;
	bond->dev = dev;
	netdev_hold(dev, &bond->tracker, GFP_KERNEL);
	mutex_init(&bond->lock);
	iroce_repl_group_init(&bond->group);
	INIT_LIST_HEAD(&bond->sas);
	INIT_LIST_HEAD(&bond->policies);
	hash_init(bond->by_spi);
	hash_init(bond->by_flow);
	INIT_LIST_HEAD(&bond->homes);
	init_waitqueue_head(&bond->wait);
	INIT_DELAYED_WORK(&bond->poll, ipsec_roce_stats_poll);
	INIT_DELAYED_WORK(&bond->twin_work, ipsec_roce_promote_twins);
	spin_lock_init(&bond->seen_lock);
	INIT_LIST_HEAD(&bond->seen);
	INIT_DELAYED_WORK(&bond->seen_work, ipsec_roce_follow_seen);
	bond->wish = IROCE_PLACE_ANY;
	list_add_tail_rcu(&bond->link, ipsec_roce_bond_list());
	err = take_ports(bond);
	if (err)
		goto err_ports;
	bond->is_on = dev->features & NETIF_F_HW_ESP;
	bond->stock_ops = dev->xfrmdev_ops;
	WRITE_ONCE(dev->xfrmdev_ops, &ipsec_roce_hook_ops);
	ipsec_roce_event_bond(bond, true);
	return;

err_ports:
	/* A port without the policies of the others would leave them open. */
	netdev_warn(dev, "ipsec_roce: cannot take all its ports: %pe\n", ERR_PTR(err));
	drop_ports(bond);
	list_del_rcu(&bond->link);
	netdev_put(dev, &bond->tracker);
	kfree_rcu_mightsleep(bond);
}

/* ---- unhook ----------------------------------------------------------- */

/*
 * xfrm_cfg_mutex and RTNL: no state and no policy is being added, those there are
 * flushed. What the stock ops cannot hold is off before they are back.
 */
static void unhook_bond(struct ipsec_roce_bond *bond)
{
	struct net_device *dev = bond->dev;

	mutex_lock(&bond->lock);
	bond->is_going = true;
	mutex_unlock(&bond->lock);
	ipsec_roce_bond_flush(dev);
	xfrm_dev_policy_flush(dev_net(dev), dev, true);
	/*
	 * state_free may be under way, policies have a work: neither needs a lock of ours. A
	 * state that was being deleted while the flush went by is found by another one.
	 */
	while (!wait_event_timeout(bond->wait, list_empty_careful(&bond->sas) &&
					       list_empty_careful(&bond->policies), HZ / 10))
		ipsec_roce_bond_flush(dev);
	/* Their end must be ours, not the stock ops'. */
	ipsec_roce_policy_settle(dev);
	cancel_delayed_work_sync(&bond->poll);
	cancel_delayed_work_sync(&bond->seen_work);
	cancel_delayed_work_sync(&bond->twin_work);
	drop_ports(bond);
	WRITE_ONCE(dev->xfrmdev_ops, bond->stock_ops);
	if (dev->reg_state == NETREG_REGISTERED &&
	    BOND_MODE((struct bonding *)netdev_priv(dev)) != BOND_MODE_ACTIVEBACKUP) {
		dev->wanted_features &= ~NETIF_F_HW_ESP;
		iroce_compat_update_features(dev);
	}
	ipsec_roce_event_bond(bond, false);
	list_del_rcu(&bond->link);
	netdev_put(dev, &bond->tracker);
}

/* ---- from a work item ------------------------------------------------- */

/* A bond that the scan has to look at, so that it can do so without RTNL. */
struct candidate {
	struct list_head link;
	struct net_device *dev;
	netdevice_tracker tracker;
};

static void note_candidate(struct list_head *candidates, struct net_device *dev)
{
	struct candidate *c = kzalloc(sizeof(*c), GFP_KERNEL);

	/* Without memory there will be another event, or the exit asks again. */
	if (!c)
		return;
	c->dev = dev;
	netdev_hold(dev, &c->tracker, GFP_KERNEL);
	list_add_tail(&c->link, candidates);
}

static void find_candidates(struct list_head *candidates)
{
	struct ipsec_roce_bond *bond;
	struct net_device *dev;
	struct net *net;

	rtnl_lock();
	list_for_each_entry(bond, ipsec_roce_bond_list(), link)
		if (bond->is_going || is_exiting)
			note_candidate(candidates, bond->dev);
	down_read(&net_rwsem);
	if (!is_exiting)
		for_each_net(net)
			for_each_netdev(net, dev)
				if (netif_is_bond_master(dev) && !ipsec_roce_bond_find(dev))
					note_candidate(candidates, dev);
	up_read(&net_rwsem);
	rtnl_unlock();
}

static void settle_device(struct net_device *dev, struct list_head *gone)
{
	/* A bond stays in its netns, and that with it. */
	struct mutex *cfg = &dev_net(dev)->xfrm.xfrm_cfg_mutex;
	struct ipsec_roce_bond *bond;

	mutex_lock(cfg);
	rtnl_lock();
	bond = ipsec_roce_bond_find(dev);
	if (bond && (bond->is_going || is_exiting)) {
		unhook_bond(bond);
		list_add_tail(&bond->gone_link, gone);
	} else if (!bond && !is_exiting && dev->reg_state == NETREG_REGISTERED) {
		hook_bond(dev);
	}
	rtnl_unlock();
	mutex_unlock(cfg);
}

static void scan_bonds(void)
{
	struct ipsec_roce_bond *bond, *next_bond;
	struct candidate *c, *next;
	LIST_HEAD(candidates);
	LIST_HEAD(gone);

	find_candidates(&candidates);
	list_for_each_entry_safe(c, next, &candidates, link) {
		settle_device(c->dev, &gone);
		netdev_put(c->dev, &c->tracker);
		kfree(c);
	}
	if (list_empty(&gone))
		return;
	synchronize_rcu();
	synchronize_rcu_tasks();
	list_for_each_entry_safe(bond, next_bond, &gone, gone_link) {
		mutex_destroy(&bond->lock);
		kfree(bond);
	}
}

static void scan_work_fn(struct work_struct *work)
{
	scan_bonds();
}

static DECLARE_WORK(scan_work, scan_work_fn);

void ipsec_roce_hook_exit(void)
{
	bool is_done;

	rtnl_lock();
	is_exiting = true;
	rtnl_unlock();
	cancel_work_sync(&scan_work);
	for (;;) {
		scan_bonds();
		rtnl_lock();
		is_done = list_empty(ipsec_roce_bond_list());
		rtnl_unlock();
		if (is_done)
			return;
		/* There was no memory to look at them all. */
		msleep(100);
	}
}

/* ---- events, RTNL ----------------------------------------------------- */

static bool switch_on(struct net_device *dev)
{
	if (dev->features & NETIF_F_HW_ESP)
		return true;
	if (!(dev->hw_features & NETIF_F_HW_ESP))
		return false;
	dev->wanted_features |= NETIF_F_HW_ESP;
	iroce_compat_update_features(dev);
	return dev->features & NETIF_F_HW_ESP;
}

static void switch_off(struct net_device *dev)
{
	dev->wanted_features &= ~NETIF_F_HW_ESP;
	iroce_compat_update_features(dev);
}

/* ethtool -K BOND esp-hw-offload on: at all ports, or not at all. */
static void reach_ports(struct ipsec_roce_bond *bond)
{
	u32 switched = 0;
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		struct ipsec_roce_port *port = bond->ports[i];

		if (!port || port->dev->features & NETIF_F_HW_ESP)
			continue;
		if (!switch_on(port->dev)) {
			netdev_err(bond->dev, "esp-hw-offload stays off: port %s cannot do it\n",
				   port->dev->name);
			goto err_switch_off;
		}
		switched |= 1U << i;
	}
	return;

err_switch_off:
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (switched & 1U << i)
			switch_off(bond->ports[i]->dev);
	switch_off(bond->dev);
}

static void features_changed(struct ipsec_roce_bond *bond)
{
	bool is_on = bond->dev->features & NETIF_F_HW_ESP;

	if (is_on == bond->is_on)
		return;
	bond->is_on = is_on;
	if (is_on)
		reach_ports(bond);
	else
		ipsec_roce_bond_close_if_unfit(bond);
}

int ipsec_roce_hook_event(struct net_device *dev, unsigned long event)
{
	struct ipsec_roce_bond *bond = ipsec_roce_bond_find(dev);

	if (!bond) {
		/* New, or one that could not be ours when we last looked. */
		if (!is_exiting && netif_is_bond_master(dev))
			queue_work(ipsec_roce_wq, &scan_work);
		return NOTIFY_DONE;
	}
	switch (event) {
	case NETDEV_UNREGISTER:
		mutex_lock(&bond->lock);
		bond->is_going = true;
		mutex_unlock(&bond->lock);
		queue_work(ipsec_roce_wq, &scan_work);
		break;
	case NETDEV_FEAT_CHANGE:
		features_changed(bond);
		break;
	/* Its options changed: by sysfs; by netlink; by netlink while it was down. */
	case NETDEV_CHANGEINFODATA:
	case NETDEV_CHANGE:
	case NETDEV_UP:
		ipsec_roce_bond_close_if_unfit(bond);
		break;
	/* At NETDEV_DOWN xfrm_dev_down() flushes, without waiting for what died before. */
	case NETDEV_GOING_DOWN:
		xfrm_flush_gc();
		break;
	case NETDEV_BONDING_FAILOVER:
		mutex_lock(&bond->lock);
		ipsec_roce_port_set_active(bond);
		mutex_unlock(&bond->lock);
		break;
	}
	return NOTIFY_DONE;
}
