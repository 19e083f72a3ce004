// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The replication state machine: every state and event against a table written down here a second
 * time, each hand-over by hand, the arithmetic at its ends, and a long random life of two hosts
 * with real replay windows in between. tests/model does the same exhaustively for small numbers.
 */
#include "unit.h"
#include <string.h>
#include "core/repl.h"
#include "core/replay.h"

#define P0 0
#define P1 1

/*
 * What each event makes of each state, by initials:
 * A absent, I installing, S standby, R arming, L live, F fencing, G leaving, X failed, ? lost;
 * '.' must be refused. In the alone placements the SA's target is another, absent port: nothing
 * is armed or stopped beside.
 */
static const char states[] = "AISRLFGX?";
static const char *const table[IROCE_REPL_N_EVENTS] = {
	/*                        AISRLFGX? */
	[IROCE_REPL_JOIN] =	 "I......I.",
	[IROCE_REPL_LEAVE] =	 "AGGGGGGAG",
	[IROCE_REPL_GONE] =	 "AAAAAAAAA",
	[IROCE_REPL_UP] =	 "AISRLFGX?",
	[IROCE_REPL_DOWN] =	 "AISRLFGX?",
	[IROCE_REPL_ACTIVE] =	 "AISRLFGX?",
	[IROCE_REPL_SEEN] =	 "AISRLFGX?",
	[IROCE_REPL_OK] =	 ".S.L.....",
	[IROCE_REPL_FAIL] =	 ".X.X.....",
	[IROCE_REPL_STOPPED] =	 "....SSA..",
	[IROCE_REPL_SILENT] =	 ".?.?.??..",
	[IROCE_REPL_DEL] =	 "AGGGGGGAG",
	/* A live SA that is dead is stopped at once. */
	[IROCE_REPL_EXPIRE] =	 "AISRFFGX?",
	[IROCE_REPL_SOFT] =	 "AISRLFGX?",
	[IROCE_REPL_LOW] =	 "AISRLFGX?",
};

static const struct iroce_repl_cfg owner_out = {
	.placement = IROCE_PLACE_OWNER, .dir = IROCE_DIR_OUT, .is_esn = true, .gap = 10,
};
static const struct iroce_repl_cfg owner_in = {
	.placement = IROCE_PLACE_OWNER, .dir = IROCE_DIR_IN, .is_esn = true,
};
static const struct iroce_repl_cfg roaming_in = {
	.placement = IROCE_PLACE_PER_PORT, .dir = IROCE_DIR_IN, .is_esn = true, .home = P0,
};
static const struct iroce_repl_cfg home_out = {
	.placement = IROCE_PLACE_PER_PORT, .dir = IROCE_DIR_OUT, .is_esn = true, .home = P1,
	.gap = 1,
};
static const struct iroce_repl_cfg shared_out = {
	.placement = IROCE_PLACE_SHARED, .dir = IROCE_DIR_OUT, .is_esn = true, .gap = 1,
};

static struct iroce_repl_sa sa;
static struct iroce_repl_group group;
static struct iroce_repl_todo todo;

static void begin(const struct iroce_repl_cfg *cfg)
{
	memset(&sa, 0xa5, sizeof(sa));
	assert_int_equal(iroce_repl_init(&sa, cfg), 0);
	iroce_repl_group_init(&group);
}

/* As a caller does it: the group learns first. Returns the to-do mask. */
static u32 hand_in(u8 type, u8 port, u64 last, u64 ahead)
{
	const struct iroce_repl_event ev = { .type = type, .port = port, .last = last,
					     .ahead = ahead };

	if (type == IROCE_REPL_UP)
		iroce_repl_group_up(&group, port);
	if (type == IROCE_REPL_DOWN || type == IROCE_REPL_GONE)
		iroce_repl_group_down(&group, port);
	if (type == IROCE_REPL_ACTIVE)
		iroce_repl_group_set_active(&group, port);
	assert_int_equal(iroce_repl_step(&sa, &group, &ev, &todo), 0);
	return todo.mask;
}

static u32 event(u8 type, u8 port)
{
	return hand_in(type, port, 0, 0);
}

