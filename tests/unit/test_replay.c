// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Anti-replay window: each branch by hand, then random traffic against the model for every
 * width, with and without ESN, around 2^32 and 2^64.
 */
#include "unit.h"
#include "replay_model.h"
#include "core/replay.h"

#define G (1ULL << 32)

static void must_init(struct iroce_replay *w, u32 bits, bool is_esn, u64 top)
{
	/* What was there before must not matter. */
	memset(w, 0xa5, sizeof(*w));
	assert_int_equal(iroce_replay_init(w, bits, is_esn, top), 0);
}

static void must_accept(struct iroce_replay *w, u64 seq)
{
	assert_int_equal(iroce_replay_check(w, seq), 0);
	assert_int_equal(iroce_replay_accept(w, seq), 0);
}

static void must_refuse(struct iroce_replay *w, u64 seq, int err)
{
	struct iroce_replay before = *w;

	assert_int_equal(iroce_replay_check(w, seq), err);
	assert_int_equal(iroce_replay_accept(w, seq), err);
	assert_memory_equal(w, &before, sizeof(before));
}

static void window_width_is_one_to_4096_and_nothing_else(void **state)
{
	struct iroce_replay w;

	(void)state;
	assert_int_equal(iroce_replay_init(&w, 0, true, 0), -EINVAL);
	assert_int_equal(iroce_replay_init(&w, 4097, true, 0), -EINVAL);
	assert_int_equal(iroce_replay_init(&w, U32_MAX, true, 0), -EINVAL);
	assert_int_equal(iroce_replay_init(&w, 1, true, 0), 0);
	assert_int_equal(iroce_replay_init(&w, 4096, true, 0), 0);
	assert_int_equal(iroce_replay_init(&w, 64, false, G - 1), 0);
	assert_int_equal(iroce_replay_init(&w, 64, false, G), -ERANGE);
	assert_int_equal(iroce_replay_init(&w, 64, true, G), 0);
}

static void window_that_was_never_initialised_refuses_everything(void **state)
{
	struct iroce_replay w = { 0 };
	u64 seq;

	(void)state;
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(1), &seq), -ERANGE);
	must_refuse(&w, 1, -ERANGE);
	must_refuse(&w, 0, -ERANGE);
}

static void number_zero_is_refused_also_within_the_window(void **state)
{
	struct iroce_replay w;

	(void)state;
	must_init(&w, 64, true, 0);
	must_refuse(&w, 0, -EINVAL);
	must_accept(&w, 3);
	must_refuse(&w, 0, -EINVAL);
	/* Its low half alone may be 0 with ESN. */
	must_accept(&w, G);
}

static void same_number_is_accepted_once(void **state)
{
	struct iroce_replay w;
	u32 bits;
	u64 seq;

	(void)state;
	for (bits = 1; bits <= 4096; bits += bits < 70 ? 1 : 997) {
		must_init(&w, bits, false, 0);
		for (seq = 1; seq <= bits; seq++) {
			must_accept(&w, seq);
			must_refuse(&w, seq, -EALREADY);
		}
		for (seq = 1; seq <= bits; seq++)
			must_refuse(&w, seq, -EALREADY);
	}
}

static void left_edge_is_exactly_the_width(void **state)
{
	struct iroce_replay w;
	u32 bits;

	(void)state;
	for (bits = 1; bits <= 4096; bits++) {
		must_init(&w, bits, false, 0);
		must_accept(&w, 10000);
		must_refuse(&w, 10000 - bits, -ESTALE);
		must_refuse(&w, 1, -ESTALE);
		if (bits > 1)
			must_accept(&w, 10000 - bits + 1);
		must_refuse(&w, 10000 - bits + 1, -EALREADY);
	}
}

static void numbers_skipped_by_a_jump_are_accepted_later(void **state)
{
	static const u32 jumps[] = { 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 255, 256,
				     257, 1000, 4095, 4096, 4097, 100000 };
	struct iroce_replay w;
	size_t i;
	u64 seq, top = 300;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		must_init(&w, 256, false, 0);
		/* A full window, so that each stale bit would show. */
		for (seq = 1; seq <= top; seq++)
			must_accept(&w, seq);
		must_accept(&w, top + jumps[i]);
		for (seq = top + jumps[i] - 1; seq > top; seq--) {
			if (top + jumps[i] - seq >= 256)
				must_refuse(&w, seq, -ESTALE);
			else
				must_accept(&w, seq);
		}
	}
}

