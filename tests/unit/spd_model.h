/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policies as a plain array in order of addition, matched one by one and bit by bit.
 * Unit tests and the fuzzer hold core's SPD against it. Slow, and meant to be obvious.
 */
#ifndef IROCE_SPD_MODEL_H
#define IROCE_SPD_MODEL_H

#include <arpa/inet.h>

#include "core/spd.h"

#define SPD_MODEL_MAX 4096

struct spd_model {
	struct iroce_spd_node *nodes[SPD_MODEL_MAX];
	size_t n;
};

static inline bool spd_model_prefix(const union iroce_addr *a, const union iroce_addr *b, u8 len)
{
	const u8 *x = (const u8 *)a, *y = (const u8 *)b;
	int i;

	for (i = 0; i < len; i++)
		if ((x[i / 8] >> (7 - i % 8) & 1) != (y[i / 8] >> (7 - i % 8) & 1))
			return false;
	return true;
}

static inline bool spd_model_port(__be16 sel, __be16 mask, __be16 port)
{
	return (ntohs(sel) & ntohs(mask)) == (ntohs(port) & ntohs(mask));
}

static inline bool spd_model_matches(const struct iroce_spd_node *n,
				     const struct iroce_flow_key *f)
{
	const struct iroce_selector *s = &n->sel;
	bool asks_ports = s->sport_mask || s->dport_mask;

	if (s->family != f->family || !spd_model_prefix(&s->saddr, &f->saddr, s->prefixlen_s) ||
	    !spd_model_prefix(&s->daddr, &f->daddr, s->prefixlen_d))
		return false;
	if (s->proto && !(f->flags & IROCE_FLOW_PROTO_UNKNOWN) && s->proto != f->proto)
		return false;
	if (s->proto && (f->flags & IROCE_FLOW_PROTO_UNKNOWN) && n->is_bypass)
		return false;
	if (asks_ports && (f->flags & IROCE_FLOW_PORTS_UNKNOWN))
		return !n->is_bypass;
	return spd_model_port(s->sport, s->sport_mask, f->sport) &&
	       spd_model_port(s->dport, s->dport_mask, f->dport);
}

static inline struct iroce_spd_node *spd_model_lookup(const struct spd_model *m,
						      const struct iroce_flow_key *f)
{
	struct iroce_spd_node *best = NULL;
	size_t i;

	for (i = 0; i < m->n; i++)
		if (spd_model_matches(m->nodes[i], f) &&
		    (!best || m->nodes[i]->priority < best->priority))
			best = m->nodes[i];
	return best;
}

static inline size_t spd_model_index(const struct spd_model *m, const struct iroce_spd_node *n)
{
	size_t i;

	for (i = 0; i < m->n && m->nodes[i] != n; i++)
		;
	return i;
}

static inline void spd_model_add(struct spd_model *m, struct iroce_spd_node *n,
				 const struct iroce_spd_node *before)
{
	size_t at = before ? spd_model_index(m, before) : m->n;

	memmove(&m->nodes[at + 1], &m->nodes[at], (m->n - at) * sizeof(m->nodes[0]));
	m->nodes[at] = n;
	m->n++;
}

static inline void spd_model_remove(struct spd_model *m, const struct iroce_spd_node *n)
{
	size_t at = spd_model_index(m, n);

	m->n--;
	memmove(&m->nodes[at], &m->nodes[at + 1], (m->n - at) * sizeof(m->nodes[0]));
}

#endif /* IROCE_SPD_MODEL_H */
