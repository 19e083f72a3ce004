/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports of a bond: what makes one fit, and what it gets and loses.
 */
#ifndef IPSEC_ROCE_PORT_H
#define IPSEC_ROCE_PORT_H

#include <linux/netdevice.h>
#include <linux/netfilter.h>

struct ipsec_roce_bond;

/*
 * struct ipsec_roce_port - a lower device of a bond; bond.lock, readers RCU
 * @index: its bit and cell in the state machine
 * @engine: who counts its SAs, see ipsec_roce_engine.h; NULL: it alone
 * @nf: looks at what its stack gets, see ingress.c
 */
struct ipsec_roce_port {
	struct ipsec_roce_bond *bond;
	struct nf_hook_ops nf;
	struct net_device *dev;
	netdevice_tracker tracker;
	const void *engine;
	u8 index;
};

/* May @dev become a port? Sets extack if not. RTNL, bond.lock. */
int ipsec_roce_port_check(const struct ipsec_roce_bond *bond, struct net_device *dev,
			  struct netlink_ext_ack *extack);
/* Gives a port all policies and SAs, or fails and leaves nothing. RTNL, bond.lock. */
int ipsec_roce_port_join(struct ipsec_roce_bond *bond, struct net_device *dev,
			 struct netlink_ext_ack *extack);
/* Takes all away. RTNL, bond.lock. */
void ipsec_roce_port_leave(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port);
/* RTNL, bond.lock. */
void ipsec_roce_port_set_running(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port,
				 bool is_running);
/* The bond's active port may have changed. RTNL, bond.lock. */
void ipsec_roce_port_set_active(struct ipsec_roce_bond *bond);

#endif /* IPSEC_ROCE_PORT_H */
