// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: reads and steers what xfrm knows nothing of. Bonds are
 * those of the asker's netns. For its administrator alone, as xfrm's own requests are:
 * each takes RTNL and the bond's lock, which a deletion may hold for a grace period.
 */
#include <linux/rtnetlink.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "uapi/ipsec_roce.h"
#include "bond.h"
#include "events.h"
#include "home.h"
#include "message.h"
#include "nl.h"
#include "port.h"
#include "sa.h"
#include "say.h"
#include "shadow.h"

static_assert((int)IPSEC_ROCE_PLACEMENT_ANY == IROCE_PLACE_ANY);
static_assert((int)IPSEC_ROCE_PLACEMENT_SHARED == IROCE_PLACE_SHARED);
static_assert((int)IPSEC_ROCE_PLACEMENT_PER_PORT == IROCE_PLACE_PER_PORT);
static_assert((int)IPSEC_ROCE_PLACEMENT_OWNER == IROCE_PLACE_OWNER);

static struct genl_family family;

/* ---- pieces of messages, bond.lock ------------------------------------ */

static int put_bond(struct sk_buff *msg, const struct ipsec_roce_bond *bond)
{
	u32 i;

	if (ipsec_roce_put_name(msg, bond) || nla_put_u8(msg, IPSEC_ROCE_A_PLACEMENT, bond->wish) ||
	    nla_put_u32(msg, IPSEC_ROCE_A_N_SAS, bond->n_sas) ||
	    nla_put_u32(msg, IPSEC_ROCE_A_N_POLICIES, bond->n_policies) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_N_HANDOVERS, bond->n_handovers,
			      IPSEC_ROCE_A_PAD))
		return -EMSGSIZE;
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (bond->ports[i] && ipsec_roce_put_port(msg, bond, bond->ports[i]))
			return -EMSGSIZE;
	return 0;
}

static int put_sa_port(struct sk_buff *msg, struct ipsec_roce_sa *sa, u8 port)
{
	struct nlattr *nest = nla_nest_start(msg, IPSEC_ROCE_A_SA_PORT);
	u64 packets = 0, bytes = 0, last = 0, missed;

	spin_lock_bh(&sa->lock);
	if (sa->shadow[port]) {
		const struct xfrm_state *x = sa->shadow[port]->x;

		ipsec_roce_shadow_update(sa, sa->shadow[port]);
		packets = x->curlft.packets;
		bytes = x->curlft.bytes;
		last = ipsec_roce_shadow_last(x, sa->dir);
	}
	spin_unlock_bh(&sa->lock);
	spin_lock_bh(&sa->bond->seen_lock);
	missed = sa->missed[port];
	spin_unlock_bh(&sa->bond->seen_lock);
	if (!nest ||
	    nla_put_u32(msg, IPSEC_ROCE_A_SA_PORT_IFINDEX, sa->bond->ports[port]->dev->ifindex) ||
	    nla_put_string(msg, IPSEC_ROCE_A_SA_PORT_STATE,
			   iroce_repl_state_name(sa->repl.cell[port])) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_PORT_PACKETS, packets, IPSEC_ROCE_A_PAD) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_PORT_BYTES, bytes, IPSEC_ROCE_A_PAD) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_PORT_LAST, last, IPSEC_ROCE_A_PAD) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_PORT_MISSED, missed, IPSEC_ROCE_A_PAD))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_home(struct sk_buff *msg, const struct ipsec_roce_sa *sa)
{
	const struct ipsec_roce_port *port;

	if (sa->placement != IROCE_PLACE_PER_PORT)
		return 0;
	port = sa->bond->ports[sa->repl.target];
	return port ? nla_put_u32(msg, IPSEC_ROCE_A_SA_HOME_IFINDEX, port->dev->ifindex) : 0;
}

static int put_sa(struct sk_buff *msg, struct ipsec_roce_sa *sa)
{
	u8 i;

	if (ipsec_roce_put_sa_id(msg, sa) ||
	    nla_put_u8(msg, IPSEC_ROCE_A_PLACEMENT, sa->placement) ||
	    nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_START, sa->repl.start, IPSEC_ROCE_A_PAD) ||
	    (sa->repl.is_dead && nla_put_flag(msg, IPSEC_ROCE_A_SA_IS_DEAD)) ||
	    put_home(msg, sa))
		return -EMSGSIZE;
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (sa->bond->ports[i] && sa->repl.cell[i] != IROCE_REPL_ABSENT &&
		    put_sa_port(msg, sa, i))
			return -EMSGSIZE;
	return 0;
}

/* ---- requests --------------------------------------------------------- */

/* RTNL. Sets extack if there is none. */
static struct ipsec_roce_bond *bond_asked_for(struct genl_info *info)
{
	struct ipsec_roce_bond *bond = NULL;
	struct net_device *dev;

	if (GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_IFINDEX))
		return NULL;
	dev = __dev_get_by_index(genl_info_net(info),
				 nla_get_u32(info->attrs[IPSEC_ROCE_A_IFINDEX]));
	if (dev)
		bond = ipsec_roce_bond_find(dev);
	if (!bond)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[IPSEC_ROCE_A_IFINDEX],
				    "The helper has no such bond");
	return bond;
}

