/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Hand-over of a replicated SA between two ports, on the sending and on the receiving host.
 *
 *      host A, SA out                      the wire                     host B, SA in
 *   +------------------+                                             +------------------+
 *   |   core/repl.c    |            any number once sent,            |    core/repl.c   |
 *   |  | ask    ^ say  |            at any port of B,                |  | ask    ^ say  |
 *   |  v        |      |            any time, any number of          |  v        |      |
 *   | port 0   port 1  | ---------> times, in any order, -----------> | port 0   port 1  |
 *   +------------------+            or never                         +------------------+
 *
 * What decides here is core/repl.c itself, linked in and stepped through glue.c; its state is part
 * of the model's. What is modelled is the world around it: ports that carry out late what they are
 * asked for, or never, refuse, report a number that is behind by the gap, stop by
 * themselves, are pulled out and come back; a bond that changes its mind; a caller that gives up
 * waiting; and a wire that is the worst attacker there is: losses, reordering and replays are all
 * among its runs.
 *
 * Checked, by assertions: I3, no number is sent twice under the key; I4, no number is delivered
 * twice; the machine refuses nothing that this world does, but a second report of one stop.
 *
 * Set by check: SENDER, RECEIVER (which hosts run; a receiver alone gets any number at any time),
 * PLACEMENT (1 shared, 2 per port, 3 owner), LAST (the last sequence number there is), GAP, AHEAD
 * (how far a port may have gone beyond the last number known of it), SCARES (how often the SA at a
 * host may be refused, given up, pulled out, taken away, deleted or stopped; 255: no bound),
 * ONLY_CRASHES (of those, pulled out alone, at either host), REACH (so many activations in a row
 * must have carried packets: an assertion that has to fail).
 */

#define ABSENT 0
#define INSTALLING 1
#define STANDBY 2
#define ARMING 3
#define LIVE 4
#define FENCING 5
#define LEAVING 6
#define FAILED 7
#define LOST 8

#define EV_JOIN 0
#define EV_LEAVE 1
#define EV_GONE 2
#define EV_UP 3
#define EV_DOWN 4
#define EV_ACTIVE 5
#define EV_SEEN 6
#define EV_OK 7
#define EV_FAIL 8
#define EV_STOPPED 9
#define EV_SILENT 10
#define EV_DEL 11
#define EV_EXPIRE 12

#define DO_INSTALL 1
#define DO_REMOVE 2
#define DO_ACTIVATE 4
#define DO_FENCE 8

#define SHARED 1
#define PER_PORT 2
#define OWNER 3
#define UNKNOWN 255

#define BIT(n) (1 << (n))
#define ALL (BIT(LAST + 1) - 2)

c_decl {
	\#include "glue.h"
}
c_track "glue_state" "sizeof(glue_state)" "Matched"

/* Port p of host h is number 2 * h + p; so is its engine, but for shared ports. */
#if PLACEMENT == SHARED
#define ENGINE (2 * h)
#else
#define ENGINE d
#endif

chan ask[4] = [3] of { byte, byte }; /* request, start */
chan say[4] = [4] of { byte, byte }; /* answer, last number */
byte unheard[4]; /* requests whose answers nobody waits for any more */
bool is_there[4]; /* the SA is installed at the port */
bool runs[4];   /* the port sends or accepts */
byte num[4];    /* by engine: last number used, or top of the window */
byte ever[4];   /* highest number that the port used since the machine knew it stopped */
short seen[4];  /* by engine: numbers that count as received */
byte running[2]; /* ports with carrier, as the group has it */
byte scares[2];

short used;      /* numbers sent, a bit each */
short delivered; /* numbers that the stack of host B got */

#ifdef REACH
bool is_fresh[4];
byte turns[2];
#endif

/* To and from glue_step(). */
byte ev_h, ev_type, ev_port, ev_last, ev_ahead;
byte todo, live_port, start;
bool is_refused;
byte cell[4];
bool is_dead[2];

/* Whatever port d is still to answer, nobody waits for it any more. */
inline ignore(d_)
{
	do
	:: len(say[d_]) > 0 -> say[d_]?_, _
	:: else -> break
	od;
	unheard[d_] = len(ask[d_])
}

inline post()
{
	if
	:: todo & DO_INSTALL -> ask[2 * ev_h + ev_port]!DO_INSTALL, 0
	:: else
	fi;
	if
	:: todo & DO_REMOVE ->
		ignore(2 * ev_h + ev_port);
		ask[2 * ev_h + ev_port]!DO_REMOVE, 0
	:: else
	fi;
	if
	:: todo & DO_FENCE -> ask[2 * ev_h + live_port]!DO_FENCE, 0
	:: else
	fi;
	if
	:: todo & DO_ACTIVATE -> ask[2 * ev_h + live_port]!DO_ACTIVATE, start
	:: else
	fi;
}

