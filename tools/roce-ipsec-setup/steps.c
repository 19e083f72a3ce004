// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The steps: one kernel object each, put in place or taken away. Taking away
 * what is not there is no failure: `down` and the way back meet half-states.
 */
#include <errno.h>
#include <string.h>

#include "setup.h"

static void ends_set(const struct tunnel *t, enum ipsec_roce_dir dir, struct ipsec_roce_addr *src,
		     struct ipsec_roce_addr *dst)
{
	*src = dir == IPSEC_ROCE_OUT ? t->local : t->peer;
	*dst = dir == IPSEC_ROCE_OUT ? t->peer : t->local;
}

static int gone_is_good(struct setup *s, int err)
{
	if (err == -ENOENT || err == -ESRCH || err == -ENODEV)
		return 0;
	return err ? library_fail(s, err) : 0;
}

int step_sa_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		enum ipsec_roce_dir dir)
{
	bool is_out = dir == IPSEC_ROCE_OUT;
	struct ipsec_roce_sa_cfg cfg = {
		.size = sizeof(cfg),
		.dev = t->dev,
		.dir = dir,
		.key = s->key,
		.flow = { .size = sizeof(cfg.flow), .generation = g->number,
			  .key_bits = t->key_bits },
		.spi = is_out ? g->spi_out : g->spi_in,
		.reqid = is_out ? g->spi_out : t->reqid_in,
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

int step_sa_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		enum ipsec_roce_dir dir)
{
	struct ipsec_roce_sa_id id = { .size = sizeof(id) };

	id.spi = dir == IPSEC_ROCE_OUT ? g->spi_out : g->spi_in;
	ends_set(t, dir, &id.src, &id.dst);
	return gone_is_good(s, ipsec_roce_sa_del(s->h, &id));
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
		.reqid = dir == IPSEC_ROCE_OUT ? t->now.spi_out : t->reqid_in,
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
				  "%s: a policy for this traffic stands already; it is not ours",
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

static int refused(struct setup *s, int err)
{
	return setup_fail(s, err,
			  "%s; without a fence in hardware cleartext RoCE can leave when no policy is loaded: --no-roce-fence accepts that",
			  ipsec_roce_message(s->h));
}

int step_roce_fence_plan(struct setup *s, struct tunnel *t)
{
	bool has_feature, has_qdisc;
	int err;

	err = ipsec_roce_feature_get(s->h, t->dev, TC_FEATURE, &has_feature, NULL);
	if (!err)
		err = ipsec_roce_fence_ready(s->h, t->dev, &has_qdisc);
	if (err)
		return refused(s, err);
	t->did_tc_feature |= !has_feature;
	t->did_clsact |= !has_qdisc;
	return 0;
}

int step_roce_fence_prepare(struct setup *s, const struct tunnel *t)
{
	int err = 0;

	if (t->did_tc_feature)
		err = ipsec_roce_feature_set(s->h, t->dev, TC_FEATURE, true);
	if (!err && t->did_clsact)
		err = ipsec_roce_fence_prepare(s->h, t->dev);
	return err ? refused(s, err) : 0;
}

/* Whoever is left on the device inherits what is to be put back. */
static int inherit(struct setup *s, const struct tunnel *other, void *arg)
{
	struct tunnel *t = arg, heir = *other;
	int err;

	if (strcmp(other->dev, t->dev) || !other->has_roce_fence ||
	    (ipsec_roce_addr_equal(&other->local, &t->local) &&
	     ipsec_roce_addr_equal(&other->peer, &t->peer)) ||
	    !(t->did_tc_feature || t->did_clsact))
		return 0;
	heir.did_tc_feature |= t->did_tc_feature;
	heir.did_clsact |= t->did_clsact;
	err = record_save(s, &heir);
	if (!err)
		t->did_tc_feature = t->did_clsact = false;
	return err;
}

int step_roce_fence_release(struct setup *s, struct tunnel *t)
{
	struct options all = { .run_dir = s->opt->run_dir };
	const struct options *opt = s->opt;
	int err;

	s->opt = &all;
	err = record_each(s, inherit, t);
	s->opt = opt;
	if (!err && t->did_clsact)
		err = gone_is_good(s, ipsec_roce_fence_release(s->h, t->dev));
	if (!err && t->did_tc_feature)
		err = gone_is_good(s, ipsec_roce_feature_set(s->h, t->dev, TC_FEATURE, false));
	if (!err)
		t->did_clsact = t->did_tc_feature = false;
	return err;
}

static void roce_fence_set(const struct tunnel *t, enum ipsec_roce_dir dir,
			   struct ipsec_roce_fence *f)
{
	*f = (struct ipsec_roce_fence){ .size = sizeof(*f), .dev = t->dev, .dir = dir };
	ends_set(t, dir, &f->src, &f->dst);
}

int step_roce_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_fence f;
	int err;

	roce_fence_set(t, dir, &f);
	err = ipsec_roce_fence_add(s->h, &f);
	return err ? refused(s, err) : 0;
}

int step_roce_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir)
{
	struct ipsec_roce_fence f;

	roce_fence_set(t, dir, &f);
	return gone_is_good(s, ipsec_roce_fence_del(s->h, &f));
}

