// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bonds, by the generic netlink family of the kernel helper (ipsec_roce.ko). Its
 * message tree is drawn in kernel-module/uapi/ipsec_roce.h.
 */
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "uapi/ipsec_roce.h"

_Static_assert((int)IPSEC_ROCE_PLACE_ANY == IPSEC_ROCE_PLACEMENT_ANY, "as the kernel counts");
_Static_assert((int)IPSEC_ROCE_PLACE_SHARED == IPSEC_ROCE_PLACEMENT_SHARED, "as the kernel counts");
_Static_assert((int)IPSEC_ROCE_PLACE_PER_PORT == IPSEC_ROCE_PLACEMENT_PER_PORT,
	       "as the kernel counts");
_Static_assert((int)IPSEC_ROCE_PLACE_OWNER == IPSEC_ROCE_PLACEMENT_OWNER, "as the kernel counts");

/* The module may come and go while the handle lives: its number is asked for each time. */
static int helper_begin(struct ipsec_roce *h, uint8_t cmd, uint16_t flags)
{
	struct genlmsghdr genl = { .cmd = cmd, .version = IPSEC_ROCE_GENL_VERSION };
	int id = 0, err = genl_resolve(h, IPSEC_ROCE_GENL_NAME, &id);

	if (err == -ENOENT)
		return fail(h, -EPROTONOSUPPORT,
			    "%s: the kernel's bonds do not replicate IPsec: load the helper (modprobe ipsec_roce)",
			    h->what);
	if (err)
		return err;
	request_begin(h, FAMILY_GENERIC, id, flags, &genl, sizeof(genl));
	return 0;
}

/* A request about one bond. */
static int bond_begin(struct ipsec_roce *h, uint8_t cmd, uint16_t flags, const char *dev)
{
	char what[sizeof(h->what)];
	unsigned int ifindex;
	int err;

	memcpy(what, h->what, sizeof(what));
	err = link_index(h, dev, &ifindex);
	if (err)
		return err;
	memcpy(h->what, what, sizeof(what));
	err = helper_begin(h, cmd, flags);
	if (!err)
		put_u32(h, IPSEC_ROCE_A_IFINDEX, ifindex);
	return err;
}

/* ---- parsing: what is missing or of another size is zero -------------- */

static uint64_t get_number(struct nlattr *const *tb, int attr)
{
	if (!tb[attr])
		return 0;
	switch (nla_len(tb[attr])) {
	case 1:
		return nla_get_u8(tb[attr]);
	case 2:
		return nla_get_u16(tb[attr]);
	case 4:
		return nla_get_u32(tb[attr]);
	case 8:
		return nla_get_u64(tb[attr]);
	}
	return 0;
}

static void get_text(struct nlattr *const *tb, int attr, char *text, size_t size)
{
	snprintf(text, size, "%.*s", tb[attr] ? nla_len(tb[attr]) : 0,
		 tb[attr] ? (char *)nla_data(tb[attr]) : "");
}

/* Nests of one type that follow each other. */
#define for_each_nest(pos, nlh, left, type) \
	nlmsg_for_each_attr(pos, nlh, GENL_HDRLEN, left) \
		if (nla_type(pos) == (type))

static bool port_parse(struct nlattr *nest, struct ipsec_roce_port *port)
{
	struct nlattr *tb[IPSEC_ROCE_A_MAX + 1];

	if (nla_parse_nested(tb, IPSEC_ROCE_A_MAX, nest, NULL))
		return false;
	*port = (struct ipsec_roce_port){ .size = sizeof(*port) };
	get_text(tb, IPSEC_ROCE_A_PORT_IFNAME, port->name, sizeof(port->name));
	port->ifindex = get_number(tb, IPSEC_ROCE_A_PORT_IFINDEX);
	port->index = get_number(tb, IPSEC_ROCE_A_PORT_INDEX);
	port->engine = get_number(tb, IPSEC_ROCE_A_PORT_ENGINE);
	port->can_offload = tb[IPSEC_ROCE_A_PORT_CAN_OFFLOAD];
	port->is_running = tb[IPSEC_ROCE_A_PORT_RUNNING];
	port->is_active = tb[IPSEC_ROCE_A_PORT_ACTIVE];
	return true;
}

