// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Flow keys from packets, and selectors against flow keys: what is seen, what is hidden, and what
 * follows from either.
 */
#include "unit.h"

#include <arpa/inet.h>

#include "core/selector.h"

static union iroce_addr ip4(const char *s)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, s, &a), 1);
	return iroce_addr_v4(a.s_addr);
}

static union iroce_addr ip6(const char *s)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return iroce_addr_v6(&a);
}

static struct iroce_flow_key flow4(void)
{
	struct iroce_flow_key f = {
		.family = AF_INET,
		.saddr = ip4("10.1.2.3"),
		.daddr = ip4("10.1.2.4"),
		.proto = IPPROTO_UDP,
		.sport = htons(50000),
		.dport = htons(4791),
	};

	return f;
}

static struct iroce_selector sel4(void)
{
	struct iroce_selector s = {
		.family = AF_INET,
		.saddr = ip4("10.1.2.3"),
		.daddr = ip4("10.1.2.4"),
		.prefixlen_s = 32,
		.prefixlen_d = 32,
		.proto = IPPROTO_UDP,
		.dport = htons(4791),
		.dport_mask = 0xffff,
	};

	return s;
}

static void prefix_compares_exactly_its_length(void **state)
{
	union iroce_addr net = ip6("2001:db8:1234:5678:9abc:def0:1234:5678");
	int len, bit;

	(void)state;
	for (len = 0; len <= 128; len++) {
		assert_true(iroce_addr_in_prefix(&net, &net, len));
		for (bit = 0; bit < 128; bit++) {
			union iroce_addr a = net;

			((u8 *)&a)[bit / 8] ^= 0x80 >> (bit % 8);
			assert_int_equal(iroce_addr_in_prefix(&a, &net, len), bit >= len);
		}
	}
}

static void selector_without_family_matches_everything(void **state)
{
	struct iroce_selector sel = { .proto = 6, .dport_mask = 0xffff };
	struct iroce_flow_key f = flow4();

	(void)state;
	assert_true(iroce_selector_match(&sel, &f));
	assert_true(iroce_selector_may_match(&sel, &f));
}

static void each_part_of_a_selector_can_refuse(void **state)
{
	const struct iroce_selector sel = sel4();
	struct iroce_flow_key f = flow4();

	(void)state;
	assert_true(iroce_selector_match(&sel, &f));
	f.sport = htons(1);
	assert_true(iroce_selector_match(&sel, &f));

	f = flow4();
	f.family = AF_INET6;
	assert_false(iroce_selector_match(&sel, &f));
	f = flow4();
	f.saddr = ip4("10.1.2.4");
	assert_false(iroce_selector_match(&sel, &f));
	f = flow4();
	f.daddr = ip4("10.1.2.5");
	assert_false(iroce_selector_match(&sel, &f));
	f = flow4();
	f.proto = IPPROTO_TCP;
	assert_false(iroce_selector_match(&sel, &f));
	f = flow4();
	f.dport = htons(4792);
	assert_false(iroce_selector_match(&sel, &f));
}

static void port_masks_look_at_their_bits_only(void **state)
{
	struct iroce_selector sel = sel4();
	struct iroce_flow_key f = flow4();

	(void)state;
	sel.sport = htons(0xc300);
	sel.sport_mask = htons(0xff00);
	f.sport = htons(0xc3ff);
	assert_true(iroce_selector_match(&sel, &f));
	f.sport = htons(0xc4ff);
	assert_false(iroce_selector_match(&sel, &f));
	/* Bits of the selector's port outside its mask say nothing. */
	sel.sport = htons(0xc355);
	f.sport = htons(0xc3aa);
	assert_true(iroce_selector_match(&sel, &f));
}