/* Both ports up and installed, port 0 live (and port 1, if shared). */
static void begin_live(const struct iroce_repl_cfg *cfg)
{
	u8 first = cfg->placement == IROCE_PLACE_PER_PORT ? cfg->home : P0;
	u8 port;

	begin(cfg);
	for (port = P0; port <= P1; port++) {
		event(IROCE_REPL_UP, port);
		assert_int_equal(event(IROCE_REPL_JOIN, port), IROCE_REPL_DO_INSTALL);
	}
	event(IROCE_REPL_ACTIVE, P0);
	event(IROCE_REPL_OK, !first);
	event(IROCE_REPL_OK, first);
	event(IROCE_REPL_OK, sa.holder);
	if (cfg->placement == IROCE_PLACE_SHARED)
		event(IROCE_REPL_OK, sa.holder);
	assert_int_equal(sa.cell[first], IROCE_REPL_LIVE);
}

/* A cell in this state at port 0, the rest to match. */
static void put_in_state(u32 s)
{
	begin(&owner_out);
	sa.cell[P0] = s;
	if (s == IROCE_REPL_STANDBY)
		sa.standby = 1;
	if (s == IROCE_REPL_LIVE)
		sa.live = 1;
	if (s == IROCE_REPL_ARMING || s == IROCE_REPL_LIVE || s == IROCE_REPL_FENCING) {
		sa.held = 1;
		sa.holder = P0;
	}
}

static void each_state_and_event_does_what_the_table_says(void **state)
{
	struct iroce_repl_event ev = { .port = P0 };
	struct iroce_repl_sa before;
	u32 s;
	int err;

	(void)state;
	assert_int_equal(strlen(states), IROCE_REPL_N_STATES);
	for (ev.type = 0; ev.type < IROCE_REPL_N_EVENTS; ev.type++) {
		assert_int_equal(strlen(table[ev.type]), IROCE_REPL_N_STATES);
		for (s = 0; s < IROCE_REPL_N_STATES; s++) {
			put_in_state(s);
			before = sa;
			err = iroce_repl_step(&sa, &group, &ev, &todo);
			assert_int_equal(todo.port, P0);
			if (table[ev.type][s] == '.') {
				assert_int_equal(err, -EPROTO);
				assert_int_equal(todo.mask, 0);
				assert_memory_equal(&sa, &before, sizeof(sa));
				continue;
			}
			assert_int_equal(err, 0);
			assert_int_equal(states[sa.cell[P0]], table[ev.type][s]);
			/* What is asked for follows from where the cell went. */
			assert_int_equal(!!(todo.mask & IROCE_REPL_DO_INSTALL),
					 ev.type == IROCE_REPL_JOIN);
			assert_int_equal(!!(todo.mask & IROCE_REPL_DO_REMOVE),
					 s != IROCE_REPL_LEAVING &&
						 sa.cell[P0] == IROCE_REPL_LEAVING);
			assert_int_equal(!!(todo.mask & IROCE_REPL_DO_FENCE),
					 s != IROCE_REPL_FENCING &&
						 sa.cell[P0] == IROCE_REPL_FENCING);
			assert_int_equal(!!(todo.mask & IROCE_REPL_DO_ACTIVATE), 0);
		}
	}
}

static void no_other_event_port_or_config_is_taken(void **state)
{
	struct iroce_repl_event ev = { .port = P0 };
	struct iroce_repl_cfg cfg;
	u32 type;

	(void)state;
	begin_live(&owner_out);
	for (type = IROCE_REPL_N_EVENTS; type < 256; type++) {
		ev.type = type;
		assert_int_equal(iroce_repl_step(&sa, &group, &ev, &todo), -EINVAL);
	}
	ev = (struct iroce_repl_event){ .type = IROCE_REPL_UP, .port = IROCE_REPL_PORTS_MAX };
	assert_int_equal(iroce_repl_step(&sa, &group, &ev, &todo), -EINVAL);

	cfg = owner_out;
	cfg.placement = IROCE_PLACE_ANY;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg.placement = IROCE_PLACE_N;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg = owner_out;
	cfg.dir = IROCE_DIR_OUT + 1;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg = roaming_in;
	cfg.home = IROCE_REPL_PORTS_MAX;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg = owner_out;
	cfg.gap = 0;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg.gap = IROCE_REPL_JUMP_MAX + 1;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -EINVAL);
	cfg.gap = IROCE_REPL_JUMP_MAX;
	assert_int_equal(iroce_repl_init(&sa, &cfg), 0);
	cfg.last = U64_MAX;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -ERANGE);
	cfg.is_esn = false;
	cfg.last = U32_MAX;
	assert_int_equal(iroce_repl_init(&sa, &cfg), -ERANGE);
	cfg.last--;
	assert_int_equal(iroce_repl_init(&sa, &cfg), 0);
}

