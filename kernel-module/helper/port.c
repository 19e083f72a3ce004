// SPDX-License-Identifier: GPL-2.0
/*
 * Ports of a bond: what makes one fit, and what it gets and loses when it comes,
 * runs, stops and goes.
 */
#include <linux/slab.h>
#include <net/bonding.h>

#include "engine/ipsec_roce_engine.h"
#include "bond.h"
#include "events.h"
#include "guard.h"
#include "home.h"
#include "ingress.h"
#include "policy.h"
#include "port.h"
#include "sa.h"
#include "say.h"
#include "step.h"

/*
 * A bond that has SAs takes no port that they could not be at: refusing the port is
 * better than a bond part of which is closed. An SA with one counter for all ports
 * must not meet a port that counts by itself (I3).
 */
int ipsec_roce_port_check(const struct ipsec_roce_bond *bond, struct net_device *dev,
			  struct netlink_ext_ack *extack)
{
	const void *engine = ipsec_roce_engine_of(dev);
	const struct ipsec_roce_sa *sa;
	u32 i;

	if (list_empty(&bond->sas) && list_empty(&bond->policies))
		return 0;
	if (!ipsec_roce_bond_port_can(dev)) {
		ipsec_roce_say(extack, iroce_place_text(IROCE_PLACE_NO_OFFLOAD));
		return -EOPNOTSUPP;
	}
	if (!ipsec_roce_guard_has(dev)) {
		NL_SET_ERR_MSG_MOD(extack, "The port cannot be kept closed until it has the bond's policies");
		return -ENOMEM;
	}
	list_for_each_entry(sa, &bond->sas, link) {
		if (sa->is_twin || sa->placement != IROCE_PLACE_SHARED)
			continue;
		for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
			if (!bond->ports[i])
				continue;
			if (engine && bond->ports[i]->engine == engine)
				break;
			ipsec_roce_say(extack, iroce_place_text(IROCE_PLACE_NOT_ONE_ENGINE));
			return -EOPNOTSUPP;
		}
		/* Without any port the SA has none to share with, and waits for one that can. */
		break;
	}
	return 0;
}

static void give_back(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port)
{
	const struct iroce_repl_event ev = { .type = IROCE_REPL_LEAVE, .port = port->index };
	struct ipsec_roce_policy *policy;
	struct ipsec_roce_sa *sa;

	/* SAs first: what is left closes the flow, not opens it. */
	ipsec_roce_step_quiesce(bond, &ev);
	list_for_each_entry(sa, &bond->sas, link) {
		if (!sa->is_twin)
			ipsec_roce_step(sa, &ev, NULL);
		ipsec_roce_ingress_left(sa, port);
	}
	list_for_each_entry(policy, &bond->policies, link)
		ipsec_roce_policy_leave(policy, port);
	ipsec_roce_home_drop(bond, port->index);
	iroce_repl_group_down(&bond->group, port->index);
	WRITE_ONCE(bond->ports[port->index], NULL);
}

static void destroy_port(struct ipsec_roce_port *port)
{
	ipsec_roce_ingress_unwatch(port);
	netdev_put(port->dev, &port->tracker);
	kfree_rcu_mightsleep(port);
}

static struct ipsec_roce_port *create_port(struct ipsec_roce_bond *bond, struct net_device *dev,
					   struct netlink_ext_ack *extack)
{
	struct ipsec_roce_port *port;
	int err;
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX && bond->ports[i]; i++)
		;
	if (i == IROCE_REPL_PORTS_MAX) {
		NL_SET_ERR_MSG_MOD(extack, "No room for another port");
		return ERR_PTR(-ENOSPC);
	}
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return ERR_PTR(-ENOMEM);
	port->bond = bond;
	port->dev = dev;
	port->index = i;
	port->engine = ipsec_roce_engine_of(dev);
	err = ipsec_roce_ingress_watch(port, extack);
	if (err) {
		kfree(port);
		return ERR_PTR(err);
	}
	netdev_hold(dev, &port->tracker, GFP_KERNEL);
	smp_store_release(&bond->ports[i], port);
	return port;
}

int ipsec_roce_port_join(struct ipsec_roce_bond *bond, struct net_device *dev,
			 struct netlink_ext_ack *extack)
{
	struct ipsec_roce_policy *policy;
	struct ipsec_roce_port *port;
	struct ipsec_roce_sa *sa;
	int err;

	ipsec_roce_policy_unpark(dev);
	port = create_port(bond, dev, extack);
	if (IS_ERR(port))
		return PTR_ERR(port);
	/* Policies first: a flow is closed before it can be sealed, never open. */
	list_for_each_entry(policy, &bond->policies, link) {
		err = ipsec_roce_policy_join(policy, port, extack);
		if (err)
			goto err_give_back;
	}
	list_for_each_entry(sa, &bond->sas, link) {
		err = ipsec_roce_step_join(sa, port, extack);
		if (err)
			goto err_give_back;
	}
	ipsec_roce_event_port(bond, port, true);
	return 0;

err_give_back:
	give_back(bond, port);
	destroy_port(port);
	return err;
}

void ipsec_roce_port_leave(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port)
{
	give_back(bond, port);
	ipsec_roce_event_port(bond, port, false);
	destroy_port(port);
}

/* O(1) for SAs that all ports share; the others are walked. */
void ipsec_roce_port_set_running(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port,
				 bool is_running)
{
	if (is_running == !!(bond->group.running & 1U << port->index))
		return;
	if (is_running)
		iroce_repl_group_up(&bond->group, port->index);
	else
		iroce_repl_group_down(&bond->group, port->index);
	if (bond->n_walked)
		ipsec_roce_step_all(bond, is_running ? IROCE_REPL_UP : IROCE_REPL_DOWN,
				    port->index);
	ipsec_roce_event_port(bond, port, true);
}

void ipsec_roce_port_set_active(struct ipsec_roce_bond *bond)
{
	struct net_device *dev = bond_option_active_slave_get_rcu(netdev_priv(bond->dev));
	struct ipsec_roce_port *port = dev ? ipsec_roce_bond_port(bond, dev) : NULL;
	u8 active = port ? port->index : IROCE_REPL_NO_PORT;

	if (active == bond->group.active)
		return;
	iroce_repl_group_set_active(&bond->group, active);
	/* Without a port that sends, the SA stays where it was. */
	if (port && bond->n_walked)
		ipsec_roce_step_all(bond, IROCE_REPL_ACTIVE, active);
}
