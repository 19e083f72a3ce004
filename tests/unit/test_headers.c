// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Headers of frames: which frame is IP, which is not, which cannot be told; what is seen of a flow
 * and what is hidden. Each view of a frame is memory of its own, so that ASan sees its end.
 */
#include "unit.h"
#include "flows.h"

#include <arpa/inet.h>

#include "core/headers.h"

/* ---- from the IP header on ---- */

/* A packet without a frame, as its first byte says. */
static int read_flow(const void *ip, size_t linear, struct iroce_flow_key *f, u32 *l4)
{
	u16 ethertype = *(const u8 *)ip >> 4 == 6 ? IROCE_ETHERTYPE_IP6 : IROCE_ETHERTYPE_IP4;
	struct iroce_headers h = { .l3 = 0 };
	int err = iroce_headers_find_ip_at(&h, ip, linear, ethertype);

	if (!err)
		err = iroce_headers_read_ip(&h, ip, linear);
	if (err)
		return err;
	*f = h.key;
	*l4 = h.l4;
	return 0;
}

/* Packets: bytes of an IPv4 header with the given protocol, followed by @l4. */
static size_t packet4(u8 *p, u8 proto, const void *l4, size_t l4_len)
{
	static const u8 hdr[20] = { 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 0, 0, 0, 10, 1, 2, 3,
				    10, 1, 2, 4 };

	memcpy(p, hdr, 20);
	p[9] = proto;
	memcpy(p + 20, l4, l4_len);
	return 20 + l4_len;
}

static void ipv4_packet_gives_addresses_protocol_and_ports(void **state)
{
	static const u8 udp[8] = { 0xc3, 0x50, 0x12, 0xb7, 0, 40, 0, 0 };
	struct iroce_flow_key f, want = flow4();
	u8 p[64];
	u32 off;
	size_t len = packet4(p + 1, IPPROTO_UDP, udp, 8);

	(void)state;
	assert_int_equal(read_flow(p + 1, len, &f, &off), 0);
	assert_memory_equal(&f, &want, sizeof(f));
	assert_int_equal(off, 20);
}

static void ports_stand_where_xfrm_sees_them(void **state)
{
	static const struct {
		u8 proto;
		u8 l4[16];
		u8 need; /* bytes of the transport header until the ports are known */
		u16 sport, dport;
	} cases[] = {
		{ IPPROTO_TCP, { 1, 2, 3, 4 }, 4, 0x0102, 0x0304 },
		{ IPPROTO_UDP, { 1, 2, 3, 4 }, 4, 0x0102, 0x0304 },
		{ IPPROTO_SCTP, { 1, 2, 3, 4 }, 4, 0x0102, 0x0304 },
		{ IPPROTO_UDPLITE, { 1, 2, 3, 4 }, 4, 0x0102, 0x0304 },
		{ IPPROTO_ICMP, { 8, 5, 3, 4 }, 2, 8, 5 },
		{ IPPROTO_ICMPV6, { 135, 1, 3, 4 }, 2, 135, 1 },
		{ IPPROTO_MH, { 59, 1, 5, 0 }, 3, 5, 0 },
		{ IPPROTO_GRE, { 0x20, 0, 8, 0, 1, 2, 3, 4 }, 8, 0x0102, 0x0304 },
		{ IPPROTO_GRE, { 0xa0, 0, 8, 0, 9, 9, 0, 0, 1, 2, 3, 4 }, 12, 0x0102, 0x0304 },
		{ IPPROTO_GRE, { 0x00, 0, 8, 0, 1, 2, 3, 4 }, 4, 0, 0 }, /* no key */
		{ IPPROTO_GRE, { 0x20, 1, 8, 0, 1, 2, 3, 4 }, 8, 0, 0x0304 }, /* PPTP: call ID */
		{ IPPROTO_GRE, { 0x20, 2, 8, 0, 1, 2, 3, 4 }, 4, 0, 0 }, /* unknown version */
		{ IPPROTO_GRE, { 0x60, 0, 8, 0, 1, 2, 3, 4 }, 4, 0, 0 }, /* routing */
		{ IPPROTO_ESP, { 0, 0, 1, 1 }, 0, 0, 0 },
		{ 89, { 2, 1, 0, 0 }, 0, 0, 0 },
	};
	struct iroce_flow_key f;
	size_t i, n;
	u8 p[64];
	u32 off;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (n = 0; n <= 16; n++) {
			bool is_known = n >= cases[i].need;

			packet4(p, cases[i].proto, cases[i].l4, 16);
			assert_int_equal(read_flow(p, 20 + n, &f, &off), 0);
			assert_int_equal(f.proto, cases[i].proto);
			assert_int_equal(f.flags, is_known ? 0 : IROCE_FLOW_PORTS_UNKNOWN);
			assert_int_equal(ntohs(f.sport), is_known ? cases[i].sport : 0);
			assert_int_equal(ntohs(f.dport), is_known ? cases[i].dport : 0);
		}
	}
}

