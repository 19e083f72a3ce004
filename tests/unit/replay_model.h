/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The replay window as a child would write it: a list of all numbers that were accepted.
 * Unit tests and the fuzzer hold core against it. Slow, and meant to be obvious.
 */
#ifndef IROCE_REPLAY_MODEL_H
#define IROCE_REPLAY_MODEL_H

#include <stdlib.h>

#include "core/env.h"

struct replay_model {
	u64 *seen;
	size_t n;
	size_t room;
	u64 top;
	u64 preset; /* all up to here count as seen */
	u32 bits;
	bool is_esn;
};

static inline void replay_model_init(struct replay_model *m, u32 bits, bool is_esn, u64 preset)
{
	memset(m, 0, sizeof(*m));
	m->bits = bits;
	m->is_esn = is_esn;
	m->top = preset;
	m->preset = preset;
}

static inline void replay_model_fini(struct replay_model *m)
{
	free(m->seen);
}

static inline int replay_model_check(const struct replay_model *m, u64 seq)
{
	size_t i;

	if (seq == 0)
		return -EINVAL;
	if (!m->is_esn && seq > 0xffffffffU)
		return -ERANGE;
	if (seq <= m->top && m->top - seq >= m->bits)
		return -ESTALE;
	if (seq <= m->preset)
		return -EALREADY;
	for (i = m->n; i > 0; i--)
		if (m->seen[i - 1] == seq)
			return -EALREADY;
	return 0;
}

static inline int replay_model_accept(struct replay_model *m, u64 seq)
{
	int err = replay_model_check(m, seq);

	if (err)
		return err;
	if (m->n == m->room) {
		m->room = m->room ? 2 * m->room : 1024;
		m->seen = realloc(m->seen, m->room * sizeof(*m->seen));
		if (!m->seen)
			abort();
	}
	m->seen[m->n++] = seq;
	if (seq > m->top)
		m->top = seq;
	return 0;
}

/*
 * The only number with this low half that is neither left of the window nor 2^32 or more right of
 * its left edge; in 128 bits, where nothing wraps.
 */
static inline int replay_model_infer(const struct replay_model *m, u32 lo, u64 *out)
{
	__int128 bottom = (__int128)m->top - m->bits + 1;
	__int128 seq;
	int hi;

	if (!m->is_esn) {
		*out = lo;
		return 0;
	}
	for (hi = -1; hi <= 1; hi++) {
		seq = ((__int128)(m->top >> 32) + hi) * ((__int128)1 << 32) + lo;
		if (seq < bottom || seq >= bottom + ((__int128)1 << 32))
			continue;
		if (seq < 0)
			return -ESTALE;
		if (seq > (__int128)0xffffffffffffffffULL)
			return -ERANGE;
		*out = (u64)seq;
		return 0;
	}
	abort();
}

#endif /* IROCE_REPLAY_MODEL_H */