static bool bond_parse(struct nlmsghdr *nlh, struct ipsec_roce_bond *bond)
{
	struct nlattr *tb[IPSEC_ROCE_A_MAX + 1], *pos;
	int left;

	if (nlmsg_parse(nlh, GENL_HDRLEN, tb, IPSEC_ROCE_A_MAX, NULL) ||
	    !tb[IPSEC_ROCE_A_IFINDEX] || !tb[IPSEC_ROCE_A_IFNAME])
		return false;
	*bond = (struct ipsec_roce_bond){ .size = sizeof(*bond) };
	get_text(tb, IPSEC_ROCE_A_IFNAME, bond->name, sizeof(bond->name));
	bond->ifindex = get_number(tb, IPSEC_ROCE_A_IFINDEX);
	bond->placement = get_number(tb, IPSEC_ROCE_A_PLACEMENT);
	bond->n_sas = get_number(tb, IPSEC_ROCE_A_N_SAS);
	bond->n_policies = get_number(tb, IPSEC_ROCE_A_N_POLICIES);
	bond->n_handovers = get_number(tb, IPSEC_ROCE_A_N_HANDOVERS);
	for_each_nest(pos, nlh, left, IPSEC_ROCE_A_PORT)
		bond->n_ports++;
	return true;
}

static void daddr_parse(const struct nlattr *attr, struct ipsec_roce_addr *addr)
{
	*addr = (struct ipsec_roce_addr){ 0 };
	if (attr && nla_len(attr) == sizeof(addr->v4)) {
		addr->family = AF_INET;
		memcpy(&addr->v4, nla_data(attr), sizeof(addr->v4));
	} else if (attr && nla_len(attr) == sizeof(addr->v6)) {
		addr->family = AF_INET6;
		memcpy(&addr->v6, nla_data(attr), sizeof(addr->v6));
	}
}

static bool sa_parse(struct nlmsghdr *nlh, struct ipsec_roce_bond_sa *sa)
{
	struct nlattr *tb[IPSEC_ROCE_A_MAX + 1];

	if (nlmsg_parse(nlh, GENL_HDRLEN, tb, IPSEC_ROCE_A_MAX, NULL) ||
	    !tb[IPSEC_ROCE_A_SA_DIR] || !tb[IPSEC_ROCE_A_SA_SPI])
		return false;
	*sa = (struct ipsec_roce_bond_sa){ .size = sizeof(*sa) };
	sa->bond_ifindex = get_number(tb, IPSEC_ROCE_A_IFINDEX);
	sa->dir = get_number(tb, IPSEC_ROCE_A_SA_DIR) ? IPSEC_ROCE_OUT : IPSEC_ROCE_IN;
	daddr_parse(tb[IPSEC_ROCE_A_SA_DADDR], &sa->dst);
	sa->spi = ntohl(get_number(tb, IPSEC_ROCE_A_SA_SPI));
	sa->placement = get_number(tb, IPSEC_ROCE_A_PLACEMENT);
	sa->start = get_number(tb, IPSEC_ROCE_A_SA_START);
	sa->is_dead = tb[IPSEC_ROCE_A_SA_IS_DEAD];
	sa->home_ifindex = get_number(tb, IPSEC_ROCE_A_SA_HOME_IFINDEX);
	return true;
}

static bool sa_port_parse(struct nlattr *nest, struct ipsec_roce_sa_port *port)
{
	struct nlattr *tb[IPSEC_ROCE_A_MAX + 1];

	if (nla_parse_nested(tb, IPSEC_ROCE_A_MAX, nest, NULL))
		return false;
	*port = (struct ipsec_roce_sa_port){ .size = sizeof(*port) };
	port->ifindex = get_number(tb, IPSEC_ROCE_A_SA_PORT_IFINDEX);
	get_text(tb, IPSEC_ROCE_A_SA_PORT_STATE, port->state, sizeof(port->state));
	port->packets = get_number(tb, IPSEC_ROCE_A_SA_PORT_PACKETS);
	port->bytes = get_number(tb, IPSEC_ROCE_A_SA_PORT_BYTES);
	port->last = get_number(tb, IPSEC_ROCE_A_SA_PORT_LAST);
	return true;
}

/* ---- calls ------------------------------------------------------------ */

static int on_bond(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	if (!bond_parse(nlh, arg))
		return fail(h, -EBADMSG, "%s: the helper's answer is not a bond", h->what);
	return 0;
}

int ipsec_roce_bond_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_bond *bond)
{
	struct ipsec_roce_bond found;
	int err;

	request_name(h, "look at the bond %s", dev);
	err = bond_begin(h, IPSEC_ROCE_CMD_GET_BOND, 0, dev);
	if (!err)
		err = request_call(h, on_bond, &found);
	return err ? err : OPTS_EXPORT(h, bond, &found);
}