static void checking_never_moves_the_window(void **state)
{
	struct iroce_replay w, before;
	u64 out;
	int i;

	(void)state;
	must_init(&w, 64, true, 0);
	must_accept(&w, 100);
	before = w;
	for (i = 0; i < 1000; i++) {
		u64 seq = rand_u64();

		(void)!iroce_replay_check(&w, seq);
		(void)!iroce_replay_infer(&w, cpu_to_be32((u32)seq), &out);
	}
	assert_memory_equal(&w, &before, sizeof(w));
}

static void accept_looks_again_after_somebody_else_was_faster(void **state)
{
	struct iroce_replay w;

	(void)state;
	must_init(&w, 64, true, 0);
	assert_int_equal(iroce_replay_check(&w, 50), 0);
	must_accept(&w, 50); /* another CPU, the same packet twice */
	assert_int_equal(iroce_replay_accept(&w, 50), -EALREADY);

	assert_int_equal(iroce_replay_check(&w, 51), 0);
	must_accept(&w, 51 + 64); /* another CPU moves the window past it */
	assert_int_equal(iroce_replay_accept(&w, 51), -ESTALE);
}

static void preset_refuses_all_that_the_old_window_may_have_seen(void **state)
{
	struct iroce_replay w;
	u64 seq;

	(void)state;
	must_init(&w, 128, true, 5 * G + 1000);
	for (seq = 5 * G + 1000 - 127; seq <= 5 * G + 1000; seq++)
		must_refuse(&w, seq, -EALREADY);
	must_refuse(&w, 5 * G + 1000 - 128, -ESTALE);
	must_accept(&w, 5 * G + 1002);
	must_accept(&w, 5 * G + 1001);
	must_refuse(&w, 5 * G + 1000, -EALREADY);
}

static void without_esn_numbers_end_at_32_bits(void **state)
{
	struct iroce_replay w;
	u64 out;

	(void)state;
	must_init(&w, 64, false, 0);
	must_accept(&w, U32_MAX);
	must_refuse(&w, G, -ERANGE);
	must_refuse(&w, U64_MAX, -ERANGE);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(5), &out), 0);
	assert_true(out == 5);
	must_refuse(&w, 5, -ESTALE);
}

static void infer_picks_the_half_of_each_subspace(void **state)
{
	struct iroce_replay w;
	u64 out;

	(void)state;
	/* Case A: window [3G + 937, 3G + 1000]. */
	must_init(&w, 64, true, 3 * G + 1000);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(937), &out), 0);
	assert_true(out == 3 * G + 937);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(936), &out), 0);
	assert_true(out == 4 * G + 936);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(U32_MAX), &out), 0);
	assert_true(out == 3 * G + U32_MAX);

	/* The border of the cases: bottom exactly at 0. */
	must_init(&w, 64, true, 3 * G + 63);
	assert_int_equal(iroce_replay_infer(&w, 0, &out), 0);
	assert_true(out == 3 * G);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(U32_MAX), &out), 0);
	assert_true(out == 3 * G + U32_MAX);

	/* Case B: window [3G - 24, 3G + 39]. */
	must_init(&w, 64, true, 3 * G + 39);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-24), &out), 0);
	assert_true(out == 3 * G - 24);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-25), &out), 0);
	assert_true(out == 4 * G - 25);
	assert_int_equal(iroce_replay_infer(&w, 0, &out), 0);
	assert_true(out == 3 * G);
}

static void infer_refuses_numbers_before_the_first_and_behind_the_last(void **state)
{
	struct iroce_replay w;
	u64 out = 77;

	(void)state;
	must_init(&w, 64, true, 0);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-1), &out), -ESTALE);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-63), &out), -ESTALE);
	assert_true(out == 77);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-64), &out), 0);
	assert_true(out == G - 64);

	must_init(&w, 64, true, U64_MAX - 5);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(-1), &out), 0);
	assert_true(out == U64_MAX);
	assert_int_equal(iroce_replay_infer(&w, cpu_to_be32(3), &out), -ERANGE);
	must_accept(&w, U64_MAX);
	must_refuse(&w, U64_MAX, -EALREADY);
	must_accept(&w, U64_MAX - 1);
}

static void late_packets_are_accepted_across_the_32_bit_border(void **state)
{
	struct iroce_replay w;
	u64 seq, out;

	(void)state;
	must_init(&w, 256, true, G - 200);
	must_accept(&w, G + 10);
	for (seq = G - 199; seq < G + 10; seq++) {
		assert_int_equal(iroce_replay_infer(&w, cpu_to_be32((u32)seq), &out), 0);
		assert_true(out == seq);
		must_accept(&w, out);
		must_refuse(&w, out, -EALREADY);
	}
}

