// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which RDMA device speaks RoCE through a netdev (RDMA netlink), and which of
 * its GIDs holds an address (sysfs: no netlink family lists GIDs).
 */
#include <arpa/inet.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

#define DEVICES_MAX	128
#define GIDS_MAX	1024

struct device_list {
	uint32_t index[DEVICES_MAX];
	char name[DEVICES_MAX][64];
	int count;
};

static int on_device(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[RDMA_NLDEV_ATTR_MAX];
	struct device_list *list = arg;

	(void)h;
	if (nlmsg_parse(nlh, 0, tb, RDMA_NLDEV_ATTR_MAX - 1, NULL) ||
	    !tb[RDMA_NLDEV_ATTR_DEV_INDEX] || !tb[RDMA_NLDEV_ATTR_DEV_NAME] ||
	    list->count == DEVICES_MAX)
		return 0;
	list->index[list->count] = nla_get_u32(tb[RDMA_NLDEV_ATTR_DEV_INDEX]);
	snprintf(list->name[list->count], sizeof(list->name[0]), "%s",
		 (char *)nla_data(tb[RDMA_NLDEV_ATTR_DEV_NAME]));
	list->count++;
	return 0;
}

struct port_search {
	unsigned int ifindex;
	unsigned int port;	/* found; 0: none */
};

static int on_port(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[RDMA_NLDEV_ATTR_MAX];
	struct port_search *s = arg;

	(void)h;
	if (!nlmsg_parse(nlh, 0, tb, RDMA_NLDEV_ATTR_MAX - 1, NULL) &&
	    tb[RDMA_NLDEV_ATTR_NDEV_INDEX] && tb[RDMA_NLDEV_ATTR_PORT_INDEX] &&
	    nla_get_u32(tb[RDMA_NLDEV_ATTR_NDEV_INDEX]) == s->ifindex)
		s->port = nla_get_u32(tb[RDMA_NLDEV_ATTR_PORT_INDEX]);
	return 0;
}

static bool sysfs_read(const char *device, unsigned int port, const char *what, int index,
		       char *text, int size)
{
	char path[192];
	bool is_read;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/%u/%s/%d", device, port, what,
		 index);
	f = fopen(path, "re");
	if (!f)
		return false;
	is_read = fgets(text, size, f);
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	return is_read;
}

/*
 * An IPv4 address is in the table as ::ffff:a.b.c.d (IBTA annex A17). A link-local one may be
 * there several times, for the netdev and for VLAN devices on it: the netdev's own goes first.
 */
static int gid_find(const char *device, unsigned int port, const char *dev,
		    const struct ipsec_roce_addr *addr)
{
	struct in6_addr want = { .s6_addr = { [10] = 0xff, [11] = 0xff } }, gid;
	int found = -1;
	char text[64];

	if (addr->family == AF_INET)
		memcpy(&want.s6_addr[12], &addr->v4, sizeof(addr->v4));
	else
		want = addr->v6;
	for (int i = 0; i < GIDS_MAX; i++) {
		if (!sysfs_read(device, port, "gids", i, text, sizeof(text)))
			break;
		if (inet_pton(AF_INET6, text, &gid) != 1 || memcmp(&gid, &want, sizeof(gid)) ||
		    !sysfs_read(device, port, "gid_attrs/types", i, text, sizeof(text)) ||
		    strcmp(text, "RoCE v2"))
			continue;
		if (sysfs_read(device, port, "gid_attrs/ndevs", i, text, sizeof(text)) &&
		    !strcmp(text, dev))
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

int ipsec_roce_rdma_get(struct ipsec_roce *h, const char *dev, const struct ipsec_roce_addr *addr,
			struct ipsec_roce_rdma *rdma)
{
	struct ipsec_roce_rdma found = { 0 };
	struct port_search s = { 0 };
	struct device_list list = { .count = 0 };
	int err;

	err = link_index(h, dev, &s.ifindex);
	if (err)
		return err;
	request_name(h, "list the RDMA devices");
	request_begin(h, FAMILY_RDMA, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_GET),
		      NLM_F_DUMP, NULL, 0);
	err = request_call(h, on_device, &list);
	for (int i = 0; !err && i < list.count && !s.port; i++) {
		request_name(h, "list the ports of %s", list.name[i]);
		request_begin(h, FAMILY_RDMA,
			      RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_PORT_GET), NLM_F_DUMP,
			      NULL, 0);
		put_u32(h, RDMA_NLDEV_ATTR_DEV_INDEX, list.index[i]);
		err = request_call(h, on_port, &s);
		snprintf(found.name, sizeof(found.name), "%s", list.name[i]);
	}
	if (err)
		return err;
	if (!s.port)
		return fail(h, -ENOENT, "no RDMA device speaks through %s", dev);
	found.port = s.port;
	found.gid_index = gid_find(found.name, s.port, dev, addr);
	return OPTS_EXPORT(h, rdma, &found);
}
