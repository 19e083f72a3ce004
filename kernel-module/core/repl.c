// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The replication state machine. One table says what each event does to a cell, settle() decides
 * who is armed and who is stopped, release() and raise_mark() keep count of the numbers.
 * tests/model runs this file, as it is, under spin.
 */
#include "repl.h"

#define F_LEGAL 0x001
#define F_STOPPED 0x002 /* a certain stop, last number known */
#define F_GONE 0x004 /* a certain stop, a bound of the last number known at best */
#define F_UNUSED 0x008 /* was never live since it was armed */
#define F_DEAD 0x010
#define F_AWAY 0x020 /* traffic will not arrive here */
#define F_BACK 0x040
#define F_SEEN 0x080
#define F_REKEY 0x100
#define F_REFUSED 0x200
#define F_SILENT 0x400

struct move {
	u8 next;
	u8 todo;
	u16 flags;
};

#define TO(state, todo_, flags_) \
	{ .next = IROCE_REPL_##state, .todo = (todo_), .flags = F_LEGAL | (flags_) }

/* What may come at any time, and does not change the cell itself. */
#define ANY_TIME(state)                                 \
	[IROCE_REPL_UP] = TO(state, 0, F_BACK),         \
	[IROCE_REPL_DOWN] = TO(state, 0, F_AWAY),       \
	[IROCE_REPL_ACTIVE] = TO(state, 0, 0),          \
	[IROCE_REPL_EXPIRE] = TO(state, 0, F_DEAD),     \
	[IROCE_REPL_SOFT] = TO(state, 0, F_REKEY),      \
	[IROCE_REPL_LOW] = TO(state, 0, F_REKEY)

#define INSTALL IROCE_REPL_DO_INSTALL
#define REMOVE IROCE_REPL_DO_REMOVE
#define ACTIVATE IROCE_REPL_DO_ACTIVATE
#define FENCE IROCE_REPL_DO_FENCE
#define TELL IROCE_REPL_DO_TELL

/* An empty cell is an error of the caller. */
static const struct move moves[IROCE_REPL_N_STATES][IROCE_REPL_N_MOVES] = {
	[IROCE_REPL_ABSENT] = {
		ANY_TIME(ABSENT),
		[IROCE_REPL_JOIN] = TO(INSTALLING, INSTALL, 0),
		[IROCE_REPL_LEAVE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_SEEN] = TO(ABSENT, 0, 0),
		[IROCE_REPL_DEL] = TO(ABSENT, 0, F_DEAD),
	},
	[IROCE_REPL_INSTALLING] = {
		ANY_TIME(INSTALLING),
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_SEEN] = TO(INSTALLING, 0, 0),
		[IROCE_REPL_OK] = TO(STANDBY, 0, F_BACK),
		[IROCE_REPL_FAIL] = TO(FAILED, 0, F_AWAY | F_REFUSED),
		[IROCE_REPL_SILENT] = TO(LOST, 0, F_AWAY | F_SILENT),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
	},
	[IROCE_REPL_STANDBY] = {
		ANY_TIME(STANDBY),
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_SEEN] = TO(STANDBY, 0, F_SEEN),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
		[IROCE_REPL_ARM] = TO(ARMING, ACTIVATE, 0),
	},
	[IROCE_REPL_ARMING] = {
		ANY_TIME(ARMING),
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY | F_GONE),
		[IROCE_REPL_SEEN] = TO(ARMING, 0, 0),
		[IROCE_REPL_OK] = TO(LIVE, 0, 0),
		[IROCE_REPL_FAIL] = TO(FAILED, 0, F_AWAY | F_UNUSED | F_REFUSED),
		[IROCE_REPL_SILENT] = TO(LOST, 0, F_AWAY | F_SILENT),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
	},
	[IROCE_REPL_LIVE] = {
		ANY_TIME(LIVE),
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY | F_GONE),
		[IROCE_REPL_SEEN] = TO(LIVE, 0, 0),
		/* By itself: reset, or at its own limit. */
		[IROCE_REPL_STOPPED] = TO(STANDBY, 0, F_STOPPED),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
		[IROCE_REPL_STOP] = TO(FENCING, FENCE, 0),
	},
	[IROCE_REPL_FENCING] = {
		ANY_TIME(FENCING),
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY | F_GONE),
		[IROCE_REPL_SEEN] = TO(FENCING, 0, 0),
		[IROCE_REPL_STOPPED] = TO(STANDBY, 0, F_STOPPED),
		[IROCE_REPL_SILENT] = TO(LOST, 0, F_AWAY | F_SILENT),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
	},
	[IROCE_REPL_LEAVING] = {
		ANY_TIME(LEAVING),
		[IROCE_REPL_LEAVE] = TO(LEAVING, 0, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY | F_GONE),
		[IROCE_REPL_SEEN] = TO(LEAVING, 0, 0),
		[IROCE_REPL_STOPPED] = TO(ABSENT, 0, F_STOPPED),
		[IROCE_REPL_SILENT] = TO(LOST, 0, F_AWAY | F_SILENT),
		[IROCE_REPL_DEL] = TO(LEAVING, 0, F_DEAD),
	},
	[IROCE_REPL_FAILED] = {
		ANY_TIME(FAILED),
		[IROCE_REPL_JOIN] = TO(INSTALLING, INSTALL, 0),
		[IROCE_REPL_LEAVE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY),
		[IROCE_REPL_SEEN] = TO(FAILED, 0, 0),
		[IROCE_REPL_DEL] = TO(ABSENT, 0, F_DEAD),
	},
	[IROCE_REPL_LOST] = {
		ANY_TIME(LOST),
		/* Try again to get rid of it. */
		[IROCE_REPL_LEAVE] = TO(LEAVING, REMOVE, F_AWAY),
		[IROCE_REPL_GONE] = TO(ABSENT, 0, F_AWAY | F_GONE),
		[IROCE_REPL_SEEN] = TO(LOST, 0, 0),
		[IROCE_REPL_DEL] = TO(LEAVING, REMOVE, F_DEAD),
	},
};