static void every_ipv4_fragment_hides_its_ports(void **state)
{
	static const u8 udp[8] = { 0xc3, 0x50, 0x12, 0xb7, 0, 40, 0, 0 };
	static const struct {
		u8 hi, lo;
		bool is_fragment;
	} cases[] = {
		{ 0x00, 0x00, false }, { 0x40, 0x00, false }, /* DF */
		{ 0x80, 0x00, false }, /* reserved bit */
		{ 0x20, 0x00, true }, /* first */
		{ 0x20, 0x10, true }, { 0x00, 0x10, true }, { 0x1f, 0xff, true },
	};
	struct iroce_flow_key f;
	size_t i;
	u8 p[64];
	u32 off;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		packet4(p, IPPROTO_UDP, udp, 8);
		p[6] = cases[i].hi;
		p[7] = cases[i].lo;
		assert_int_equal(read_flow(p, 28, &f, &off), 0);
		assert_int_equal(f.flags, cases[i].is_fragment ? IROCE_FLOW_PORTS_UNKNOWN : 0);
		assert_int_equal(ntohs(f.dport), cases[i].is_fragment ? 0 : 4791);
		assert_int_equal(f.proto, IPPROTO_UDP);
	}
}

static void ipv4_options_are_skipped_or_hide_the_ports(void **state)
{
	static const u8 udp[12] = { 1, 1, 1, 1, 0xc3, 0x50, 0x12, 0xb7, 0, 40, 0, 0 };
	struct iroce_flow_key f;
	u8 p[64];
	u32 off;

	(void)state;
	packet4(p, IPPROTO_UDP, udp, 12);
	p[0] = 0x46;
	assert_int_equal(read_flow(p, 32, &f, &off), 0);
	assert_int_equal(off, 24);
	assert_int_equal(ntohs(f.dport), 4791);
	p[0] = 0x4f;
	assert_int_equal(read_flow(p, 32, &f, &off), 0);
	assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN);
	p[0] = 0x44;
	assert_int_equal(read_flow(p, 32, &f, &off), -EBADMSG);
}

/* An IPv6 header with this first next-header value, followed by @rest. */
static size_t packet6(u8 *p, u8 next, const void *rest, size_t len)
{
	union iroce_addr s = ip6("2001:db8::1"), d = ip6("2001:db8::2");

	memset(p, 0, 40);
	p[0] = 0x60;
	p[6] = next;
	memcpy(p + 8, &s, 16);
	memcpy(p + 24, &d, 16);
	memcpy(p + 40, rest, len);
	return 40 + len;
}

