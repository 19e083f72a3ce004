// SPDX-License-Identifier: GPL-2.0
/*
 * What the helper tells without being asked. An event sleeps, and is lost if there is no
 * memory.
 */
#include <net/genetlink.h>

#include "uapi/ipsec_roce.h"
#include "bond.h"
#include "events.h"
#include "message.h"
#include "port.h"
#include "sa.h"

static const struct genl_family *family;	/* nl.c's, from its init on */

void ipsec_roce_event_init(const struct genl_family *of)
{
	family = of;
}

static struct sk_buff *event_begin(u8 cmd, void **hdr)
{
	struct sk_buff *msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put(msg, 0, 0, family, 0, cmd);
	if (*hdr)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static void event_end(const struct ipsec_roce_bond *bond, struct sk_buff *msg, void *hdr, int err)
{
	if (err) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	/* Nobody listens: fine. */
	genlmsg_multicast_netns(family, dev_net(bond->dev), msg, 0, 0, GFP_KERNEL);
}

void ipsec_roce_event_bond(const struct ipsec_roce_bond *bond, bool is_there)
{
	struct sk_buff *msg;
	void *hdr;

	msg = event_begin(is_there ? IPSEC_ROCE_CMD_EV_BOND : IPSEC_ROCE_CMD_EV_BOND_GONE, &hdr);
	if (msg)
		event_end(bond, msg, hdr, ipsec_roce_put_name(msg, bond));
}

void ipsec_roce_event_port(const struct ipsec_roce_bond *bond, const struct ipsec_roce_port *port,
			   bool is_there)
{
	struct sk_buff *msg;
	void *hdr;

	msg = event_begin(is_there ? IPSEC_ROCE_CMD_EV_PORT : IPSEC_ROCE_CMD_EV_PORT_GONE, &hdr);
	if (msg)
		event_end(bond, msg, hdr,
			  nla_put_u32(msg, IPSEC_ROCE_A_IFINDEX, bond->dev->ifindex) ?:
			  ipsec_roce_put_port(msg, bond, port));
}

void ipsec_roce_event_handover(const struct ipsec_roce_sa *sa, u8 port, u64 start)
{
	u32 ifindex = sa->bond->ports[port]->dev->ifindex;
	struct sk_buff *msg;
	void *hdr;

	msg = event_begin(IPSEC_ROCE_CMD_EV_HANDOVER, &hdr);
	if (msg)
		event_end(sa->bond, msg, hdr,
			  ipsec_roce_put_sa_id(msg, sa) ?:
			  nla_put_u32(msg, IPSEC_ROCE_A_PORT_IFINDEX, ifindex) ?:
			  nla_put_u64_64bit(msg, IPSEC_ROCE_A_SA_START, start, IPSEC_ROCE_A_PAD));
}

void ipsec_roce_event_trouble(const struct ipsec_roce_sa *sa, u8 port, u8 reason)
{
	u32 ifindex = sa->bond->ports[port]->dev->ifindex;
	struct sk_buff *msg;
	void *hdr;

	msg = event_begin(IPSEC_ROCE_CMD_EV_TROUBLE, &hdr);
	if (msg)
		event_end(sa->bond, msg, hdr,
			  ipsec_roce_put_sa_id(msg, sa) ?:
			  nla_put_u32(msg, IPSEC_ROCE_A_PORT_IFINDEX, ifindex) ?:
			  nla_put_string(msg, IPSEC_ROCE_A_REASON, iroce_repl_reason_text(reason)));
}