#define MAY_RUN(c) ((c) >= ARMING && (c) != FAILED)

/* One event into the machine of its host; what it wants done goes to the ports. */
inline hand_in(type, port, last, ahead)
{
	ev_h = h;
	ev_type = type;
	ev_port = port;
	ev_last = last;
	ev_ahead = ahead;
	c_code {
		struct glue_verdict v = glue_step(now.ev_h, now.ev_type, now.ev_port, now.ev_last,
						  now.ev_ahead);

		now.is_refused = v.is_refused;
		now.todo = v.mask;
		now.live_port = v.live_port;
		now.start = v.start;
		now.cell[2 * now.ev_h] = glue_state[now.ev_h].cell[0];
		now.cell[2 * now.ev_h + 1] = glue_state[now.ev_h].cell[1];
		now.is_dead[now.ev_h] = glue_state[now.ev_h].is_dead;
	};
	/* For whoever reads a trail: ./pan -r */
	printf("host %d port %d: event %d last %d ahead %d -> %d %d, do %x at %d from %d\n", ev_h,
	       ev_port, ev_type, ev_last, ev_ahead, cell[2 * ev_h], cell[2 * ev_h + 1], todo,
	       live_port, start);
	/* A port that stops by itself when it is asked to stop says so twice, if slow. */
	assert(!is_refused || ev_type == EV_STOPPED);
	if
	:: MAY_RUN(cell[2 * ev_h + ev_port])
	:: else -> ever[2 * ev_h + ev_port] = 0
	fi;
	post();
	ev_h = 0;
	ev_type = 0;
	ev_port = 0;
	ev_last = 0;
	ev_ahead = 0;
	todo = 0;
	live_port = 0;
	start = 0;
	is_refused = false
}

#ifdef ONLY_CRASHES
#define VICTIM 0
#define CAN_SCARE false
#else
#define VICTIM h
#define CAN_SCARE CAN_CRASH
#endif
#define CAN_CRASH (scares[VICTIM] < SCARES)

inline scare()
{
	if
	:: SCARES < 255 -> scares[VICTIM]++
	:: else
	fi
}

inline answer(type, last)
{
	if
	:: unheard[d] -> unheard[d]--
	:: else -> say[d]!type, last
	fi
}

/* An engine forgets the numbers with the last port that has the SA. */
inline forget()
{
	if
	:: !is_there[d] && (PLACEMENT != SHARED || !is_there[2 * h + 1 - p]) ->
		num[ENGINE] = 0;
		seen[ENGINE] = 0
	:: else
	fi
}

/* What is reported of the last number sent may be behind by the gap; a window's top is exact. */
inline report()
{
	n = num[ENGINE];
	if
	:: true
	:: h == 0 && n >= GAP -> n = n - GAP
	fi
}

/* A shared engine keeps what it knows, if that is more; another starts anew. */
inline activate(from)
{
	runs[d] = true;
	is_there[d] = true;
	if
	:: PLACEMENT == SHARED && num[ENGINE] >= from
	:: else -> num[ENGINE] = from
	fi;
	if
	:: PLACEMENT == SHARED -> seen[ENGINE] = seen[ENGINE] | (BIT(from + 1) - 1)
	:: else -> seen[ENGINE] = BIT(from + 1) - 1
	fi
#ifdef REACH
	;
	is_fresh[d] = true
#endif
}

/* What the caller knows of a port that cannot say it any more. */
inline recall()
{
	n = ever[d];
	if
	:: n > AHEAD -> n = n - AHEAD
	:: else -> n = 0
	fi
}

inline carry_out()
{
	ask[d]?req, n;
	if
	:: req == DO_INSTALL -> is_there[d] = true; answer(EV_OK, 0)
	:: req == DO_ACTIVATE -> activate(n); answer(EV_OK, 0)
	:: (req == DO_INSTALL || req == DO_ACTIVATE) && CAN_SCARE ->
		scare();
		is_there[d] = false;
		forget();
		answer(EV_FAIL, 0)
	:: req == DO_FENCE || req == DO_REMOVE ->
		was_there = is_there[d];
		runs[d] = false;
		report();
		/* A port that cannot hold a fenced SA deletes it instead. */
		if
		:: req == DO_REMOVE || PLACEMENT != SHARED -> is_there[d] = false
		:: req == DO_FENCE
		fi;
		forget();
		if
		:: was_there -> answer(EV_STOPPED, n)
		:: else -> recall(); answer(EV_GONE, n)
		fi;
		was_there = false
	fi
}

