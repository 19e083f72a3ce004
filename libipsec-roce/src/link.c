// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Devices, their addresses and the route to a peer, by rtnetlink.
 */
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

static void parse_info(const struct nlattr *attr, struct ipsec_roce_link *link)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1], *data[IFLA_BOND_MAX + 1];

	if (nla_parse_nested(tb, IFLA_INFO_MAX, (struct nlattr *)attr, NULL) ||
	    !tb[IFLA_INFO_KIND])
		return;
	snprintf(link->kind, sizeof(link->kind), "%s", (char *)nla_data(tb[IFLA_INFO_KIND]));
	if (strcmp(link->kind, "bond") || !tb[IFLA_INFO_DATA] ||
	    nla_parse_nested(data, IFLA_BOND_MAX, tb[IFLA_INFO_DATA], NULL))
		return;
	if (data[IFLA_BOND_MODE])
		link->bond_mode = nla_get_u8(data[IFLA_BOND_MODE]);
	if (data[IFLA_BOND_XMIT_HASH_POLICY])
		link->bond_hash = nla_get_u8(data[IFLA_BOND_XMIT_HASH_POLICY]);
}

static bool link_parse(struct nlmsghdr *nlh, struct ipsec_roce_link *link)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct nlattr *tb[IFLA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX, NULL) || !tb[IFLA_IFNAME])
		return false;
	link->ifindex = ifi->ifi_index;
	link->is_up = ifi->ifi_flags & IFF_UP;
	link->has_carrier = ifi->ifi_flags & IFF_LOWER_UP;
	snprintf(link->name, sizeof(link->name), "%s", (char *)nla_data(tb[IFLA_IFNAME]));
	if (tb[IFLA_MTU])
		link->mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_MASTER])
		link->master = nla_get_u32(tb[IFLA_MASTER]);
	/* An index of another network namespace names some other device of this one. */
	if (tb[IFLA_LINK] && !tb[IFLA_LINK_NETNSID])
		link->lower = nla_get_u32(tb[IFLA_LINK]);
	if (tb[IFLA_LINKINFO])
		parse_info(tb[IFLA_LINKINFO], link);
	return true;
}

static int on_link(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	if (!link_parse(nlh, arg))
		return fail(h, -EBADMSG, "%s: the kernel's answer is not a link", h->what);
	return 0;
}

static int link_read(struct ipsec_roce *h, const char *dev, unsigned int ifindex,
		     struct ipsec_roce_link *link)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct ipsec_roce_link found = { 0 };
	int err;

	if (dev && (!*dev || strlen(dev) >= IFNAMSIZ))
		return fail(h, -EINVAL, "%s: not the name of a device", dev);
	if (dev)
		request_name(h, "look up the device %s", dev);
	else
		request_name(h, "look up the device with index %u", ifindex);
	request_begin(h, FAMILY_ROUTE, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	if (dev)
		put_text(h, IFLA_IFNAME, dev);
	err = request_call(h, on_link, &found);
	return err ? err : OPTS_EXPORT(h, link, &found);
}

int ipsec_roce_link_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_link *link)
{
	return link_read(h, dev, 0, link);
}

int ipsec_roce_link_by_index(struct ipsec_roce *h, unsigned int ifindex,
			     struct ipsec_roce_link *link)
{
	return link_read(h, NULL, ifindex, link);
}

struct link_walk {
	ipsec_roce_link_fn fn;
	void *arg;
};

static int on_listed(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	const struct link_walk *w = arg;

	(void)h;
	return link_parse(nlh, &link) ? w->fn(&link, w->arg) : 0;
}

int ipsec_roce_link_list(struct ipsec_roce *h, ipsec_roce_link_fn fn, void *arg)
{
	struct ifinfomsg all = { 0 };
	struct link_walk w = { fn, arg };

	request_name(h, "list the devices");
	request_begin(h, FAMILY_ROUTE, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	return request_call(h, on_listed, &w);
}

int link_index(struct ipsec_roce *h, const char *dev, unsigned int *ifindex)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	int err = ipsec_roce_link_get(h, dev, &link);

	if (!err)
		*ifindex = link.ifindex;
	return err;
}