static void everything_has_a_name(void **state)
{
	u32 i, j;

	(void)state;
	for (i = 0; i < IROCE_REPL_N_STATES; i++)
		assert_non_null(iroce_repl_state_name(i));
	for (i = 0; i < IROCE_REPL_N_MOVES; i++)
		assert_non_null(iroce_repl_event_name(i));
	for (i = 0; i < IROCE_REPL_N_REASONS; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(iroce_repl_reason_text(i),
						iroce_repl_reason_text(j));
	assert_null(iroce_repl_state_name(IROCE_REPL_N_STATES));
	assert_null(iroce_repl_event_name(IROCE_REPL_N_MOVES));
	assert_non_null(iroce_repl_reason_text(U32_MAX));
}

static void owner_moves_by_fence_then_gap(void **state)
{
	(void)state;
	begin_live(&owner_out);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P1), IROCE_REPL_DO_FENCE);
	assert_int_equal(todo.live_port, P0);
	/* Nobody sends until the old port said where it stopped. */
	assert_int_equal(event(IROCE_REPL_ACTIVE, P1), 0);
	assert_int_equal(hand_in(IROCE_REPL_STOPPED, P0, 1000, 0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
	assert_int_equal(todo.start, 1010);
	event(IROCE_REPL_OK, P1);
	assert_true(iroce_repl_is_live(&sa, &group, P1));
	assert_false(iroce_repl_is_live(&sa, &group, P0));
	/* And back, beyond what port 1 used. */
	assert_int_equal(event(IROCE_REPL_ACTIVE, P0), IROCE_REPL_DO_FENCE);
	hand_in(IROCE_REPL_STOPPED, P1, 1011, 0);
	assert_int_equal(todo.start, 1021);
}

static void nobody_is_fenced_for_a_port_that_cannot_take_over(void **state)
{
	(void)state;
	begin(&owner_out);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_ACTIVE, P0);
	assert_int_equal(event(IROCE_REPL_OK, P0), IROCE_REPL_DO_ACTIVATE);
	event(IROCE_REPL_OK, P0);
	event(IROCE_REPL_JOIN, P1);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P1), 0);
	assert_int_equal(event(IROCE_REPL_OK, P1), IROCE_REPL_DO_FENCE);
	/* A bond without an active port leaves things as they are. */
	begin_live(&owner_out);
	event(IROCE_REPL_ACTIVE, IROCE_REPL_PORTS_MAX - 1);
	assert_int_equal(sa.cell[P0], IROCE_REPL_LIVE);
}

static void port_that_reports_less_than_was_handed_to_it_is_not_believed(void **state)
{
	(void)state;
	begin_live(&owner_out);
	event(IROCE_REPL_ACTIVE, P1);
	hand_in(IROCE_REPL_STOPPED, P0, 1000, 0);
	event(IROCE_REPL_OK, P1);
	event(IROCE_REPL_ACTIVE, P0);
	hand_in(IROCE_REPL_STOPPED, P1, 3, 0);
	assert_int_equal(todo.start, 1020);
}

static void port_that_does_not_answer_keeps_the_sa(void **state)
{
	(void)state;
	begin_live(&owner_out);
	event(IROCE_REPL_ACTIVE, P1);
	assert_int_equal(event(IROCE_REPL_SILENT, P0), IROCE_REPL_DO_REKEY | IROCE_REPL_DO_TELL);
	assert_int_equal(todo.reason, IROCE_REPL_R_SILENT);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P1), 0);
	assert_int_equal(sa.cell[P1], IROCE_REPL_STANDBY);
	/* Asked again, it answers at last. */
	assert_int_equal(event(IROCE_REPL_LEAVE, P0), IROCE_REPL_DO_REMOVE);
	assert_int_equal(hand_in(IROCE_REPL_STOPPED, P0, 50, 0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.start, 60);
	/* A port that was never live blocks nobody. */
	begin_live(&owner_out);
	event(IROCE_REPL_LEAVE, P1);
	assert_int_equal(event(IROCE_REPL_SILENT, P1), IROCE_REPL_DO_TELL);
	assert_int_equal(todo.reason, IROCE_REPL_R_REFUSED);
	assert_int_equal(sa.held, 1);
}