/* Pulled out. Of its numbers a bound is known, with luck; the true one is within it. */
inline pull_out()
{
	runs[d] = false;
	is_there[d] = false;
	do
	:: len(ask[d]) > 0 -> ask[d]?_, _
	:: else -> break
	od;
	ignore(d);
	forget();
	running[h] = running[h] & ~BIT(p);
	if
	:: recall(); hand_in(EV_GONE, p, n, AHEAD)
	:: n = ever[d]; hand_in(EV_GONE, p, n, 0)
	:: hand_in(EV_GONE, p, 0, UNKNOWN)
	fi
}

/* The caller gives up. The port may still do all that it was asked for. */
inline give_up()
{
	ignore(d);
	hand_in(EV_SILENT, p, 0, 0)
}

inline take_answer()
{
	say[d]?req, n;
	if
	:: req == EV_GONE -> hand_in(EV_GONE, p, n, AHEAD)
	:: else -> hand_in(req, p, n, 0)
	fi
}

inline count_turn()
{
#ifdef REACH
	if
	:: is_fresh[d] -> is_fresh[d] = false; turns[h]++
	:: else
	fi;
	assert(turns[h] < REACH)
#else
	skip
#endif
}

inline send()
{
	num[ENGINE]++;
	assert(!(used & BIT(num[ENGINE]))); /* I3 */
	used = used | BIT(num[ENGINE]);
	ever[d] = num[ENGINE];
	count_turn()
}

/* The window is as wide as can be: what a narrower one refuses cannot be accepted twice. */
inline receive()
{
	select(n : 1 .. LAST);
	if
	:: (used & BIT(n)) && !(seen[ENGINE] & BIT(n)) ->
		assert(!(delivered & BIT(n))); /* I4 */
		delivered = delivered | BIT(n);
		seen[ENGINE] = seen[ENGINE] | BIT(n);
		if
		:: n > num[ENGINE] -> num[ENGINE] = n
		:: else
		fi;
		if
		:: n > ever[d] -> ever[d] = n
		:: else
		fi;
		count_turn()
	:: else
	fi
}

#define FOLLOWS_TRAFFIC (h == 1 && PLACEMENT == PER_PORT)
#define HAS_SA (cell[d] != ABSENT)
#define IS_DUE \
	(cell[d] == INSTALLING || cell[d] == ARMING || cell[d] == FENCING || cell[d] == LEAVING)

/* All that may happen at port p of host h. */
inline world()
{
	if
	/* the bond */
	:: (cell[d] == ABSENT || cell[d] == FAILED) && !is_dead[h] -> hand_in(EV_JOIN, p, 0, 0)
	:: HAS_SA && len(ask[d]) < 2 && CAN_SCARE -> scare(); hand_in(EV_LEAVE, p, 0, 0)
	:: FOLLOWS_TRAFFIC && !(running[h] & BIT(p)) ->
		running[h] = running[h] | BIT(p);
		hand_in(EV_UP, p, 0, 0)
	:: FOLLOWS_TRAFFIC && (running[h] & BIT(p)) ->
		running[h] = running[h] & ~BIT(p);
		hand_in(EV_DOWN, p, 0, 0)
	:: PLACEMENT == OWNER -> hand_in(EV_ACTIVE, p, 0, 0)
	:: FOLLOWS_TRAFFIC -> hand_in(EV_SEEN, p, num[2 + 1 - p], 0)
	/* the user */
	:: HAS_SA && len(ask[d]) < 2 && CAN_SCARE -> scare(); hand_in(EV_DEL, p, 0, 0)
	:: HAS_SA && CAN_SCARE -> scare(); hand_in(EV_EXPIRE, p, 0, 0)
	/* the port */
	:: len(ask[d]) > 0 -> carry_out()
	:: runs[d] && len(say[d]) == 0 && len(ask[d]) == 0 && !unheard[d] && CAN_SCARE ->
		scare();
		runs[d] = false;
		report();
		say[d]!EV_STOPPED, n
	:: HAS_SA && CAN_CRASH -> scare(); pull_out()
	:: runs[d] && h == 0 && num[ENGINE] < LAST -> send()
	:: runs[d] && h == 1 -> receive()
	/* the caller */
	:: len(say[d]) > 0 -> take_answer()
	:: IS_DUE && CAN_SCARE -> scare(); give_up()
	:: else
	fi
}

proctype host(byte h)
{
	byte d, p, req, n;
	bool was_there;

end:	do
	:: atomic {
		if
		:: p = 0
		:: p = 1
		fi;
		d = 2 * h + p;
		world();
		p = 0;
		d = 0;
		req = 0;
		n = 0
	}
	od
}

init {
	atomic {
#ifdef SENDER
		c_code { glue_init(0, PLACEMENT, LAST, GAP); };
		run host(0);
#else
		used = ALL;
#endif
#ifdef RECEIVER
		c_code { glue_init(1, PLACEMENT, LAST, 0); };
		run host(1);
#endif
	}
}
