/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Addresses and flow keys: what the SPD and SA selectors are matched against. How to get
 * them from a packet: headers.h.
 * Pure functions on caller's memory: callable from any context, no locks.
 */
#ifndef IROCE_CORE_FLOW_H
#define IROCE_CORE_FLOW_H

#include "env.h"

/* An IPv4 address sits in v4 and the other 12 bytes are zero: compare all 16 always. */
union iroce_addr {
	__be32 v4;
	__be32 v6[4];
};

static_assert(sizeof(union iroce_addr) == 16, "no holes: addresses are compared as memory");

static inline union iroce_addr iroce_addr_v4(__be32 v4)
{
	union iroce_addr a = { .v6 = { v4, 0, 0, 0 } };

	return a;
}

/* @p: 16 bytes, any alignment */
static inline union iroce_addr iroce_addr_v6(const void *p)
{
	union iroce_addr a;

	memcpy(&a, p, sizeof(a));
	return a;
}

/* @p: an xfrm_address_t or an address as in a packet; reads 4 or 16 bytes by @family */
static inline union iroce_addr iroce_addr_get(u16 family, const void *p)
{
	union iroce_addr a = { .v6 = { 0, 0, 0, 0 } };

	memcpy(&a, p, family == AF_INET6 ? 16 : 4);
	return a;
}

static inline bool iroce_addr_equal(const union iroce_addr *a, const union iroce_addr *b)
{
	return !(((__force u32)(a->v6[0] ^ b->v6[0])) | ((__force u32)(a->v6[1] ^ b->v6[1])) |
		 ((__force u32)(a->v6[2] ^ b->v6[2])) | ((__force u32)(a->v6[3] ^ b->v6[3])));
}

static inline bool iroce_addr_is_any(const union iroce_addr *a)
{
	return !(a->v6[0] | a->v6[1] | a->v6[2] | a->v6[3]);
}

/*
 * What can't be seen: the ports of a fragment or of a cut transport header; the protocol where
 * IPv6 extension headers are cut or hidden behind a fragment header. Such a packet must not
 * slip past a policy that asks for them: see struct iroce_spd_node.is_bypass.
 */
#define IROCE_FLOW_PORTS_UNKNOWN 0x01
#define IROCE_FLOW_PROTO_UNKNOWN 0x02 /* never without IROCE_FLOW_PORTS_UNKNOWN */

/**
 * struct iroce_flow_key - what a policy or an SA selector looks at
 * @saddr: source address
 * @daddr: destination address
 * @sport: source port, or what xfrm takes for it; 0 where unknown
 * @dport: destination port, likewise
 * @family: AF_INET or AF_INET6
 * @proto: IPPROTO_* of the transport header; 0 where unknown
 * @flags: IROCE_FLOW_*: what is unknown
 *
 * Ports as xfrm sees them (xfrm_flowi_sport/dport): UDP, TCP, SCTP, UDP-Lite their ports;
 * ICMP and ICMPv6 type as sport and code as dport; MIPv6 MH type as sport; GRE the upper and
 * lower half of the key; 0 for all others.
 */
struct iroce_flow_key {
	union iroce_addr saddr;
	union iroce_addr daddr;
	__be16 sport;
	__be16 dport;
	u16 family;
	u8 proto;
	u8 flags;
};

#endif /* IROCE_CORE_FLOW_H */