static void ipv6_packet_gives_addresses_protocol_and_ports(void **state)
{
	static const u8 udp[8] = { 0xc3, 0x50, 0x12, 0xb7, 0, 40, 0, 0 };
	union iroce_addr s = ip6("2001:db8::1"), d = ip6("2001:db8::2");
	struct iroce_flow_key f;
	u8 p[64];
	u32 off;
	size_t len = packet6(p, IPPROTO_UDP, udp, 8);

	(void)state;
	assert_int_equal(read_flow(p, len, &f, &off), 0);
	assert_int_equal(f.family, AF_INET6);
	assert_true(iroce_addr_equal(&f.saddr, &s));
	assert_true(iroce_addr_equal(&f.daddr, &d));
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_int_equal(ntohs(f.sport), 50000);
	assert_int_equal(ntohs(f.dport), 4791);
	assert_int_equal(f.flags, 0);
	assert_int_equal(off, 40);
}

static void ipv6_extension_headers_are_walked(void **state)
{
	static const u8 rest[] = {
		60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* hop-by-hop, 16 bytes */
		43, 0, 0, 0, 0, 0, 0, 0, /* destination options */
		44, 0, 0, 0, 0, 0, 0, 0, /* routing */
		17, 0, 0, 0, 0, 0, 0, 1, /* atomic fragment: a whole packet */
		0xc3, 0x50, 0x12, 0xb7,
	};
	struct iroce_flow_key f;
	size_t n;
	u8 p[128];
	u32 off;
	size_t len = packet6(p, 0, rest, sizeof(rest));

	(void)state;
	assert_int_equal(read_flow(p, len, &f, &off), 0);
	assert_int_equal(f.flags, 0);
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_int_equal(ntohs(f.dport), 4791);
	assert_int_equal(off, 80);

	for (n = 40; n < len; n++) {
		bool is_proto_seen = n >= 80;

		assert_int_equal(read_flow(p, n, &f, &off), 0);
		assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN |
						  (is_proto_seen ? 0 : IROCE_FLOW_PROTO_UNKNOWN));
		assert_int_equal(f.proto, is_proto_seen ? IPPROTO_UDP : 0);
		assert_int_equal(f.dport, 0);
	}
}

static void ipv6_extension_that_points_past_the_linear_part_hides_what_follows(void **state)
{
	static const u8 rest[16] = { 17, 255 };
	static const u8 exact[8] = { 17, 0 };
	struct iroce_flow_key f;
	u8 p[128];
	u32 off;
	size_t len = packet6(p, 0, rest, sizeof(rest));

	(void)state;
	/* The protocol is named already, its header is out of sight. */
	assert_int_equal(read_flow(p, len, &f, &off), 0);
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN);
	len = packet6(p, 0, exact, sizeof(exact));
	assert_int_equal(read_flow(p, len, &f, &off), 0);
	assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN);
}

static void ipv6_fragments_hide_ports_and_sometimes_the_protocol(void **state)
{
	static const u8 udp[8] = { 0xc3, 0x50, 0x12, 0xb7, 0, 40, 0, 0 };
	static const struct {
		u8 next, off_hi, off_lo, flags;
	} cases[] = {
		{ 17, 0, 0x01, IROCE_FLOW_PORTS_UNKNOWN }, /* first */
		{ 17, 0, 0x09, IROCE_FLOW_PORTS_UNKNOWN },
		{ 17, 0xff, 0xf8, IROCE_FLOW_PORTS_UNKNOWN }, /* last */
		{ 17, 0, 0x06, 0 }, /* reserved bits: still a whole packet */
		{ 60, 0, 0x08, IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN },
		{ 60, 0, 0x01, IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN },
	};
	struct iroce_flow_key f;
	u8 p[128], rest[16] = { 0 };
	size_t i, len;
	u32 off;

	(void)state;
	memcpy(rest + 8, udp, 8);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		rest[0] = cases[i].next;
		rest[2] = cases[i].off_hi;
		rest[3] = cases[i].off_lo;
		len = packet6(p, 44, rest, sizeof(rest));
		assert_int_equal(read_flow(p, len, &f, &off), 0);
		assert_int_equal(f.flags, cases[i].flags);
		assert_int_equal(f.proto,
				 cases[i].flags & IROCE_FLOW_PROTO_UNKNOWN ? 0 : IPPROTO_UDP);
		assert_int_equal(ntohs(f.dport), cases[i].flags ? 0 : 4791);
	}
}

