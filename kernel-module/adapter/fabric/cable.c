// SPDX-License-Identifier: GPL-2.0
/*
 * A port and its cable, an ordinary netdev whose frames are all ours: which
 * netdev may be one, taking it, following its carrier, MTU, name and loss.
 */
#define pr_fmt(fmt) "iroce: " fmt

#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "cable.h"
#include "switch.h"
#include "vport.h"

static LIST_HEAD(uplinks);	/* RTNL */

/* ---- the cable comes, changes, goes ----------------------------------- */

static struct iroce_uplink *find_uplink(const struct net_device *cable)
{
	struct iroce_uplink *up;

	ASSERT_RTNL();
	list_for_each_entry(up, &uplinks, node)
		if (rtnl_dereference(up->port.cable) == cable)
			return up;
	return NULL;
}

static void update_carriers(struct iroce_uplink *up)
{
	struct iroce_vport *vport;

	list_for_each_entry(vport, &up->port.eswitch->all, all_node)
		iroce_vport_update_carrier(vport->func);
}

/* No function may send what the cable can't carry. */
static void update_mtus(struct iroce_uplink *up)
{
	unsigned int max = iroce_port_max_mtu(&up->port);
	struct net_device *netdev;
	struct iroce_vport *vport;

	list_for_each_entry(vport, &up->port.eswitch->all, all_node) {
		netdev = vport->func->netdev;
		WRITE_ONCE(netdev->max_mtu, max);
		if (netdev->mtu <= max)
			continue;
		if (netdev->reg_state != NETREG_REGISTERED) {
			WRITE_ONCE(netdev->mtu, max);
			continue;
		}
		netdev_warn(netdev, "cable's MTU is %u: MTU lowered from %u\n", max,
			    netdev->mtu);
		if (dev_set_mtu(netdev, max))
			netdev_err(netdev, "cannot lower the MTU\n");
	}
}

/* Which rule forbids @dev as a cable; NULL if none does. */
static const char *find_rule(const struct net_device *dev)
{
	if (find_uplink(dev))
		return "named twice";
	if (iroce_is_func(dev))
		return "is a function of an iroce adapter itself";
	if (dev->flags & IFF_LOOPBACK)
		return "is a loopback device";
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN)
		return "is not an Ethernet device";
	if (rcu_access_pointer(dev->rx_handler))
		return "is in use by a bridge, bond, macvlan or the like";
	if (dev->priv_flags & IFF_NO_RX_HANDLER)
		return "lets nobody take its frames";
	return NULL;
}

/*
 * GRO runs before our rx_handler and knows ESP: it would open, in software and
 * with a replay window of its own, what the functions are to open (I4). RTNL.
 */
static void set_gro(struct iroce_uplink *up, struct net_device *cable, bool is_on)
{
	if (!is_on)
		up->had_gro = cable->wanted_features & NETIF_F_GRO;
	if (!up->had_gro)
		return;
	if (is_on)
		cable->wanted_features |= NETIF_F_GRO;
	else
		cable->wanted_features &= ~NETIF_F_GRO;
	iroce_compat_update_features(cable);
}

static void detach_cable(struct iroce_uplink *up)
{
	struct net_device *cable = rtnl_dereference(up->port.cable);

	if (!cable)
		return;
	RCU_INIT_POINTER(up->port.cable, NULL);
	netdev_rx_handler_unregister(cable);	/* waits for senders and receivers */
	iroce_uplink_stop(up);
	dev_set_promiscuity(cable, -1);
	if (up->is_opened && cable->reg_state == NETREG_REGISTERED)
		dev_close(cable);
	if (cable->reg_state == NETREG_REGISTERED)
		set_gro(up, cable, true);
	if (up->is_addrconf_off)
		cable->priv_flags &= ~IFF_NO_ADDRCONF;
	up->is_opened = false;
	up->is_addrconf_off = false;
	netdev_put(cable, &up->port.cable_tracker);
	update_carriers(up);
}

/* RTNL; @cable obeys the rules. */
static int attach_cable(struct iroce_uplink *up, struct net_device *cable)
{
	int err;

	err = netdev_rx_handler_register(cable, iroce_uplink_handle_frame, up);
	if (err)
		return err;
	err = dev_set_promiscuity(cable, 1);
	if (err)
		goto err_handler;
	dev_disable_lro(cable);
	set_gro(up, cable, false);
	if (!netif_running(cable)) {
		/* The host itself has no business on the cable: no IPv6 address for it. */
		if (!(cable->priv_flags & IFF_NO_ADDRCONF)) {
			cable->priv_flags |= IFF_NO_ADDRCONF;
			up->is_addrconf_off = true;
		}
		err = dev_open(cable, NULL);
		if (err)
			goto err_promisc;
		up->is_opened = true;
	}
	strscpy(up->name, cable->name, sizeof(up->name));
	if (is_zero_ether_addr(up->mac))
		ether_addr_copy(up->mac, cable->dev_addr);
	netdev_hold(cable, &up->port.cable_tracker, GFP_KERNEL);
	rcu_assign_pointer(up->port.cable, cable);
	return 0;

err_promisc:
	if (up->is_addrconf_off)
		cable->priv_flags &= ~IFF_NO_ADDRCONF;
	set_gro(up, cable, true);
	dev_set_promiscuity(cable, -1);
err_handler:
	netdev_rx_handler_unregister(cable);
	return err;
}