static void device_that_is_gone_is_passed_by_its_bound(void **state)
{
	(void)state;
	begin_live(&owner_out);
	iroce_repl_group_set_active(&group, P1);
	assert_int_equal(hand_in(IROCE_REPL_GONE, P0, 500, 7000), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
	assert_int_equal(todo.start, 7510);
	event(IROCE_REPL_OK, P1);
	/* Without a bound the SA ends, and says so. */
	iroce_repl_group_set_active(&group, P0);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_OK, P0);
	assert_int_equal(hand_in(IROCE_REPL_GONE, P1, 7600, IROCE_REPL_AHEAD_UNKNOWN),
			 IROCE_REPL_DO_REKEY | IROCE_REPL_DO_TELL);
	assert_int_equal(todo.reason, IROCE_REPL_R_UNKNOWN);
	assert_true(sa.is_dead);
	assert_int_equal(sa.cell[P0], IROCE_REPL_STANDBY);
}

static void refused_activation_uses_no_number(void **state)
{
	(void)state;
	begin_live(&owner_out);
	event(IROCE_REPL_ACTIVE, P1);
	hand_in(IROCE_REPL_STOPPED, P0, 90, 0);
	assert_int_equal(event(IROCE_REPL_FAIL, P1), IROCE_REPL_DO_TELL);
	assert_int_equal(todo.reason, IROCE_REPL_R_REFUSED);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.start, 100);
}

static void inbound_window_follows_its_traffic(void **state)
{
	(void)state;
	begin_live(&roaming_in);
	/* One frame at the wrong port is anybody's; so are many while the window moves. */
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P1, 5, 0), 0);
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P1, 6, 0), 0);
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P1, 7, 0), 0);
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P1, 7, 0), IROCE_REPL_DO_FENCE);
	assert_int_equal(todo.live_port, P0);
	assert_int_equal(hand_in(IROCE_REPL_STOPPED, P0, 8, 0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
	assert_int_equal(todo.start, 8);
	event(IROCE_REPL_OK, P1);
	/* Another port's carrier does not matter. */
	event(IROCE_REPL_UP, P1 + 1);
	assert_int_equal(event(IROCE_REPL_DOWN, P1 + 1), 0);
	assert_int_equal(sa.target, P1);
	/* No carrier: it need not wait for frames. */
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P0, 9, 0), 0);
	assert_int_equal(event(IROCE_REPL_DOWN, P1), IROCE_REPL_DO_FENCE);
	hand_in(IROCE_REPL_STOPPED, P1, 9, 0);
	assert_int_equal(todo.live_port, P0);
	event(IROCE_REPL_OK, P0);
	iroce_repl_group_up(&group, P1);
	event(IROCE_REPL_DOWN, P0);
	hand_in(IROCE_REPL_STOPPED, P0, 9, 0);
	assert_int_equal(event(IROCE_REPL_OK, P1), 0);
	iroce_repl_group_up(&group, P0);
	/* A frame of long ago is forgotten, though the window is where it was. */
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P0, 9, 0), 0);
	event(IROCE_REPL_DOWN, P1);
	hand_in(IROCE_REPL_STOPPED, P1, 9, 0);
	event(IROCE_REPL_OK, P0);
	/* The port that comes back does not pull it over. */
	assert_int_equal(event(IROCE_REPL_UP, P1), 0);
	assert_int_equal(sa.target, P0);
	/* With the carrier lost, one frame elsewhere is enough. */
	event(IROCE_REPL_DOWN, P1);
	event(IROCE_REPL_DOWN, P0);
	assert_int_equal(sa.target, P0);
	iroce_repl_group_up(&group, P1);
	assert_int_equal(hand_in(IROCE_REPL_SEEN, P1, 9, 0), IROCE_REPL_DO_FENCE);
}

