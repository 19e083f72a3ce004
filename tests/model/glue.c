// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The caller's part in the model: SAs with few numbers, and the values that Promela has to name.
 */
#include "glue.h"

/* handover.pml names these; it cannot include the header. */
static_assert(IROCE_REPL_ABSENT == 0 && IROCE_REPL_STANDBY == 2 && IROCE_REPL_ARMING == 3 &&
	      IROCE_REPL_LIVE == 4 && IROCE_REPL_FAILED == 7 && IROCE_REPL_LOST == 8, "states");
static_assert(IROCE_REPL_JOIN == 0 && IROCE_REPL_LEAVE == 1 && IROCE_REPL_GONE == 2 &&
	      IROCE_REPL_UP == 3 && IROCE_REPL_DOWN == 4 && IROCE_REPL_ACTIVE == 5 &&
	      IROCE_REPL_SEEN == 6 && IROCE_REPL_OK == 7 && IROCE_REPL_FAIL == 8 &&
	      IROCE_REPL_STOPPED == 9 && IROCE_REPL_SILENT == 10 && IROCE_REPL_DEL == 11 &&
	      IROCE_REPL_EXPIRE == 12, "events");
static_assert(IROCE_REPL_DO_INSTALL == 1 && IROCE_REPL_DO_REMOVE == 2 &&
	      IROCE_REPL_DO_ACTIVATE == 4 && IROCE_REPL_DO_FENCE == 8, "to-dos");

struct glue_host glue_state[2];

/* What never changes after init, by host. */
static struct iroce_repl_sa fresh[2];

static void unpack(int host, struct iroce_repl_sa *sa, struct iroce_repl_group *group)
{
	const struct glue_host *g = &glue_state[host];

	*sa = fresh[host];
	memcpy(sa->cell, g->cell, sizeof(g->cell));
	sa->mark = g->mark;
	sa->held = g->held;
	sa->live = g->live;
	sa->standby = g->standby;
	sa->holder = g->holder;
	sa->target = g->target;
	sa->is_dead = g->is_dead;
	sa->is_blind = g->is_blind;
	group->running = g->running;
	group->active = g->active;
}

static void pack(int host, const struct iroce_repl_sa *sa, const struct iroce_repl_group *group)
{
	struct glue_host *g = &glue_state[host];
	struct iroce_repl_sa again;
	struct iroce_repl_group group_again;

	memcpy(g->cell, sa->cell, sizeof(g->cell));
	g->mark = sa->mark;
	g->held = sa->held;
	g->live = sa->live;
	g->standby = sa->standby;
	g->holder = sa->holder;
	g->target = sa->target;
	g->is_dead = sa->is_dead;
	g->is_blind = sa->is_blind;
	g->running = group->running;
	g->active = group->active;

	/* A field that is not kept would make two states one. */
	unpack(host, &again, &group_again);
	if (memcmp(&again, sa, sizeof(again)))
		__builtin_trap();
}

void glue_init(int host, int placement, int last, int gap)
{
	struct iroce_repl_group group;
	struct iroce_repl_cfg cfg = {
		.placement = placement,
		.dir = host ? IROCE_DIR_IN : IROCE_DIR_OUT,
		.is_esn = true,
		.gap = gap,
	};

	iroce_repl_group_init(&group);
	if (iroce_repl_init(&fresh[host], &cfg))
		__builtin_trap();
	/* So that a run can get to the end of the numbers. */
	fresh[host].limit = last;
	pack(host, &fresh[host], &group);
}

static int step(struct iroce_repl_sa *sa, struct iroce_repl_group *group,
		const struct iroce_repl_event *ev, struct iroce_repl_todo *todo)
{
	int err;

	/* The group knows first, as the header demands of every caller. */
	if (ev->type == IROCE_REPL_UP)
		iroce_repl_group_up(group, ev->port);
	if (ev->type == IROCE_REPL_DOWN || ev->type == IROCE_REPL_GONE)
		iroce_repl_group_down(group, ev->port);
	if (ev->type == IROCE_REPL_ACTIVE)
		iroce_repl_group_set_active(group, ev->port);
	err = iroce_repl_step(sa, group, ev, todo);
	/* Of frames at the wrong port the second moves the SA: one event of the model is both. */
	if (ev->type == IROCE_REPL_SEEN && sa->seen_port == ev->port)
		err = iroce_repl_step(sa, group, ev, todo);
	return err;
}

struct glue_verdict glue_step(int host, int type, int port, int last, int ahead)
{
	struct iroce_repl_event ev = {
		.type = type,
		.port = port,
		.last = last,
		.ahead = ahead == 255 ? IROCE_REPL_AHEAD_UNKNOWN : (u64)ahead,
	};
	struct iroce_repl_group group;
	struct iroce_repl_todo todo;
	struct iroce_repl_sa sa;
	int err;

	unpack(host, &sa, &group);
	err = step(&sa, &group, &ev, &todo);
	/*
	 * With few numbers no run gets near the longest jump, and who asked for a rekey when is
	 * nothing that I3 or I4 depend on, nor who saw the first of two frames: states that differ
	 * in this alone are one.
	 */
	sa.jump = fresh[host].jump;
	sa.start = fresh[host].start;
	sa.has_asked = fresh[host].has_asked;
	sa.seen_port = fresh[host].seen_port;
	sa.seen_last = fresh[host].seen_last;
	pack(host, &sa, &group);
	return (struct glue_verdict){ .is_refused = err, .mask = todo.mask & 15,
				      .live_port = todo.live_port, .start = todo.start };
}