/* ---- from the Ethernet header on ---- */

#define VLAN 0x8100
#define QINQ 0x88a8
#define IP4 0x0800
#define IP6 0x86dd
#define ARP 0x0806

static const u8 udp_roce[8] = { 0xc3, 0x50, 0x12, 0xb7, 0, 8, 0, 0 };

static u8 *put_be16(u8 *p, u16 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
	return p + 2;
}

/* A frame with up to three tags (VLANs 0x101, 0x102, 0x103) around @payload. */
static size_t frame(u8 *p, const u16 *tags, u16 ethertype, const void *payload, size_t len)
{
	u8 *at = p + 12;
	int i;

	memset(p, 0x22, 12);
	for (i = 0; i < 3 && tags[i]; i++) {
		at = put_be16(at, tags[i]);
		at = put_be16(at, (u16)(0x101 + i));
	}
	at = put_be16(at, ethertype);
	memcpy(at, payload, len);
	return (size_t)(at - p) + len;
}

/* The first @linear bytes of a frame, in memory of their own. */
static int read_view(struct iroce_headers *h, const u8 *p, size_t linear)
{
	u8 *view = malloc(linear ? linear : 1);
	int err;

	assert_non_null(view);
	memcpy(view, p, linear);
	memset(h, 0xee, sizeof(*h));
	err = iroce_headers_read(h, view, linear);
	free(view);
	return err;
}

static void tags_are_looked_behind_up_to_the_limit(void **state)
{
	static const struct {
		u16 tags[3];
		int err, n_tags;
	} cases[] = {
		{ { 0, 0, 0 }, 0, 0 },
		{ { VLAN, 0, 0 }, 0, 1 },
		{ { QINQ, 0, 0 }, 0, 1 },
		{ { QINQ, VLAN, 0 }, 0, 2 },
		{ { VLAN, VLAN, 0 }, 0, 2 },
		{ { QINQ, QINQ, 0 }, 0, 2 },
		{ { VLAN, QINQ, 0 }, 0, 2 },
		{ { QINQ, VLAN, VLAN }, -EBADMSG, 0 },
		{ { VLAN, VLAN, QINQ }, -EBADMSG, 0 },
	};
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[64];
	size_t i, len;
	int v6;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (v6 = 0; v6 < 2; v6++) {
			len = v6 ? packet6(ip, IPPROTO_UDP, udp_roce, 8) :
				   packet4(ip, IPPROTO_UDP, udp_roce, 8);
			len = frame(p, cases[i].tags, v6 ? IP6 : IP4, ip, len);
			assert_int_equal(read_view(&h, p, len), cases[i].err);
			if (cases[i].err)
				continue;
			assert_int_equal(h.n_tags, cases[i].n_tags);
			assert_int_equal(h.l3, 14 + 4 * cases[i].n_tags);
			assert_int_equal(h.l4, h.l3 + (v6 ? 40 : 20));
			assert_int_equal(h.proto_off, h.l3 + (v6 ? 6 : 9));
			assert_int_equal(h.next, IPPROTO_UDP);
			assert_int_equal(h.key.family, v6 ? AF_INET6 : AF_INET);
			assert_int_equal(ntohs(h.key.dport), 4791);
			assert_int_equal(ntohs(h.udp_dport), 4791);
			assert_int_equal(iroce_headers_is_roce(&h), IROCE_YES);
			if (h.n_tags)
				assert_int_equal(ntohs(h.tci), 0x101);
		}
	}
}

static void a_third_tag_is_told_before_its_bytes_are_there(void **state)
{
	static const u16 tags[3] = { VLAN, VLAN, VLAN };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128];

	(void)state;
	frame(p, tags, IP4, udp_roce, 8);
	assert_int_equal(read_view(&h, p, 21), -EMSGSIZE);
	assert_int_equal(read_view(&h, p, 22), -EBADMSG);
}