static void inbound_window_finds_a_port_that_runs(void **state)
{
	(void)state;
	begin(&roaming_in);
	event(IROCE_REPL_UP, P1);
	event(IROCE_REPL_JOIN, P1);
	assert_int_equal(event(IROCE_REPL_OK, P1), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
	/* Home is refused: the other one takes it. */
	begin(&roaming_in);
	event(IROCE_REPL_UP, P0);
	event(IROCE_REPL_UP, P1);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_JOIN, P1);
	event(IROCE_REPL_OK, P1);
	assert_int_equal(event(IROCE_REPL_FAIL, P0), IROCE_REPL_DO_TELL | IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
}

static void inbound_window_waits_at_home_while_no_port_runs(void **state)
{
	(void)state;
	begin(&roaming_in);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_JOIN, P1);
	assert_int_equal(event(IROCE_REPL_OK, P0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P0);
	assert_int_equal(event(IROCE_REPL_OK, P0), 0);
	/* The one that was installed last does not pull it over, .. */
	assert_int_equal(event(IROCE_REPL_OK, P1), 0);
	assert_int_equal(sa.target, P0);
	/* .. the first one that runs does. */
	assert_int_equal(event(IROCE_REPL_UP, P1), IROCE_REPL_DO_FENCE);
	assert_int_equal(sa.target, P1);
}

static void outbound_sa_of_a_port_stays_at_home(void **state)
{
	(void)state;
	begin_live(&home_out);
	assert_int_equal(sa.cell[P0], IROCE_REPL_STANDBY);
	assert_int_equal(event(IROCE_REPL_DOWN, P1), 0);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P0), 0);
	assert_int_equal(event(IROCE_REPL_SEEN, P0), 0);
	assert_int_equal(event(IROCE_REPL_SEEN, P0), 0);
	assert_int_equal(hand_in(IROCE_REPL_GONE, P1, 40, 2), 0);
	assert_int_equal(sa.cell[P0], IROCE_REPL_STANDBY);
	/* Back again, with the same key: behind all that it may have used. */
	event(IROCE_REPL_UP, P1);
	event(IROCE_REPL_JOIN, P1);
	assert_int_equal(event(IROCE_REPL_OK, P1), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.start, 43);
}

static void shared_fail_over_touches_no_sa(void **state)
{
	struct iroce_repl_sa before;

	(void)state;
	begin_live(&shared_out);
	before = sa;
	assert_true(iroce_repl_is_live(&sa, &group, P0) && iroce_repl_is_live(&sa, &group, P1));
	iroce_repl_group_down(&group, P0);
	assert_false(iroce_repl_is_live(&sa, &group, P0));
	assert_true(iroce_repl_is_live(&sa, &group, P1));
	iroce_repl_group_up(&group, P0);
	assert_true(iroce_repl_is_live(&sa, &group, P0));
	assert_memory_equal(&sa, &before, sizeof(sa));
}

static void shared_port_waits_while_the_engine_may_forget(void **state)
{
	(void)state;
	begin(&shared_out);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_OK, P0);
	event(IROCE_REPL_OK, P0);
	event(IROCE_REPL_JOIN, P1);
	event(IROCE_REPL_LEAVE, P0);
	assert_int_equal(event(IROCE_REPL_OK, P1), 0);
	assert_int_equal(hand_in(IROCE_REPL_STOPPED, P0, 77, 0), IROCE_REPL_DO_ACTIVATE);
	assert_int_equal(todo.live_port, P1);
	assert_int_equal(todo.start, 78);
	/* One that went without a word is no harm while another is live, and is with the last. */
	begin_live(&shared_out);
	assert_int_equal(hand_in(IROCE_REPL_GONE, P0, 0, IROCE_REPL_AHEAD_UNKNOWN), 0);
	event(IROCE_REPL_JOIN, P0);
	assert_int_equal(event(IROCE_REPL_OK, P0), IROCE_REPL_DO_ACTIVATE);
	event(IROCE_REPL_FAIL, P0);
	assert_false(sa.is_dead);
	hand_in(IROCE_REPL_GONE, P1, 0, IROCE_REPL_AHEAD_UNKNOWN);
	assert_true(sa.is_dead);
}

