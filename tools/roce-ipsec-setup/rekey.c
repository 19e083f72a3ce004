// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `rekey`: to a new generation, make before break, in three steps. Done on both
 * hosts step by step, each side can hear what the other may send at any time:
 *
 *            sends   hears            the peer must have done
 *   listen   old     old and new      nothing
 *   send     new     old and new      listen
 *   finish   new     new              send
 */
#include <errno.h>

#include "base/options.h"
#include "base/process.h"
#include "base/report.h"
#include "tunnel/ends.h"
#include "tunnel/generation.h"
#include "tunnel/record.h"
#include "tunnel/steps.h"
#include "tunnel/view.h"
#include "commands.h"
#include "rekey.h"

static int drop_other(struct setup *s, struct tunnel *t)
{
	int err = step_sas_del(s, t, &t->other, IPSEC_ROCE_IN);

	/* Tried for sending, and cut short. */
	if (!err && t->other.has_out)
		err = step_sas_del(s, t, &t->other, IPSEC_ROCE_OUT);
	if (err)
		return err;
	t->other = (struct generation){ 0 };
	t->other_is_next = false;
	return record_save(s, t);
}

static int listen_new(struct setup *s, struct tunnel *t, const struct generation *g)
{
	bool has_sa = false;
	int err;

	/* The one before the present one: its peer has long moved on. */
	err = t->other.number ? drop_other(s, t) : 0;
	err = err ?: generation_spend(s, t, g);
	if (err)
		return err;
	t->other = *g;
	t->other.has_in = true;
	t->other_is_next = true;
	err = record_save(s, t) ?: step_sas_add(s, t, &t->other, IPSEC_ROCE_IN, &has_sa);
	if (err) {
		if (!has_sa)
			ipsec_roce_ledger_unspend(s->ledger);
		t->other = (struct generation){ 0 };
		t->other_is_next = false;
		record_save(s, t);
		return err;
	}
	say("listen: hears generations %u and %u, sends %u", t->now.number, g->number,
	    t->now.number);
	return 0;
}

static int send_new(struct setup *s, struct tunnel *t)
{
	struct tunnel before = *t;
	int err;

	/* Its counter would start anew: what was tried once is not tried again. */
	if (before.other.has_out)
		return setup_fail(s, -EALREADY,
				  "generation %u was tried for sending and failed: rekey to another one",
				  before.other.number);
	t->now = before.other;
	t->now.has_out = true;
	t->other = before.now;
	t->other_is_next = false;
	err = record_save(s, t) ?:
	      step_sas_add(s, t, &t->now, IPSEC_ROCE_OUT, &before.other.has_out);
	if (err)
		goto err_record;
	err = step_policy_move(s, t, IPSEC_ROCE_OUT);
	if (err)
		goto err_sa;
	/* From here on the new key sends; what fails now leaves only something over. */
	err = step_sas_del(s, t, &t->other, IPSEC_ROCE_OUT);
	t->other.has_out = false;
	err = record_save(s, t) ?: err;
	if (!err)
		say("send: sends generation %u, still hears %u", t->now.number, t->other.number);
	return err;

err_sa:
	/* The policy may be gone: give it back to the old SA before the new one goes. */
	step_policy_move(s, &before, IPSEC_ROCE_OUT);
	step_sas_del(s, t, &t->now, IPSEC_ROCE_OUT);
err_record:
	*t = before;
	record_save(s, t);
	return err;
}

static int finish(struct setup *s, struct tunnel *t)
{
	uint32_t number = t->other.number;
	int err;

	if (!number || t->other_is_next)
		return setup_fail(s, -EINVAL, "nothing to finish: no older generation is heard");
	err = drop_other(s, t);
	if (!err)
		say("finish: generation %u is gone, %u is in use", number, t->now.number);
	return err;
}

int rekey_to(struct setup *s, struct tunnel *t, const struct generation *g, enum rekey_step step)
{
	bool is_heard = t->other_is_next && generation_same(&t->other, g);
	int err = 0;

	if (generation_same(&t->now, g)) {
		say("nothing to do: generation %u is in use", g->number);
		return 0;
	}
	if (step == STEP_SEND && !is_heard)
		return setup_fail(s, -EINVAL,
				  "generation %u is not listened to: --step listen first, on both hosts",
				  g->number);
	if (!is_heard)
		err = listen_new(s, t, g);
	else if (step == STEP_LISTEN)
		say("nothing to do: generation %u is listened to", g->number);
	if (err || step == STEP_LISTEN)
		return err;
	return send_new(s, t);
}

int cmd_rekey(struct setup *s)
{
	enum rekey_step step = s->opt->step;
	struct ipsec_roce_addr local;
	struct generation g;
	struct tunnel t;
	struct view v;
	int err;

	err = record_open(s, false) ?: ends_find_local(s, &local);
	if (err)
		return err;
	err = record_load(s, &local, &s->opt->peer, &t);
	if (err == -ENOENT)
		return setup_fail(s, err, "nothing is up towards this peer: use `up`");
	err = err ?: view_read(s, &t, &v);
	if (err)
		return err;
	view_settle(&t, &v);
	if (!view_is_live(&t, &v))
		return setup_fail(s, -ENOENT,
				  "the SAs of generation %u are gone: use `up` with a new generation",
				  t.now.number);
	err = step == STEP_FINISH ? 0 : key_open(s);
	if (err)
		return err;
	process_hold_signals();
	if (step == STEP_FINISH)
		return finish(s, &t);
	/* `next` of the step `send` is what `listen` took. */
	if (step == STEP_SEND && s->opt->generation == GENERATION_NEXT)
		return t.other_is_next ?
			       send_new(s, &t) :
			       setup_fail(s, -EINVAL, "nothing is listened to: --step listen first");
	if (s->opt->ports)
		t.pairs = s->opt->ports;
	err = generation_make(s, &t, &g);
	return err ?: rekey_to(s, &t, &g, step);
}
