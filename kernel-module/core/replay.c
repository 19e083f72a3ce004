// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Anti-replay window with ESN (RFC 4303 section 3.4.3, appendix A2).
 * A bitmap as a ring: number s is bit s mod ring, so moving the window clears bits, never shifts.
 */
#include "replay.h"

static bool bit_get(const struct iroce_replay *w, u64 seq)
{
	u32 bit = seq & w->ring_mask;

	return READ_ONCE(w->bmp[bit / 64]) >> (bit % 64) & 1;
}

static void bit_set(struct iroce_replay *w, u64 seq)
{
	u32 bit = seq & w->ring_mask;
	u64 *word = &w->bmp[bit / 64];

	WRITE_ONCE(*word, *word | 1ULL << (bit % 64));
}

/* Forget the numbers of @n bits from @seq on; n <= ring. */
static void bits_clear(struct iroce_replay *w, u64 seq, u64 n)
{
	while (n) {
		u32 bit = seq & w->ring_mask;
		u32 in_word = 64 - bit % 64;
		u64 mask = ~0ULL << (bit % 64);
		u64 *word = &w->bmp[bit / 64];

		if (n < in_word) {
			in_word = n;
			mask &= ~0ULL >> (64 - bit % 64 - in_word);
		}
		WRITE_ONCE(*word, *word & ~mask);
		seq += in_word;
		n -= in_word;
	}
}

int iroce_replay_init(struct iroce_replay *w, u32 bits, bool is_esn, u64 top)
{
	u32 ring = 64;

	if (!bits || bits > IROCE_REPLAY_BITS_MAX)
		return -EINVAL;
	if (!is_esn && top > U32_MAX)
		return -ERANGE;

	while (ring < bits)
		ring *= 2;
	w->top = top;
	w->bits = bits;
	w->ring_mask = ring - 1;
	w->is_esn = is_esn;
	/* A preset counts all below it as seen: where it came from may have accepted them. */
	memset(w->bmp, top ? 0xff : 0, sizeof(w->bmp));
	return 0;
}

int iroce_replay_infer(const struct iroce_replay *w, __be32 seq, u64 *out)
{
	u64 top = smp_load_acquire(&w->top);
	u32 hi = top >> 32;
	u32 tl = top;
	u32 lo = be32_to_cpu(seq);
	u32 bottom = tl - w->bits + 1;

	if (!w->bits)
		return -ERANGE;
	if (!w->is_esn) {
		*out = lo;
		return 0;
	}

	if (tl >= w->bits - 1) {
		/*
		 * Case A: the window lies within one subspace.
		 *
		 *  hi:0                                            hi:2^32-1
		 *   |----------|=======window=======|-------------------|
		 *              bottom               tl
		 *   lo here is |<----------- lo here is of hi --------->|
		 *   of hi + 1
		 */
		if (lo < bottom) {
			if (hi == U32_MAX)
				return -ERANGE;
			hi++;
		}
	} else {
		/*
		 * Case B: the window spans two subspaces, bottom wrapped.
		 *
		 *  (hi-1):0                  (hi-1):2^32-1|hi:0
		 *   |----------------------|====window====|=====|--------|
		 *                          bottom               tl
		 *                          |<- lo here -->|<-- lo here is
		 *                            is of hi - 1      of hi ---->
		 */
		if (lo >= bottom) {
			if (!hi)
				return -ESTALE;
			hi--;
		}
	}
	*out = (u64)hi << 32 | lo;
	return 0;
}

int iroce_replay_check(const struct iroce_replay *w, u64 seq)
{
	/* Pairs with the release in accept: what it cleared for this top is seen cleared. */
	u64 top = smp_load_acquire(&w->top);

	if (!w->bits)
		return -ERANGE;
	if (!seq)
		return -EINVAL;
	if (!w->is_esn && seq > U32_MAX)
		return -ERANGE;

	/*
	 * Right of the window: new, the window would move.
	 *
	 *        |=====window=====|         seq
	 *     top-bits+1         top         ^
	 */
	if (seq > top)
		return 0;

	/*
	 * Left of the window: too old to tell.
	 *
	 *    seq      |=====window=====|
	 *     ^    top-bits+1         top
	 */
	if (top - seq >= w->bits)
		return -ESTALE;

	/*
	 * In the window: the bitmap knows.
	 *
	 *        |=====seq========|
	 *     top-bits+1  ^      top
	 */
	return bit_get(w, seq) ? -EALREADY : 0;
}

int iroce_replay_accept(struct iroce_replay *w, u64 seq)
{
	int err = iroce_replay_check(w, seq);
	u64 ring = (u64)w->ring_mask + 1;
	u64 step;

	if (err)
		return err;
	if (seq <= w->top) {
		bit_set(w, seq);
		return 0;
	}

	/*
	 * The numbers between were not seen; their places in the ring still tell of numbers one
	 * ring earlier.
	 *
	 *     |=====window=====|  cleared  seq
	 *                     top |<------->|
	 */
	step = seq - w->top;
	bits_clear(w, w->top + 1, step < ring ? step : ring);
	bit_set(w, seq);
	smp_store_release(&w->top, seq);
	return 0;
}

/* xfrm counts positions from (seq - 1) % width, in 32 bits, downward and around. */
static u32 export_pos(const struct iroce_replay *w, u32 back)
{
	u32 pos = ((u32)w->top - 1) % w->bits;

	return pos >= back ? pos - back : pos + w->bits - back;
}

void iroce_replay_export(const struct iroce_replay *w, u32 *seq, u32 *seq_hi, u32 *bmp)
{
	u32 back, pos;

	*seq = w->top;
	*seq_hi = w->top >> 32;
	memset(bmp, 0, iroce_replay_export_words(w) * sizeof(*bmp));
	for (back = 0; back < w->bits && back < w->top; back++) {
		if (!bit_get(w, w->top - back))
			continue;
		pos = export_pos(w, back);
		bmp[pos / 32] |= 1U << (pos % 32);
	}
}

u32 iroce_replay_export_legacy(const struct iroce_replay *w)
{
	u32 bitmap = 0;
	u32 back;

	for (back = 0; back < 32 && back < w->bits && back < w->top; back++)
		bitmap |= (u32)bit_get(w, w->top - back) << back;
	return bitmap;
}

int iroce_replay_import(struct iroce_replay *w, u32 bits, bool is_esn, u32 seq, u32 seq_hi,
			const u32 *bmp)
{
	u64 top = (u64)seq_hi << 32 | seq;
	u32 back, pos;
	int err;

	err = iroce_replay_init(w, bits, is_esn, top);
	if (err)
		return err;
	memset(w->bmp, 0, sizeof(w->bmp));
	for (back = 0; back < bits && back < top; back++) {
		pos = export_pos(w, back);
		if (bmp[pos / 32] >> (pos % 32) & 1)
			bit_set(w, top - back);
	}
	return 0;
}

int iroce_replay_import_legacy(struct iroce_replay *w, u32 bits, u32 seq, u32 bitmap)
{
	u32 back;
	int err;

	if (bits > 32)
		return -EINVAL;
	err = iroce_replay_init(w, bits, false, seq);
	if (err)
		return err;
	memset(w->bmp, 0, sizeof(w->bmp));
	for (back = 0; back < 32 && back < bits && back < seq; back++)
		if (bitmap >> back & 1)
			bit_set(w, seq - back);
	return 0;
}
