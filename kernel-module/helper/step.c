// SPDX-License-Identifier: GPL-2.0
/*
 * The state machine of core/repl.h carried out, for one SA.
 *
 * xfrm's offload interface knows no fenced state, so INSTALL is a shadow in memory,
 * ACTIVATE hands it to the driver, FENCE takes it back; all of them answer at once.
 */
#include "bond.h"
#include "events.h"
#include "port.h"
#include "sa.h"
#include "shadow.h"
#include "step.h"

/* A todo asks for two answers at most, and an answer for one todo. */
#define EVENTS_MAX	8

struct queue {
	struct iroce_repl_event ev[EVENTS_MAX];
	unsigned int head;
	unsigned int tail;
};

static void push_event(struct queue *q, const struct iroce_repl_event *ev)
{
	if (!WARN_ON_ONCE(q->tail - q->head == EVENTS_MAX))
		q->ev[q->tail++ % EVENTS_MAX] = *ev;
}

static void push_answer(struct queue *q, u8 type, u8 port)
{
	const struct iroce_repl_event ev = { .type = type, .port = port };

	push_event(q, &ev);
}

/*
 * How far a port that has stopped may have come: packets on their way draw numbers still, and
 * a driver that does not tell may have sent whatever it says. One that tells, and has sent
 * nothing, leaves the key as it was.
 */
static void note_used(struct ipsec_roce_sa *sa, const struct ipsec_roce_shadow *shadow,
		      const struct iroce_repl_event *answer)
{
	u64 last = answer->last;

	if (answer->type != IROCE_REPL_STOPPED)
		last = IPSEC_ROCE_USED_UNKNOWN;
	else if (last <= shadow->start)
		return;
	else if (sa->dir == IROCE_DIR_OUT)
		last = last > IPSEC_ROCE_USED_UNKNOWN - IPSEC_ROCE_GAP_OUT ?
			       IPSEC_ROCE_USED_UNKNOWN : last + IPSEC_ROCE_GAP_OUT;
	sa->used = max(sa->used, last);
}

static void do_remove(struct ipsec_roce_sa *sa, u8 port, struct queue *q)
{
	struct iroce_repl_event answer = { .type = IROCE_REPL_STOPPED, .port = port };
	struct ipsec_roce_shadow *shadow = sa->shadow[port];

	if (shadow) {
		if (shadow->is_on) {
			ipsec_roce_shadow_stop(sa, shadow, &answer);
			note_used(sa, shadow, &answer);
		}
		ipsec_roce_shadow_destroy(sa, shadow);
	}
	push_event(q, &answer);
}

static void do_fence(struct ipsec_roce_sa *sa, u8 port, struct queue *q)
{
	struct ipsec_roce_shadow *shadow = sa->shadow[port];
	struct iroce_repl_event answer;

	ipsec_roce_shadow_stop(sa, shadow, &answer);
	note_used(sa, shadow, &answer);
	/* After GONE nothing of it is at the port. */
	if (answer.type == IROCE_REPL_GONE)
		ipsec_roce_shadow_destroy(sa, shadow);
	push_event(q, &answer);
}

static void do_install(struct ipsec_roce_sa *sa, u8 port, struct queue *q)
{
	struct ipsec_roce_shadow *shadow;

	shadow = ipsec_roce_shadow_create(sa, sa->bond->ports[port]);
	if (IS_ERR(shadow)) {
		push_answer(q, IROCE_REPL_FAIL, port);
		return;
	}
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->shadow[port], shadow);
	spin_unlock_bh(&sa->lock);
	push_answer(q, IROCE_REPL_OK, port);
}

static void do_activate(struct ipsec_roce_sa *sa, const struct iroce_repl_todo *todo,
			struct queue *q, struct netlink_ext_ack *extack)
{
	struct ipsec_roce_shadow *shadow = sa->shadow[todo->live_port];
	int err;

	err = ipsec_roce_shadow_start(sa, shadow, todo->start, extack);
	if (err) {
		/* FAILED means that nothing is there. */
		ipsec_roce_shadow_destroy(sa, shadow);
		push_answer(q, IROCE_REPL_FAIL, todo->live_port);
		return;
	}
	if (sa->placement != IROCE_PLACE_SHARED && sa->armed_at != IROCE_REPL_NO_PORT &&
	    sa->armed_at != todo->live_port) {
		sa->bond->n_handovers++;
		ipsec_roce_event_handover(sa, todo->live_port, todo->start);
	}
	sa->armed_at = todo->live_port;
	push_answer(q, IROCE_REPL_OK, todo->live_port);
}

/* As a soft lifetime would: the key daemon makes a new SA. */
static void ask_rekey(struct ipsec_roce_sa *sa)
{
	struct xfrm_state *x = sa->x;

	spin_lock_bh(&x->lock);
	if (x->km.state == XFRM_STATE_VALID && !x->km.dying) {
		x->km.dying = 1;
		km_state_expired(x, 0, 0);
	}
	spin_unlock_bh(&x->lock);
}

