// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The input as a series of operations on a replay window, held against the model: infer,
 * check, accept, and the way through xfrm's form and back.
 */
#include "fuzz.h"
#include "replay_model.h"
#include "core/replay.h"

static void through_xfrm(struct iroce_replay *w)
{
	u32 bmp[IROCE_REPLAY_BITS_MAX / 32], seq, seq_hi;
	struct iroce_replay back;

	iroce_replay_export(w, &seq, &seq_hi, bmp);
	MUST(!iroce_replay_import(&back, w->bits, w->is_esn, seq, seq_hi, bmp));
	*w = back;
}

static u64 pick(struct input *in, const struct iroce_replay *w)
{
	u64 ring = (u64)w->ring_mask + 1;

	switch (take(in, 1) % 6) {
	case 0:
		return take(in, 8);
	case 1:
		return w->top + take(in, 1);
	case 2:
		return w->top - take(in, 2);
	case 3:
		return w->top - w->bits + 2 - take(in, 1) % 4;
	case 4:
		return w->top + ring * (take(in, 1) % 4) + take(in, 1) - 128;
	default:
		return ((w->top >> 32) + take(in, 1) % 3 - 1) << 32 | (u32)take(in, 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	u32 bits = 1 + take(&in, 2) % IROCE_REPLAY_BITS_MAX;
	u8 how = take(&in, 1);
	bool is_esn = how & 1;
	u64 top = how & 2 ? take(&in, is_esn ? 8 : 4) : 0;
	struct replay_model m;
	struct iroce_replay w;
	u64 seq, got = 0, want = 0;
	int err, steps = 0;

	MUST(!iroce_replay_init(&w, bits, is_esn, top));
	replay_model_init(&m, bits, is_esn, top);
	while (in.size && steps++ < 2000) {
		if (take(&in, 1) == 0xff)
			through_xfrm(&w);
		seq = pick(&in, &w);
		err = iroce_replay_infer(&w, cpu_to_be32((u32)seq), &got);
		MUST(err == replay_model_infer(&m, (u32)seq, &want));
		MUST(err || got == want);
		MUST(iroce_replay_check(&w, seq) == replay_model_check(&m, seq));
		MUST(iroce_replay_accept(&w, seq) == replay_model_accept(&m, seq));
		MUST(w.top == m.top);
	}
	replay_model_fini(&m);
	return 0;
}
