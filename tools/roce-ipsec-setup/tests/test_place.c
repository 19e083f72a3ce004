// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which placement a bond of a shape gets, how many SAs that are, and in which words
 * it is refused. The linker puts the test in the place of the library's calls.
 */
#include <errno.h>
#include <linux/if_bonding.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/bond.h"
#include "tunnel/device.h"
#include "fake_report.h"

struct shape {
	uint8_t mode, hash;
	const char *engines;	/* a letter for each port: equal ones share SAs */
	int port_without;	/* offload; -1: all have it */
	enum ipsec_roce_place wish;
};

static const struct shape *shape;
static struct ipsec_roce *handle;

int __wrap_ipsec_roce_link_get(struct ipsec_roce *h, const char *dev,
			       struct ipsec_roce_link *link);
int __wrap_ipsec_roce_bond_get(struct ipsec_roce *h, const char *dev,
			       struct ipsec_roce_bond *bond);
int __wrap_ipsec_roce_port_list(struct ipsec_roce *h, const char *dev, ipsec_roce_port_fn fn,
				void *arg);
int __wrap_ipsec_roce_feature_get(struct ipsec_roce *h, const char *dev, const char *feature,
				  bool *is_on, bool *is_fixed);

int __wrap_ipsec_roce_link_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_link *link)
{
	(void)h;
	assert_string_equal(dev, "bond0");
	*link = (struct ipsec_roce_link){ .size = sizeof(*link), .name = "bond0", .kind = "bond",
					  .bond_mode = shape->mode, .bond_hash = shape->hash };
	return 0;
}

int __wrap_ipsec_roce_bond_get(struct ipsec_roce *h, const char *dev, struct ipsec_roce_bond *bond)
{
	(void)h;
	(void)dev;
	*bond = (struct ipsec_roce_bond){ .size = sizeof(*bond), .name = "bond0",
					  .placement = shape->wish,
					  .n_ports = strlen(shape->engines) };
	return 0;
}

int __wrap_ipsec_roce_port_list(struct ipsec_roce *h, const char *dev, ipsec_roce_port_fn fn,
				void *arg)
{
	(void)h;
	(void)dev;
	for (unsigned int i = 0; shape->engines[i]; i++) {
		struct ipsec_roce_port port = {
			.size = sizeof(port), .ifindex = 10 + i, .index = i,
			.engine = strchr(shape->engines, shape->engines[i]) - shape->engines,
		};

		snprintf(port.name, sizeof(port.name), "vf%u", i);
		fn(&port, arg);
	}
	return 0;
}

int __wrap_ipsec_roce_feature_get(struct ipsec_roce *h, const char *dev, const char *feature,
				  bool *is_on, bool *is_fixed)
{
	(void)h;
	assert_string_equal(feature, ESP_FEATURE);
	*is_on = false;
	*is_fixed = false;
	return atoi(dev + 2) == shape->port_without ? -EOPNOTSUPP : 0;
}

static int choose(const struct shape *of, unsigned int *count)
{
	struct tunnel t = { .dev = "bond0", .is_bond = true };
	struct setup s = { .h = handle };

	shape = of;
	*fault = *said = 0;
	return bond_choose(&s, &t, count);
}

#define XOR	BOND_MODE_XOR, BOND_XMIT_POLICY_LAYER34
#define LACP	BOND_MODE_8023AD, BOND_XMIT_POLICY_LAYER34
#define BACKUP	BOND_MODE_ACTIVEBACKUP, BOND_XMIT_POLICY_LAYER2