/* Another tunnel of the device whose traffic nothing but the device's rule may be holding. */
static int on_dependant(struct setup *s, const struct tunnel *other, void *arg)
{
	const struct tunnel *t = arg;
	char ends[ENDS_TEXT];

	if (strcmp(other->dev, t->dev) ||
	    (ipsec_roce_addr_equal(&other->local, &t->local) &&
	     ipsec_roce_addr_equal(&other->peer, &t->peer)) ||
	    (other->has_host_fence && other->has_roce_fence))
		return 0;
	say("%s: left the device's own drop rules in place: %s has no fence of its own", t->dev,
	    ends_text(other, ends, sizeof(ends)));
	(void)s;
	return 1;
}

static int set_fail_closed(struct setup *s, const struct tunnel *t, bool is_on)
{
	int err = ipsec_roce_privflag_set(s->h, t->dev, FAIL_CLOSED_FLAG, is_on);

	return err ? library_fail(s, err) : 0;
}

/* So that a device is not left open by a failure or crash in between; a lost record stays lost. */
static int remember_open(struct setup *s, struct tunnel *t, bool did_open)
{
	t->did_open = did_open;
	return t->now.number ? record_save(s, t) : 0;
}

int step_lift_drops(struct setup *s, struct tunnel *t)
{
	struct options all = { .run_dir = s->opt->run_dir };
	const struct options *opt = s->opt;
	bool is_on;
	int err;

	if (!t->did_open) {
		err = ipsec_roce_privflag_get(s->h, t->dev, FAIL_CLOSED_FLAG, &is_on);
		/* No such flag, no such device, or off: no such rules. */
		if (err == -EOPNOTSUPP || err == -ENODEV || (!err && !is_on))
			return 0;
		if (err)
			return library_fail(s, err);
		s->opt = &all;
		err = record_each(s, on_dependant, t);
		s->opt = opt;
		if (err)
			return err < 0 ? err : 0;
		err = remember_open(s, t, true) ?: set_fail_closed(s, t, false);
		if (err)
			return err;
	}
	return set_fail_closed(s, t, true) ?: remember_open(s, t, false);
}

/* By reqid: what another program put there since then is not ours to delete. */
static bool is_our_policy(const struct tunnel *t, const struct policy_view *p)
{
	uint32_t reqid = p->policy.reqid;

	if (!p->is_there)
		return false;
	if (p->policy.dir == IPSEC_ROCE_IN)
		return reqid == t->reqid_in;
	return reqid == t->now.spi_out || (t->other.number && reqid == t->other.spi_out);
}

static int take_sas(struct setup *s, const struct tunnel *t, const struct generation *g,
		    const struct sa_view sa[SIDES])
{
	int err = 0;

	if (sa[0].is_there && sa[0].info.reqid == g->spi_out)
		err = step_sa_del(s, t, g, IPSEC_ROCE_OUT);
	if (sa[1].is_there && sa[1].info.reqid == t->reqid_in)
		err = step_sa_del(s, t, g, IPSEC_ROCE_IN) ?: err;
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
