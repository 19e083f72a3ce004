// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status` of software policies that an operator may take for protection: those of the
 * addresses that RDMA devices speak from.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/options.h"
#include "base/report.h"
#include "tunnel/owner.h"
#include "status.h"

#define SOFTWARE_MAX	16	/* shown: each further one says the same */
#define ADDRS_MAX	64

struct software {
	struct ipsec_roce_policy policy[SOFTWARE_MAX];
	int count;
};

static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	struct software *sw = arg;

	if (!p->ifindex && p->has_esp && p->covers_roce && sw->count < SOFTWARE_MAX)
		sw->policy[sw->count++] = *p;
	return 0;
}

struct addrs {
	struct {
		struct ipsec_roce_addr addr;
		unsigned int ifindex;
	} list[ADDRS_MAX];
	int count;
};

static int on_addr(const struct ipsec_roce_addr *addr, unsigned int ifindex, void *arg)
{
	struct addrs *a = arg;

	if (a->count < ADDRS_MAX) {
		a->list[a->count].addr = *addr;
		a->list[a->count++].ifindex = ifindex;
	}
	return 0;
}

/* Has an RDMA device a RoCEv2 GID of it, and through which function does it speak? */
static bool is_roce_addr(struct setup *s, const struct ipsec_roce_addr *addr, unsigned int ifindex,
			 struct ipsec_roce_link *function)
{
	struct ipsec_roce_rdma rdma = { .size = sizeof(rdma) };
	struct ipsec_roce_link link = { .size = sizeof(link) };

	return !ipsec_roce_link_by_index(s->h, ifindex, &link) && !owner_below(s, &link, function) &&
	       function->ifindex && !ipsec_roce_rdma_get(s->h, function->name, addr, &rdma) &&
	       rdma.gid_index >= 0;
}

static void show_software(struct status *st, const struct ipsec_roce_policy *p, const char *dev)
{
	char src[IPSEC_ROCE_ADDR_TEXT], dst[IPSEC_ROCE_ADDR_TEXT];
	const char *dir = p->dir == IPSEC_ROCE_OUT ? "out" : "in";
	struct json_object *o;

	ipsec_roce_addr_text(&p->src, src);
	ipsec_roce_addr_text(&p->dst, dst);
	if (!st->software) {
		printf("software policy %s, %s/%u -> %s/%u: does not protect the RoCE of %s; software policies never do\n"
		       "  instead      roce-ipsec-setup up --dev %s, or by hand `offload packet dev %s`\n",
		       dir, src, p->src_bits, dst, p->dst_bits, dev, dev, dev);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "dir", dir);
	json_add_text(o, "src", src);
	json_add_number(o, "src_bits", p->src_bits);
	json_add_text(o, "dst", dst);
	json_add_number(o, "dst_bits", p->dst_bits);
	json_add_number(o, "priority", p->priority);
	json_add_text(o, "dev", dev);
	json_object_array_add(st->software, o);
}

static bool is_wanted(const struct options *opt, const struct ipsec_roce_policy *p,
		      const struct ipsec_roce_addr *local, const char *dev)
{
	if (opt->dev && strcmp(opt->dev, dev))
		return false;
	return view_policy_covers(p, opt->local.family ? &opt->local : local,
				  opt->peer.family ? &opt->peer :
				  p->dir == IPSEC_ROCE_OUT ? &p->dst : &p->src);
}

int show_softwares(struct setup *s, struct status *st)
{
	struct software sw = { .count = 0 };
	struct addrs a = { .count = 0 };
	int err = ipsec_roce_policy_list(s->h, on_policy, &sw);

	if (!err && sw.count)
		err = ipsec_roce_addr_list(s->h, on_addr, &a);
	if (err)
		return library_fail(s, err);
	for (int i = 0; i < a.count && sw.count; i++) {
		struct ipsec_roce_link function;

		if (!is_roce_addr(s, &a.list[i].addr, a.list[i].ifindex, &function))
			continue;
		for (int j = 0; j < sw.count; j++) {
			struct ipsec_roce_policy *p = &sw.policy[j];

			if (!p->has_esp || !is_wanted(s->opt, p, &a.list[i].addr, function.name))
				continue;
			show_software(st, p, function.name);
			p->has_esp = false;	/* once */
		}
	}
	return 0;
}
