// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The RoCE fence: a tc flower filter in hardware only (skip_sw), for frames
 * that the host's stack never sees. It drops what would be cleartext RoCEv2 on
 * the wire: after IPsec on egress, before IPsec on ingress.
 *
 *   clsact (ffff:) -- ingress ffff:fff2 --\  pref 4791 (IPv4) or 4792 (IPv6),
 *                  \- egress  ffff:fff3 ---  handle by the two addresses,
 *                                            action gact drop, cookie "roce-ipsec"
 */
#include <arpa/inet.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_gact.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

#define PREF_IPV4	IPSEC_ROCE_PORT
#define PREF_IPV6	(IPSEC_ROCE_PORT + 1)

static const char cookie[] = "roce-ipsec";

static uint32_t parent_of(enum ipsec_roce_dir dir)
{
	return TC_H_MAKE(TC_H_CLSACT, dir == IPSEC_ROCE_OUT ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

/* The two addresses name the filter: FNV-1a; a clash comes out as -EEXIST, not as an overwrite. */
static uint32_t handle_of(const struct ipsec_roce_fence *f)
{
	const struct ipsec_roce_addr *ends[] = { &f->src, &f->dst };
	uint32_t hash = 2166136261u;

	for (int e = 0; e < 2; e++) {
		const unsigned char *byte = (const unsigned char *)&ends[e]->v6;
		int len = ends[e]->family == AF_INET ? 4 : 16;

		for (int i = 0; i < len; i++)
			hash = (hash ^ byte[i]) * 16777619u;
	}
	/* flower hands out handles of its own from 1 upwards: stay away from them. */
	return (hash & 0x7fffffff) | 0x40000000;
}

static const char *dir_name(enum ipsec_roce_dir dir)
{
	return dir == IPSEC_ROCE_OUT ? "egress" : "ingress";
}

static int fence_import(struct ipsec_roce *h, struct ipsec_roce_fence *to,
			const struct ipsec_roce_fence *from, struct tcmsg *tcm)
{
	unsigned int ifindex;
	bool is_v4;
	int err;

	err = OPTS_IMPORT(h, to, from);
	if (err)
		return err;
	if (!to->dev || to->src.family != to->dst.family ||
	    (to->src.family != AF_INET && to->src.family != AF_INET6) ||
	    (to->dir != IPSEC_ROCE_OUT && to->dir != IPSEC_ROCE_IN))
		return fail(h, -EINVAL, "a fence needs a device, a direction and two addresses");
	err = link_index(h, to->dev, &ifindex);
	if (err)
		return err;
	is_v4 = to->src.family == AF_INET;
	*tcm = (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_parent = parent_of(to->dir),
		.tcm_handle = handle_of(to),
		.tcm_info = TC_H_MAKE((is_v4 ? PREF_IPV4 : PREF_IPV6) << 16,
				      htons(is_v4 ? ETH_P_IP : ETH_P_IPV6)),
	};
	return 0;
}

static void put_drop(struct ipsec_roce *h)
{
	struct tc_gact gact = { .action = TC_ACT_SHOT };
	struct nlattr *list = nest_begin(h, TCA_FLOWER_ACT);
	struct nlattr *first = nest_begin(h, 1);
	struct nlattr *options;

	put_text(h, TCA_ACT_KIND, "gact");
	options = nest_begin(h, TCA_ACT_OPTIONS);
	put(h, TCA_GACT_PARMS, &gact, sizeof(gact));
	nest_end(h, options);
	put(h, TCA_ACT_COOKIE, cookie, sizeof(cookie) - 1);
	nest_end(h, first);
	nest_end(h, list);
}

static void put_ends(struct ipsec_roce *h, const struct ipsec_roce_fence *f)
{
	unsigned char ones[16];
	bool is_v4 = f->src.family == AF_INET;
	size_t len = is_v4 ? 4 : 16;

	memset(ones, 0xff, sizeof(ones));
	put_addr(h, is_v4 ? TCA_FLOWER_KEY_IPV4_SRC : TCA_FLOWER_KEY_IPV6_SRC, &f->src);
	put(h, is_v4 ? TCA_FLOWER_KEY_IPV4_SRC_MASK : TCA_FLOWER_KEY_IPV6_SRC_MASK, ones, len);
	put_addr(h, is_v4 ? TCA_FLOWER_KEY_IPV4_DST : TCA_FLOWER_KEY_IPV6_DST, &f->dst);
	put(h, is_v4 ? TCA_FLOWER_KEY_IPV4_DST_MASK : TCA_FLOWER_KEY_IPV6_DST_MASK, ones, len);
}

int ipsec_roce_fence_add(struct ipsec_roce *h, const struct ipsec_roce_fence *caller_fence)
{
	struct ipsec_roce_fence f;
	struct nlattr *options;
	struct tcmsg tcm;
	int err;

	err = fence_import(h, &f, caller_fence, &tcm);
	if (err)
		return err;
	request_name(h, "add the %s RoCE fence (tc flower skip_sw, udp dst_port 4791, drop) on %s",
		     dir_name(f.dir), f.dev);
	request_begin(h, FAMILY_ROUTE, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tcm,
		      sizeof(tcm));
	put_text(h, TCA_KIND, "flower");
	options = nest_begin(h, TCA_OPTIONS);
	/* Verbose: a driver's reason for a refusal then comes as extack. */
	put_u32(h, TCA_FLOWER_FLAGS, TCA_CLS_FLAGS_SKIP_SW | TCA_CLS_FLAGS_VERBOSE);
	put_u16(h, TCA_FLOWER_KEY_ETH_TYPE, TC_H_MIN(tcm.tcm_info));
	put_u8(h, TCA_FLOWER_KEY_IP_PROTO, IPPROTO_UDP);
	put_u16(h, TCA_FLOWER_KEY_UDP_DST, htons(IPSEC_ROCE_PORT));
	put_u16(h, TCA_FLOWER_KEY_UDP_DST_MASK, 0xffff);
	put_ends(h, &f);
	put_drop(h);
	nest_end(h, options);
	err = request_call(h, NULL, NULL);
	if (h->is_unsure) {
		ipsec_roce_fence_del(h, &f);
		fail(h, err, "add the %s RoCE fence on %s: the kernel's answer was lost: %s",
		     dir_name(f.dir), f.dev, strerror(-err));
	}
	return err;
}

/* Deletes or reads the filter that is there. */
static int fence_call(struct ipsec_roce *h, const struct ipsec_roce_fence *caller_fence,
		      uint16_t type, reply_fn fn, void *arg)
{
	struct ipsec_roce_fence f;
	struct tcmsg tcm;
	int err;

	err = fence_import(h, &f, caller_fence, &tcm);
	if (err)
		return err;
	request_name(h, "%s the %s RoCE fence on %s",
		     type == RTM_DELTFILTER ? "delete" : "read", dir_name(f.dir), f.dev);
	request_begin(h, FAMILY_ROUTE, type, 0, &tcm, sizeof(tcm));
	put_text(h, TCA_KIND, "flower");
	err = request_call(h, fn, arg);
	/* Without clsact the kernel finds no block: -EINVAL; without our pref -ENOENT. */
	return err == -EINVAL ? -ENOENT : err;
}

int ipsec_roce_fence_del(struct ipsec_roce *h, const struct ipsec_roce_fence *f)
{
	return fence_call(h, f, RTM_DELTFILTER, NULL, NULL);
}

static uint64_t read_drops(struct nlattr *stats)
{
	struct nlattr *tb[TCA_STATS_MAX + 1];
	struct gnet_stats_queue queue;

	if (nla_parse_nested(tb, TCA_STATS_MAX, stats, NULL) || !tb[TCA_STATS_QUEUE] ||
	    (size_t)nla_len(tb[TCA_STATS_QUEUE]) < sizeof(queue))
		return 0;
	memcpy(&queue, nla_data(tb[TCA_STATS_QUEUE]), sizeof(queue));
	return queue.drops;
}

static void parse_action(struct nlattr *list, struct ipsec_roce_fence_info *info)
{
	struct nlattr *actions[TCA_ACT_MAX_PRIO + 1], *tb[TCA_ACT_MAX + 1];

	if (!nla_parse_nested(actions, TCA_ACT_MAX_PRIO, list, NULL) && actions[1] &&
	    !nla_parse_nested(tb, TCA_ACT_MAX, actions[1], NULL) && tb[TCA_ACT_STATS])
		info->drops = read_drops(tb[TCA_ACT_STATS]);
}

static int on_filter(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[TCA_MAX + 1], *options[TCA_FLOWER_MAX + 1];
	struct ipsec_roce_fence_info *info = arg;

	if (nlh->nlmsg_type != RTM_NEWTFILTER ||
	    nlmsg_parse(nlh, sizeof(struct tcmsg), tb, TCA_MAX, NULL) || !tb[TCA_OPTIONS] ||
	    nla_parse_nested(options, TCA_FLOWER_MAX, tb[TCA_OPTIONS], NULL))
		return fail(h, -EBADMSG, "%s: the kernel's answer is not a flower filter", h->what);
	if (options[TCA_FLOWER_FLAGS])
		info->is_in_hw = nla_get_u32(options[TCA_FLOWER_FLAGS]) & TCA_CLS_FLAGS_IN_HW;
	if (options[TCA_FLOWER_ACT])
		parse_action(options[TCA_FLOWER_ACT], info);
	return 0;
}

int ipsec_roce_fence_get(struct ipsec_roce *h, const struct ipsec_roce_fence *f,
			 struct ipsec_roce_fence_info *info)
{
	struct ipsec_roce_fence_info found = { 0 };
	int err = fence_call(h, f, RTM_GETTFILTER, on_filter, &found);

	return err ? err : OPTS_EXPORT(h, info, &found);
}

static int qdisc_call(struct ipsec_roce *h, const char *dev, uint16_t type, uint16_t flags,
		      reply_fn fn, void *arg)
{
	struct tcmsg tcm = {
		.tcm_family = AF_UNSPEC,
		.tcm_parent = TC_H_CLSACT,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
	};
	unsigned int ifindex;
	int err;

	err = link_index(h, dev, &ifindex);
	if (err)
		return err;
	tcm.tcm_ifindex = ifindex;
	request_name(h, "%s the clsact qdisc of %s",
		     type == RTM_NEWQDISC ? "add" : type == RTM_DELQDISC ? "delete" : "look for",
		     dev);
	request_begin(h, FAMILY_ROUTE, type, flags, &tcm, sizeof(tcm));
	if (type != RTM_GETQDISC)
		put_text(h, TCA_KIND, "clsact");
	return request_call(h, fn, arg);
}

static int on_qdisc(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[TCA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWQDISC ||
	    nlmsg_parse(nlh, sizeof(struct tcmsg), tb, TCA_MAX, NULL) || !tb[TCA_KIND])
		return fail(h, -EBADMSG, "%s: the kernel's answer is not a qdisc", h->what);
	if (strcmp(nla_data(tb[TCA_KIND]), "clsact"))
		return fail(h, -EBUSY, "%s: the qdisc %s stands in its place", h->what,
			    (char *)nla_data(tb[TCA_KIND]));
	*(bool *)arg = true;
	return 0;
}

int ipsec_roce_fence_ready(struct ipsec_roce *h, const char *dev, bool *is_ready)
{
	int err;

	*is_ready = false;
	/* Without NLM_F_ECHO the kernel tells its listeners, and us nothing. */
	err = qdisc_call(h, dev, RTM_GETQDISC, NLM_F_ECHO, on_qdisc, is_ready);
	/* The kernel answers ENOENT, or EINVAL for an unknown handle, when there is no qdisc. */
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

int ipsec_roce_fence_prepare(struct ipsec_roce *h, const char *dev)
{
	int err = qdisc_call(h, dev, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, NULL, NULL);

	return err == -EEXIST ? 0 : err;
}

static int on_any_filter(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	(void)h;
	*(bool *)arg |= nlh->nlmsg_type == RTM_NEWTFILTER;
	return 0;
}

int ipsec_roce_fence_release(struct ipsec_roce *h, const char *dev)
{
	enum ipsec_roce_dir dirs[] = { IPSEC_ROCE_OUT, IPSEC_ROCE_IN };
	bool has_filter = false;
	unsigned int ifindex;
	int err;

	err = link_index(h, dev, &ifindex);
	for (int i = 0; !err && i < 2; i++) {
		struct tcmsg tcm = { .tcm_ifindex = ifindex, .tcm_parent = parent_of(dirs[i]) };

		request_name(h, "list the %s filters of %s", dir_name(dirs[i]), dev);
		request_begin(h, FAMILY_ROUTE, RTM_GETTFILTER, NLM_F_DUMP, &tcm, sizeof(tcm));
		err = request_call(h, on_any_filter, &has_filter);
	}
	if (err || has_filter)
		return err;
	err = qdisc_call(h, dev, RTM_DELQDISC, 0, NULL, NULL);
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}