static const char *const state_names[IROCE_REPL_N_STATES] = {
	[IROCE_REPL_ABSENT] = "absent",	      [IROCE_REPL_INSTALLING] = "installing",
	[IROCE_REPL_STANDBY] = "standby",     [IROCE_REPL_ARMING] = "arming",
	[IROCE_REPL_LIVE] = "live",	      [IROCE_REPL_FENCING] = "fencing",
	[IROCE_REPL_LEAVING] = "leaving",     [IROCE_REPL_FAILED] = "failed",
	[IROCE_REPL_LOST] = "lost",
};

static const char *const event_names[IROCE_REPL_N_MOVES] = {
	[IROCE_REPL_JOIN] = "join",	  [IROCE_REPL_LEAVE] = "leave",
	[IROCE_REPL_GONE] = "gone",	  [IROCE_REPL_UP] = "up",
	[IROCE_REPL_DOWN] = "down",	  [IROCE_REPL_ACTIVE] = "active",
	[IROCE_REPL_SEEN] = "seen",	  [IROCE_REPL_OK] = "ok",
	[IROCE_REPL_FAIL] = "fail",	  [IROCE_REPL_STOPPED] = "stopped",
	[IROCE_REPL_SILENT] = "silent",	  [IROCE_REPL_DEL] = "del",
	[IROCE_REPL_EXPIRE] = "expire",	  [IROCE_REPL_SOFT] = "soft",
	[IROCE_REPL_LOW] = "low",	  [IROCE_REPL_ARM] = "arm",
	[IROCE_REPL_STOP] = "stop",
};