/* The cable came back: from another netns, or its driver was bound again. */
static void replug_cable(struct work_struct *work)
{
	struct iroce_uplink *up = container_of(work, struct iroce_uplink, replug);
	struct net_device *cable;
	const char *rule;
	int err;

	rtnl_lock();
	if (rtnl_dereference(up->port.cable))
		goto out;
	cable = __dev_get_by_name(&init_net, up->name);
	if (!cable)
		goto out;
	rule = find_rule(cable);
	err = rule ? -EINVAL : attach_cable(up, cable);
	if (err) {
		pr_err("adapter %u port %u: %s is back, but %s (%d)\n", up->port.adapter->index,
		       up->port.index, up->name, rule ?: "cannot be taken", err);
		goto out;
	}
	pr_info("adapter %u port %u: %s is back\n", up->port.adapter->index,
		up->port.index, up->name);
	update_mtus(up);
	update_carriers(up);
out:
	rtnl_unlock();
}

/* A netdev that is no cable got the name it has. It is not open yet: attach later. */
static void find_lost_port(const struct net_device *dev)
{
	struct iroce_uplink *up;

	if (!net_eq(dev_net(dev), &init_net))
		return;
	list_for_each_entry(up, &uplinks, node)
		if (!rtnl_dereference(up->port.cable) && !strcmp(up->name, dev->name))
			schedule_work(&up->replug);
}

static void cable_event(struct iroce_uplink *up, struct net_device *cable, unsigned long event)
{
	switch (event) {
	case NETDEV_DOWN:
		iroce_uplink_purge(up);
		fallthrough;
	case NETDEV_UP:
	case NETDEV_CHANGE:
		update_carriers(up);
		break;
	case NETDEV_CHANGEMTU:
		update_mtus(up);
		break;
	case NETDEV_CHANGENAME:
		strscpy(up->name, cable->name, sizeof(up->name));
		break;
	case NETDEV_FEAT_CHANGE:
		if (!(cable->features & NETIF_F_GRO))
			break;
		netdev_warn(cable, "is a cable of iroce: GRO stays off\n");
		cable->wanted_features &= ~NETIF_F_GRO;
		netdev_update_features(cable);	/* called under the lock it wants */
		break;
	case NETDEV_UNREGISTER:
		pr_warn("adapter %u port %u: %s is gone\n", up->port.adapter->index,
			up->port.index, up->name);
		detach_cable(up);
		break;
	}
}

void iroce_cable_netdev_event(struct net_device *dev, unsigned long event)
{
	struct iroce_uplink *up = find_uplink(dev);

	if (up)
		cable_event(up, dev, event);
	else if (event == NETDEV_REGISTER || event == NETDEV_CHANGENAME)
		find_lost_port(dev);
}

static int is_func_step(struct net_device *dev, struct netdev_nested_priv *priv)
{
	return iroce_is_func(dev);
}

/* A function below a cable would send its own frames to itself, for ever. */
bool iroce_cable_makes_loop(struct net_device *lower, struct net_device *upper)
{
	struct netdev_nested_priv priv = {};
	struct net_device *cable;
	struct iroce_uplink *up;

	if (!iroce_is_func(lower) && !netdev_walk_all_lower_dev(lower, is_func_step, &priv))
		return false;
	list_for_each_entry(up, &uplinks, node) {
		cable = rtnl_dereference(up->port.cable);
		if (cable && (cable == upper || netdev_has_upper_dev(upper, cable)))
			return true;
	}
	return false;
}

/* ---- life ------------------------------------------------------------- */

static int plug_cable(struct iroce_uplink *up, const char *name)
{
	struct net_device *cable;
	const char *rule;
	int err;

	if (!*name) {
		pr_err("cables: adapter %u port %u: empty name\n", up->port.adapter->index,
		       up->port.index);
		return -EINVAL;
	}
	rtnl_lock();
	cable = __dev_get_by_name(&init_net, name);
	if (!cable) {
		pr_err("cables: %s: no such netdev\n", name);
		err = -ENODEV;
		goto out;
	}
	rule = find_rule(cable);
	if (rule) {
		pr_err("cables: %s: %s\n", name, rule);
		err = -EINVAL;
		goto out;
	}
	err = attach_cable(up, cable);
	if (err) {
		pr_err("cables: %s: cannot take it: %d\n", name, err);
		goto out;
	}
	list_add_tail(&up->node, &uplinks);
out:
	rtnl_unlock();
	return err;
}

struct iroce_port *iroce_port_create(struct iroce_adapter *adapter, unsigned int index,
				     const char *cable, bool starts_closed)
{
	struct iroce_uplink *up;
	int err = -ENOMEM;

	up = kzalloc(sizeof(*up), GFP_KERNEL);
	if (!up)
		return ERR_PTR(-ENOMEM);
	up->port.adapter = adapter;
	up->port.index = index;
	iroce_uplink_init(up);
	INIT_WORK(&up->replug, replug_cable);
	up->stats = alloc_percpu(struct iroce_uplink_stats);
	if (!up->stats)
		goto err_free;
	up->port.eswitch = iroce_switch_create(starts_closed);
	if (!up->port.eswitch)
		goto err_stats;
	err = plug_cable(up, cable);
	if (err)
		goto err_eswitch;
	return &up->port;

err_eswitch:
	iroce_switch_destroy(up->port.eswitch);
err_stats:
	free_percpu(up->stats);
err_free:
	kfree(up);
	return ERR_PTR(err);
}

/* No function is left. */
void iroce_port_destroy(struct iroce_port *port)
{
	struct iroce_uplink *up = iroce_uplink(port);

	rtnl_lock();
	list_del(&up->node);	/* no event finds it any more */
	rtnl_unlock();
	cancel_work_sync(&up->replug);
	rtnl_lock();
	detach_cable(up);
	rtnl_unlock();
	iroce_switch_destroy(port->eswitch);
	free_percpu(up->stats);
	kfree(up);
}
