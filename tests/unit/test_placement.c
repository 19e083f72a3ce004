// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Choice of placement: every combination of facts, against the rules told another way.
 */
#include "unit.h"
#include <string.h>
#include "core/placement.h"

static struct iroce_place_facts facts(u8 mode, u8 dir, u8 wish, u32 bits)
{
	return (struct iroce_place_facts){
		.mode = mode,
		.dir = dir,
		.wish = wish,
		.n_ports = bits & 1 ? 2 : 0,
		.is_layer34 = bits & 2,
		.is_one_engine = bits & 4,
		.has_offload = bits & 8,
		.has_home = bits & 16,
		.is_key_taken = bits & 32,
	};
}

static bool is_ever_sound(const struct iroce_place_facts *f)
{
	return f->mode != IROCE_BOND_OTHER && f->n_ports && f->has_offload &&
	       (f->is_layer34 || f->mode == IROCE_BOND_ACTIVE_BACKUP) &&
	       !(f->is_key_taken && f->dir == IROCE_DIR_OUT);
}

/* How many engines may send under one key, and in how many windows a packet may be looked up. */
static bool is_sound(const struct iroce_place_facts *f, enum iroce_placement p)
{
	if (p == IROCE_PLACE_SHARED)
		return f->is_one_engine;
	if (p == IROCE_PLACE_OWNER)
		return f->mode == IROCE_BOND_ACTIVE_BACKUP;
	return f->dir == IROCE_DIR_IN || f->has_home;
}

static void each_choice_is_sound_and_each_refusal_has_its_words(void **state)
{
	enum iroce_placement p, got;
	struct iroce_place_facts f;
	enum iroce_place_reason r;
	u32 mode, dir, wish, bits;
	bool any;

	(void)state;
	for (mode = 0; mode < IROCE_BOND_N; mode++)
		for (dir = IROCE_DIR_IN; dir <= IROCE_DIR_OUT; dir++)
			for (wish = 0; wish < IROCE_PLACE_N; wish++)
				for (bits = 0; bits < 64; bits++) {
					f = facts(mode, dir, wish, bits);
					got = IROCE_PLACE_N;
					r = iroce_place(&f, &got);
					any = false;
					for (p = IROCE_PLACE_SHARED; p < IROCE_PLACE_N; p++)
						any |= (!wish || wish == p) && is_ever_sound(&f) &&
						       is_sound(&f, p);
					assert_int_equal(r == IROCE_PLACE_OK, any);
					if (r) {
						assert_int_equal(got, IROCE_PLACE_N);
						assert_true(strlen(iroce_place_text(r)) > 20);
						continue;
					}
					assert_true(is_sound(&f, got));
					assert_true(!wish || got == wish);
				}
}

static enum iroce_place_reason ask(u8 mode, u8 dir, u8 wish, u32 bits, enum iroce_placement *p)
{
	struct iroce_place_facts f = facts(mode, dir, wish, bits | 1 | 2 | 8);

	*p = IROCE_PLACE_ANY;
	return iroce_place(&f, p);
}

static void choice_is_the_one_of_the_design(void **state)
{
	const u32 one_engine = 4, home = 16;
	enum iroce_placement p;

	(void)state;
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, 0, one_engine, &p), IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_SHARED);
	assert_int_equal(ask(IROCE_BOND_ACTIVE_BACKUP, IROCE_DIR_IN, 0, one_engine, &p),
			 IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_SHARED);
	assert_int_equal(ask(IROCE_BOND_ACTIVE_BACKUP, IROCE_DIR_OUT, 0, 0, &p), IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_OWNER);
	assert_int_equal(ask(IROCE_BOND_ACTIVE_BACKUP, IROCE_DIR_IN, 0, 0, &p), IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_OWNER);
	assert_int_equal(ask(IROCE_BOND_8023AD, IROCE_DIR_OUT, 0, home, &p), IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_PER_PORT);
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, 0, home | one_engine, &p),
			 IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_PER_PORT);
	assert_int_equal(ask(IROCE_BOND_8023AD, IROCE_DIR_IN, 0, 0, &p), IROCE_PLACE_OK);
	assert_int_equal(p, IROCE_PLACE_PER_PORT);
}