static void dead_sa_is_stopped_everywhere_and_never_armed(void **state)
{
	struct iroce_repl_event join = { .type = IROCE_REPL_JOIN, .port = P0 };

	(void)state;
	begin_live(&owner_out);
	/* Whichever port reports it: the one that sends is fenced. */
	assert_int_equal(event(IROCE_REPL_EXPIRE, P1), IROCE_REPL_DO_FENCE);
	assert_int_equal(todo.live_port, P0);
	assert_int_equal(hand_in(IROCE_REPL_STOPPED, P0, 1, 0), 0);
	assert_int_equal(event(IROCE_REPL_ACTIVE, P1), 0);
	assert_int_equal(event(IROCE_REPL_DEL, P0), IROCE_REPL_DO_REMOVE);
	assert_false(iroce_repl_is_idle(&sa));
	assert_int_equal(event(IROCE_REPL_DEL, P1), IROCE_REPL_DO_REMOVE);
	event(IROCE_REPL_STOPPED, P0);
	assert_false(iroce_repl_is_idle(&sa));
	event(IROCE_REPL_STOPPED, P1);
	assert_true(iroce_repl_is_idle(&sa));
	assert_int_equal(iroce_repl_step(&sa, &group, &join, &todo), -EKEYEXPIRED);

	begin_live(&shared_out);
	assert_int_equal(event(IROCE_REPL_EXPIRE, P1), IROCE_REPL_DO_FENCE);
	assert_int_equal(todo.live_port, P1);
	assert_int_equal(event(IROCE_REPL_EXPIRE, P0), IROCE_REPL_DO_FENCE);
	assert_int_equal(todo.live_port, P0);
	event(IROCE_REPL_STOPPED, P0);
	event(IROCE_REPL_STOPPED, P1);
	assert_int_equal(sa.standby, 3);

	/* Deleted while it is armed: the answer must not bring it to life. */
	begin(&owner_out);
	event(IROCE_REPL_JOIN, P0);
	event(IROCE_REPL_ACTIVE, P0);
	event(IROCE_REPL_OK, P0);
	event(IROCE_REPL_EXPIRE, P0);
	assert_int_equal(event(IROCE_REPL_OK, P0), IROCE_REPL_DO_FENCE);
}

static void rekey_is_asked_for_once(void **state)
{
	(void)state;
	begin_live(&owner_out);
	assert_int_equal(event(IROCE_REPL_LOW, P0), IROCE_REPL_DO_REKEY);
	assert_int_equal(event(IROCE_REPL_SOFT, P0), 0);
	assert_int_equal(event(IROCE_REPL_LOW, P1), 0);
	begin_live(&owner_out);
	assert_int_equal(event(IROCE_REPL_SOFT, P1), IROCE_REPL_DO_REKEY);
}

/* From 0 to 1 and on; returns what the step said. */
static u32 move_over(u8 to, u64 last)
{
	u8 from = !to;

	event(IROCE_REPL_ACTIVE, to);
	return hand_in(IROCE_REPL_STOPPED, from, last, 0);
}

static void numbers_end_and_never_wrap(void **state)
{
	struct iroce_repl_cfg cfg = owner_out;
	u64 limit;
	int esn;

	(void)state;
	for (esn = 0; esn < 2; esn++) {
		limit = esn ? U64_MAX : U32_MAX;
		cfg.is_esn = esn;
		begin_live(&cfg);
		assert_int_equal(move_over(P1, limit - 11), IROCE_REPL_DO_ACTIVATE);
		assert_true(todo.start == limit - 1);
		begin_live(&cfg);
		assert_int_equal(move_over(P1, limit - 10),
				 IROCE_REPL_DO_REKEY | IROCE_REPL_DO_TELL);
		assert_int_equal(todo.reason, IROCE_REPL_R_EXHAUSTED);
		begin_live(&cfg);
		move_over(P1, limit);
		assert_true(sa.is_dead);
	}
	/* A device that reports what cannot be. */
	cfg.is_esn = false;
	begin_live(&cfg);
	move_over(P1, U64_MAX);
	assert_true(sa.is_dead);
}