/* Where the next random number comes from: near the window's edges, rings and halves. */
static u64 next_seq(const struct iroce_replay *w, u64 last)
{
	u64 ring = (u64)w->ring_mask + 1;

	switch (rand_below(12)) {
	case 0:
	case 1:
	case 2:
		return w->top + 1;
	case 3:
		return w->top + 1 + rand_below(8);
	case 4:
		return w->top + rand_below(2 * w->bits + 2);
	case 5:
	case 6:
	case 7:
		return w->top - rand_below(w->bits);
	case 8:
		return w->top - w->bits + 1 - rand_below(3);
	case 9:
		return last + ring * rand_below(3) - ring;
	case 10:
		return last;
	default:
		return w->top + rand_below(8) * (ring / 2) + rand_below(3) - 1;
	}
}

static void step_both(struct iroce_replay *w, struct replay_model *m, u64 seq)
{
	u64 got = 0, want = 0;
	int err;

	err = iroce_replay_infer(w, cpu_to_be32((u32)seq), &got);
	assert_int_equal(err, replay_model_infer(m, (u32)seq, &want));
	if (!err)
		assert_true(got == want);
	err = replay_model_check(m, seq);
	assert_int_equal(iroce_replay_check(w, seq), err);
	if (rand_below(4) == 0)
		return; /* the packet did not authenticate */
	assert_int_equal(iroce_replay_accept(w, seq), replay_model_accept(m, seq));
	assert_true(w->top == m->top);
}

static void run_both(u32 bits, bool is_esn, u64 preset, int steps)
{
	struct replay_model m;
	struct iroce_replay w;
	u64 seq = 1;

	must_init(&w, bits, is_esn, preset);
	replay_model_init(&m, bits, is_esn, preset);
	while (steps--) {
		seq = next_seq(&w, seq);
		step_both(&w, &m, seq);
	}
	replay_model_fini(&m);
}

static void every_width_agrees_with_the_model(void **state)
{
	u32 bits;

	(void)state;
	for (bits = 1; bits <= 4096; bits++) {
		run_both(bits, false, 0, 100);
		run_both(bits, true, 0, 100);
		run_both(bits, true, (1 + rand_below(1000)) * G - rand_below(2 * bits), 100);
		run_both(bits, false, G - 1 - rand_below(50 * bits), 60);
		run_both(bits, true, -(u64)1 - rand_below(50 * bits), 60);
	}
}

static void long_traffic_agrees_with_the_model(void **state)
{
	static const u32 widths[] = { 1, 32, 33, 64, 65, 100, 128, 256, 1024, 4095, 4096 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		run_both(widths[i], false, 0, 6000);
		run_both(widths[i], true, 7 * G - 2 * widths[i], 6000);
	}
}

/*
 * xfrm's own reading of its bitmap (xfrm_replay_check_esn), for a number in the window:
 * what ip -s xfrm state, and the kernel after an import, take it to mean.
 */
static bool xfrm_has_seen(u32 bits, u32 top, const u32 *bmp, u32 diff)
{
	u32 pos = (top - 1) % bits;
	u32 nr = pos >= diff ? (pos - diff) % bits : bits - (diff - pos);

	return bmp[nr / 32] >> (nr % 32) & 1;
}

static void random_window(struct iroce_replay *w, u32 bits, bool is_esn, u64 base)
{
	int i;

	must_init(w, bits, is_esn, 0);
	(void)!iroce_replay_accept(w, base + 1);
	for (i = 0; i < 200; i++)
		(void)!iroce_replay_accept(w, base + 1 + rand_below(2 * bits + 8));
}

static void export_shows_what_xfrm_would_show(void **state)
{
	struct iroce_replay w;
	u32 bmp[128], seq, seq_hi;
	u32 bits, diff, shown;
	int i;

	(void)state;
	for (bits = 1; bits <= 4096; bits += bits < 300 ? 1 : 61) {
		u64 base = rand_below(3) * G - (rand_below(2) ? rand_below(3 * bits) : 0);

		if ((s64)base < 0)
			base = 0;
		random_window(&w, bits, true, base);
		memset(bmp, 0xff, sizeof(bmp));
		assert_int_equal(iroce_replay_export_words(&w), (bits + 31) / 32);
		iroce_replay_export(&w, &seq, &seq_hi, bmp);
		assert_true(((u64)seq_hi << 32 | seq) == w.top);
		shown = 0;
		for (diff = 0; diff < bits; diff++) {
			bool is_seen = diff < w.top &&
				       iroce_replay_check(&w, w.top - diff) == -EALREADY;

			assert_int_equal(xfrm_has_seen(bits, seq, bmp, diff), is_seen);
			shown += is_seen;
		}
		/* And not a bit more. */
		for (i = 0; i < (int)((bits + 31) / 32); i++)
			shown -= __builtin_popcount(bmp[i]);
		assert_int_equal(shown, 0);
	}
}