static const char *const reason_texts[IROCE_REPL_N_REASONS] = {
	[IROCE_REPL_R_NONE] = "nothing happened",
	[IROCE_REPL_R_REFUSED] = "a port refused the SA or does not answer; it cannot be used there",
	[IROCE_REPL_R_SILENT] =
		"a port does not answer; the SA cannot move before the port is removed: rekey",
	[IROCE_REPL_R_UNKNOWN] =
		"a port is gone and nobody knows which numbers it used; the SA has ended: rekey",
	[IROCE_REPL_R_JUMP] =
		"hand-overs skipped 2^31 numbers without a packet; the SA has ended: rekey",
	[IROCE_REPL_R_EXHAUSTED] = "the sequence numbers are used up; the SA has ended: rekey",
};

const char *iroce_repl_state_name(u32 state)
{
	return state < IROCE_REPL_N_STATES ? state_names[state] : NULL;
}

const char *iroce_repl_event_name(u32 type)
{
	return type < IROCE_REPL_N_MOVES ? event_names[type] : NULL;
}

const char *iroce_repl_reason_text(u32 reason)
{
	return reason_texts[reason < IROCE_REPL_N_REASONS ? reason : IROCE_REPL_R_NONE];
}

static u32 port_bit(u8 port)
{
	return 1U << port;
}

static enum iroce_repl_follow follow_of(const struct iroce_repl_cfg *cfg)
{
	if (cfg->placement == IROCE_PLACE_SHARED)
		return IROCE_REPL_EVERYWHERE;
	if (cfg->placement == IROCE_PLACE_OWNER)
		return IROCE_REPL_THE_ACTIVE;
	return cfg->dir == IROCE_DIR_IN ? IROCE_REPL_THE_TRAFFIC : IROCE_REPL_ITS_HOME;
}

int iroce_repl_init(struct iroce_repl_sa *sa, const struct iroce_repl_cfg *cfg)
{
	const u64 limit = cfg->is_esn ? U64_MAX : U32_MAX;

	if (cfg->placement <= IROCE_PLACE_ANY || cfg->placement >= IROCE_PLACE_N ||
	    cfg->dir > IROCE_DIR_OUT)
		return -EINVAL;
	if (cfg->placement == IROCE_PLACE_PER_PORT && cfg->home >= IROCE_REPL_PORTS_MAX)
		return -EINVAL;
	if (cfg->gap > IROCE_REPL_JUMP_MAX || (cfg->dir == IROCE_DIR_OUT && !cfg->gap))
		return -EINVAL;
	if (cfg->last >= limit)
		return -ERANGE;

	memset(sa, 0, sizeof(*sa));
	sa->limit = limit;
	sa->mark = cfg->last;
	sa->start = cfg->last;
	sa->gap = cfg->gap;
	sa->follow = follow_of(cfg);
	sa->holder = IROCE_REPL_NO_PORT;
	sa->target = cfg->placement == IROCE_PLACE_PER_PORT ? cfg->home : IROCE_REPL_NO_PORT;
	sa->seen_port = IROCE_REPL_NO_PORT;
	return 0;
}

static void ask_rekey(struct iroce_repl_sa *sa, struct iroce_repl_todo *todo)
{
	if (!sa->has_asked)
		todo->mask |= IROCE_REPL_DO_REKEY;
	sa->has_asked = true;
}

static void tell(struct iroce_repl_todo *todo, enum iroce_repl_reason reason)
{
	todo->mask |= IROCE_REPL_DO_TELL;
	todo->reason = reason;
}

/* Nothing that could be sent or accepted under this SA is known to be new any more. */
static void end(struct iroce_repl_sa *sa, struct iroce_repl_todo *todo,
		enum iroce_repl_reason reason)
{
	if (sa->is_dead)
		return;
	sa->is_dead = true;
	ask_rekey(sa, todo);
	tell(todo, reason);
}

/*
 * A port let go: all numbers up to max(mark, last) + by count as used.
 *
 *   |----------------- used -------------|<- ahead ->|<- gap ->|
 *                                       last                   mark
 *
 * A skip that no packet confirmed adds to the one before: the receiver has seen neither.
 */
