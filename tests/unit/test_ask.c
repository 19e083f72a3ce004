// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Questions to the key daemons (R9): one an interval for a policy and a pair of addresses, oldest
 * first, and never more memory.
 */
#include "unit.h"
#include <arpa/inet.h>
#include "core/ask.h"

#define INTERVAL 250

static struct iroce_ask ask;
static const char policies[2];

static int setup(void **state)
{
	iroce_ask_init(&ask, INTERVAL, 7);
	return rand_setup(state);
}

/* The @n-th peer below 10.0.0.0/8. */
static struct iroce_flow_key peer(u32 n)
{
	struct iroce_flow_key key = {
		.saddr = iroce_addr_v4(htonl(0x0affffff)),
		.daddr = iroce_addr_v4(htonl(0x0a000000 + n)),
		.sport = htons(50000),
		.dport = htons(4791),
		.family = AF_INET,
		.proto = 17,
	};

	return key;
}

static enum iroce_ask_answer note(u32 n, u64 now)
{
	struct iroce_flow_key key = peer(n);

	return iroce_ask_note(&ask, &policies[0], &key, now);
}

static void expect_next(u32 n)
{
	struct iroce_flow_key key, want = peer(n);

	assert_true(iroce_ask_next(&ask, &key));
	assert_memory_equal(&key.daddr, &want.daddr, sizeof(key.daddr));
	assert_int_equal(key.dport, want.dport);
}

static void expect_none(void)
{
	struct iroce_flow_key key;

	assert_false(iroce_ask_next(&ask, &key));
}

static void finding_R9_peers_of_one_policy_are_asked_for_at_once_and_in_their_order(void **state)
{
	u32 n;

	(void)state;
	for (n = 0; n < 20; n++)
		assert_int_equal(note(n, 0), IROCE_ASK_NEW);
	for (n = 0; n < 20; n++)
		expect_next(n);
	expect_none();
}

static void finding_R9_a_pair_is_asked_for_once_an_interval(void **state)
{
	struct iroce_flow_key key = peer(1);

	(void)state;
	assert_int_equal(note(1, 1000), IROCE_ASK_NEW);
	/* Another connection to the same peer is the same question. */
	key.sport = htons(50001);
	assert_int_equal(iroce_ask_note(&ask, &policies[0], &key, 1000), IROCE_ASK_SOON);
	/* Not asked yet, however late it is: it waits once. */
	assert_int_equal(note(1, 1000 + 9 * INTERVAL), IROCE_ASK_SOON);
	expect_next(1);
	expect_none();
	assert_int_equal(note(1, 1000 + INTERVAL), IROCE_ASK_NEW);
	expect_next(1);
	assert_int_equal(note(1, 1000 + 2 * INTERVAL - 1), IROCE_ASK_SOON);
	assert_int_equal(note(1, 1000 + 2 * INTERVAL), IROCE_ASK_NEW);
}

static void finding_R9_a_peer_that_never_answers_keeps_nobody_waiting(void **state)
{
	u64 now = 0;
	u32 i;

	(void)state;
	for (i = 0; i < 5000; i++, now += 3) {
		note(1, now);
		if (i % 1000)
			continue;
		assert_int_equal(note(100 + i, now), IROCE_ASK_NEW);
		if (ask.n_waiting == 2)
			expect_next(1);
		expect_next(100 + i);
		expect_none();
	}
}

/* By many seeds: in some of them two of the questions are in one set, and are compared. */
static void another_policy_family_or_way_is_another_question(void **state)
{
	struct iroce_flow_key key = peer(1), back = key, six = key;
	u32 seed;

	(void)state;
	back.saddr = key.daddr;
	back.daddr = key.saddr;
	six.family = AF_INET6;
	for (seed = 0; seed < 500; seed++) {
		iroce_ask_init(&ask, INTERVAL, seed);
		assert_int_equal(iroce_ask_note(&ask, &policies[0], &key, 0), IROCE_ASK_NEW);
		assert_int_equal(iroce_ask_note(&ask, &policies[1], &key, 0), IROCE_ASK_NEW);
		assert_int_equal(iroce_ask_note(&ask, &policies[0], &back, 0), IROCE_ASK_NEW);
		assert_int_equal(iroce_ask_note(&ask, &policies[0], &six, 0), IROCE_ASK_NEW);
		back.daddr = key.daddr;
		assert_int_equal(iroce_ask_note(&ask, &policies[0], &back, 0), IROCE_ASK_NEW);
		back.daddr = key.saddr;
	}
}

static void finding_R9_a_flood_of_addresses_is_refused_and_passes(void **state)
{
	u32 n, n_new = 0, n_full = 0;

	(void)state;
	for (n = 0; n < 100 * IROCE_ASK_MAX; n++) {
		switch (note(n, 5)) {
		case IROCE_ASK_NEW:
			n_new++;
			break;
		case IROCE_ASK_FULL:
			n_full++;
			break;
		default:
			fail();
		}
	}
	assert_int_equal(n_new, IROCE_ASK_MAX);
	assert_int_equal(n_new + n_full, n);
	assert_int_equal(ask.n_waiting, IROCE_ASK_MAX);
	/* Asked, but their interval is not over: still no place. Then all are free. */
	for (n = 0; n < IROCE_ASK_MAX; n++) {
		struct iroce_flow_key key;

		assert_true(iroce_ask_next(&ask, &key));
	}
	expect_none();
	assert_int_equal(note(1U << 23, 5 + INTERVAL - 1), IROCE_ASK_FULL);
	assert_int_equal(note(1U << 23, 5 + INTERVAL), IROCE_ASK_NEW);
	expect_next(1U << 23);
}

/* Against a queue that is as long as it needs to be. */
static void whatever_comes_leaves_once_and_oldest_first(void **state)
{
	static u32 model[100000];
	u32 first = 0, last = 0, i;
	u64 now = 0;

	(void)state;
	for (i = 0; i < 100000; i++) {
		u32 n = rand_below(600);

		now += rand_below(4);
		if (rand_below(3)) {
			if (note(n, now) == IROCE_ASK_NEW)
				model[last++] = n;
		} else if (first < last) {
			expect_next(model[first++]);
		} else {
			expect_none();
		}
	}
	while (first < last)
		expect_next(model[first++]);
	expect_none();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finding_R9_peers_of_one_policy_are_asked_for_at_once_and_in_their_order, setup),
		cmocka_unit_test_setup(finding_R9_a_pair_is_asked_for_once_an_interval, setup),
		cmocka_unit_test_setup(finding_R9_a_peer_that_never_answers_keeps_nobody_waiting, setup),
		cmocka_unit_test_setup(another_policy_family_or_way_is_another_question, setup),
		cmocka_unit_test_setup(finding_R9_a_flood_of_addresses_is_refused_and_passes, setup),
		cmocka_unit_test_setup(whatever_comes_leaves_once_and_oldest_first, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
