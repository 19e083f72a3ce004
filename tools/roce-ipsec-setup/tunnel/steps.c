// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The steps: one kernel object each, put in place or taken away. Taking away
 * what is not there is no failure: `down` and the way back meet half-states.
 */
#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "bond.h"
#include "ends.h"
#include "generation.h"
#include "steps.h"
#include "view.h"

/* Where each port has SAs of its own: says which port the next one is for; 0 takes that back. */
static int sa_home(struct setup *s, const struct tunnel *t, const struct generation *g,
		   enum ipsec_roce_dir dir, unsigned int i, bool is_named)
{
	struct ipsec_roce_sa_id id = { .size = sizeof(id), .spi = g->spi[SIDE(dir)][i] };
	unsigned int port = 0;
	int err;

	if (!t->is_bond || g->count[0] < 2)
		return 0;
	ends_set(t, dir, &id.src, &id.dst);
	err = is_named ? bond_home(s, t, i, &port) : 0;
	if (err)
		return err;
	err = ipsec_roce_bond_home(s->h, t->dev, &id, port);
	return err ? library_fail(s, err) : 0;
}

static int sa_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		  enum ipsec_roce_dir dir, unsigned int i)
{
	bool is_out = dir == IPSEC_ROCE_OUT;
	struct ipsec_roce_sa_cfg cfg = {
		.size = sizeof(cfg),
		.dev = t->dev,
		.dir = dir,
		.key = s->key,
		.flow = { .size = sizeof(cfg.flow), .generation = g->number,
			  .key_bits = t->key_bits, .port = generation_port(g, i) },
		.spi = g->spi[SIDE(dir)][i],
		.reqid = is_out ? g->spi[0][0] : t->reqid_in,
		.proto = t->proto,
		.replay_window = is_out ? 0 : t->replay_window,
		.soft_packets = t->soft_packets,
		.hard_packets = t->hard_packets,
	};
	int err;

	ends_set(t, dir, &cfg.flow.src, &cfg.flow.dst);
	err = ipsec_roce_sa_add(s->h, &cfg);
	if (err == -EEXIST)
		return setup_fail(s, err, "%s: an SA with this SPI stands already; it is not ours",
				  ipsec_roce_message(s->h));
	return err ? library_fail(s, err) : 0;
}

static int sa_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		  enum ipsec_roce_dir dir, unsigned int i)
{
	struct ipsec_roce_sa_id id = { .size = sizeof(id), .spi = g->spi[SIDE(dir)][i] };

	ends_set(t, dir, &id.src, &id.dst);
	return gone_is_good(s, ipsec_roce_sa_del(s->h, &id));
}

int step_sas_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir, bool *has_taken)
{
	for (unsigned int i = 0; i < g->count[SIDE(dir)]; i++) {
		int err = sa_home(s, t, g, dir, i, true);

		if (!err) {
			err = sa_add(s, t, g, dir, i);
			*has_taken |= !err || err == -EPROTO;
		}
		if (!err)
			continue;
		sa_home(s, t, g, dir, i, false);
		while (i--)
			sa_del(s, t, g, dir, i);
		return err;
	}
	return 0;
}

/* One failure does not keep the others up. */
int step_sas_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir)
{
	int err = 0;

	for (unsigned int i = 0; i < g->count[SIDE(dir)]; i++)
		err = sa_del(s, t, g, dir, i) ?: err;
	return err;
}

static void protect_set(const struct tunnel *t, enum ipsec_roce_dir dir,
			struct ipsec_roce_policy *p)
{
	*p = (struct ipsec_roce_policy){
		.size = sizeof(*p),
		.kind = IPSEC_ROCE_POLICY_PROTECT,
		.dir = dir,
		.proto = t->proto,
		.priority = t->priority,
		.reqid = dir == IPSEC_ROCE_OUT ? t->now.spi[0][0] : t->reqid_in,
		.dev = t->dev,
	};
	ends_set(t, dir, &p->src, &p->dst);
}

static void fence_policy_set(const struct tunnel *t, enum ipsec_roce_dir dir,
			     struct ipsec_roce_policy *p)
{
	protect_set(t, dir, p);
	p->kind = IPSEC_ROCE_POLICY_FENCE;
	/* Right behind: no policy that lets traffic through unprotected fits between. */
	p->priority = t->priority + 1;
}

static int policy_add(struct setup *s, const struct ipsec_roce_policy *p)
{
	int err = ipsec_roce_policy_add(s->h, p);

	if (err == -EEXIST)
		return setup_fail(s, err,
				  "%s: a policy for this traffic stands already; it is not ours: delete it first (ip xfrm policy)",
				  ipsec_roce_message(s->h));
	return err ? library_fail(s, err) : 0;
}

int step_policy_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p;

	protect_set(t, dir, &p);
	return policy_add(s, &p);
}

/*
 * To another reqid. The kernel adds the new policy to the device before it takes
 * the old one away; a device that cannot hold both gets them one after the
 * other, with the fence (and ESP only on the wire) in between.
 */
int step_policy_move(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p;
	int err;

	protect_set(t, dir, &p);
	if (!ipsec_roce_policy_replace(s->h, &p))
		return 0;
	err = ipsec_roce_policy_del(s->h, &p);
	if (!err || err == -ENOENT)
		err = ipsec_roce_policy_add(s->h, &p);
	return err ? library_fail(s, err) : 0;
}

int step_policy_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p;

	protect_set(t, dir, &p);
	return gone_is_good(s, ipsec_roce_policy_del(s->h, &p));
}

int step_host_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p;

	fence_policy_set(t, dir, &p);
	return policy_add(s, &p);
}

int step_host_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p;

	fence_policy_set(t, dir, &p);
	return gone_is_good(s, ipsec_roce_policy_del(s->h, &p));
}

/* By reqid: what another program put there since then is not ours to delete. */
static bool is_our_policy(const struct tunnel *t, const struct policy_view *p)
{
	uint32_t reqid = p->policy.reqid;

	if (!p->is_there)
		return false;
	if (p->policy.dir == IPSEC_ROCE_IN)
		return reqid == t->reqid_in;
	return reqid == t->now.spi[0][0] || (t->other.number && reqid == t->other.spi[0][0]);
}

static int take_sas(struct setup *s, const struct tunnel *t, const struct generation *g,
		    struct sa_view sa[SIDES][PAIRS_MAX])
{
	static const enum ipsec_roce_dir dirs[] = { IPSEC_ROCE_OUT, IPSEC_ROCE_IN };
	int err = 0;

	for (int side = 0; side < SIDES; side++) {
		uint32_t reqid = side ? t->reqid_in : g->spi[0][0];

		for (unsigned int i = 0; i < g->count[side]; i++)
			if (sa[side][i].is_there && sa[side][i].info.reqid == reqid)
				err = sa_del(s, t, g, dirs[side], i) ?: err;
	}
	return err;
}

int steps_take_down(struct setup *s, const struct tunnel *t)
{
	struct view v;
	int err;

	err = view_read(s, t, &v);
	if (err)
		return err;
	/* One failure does not keep the rest up; the first one is reported. */
	if (is_our_policy(t, &v.protect[0]))
		err = step_policy_del(s, t, IPSEC_ROCE_OUT);
	if (is_our_policy(t, &v.protect[1]))
		err = step_policy_del(s, t, IPSEC_ROCE_IN) ?: err;
	err = take_sas(s, t, &t->now, v.now) ?: err;
	err = take_sas(s, t, &t->other, v.other) ?: err;
	return err;
}
