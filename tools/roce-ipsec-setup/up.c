// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `up`: fence first, then the SAs in and out, then the policies. Each step that
 * was done is on a list; when one fails, the list is walked back.
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
#include "tunnel/fit.h"
#include "tunnel/generation.h"
#include "tunnel/record.h"
#include "tunnel/steps.h"
#include "tunnel/view.h"
#include "commands.h"
#include "rekey.h"

enum undo_kind {
	UNDO_HOST_FENCE,
	UNDO_ROCE_READY,
	UNDO_ROCE_FENCE,
	UNDO_ESP,
	UNDO_SA,
	UNDO_POLICY,
	UNDO_CLOSED,
};

/* Two host fences, offload, SAs and policies; of each device preparation, two fences, a flag. */
#define UNDO_MAX	(7 + 4 * PORTS_MAX)

struct undo {
	enum undo_kind kind;
	enum ipsec_roce_dir dir;
	struct function *func;	/* of the RoCE fence, or the flag */
};

struct undo_list {
	struct undo done[UNDO_MAX];
	int count;
	bool has_sa;	/* the kernel took an SA of this generation */
};

static const enum ipsec_roce_dir dirs[] = { IPSEC_ROCE_OUT, IPSEC_ROCE_IN };

static void undo_push(struct undo_list *u, enum undo_kind kind, enum ipsec_roce_dir dir,
		      struct function *func)
{
	u->done[u->count++] = (struct undo){ kind, dir, func };
}

static int undo_one(struct setup *s, struct tunnel *t, const struct undo *u)
{
	switch (u->kind) {
	case UNDO_HOST_FENCE:
		return step_host_fence_del(s, t, u->dir);
	case UNDO_ROCE_READY:
		return step_roce_fence_release(s, t, u->func);
	case UNDO_ROCE_FENCE:
		return step_roce_fence_del(s, t, u->func, u->dir);
	case UNDO_ESP:
		return step_esp_release(s, t);
	case UNDO_SA:
		return step_sas_del(s, t, &t->now, u->dir);
	case UNDO_POLICY:
		return step_policy_del(s, t, u->dir);
	case UNDO_CLOSED:
		return step_closed_release(s, t, u->func);
	}
	return -EINVAL;
}

/* old: an earlier `up` that closed this traffic, or NULL; its devices keep it closed too. */
static int undo_all(struct setup *s, struct tunnel *t, struct undo_list *u,
		    const struct tunnel *old)
{
	bool had_policy = false;
	int err = 0;

	if (!u->count)
		return 0;
	while (u->count--) {
		const struct undo *last = &u->done[u->count];

		/* What the fence stands on is still needed by the part of it that was there. */
		if (last->kind == UNDO_ROCE_READY && old && function_find(old, last->func->dev))
			continue;
		had_policy |= last->kind == UNDO_POLICY;
		err = undo_one(s, t, last) ?: err;
		/* The device holds traffic of a deleted policy: lift that before the fence goes. */
		if (had_policy && last->kind == UNDO_SA && !old) {
			err = step_lift_drops(s, t) ?: err;
			had_policy = false;
		}
	}
	say(err ? "the way back failed in part; `down` removes the rest" :
		  "put back as it was");
	return err;
}

static void tunnel_from_options(const struct options *opt, struct tunnel *t)
{
	snprintf(t->dev, sizeof(t->dev), "%s", opt->dev);
	t->peer = opt->peer;
	t->proto = opt->proto;
	t->priority = opt->priority;
	t->replay_window = opt->replay_window;
	t->key_bits = opt->key_bits;
	t->pairs = opt->ports;
	t->soft_packets = opt->soft_packets;
	t->hard_packets = opt->hard_packets;
	t->has_host_fence = !opt->no_fence;
	t->has_roce_fence = !opt->no_fence && !opt->no_roce_fence;
	t->starts_closed = opt->starts_closed;
}

/* What cannot change while a tunnel has its fence and record. */
static int check_same(struct setup *s, const struct tunnel *old, const struct tunnel *t)
{
	const char *what = NULL;

	if (strcmp(old->dev, t->dev))
		what = "device";
	else if (old->proto != t->proto)
		what = "protocol";
	else if (old->priority != t->priority)
		what = "priority";
	else if ((old->has_host_fence && !t->has_host_fence) ||
		 (old->has_roce_fence && !t->has_roce_fence))
		what = "fence";
	if (what)
		return setup_fail(s, -EBUSY, "up already, with another %s (on %s): `down` first",
				  what, old->dev);
	return 0;
}

static int put_roce_fence(struct setup *s, struct tunnel *t, struct function *f,
			  const struct func_view *v, struct undo_list *u)
{
	int err;

	if (v->roce_fence[0].is_there && v->roce_fence[1].is_there)
		return 0;
	/* What is switched on must be known to `down` even after a crash: write it down first. */
	err = step_roce_fence_plan(s, f) ?: record_save(s, t);
	if (err)
		return err;
	undo_push(u, UNDO_ROCE_READY, IPSEC_ROCE_OUT, f);
	err = step_roce_fence_prepare(s, f);
	for (int i = 0; !err && i < SIDES; i++) {
		if (v->roce_fence[SIDE(dirs[i])].is_there)
			continue;
		err = step_roce_fence_add(s, t, f, dirs[i]);
		if (!err)
			undo_push(u, UNDO_ROCE_FENCE, dirs[i], f);
	}
	return err;
}

