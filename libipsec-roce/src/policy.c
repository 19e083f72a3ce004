// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Policies. PROTECT is offloaded to a device and goes with it: the kernel
 * flushes it on NETDEV_DOWN. FENCE is software and stays: where the PROTECT
 * policy is gone, it turns host traffic away instead of letting it out clear.
 *
 * The kernel keeps one policy per selector and direction, whatever its
 * priority; so that both can stand for the same traffic, the fence's selector
 * carries a uid, which no kernel matches on. It also tells that it is ours.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/selector.h"
#include "handle.h"
#include "xfrm_abi.h"

#define FENCE_UID		4791

static uint8_t kernel_dir(enum ipsec_roce_dir dir)
{
	return dir == IPSEC_ROCE_OUT ? XFRM_POLICY_OUT : XFRM_POLICY_IN;
}

static const char *kind_name(const struct ipsec_roce_policy *p)
{
	if (p->kind == IPSEC_ROCE_POLICY_FENCE)
		return p->dir == IPSEC_ROCE_OUT ? "outbound fence policy" : "inbound fence policy";
	return p->dir == IPSEC_ROCE_OUT ? "outbound policy" : "inbound policy";
}

static void selector_set(struct xfrm_selector *sel, const struct ipsec_roce_policy *p)
{
	selector_to_xfrm(sel, &p->src, p->src_bits, &p->dst, p->dst_bits, p->proto);
	if (p->kind == IPSEC_ROCE_POLICY_FENCE)
		sel->user = FENCE_UID;
}

static int policy_check(struct ipsec_roce *h, const struct ipsec_roce_policy *p)
{
	if (p->kind != IPSEC_ROCE_POLICY_PROTECT && p->kind != IPSEC_ROCE_POLICY_FENCE)
		return fail(h, -EINVAL, "a policy protects or fences");
	if (p->dir != IPSEC_ROCE_OUT && p->dir != IPSEC_ROCE_IN)
		return fail(h, -EINVAL, "a policy is outbound or inbound");
	if (p->src.family != p->dst.family ||
	    (p->src.family != AF_INET && p->src.family != AF_INET6))
		return fail(h, -EINVAL, "a policy needs two addresses of one family");
	if (p->kind == IPSEC_ROCE_POLICY_PROTECT && (!p->dev || !p->reqid))
		return fail(h, -EINVAL, "an offloaded policy needs a device and a reqid");
	return 0;
}

static void put_template(struct ipsec_roce *h, const struct ipsec_roce_policy *p)
{
	struct xfrm_user_tmpl tmpl = { 0 };

	tmpl.family = p->src.family;
	addr_to_xfrm(&tmpl.saddr, &p->src);
	addr_to_xfrm(&tmpl.id.daddr, &p->dst);
	tmpl.id.proto = IPPROTO_ESP;
	tmpl.mode = XFRM_MODE_TRANSPORT;
	tmpl.reqid = p->reqid;
	tmpl.aalgos = ~0U;
	tmpl.ealgos = ~0U;
	tmpl.calgos = ~0U;
	put(h, XFRMA_TMPL, &tmpl, sizeof(tmpl));
}

static int policy_send(struct ipsec_roce *h, uint16_t type, const struct ipsec_roce_policy *p,
		       unsigned int ifindex)
{
	struct xfrm_userpolicy_info info = { 0 };
	struct xfrm_user_offload offload = { .ifindex = ifindex, .flags = XFRM_OFFLOAD_PACKET };

	selector_set(&info.sel, p);
	info.lft.soft_byte_limit = XFRM_INF;
	info.lft.hard_byte_limit = XFRM_INF;
	info.lft.soft_packet_limit = XFRM_INF;
	info.lft.hard_packet_limit = XFRM_INF;
	info.priority = p->priority;
	info.dir = kernel_dir(p->dir);
	info.action = p->kind == IPSEC_ROCE_POLICY_FENCE ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
	request_name(h, "%s the %s%s%s", type == XFRM_MSG_NEWPOLICY ? "add" : "replace",
		     kind_name(p), ifindex ? " on " : "", ifindex ? p->dev : "");
	request_begin(h, FAMILY_XFRM, type, NLM_F_CREATE, &info, sizeof(info));
	if (ifindex) {
		put_template(h, p);
		put(h, XFRMA_OFFLOAD_DEV, &offload, sizeof(offload));
	}
	return request_call(h, NULL, NULL);
}

