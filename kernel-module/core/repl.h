/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The replication state machine: one SA of a bond, present at several ports, and which of them may
 * use it. Decides; the caller acts. Holds I3 (a nonce is used once) and I4 (a packet is delivered
 * once) over fail-over, membership changes and ports that die or stop to answer.
 *
 * Each (SA, port) is a cell. What the port was asked for, and what it may be doing meanwhile:
 *
 *            JOIN              OK             arm            OK
 *    ABSENT -------> INSTALLING ----> STANDBY -----> ARMING ----> LIVE
 *      ^                 |              ^  ^           |          | | stop
 *      |            FAIL |      STOPPED |  |      FAIL |  STOPPED | v
 *      | LEAVE, GONE     v              |  +-----------|----------+ FENCING
 *      +-------------- FAILED <---------|--------------+               |
 *      |                                +------------------------------+
 *      | STOPPED           LEAVE, DEL
 *      +-------- LEAVING <------------ wherever something is
 *      | GONE                SILENT
 *      +-------- LOST <--------------- wherever an answer is due
 *
 *   may send or accept: ARMING, LIVE, FENCING, and LEAVING and LOST if they came from there.
 *   Such a port *holds* the SA. It lets go by a certain stop only: STOPPED, GONE, or FAIL.
 *
 * arm and stop are the machine's own: where the SA is on independent engines, a port is armed only
 * when none holds the SA, at a number beyond all that any port may have used:
 *
 *   old port   ---last|            FENCE ... STOPPED(last), or GONE(last known, how far beyond)
 *                     |<- gap ->|
 *   new port                    |start+1 ...        out: first number sent
 *                     (refused) |                   in: window preset, all <= start count as seen
 *
 * `shared` ports have one counter and one window in one engine: each is armed as soon as it is
 * installed, and which of them carries traffic is a bit of the group. A fail-over there is
 * iroce_repl_group_down(), whatever the number of SAs. The others are walked, SA by SA.
 *
 * The caller serialises steps of one SA (its lock, or rtnl), updates the group before it steps, and
 * carries out to-dos of one port in order. It answers each INSTALL and ACTIVATE with OK, FAIL or
 * SILENT, each FENCE and REMOVE with STOPPED or SILENT, in that order. SILENT and REMOVE give up on
 * all that was due before: what the port says later about it is dropped by the caller, not handed
 * in. STOPPED and FAIL are facts: the port has done all that it was asked before, and does not use
 * the SA. A port that stopped but cannot say where (any more) answers with GONE. GONE of a device
 * is handed in as soon as it is (the netdev notifier), before anything else.
 * An engine of `shared` ports keeps the numbers as long as the SA is installed at any of them.
 * Elsewhere, a port that cannot hold a fenced SA (xfrm's offload API knows none): INSTALL is memory
 * alone, ACTIVATE adds the state, FENCE deletes it.
 */
#ifndef IROCE_CORE_REPL_H
#define IROCE_CORE_REPL_H

#include "placement.h"

#define IROCE_REPL_PORTS_MAX 32
#define IROCE_REPL_NO_PORT 0xff
/* A receiver with ESN finds its place again after any jump below 2^31 (RFC 4303 appendix A). */
#define IROCE_REPL_JUMP_MAX ((1ULL << 31) - 1)
/* No bound is known: the SA ends rather than guess. */
#define IROCE_REPL_AHEAD_UNKNOWN (~0ULL)

enum iroce_repl_state {
	IROCE_REPL_ABSENT,
	IROCE_REPL_INSTALLING,
	IROCE_REPL_STANDBY, /* installed, fenced */
	IROCE_REPL_ARMING, /* asked to go live: counts as live */
	IROCE_REPL_LIVE,
	IROCE_REPL_FENCING, /* asked to stop: counts as live */
	IROCE_REPL_LEAVING, /* asked to remove it: counts as live if it was */
	IROCE_REPL_FAILED, /* the port refused; nothing is there */
	IROCE_REPL_LOST, /* the port does not answer; may be live if it was */
	IROCE_REPL_N_STATES
};

enum iroce_repl_event_type {
	/* what happens to the port */
	IROCE_REPL_JOIN, /* the SA is to be at this port: SA added, port joined, retry */
	IROCE_REPL_LEAVE, /* the port leaves the bond, or loses its SAs */
	IROCE_REPL_GONE, /* the device, or all it knew of the SA, is gone; see @last, @ahead */
	IROCE_REPL_UP, /* runs (again); the group knows already */
	IROCE_REPL_DOWN, /* no carrier; the group knows already */
	IROCE_REPL_ACTIVE, /* the bond's active port changed; the group knows already */
	IROCE_REPL_SEEN, /* the SA's traffic arrives here, unauthenticated; @last of the holder */
	/* what the port answers */
	IROCE_REPL_OK,
	IROCE_REPL_FAIL, /* refused, nothing of the SA is at the port */
	IROCE_REPL_STOPPED, /* fenced, removed, or stopped by itself; see @last */
	IROCE_REPL_SILENT, /* no answer in time */
	/* what happens to the SA */
	IROCE_REPL_DEL, /* deleted; hand one in for each port */
	IROCE_REPL_EXPIRE, /* hard lifetime: never used again; shared: hand one in for each port */
	IROCE_REPL_SOFT, /* soft lifetime, or somebody wants a new key */
	IROCE_REPL_LOW, /* the port's numbers are nearly used up */
	IROCE_REPL_N_EVENTS,
	/* the machine's own; refused from outside */
	IROCE_REPL_ARM = IROCE_REPL_N_EVENTS,
	IROCE_REPL_STOP,
	IROCE_REPL_N_MOVES
};

/* What the caller has to do: struct iroce_repl_todo.mask */
#define IROCE_REPL_DO_INSTALL 0x01 /* at .port, fenced */
#define IROCE_REPL_DO_REMOVE 0x02 /* at .port; stops it too, answer as to FENCE */
#define IROCE_REPL_DO_ACTIVATE 0x04 /* at .live_port, numbers as .start says */
#define IROCE_REPL_DO_FENCE 0x08 /* at .live_port; answer with the last number used */
#define IROCE_REPL_DO_REKEY 0x10 /* ask for a new SA (acquire, soft expire); once per SA */
#define IROCE_REPL_DO_TELL 0x20 /* .reason, to whoever administrates */

enum iroce_repl_reason {
	IROCE_REPL_R_NONE,
	IROCE_REPL_R_REFUSED, /* a port said no */
	IROCE_REPL_R_SILENT, /* the SA stays where nobody answers */
	IROCE_REPL_R_UNKNOWN, /* a port took its numbers along */
	IROCE_REPL_R_JUMP, /* the receiver would lose its place */
	IROCE_REPL_R_EXHAUSTED, /* no number left behind the gap */
	IROCE_REPL_N_REASONS
};

struct iroce_repl_event {
	u8 type; /* enum iroce_repl_event_type */
	u8 port;
	/*
	 * STOPPED: last number used (out: sent, in: top of the window). GONE: the last one known.
	 * SEEN: the top of the window at the port that holds the SA, as far as it is known.
	 */
	u64 last;
	/*
	 * GONE: how far beyond @last the port may have gone, 0 if @last is exact. Inbound this
	 * includes the jumps that the peer may make at its own hand-overs; without a bound
	 * IROCE_REPL_AHEAD_UNKNOWN.
	 */
	u64 ahead;
};

struct iroce_repl_todo {
	u32 mask;
	u8 port;
	u8 live_port; /* IROCE_REPL_NO_PORT if there is neither ACTIVATE nor FENCE */
	u8 reason; /* enum iroce_repl_reason */
	/*
	 * ACTIVATE. Out: the last number that counts as used (xfrm's oseq). In: preset of the
	 * window, see iroce_replay_init(). Shared: an engine that knows larger numbers keeps them.
	 */
	u64 start;
};

/* What all SAs of one bond and placement have in common. */
struct iroce_repl_group {
	u32 running; /* member ports with carrier, one bit each */
	u8 active; /* active-backup: the port that sends; else IROCE_REPL_NO_PORT */
};

enum iroce_repl_follow {
	IROCE_REPL_EVERYWHERE, /* shared */
	IROCE_REPL_THE_ACTIVE, /* owner */
	IROCE_REPL_THE_TRAFFIC, /* per port, inbound */
	IROCE_REPL_ITS_HOME, /* per port, outbound */
};

/**
 * struct iroce_repl_sa - an SA of a bond; the caller may read all, and changes nothing
 * @limit: last usable number
 * @mark: no port has used a number beyond it, if none holds the SA
 * @start: what the last ACTIVATE said
 * @jump: numbers skipped in a row, since one was used
 * @seen_last: the holder's last number when @seen_port had traffic of the SA
 * @gap: slack on top of a port's last number at a hand-over, as configured
 * @held: ports that may be live, one bit each; on independent engines one at most
 * @live: ports that are LIVE
 * @standby: ports that are STANDBY
 * @follow: enum iroce_repl_follow
 * @holder: the port armed last, while any is held; else IROCE_REPL_NO_PORT
 * @target: the port where the SA should be; not for EVERYWHERE and THE_ACTIVE
 * @seen_port: the port without a live window where traffic of the SA came last; IROCE_REPL_NO_PORT
 *	if there was none since the SA was armed
 * @is_dead: never armed again
 * @is_blind: shared: numbers beyond @mark are used, and only the engine knows which
 * @has_asked: a rekey was asked for
 * @cell: enum iroce_repl_state of each port
 */
struct iroce_repl_sa {
	u64 limit;
	u64 mark;
	u64 start;
	u64 jump;
	u64 seen_last;
	u32 gap;
	u32 held;
	u32 live;
	u32 standby;
	u8 follow;
	u8 holder;
	u8 target;
	u8 seen_port;
	bool is_dead;
	bool is_blind;
	bool has_asked;
	u8 cell[IROCE_REPL_PORTS_MAX];
};

struct iroce_repl_cfg {
	u8 placement; /* enum iroce_placement, not ANY */
	u8 dir; /* enum iroce_dir */
	bool is_esn;
	u8 home; /* per port: where it starts (in), where it stays (out) */
	/*
	 * Slack on top of a port's last number at a hand-over. Outbound at least 1: some devices
	 * take oseq for the next number. More for devices whose report may be behind.
	 */
	u32 gap;
	u64 last; /* numbers up to here are used: oseq, or the window's top; 0 for a fresh SA */
};

/**
 * iroce_repl_init - an SA that is at no port yet; hand in a JOIN for each
 * @sa: written only on success
 * @cfg: read once, not kept
 *
 * Return: 0; -EINVAL placement, direction, home or gap; -ERANGE @last leaves no number.
 */
int __must_check iroce_repl_init(struct iroce_repl_sa *sa, const struct iroce_repl_cfg *cfg);

/**
 * iroce_repl_step - one event
 * @sa: the SA; the caller serialises its steps
 * @group: of the SA's bond and placement; it knows the event already
 * @ev: what happened, and at which port
 * @todo: always written; what must be done now, nothing if the step was refused
 *
 * O(1) in ports and SAs. Tells its to-dos once.
 *
 * Return: 0; -EPROTO the event cannot happen in this state, nothing changed; -EKEYEXPIRED JOIN of
 * an SA that is dead; -EINVAL no such event or port.
 */
int __must_check iroce_repl_step(struct iroce_repl_sa *sa, const struct iroce_repl_group *group,
				 const struct iroce_repl_event *ev, struct iroce_repl_todo *todo);

/* No port may use the SA, and none has anything of it: it can be freed. O(ports). */
bool iroce_repl_is_idle(const struct iroce_repl_sa *sa);

/* Is the SA in use at this port now? For reports, and for whoever spreads flows over ports. */
static inline bool iroce_repl_is_live(const struct iroce_repl_sa *sa,
				      const struct iroce_repl_group *group, u8 port)
{
	return port < IROCE_REPL_PORTS_MAX && sa->cell[port] == IROCE_REPL_LIVE &&
	       READ_ONCE(group->running) >> port & 1;
}

static inline void iroce_repl_group_init(struct iroce_repl_group *group)
{
	group->running = 0;
	group->active = IROCE_REPL_NO_PORT;
}

/*
 * Port changes, O(1). For `shared` that is all of it; else an event for each SA follows. The
 * caller serialises them; readers need no lock.
 */
static inline void iroce_repl_group_up(struct iroce_repl_group *group, u8 port)
{
	WRITE_ONCE(group->running, group->running | 1U << port);
}

static inline void iroce_repl_group_down(struct iroce_repl_group *group, u8 port)
{
	WRITE_ONCE(group->running, group->running & ~(1U << port));
}

static inline void iroce_repl_group_set_active(struct iroce_repl_group *group, u8 port)
{
	WRITE_ONCE(group->active, port);
}

/* For traces and netlink; NULL for what does not exist. */
const char *iroce_repl_state_name(u32 state);
const char *iroce_repl_event_name(u32 type);
/* For extack and events: what happened, and what to do. Never NULL. */
const char *iroce_repl_reason_text(u32 reason);

#endif /* IROCE_CORE_REPL_H */
