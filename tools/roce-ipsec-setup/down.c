// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `down`: policies, SAs, the device's leftover drop rules, and the fence last.
 * It goes by the record; where that is lost, by the fence, which names itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/process.h"
#include "base/report.h"
#include "tunnel/bond.h"
#include "tunnel/device.h"
#include "tunnel/ends.h"
#include "tunnel/hold.h"
#include "tunnel/record.h"
#include "tunnel/steps.h"
#include "tunnel/view.h"
#include "commands.h"

static const enum ipsec_roce_dir dirs[] = { IPSEC_ROCE_OUT, IPSEC_ROCE_IN };

static int take_fence(struct setup *s, struct tunnel *t)
{
	int err = 0;

	for (unsigned int n = 0; t->has_roce_fence && n < t->func_count; n++) {
		for (int i = 0; i < SIDES; i++)
			err = step_roce_fence_del(s, t, &t->func[n], dirs[i]) ?: err;
		err = step_roce_fence_release(s, t, &t->func[n]) ?: err;
	}
	err = step_esp_release(s, t) ?: err;
	for (int i = 0; t->has_host_fence && i < SIDES; i++)
		err = step_host_fence_del(s, t, dirs[i]) ?: err;
	for (unsigned int n = 0; t->starts_closed && n < t->func_count; n++)
		err = step_closed_release(s, t, &t->func[n]) ?: err;
	return err;
}

static int down_one(struct setup *s, const struct tunnel *record, void *arg)
{
	struct tunnel t = *record;
	int *count = arg, err;
	char ends[ENDS_TEXT];

	err = steps_take_down(s, &t);
	/* While something may still seal or leak, the fence stays: better shut than open. */
	if (!err)
		err = step_lift_drops(s, &t);
	if (!err)
		err = take_fence(s, &t);
	if (!err)
		err = record_remove(s, &t);
	if (err)
		return err;
	say("%s on %s: removed; traffic is no longer protected",
	    ends_text(&t, ends, sizeof(ends)), t.dev);
	(*count)++;
	return 0;
}

/* ---- the record is lost: what a fence of ours surrounds is ours ---- */

#define LOST_MAX	64

struct lost {
	struct tunnel list[LOST_MAX];
	int count;
};

static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	struct lost *lost = arg;
	struct tunnel *t = &lost->list[lost->count];

	if (p->kind != IPSEC_ROCE_POLICY_FENCE || p->dir != IPSEC_ROCE_OUT ||
	    lost->count == LOST_MAX)
		return 0;
	*t = (struct tunnel){ .local = p->src, .peer = p->dst, .proto = p->proto,
			      .has_host_fence = true, .has_roce_fence = true };
	lost->count++;
	return 0;
}

struct between {
	const struct tunnel *t;
	unsigned int ifindex;
	struct ipsec_roce_sa_id ids[LOST_MAX];
	int count;
};

static int on_sa(const struct ipsec_roce_sa_info *sa, void *arg)
{
	struct between *b = arg;
	const struct ipsec_roce_addr *local = &b->t->local, *peer = &b->t->peer;
	bool is_out = ipsec_roce_addr_equal(&sa->src, local) &&
		      ipsec_roce_addr_equal(&sa->dst, peer);
	bool is_in = ipsec_roce_addr_equal(&sa->src, peer) &&
		     ipsec_roce_addr_equal(&sa->dst, local);

	if ((!is_out && !is_in) || sa->offload != IPSEC_ROCE_OFFLOAD_PACKET ||
	    sa->ifindex != b->ifindex || sa->is_acquire || b->count == LOST_MAX)
		return 0;
	b->ids[b->count++] = (struct ipsec_roce_sa_id){ sizeof(b->ids[0]), sa->src, sa->dst,
							sa->spi };
	return 0;
}