static void carry_out(struct ipsec_roce_sa *sa, const struct iroce_repl_todo *todo,
		      struct queue *q, struct netlink_ext_ack *extack)
{
	if (todo->mask & IROCE_REPL_DO_FENCE)
		do_fence(sa, todo->live_port, q);
	if (todo->mask & IROCE_REPL_DO_REMOVE)
		do_remove(sa, todo->port, q);
	if (todo->mask & IROCE_REPL_DO_INSTALL)
		do_install(sa, todo->port, q);
	if (todo->mask & IROCE_REPL_DO_ACTIVATE)
		do_activate(sa, todo, q, extack);
	if (todo->mask & IROCE_REPL_DO_REKEY)
		ask_rekey(sa);
	/* Who asked for it, and was refused, has the port's own words. */
	if (todo->mask & IROCE_REPL_DO_TELL && !extack && !READ_ONCE(sa->is_deleted)) {
		net_warn_ratelimited("ipsec_roce: %s: SPI 0x%08x: %s\n", sa->bond->dev->name,
				     ntohl(sa->x->id.spi), iroce_repl_reason_text(todo->reason));
		ipsec_roce_event_trouble(sa, todo->port, todo->reason);
	}
}

void ipsec_roce_step(struct ipsec_roce_sa *sa, const struct iroce_repl_event *ev,
		     struct netlink_ext_ack *extack)
{
	struct queue q = { .ev = { *ev }, .tail = 1 };
	struct iroce_repl_todo todo;

	while (q.head != q.tail) {
		const struct iroce_repl_event now = q.ev[q.head++ % EVENTS_MAX];
		int err = iroce_repl_step(&sa->repl, &sa->bond->group, &now, &todo);

		/* A dead SA takes no new port; all else would be a fault of ours. */
		WARN_ON_ONCE(err && err != -EKEYEXPIRED);
		if (!err)
			carry_out(sa, &todo, &q, extack);
	}
}

/* The shadow that @ev would stop; NULL. The machine itself is asked, a copy of it. */
static struct ipsec_roce_shadow *would_stop(const struct ipsec_roce_sa *sa,
					    const struct iroce_repl_event *ev)
{
	struct iroce_repl_sa copy = sa->repl;
	struct iroce_repl_todo todo;

	if (sa->is_twin || iroce_repl_step(&copy, &sa->bond->group, ev, &todo))
		return NULL;
	if (todo.mask & IROCE_REPL_DO_FENCE)
		return sa->shadow[todo.live_port];
	return todo.mask & IROCE_REPL_DO_REMOVE ? sa->shadow[todo.port] : NULL;
}

/* A grace period for each of ten thousand SAs would be minutes in which none of them works. */
void ipsec_roce_step_quiesce(struct ipsec_roce_bond *bond, const struct iroce_repl_event *ev)
{
	struct ipsec_roce_shadow *shadow;
	struct ipsec_roce_sa *sa;
	bool is_any = false;

	list_for_each_entry(sa, &bond->sas, link) {
		shadow = would_stop(sa, ev);
		if (!shadow || !ipsec_roce_shadow_is_busy(sa, shadow))
			continue;
		spin_lock_bh(&sa->lock);
		ipsec_roce_shadow_delete(shadow);
		spin_unlock_bh(&sa->lock);
		/* It will be, when whoever steps gets to it. */
		shadow->is_quiet = true;
		is_any = true;
	}
	if (is_any)
		synchronize_net();
}

void ipsec_roce_step_all(struct ipsec_roce_bond *bond, u8 type, u8 port)
{
	const struct iroce_repl_event ev = { .type = type, .port = port };
	struct ipsec_roce_sa *sa;

	ipsec_roce_step_quiesce(bond, &ev);
	list_for_each_entry(sa, &bond->sas, link)
		if (!sa->is_twin && sa->placement != IROCE_PLACE_SHARED)
			ipsec_roce_step(sa, &ev, NULL);
}

int ipsec_roce_step_join(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port,
			 struct netlink_ext_ack *extack)
{
	const struct iroce_repl_event ev = { .type = IROCE_REPL_JOIN, .port = port->index };

	/* While we have a reference, xfrm frees nothing of x that is to be copied. */
	if (sa->is_twin || READ_ONCE(sa->is_deleted) || !refcount_inc_not_zero(&sa->x->refcnt))
		return 0;
	ipsec_roce_step(sa, &ev, extack);
	xfrm_state_put(sa->x);
	if (sa->repl.cell[port->index] == IROCE_REPL_FAILED && !READ_ONCE(sa->is_deleted)) {
		NL_SET_ERR_MSG_WEAK(extack, "The port refused an SA of the bond");
		return -EOPNOTSUPP;
	}
	return 0;
}
