// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Matching of flows against xfrm's traffic selectors.
 * One matcher for the two answers "covers it" and "may cover it", so that they can't disagree.
 */
#include "selector.h"

bool iroce_selector_is_valid(const struct iroce_selector *sel)
{
	const union iroce_addr *s = &sel->saddr, *d = &sel->daddr;

	if (sel->family == AF_INET6)
		return sel->prefixlen_s <= 128 && sel->prefixlen_d <= 128;
	if (sel->family != AF_INET)
		return false;
	if (s->v6[1] | s->v6[2] | s->v6[3] | d->v6[1] | d->v6[2] | d->v6[3])
		return false;
	return sel->prefixlen_s <= 32 && sel->prefixlen_d <= 32;
}

bool iroce_selector_equal(const struct iroce_selector *a, const struct iroce_selector *b)
{
	/* By member: the structure has a hole at its end. */
	return iroce_addr_equal(&a->saddr, &b->saddr) && iroce_addr_equal(&a->daddr, &b->daddr) &&
	       a->sport == b->sport && a->sport_mask == b->sport_mask && a->dport == b->dport &&
	       a->dport_mask == b->dport_mask && a->family == b->family &&
	       a->prefixlen_s == b->prefixlen_s && a->prefixlen_d == b->prefixlen_d &&
	       a->proto == b->proto;
}

bool iroce_addr_in_prefix(const union iroce_addr *addr, const union iroce_addr *net, u8 len)
{
	u32 i;

	for (i = 0; i < len / 32; i++)
		if (addr->v6[i] != net->v6[i])
			return false;
	if (len % 32) {
		u32 diff = be32_to_cpu(addr->v6[i]) ^ be32_to_cpu(net->v6[i]);

		return !(diff >> (32 - len % 32));
	}
	return true;
}

/* @if_unknown: the answer where the selector asks for what is unknown of the flow */
static bool match(const struct iroce_selector *sel, const struct iroce_flow_key *flow,
		  bool if_unknown)
{
	if (!sel->family)
		return true;
	if (sel->family != flow->family ||
	    !iroce_addr_in_prefix(&flow->daddr, &sel->daddr, sel->prefixlen_d) ||
	    !iroce_addr_in_prefix(&flow->saddr, &sel->saddr, sel->prefixlen_s))
		return false;

	if (sel->proto) {
		if (flow->flags & IROCE_FLOW_PROTO_UNKNOWN) {
			if (!if_unknown)
				return false;
		} else if (sel->proto != flow->proto) {
			return false;
		}
	}

	if (!(sel->sport_mask | sel->dport_mask))
		return true;
	if (flow->flags & IROCE_FLOW_PORTS_UNKNOWN)
		return if_unknown;
	return !((flow->sport ^ sel->sport) & sel->sport_mask) &&
	       !((flow->dport ^ sel->dport) & sel->dport_mask);
}

bool iroce_selector_match(const struct iroce_selector *sel, const struct iroce_flow_key *flow)
{
	return match(sel, flow, false);
}

bool iroce_selector_may_match(const struct iroce_selector *sel,
			      const struct iroce_flow_key *flow)
{
	return match(sel, flow, true);
}
