// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to netdevs: those of functions, and those that are cables. Bonds have a notifier of
 * their own (lag.c), with a place of its own in the order.
 */
#include <linux/netdevice.h>

#include "events.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "lag.h"

static void func_event(struct iroce_func *f, unsigned long event)
{
	switch (event) {
	case NETDEV_REGISTER:
		iroce_ipsec_net_changed(f);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
		iroce_rdma_netdev_event(f, event);
		break;
	}
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct netdev_notifier_changeupper_info *change = info;

	if (event == NETDEV_PRECHANGEUPPER) {
		if (change->linking && iroce_cable_makes_loop(dev, change->upper_dev)) {
			NL_SET_ERR_MSG(change->info.extack,
				       "an iroce function can't be below its adapter's cable");
			return notifier_from_errno(-ELOOP);
		}
		return NOTIFY_DONE;
	}
	switch (event) {
	case NETDEV_REGISTER:
	case NETDEV_CHANGENAME:
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
	case NETDEV_FEAT_CHANGE:
	case NETDEV_UNREGISTER:
		break;
	default:
		return NOTIFY_DONE;	/* some others come without RTNL */
	}
	if (iroce_is_func(dev))
		func_event(iroce_func(dev), event);
	else
		iroce_cable_netdev_event(dev, event);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_notifier = {
	.notifier_call = netdev_event,
};

int iroce_events_module_init(void)
{
	return register_netdevice_notifier(&netdev_notifier);
}

void iroce_events_module_exit(void)
{
	unregister_netdevice_notifier(&netdev_notifier);
}