static int get_bond(struct sk_buff *skb, struct genl_info *info)
{
	struct ipsec_roce_bond *bond;
	struct sk_buff *msg;
	void *hdr;
	int err;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	rtnl_lock();
	err = -ENODEV;
	bond = bond_asked_for(info);
	if (!bond)
		goto out;
	err = -EMSGSIZE;
	hdr = genlmsg_put_reply(msg, info, &family, 0, IPSEC_ROCE_CMD_GET_BOND);
	if (!hdr)
		goto out;
	mutex_lock(&bond->lock);
	err = put_bond(msg, bond);
	mutex_unlock(&bond->lock);
	if (!err)
		genlmsg_end(msg, hdr);
out:
	rtnl_unlock();
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return genlmsg_reply(msg, info);
}

static int dump_bonds(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct ipsec_roce_bond *bond;
	long n = 0;
	int err = 0;

	rtnl_lock();
	list_for_each_entry(bond, ipsec_roce_bond_list(), link) {
		void *hdr;

		if (!net_eq(dev_net(bond->dev), sock_net(msg->sk)) || n++ < cb->args[0])
			continue;
		err = -EMSGSIZE;
		hdr = genlmsg_put(msg, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
				  NLM_F_MULTI, IPSEC_ROCE_CMD_GET_BOND);
		if (!hdr)
			break;
		mutex_lock(&bond->lock);
		err = put_bond(msg, bond);
		mutex_unlock(&bond->lock);
		if (err) {
			genlmsg_cancel(msg, hdr);
			break;
		}
		genlmsg_end(msg, hdr);
		cb->args[0] = n;
	}
	rtnl_unlock();
	/* Full: there is another call, which goes on at args[0]. */
	return msg->len ?: err;
}

static int dump_bond_sas(struct sk_buff *msg, struct netlink_callback *cb,
			 struct ipsec_roce_bond *bond)
{
	struct ipsec_roce_sa *sa;
	long n = 0;

	cb->seq = bond->generation;
	list_for_each_entry(sa, &bond->sas, link) {
		void *hdr;

		if (sa->is_twin || n++ < cb->args[1])
			continue;
		hdr = genlmsg_put(msg, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
				  NLM_F_MULTI, IPSEC_ROCE_CMD_GET_SA);
		if (!hdr)
			return -EMSGSIZE;
		if (put_sa(msg, sa)) {
			genlmsg_cancel(msg, hdr);
			return -EMSGSIZE;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(msg, hdr);
		cb->args[1] = n;
	}
	return 0;
}

static int dump_sas(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct nlattr *asked = genl_dumpit_info(cb)->info.attrs[IPSEC_ROCE_A_IFINDEX];
	struct ipsec_roce_bond *bond;
	long n = 0;
	int err = 0;

	rtnl_lock();
	list_for_each_entry(bond, ipsec_roce_bond_list(), link) {
		if (!net_eq(dev_net(bond->dev), sock_net(msg->sk)) ||
		    (asked && nla_get_u32(asked) != bond->dev->ifindex) || n++ < cb->args[0])
			continue;
		mutex_lock(&bond->lock);
		err = dump_bond_sas(msg, cb, bond);
		mutex_unlock(&bond->lock);
		if (err)
			break;
		cb->args[0] = n;
		cb->args[1] = 0;
		cb->prev_seq = 0;
	}
	rtnl_unlock();
	return msg->len ?: err;
}

static int set_placement(struct ipsec_roce_bond *bond, u8 wish, struct netlink_ext_ack *extack)
{
	/* Inbound asks for least: what is sound for no SA at all is refused here. */
	struct iroce_place_facts facts = { .dir = IROCE_DIR_IN };
	enum iroce_place_reason reason;
	enum iroce_placement placement;

	ipsec_roce_bond_facts(bond, &facts);
	facts.wish = wish;
	reason = iroce_place(&facts, &placement);
	if (reason) {
		ipsec_roce_say(extack, iroce_place_text(reason));
		return -EOPNOTSUPP;
	}
	bond->wish = wish;
	return 0;
}

static int set_bond(struct sk_buff *skb, struct genl_info *info)
{
	struct ipsec_roce_bond *bond;
	int err = -ENODEV;

	if (GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_PLACEMENT))
		return -EINVAL;
	rtnl_lock();
	bond = bond_asked_for(info);
	if (bond) {
		mutex_lock(&bond->lock);
		err = set_placement(bond, nla_get_u8(info->attrs[IPSEC_ROCE_A_PLACEMENT]),
				    info->extack);
		mutex_unlock(&bond->lock);
	}
	rtnl_unlock();
	return err;
}

