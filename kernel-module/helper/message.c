// SPDX-License-Identifier: GPL-2.0
/*
 * Pieces of messages that both answers and events have; bond.lock. The tree of messages is
 * in uapi/ipsec_roce.h.
 */
#include <net/netlink.h>

#include "uapi/ipsec_roce.h"
#include "bond.h"
#include "message.h"
#include "port.h"
#include "sa.h"

static u8 engine_index(const struct ipsec_roce_bond *bond, const struct ipsec_roce_port *port)
{
	u8 i;

	for (i = 0; i < port->index; i++)
		if (port->engine && bond->ports[i] && bond->ports[i]->engine == port->engine)
			return i;
	return port->index;
}

int ipsec_roce_put_port(struct sk_buff *msg, const struct ipsec_roce_bond *bond,
			const struct ipsec_roce_port *port)
{
	struct nlattr *nest = nla_nest_start(msg, IPSEC_ROCE_A_PORT);

	if (!nest || nla_put_u32(msg, IPSEC_ROCE_A_PORT_IFINDEX, port->dev->ifindex) ||
	    nla_put_string(msg, IPSEC_ROCE_A_PORT_IFNAME, port->dev->name) ||
	    nla_put_u8(msg, IPSEC_ROCE_A_PORT_INDEX, port->index) ||
	    nla_put_u8(msg, IPSEC_ROCE_A_PORT_ENGINE, engine_index(bond, port)))
		return -EMSGSIZE;
	if (ipsec_roce_bond_port_can(port->dev) && nla_put_flag(msg, IPSEC_ROCE_A_PORT_CAN_OFFLOAD))
		return -EMSGSIZE;
	if (bond->group.running & 1U << port->index && nla_put_flag(msg, IPSEC_ROCE_A_PORT_RUNNING))
		return -EMSGSIZE;
	if (bond->group.active == port->index && nla_put_flag(msg, IPSEC_ROCE_A_PORT_ACTIVE))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

int ipsec_roce_put_name(struct sk_buff *msg, const struct ipsec_roce_bond *bond)
{
	return nla_put_u32(msg, IPSEC_ROCE_A_IFINDEX, bond->dev->ifindex) ?:
	       nla_put_string(msg, IPSEC_ROCE_A_IFNAME, bond->dev->name);
}

int ipsec_roce_put_sa_id(struct sk_buff *msg, const struct ipsec_roce_sa *sa)
{
	const struct xfrm_state *x = sa->x;
	int len = x->props.family == AF_INET ? sizeof(x->id.daddr.a4) : sizeof(x->id.daddr.a6);

	if (nla_put_u32(msg, IPSEC_ROCE_A_IFINDEX, sa->bond->dev->ifindex) ||
	    nla_put_u8(msg, IPSEC_ROCE_A_SA_DIR, sa->dir) ||
	    nla_put_u16(msg, IPSEC_ROCE_A_SA_FAMILY, x->props.family) ||
	    nla_put(msg, IPSEC_ROCE_A_SA_DADDR, len, &x->id.daddr) ||
	    nla_put_be32(msg, IPSEC_ROCE_A_SA_SPI, x->id.spi))
		return -EMSGSIZE;
	return 0;
}
