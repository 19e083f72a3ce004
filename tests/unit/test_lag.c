// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The port of a flow: the hash against values computed from the words of
 * Documentation/networking/bonding.rst, the choice against its promises for every set of ports.
 */
#include "unit.h"
#include <arpa/inet.h>
#include "core/lag.h"

#define ALL_SETS (1U << IROCE_LAG_SLOTS)
#define SOME_HASHES 97

static struct iroce_flow_key flow(const char *saddr, const char *daddr, u16 sport)
{
	struct iroce_flow_key key = {
		.sport = htons(sport),
		.dport = htons(4791),
		.family = strchr(saddr, ':') ? AF_INET6 : AF_INET,
		.proto = 17,
	};

	assert_int_equal(inet_pton(key.family, saddr, &key.saddr), 1);
	assert_int_equal(inet_pton(key.family, daddr, &key.daddr), 1);
	return key;
}

static void hash_is_that_of_the_bonding_driver(void **state)
{
	struct iroce_flow_key key;

	(void)state;
	if (htonl(1) == 1)
		skip(); /* the values are those of a little-endian machine, as bonding's are */
	key = flow("192.168.5.1", "192.168.5.2", 49152);
	assert_int_equal(iroce_lag_hash(&key), 0x5a535333);
	key = flow("10.0.0.1", "10.9.8.7", 65535);
	assert_int_equal(iroce_lag_hash(&key), 0x58d5aed1);
	key = flow("fd00:1:2:3::a", "fd00:9::b:c", 50000);
	assert_int_equal(iroce_lag_hash(&key), 0x5d547899);
}

static void both_ways_of_a_flow_have_one_hash_and_nothing_but_addresses_and_ports_counts(void **state)
{
	struct iroce_flow_key key = flow("10.0.0.1", "10.0.0.2", 50001), back = key;

	(void)state;
	back.saddr = key.daddr;
	back.daddr = key.saddr;
	assert_int_equal(iroce_lag_hash(&key), iroce_lag_hash(&back));
	back.proto = 6;
	back.flags = IROCE_FLOW_PORTS_UNKNOWN;
	assert_int_equal(iroce_lag_hash(&key), iroce_lag_hash(&back));
}

static void a_flow_leaves_by_a_usable_port_or_not_at_all(void **state)
{
	u32 present, usable, hash;
	int slot;

	(void)state;
	for (present = 0; present < ALL_SETS; present++)
		for (usable = 0; usable < ALL_SETS; usable++)
			for (hash = 0; hash < SOME_HASHES; hash++) {
				slot = iroce_lag_pick(hash, present, usable);
				if (!(present & usable))
					assert_int_equal(slot, IROCE_LAG_NO_SLOT);
				else
					assert_true(present & usable & 1U << slot);
			}
}

static void a_flow_moves_only_when_its_own_port_goes_and_is_back_when_that_is(void **state)
{
	u32 present, usable, hash;
	int own, slot;

	(void)state;
	for (present = 1; present < ALL_SETS; present++)
		for (hash = 0; hash < SOME_HASHES; hash++) {
			own = iroce_lag_pick(hash, present, present);
			for (usable = 0; usable < ALL_SETS; usable++) {
				slot = iroce_lag_pick(hash, present, usable);
				assert_int_equal(slot == own, !!(present & usable & 1U << own));
			}
		}
}

static void flows_spread_evenly_over_the_ports_and_over_those_that_are_left(void **state)
{
	u32 n[IROCE_LAG_SLOTS] = { 0 }, left[IROCE_LAG_SLOTS] = { 0 }, hash;

	(void)state;
	for (hash = 0; hash < 6000; hash++) {
		n[iroce_lag_pick(hash, 0x0f, 0x0f)]++;
		left[iroce_lag_pick(hash, 0x0f, 0x0e)]++;
	}
	assert_int_equal(n[0], 1500);
	assert_int_equal(n[1], 1500);
	assert_int_equal(n[2], 1500);
	assert_int_equal(n[3], 1500);
	assert_int_equal(left[0], 0);
	assert_int_equal(left[1], 2000);
	assert_int_equal(left[2], 2000);
	assert_int_equal(left[3], 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_that_of_the_bonding_driver),
		cmocka_unit_test(
			both_ways_of_a_flow_have_one_hash_and_nothing_but_addresses_and_ports_counts),
		cmocka_unit_test(a_flow_leaves_by_a_usable_port_or_not_at_all),
		cmocka_unit_test(
			a_flow_moves_only_when_its_own_port_goes_and_is_back_when_that_is),
		cmocka_unit_test(flows_spread_evenly_over_the_ports_and_over_those_that_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