struct walk {
	union {
		ipsec_roce_bond_fn bond;
		ipsec_roce_port_fn port;
		ipsec_roce_bond_sa_fn sa;
	} fn;
	void *arg;
};

static int on_listed_bond(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct walk *w = arg;
	struct ipsec_roce_bond bond;

	(void)h;
	return bond_parse(nlh, &bond) ? w->fn.bond(&bond, w->arg) : 0;
}

int ipsec_roce_bond_list(struct ipsec_roce *h, ipsec_roce_bond_fn fn, void *arg)
{
	struct walk w = { .fn.bond = fn, .arg = arg };
	int err;

	request_name(h, "list the bonds");
	err = helper_begin(h, IPSEC_ROCE_CMD_GET_BOND, NLM_F_DUMP);
	return err ? err : request_call(h, on_listed_bond, &w);
}

static int on_ports(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct walk *w = arg;
	struct ipsec_roce_port port;
	int left, err = 0;
	struct nlattr *pos;

	(void)h;
	for_each_nest(pos, nlh, left, IPSEC_ROCE_A_PORT)
		if (!err && port_parse(pos, &port))
			err = w->fn.port(&port, w->arg);
	return err;
}

int ipsec_roce_port_list(struct ipsec_roce *h, const char *dev, ipsec_roce_port_fn fn, void *arg)
{
	struct walk w = { .fn.port = fn, .arg = arg };
	int err;

	request_name(h, "list the ports of the bond %s", dev);
	err = bond_begin(h, IPSEC_ROCE_CMD_GET_BOND, 0, dev);
	return err ? err : request_call(h, on_ports, &w);
}

static int on_sa(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct walk *w = arg;
	struct ipsec_roce_sa_port port;
	struct ipsec_roce_bond_sa sa;
	int left, err = 0, count = 0;
	struct nlattr *pos;

	(void)h;
	if (!sa_parse(nlh, &sa))
		return 0;
	for_each_nest(pos, nlh, left, IPSEC_ROCE_A_SA_PORT) {
		if (err || !sa_port_parse(pos, &port))
			continue;
		count++;
		err = w->fn.sa(&sa, &port, w->arg);
	}
	return count ? err : w->fn.sa(&sa, NULL, w->arg);
}

int ipsec_roce_bond_sa_list(struct ipsec_roce *h, const char *dev, ipsec_roce_bond_sa_fn fn,
			    void *arg)
{
	struct walk w = { .fn.sa = fn, .arg = arg };
	int err;

	request_name(h, "list the SAs of %s", dev ?: "all bonds");
	err = dev ? bond_begin(h, IPSEC_ROCE_CMD_GET_SA, NLM_F_DUMP, dev) :
		    helper_begin(h, IPSEC_ROCE_CMD_GET_SA, NLM_F_DUMP);
	return err ? err : request_call(h, on_sa, &w);
}

int ipsec_roce_bond_place(struct ipsec_roce *h, const char *dev, enum ipsec_roce_place placement)
{
	int err;

	request_name(h, "set the placement of SAs on %s", dev);
	err = bond_begin(h, IPSEC_ROCE_CMD_SET_BOND, 0, dev);
	if (err)
		return err;
	put_u8(h, IPSEC_ROCE_A_PLACEMENT, placement);
	return request_call(h, NULL, NULL);
}

int ipsec_roce_bond_home(struct ipsec_roce *h, const char *dev,
			 const struct ipsec_roce_sa_id *caller_id, unsigned int port_ifindex)
{
	struct ipsec_roce_sa_id id;
	int err;

	err = OPTS_IMPORT(h, &id, caller_id);
	if (err)
		return err;
	request_name(h, "name the port of the SA 0x%08x on %s", id.spi, dev);
	err = bond_begin(h, IPSEC_ROCE_CMD_SET_HOME, 0, dev);
	if (err)
		return err;
	put_u16(h, IPSEC_ROCE_A_SA_FAMILY, id.dst.family);
	put_addr(h, IPSEC_ROCE_A_SA_DADDR, &id.dst);
	put_u32(h, IPSEC_ROCE_A_SA_SPI, htonl(id.spi));
	put_u32(h, IPSEC_ROCE_A_PORT_IFINDEX, port_ifindex);
	return request_call(h, NULL, NULL);
}
