// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Questions to the key daemons: a set-associative table of pairs, and a ring of those that wait.
 * A place is free again when its interval is over and its question has left.
 */
#include "ask.h"
#include "hash.h"

void iroce_ask_init(struct iroce_ask *ask, u64 interval, u32 seed)
{
	memset(ask, 0, sizeof(*ask));
	ask->interval = interval;
	ask->seed = seed;
}

static u32 set_of(const struct iroce_ask *ask, const void *policy, const struct iroce_flow_key *key)
{
	u64 id = (u64)(size_t)policy;
	u32 h = iroce_hash_add(ask->seed, (u32)id);

	h = iroce_hash_add(h, (u32)(id >> 32));
	h = iroce_hash_add(h, key->family);
	h = iroce_hash_addr(h, key->family, &key->saddr);
	h = iroce_hash_addr(h, key->family, &key->daddr);
	return iroce_hash_end(h) % IROCE_ASK_SETS;
}

static bool is_same(const struct iroce_ask_entry *e, const void *policy,
		    const struct iroce_flow_key *key)
{
	return e->is_used && e->policy == policy && e->key.family == key->family &&
	       iroce_addr_equal(&e->key.saddr, &key->saddr) &&
	       iroce_addr_equal(&e->key.daddr, &key->daddr);
}

static bool is_over(const struct iroce_ask_entry *e, u64 now)
{
	return !e->is_used || (!e->is_waiting && now >= e->again_at);
}

enum iroce_ask_answer iroce_ask_note(struct iroce_ask *ask, const void *policy,
				     const struct iroce_flow_key *key, u64 now)
{
	u32 from = set_of(ask, policy, key) * IROCE_ASK_WAYS;
	struct iroce_ask_entry *place = NULL;
	u32 i;

	for (i = from; i < from + IROCE_ASK_WAYS; i++) {
		struct iroce_ask_entry *e = &ask->entry[i];

		if (is_same(e, policy, key)) {
			if (!is_over(e, now))
				return IROCE_ASK_SOON;
			place = e;
			break;
		}
		if (!place && is_over(e, now))
			place = e;
	}
	if (!place)
		return IROCE_ASK_FULL;
	*place = (struct iroce_ask_entry) {
		.key = *key,
		.policy = policy,
		.again_at = now + ask->interval,
		.is_used = true,
		.is_waiting = true,
	};
	/* Each place is in the ring once at most, so the ring cannot be full. */
	ask->queue[(ask->first + ask->n_waiting++) % IROCE_ASK_MAX] = (u16)(place - ask->entry);
	return IROCE_ASK_NEW;
}

bool iroce_ask_next(struct iroce_ask *ask, struct iroce_flow_key *key)
{
	struct iroce_ask_entry *e;

	if (!ask->n_waiting)
		return false;
	e = &ask->entry[ask->queue[ask->first]];
	ask->first = (ask->first + 1) % IROCE_ASK_MAX;
	ask->n_waiting--;
	e->is_waiting = false;
	*key = e->key;
	return true;
}