static void sound_shapes_get_their_placement_and_are_told_why(void **state)
{
	static const struct {
		struct shape shape;
		unsigned int count;
		const char *words;
	} good[] = {
		{ { XOR, "aa", -1, IPSEC_ROCE_PLACE_ANY }, 1,
		  "placement shared: the ports vf0, vf1" },
		{ { LACP, "aa", -1, IPSEC_ROCE_PLACE_ANY }, 1, "shared" },
		{ { BACKUP, "aa", -1, IPSEC_ROCE_PLACE_ANY }, 1, "shared" },
		{ { BACKUP, "ab", -1, IPSEC_ROCE_PLACE_ANY }, 1, "placement owner" },
		{ { XOR, "ab", -1, IPSEC_ROCE_PLACE_ANY }, 2, "placement per-port" },
		{ { LACP, "aab", -1, IPSEC_ROCE_PLACE_ANY }, 3, "per-port" },
		{ { XOR, "aa", -1, IPSEC_ROCE_PLACE_PER_PORT }, 2, "per-port" },
		{ { XOR, "a", -1, IPSEC_ROCE_PLACE_ANY }, 1, "one port, vf0" },
		{ { XOR, "abcdefgh", -1, IPSEC_ROCE_PLACE_ANY }, 8, "vf7" },
	};
	unsigned int count;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(choose(&good[i].shape, &count), 0);
		assert_int_equal(count, good[i].count);
		if (!strstr(said, good[i].words))
			print_error("%zu: `%s`\n", i, said);
		assert_non_null(strstr(said, good[i].words));
	}
}

static void unsound_shapes_are_refused_by_the_rule(void **state)
{
	static const struct {
		struct shape shape;
		const char *words;
	} bad[] = {
		{ { XOR, "", -1, IPSEC_ROCE_PLACE_ANY }, "add ports first" },
		{ { BOND_MODE_ROUNDROBIN, BOND_XMIT_POLICY_LAYER34, "aa", -1,
		    IPSEC_ROCE_PLACE_ANY }, "use 802.3ad, balance-xor or active-backup" },
		{ { BOND_MODE_XOR, BOND_XMIT_POLICY_LAYER23, "aa", -1, IPSEC_ROCE_PLACE_ANY },
		  "use layer3+4" },
		{ { XOR, "aa", 1, IPSEC_ROCE_PLACE_ANY }, "port vf1" },
		{ { XOR, "ab", -1, IPSEC_ROCE_PLACE_SHARED }, "would repeat nonces" },
		{ { XOR, "ab", -1, IPSEC_ROCE_PLACE_OWNER }, "active-backup" },
	};
	unsigned int count;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(choose(&bad[i].shape, &count), -EOPNOTSUPP);
		if (!strstr(fault, bad[i].words))
			print_error("%zu: `%s`\n", i, fault);
		assert_non_null(strstr(fault, bad[i].words));
		assert_string_equal(said, "");
	}
}

/* A peer that has an SA per port hears each at one port at a time. */
static void ports_that_are_asked_for_are_not_shared(void **state)
{
	static const struct shape one = { XOR, "aa", -1, IPSEC_ROCE_PLACE_ANY };
	static const struct shape backup = { BACKUP, "ab", -1, IPSEC_ROCE_PLACE_ANY };
	struct tunnel t = { .dev = "bond0", .is_bond = true, .pairs = 2 };
	struct setup s = { .h = handle };
	unsigned int count;

	(void)state;
	shape = &one;
	assert_int_equal(bond_choose(&s, &t, &count), 0);
	assert_int_equal(count, 2);
	assert_non_null(strstr(said, "as --ports asks"));
	shape = &backup;
	assert_int_equal(bond_choose(&s, &t, &count), 0);
	assert_int_equal(count, 1);
	assert_non_null(strstr(said, "placement owner"));
}

static void homes_go_round_the_ports(void **state)
{
	static const struct shape three = { XOR, "abc", -1, IPSEC_ROCE_PLACE_ANY };
	struct tunnel t = { .dev = "bond0", .is_bond = true };
	struct setup s = { .h = handle };
	unsigned int home;

	(void)state;
	shape = &three;
	for (unsigned int n = 0; n < 8; n++) {
		assert_int_equal(bond_home(&s, &t, n, &home), 0);
		assert_int_equal(home, 10 + n % 3);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_shapes_get_their_placement_and_are_told_why),
		cmocka_unit_test(unsound_shapes_are_refused_by_the_rule),
		cmocka_unit_test(ports_that_are_asked_for_are_not_shared),
		cmocka_unit_test(homes_go_round_the_ports),
	};
	int err;

	if (ipsec_roce_open(&handle))
		return 1;
	err = cmocka_run_group_tests(tests, NULL, NULL);
	ipsec_roce_close(handle);
	return err;
}