static void import_takes_back_what_export_gave(void **state)
{
	struct iroce_replay w, back;
	u32 bmp[128], seq, seq_hi, bits;
	u64 s;

	(void)state;
	for (bits = 1; bits <= 4096; bits += bits < 300 ? 1 : 61) {
		random_window(&w, bits, true, rand_below(3) * G + rand_below(100));
		iroce_replay_export(&w, &seq, &seq_hi, bmp);
		memset(&back, 0x5a, sizeof(back));
		assert_int_equal(iroce_replay_import(&back, bits, true, seq, seq_hi, bmp), 0);
		for (s = w.top + 2; s > w.top - bits - 2 && s; s--)
			assert_int_equal(iroce_replay_check(&back, s), iroce_replay_check(&w, s));
	}
	assert_int_equal(iroce_replay_import(&back, 0, true, 1, 0, bmp), -EINVAL);
	assert_int_equal(iroce_replay_import(&back, 5000, true, 1, 0, bmp), -EINVAL);
	assert_int_equal(iroce_replay_import(&back, 64, false, 1, 1, bmp), -ERANGE);
}

static void fresh_window_exports_an_empty_bitmap(void **state)
{
	struct iroce_replay w;
	u32 bmp[2] = { 1, 1 }, seq, seq_hi;

	(void)state;
	must_init(&w, 64, true, 0);
	iroce_replay_export(&w, &seq, &seq_hi, bmp);
	assert_int_equal(seq | seq_hi | bmp[0] | bmp[1], 0);
	assert_int_equal(iroce_replay_export_legacy(&w), 0);
}

static void legacy_bitmap_counts_down_from_the_top(void **state)
{
	struct iroce_replay w, back;

	(void)state;
	must_init(&w, 32, false, 0);
	must_accept(&w, 100);
	must_accept(&w, 98);
	must_accept(&w, 69);
	assert_int_equal(iroce_replay_export_legacy(&w), 0x80000005);
	assert_int_equal(iroce_replay_import_legacy(&back, 32, 100, 0x80000005), 0);
	must_refuse(&back, 100, -EALREADY);
	must_refuse(&back, 98, -EALREADY);
	must_refuse(&back, 69, -EALREADY);
	must_refuse(&back, 68, -ESTALE);
	must_accept(&back, 99);
	assert_int_equal(iroce_replay_import_legacy(&back, 33, 100, 5), -EINVAL);
	assert_int_equal(iroce_replay_import_legacy(&back, 0, 100, 5), -EINVAL);

	/* A narrow window shows no more than its width. */
	must_init(&w, 3, false, 0);
	must_accept(&w, 1);
	must_accept(&w, 2);
	must_accept(&w, 3);
	must_accept(&w, 4);
	assert_int_equal(iroce_replay_export_legacy(&w), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_width_is_one_to_4096_and_nothing_else),
		cmocka_unit_test(window_that_was_never_initialised_refuses_everything),
		cmocka_unit_test(number_zero_is_refused_also_within_the_window),
		cmocka_unit_test(same_number_is_accepted_once),
		cmocka_unit_test(left_edge_is_exactly_the_width),
		cmocka_unit_test(numbers_skipped_by_a_jump_are_accepted_later),
		cmocka_unit_test(checking_never_moves_the_window),
		cmocka_unit_test(accept_looks_again_after_somebody_else_was_faster),
		cmocka_unit_test(preset_refuses_all_that_the_old_window_may_have_seen),
		cmocka_unit_test(without_esn_numbers_end_at_32_bits),
		cmocka_unit_test(infer_picks_the_half_of_each_subspace),
		cmocka_unit_test(infer_refuses_numbers_before_the_first_and_behind_the_last),
		cmocka_unit_test(late_packets_are_accepted_across_the_32_bit_border),
		cmocka_unit_test(every_width_agrees_with_the_model),
		cmocka_unit_test(long_traffic_agrees_with_the_model),
		cmocka_unit_test(export_shows_what_xfrm_would_show),
		cmocka_unit_test(import_takes_back_what_export_gave),
		cmocka_unit_test(fresh_window_exports_an_empty_bitmap),
		cmocka_unit_test(legacy_bitmap_counts_down_from_the_top),
	};

	return cmocka_run_group_tests_name("replay", tests, rand_setup, NULL);
}