static void what_would_repeat_a_nonce_is_refused_by_its_name(void **state)
{
	const u32 home = 16, key_taken = 32;
	enum iroce_placement p;

	(void)state;
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, 0, 0, &p), IROCE_PLACE_NO_HOME);
	assert_int_equal(ask(IROCE_BOND_8023AD, IROCE_DIR_OUT, IROCE_PLACE_PER_PORT, 0, &p),
			 IROCE_PLACE_NO_HOME);
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, IROCE_PLACE_SHARED, 0, &p),
			 IROCE_PLACE_NOT_ONE_ENGINE);
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, IROCE_PLACE_OWNER, 0, &p),
			 IROCE_PLACE_TWO_SENDERS);
	assert_int_equal(ask(IROCE_BOND_XOR, IROCE_DIR_OUT, 0, home | key_taken, &p),
			 IROCE_PLACE_KEY_TWICE);
	assert_int_equal(ask(IROCE_BOND_OTHER, IROCE_DIR_OUT, 0, 4, &p), IROCE_PLACE_MODE);
	assert_int_equal(p, IROCE_PLACE_ANY);
}

static void facts_without_sense_are_refused(void **state)
{
	struct iroce_place_facts f = facts(IROCE_BOND_N, IROCE_DIR_OUT, 0, 15);
	enum iroce_placement p;

	(void)state;
	assert_int_equal(iroce_place(&f, &p), IROCE_PLACE_BAD);
	f = facts(IROCE_BOND_XOR, IROCE_DIR_OUT + 1, 0, 15);
	assert_int_equal(iroce_place(&f, &p), IROCE_PLACE_BAD);
	f = facts(IROCE_BOND_XOR, IROCE_DIR_OUT, IROCE_PLACE_N, 15);
	assert_int_equal(iroce_place(&f, &p), IROCE_PLACE_BAD);
	memset(&f, 0, sizeof(f));
	assert_int_not_equal(iroce_place(&f, &p), IROCE_PLACE_OK);
	assert_string_equal(iroce_place_text(IROCE_PLACE_N_REASONS),
			    iroce_place_text(IROCE_PLACE_BAD));
	assert_null(iroce_placement_name(IROCE_PLACE_N));
	assert_string_equal(iroce_placement_name(IROCE_PLACE_PER_PORT), "per-port");
}

/* The numbers are those of <linux/if_bonding.h>, which the kernel and rtnetlink speak. */
static void only_a_bond_without_shape_is_refused_for_its_mode_or_hash(void **state)
{
	enum iroce_place_reason r;
	enum iroce_placement p;

	(void)state;
	for (unsigned int mode = BOND_MODE_ROUNDROBIN; mode <= BOND_MODE_ALB + 1; mode++)
		for (unsigned int hash = 0; hash <= BOND_XMIT_POLICY_VLAN_SRCMAC; hash++) {
			u32 layer34 = hash == BOND_XMIT_POLICY_LAYER34 ? 2 : 0;
			struct iroce_place_facts f =
				facts(iroce_bond_mode(mode), IROCE_DIR_IN, 0, 13 | layer34);

			r = iroce_place(&f, &p);
			assert_int_not_equal(r, IROCE_PLACE_BAD);
			assert_int_equal(iroce_bond_has_shape(mode, hash),
					 r != IROCE_PLACE_MODE && r != IROCE_PLACE_HASH);
		}
	assert_true(iroce_bond_has_shape(BOND_MODE_8023AD, BOND_XMIT_POLICY_LAYER34));
	assert_false(iroce_bond_has_shape(BOND_MODE_8023AD, BOND_XMIT_POLICY_LAYER2));
	assert_true(iroce_bond_has_shape(BOND_MODE_ACTIVEBACKUP, BOND_XMIT_POLICY_LAYER2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_choice_is_sound_and_each_refusal_has_its_words),
		cmocka_unit_test(choice_is_the_one_of_the_design),
		cmocka_unit_test(what_would_repeat_a_nonce_is_refused_by_its_name),
		cmocka_unit_test(facts_without_sense_are_refused),
		cmocka_unit_test(only_a_bond_without_shape_is_refused_for_its_mode_or_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