static int put_fence(struct setup *s, struct tunnel *t, const struct view *v, struct undo_list *u)
{
	int err = 0;

	for (int i = 0; t->has_host_fence && i < SIDES; i++) {
		if (v->host_fence[SIDE(dirs[i])].is_there)
			continue;
		err = step_host_fence_add(s, t, dirs[i]);
		if (err)
			return err;
		undo_push(u, UNDO_HOST_FENCE, dirs[i], NULL);
	}
	for (unsigned int i = 0; !err && t->has_roce_fence && i < t->func_now; i++)
		err = put_roce_fence(s, t, &t->func[i], &v->func[i], u);
	return err;
}

/* Of a bond: reaches its ports. */
static int put_esp(struct setup *s, struct tunnel *t, struct undo_list *u)
{
	bool had_it = t->did_esp;
	int err;

	if (!t->is_bond)
		return 0;
	err = step_esp_plan(s, t);
	if (!err && t->did_esp && !had_it)
		err = record_save(s, t);
	if (err || !t->did_esp)
		return err;
	if (!had_it)
		undo_push(u, UNDO_ESP, IPSEC_ROCE_OUT, NULL);
	return step_esp_prepare(s, t);
}

static int put_sas(struct setup *s, struct tunnel *t, struct undo_list *u)
{
	/* In before out: a peer that is up already can be heard at once. */
	static const enum ipsec_roce_dir order[] = { IPSEC_ROCE_IN, IPSEC_ROCE_OUT };

	for (int i = 0; i < SIDES; i++) {
		int err = step_sas_add(s, t, &t->now, order[i], &u->has_sa);

		if (err)
			return err;
		undo_push(u, UNDO_SA, order[i], NULL);
	}
	return 0;
}

static int put_policies(struct setup *s, struct tunnel *t, const struct view *v,
			struct undo_list *u)
{
	const char *why;
	int err;

	for (int i = 0; i < SIDES; i++) {
		if (view_policy_good(t, v, dirs[i], &why))
			continue;
		err = step_policy_add(s, t, dirs[i]);
		if (err)
			return err;
		undo_push(u, UNDO_POLICY, dirs[i], NULL);
	}
	return 0;
}

/* Last: before there are policies it would close the device to everybody. */
static int put_closed(struct setup *s, struct tunnel *t, struct undo_list *u)
{
	int err = 0;

	for (unsigned int i = 0; !err && t->starts_closed && i < t->func_now; i++) {
		struct function *f = &t->func[i];
		bool had_it = f->did_closed;

		err = step_closed_plan(s, f);
		/* Must be known to `down` even after a crash. */
		if (!err && f->did_closed && !had_it) {
			undo_push(u, UNDO_CLOSED, IPSEC_ROCE_OUT, f);
			err = record_save(s, t);
		}
		err = err ?: step_closed_prepare(s, f);
	}
	return err;
}

static void say_up(const struct tunnel *t)
{
	char ends[ENDS_TEXT], more[32] = "";

	if (t->now.count[1] > 1)
		snprintf(more, sizeof(more), " (the first of %u)", t->now.count[1]);
	say("%s on %s: protected%s, generation %u, SPI out 0x%08x in 0x%08x%s, fence: %s%s",
	    ends_text(t, ends, sizeof(ends)), t->dev, t->proto ? " (UDP only)" : "",
	    t->now.number, t->now.spi[0][0], t->now.spi[1][0], more,
	    t->has_roce_fence ? "host and RoCE" : t->has_host_fence ? "host only" : "none",
	    t->starts_closed ? ", closed until protected" : "");
}

static int put_all(struct setup *s, struct tunnel *t, struct undo_list *u)
{
	struct view v;
	int err;

	err = view_read(s, t, &v);
	err = err ?: put_fence(s, t, &v, u);
	err = err ?: put_esp(s, t, u);
	err = err ?: put_sas(s, t, u);
	err = err ?: put_policies(s, t, &v, u);
	return err ?: put_closed(s, t, u);
}

/*
 * A new generation where none is at work. old: an earlier `up` whose SAs are
 * gone (NULL: there was none); what is left of it goes, its fence stays.
 */