static void what_is_not_ip_is_told_from_the_ethertype_alone(void **state)
{
	static const u16 types[] = { ARP, 0x88cc, 0x8915, 0x9100, 46, 0, 0xffff };
	static const u16 tags[3] = { QINQ, VLAN, 0 }, none[3] = { 0, 0, 0 };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		frame(p, none, types[i], udp_roce, 8);
		assert_int_equal(read_view(&h, p, 14), -EPROTONOSUPPORT);
		assert_int_equal(read_view(&h, p, 13), -EMSGSIZE);
		frame(p, tags, types[i], udp_roce, 8);
		assert_int_equal(read_view(&h, p, 22), -EPROTONOSUPPORT);
		assert_int_equal(read_view(&h, p, 21), -EMSGSIZE);
		assert_int_equal(read_view(&h, p, 17), -EMSGSIZE);
	}
}

static void a_header_that_its_ethertype_denies_cannot_be_told(void **state)
{
	static const u16 none[3] = { 0, 0, 0 };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[64] = { 0 };
	u8 version;

	(void)state;
	for (version = 0; version < 16; version++) {
		ip[0] = (u8)(version << 4 | 5);
		frame(p, none, IP4, ip, 40);
		assert_int_equal(read_view(&h, p, 54), version == 4 ? 0 : -EBADMSG);
		frame(p, none, IP6, ip, 40);
		assert_int_equal(read_view(&h, p, 54), version == 6 ? 0 : -EBADMSG);
	}
	for (version = 0; version < 5; version++) {
		ip[0] = 0x40 | version; /* words of the header */
		frame(p, none, IP4, ip, 40);
		assert_int_equal(read_view(&h, p, 54), -EBADMSG);
	}
}

/* Every shape of frame that the tests below cut; the frame's length. */
static size_t shape(u8 *p, int n, size_t *l3, size_t *l3_need, size_t *need)
{
	static const u16 tags[][3] = {
		{ 0, 0, 0 }, { VLAN, 0, 0 }, { QINQ, VLAN, 0 },
	};
	static const u8 options[12] = { 1, 1, 1, 1, 0xc3, 0x50, 0x12, 0xb7, 0, 8, 0, 0 };
	static const u8 ext[24] = { 60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 1, 0, 0, 0, 0, 0,
				    0xc3, 0x50, 0x12, 0xb7, 0, 8, 0, 0 };
	static const u8 first6[16] = { 17, 0, 0, 1, 0, 0, 0, 9,
				       0xc3, 0x50, 0x12, 0xb7, 0, 8, 0, 0 };
	const u16 *t = tags[n % 3];
	u8 ip[128];
	size_t len;

	*l3 = 14 + 4 * (n % 3);
	*l3_need = *l3 + 20;
	switch (n / 3) {
	case 0:
		len = packet4(ip, IPPROTO_UDP, udp_roce, 8);
		*need = *l3 + 24;
		break;
	case 1:
		len = packet4(ip, IPPROTO_UDP, options, 12);
		ip[0] = 0x46;
		*need = *l3 + 28;
		break;
	case 2:
		len = packet4(ip, IPPROTO_UDP, udp_roce, 8);
		ip[6] = 0x20; /* the first fragment */
		*need = *l3 + 24;
		break;
	case 3:
		len = packet6(ip, IPPROTO_UDP, udp_roce, 8);
		*need = *l3 + 44;
		break;
	case 4:
		len = packet6(ip, 0, ext, sizeof(ext));
		*need = *l3 + 60;
		break;
	case 5:
		len = packet6(ip, 44, first6, sizeof(first6));
		*need = *l3 + 52;
		break;
	default:
		return 0;
	}
	if (*ip >> 4 == 6)
		*l3_need = *l3 + 40;
	return frame(p, t, *ip >> 4 == 6 ? IP6 : IP4, ip, len);
}

