// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Selectors against flow keys: what matches, and what may match because it is hidden.
 */
#include "unit.h"
#include "flows.h"

#include <arpa/inet.h>

#include "core/selector.h"

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
	};

	return cmocka_run_group_tests_name("selector", tests, rand_setup, NULL);
}