static enum ipsec_roce_policy_kind kind_of(const struct xfrm_userpolicy_info *info,
					   const struct xfrm_user_offload *offload,
					   const struct xfrm_user_tmpl *tmpl)
{
	if (info->action == XFRM_POLICY_BLOCK && info->sel.user == FENCE_UID)
		return IPSEC_ROCE_POLICY_FENCE;
	if (info->action == XFRM_POLICY_ALLOW && offload && tmpl &&
	    (offload->flags & XFRM_OFFLOAD_PACKET) && tmpl->id.proto == IPPROTO_ESP)
		return IPSEC_ROCE_POLICY_PROTECT;
	return IPSEC_ROCE_POLICY_OTHER;
}

/* Where it goes makes UDP RoCEv2. */
static bool is_roce_in(const struct xfrm_selector *sel)
{
	uint16_t port = htons(IPSEC_ROCE_PORT);

	return (!sel->proto || sel->proto == IPPROTO_UDP) &&
	       !((sel->dport ^ port) & sel->dport_mask);
}

static bool policy_parse(struct nlmsghdr *nlh, struct ipsec_roce_policy *p)
{
	const struct xfrm_user_offload *offload = NULL;
	const struct xfrm_user_tmpl *tmpl = NULL;
	struct nlattr *tb[ATTR_XFRM_MAX + 1];
	struct xfrm_userpolicy_info info;

	if (nlmsg_parse(nlh, sizeof(info), tb, ATTR_XFRM_MAX, NULL))
		return false;
	/* Netlink aligns to 4 bytes, the struct has members of 8. */
	memcpy(&info, nlmsg_data(nlh), sizeof(info));
	/* Socket policies are listed too, with directions of their own. */
	if (info.dir != XFRM_POLICY_IN && info.dir != XFRM_POLICY_OUT)
		return false;
	if (tb[XFRMA_OFFLOAD_DEV] && (size_t)nla_len(tb[XFRMA_OFFLOAD_DEV]) >= sizeof(*offload))
		offload = nla_data(tb[XFRMA_OFFLOAD_DEV]);
	if (tb[XFRMA_TMPL] && (size_t)nla_len(tb[XFRMA_TMPL]) >= sizeof(*tmpl))
		tmpl = nla_data(tb[XFRMA_TMPL]);

	*p = (struct ipsec_roce_policy){ .size = sizeof(*p) };
	p->kind = kind_of(&info, offload, tmpl);
	p->dir = info.dir == XFRM_POLICY_OUT ? IPSEC_ROCE_OUT : IPSEC_ROCE_IN;
	addr_from_xfrm(&p->src, &info.sel.saddr, info.sel.family);
	addr_from_xfrm(&p->dst, &info.sel.daddr, info.sel.family);
	p->src_bits = info.sel.prefixlen_s;
	p->dst_bits = info.sel.prefixlen_d;
	p->proto = info.sel.proto;
	p->priority = info.priority;
	p->reqid = tmpl ? tmpl->reqid : 0;
	p->ifindex = offload ? offload->ifindex : 0;
	p->is_block = info.action == XFRM_POLICY_BLOCK;
	p->use_time = info.curlft.use_time;
	p->has_esp = tmpl && tmpl->id.proto == IPPROTO_ESP;
	p->covers_roce = is_roce_in(&info.sel);
	p->is_source_bound = iroce_selector_is_source_bound(info.sel.sport, info.sel.sport_mask);
	return true;
}

static void id_request(struct ipsec_roce *h, uint16_t type, const struct ipsec_roce_policy *p)
{
	struct xfrm_userpolicy_id id = { .dir = kernel_dir(p->dir) };

	selector_set(&id.sel, p);
	request_name(h, "%s the %s", type == XFRM_MSG_DELPOLICY ? "delete" : "read", kind_name(p));
	request_begin(h, FAMILY_XFRM, type, 0, &id, sizeof(id));
}

