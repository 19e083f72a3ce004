/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Traffic selectors as xfrm has them (struct xfrm_selector): prefixes, protocol, masked ports.
 * Used by policies (spd.h) and by SAs (sad.h).
 * Pure functions on caller's memory: callable from any context, no locks.
 */
#ifndef IROCE_CORE_SELECTOR_H
#define IROCE_CORE_SELECTOR_H

#include "flow.h"

/**
 * struct iroce_selector - which flows
 * @saddr: source prefix; bits beyond @prefixlen_s are ignored
 * @daddr: destination prefix, likewise
 * @sport: source port, or what xfrm takes for it
 * @sport_mask: bits of @sport that count; 0: any port
 * @dport: destination port, likewise
 * @dport_mask: bits of @dport that count; 0: any port
 * @family: AF_INET, AF_INET6; 0 (SAs only): no selector, everything matches
 * @prefixlen_s: bits of @saddr, 0..32 or 0..128
 * @prefixlen_d: bits of @daddr
 * @proto: IPPROTO_*; 0: any
 *
 * Copy of struct xfrm_selector without ifindex and user, which the module either refuses or has
 * already matched.
 */
struct iroce_selector {
	union iroce_addr saddr;
	union iroce_addr daddr;
	__be16 sport;
	__be16 sport_mask;
	__be16 dport;
	__be16 dport_mask;
	u16 family;
	u8 prefixlen_s;
	u8 prefixlen_d;
	u8 proto;
};

/* Family AF_INET or AF_INET6, prefixes within its length, an IPv4 address in v4 alone. */
bool iroce_selector_is_valid(const struct iroce_selector *sel);

/* The very same selector, as xfrm_policy_insert() compares: bits beyond the prefix count. */
bool iroce_selector_equal(const struct iroce_selector *a, const struct iroce_selector *b);

/* Does the prefix of @len bits of @net contain @addr? */
bool iroce_addr_in_prefix(const union iroce_addr *addr, const union iroce_addr *net, u8 len);

/**
 * iroce_selector_match - does the selector cover the flow?
 * @sel: selector
 * @flow: flow
 *
 * As xfrm_selector_match(). What is unknown of a flow (IROCE_FLOW_*_UNKNOWN) never matches a
 * selector that asks for it.
 *
 * Return: true if it does.
 */
bool iroce_selector_match(const struct iroce_selector *sel, const struct iroce_flow_key *flow);

/**
 * iroce_selector_may_match - could the selector cover the flow?
 * @sel: selector
 * @flow: flow
 *
 * As iroce_selector_match() where all is known; what is unknown may be anything. This is what fails
 * closed for policies that protect or block.
 *
 * Return: true if it could.
 */
bool iroce_selector_may_match(const struct iroce_selector *sel,
			      const struct iroce_flow_key *flow);

/**
 * iroce_selector_is_source_bound - does it leave out source ports that RoCEv2 may have?
 * @sport: the selector's source port
 * @sport_mask: its bits that count
 *
 * A queue pair's source port is any of 0xc000..0xffff (rdma_flow_label_to_udp_sport()), so a selector
 * may ask for the upper two bits, as they are, and for nothing else.
 *
 * Return: true if RoCE may come from a port that the selector does not have.
 */
static inline bool iroce_selector_is_source_bound(__be16 sport, __be16 sport_mask)
{
	const __be16 first = cpu_to_be16(0xc000);

	return (sport_mask & ~first) || ((sport ^ first) & sport_mask);
}

#endif /* IROCE_CORE_SELECTOR_H */