static void unknown_ports_may_match_but_do_not(void **state)
{
	struct iroce_selector sel = sel4();
	struct iroce_flow_key f = flow4();

	(void)state;
	f.flags = IROCE_FLOW_PORTS_UNKNOWN;
	f.sport = 0;
	f.dport = 0;
	assert_false(iroce_selector_match(&sel, &f));
	assert_true(iroce_selector_may_match(&sel, &f));
	/* Even where the selector asks for port 0. */
	sel.dport = 0;
	assert_false(iroce_selector_match(&sel, &f));
	/* A selector that does not ask for ports does not care. */
	sel.dport_mask = 0;
	assert_true(iroce_selector_match(&sel, &f));
	/* What is known still counts. */
	f.proto = IPPROTO_TCP;
	assert_false(iroce_selector_may_match(&sel, &f));
}

static void unknown_protocol_may_match_but_does_not(void **state)
{
	struct iroce_selector sel = sel4();
	struct iroce_flow_key f = flow4();

	(void)state;
	f.flags = IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
	f.proto = 0;
	assert_false(iroce_selector_match(&sel, &f));
	assert_true(iroce_selector_may_match(&sel, &f));
	sel.dport_mask = 0;
	assert_false(iroce_selector_match(&sel, &f));
	assert_true(iroce_selector_may_match(&sel, &f));
	sel.proto = 0;
	assert_true(iroce_selector_match(&sel, &f));
	f.daddr = ip4("10.1.2.9");
	assert_false(iroce_selector_may_match(&sel, &f));
}

static void validity_knows_families_prefixes_and_stray_address_bytes(void **state)
{
	struct iroce_selector sel = sel4();

	(void)state;
	assert_true(iroce_selector_is_valid(&sel));
	sel.prefixlen_s = 33;
	assert_false(iroce_selector_is_valid(&sel));
	sel.prefixlen_s = 32;
	sel.prefixlen_d = 33;
	assert_false(iroce_selector_is_valid(&sel));
	sel = sel4();
	sel.saddr.v6[3] = 1;
	assert_false(iroce_selector_is_valid(&sel));
	sel = sel4();
	sel.daddr.v6[1] = 1;
	assert_false(iroce_selector_is_valid(&sel));
	sel.family = AF_INET6;
	sel.prefixlen_s = 128;
	sel.prefixlen_d = 128;
	assert_true(iroce_selector_is_valid(&sel));
	sel.prefixlen_d = 129;
	assert_false(iroce_selector_is_valid(&sel));
	sel.prefixlen_d = 128;
	sel.prefixlen_s = 129;
	assert_false(iroce_selector_is_valid(&sel));
	sel = sel4();
	sel.family = 0;
	assert_false(iroce_selector_is_valid(&sel));
	sel.family = 7;
	assert_false(iroce_selector_is_valid(&sel));
}

static void equality_looks_at_every_member(void **state)
{
	struct iroce_selector a = sel4(), b = sel4();

	(void)state;
	assert_true(iroce_selector_equal(&a, &b));
#define DIFFERS(member, value)                          \
	do {                                            \
		b = sel4();                             \
		b.member = value;                       \
		assert_false(iroce_selector_equal(&a, &b)); \
	} while (0)
	DIFFERS(saddr, ip4("10.1.2.9"));
	DIFFERS(daddr, ip4("10.1.2.9"));
	DIFFERS(sport, 1);
	DIFFERS(sport_mask, 1);
	DIFFERS(dport, 1);
	DIFFERS(dport_mask, 1);
	DIFFERS(family, AF_INET6);
	DIFFERS(prefixlen_s, 31);
	DIFFERS(prefixlen_d, 31);
	DIFFERS(proto, 6);
#undef DIFFERS
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
	assert_int_equal(iroce_flow_from_ip(p + 1, len, &f, &off), 0);
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
			assert_int_equal(iroce_flow_from_ip(p, 20 + n, &f, &off), 0);
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
		assert_int_equal(iroce_flow_from_ip(p, 28, &f, &off), 0);
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
	assert_int_equal(iroce_flow_from_ip(p, 32, &f, &off), 0);
	assert_int_equal(off, 24);
	assert_int_equal(ntohs(f.dport), 4791);
	p[0] = 0x4f;
	assert_int_equal(iroce_flow_from_ip(p, 32, &f, &off), 0);
	assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN);
	p[0] = 0x44;
	assert_int_equal(iroce_flow_from_ip(p, 32, &f, &off), -EBADMSG);
}