static int install(struct setup *s, struct tunnel *t, const struct tunnel *old)
{
	struct undo_list u = { .count = 0 };
	int err, undo_err;

	t->now.has_in = t->now.has_out = true;
	t->reqid_in = old ? old->reqid_in : t->now.spi[1][0];
	/* Until its remains are gone, `down` must know of them. */
	t->other = old ? old->now : (struct generation){ 0 };
	t->other_is_next = false;
	err = generation_spend(s, t, &t->now);
	if (err)
		return err;
	err = record_save(s, t);
	if (!err && old)
		err = steps_take_down(s, old);
	if (!err)
		t->other = (struct generation){ 0 };
	err = err ?: put_all(s, t, &u);
	err = err ?: record_save(s, t);
	if (!err) {
		say_up(t);
		return 0;
	}
	undo_err = undo_all(s, t, &u, old);
	/* No SA was ever there, so no nonce was used: the generation may be tried again. */
	if (!u.has_sa)
		ipsec_roce_ledger_unspend(s->ledger);
	else
		say("generation %u is spent by the attempt", t->now.number);
	/* What could not be undone is found by its record. */
	if (undo_err)
		record_save(s, t);
	else if (old)
		record_save(s, old);
	else
		record_remove(s, t);
	return err;
}

/* The SAs are there and count on: only what stands around them may be put in order. */
static int repair(struct setup *s, struct tunnel *t, const struct tunnel *old)
{
	struct undo_list u = { .count = 0 };
	struct view v;
	int err;

	err = view_read(s, t, &v);
	if (!err && (t->replay_window != old->replay_window || t->key_bits != old->key_bits ||
		     t->soft_packets != old->soft_packets || t->hard_packets != old->hard_packets))
		err = setup_fail(s, -EBUSY,
				 "generation %u is up with another window, key size or lifetime: those change with a new generation",
				 t->now.number);
	err = err ?: put_fence(s, t, &v, &u);
	err = err ?: put_policies(s, t, &v, &u);
	err = err ?: put_closed(s, t, &u);
	if (err) {
		undo_all(s, t, &u, old);
		record_save(s, old);
		return err;
	}
	err = record_save(s, t);
	if (!err && !u.count)
		say("nothing to do: it is up already");
	else if (!err)
		say("put back what was missing");
	if (!err)
		say_up(t);
	return err;
}

/* old, with what this call asks for. */
static void tunnel_merge(struct tunnel *t, const struct tunnel *old)
{
	t->did_esp = old->did_esp;
	t->starts_closed |= old->starts_closed;
	/* A port that left the bond meanwhile keeps its fence until `down`, as room allows. */
	for (unsigned int i = 0; i < old->func_count; i++) {
		const struct function *same = function_find(t, old->func[i].dev);

		if (same)
			t->func[same - t->func] = old->func[i];
		else if (t->func_count < PORTS_MAX)
			t->func[t->func_count++] = old->func[i];
	}
	t->reqid_in = old->reqid_in;
	t->now = old->now;
	t->other = old->other;
	t->other_is_next = old->other_is_next;
}

static bool was_opened(const struct tunnel *t)
{
	bool was = false;

	for (unsigned int i = 0; i < t->func_count; i++)
		was |= t->func[i].did_open;
	return was;
}

static int up_again(struct setup *s, struct tunnel *t, const struct tunnel *old)
{
	struct tunnel before = *old;
	struct generation g;
	struct view v;
	int err;

	err = check_same(s, old, t);
	if (err)
		return err;
	/* A `down` was cut short between off and on: what is left to do of it is on. */
	err = was_opened(old) ? step_lift_drops(s, &before) : 0;
	old = &before;
	tunnel_merge(t, old);
	if (!s->opt->replay_window)
		t->replay_window = old->replay_window;
	t->pairs = t->pairs ?: old->pairs;
	err = err ?: generation_make(s, t, &g) ?: view_read(s, old, &v);
	if (err)
		return err;
	if (view_settle(&before, &v))
		tunnel_merge(t, &before);
	if (view_is_live(old, &v) && !generation_same(&g, &old->now)) {
		/* Its fences and policies stand. A flag that cannot be set undoes no rekey. */
		struct undo_list u = { .count = 0 };

		return rekey_to(s, t, &g, STEP_ALL) ?: put_closed(s, t, &u);
	}
	if (view_is_live(old, &v) && g.count[1] > old->now.count[1])
		return setup_fail(s, -EBUSY,
				  "generation %u has %u SA pairs, %u are needed now: that changes with a new generation, on both hosts",
				  g.number, old->now.count[1], g.count[1]);
	if (view_is_live(old, &v))
		return repair(s, t, old);
	if (generation_same(&g, &old->now))
		/* Flushed: the ledger has the words for it. */
		return generation_spend(s, t, &g) ?:
		       setup_fail(s, -EUCLEAN, "%s: the ledger forgot generation %u",
				  s->opt->state_dir, g.number);
	t->now = g;
	return install(s, t, old);
}

int cmd_up(struct setup *s)
{
	struct tunnel t = { 0 }, old;
	int err;

	err = record_open(s, false) ?: fit_check_kind(s) ?: key_open(s) ?: ends_find_local(s, &t.local);
	if (err)
		return err;
	tunnel_from_options(s->opt, &t);
	err = bond_find_functions(s, &t) ?: fit_check(s, &t);
	if (err)
		return err;
	process_hold_signals();
	err = record_load(s, &t.local, &t.peer, &old);
	if (!err)
		return up_again(s, &t, &old);
	if (err != -ENOENT)
		return err;
	err = generation_make(s, &t, &t.now);
	return err ?: install(s, &t, NULL);
}
