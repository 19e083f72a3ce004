// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From an IP packet to the flow key that policies are matched against.
 * Follows xfrm's session decoding (flow dissector), but says what it could not see
 * instead of calling it 0.
 */
#include "flow.h"

/* Protocol numbers; the two worlds have them in different headers. */
#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_GRE 47
#define PROTO_ICMPV6 58
#define PROTO_DSTOPTS 60
#define PROTO_SCTP 132
#define PROTO_MH 135
#define PROTO_UDPLITE 136

#define IP4_MIN_LEN 20
#define IP4_FRAG 0x3fff /* more fragments, offset */
#define IP6_LEN 40
#define IP6_FRAG 0xfff9 /* offset, more fragments */

#define GRE_CSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_VERSION 0x0007
#define GRE_VERSION_PPTP 1

static u16 get_be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

/* The key stands for the ports; none and 0 are the same, as for xfrm. */
static bool gre_ports(const u8 *l4, size_t len, struct iroce_flow_key *out)
{
	size_t off = 4;
	u16 flags;

	if (len < 4)
		return false;
	flags = get_be16(l4);
	if ((flags & GRE_ROUTING) || (flags & GRE_VERSION) > GRE_VERSION_PPTP ||
	    !(flags & GRE_KEY))
		return true;
	if (flags & GRE_CSUM)
		off += 4;
	if (len < off + 4)
		return false;
	/* PPTP's upper half is a length, not part of the key. */
	if ((flags & GRE_VERSION) != GRE_VERSION_PPTP)
		out->sport = cpu_to_be16(get_be16(l4 + off));
	out->dport = cpu_to_be16(get_be16(l4 + off + 2));
	return true;
}

/* Fill the ports; false if the header is cut before them. */
static bool l4_ports(const u8 *l4, size_t len, struct iroce_flow_key *out)
{
	switch (out->proto) {
	case PROTO_TCP:
	case PROTO_UDP:
	case PROTO_UDPLITE:
	case PROTO_SCTP:
		if (len < 4)
			return false;
		out->sport = cpu_to_be16(get_be16(l4));
		out->dport = cpu_to_be16(get_be16(l4 + 2));
		return true;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (len < 2)
			return false;
		out->sport = cpu_to_be16(l4[0]);
		out->dport = cpu_to_be16(l4[1]);
		return true;
	case PROTO_MH:
		if (len < 3)
			return false;
		out->sport = cpu_to_be16(l4[2]);
		return true;
	case PROTO_GRE:
		return gre_ports(l4, len, out);
	default:
		/* Has no ports: that is known. */
		return true;
	}
}

static int from_ip4(const u8 *ip, size_t linear, struct iroce_flow_key *out, u32 *l4_off)
{
	size_t ihl;

	if (linear < IP4_MIN_LEN)
		return -EMSGSIZE;
	ihl = (ip[0] & 0xf) * 4U;
	if (ihl < IP4_MIN_LEN)
		return -EBADMSG;

	memset(out, 0, sizeof(*out));
	out->family = AF_INET;
	out->proto = ip[9];
	out->saddr = iroce_addr_get(AF_INET, ip + 12);
	out->daddr = iroce_addr_get(AF_INET, ip + 16);
	*l4_off = ihl;
	if ((get_be16(ip + 6) & IP4_FRAG) || ihl > linear ||
	    !l4_ports(ip + ihl, linear - ihl, out))
		out->flags = IROCE_FLOW_PORTS_UNKNOWN;
	return 0;
}

static bool is_ip6_ext(u8 proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_DSTOPTS ||
	       proto == PROTO_FRAGMENT;
}

/* Behind @off comes @proto; ends at the transport header or where the view ends. */
static u8 ip6_ext_walk(const u8 *ip, size_t linear, u8 *proto, size_t *off)
{
	while (is_ip6_ext(*proto)) {
		const u8 *ext = ip + *off;

		/* Each turn passes 8 bytes: the linear part bounds the loop. */
		if (linear < *off || linear - *off < 8)
			return IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
		if (*proto != PROTO_FRAGMENT) {
			*proto = ext[0];
			*off += (ext[1] + 1U) * 8;
			continue;
		}
		*proto = ext[0];
		*off += 8;
		/* An atomic fragment (RFC 6946) is a whole packet. */
		if (!(get_be16(ext + 2) & IP6_FRAG))
			continue;
		/* The first fragment could tell more than the others: judge all alike. */
		if (is_ip6_ext(*proto))
			return IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
		return IROCE_FLOW_PORTS_UNKNOWN;
	}
	return 0;
}

static int from_ip6(const u8 *ip, size_t linear, struct iroce_flow_key *out, u32 *l4_off)
{
	size_t off = IP6_LEN;
	u8 proto;

	if (linear < IP6_LEN)
		return -EMSGSIZE;

	memset(out, 0, sizeof(*out));
	out->family = AF_INET6;
	out->saddr = iroce_addr_v6(ip + 8);
	out->daddr = iroce_addr_v6(ip + 24);
	proto = ip[6];
	out->flags = ip6_ext_walk(ip, linear, &proto, &off);
	*l4_off = off;
	if (out->flags & IROCE_FLOW_PROTO_UNKNOWN)
		return 0;
	out->proto = proto;
	if (!out->flags && (off > linear || !l4_ports(ip + off, linear - off, out)))
		out->flags = IROCE_FLOW_PORTS_UNKNOWN;
	return 0;
}

int iroce_flow_from_ip(const void *ip, size_t linear, struct iroce_flow_key *out, u32 *l4_off)
{
	if (!linear)
		return -EMSGSIZE;
	switch (*(const u8 *)ip >> 4) {
	case 4:
		return from_ip4(ip, linear, out, l4_off);
	case 6:
		return from_ip6(ip, linear, out, l4_off);
	default:
		return -EPROTONOSUPPORT;
	}
}
