/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Anti-replay window (RFC 4303 section 3.4.3 and appendix A2), 1 to 4096 packets, with ESN.
 * Look, authenticate, commit; commit looks again:
 *
 *   err = infer(w, hdr->seq, &seq) ?: check(w, seq) ?: open(...) ?: accept(w, seq);
 *
 * infer and check take no lock and may run beside accept: what they say is a hint that
 * spares the cipher. accept, init, import and export need the SA's lock (or an SA that nobody
 * else sees yet): accept decides (I4).
 */
#ifndef IROCE_CORE_REPLAY_H
#define IROCE_CORE_REPLAY_H

#include "env.h"

#define IROCE_REPLAY_BITS_MAX 4096
#define IROCE_REPLAY_WORDS (IROCE_REPLAY_BITS_MAX / 64)

/**
 * struct iroce_replay - one SA's window
 * @top: highest sequence number that was accepted, 0 for none
 * @bits: width of the window in packets; 0: never initialised, refuses everything
 * @ring_mask: the ring's size - 1
 * @is_esn: sequence numbers have 64 bits
 * @bmp: one bit for each number in the ring, set if the number was seen
 *
 * Sequence number s lives in bit s mod ring of the bitmap, ring being the smallest power of
 * two >= max(bits, 64); the window itself is exactly @bits wide, no rounding.
 */
struct iroce_replay {
	u64 top;
	u32 bits;
	u32 ring_mask;
	bool is_esn;
	u64 bmp[IROCE_REPLAY_WORDS];
};

/**
 * iroce_replay_init - a window that has seen everything up to and including @top
 * @w: the window; the caller holds the SA's lock, or nobody else sees the SA yet
 * @bits: width, 1..4096; xfrm's replay_window as it is
 * @is_esn: 64-bit sequence numbers
 * @top: 0 for a fresh SA. Otherwise a preset (hand-over between ports): all numbers <= @top
 *       count as received and are refused, so a window moved here never accepts what the old
 *       one may have seen.
 *
 * Return: 0; -EINVAL width; -ERANGE @top does not fit 32 bits and @is_esn is false.
 */
int __must_check iroce_replay_init(struct iroce_replay *w, u32 bits, bool is_esn, u64 top);

/**
 * iroce_replay_infer - the full sequence number behind the 32 bits on the wire
 * @w: the window
 * @seq: low half as received
 * @out: written only on success
 *
 * RFC 4303 appendix A2.2: the high half is the one that puts the number nearest to the window.
 * Without ESN the number itself. Lock-free.
 *
 * Return: 0; -ESTALE the number could only lie before 0 (subspace B with a high half of 0);
 * -ERANGE beyond 2^64 - 1, or the window was never initialised.
 */
int __must_check iroce_replay_infer(const struct iroce_replay *w, __be32 seq, u64 *out);

/**
 * iroce_replay_check - would this number be accepted now?
 * @w: the window
 * @seq: the full sequence number, host order
 *
 * Lock-free; never changes the window, so that a forged packet can't move it.
 *
 * Return: 0; -EALREADY seen before; -ESTALE left of the window; -EINVAL number 0, never sent;
 * -ERANGE does not fit 32 bits without ESN, or the window was never initialised.
 */
int __must_check iroce_replay_check(const struct iroce_replay *w, u64 seq);

/**
 * iroce_replay_accept - commit an authenticated number
 * @w: the window; the caller holds the SA's lock
 * @seq: the full sequence number, host order
 *
 * Looks again: between check and accept another CPU may have accepted the same number or
 * moved the window past it.
 *
 * Return: as iroce_replay_check(); on error nothing changed and the packet must be dropped.
 */
int __must_check iroce_replay_accept(struct iroce_replay *w, u64 seq);

/* Words that iroce_replay_export() fills: xfrm's bmp_len for this width. */
static inline u32 iroce_replay_export_words(const struct iroce_replay *w)
{
	return (w->bits + 31) / 32;
}

/**
 * iroce_replay_export - the window in the form of xfrm's struct xfrm_replay_state_esn
 * @w: the window; the caller holds the SA's lock
 * @seq: top, low half
 * @seq_hi: top, high half
 * @bmp: iroce_replay_export_words() words; bit (seq - 1) % bits is the top,
 *       counting down (modulo bits) from there
 */
void iroce_replay_export(const struct iroce_replay *w, u32 *seq, u32 *seq_hi, u32 *bmp);

/**
 * iroce_replay_export_legacy - bitmap of xfrm's struct xfrm_replay_state
 * @w: the window; the caller holds the SA's lock
 *
 * Return: at most 32 bits: bit 0 is the top, bit i is top - i.
 */
u32 iroce_replay_export_legacy(const struct iroce_replay *w);

/**
 * iroce_replay_import - a window from xfrm's struct xfrm_replay_state_esn
 * @w: the window; nobody else may use it yet
 * @bits: width, 1..4096
 * @is_esn: sequence numbers have 64 bits
 * @seq: top, low half, host order
 * @seq_hi: top, high half
 * @bmp: (@bits + 31) / 32 words
 *
 * The inverse of iroce_replay_export(): takes over exactly what the bitmap says, numbers below
 * that it does not show as seen are accepted (as the kernel's own software path would).
 *
 * Return: as iroce_replay_init().
 */
int __must_check iroce_replay_import(struct iroce_replay *w, u32 bits, bool is_esn, u32 seq,
				     u32 seq_hi, const u32 *bmp);

/*
 * The same from struct xfrm_replay_state's 32-bit form (see iroce_replay_export_legacy); -EINVAL
 * also for @bits above 32, of which the form knows nothing.
 */
int __must_check iroce_replay_import_legacy(struct iroce_replay *w, u32 bits, u32 seq,
					    u32 bitmap);

#endif /* IROCE_CORE_REPLAY_H */
