// SPDX-License-Identifier: GPL-2.0
/*
 * Module ipsec_roce: makes bonds offload IPsec to their ports, safely. Works with any
 * port that does xfrm packet offload.
 *
 *	modprobe ipsec_roce
 *	ethtool -K bond0 esp-hw-offload on
 *	ip xfrm state add ... offload packet dev bond0 dir out
 *	     |
 *	     v         xfrmdev_ops of bond0, ours while the module is loaded
 *	  struct ipsec_roce_sa -------- x, the kernel's state; never shown to a port
 *	     |    core/repl.h decides what happens at which port
 *	     +--- shadow[0] ---> xfrm_state of its own, xso.dev = port 0 ---> driver of port 0
 *	     +--- shadow[1] ---> xfrm_state of its own, xso.dev = port 1 ---> driver of port 1
 *
 * A shadow is a copy of x in no database: the driver of the port sees a state like
 * any other, with its own handle and counters. Policies have shadows likewise.
 * Nothing here knows a driver; what one says of its devices is in engine/.
 *
 * Who owns what: the kernel owns x and calls state_add, state_delete, state_free;
 * between the first and the last there is one ipsec_roce_sa, in x's offload_handle
 * and on its bond's list. It owns its shadows. A shadow that a received packet
 * still points at (secpath) outlives us as memory, with nothing of ours or of the
 * driver in it. A bond is ours from hook to unhook; both run from a work item that
 * the notifier or the module's exit starts.
 *
 * Locks, outermost first, and in what context the callbacks come:
 *
 *	net->xfrm.xfrm_cfg_mutex	the kernel's: state_add, policy_add (netlink). Hook
 *					and unhook take it, so that no add is under way
 *					while the ops change hands.
 *	RTNL			notifier: ports come, go, change. Flushes of xfrm come under it too.
 *	ipsec_roce_bond.lock	mutex: lists, ports, all steps of the state machine.
 *				state_add, state_free, policy_add; notifier; works.
 *	xfrm_state.lock (of x)	the kernel's: state_delete; atomic
 *	ipsec_roce_sa.lock	spinlock, BH disabled: which shadows a driver has. state_delete
 *	ipsec_roce_policy.lock	reaches the ports under it, as xfrm calls drivers, atomic;
 *				policy_delete takes the shadows out under it and reaches
 *				the ports without. When they return, no port begins to use
 *				the SA, or closes for the policy, any more.
 *	xfrm_state.lock (of a shadow)	as the kernel's own calls hold it (delete, update_stats)
 *	ipsec_roce_bond.seen_lock	spinlock, BH disabled, innermost: what ingress.c notes
 *
 * A driver's state_add and state_free are called under bond.lock, and perhaps RTNL, as
 * the stock bond calls them too: they may sleep, but not take RTNL.
 *
 * Floors. A file calls those of lower floors, and of its own floor those to its right
 * (tests/layers sees to it):
 *
 *	main hook nl				the notifier, the ops, the netlink family
 *	port stats promote sa follow step	what happens at ports, all of it through step
 *	shadow policy home ingress guard key twin	one thing each
 *	events message bond			what is told; what all others know
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "engine/ipsec_roce_engine.h"
#include "bond.h"
#include "guard.h"
#include "hook.h"
#include "ingress.h"
#include "key.h"
#include "nl.h"
#include "port.h"
#include "shadow.h"

/* ---- the notifier, RTNL ----------------------------------------------- */

static struct ipsec_roce_bond *bond_above(struct net_device *dev)
{
	struct net_device *master = netdev_master_upper_dev_get(dev);

	return master ? ipsec_roce_bond_find(master) : NULL;
}

static int port_will_change(struct net_device *dev,
			    const struct netdev_notifier_changeupper_info *info)
{
	struct ipsec_roce_bond *bond = ipsec_roce_bond_find(info->upper_dev);
	int err;

	if (!bond || !info->linking)
		return NOTIFY_DONE;
	mutex_lock(&bond->lock);
	err = ipsec_roce_port_check(bond, dev, netdev_notifier_info_to_extack(&info->info));
	mutex_unlock(&bond->lock);
	return notifier_from_errno(err);
}