static int get_sa_id(struct genl_info *info, struct ipsec_roce_sa_id *id)
{
	const struct nlattr *daddr = info->attrs[IPSEC_ROCE_A_SA_DADDR];

	memset(id, 0, sizeof(*id));
	id->family = nla_get_u16(info->attrs[IPSEC_ROCE_A_SA_FAMILY]);
	id->spi = nla_get_be32(info->attrs[IPSEC_ROCE_A_SA_SPI]);
	if (id->family != AF_INET && id->family != AF_INET6) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[IPSEC_ROCE_A_SA_FAMILY],
				    "SAs are IPv4 or IPv6");
		return -EAFNOSUPPORT;
	}
	if (nla_len(daddr) != (id->family == AF_INET ? sizeof(id->daddr.a4) :
						       sizeof(id->daddr.a6))) {
		NL_SET_ERR_MSG_ATTR(info->extack, daddr, "The address is not of this family");
		return -EINVAL;
	}
	memcpy(&id->daddr, nla_data(daddr), nla_len(daddr));
	return 0;
}

/* RTNL, bond.lock. */
static int set_home_of(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id,
		       struct genl_info *info)
{
	struct nlattr *asked = info->attrs[IPSEC_ROCE_A_PORT_IFINDEX];
	struct ipsec_roce_port *port = NULL;
	struct net_device *dev;

	if (nla_get_u32(asked)) {
		dev = __dev_get_by_index(genl_info_net(info), nla_get_u32(asked));
		port = dev ? ipsec_roce_bond_port(bond, dev) : NULL;
		if (!port) {
			NL_SET_ERR_MSG_ATTR(info->extack, asked, "The bond has no such port");
			return -ENODEV;
		}
	}
	return ipsec_roce_home_set(bond, id, port, info->extack);
}

static int set_home(struct sk_buff *skb, struct genl_info *info)
{
	struct ipsec_roce_sa_id id;
	struct ipsec_roce_bond *bond;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_SA_FAMILY) ||
	    GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_SA_DADDR) ||
	    GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_SA_SPI) ||
	    GENL_REQ_ATTR_CHECK(info, IPSEC_ROCE_A_PORT_IFINDEX))
		return -EINVAL;
	err = get_sa_id(info, &id);
	if (err)
		return err;
	rtnl_lock();
	err = -ENODEV;
	bond = bond_asked_for(info);
	if (bond) {
		mutex_lock(&bond->lock);
		err = set_home_of(bond, &id, info);
		mutex_unlock(&bond->lock);
	}
	rtnl_unlock();
	return err;
}

/* ---- family ----------------------------------------------------------- */

static const struct nla_policy bond_policy[] = {
	[IPSEC_ROCE_A_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy set_policy[] = {
	[IPSEC_ROCE_A_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPSEC_ROCE_A_PLACEMENT] = NLA_POLICY_MAX(NLA_U8, IPSEC_ROCE_PLACEMENT_OWNER),
};

static const struct nla_policy home_policy[] = {
	[IPSEC_ROCE_A_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPSEC_ROCE_A_PORT_IFINDEX] = { .type = NLA_U32 },
	[IPSEC_ROCE_A_SA_FAMILY] = { .type = NLA_U16 },
	[IPSEC_ROCE_A_SA_DADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[IPSEC_ROCE_A_SA_SPI] = { .type = NLA_BE32 },
};

static const struct genl_split_ops ops[] = {
	{
		.cmd = IPSEC_ROCE_CMD_GET_BOND,
		.flags = GENL_CMD_CAP_DO | GENL_UNS_ADMIN_PERM,
		.policy = bond_policy,
		.maxattr = ARRAY_SIZE(bond_policy) - 1,
		.doit = get_bond,
	},
	{
		.cmd = IPSEC_ROCE_CMD_GET_BOND,
		.flags = GENL_CMD_CAP_DUMP | GENL_UNS_ADMIN_PERM,
		.dumpit = dump_bonds,
	},
	{
		.cmd = IPSEC_ROCE_CMD_SET_BOND,
		.flags = GENL_CMD_CAP_DO | GENL_UNS_ADMIN_PERM,
		.policy = set_policy,
		.maxattr = ARRAY_SIZE(set_policy) - 1,
		.doit = set_bond,
	},
	{
		.cmd = IPSEC_ROCE_CMD_GET_SA,
		.flags = GENL_CMD_CAP_DUMP | GENL_UNS_ADMIN_PERM,
		.policy = bond_policy,
		.maxattr = ARRAY_SIZE(bond_policy) - 1,
		.dumpit = dump_sas,
	},
	{
		.cmd = IPSEC_ROCE_CMD_SET_HOME,
		.flags = GENL_CMD_CAP_DO | GENL_UNS_ADMIN_PERM,
		.policy = home_policy,
		.maxattr = ARRAY_SIZE(home_policy) - 1,
		.doit = set_home,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = IPSEC_ROCE_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = IPSEC_ROCE_GENL_NAME,
	.version = IPSEC_ROCE_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.split_ops = ops,
	.n_split_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init ipsec_roce_nl_init(void)
{
	ipsec_roce_event_init(&family);
	return genl_register_family(&family);
}

void ipsec_roce_nl_exit(void)
{
	genl_unregister_family(&family);
}