static void raise_mark(struct iroce_repl_sa *sa, u64 last, u64 ahead, struct iroce_repl_todo *todo)
{
	u64 base = last > sa->mark ? last : sa->mark;
	u64 jump = last > sa->start ? 0 : sa->jump;
	u64 by;

	if (ahead > IROCE_REPL_JUMP_MAX) {
		end(sa, todo, IROCE_REPL_R_JUMP);
		return;
	}
	by = ahead + sa->gap;
	if (jump + by > IROCE_REPL_JUMP_MAX) {
		end(sa, todo, IROCE_REPL_R_JUMP);
		return;
	}
	if (base > sa->limit || sa->limit - base <= by) {
		end(sa, todo, IROCE_REPL_R_EXHAUSTED);
		return;
	}
	sa->jump = jump + by;
	sa->mark = base + by;
}

/* The SA cannot leave a port that may be using it: a new one can take its place. */
static void give_up(struct iroce_repl_sa *sa, u8 port, struct iroce_repl_todo *todo)
{
	if (!(sa->held & port_bit(port))) {
		tell(todo, IROCE_REPL_R_REFUSED);
		return;
	}
	ask_rekey(sa, todo);
	tell(todo, IROCE_REPL_R_SILENT);
}

/* A port that may have been live is certain not to be, now. */
static void release(struct iroce_repl_sa *sa, u16 flags, const struct iroce_repl_event *ev,
		    struct iroce_repl_todo *todo)
{
	if (!(sa->held & port_bit(ev->port)))
		return;
	sa->held &= ~port_bit(ev->port);

	if (flags & F_STOPPED) {
		raise_mark(sa, ev->last, 0, todo);
	} else if (flags & F_GONE) {
		if (ev->ahead == IROCE_REPL_AHEAD_UNKNOWN)
			sa->is_blind = true;
		else
			raise_mark(sa, ev->last, ev->ahead, todo);
	}
	if (sa->held)
		return;
	sa->holder = IROCE_REPL_NO_PORT;
	/* While the engine had the SA at another port, it knew. */
	if (sa->is_blind)
		end(sa, todo, IROCE_REPL_R_UNKNOWN);
}

/*
 * Frames at a port that has no live window. Anybody can send such frames: they move the SA only if
 * the window that is live stood still between two of them, so that nobody can pull it away from
 * under its traffic.
 */
static void follow_traffic(struct iroce_repl_sa *sa, const struct iroce_repl_group *group,
			   const struct iroce_repl_event *ev)
{
	if (sa->follow != IROCE_REPL_THE_TRAFFIC || sa->target == ev->port)
		return;
	if (sa->held && group->running & port_bit(sa->holder) &&
	    (sa->seen_port != ev->port || sa->seen_last != ev->last)) {
		sa->seen_port = ev->port;
		sa->seen_last = ev->last;
		return;
	}
	sa->target = ev->port;
}

/* Where traffic will arrive now is a guess; SEEN corrects it. */
static void flee(struct iroce_repl_sa *sa, const struct iroce_repl_group *group, u8 port)
{
	u32 others = group->running & ~port_bit(port);

	if (sa->follow == IROCE_REPL_THE_TRAFFIC && sa->target == port && others)
		sa->target = __builtin_ctz(others);
}

/* While no port runs, the SA waits where it is at home. */
static void come_back(struct iroce_repl_sa *sa, const struct iroce_repl_group *group, u8 port)
{
	if (sa->follow == IROCE_REPL_THE_TRAFFIC && group->running & port_bit(port) &&
	    !(group->running & port_bit(sa->target)))
		sa->target = port;
}

static int move(struct iroce_repl_sa *sa, u8 port, u32 type, u32 *todo)
{
	const struct move *m = &moves[sa->cell[port]][type];

	if (!(m->flags & F_LEGAL))
		return -EPROTO;
	sa->cell[port] = m->next;
	sa->standby &= ~port_bit(port);
	sa->live &= ~port_bit(port);
	if (m->next == IROCE_REPL_STANDBY)
		sa->standby |= port_bit(port);
	else if (m->next == IROCE_REPL_LIVE)
		sa->live |= port_bit(port);
	*todo |= m->todo;
	return m->flags;
}