static int port_changed(struct net_device *dev,
			const struct netdev_notifier_changeupper_info *info)
{
	struct netlink_ext_ack *extack = netdev_notifier_info_to_extack(&info->info);
	struct ipsec_roce_bond *bond = ipsec_roce_bond_find(info->upper_dev);
	struct ipsec_roce_port *port;
	int err = 0;

	if (!bond) {
		ipsec_roce_guard_drop(dev);
		return NOTIFY_DONE;
	}
	mutex_lock(&bond->lock);
	port = ipsec_roce_bond_port(bond, dev);
	/* Checked before, but SAs and policies may have come since. */
	if (info->linking && !port)
		err = ipsec_roce_port_check(bond, dev, extack) ?:
		      ipsec_roce_port_join(bond, dev, extack);
	else if (!info->linking && port)
		ipsec_roce_port_leave(bond, port);
	ipsec_roce_port_set_active(bond);
	mutex_unlock(&bond->lock);
	/* One that did not make it is kept closed until the bond has let go of it. */
	if (!err)
		ipsec_roce_guard_drop(dev);
	return notifier_from_errno(err);
}

static int port_state_changed(struct net_device *dev,
			      const struct netdev_notifier_changelowerstate_info *info)
{
	const struct netdev_lag_lower_state_info *state = info->lower_state_info;
	struct ipsec_roce_bond *bond = bond_above(dev);
	struct ipsec_roce_port *port;

	if (!bond)
		return NOTIFY_DONE;
	mutex_lock(&bond->lock);
	port = ipsec_roce_bond_port(bond, dev);
	if (port)
		ipsec_roce_port_set_running(bond, port, state->link_up);
	ipsec_roce_port_set_active(bond);
	mutex_unlock(&bond->lock);
	return NOTIFY_DONE;
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	switch (event) {
	case NETDEV_JOIN:
		/* Whose port it will be is not known yet. */
		if (ipsec_roce_bond_is_guarded(dev_net(dev)))
			ipsec_roce_guard_add(dev);
		break;
	case NETDEV_PRECHANGEUPPER:
		return port_will_change(dev, ptr);
	case NETDEV_CHANGEUPPER:
		return port_changed(dev, ptr);
	case NETDEV_CHANGELOWERSTATE:
		return port_state_changed(dev, ptr);
	case NETDEV_UNREGISTER:
		ipsec_roce_guard_drop(dev);
		fallthrough;
	case NETDEV_REGISTER:
	case NETDEV_FEAT_CHANGE:
	case NETDEV_CHANGEINFODATA:
	case NETDEV_CHANGE:
	case NETDEV_UP:
	case NETDEV_GOING_DOWN:
	case NETDEV_BONDING_FAILOVER:
		if (netif_is_bond_master(dev))
			return ipsec_roce_hook_event(dev, event);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = netdev_event,
};

static const struct ipsec_roce_helper helper = {
	.ops = &ipsec_roce_hook_ops,
	.missed = ipsec_roce_ingress_missed,
};

/* ---- life ------------------------------------------------------------- */

static int __init ipsec_roce_init(void)
{
	int err;

	ipsec_roce_wq = alloc_workqueue("ipsec_roce", WQ_UNBOUND, 0);
	if (!ipsec_roce_wq)
		return -ENOMEM;
	err = ipsec_roce_nl_init();
	if (err)
		goto err_wq;
	/* Tells of all devices that are there already. */
	err = register_netdevice_notifier(&notifier);
	if (err)
		goto err_nl;
	ipsec_roce_engine_set_helper(&helper);
	return 0;

err_nl:
	ipsec_roce_nl_exit();
err_wq:
	destroy_workqueue(ipsec_roce_wq);
	return err;
}

static void __exit ipsec_roce_exit(void)
{
	/* While bonds are ours we must hear of their ports. */
	ipsec_roce_hook_exit();
	ipsec_roce_engine_set_helper(NULL);
	unregister_netdevice_notifier(&notifier);
	ipsec_roce_guard_exit();
	ipsec_roce_nl_exit();
	ipsec_roce_shadow_exit();
	destroy_workqueue(ipsec_roce_wq);
	ipsec_roce_key_exit();
	/* Callers that were on their way out of our ops, see hook.c, and kfree_rcu. */
	synchronize_rcu();
	synchronize_rcu_tasks();
	rcu_barrier();
}

module_init(ipsec_roce_init);
module_exit(ipsec_roce_exit);

MODULE_DESCRIPTION("Bonds that offload IPsec SAs to their ports, without repeating a nonce");
MODULE_AUTHOR("roce-ipsec");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