static void addr_read(struct ipsec_roce_addr *to, const struct nlattr *attr, int family)
{
	memset(to, 0, sizeof(*to));
	if (family == AF_INET && nla_len(attr) == sizeof(to->v4))
		memcpy(&to->v4, nla_data(attr), sizeof(to->v4));
	else if (family == AF_INET6 && nla_len(attr) == sizeof(to->v6))
		memcpy(&to->v6, nla_data(attr), sizeof(to->v6));
	else
		return;
	to->family = family;
}

struct addr_walk {
	ipsec_roce_addr_fn fn;
	void *arg;
};

static int on_addr(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = nlmsg_data(nlh);
	struct nlattr *tb[IFA_MAX + 1], *attr;
	const struct addr_walk *w = arg;
	struct ipsec_roce_addr addr;

	(void)h;
	if (nlh->nlmsg_type != RTM_NEWADDR || nlmsg_parse(nlh, sizeof(*ifa), tb, IFA_MAX, NULL))
		return 0;
	/* IFA_LOCAL is ours; IFA_ADDRESS is the other end on a point-to-point link. */
	attr = tb[IFA_LOCAL] ?: tb[IFA_ADDRESS];
	if (!attr)
		return 0;
	addr_read(&addr, attr, ifa->ifa_family);
	return addr.family ? w->fn(&addr, ifa->ifa_index, w->arg) : 0;
}

int ipsec_roce_addr_list(struct ipsec_roce *h, ipsec_roce_addr_fn fn, void *arg)
{
	struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };
	struct addr_walk w = { fn, arg };

	request_name(h, "list the addresses");
	request_begin(h, FAMILY_ROUTE, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all));
	return request_call(h, on_addr, &w);
}

struct addr_search {
	const struct ipsec_roce_addr *addr;
	unsigned int ifindex;
};

static int is_same(const struct ipsec_roce_addr *addr, unsigned int ifindex, void *arg)
{
	const struct addr_search *s = arg;

	return ifindex == s->ifindex && ipsec_roce_addr_equal(addr, s->addr);
}

int ipsec_roce_link_has_addr(struct ipsec_roce *h, const char *dev,
			     const struct ipsec_roce_addr *addr)
{
	struct addr_search s = { .addr = addr };
	int found, err = link_index(h, dev, &s.ifindex);

	if (err)
		return err;
	found = ipsec_roce_addr_list(h, is_same, &s);
	return found > 0 ? 0 : found ? found : -ENOENT;
}

static int on_route(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rt = nlmsg_data(nlh);
	struct ipsec_roce_route *route = arg;
	struct nlattr *tb[RTA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(nlh, sizeof(*rt), tb, RTA_MAX, NULL))
		return fail(h, -EBADMSG, "%s: the kernel's answer is not a route", h->what);
	if (tb[RTA_OIF])
		route->ifindex = nla_get_u32(tb[RTA_OIF]);
	if (tb[RTA_PREFSRC])
		addr_read(&route->source, tb[RTA_PREFSRC], rt->rtm_family);
	route->has_gateway = tb[RTA_GATEWAY];
	return 0;
}

int ipsec_roce_route_get(struct ipsec_roce *h, const struct ipsec_roce_addr *peer,
			 const struct ipsec_roce_addr *from, unsigned int oif,
			 struct ipsec_roce_route *route)
{
	struct rtmsg rt = { .rtm_family = peer->family };
	struct ipsec_roce_route found = { 0 };
	char text[IPSEC_ROCE_ADDR_TEXT];
	int err;

	rt.rtm_dst_len = peer->family == AF_INET ? 32 : 128;
	rt.rtm_src_len = from ? rt.rtm_dst_len : 0;
	request_name(h, "look up the route to %s", ipsec_roce_addr_text(peer, text));
	request_begin(h, FAMILY_ROUTE, RTM_GETROUTE, 0, &rt, sizeof(rt));
	put_addr(h, RTA_DST, peer);
	if (from)
		put_addr(h, RTA_SRC, from);
	if (oif)
		put_u32(h, RTA_OIF, oif);
	err = request_call(h, on_route, &found);
	return err ? err : OPTS_EXPORT(h, route, &found);
}