static void arm(struct iroce_repl_sa *sa, u8 port, struct iroce_repl_todo *todo)
{
	if (move(sa, port, IROCE_REPL_ARM, &todo->mask) < 0)
		return;
	sa->held |= port_bit(port);
	sa->holder = port;
	sa->start = sa->mark;
	sa->seen_port = IROCE_REPL_NO_PORT;
	sa->seen_last = 0;
	todo->live_port = port;
	todo->start = sa->mark;
}

static void stop(struct iroce_repl_sa *sa, u8 port, struct iroce_repl_todo *todo)
{
	if (move(sa, port, IROCE_REPL_STOP, &todo->mask) >= 0)
		todo->live_port = port;
}

/*
 * One engine, one counter, one window: wherever it is installed. But the engine forgets an SA with
 * its last port. So either a port is live, and the engine is certain to know the numbers, or none
 * holds the SA, and the mark tells them; else wait. One port at a time; its answer brings the next.
 */
static void settle_shared(struct iroce_repl_sa *sa, u8 port, struct iroce_repl_todo *todo)
{
	if (sa->is_dead)
		stop(sa, port, todo);
	else if (sa->standby && (sa->live || !sa->held))
		arm(sa, __builtin_ctz(sa->standby), todo);
}

/* Independent engines: one at a time. What cannot be armed or stopped yet waits for its answer. */
static void settle_alone(struct iroce_repl_sa *sa, const struct iroce_repl_group *group,
			 struct iroce_repl_todo *todo)
{
	u8 want = sa->follow == IROCE_REPL_THE_ACTIVE ? group->active : sa->target;
	bool is_ready = want < IROCE_REPL_PORTS_MAX && sa->standby & port_bit(want);

	if (sa->held) {
		/* Nobody is fenced for a port that could not take over. */
		if (sa->is_dead || is_ready)
			stop(sa, sa->holder, todo);
	} else if (is_ready && !sa->is_dead) {
		arm(sa, want, todo);
	}
}

int iroce_repl_step(struct iroce_repl_sa *sa, const struct iroce_repl_group *group,
		    const struct iroce_repl_event *ev, struct iroce_repl_todo *todo)
{
	int flags;

	memset(todo, 0, sizeof(*todo));
	todo->port = ev->port;
	todo->live_port = IROCE_REPL_NO_PORT;
	if (ev->type >= IROCE_REPL_N_EVENTS || ev->port >= IROCE_REPL_PORTS_MAX)
		return -EINVAL;
	if (ev->type == IROCE_REPL_JOIN && sa->is_dead)
		return -EKEYEXPIRED;
	flags = move(sa, ev->port, ev->type, &todo->mask);
	if (flags < 0)
		return flags;

	if (flags & F_REFUSED)
		tell(todo, IROCE_REPL_R_REFUSED);
	if (flags & F_SILENT)
		give_up(sa, ev->port, todo);
	if (flags & F_REKEY)
		ask_rekey(sa, todo);
	if (flags & F_DEAD)
		sa->is_dead = true;
	if (flags & (F_STOPPED | F_GONE | F_UNUSED))
		release(sa, flags, ev, todo);
	if (flags & F_SEEN)
		follow_traffic(sa, group, ev);
	if (flags & F_AWAY)
		flee(sa, group, ev->port);
	if (flags & F_BACK)
		come_back(sa, group, ev->port);

	if (sa->follow == IROCE_REPL_EVERYWHERE)
		settle_shared(sa, ev->port, todo);
	else
		settle_alone(sa, group, todo);
	return 0;
}

bool iroce_repl_is_idle(const struct iroce_repl_sa *sa)
{
	u32 port;

	for (port = 0; port < IROCE_REPL_PORTS_MAX; port++)
		if (sa->cell[port] != IROCE_REPL_ABSENT && sa->cell[port] != IROCE_REPL_FAILED)
			return false;
	return true;
}