static void jumps_without_a_packet_stay_below_two_to_the_31(void **state)
{
	struct iroce_repl_cfg cfg = owner_out;
	u64 last = 0;
	u32 i;

	(void)state;
	cfg.gap = 1U << 30;
	begin_live(&cfg);
	for (i = 0; i < 100; i++) {
		/* A packet in between: the receiver has found its place. */
		last = (i ? todo.start : 0) + 1;
		assert_int_equal(move_over(i % 2 ? P0 : P1, last), IROCE_REPL_DO_ACTIVATE);
		assert_true(todo.start == last + cfg.gap);
		event(IROCE_REPL_OK, sa.holder);
		todo.start = sa.start;
	}
	/* None: the second jump would be one too far. */
	assert_int_equal(move_over(P1, sa.start), IROCE_REPL_DO_REKEY | IROCE_REPL_DO_TELL);
	assert_int_equal(todo.reason, IROCE_REPL_R_JUMP);

	begin_live(&owner_out);
	hand_in(IROCE_REPL_GONE, P0, 5, IROCE_REPL_JUMP_MAX - 10);
	assert_false(sa.is_dead);
	begin_live(&owner_out);
	hand_in(IROCE_REPL_GONE, P0, 5, IROCE_REPL_JUMP_MAX - 9);
	assert_true(sa.is_dead);
	/* Must not come around. */
	begin_live(&owner_out);
	hand_in(IROCE_REPL_GONE, P0, 5, U64_MAX - 5);
	assert_true(sa.is_dead);
	assert_int_equal(todo.reason, IROCE_REPL_R_JUMP);
}

/*
 * A long life: ports with real counters and windows, asked and answering late, frames of any age
 * from anywhere. Ports answer in order; what REMOVE and SILENT give up is dropped.
 */
#define LIFE_NUMBERS 4000

struct life_port {
	u32 asked; /* one request, IROCE_REPL_DO_*; 0: none */
	u64 start;
	bool runs;
	u64 num;
	struct iroce_replay window;
};

struct life {
	struct iroce_repl_sa sa;
	struct iroce_repl_group group;
	struct life_port port[2];
	u8 seen[LIFE_NUMBERS]; /* used, or delivered */
	bool is_in;
	u32 moves;
};

static void life_step(struct life *l, u8 type, u8 port, u64 last, u64 ahead)
{
	const struct iroce_repl_event ev = { .type = type, .port = port, .last = last,
					     .ahead = ahead };

	if (iroce_repl_step(&l->sa, &l->group, &ev, &todo))
		return;
	/* One bit at most, and only of a port that was asked to be live. */
	assert_int_equal(l->sa.held & (l->sa.held - 1), 0);
	if (todo.mask & (IROCE_REPL_DO_INSTALL | IROCE_REPL_DO_REMOVE))
		l->port[port].asked = todo.mask & 3;
	if (todo.mask & (IROCE_REPL_DO_ACTIVATE | IROCE_REPL_DO_FENCE)) {
		l->port[todo.live_port].asked = todo.mask & 12;
		l->port[todo.live_port].start = todo.start;
	}
}

static u64 life_last(const struct life *l, const struct life_port *p)
{
	u64 num = l->is_in ? p->window.top : p->num;

	/* What is said of a sender may be behind by the gap. */
	return l->is_in || num < 2 ? num : num - rand_below(3);
}

static void life_carry_out(struct life *l, u8 port)
{
	struct life_port *p = &l->port[port];
	u32 asked = p->asked;

	p->asked = 0;
	if (asked & (IROCE_REPL_DO_FENCE | IROCE_REPL_DO_REMOVE)) {
		p->runs = false;
		life_step(l, IROCE_REPL_STOPPED, port, life_last(l, p), 0);
	} else if (asked && !rand_below(20)) {
		life_step(l, IROCE_REPL_FAIL, port, 0, 0);
	} else if (asked) {
		if (asked & IROCE_REPL_DO_ACTIVATE) {
			p->runs = true;
			p->num = p->start;
			assert_int_equal(iroce_replay_init(&p->window, 64, true, p->start), 0);
			l->moves++;
		}
		life_step(l, IROCE_REPL_OK, port, 0, 0);
	}
}

static void life_packet(struct life *l, u8 port, u64 seq)
{
	struct life_port *p = &l->port[port];

	if (!p->runs)
		return;
	if (l->is_in && iroce_replay_accept(&p->window, seq))
		return;
	if (!l->is_in)
		seq = ++p->num;
	assert_true(seq < LIFE_NUMBERS);
	assert_int_equal(l->seen[seq]++, 0);
}

