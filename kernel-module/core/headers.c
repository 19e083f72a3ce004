// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * From an IP header to the flow key that policies are matched against.
 * Follows xfrm's session decoding (flow dissector), but says what it could not see
 * instead of calling it 0.
 */
#include "headers.h"
#include "roce.h"

#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ROUTING 43
#define PROTO_GRE 47
#define PROTO_ICMPV6 58
#define PROTO_DSTOPTS 60
#define PROTO_SCTP 132
#define PROTO_MH 135
#define PROTO_UDPLITE 136

#define IP4_OFFSET 0x1fff
#define IP4_MORE 0x2000
#define IP6_OFFSET 0xfff8
#define IP6_MORE 0x0001

#define GRE_CSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_VERSION 0x0007
#define GRE_VERSION_PPTP 1

/* The key stands for the ports; none and 0 are the same, as for xfrm. */
static bool gre_ports(const u8 *l4, size_t len, struct iroce_flow_key *out)
{
	size_t off = 4;
	u16 flags;

	if (len < 4)
		return false;
	flags = iroce_get_be16(l4);
	if ((flags & GRE_ROUTING) || (flags & GRE_VERSION) > GRE_VERSION_PPTP ||
	    !(flags & GRE_KEY))
		return true;
	if (flags & GRE_CSUM)
		off += 4;
	if (len < off + 4)
		return false;
	/* PPTP's upper half is a length, not part of the key. */
	if ((flags & GRE_VERSION) != GRE_VERSION_PPTP)
		out->sport = cpu_to_be16(iroce_get_be16(l4 + off));
	out->dport = cpu_to_be16(iroce_get_be16(l4 + off + 2));
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
		out->sport = cpu_to_be16(iroce_get_be16(l4));
		out->dport = cpu_to_be16(iroce_get_be16(l4 + 2));
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

/* What is at @l4, whose protocol is known. */
static void read_l4(struct iroce_headers *h, const u8 *frame, size_t linear)
{
	h->udp_dport = 0;
	h->is_cut = false;
	if (h->fragment != IROCE_FRAGMENT_LATER) {
		h->is_cut = linear < h->l4 ||
			    !l4_ports(frame + h->l4, linear - h->l4, &h->key);
		if (h->key.proto == PROTO_UDP)
			h->udp_dport = h->key.dport;
	}
	if (!h->is_cut && h->fragment == IROCE_FRAGMENT_NONE)
		return;
	/* The first fragment could tell more than the others: judge all alike. */
	h->key.sport = 0;
	h->key.dport = 0;
	h->key.flags = IROCE_FLOW_PORTS_UNKNOWN;
}

static void hide_proto(struct iroce_headers *h, bool is_cut)
{
	h->key.flags = IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
	h->udp_dport = 0;
	h->is_cut = is_cut;
}

static enum iroce_fragment fragment_of(bool has_offset, bool has_more)
{
	if (has_offset)
		return IROCE_FRAGMENT_LATER;
	return has_more ? IROCE_FRAGMENT_FIRST : IROCE_FRAGMENT_NONE;
}

static int read_ip4(struct iroce_headers *h, const u8 *frame, size_t linear)
{
	const u8 *ip = frame + h->l3;
	u32 ihl = (ip[0] & 0xf) * 4U;
	u16 frag = iroce_get_be16(ip + 6);

	if (ihl < IROCE_HEADERS_IP4_LEN)
		return -EBADMSG;
	h->key.family = AF_INET;
	h->key.proto = ip[9];
	h->key.saddr = iroce_addr_get(AF_INET, ip + 12);
	h->key.daddr = iroce_addr_get(AF_INET, ip + 16);
	h->proto_off = h->l3 + 9;
	h->l4 = h->l3 + ihl;
	h->fragment = fragment_of(frag & IP4_OFFSET, frag & IP4_MORE);
	read_l4(h, frame, linear);
	return 0;
}

static bool is_ip6_ext(u8 proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_DSTOPTS ||
	       proto == IROCE_PROTO_FRAGMENT;
}

/* Walks to the transport header, or to where the view or what can be known ends. */
static void read_ip6(struct iroce_headers *h, const u8 *frame, size_t linear)
{
	const u8 *ip = frame + h->l3;
	u8 proto = ip[6];

	h->key.family = AF_INET6;
	h->key.saddr = iroce_addr_v6(ip + 8);
	h->key.daddr = iroce_addr_v6(ip + 24);
	h->proto_off = h->l3 + 6;
	h->l4 = h->l3 + IROCE_HEADERS_IP6_LEN;
	h->fragment = IROCE_FRAGMENT_NONE;
	while (is_ip6_ext(proto)) {
		const u8 *ext = frame + h->l4;
		bool is_fragment = proto == IROCE_PROTO_FRAGMENT;
		u16 frag;

		/* Each turn passes 8 bytes: the view bounds the loop. */
		if (linear < h->l4 || linear - h->l4 < 8) {
			hide_proto(h, true);
			return;
		}
		proto = ext[0];
		h->proto_off = h->l4;
		h->l4 += is_fragment ? 8 : (ext[1] + 1U) * 8;
		if (!is_fragment)
			continue;
		/* An atomic fragment (RFC 6946) is a whole packet. */
		frag = iroce_get_be16(ext + 2);
		h->fragment = fragment_of(frag & IP6_OFFSET, frag & IP6_MORE);
		if (h->fragment == IROCE_FRAGMENT_NONE)
			continue;
		if (is_ip6_ext(proto)) {
			hide_proto(h, false);
			return;
		}
		break;
	}
	h->key.proto = proto;
	read_l4(h, frame, linear);
}

int iroce_headers_read_ip(struct iroce_headers *h, const void *frame, size_t linear)
{
	bool is_v6 = h->key.family == AF_INET6;

	memset(&h->key, 0, sizeof(h->key));
	if (!is_v6)
		return read_ip4(h, frame, linear);
	read_ip6(h, frame, linear);
	return 0;
}

enum iroce_answer iroce_headers_is_roce(const struct iroce_headers *h)
{
	if (h->fragment == IROCE_FRAGMENT_LATER)
		return IROCE_NO;
	if (h->key.flags & IROCE_FLOW_PROTO_UNKNOWN)
		return IROCE_PERHAPS;
	if (h->key.proto != PROTO_UDP)
		return IROCE_NO;
	if (h->is_cut)
		return IROCE_PERHAPS;
	return h->udp_dport == cpu_to_be16(IROCE_ROCE_PORT) ? IROCE_YES : IROCE_NO;
}