static void short_or_foreign_packets_are_refused(void **state)
{
	struct iroce_flow_key f;
	u8 p[64] = { 0 };
	u32 off;
	int v;
	size_t n;

	(void)state;
	assert_int_equal(iroce_flow_from_ip(p, 0, &f, &off), -EMSGSIZE);
	for (v = 0; v < 16; v++) {
		p[0] = v << 4 | 5;
		if (v != 4 && v != 6)
			assert_int_equal(iroce_flow_from_ip(p, 64, &f, &off), -EPROTONOSUPPORT);
	}
	p[0] = 0x45;
	for (n = 1; n < 20; n++)
		assert_int_equal(iroce_flow_from_ip(p, n, &f, &off), -EMSGSIZE);
	p[0] = 0x60;
	for (n = 1; n < 40; n++)
		assert_int_equal(iroce_flow_from_ip(p, n, &f, &off), -EMSGSIZE);
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
	assert_int_equal(iroce_flow_from_ip(p, len, &f, &off), 0);
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
	assert_int_equal(iroce_flow_from_ip(p, len, &f, &off), 0);
	assert_int_equal(f.flags, 0);
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_int_equal(ntohs(f.dport), 4791);
	assert_int_equal(off, 80);

	for (n = 40; n < len; n++) {
		bool is_proto_seen = n >= 80;

		assert_int_equal(iroce_flow_from_ip(p, n, &f, &off), 0);
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
	assert_int_equal(iroce_flow_from_ip(p, len, &f, &off), 0);
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_int_equal(f.flags, IROCE_FLOW_PORTS_UNKNOWN);
	len = packet6(p, 0, exact, sizeof(exact));
	assert_int_equal(iroce_flow_from_ip(p, len, &f, &off), 0);
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
		assert_int_equal(iroce_flow_from_ip(p, len, &f, &off), 0);
		assert_int_equal(f.flags, cases[i].flags);
		assert_int_equal(f.proto,
				 cases[i].flags & IROCE_FLOW_PROTO_UNKNOWN ? 0 : IPPROTO_UDP);
		assert_int_equal(ntohs(f.dport), cases[i].flags ? 0 : 4791);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefix_compares_exactly_its_length),
		cmocka_unit_test(selector_without_family_matches_everything),
		cmocka_unit_test(each_part_of_a_selector_can_refuse),
		cmocka_unit_test(port_masks_look_at_their_bits_only),
		cmocka_unit_test(unknown_ports_may_match_but_do_not),
		cmocka_unit_test(unknown_protocol_may_match_but_does_not),
		cmocka_unit_test(validity_knows_families_prefixes_and_stray_address_bytes),
		cmocka_unit_test(equality_looks_at_every_member),
		cmocka_unit_test(ipv4_packet_gives_addresses_protocol_and_ports),
		cmocka_unit_test(ports_stand_where_xfrm_sees_them),
		cmocka_unit_test(every_ipv4_fragment_hides_its_ports),
		cmocka_unit_test(ipv4_options_are_skipped_or_hide_the_ports),
		cmocka_unit_test(short_or_foreign_packets_are_refused),
		cmocka_unit_test(ipv6_packet_gives_addresses_protocol_and_ports),
		cmocka_unit_test(ipv6_extension_headers_are_walked),
		cmocka_unit_test(ipv6_extension_that_points_past_the_linear_part_hides_what_follows),
		cmocka_unit_test(ipv6_fragments_hide_ports_and_sometimes_the_protocol),
	};

	return cmocka_run_group_tests_name("selector", tests, rand_setup, NULL);
}