static int on_one(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY || !policy_parse(nlh, arg))
		return fail(h, -EBADMSG, "%s: the kernel's answer is not a policy", h->what);
	return 0;
}

/* As with an SA: a kernel that cannot offload makes a software policy without a word. */
static int check_offloaded(struct ipsec_roce *h, const struct ipsec_roce_policy *p,
			   unsigned int ifindex)
{
	struct ipsec_roce_policy found;
	int err;

	id_request(h, XFRM_MSG_GETPOLICY, p);
	err = request_call(h, on_one, &found);
	if (!err && found.kind == IPSEC_ROCE_POLICY_PROTECT && found.ifindex == ifindex)
		return 0;
	ipsec_roce_policy_del(h, p);
	return fail(h, -EPROTO, "add the %s on %s: the kernel took it, but %s", kind_name(p),
		    p->dev, err ? "it cannot be read back" : "did not offload it");
}

/* The kernel may have the policy: gone it must be, but not if it is somebody else's. */
static void take_back_unsure(struct ipsec_roce *h, const struct ipsec_roce_policy *p,
			     unsigned int ifindex)
{
	struct ipsec_roce_policy found;

	id_request(h, XFRM_MSG_GETPOLICY, p);
	if (!request_call(h, on_one, &found) && found.kind == p->kind &&
	    found.ifindex == ifindex && found.priority == p->priority &&
	    /* A fence has no template that could have one. */
	    (p->kind == IPSEC_ROCE_POLICY_FENCE || found.reqid == p->reqid))
		ipsec_roce_policy_del(h, p);
}

static int policy_put(struct ipsec_roce *h, uint16_t type,
		      const struct ipsec_roce_policy *caller_policy)
{
	struct ipsec_roce_policy p;
	unsigned int ifindex = 0;
	int err;

	err = OPTS_IMPORT(h, &p, caller_policy);
	if (!err)
		err = policy_check(h, &p);
	if (!err && p.kind == IPSEC_ROCE_POLICY_PROTECT)
		err = link_index(h, p.dev, &ifindex);
	if (err)
		return err;
	err = policy_send(h, type, &p, ifindex);
	if (h->is_unsure && type == XFRM_MSG_NEWPOLICY) {
		take_back_unsure(h, &p, ifindex);
		return fail(h, err, "add the %s: the kernel's answer was lost: %s", kind_name(&p),
			    strerror(-err));
	}
	return err || !ifindex ? err : check_offloaded(h, &p, ifindex);
}

int ipsec_roce_policy_add(struct ipsec_roce *h, const struct ipsec_roce_policy *p)
{
	return policy_put(h, XFRM_MSG_NEWPOLICY, p);
}

int ipsec_roce_policy_replace(struct ipsec_roce *h, const struct ipsec_roce_policy *p)
{
	return policy_put(h, XFRM_MSG_UPDPOLICY, p);
}

int ipsec_roce_policy_del(struct ipsec_roce *h, const struct ipsec_roce_policy *caller_policy)
{
	struct ipsec_roce_policy p;
	int err;

	err = OPTS_IMPORT(h, &p, caller_policy);
	if (err)
		return err;
	id_request(h, XFRM_MSG_DELPOLICY, &p);
	return request_call(h, NULL, NULL);
}

struct walk {
	ipsec_roce_policy_fn fn;
	void *arg;
};

static int on_listed(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	const struct walk *w = arg;
	struct ipsec_roce_policy p;

	(void)h;
	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY || !policy_parse(nlh, &p))
		return 0;
	return w->fn(&p, w->arg);
}

int ipsec_roce_policy_list(struct ipsec_roce *h, ipsec_roce_policy_fn fn, void *arg)
{
	struct xfrm_userpolicy_id all = { 0 };
	struct walk w = { fn, arg };

	request_name(h, "list the policies");
	request_begin(h, FAMILY_XFRM, XFRM_MSG_GETPOLICY, NLM_F_DUMP, &all, sizeof(all));
	return request_call(h, on_listed, &w);
}