static int down_lost(struct setup *s, struct tunnel *t, int *count)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	struct between b = { .t = t };
	char ends[ENDS_TEXT];
	struct view v;
	int err;

	snprintf(t->dev, sizeof(t->dev), "%s", s->opt->dev);
	err = ipsec_roce_link_get(s->h, t->dev, &link);
	if (err && err != -ENODEV)
		return library_fail(s, err);
	b.ifindex = link.ifindex;
	err = bond_find_remains(s, t);
	/* clsact goes if no filter is left in it; hw-tc-offload may have been on before. */
	for (unsigned int i = 0; i < t->func_count; i++)
		t->func[i].did_clsact = true;
	err = err ?: view_read(s, t, &v);
	for (int i = 0; !err && i < SIDES; i++) {
		if (!v.protect[i].is_there)
			continue;
		err = v.protect[i].policy.ifindex == link.ifindex ?
			      step_policy_del(s, t, dirs[i]) :
			      setup_fail(s, -EINVAL, "what is up towards this peer is not on %s",
					 t->dev);
	}
	if (!err) {
		err = ipsec_roce_sa_list(s->h, on_sa, &b);
		for (int i = 0; !err && i < b.count; i++)
			err = ipsec_roce_sa_del(s->h, &b.ids[i]);
		if (err)
			library_fail(s, err);
	}
	err = err ?: step_lift_drops(s, t);
	err = err ?: take_fence(s, t);
	if (err)
		return err;
	say("%s on %s: removed (its record was lost; it was found by its fence)",
	    ends_text(t, ends, sizeof(ends)), t->dev);
	(*count)++;
	return 0;
}

static void say_lost(const struct tunnel *t, int *count)
{
	char ends[ENDS_TEXT], peer[IPSEC_ROCE_ADDR_TEXT];

	say("%s: its record is lost, its block policies stay; to remove them: roce-ipsec-setup down --dev DEV --peer %s",
	    ends_text(t, ends, sizeof(ends)), ipsec_roce_addr_text(&t->peer, peer));
	++*count;
}

static int down_all_lost(struct setup *s, int *count)
{
	const struct options *opt = s->opt;
	struct lost lost = { .count = 0 };
	struct tunnel ignored;
	int err;

	err = ipsec_roce_policy_list(s->h, on_policy, &lost);
	if (err)
		return library_fail(s, err);
	for (int i = 0; !err && i < lost.count; i++) {
		struct tunnel *t = &lost.list[i];

		if ((opt->peer.family && !ipsec_roce_addr_equal(&opt->peer, &t->peer)) ||
		    (opt->local.family && !ipsec_roce_addr_equal(&opt->local, &t->local)) ||
		    record_load(s, &t->local, &t->peer, &ignored) != -ENOENT)
			continue;
		/* Without a record nothing tells the fence's device: only on an explicit peer. */
		if (opt->peer.family)
			err = down_lost(s, t, count);
		else
			say_lost(t, count);
	}
	return err;
}

/* ---- what the device holds by itself ---- */

/*
 * Which traffic a device holds it does not tell, and what opens it opens all of it: done where
 * all peers are meant, and said where one is.
 */
static int on_hold(struct setup *s, const struct hold *hold, const char *down_dev, void *arg)
{
	char what[HOLD_TEXT], how[HOLD_TEXT];
	int *count = arg;

	(void)s;
	++*count;
	say("%s %s (%s): left so; to open it: %s", hold->dev,
	    hold_what(hold, what, sizeof(what)), hold_why(hold),
	    hold_how(hold, down_dev, how, sizeof(how)));
	return 0;
}

static int open_hold(struct setup *s, const struct hold *hold, const char *down_dev, void *arg)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	struct tunnel t = { .func_count = 1 };
	int *count = arg, err;
	struct hold after;

	(void)down_dev;
	if (!hold->n_fences)
		return 0;
	snprintf(t.dev, sizeof(t.dev), "%s", hold->dev);
	snprintf(t.func[0].dev, sizeof(t.func[0].dev), "%s", hold->dev);
	err = step_lift_drops(s, &t);
	if (!err && ipsec_roce_link_get(s->h, hold->dev, &link))
		return 0;
	err = err ?: hold_read(s, &link, &after);
	if (!err && !after.n_fences) {
		say("%s: opened, what %llu polic%s protected, gone since, may pass in clear again",
		    hold->dev, (unsigned long long)hold->n_fences,
		    hold->n_fences == 1 ? "y" : "ies");
		++*count;
	}
	return err;
}

static int down_holds(struct setup *s, int *count)
{
	int err = 0;

	if (s->opt->has_all)
		err = hold_each(s, s->opt->dev, open_hold, count);
	return err ?: hold_each(s, s->opt->dev, on_hold, count);
}

int cmd_down(struct setup *s)
{
	int count = 0, err;

	err = record_open(s, false);
	process_hold_signals();
	err = err ?: record_each(s, down_one, &count);
	err = err ?: down_all_lost(s, &count);
	err = err ?: down_holds(s, &count);
	if (!err && !count)
		say("nothing to do: nothing is up");
	return err;
}
