/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Questions to the key daemons that a function has open: which SA is missing, for which policy
 * and which pair of addresses. A policy and pair is asked for at most once an interval, and
 * questions leave in the order they came, so a peer that never answers costs the others nothing.
 *
 * The memory is bounded: pairs share sets of IROCE_ASK_WAYS places by a seeded hash. A pair whose
 * set has no place left is refused, which the caller counts; its next packet tries again.
 * All calls are serialised by the caller. Time is the caller's, in any unit that only grows.
 */
#ifndef IROCE_CORE_ASK_H
#define IROCE_CORE_ASK_H

#include "flow.h"

#define IROCE_ASK_WAYS 8
#define IROCE_ASK_SETS 32 /* a power of two */
#define IROCE_ASK_MAX (IROCE_ASK_WAYS * IROCE_ASK_SETS)

struct iroce_ask_entry {
	struct iroce_flow_key key; /* of the packet that asked first */
	const void *policy; /* compared alone, never followed */
	u64 again_at; /* before that the pair is not asked for again */
	bool is_used;
	bool is_waiting; /* in the queue: kept, however old */
};

struct iroce_ask {
	u64 interval;
	u32 seed;
	u16 first; /* of @queue */
	u16 n_waiting;
	u16 queue[IROCE_ASK_MAX]; /* a ring of indices of @entry, oldest first */
	struct iroce_ask_entry entry[IROCE_ASK_MAX];
};

enum iroce_ask_answer {
	IROCE_ASK_NEW, /* it waits now: have iroce_ask_next() called */
	IROCE_ASK_SOON, /* it waits already, or was asked for less than an interval ago */
	IROCE_ASK_FULL, /* refused: no place */
};

/* @seed: random, so that a peer cannot choose addresses that share a set. */
void iroce_ask_init(struct iroce_ask *ask, u64 interval, u32 seed);

/**
 * iroce_ask_note - a packet found no SA
 * @ask: the function's questions
 * @policy: the policy that wants the SA; compared alone, never followed
 * @key: the flow of the packet, which is copied; its addresses are the pair that is asked for
 * @now: the caller's time, in the unit of the interval
 *
 * Return: what becomes of the question, enum iroce_ask_answer.
 */
enum iroce_ask_answer iroce_ask_note(struct iroce_ask *ask, const void *policy,
				     const struct iroce_flow_key *key, u64 now);

/**
 * iroce_ask_next - take the oldest question
 * @ask: the function's questions
 * @key: the flow of the packet that asked first; written only if a question waits
 *
 * Return: true and @key; false if no question waits.
 */
bool iroce_ask_next(struct iroce_ask *ask, struct iroce_flow_key *key);

#endif /* IROCE_CORE_ASK_H */