static void every_cut_of_a_frame_says_that_it_cannot_be_told(void **state)
{
	size_t len, l3, l3_need, need, cut;
	struct iroce_headers whole, h;
	u8 p[192];
	int n;

	(void)state;
	for (n = 0; (len = shape(p, n, &l3, &l3_need, &need)); n++) {
		assert_int_equal(read_view(&whole, p, len), 0);
		assert_int_equal(iroce_headers_is_roce(&whole), IROCE_YES);
		assert_int_equal(whole.l3, l3);
		assert_false(whole.is_cut);
		for (cut = 0; cut < len; cut++) {
			int err = read_view(&h, p, cut);

			/* As far as the IP header there is nothing at all. */
			assert_int_equal(err, cut < l3_need ? -EMSGSIZE : 0);
			if (err)
				continue;
			assert_int_equal(h.l3, l3);
			assert_int_equal(h.is_cut, cut < need);
			assert_int_equal(iroce_headers_is_roce(&h),
					 cut < need ? IROCE_PERHAPS : IROCE_YES);
			if (cut < need) {
				assert_true(h.key.flags & IROCE_FLOW_PORTS_UNKNOWN);
				assert_int_equal(h.key.dport, 0);
				assert_int_equal(h.udp_dport, 0);
			} else {
				assert_memory_equal(&h.key, &whole.key, sizeof(h.key));
				assert_int_equal(h.l4, whole.l4);
				assert_int_equal(h.proto_off, whole.proto_off);
				assert_int_equal(h.fragment, whole.fragment);
			}
		}
	}
	assert_int_equal(n, 18);
}

static void fragments_are_first_or_later_and_the_first_shows_its_port(void **state)
{
	static const struct {
		u8 hi4, lo4, hi6, lo6;
		u8 fragment;
		u8 roce;
	} cases[] = {
		{ 0x40, 0x00, 0x00, 0x06, IROCE_FRAGMENT_NONE, IROCE_YES }, /* DF, reserved bits */
		{ 0x20, 0x00, 0x00, 0x01, IROCE_FRAGMENT_FIRST, IROCE_YES },
		{ 0x20, 0x01, 0x00, 0x09, IROCE_FRAGMENT_LATER, IROCE_NO },
		{ 0x00, 0x01, 0x00, 0x08, IROCE_FRAGMENT_LATER, IROCE_NO },
		{ 0x10, 0x00, 0x80, 0x00, IROCE_FRAGMENT_LATER, IROCE_NO },
		{ 0x1f, 0xff, 0xff, 0xf8, IROCE_FRAGMENT_LATER, IROCE_NO },
	};
	static const u16 none[3] = { 0, 0, 0 };
	u8 p[128], ip[64], rest[16] = { IPPROTO_UDP };
	struct iroce_headers h = { .l3 = 0 };
	size_t i, len;
	int v6;

	(void)state;
	memcpy(rest + 8, udp_roce, 8);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (v6 = 0; v6 < 2; v6++) {
			rest[2] = cases[i].hi6;
			rest[3] = cases[i].lo6;
			len = v6 ? packet6(ip, 44, rest, 16) :
				   packet4(ip, IPPROTO_UDP, udp_roce, 8);
			if (!v6) {
				ip[6] = cases[i].hi4;
				ip[7] = cases[i].lo4;
			}
			len = frame(p, none, v6 ? IP6 : IP4, ip, len);
			assert_int_equal(read_view(&h, p, len), 0);
			assert_int_equal(h.fragment, cases[i].fragment);
			assert_int_equal(iroce_headers_is_roce(&h), cases[i].roce);
			assert_int_equal(ntohs(h.udp_dport),
					 cases[i].roce == IROCE_YES ? 4791 : 0);
			/* The key of all fragments is the same. */
			assert_int_equal(h.key.flags,
					 cases[i].fragment ? IROCE_FLOW_PORTS_UNKNOWN : 0);
			assert_int_equal(ntohs(h.key.dport), cases[i].fragment ? 0 : 4791);
			assert_int_equal(h.key.proto, IPPROTO_UDP);
			assert_false(h.is_cut);
			/* A later fragment tells all it ever will from its IP headers. */
			assert_int_equal(read_view(&h, p, 14 + (v6 ? 48 : 20)), 0);
			assert_int_equal(h.is_cut, cases[i].fragment != IROCE_FRAGMENT_LATER);
		}
	}
}