static void life_event(struct life *l, u64 newest)
{
	u8 port = rand_below(2);
	struct life_port *p = &l->port[port];

	switch (rand_below(60)) {
	case 0:
		iroce_repl_group_set_active(&l->group, port);
		life_step(l, IROCE_REPL_ACTIVE, port, 0, 0);
		break;
	case 1:
		iroce_repl_group_up(&l->group, port);
		life_step(l, IROCE_REPL_UP, port, 0, 0);
		break;
	case 2:
		iroce_repl_group_down(&l->group, port);
		life_step(l, IROCE_REPL_DOWN, port, 0, 0);
		break;
	case 3:
		life_step(l, IROCE_REPL_SEEN, port, l->port[!port].window.top, 0);
		break;
	case 4:
		life_step(l, IROCE_REPL_LEAVE, port, 0, 0);
		break;
	case 5:
		if (!rand_below(4)) {
			p->asked = 0;
			p->runs = false;
			life_step(l, IROCE_REPL_GONE, port, life_last(l, p), 2);
		}
		break;
	case 6 ... 9:
		life_step(l, IROCE_REPL_JOIN, port, 0, 0);
		break;
	case 10 ... 25:
		life_carry_out(l, port);
		break;
	default:
		life_packet(l, port, newest > 80 ? newest - rand_below(80) : 1 + newest);
	}
}

static void random_life_uses_and_delivers_each_number_once(void **state)
{
	static struct life out, in;
	const struct iroce_repl_cfg *cfg_in;
	struct iroce_repl_cfg cfg;
	u32 run, i, n_moves = 0;

	(void)state;
	for (run = 0; run < 300; run++) {
		memset(&out, 0, sizeof(out));
		memset(&in, 0, sizeof(in));
		cfg = owner_out;
		cfg.gap = 2;
		cfg_in = run % 2 ? &owner_in : &roaming_in;
		in.is_in = true;
		assert_int_equal(iroce_repl_init(&out.sa, &cfg), 0);
		assert_int_equal(iroce_repl_init(&in.sa, cfg_in), 0);
		iroce_repl_group_init(&out.group);
		iroce_repl_group_init(&in.group);
		for (i = 0; i < 4000; i++) {
			life_event(&out, 0);
			/* An attacker sends what was never sent, too: it makes no difference. */
			life_event(&in, i * 3 / 4);
		}
		n_moves += out.moves + in.moves;
	}
	/* It was a life. */
	assert_true(n_moves > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_and_event_does_what_the_table_says),
		cmocka_unit_test(no_other_event_port_or_config_is_taken),
		cmocka_unit_test(everything_has_a_name),
		cmocka_unit_test(owner_moves_by_fence_then_gap),
		cmocka_unit_test(nobody_is_fenced_for_a_port_that_cannot_take_over),
		cmocka_unit_test(port_that_reports_less_than_was_handed_to_it_is_not_believed),
		cmocka_unit_test(port_that_does_not_answer_keeps_the_sa),
		cmocka_unit_test(device_that_is_gone_is_passed_by_its_bound),
		cmocka_unit_test(refused_activation_uses_no_number),
		cmocka_unit_test(inbound_window_follows_its_traffic),
		cmocka_unit_test(inbound_window_finds_a_port_that_runs),
		cmocka_unit_test(inbound_window_waits_at_home_while_no_port_runs),
		cmocka_unit_test(outbound_sa_of_a_port_stays_at_home),
		cmocka_unit_test(shared_fail_over_touches_no_sa),
		cmocka_unit_test(shared_port_waits_while_the_engine_may_forget),
		cmocka_unit_test(dead_sa_is_stopped_everywhere_and_never_armed),
		cmocka_unit_test(rekey_is_asked_for_once),
		cmocka_unit_test(numbers_end_and_never_wrap),
		cmocka_unit_test(jumps_without_a_packet_stay_below_two_to_the_31),
		cmocka_unit_test(random_life_uses_and_delivers_each_number_once),
	};

	return cmocka_run_group_tests(tests, rand_setup, NULL);
}