static void the_byte_that_names_the_payload_is_in_the_last_header(void **state)
{
	static const u16 tags[3] = { QINQ, VLAN, 0 };
	/* An atomic fragment may have more extension headers behind it. */
	static const u8 rest[] = { 44, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 1,
				   17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				   0xc3, 0x50, 0x12, 0xb7 };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[96];
	size_t len;

	(void)state;
	len = frame(p, tags, IP6, ip, packet6(ip, 0, rest, sizeof(rest)));
	assert_int_equal(read_view(&h, p, len), 0);
	assert_int_equal(h.l3, 22);
	assert_int_equal(h.proto_off, 22 + 40 + 16);
	assert_int_equal(p[h.proto_off], h.key.proto);
	assert_int_equal(h.l4, 22 + 40 + 32);
	assert_int_equal(h.fragment, IROCE_FRAGMENT_NONE);
	assert_int_equal(h.next, 0);
	assert_int_equal(iroce_headers_is_roce(&h), IROCE_YES);
}

static void a_fragment_that_hides_its_protocol_is_perhaps_roce(void **state)
{
	static const u16 none[3] = { 0, 0, 0 };
	u8 p[128], ip[64], rest[16] = { 60, 0, 0, 1, 0, 0, 0, 9, IPPROTO_UDP };
	struct iroce_headers h = { .l3 = 0 };
	size_t len;

	(void)state;
	len = frame(p, none, IP6, ip, packet6(ip, 44, rest, 16));
	assert_int_equal(read_view(&h, p, len), 0);
	assert_int_equal(h.fragment, IROCE_FRAGMENT_FIRST);
	assert_int_equal(iroce_headers_is_roce(&h), IROCE_PERHAPS);
	/* More of the frame would not help. */
	assert_false(h.is_cut);
	rest[3] = 9;
	len = frame(p, none, IP6, ip, packet6(ip, 44, rest, 16));
	assert_int_equal(read_view(&h, p, len), 0);
	assert_int_equal(iroce_headers_is_roce(&h), IROCE_NO);
}

static void other_ports_and_protocols_are_not_roce(void **state)
{
	static const u16 none[3] = { 0, 0, 0 };
	static const u8 dns[8] = { 0x12, 0xb7, 0, 53, 0, 8, 0, 0 };
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_ESP, IPPROTO_SCTP, IPPROTO_UDPLITE,
				     IPPROTO_ICMP, 0xff };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[64];
	size_t i, len;

	(void)state;
	len = frame(p, none, IP4, ip, packet4(ip, IPPROTO_UDP, dns, 8));
	assert_int_equal(read_view(&h, p, len), 0);
	assert_int_equal(iroce_headers_is_roce(&h), IROCE_NO);
	assert_int_equal(ntohs(h.udp_dport), 53);
	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		len = frame(p, none, IP4, ip, packet4(ip, protos[i], udp_roce, 8));
		assert_int_equal(read_view(&h, p, len), 0);
		assert_int_equal(iroce_headers_is_roce(&h), IROCE_NO);
		assert_int_equal(iroce_headers_is_esp(&h), protos[i] == IPPROTO_ESP);
		assert_int_equal(h.udp_dport, 0);
		/* However little of it is seen. */
		assert_int_equal(read_view(&h, p, 34), 0);
		assert_int_equal(iroce_headers_is_roce(&h), IROCE_NO);
	}
}

static void the_caller_counts_the_tags_that_are_out_of_the_frame(void **state)
{
	static const u16 tags[3] = { VLAN, VLAN, 0 };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[64];
	size_t len;

	(void)state;
	len = frame(p, tags, IP4, ip, packet4(ip, IPPROTO_UDP, udp_roce, 8));
	memset(&h, 0xee, sizeof(h));
	h.l3 = 18;
	h.n_tags = 1;
	assert_int_equal(iroce_headers_find_ip_at(&h, p, len, VLAN), 0);
	assert_int_equal(h.l3, 22);
	assert_int_equal(h.n_tags, 2);
	h.l3 = 14;
	h.n_tags = 1;
	assert_int_equal(iroce_headers_find_ip_at(&h, p, len, VLAN), -EBADMSG);
}

static void flow_word_is_what_tells_flows_apart_or_0(void **state)
{
	static const u8 word[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const u16 tags[3] = { VLAN, 0, 0 };
	struct iroce_headers h = { .l3 = 0 };
	u8 p[128], ip[64];
	size_t len, n;
	u32 want;

	(void)state;
	memcpy(&want, word, 4);
	len = frame(p, tags, IP4, ip, packet4(ip, IPPROTO_ESP, word, 8));
	for (n = 38; n <= len; n++) {
		assert_int_equal(iroce_headers_find_ip(&h, p, n), 0);
		assert_int_equal(iroce_headers_flow_word(&h, p, n), n < 42 ? 0 : want);
	}
	p[18] = 0x46;
	memcpy(&want, word + 4, 4);
	assert_int_equal(iroce_headers_find_ip(&h, p, len), 0);
	assert_int_equal(iroce_headers_flow_word(&h, p, len), want);
	p[18] = 0x45;
	p[24] = 0x20;
	assert_int_equal(iroce_headers_flow_word(&h, p, len), 0);
	p[24] = 0;
	p[25] = 1;
	assert_int_equal(iroce_headers_flow_word(&h, p, len), 0);

	memcpy(&want, word, 4);
	len = frame(p, tags, IP6, ip, packet6(ip, IPPROTO_ESP, word, 8));
	for (n = 58; n <= len; n++) {
		assert_int_equal(iroce_headers_find_ip(&h, p, n), 0);
		assert_int_equal(iroce_headers_flow_word(&h, p, n), n < 62 ? 0 : want);
	}
	p[18 + 6] = 44;
	assert_int_equal(iroce_headers_find_ip(&h, p, len), 0);
	assert_int_equal(iroce_headers_flow_word(&h, p, len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_packet_gives_addresses_protocol_and_ports),
		cmocka_unit_test(ports_stand_where_xfrm_sees_them),
		cmocka_unit_test(every_ipv4_fragment_hides_its_ports),
		cmocka_unit_test(ipv4_options_are_skipped_or_hide_the_ports),
		cmocka_unit_test(ipv6_packet_gives_addresses_protocol_and_ports),
		cmocka_unit_test(ipv6_extension_headers_are_walked),
		cmocka_unit_test(ipv6_extension_that_points_past_the_linear_part_hides_what_follows),
		cmocka_unit_test(ipv6_fragments_hide_ports_and_sometimes_the_protocol),
		cmocka_unit_test(tags_are_looked_behind_up_to_the_limit),
		cmocka_unit_test(a_third_tag_is_told_before_its_bytes_are_there),
		cmocka_unit_test(what_is_not_ip_is_told_from_the_ethertype_alone),
		cmocka_unit_test(a_header_that_its_ethertype_denies_cannot_be_told),
		cmocka_unit_test(every_cut_of_a_frame_says_that_it_cannot_be_told),
		cmocka_unit_test(fragments_are_first_or_later_and_the_first_shows_its_port),
		cmocka_unit_test(the_byte_that_names_the_payload_is_in_the_last_header),
		cmocka_unit_test(a_fragment_that_hides_its_protocol_is_perhaps_roce),
		cmocka_unit_test(other_ports_and_protocols_are_not_roce),
		cmocka_unit_test(the_caller_counts_the_tags_that_are_out_of_the_frame),
		cmocka_unit_test(flow_word_is_what_tells_flows_apart_or_0),
	};

	return cmocka_run_group_tests_name("headers", tests, rand_setup, NULL);
}
