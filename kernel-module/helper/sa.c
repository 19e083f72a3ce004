// SPDX-License-Identifier: GPL-2.0
/*
 * SAs of a bond: what is taken, and the state machine of core/repl.h carried out.
 *
 * xfrm's offload interface knows no fenced state, so INSTALL is a shadow in memory,
 * ACTIVATE hands it to the driver, FENCE takes it back; all of them answer at once.
 */
#include <linux/jhash.h>
#include <linux/slab.h>

#include "engine/ipsec_roce_engine.h"
#include "helper.h"
#include "nl.h"

/* Behind what a port reports as its last number sent: packets on their way, late reports. */
#define GAP_OUT		(1U << 16)
/* A todo asks for two answers at most, and an answer for one todo. */
#define EVENTS_MAX	8

/* ---- the state machine ------------------------------------------------ */

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

static void push(struct queue *q, u8 type, u8 port)
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
		last = last > IPSEC_ROCE_USED_UNKNOWN - GAP_OUT ? IPSEC_ROCE_USED_UNKNOWN :
								  last + GAP_OUT;
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
		push(q, IROCE_REPL_FAIL, port);
		return;
	}
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->shadow[port], shadow);
	spin_unlock_bh(&sa->lock);
	push(q, IROCE_REPL_OK, port);
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
		push(q, IROCE_REPL_FAIL, todo->live_port);
		return;
	}
	if (sa->placement != IROCE_PLACE_SHARED && sa->armed_at != IROCE_REPL_NO_PORT &&
	    sa->armed_at != todo->live_port) {
		sa->bond->n_handovers++;
		ipsec_roce_nl_handover(sa, todo->live_port, todo->start);
	}
	sa->armed_at = todo->live_port;
	push(q, IROCE_REPL_OK, todo->live_port);
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
		ipsec_roce_nl_trouble(sa, todo->port, todo->reason);
	}
}

void ipsec_roce_sa_step(struct ipsec_roce_sa *sa, const struct iroce_repl_event *ev,
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
void ipsec_roce_sa_quiesce(struct ipsec_roce_bond *bond, const struct iroce_repl_event *ev)
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

void ipsec_roce_sa_step_all(struct ipsec_roce_bond *bond, u8 type, u8 port)
{
	const struct iroce_repl_event ev = { .type = type, .port = port };
	struct ipsec_roce_sa *sa;

	ipsec_roce_sa_quiesce(bond, &ev);
	list_for_each_entry(sa, &bond->sas, link)
		if (!sa->is_twin && sa->placement != IROCE_PLACE_SHARED)
			ipsec_roce_sa_step(sa, &ev, NULL);
}

int ipsec_roce_sa_join(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port,
		       struct netlink_ext_ack *extack)
{
	const struct iroce_repl_event ev = { .type = IROCE_REPL_JOIN, .port = port->index };

	/* While we have a reference, xfrm frees nothing of x that is to be copied. */
	if (sa->is_twin || READ_ONCE(sa->is_deleted) || !refcount_inc_not_zero(&sa->x->refcnt))
		return 0;
	ipsec_roce_sa_step(sa, &ev, extack);
	xfrm_state_put(sa->x);
	if (sa->repl.cell[port->index] == IROCE_REPL_FAILED && !READ_ONCE(sa->is_deleted)) {
		NL_SET_ERR_MSG_WEAK(extack, "The port refused an SA of the bond");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* ---- what is taken ---------------------------------------------------- */

static u32 spi_hash(const struct ipsec_roce_sa_id *id, u8 dir)
{
	return jhash_1word((__force u32)id->spi, dir);
}

/* bond.lock, or RCU read side. */
static struct ipsec_roce_sa *find_same(const struct ipsec_roce_bond *bond,
				       const struct ipsec_roce_sa_id *id, u8 dir)
{
	struct ipsec_roce_sa *sa;

	hash_for_each_possible_rcu(bond->by_spi, sa, spi_link, spi_hash(id, dir),
				   lockdep_is_held(&bond->lock))
		if (!READ_ONCE(sa->is_deleted) && sa->dir == dir &&
		    ipsec_roce_id_equal(&sa->id, id))
			return sa;
	return NULL;
}

struct ipsec_roce_sa *ipsec_roce_sa_find_in(const struct ipsec_roce_bond *bond,
					    const struct ipsec_roce_sa_id *id)
{
	return find_same(bond, id, IROCE_DIR_IN);
}

static int validate(const struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	if (x->xso.type != XFRM_DEV_OFFLOAD_PACKET) {
		NL_SET_ERR_MSG_MOD(extack, "Only packet offload is replicated over a bond");
		/* Crypto offload falls back to software by this, which is right on any port. */
		return -EOPNOTSUPP;
	}
	if (x->xso.dir != XFRM_DEV_OFFLOAD_IN && x->xso.dir != XFRM_DEV_OFFLOAD_OUT) {
		NL_SET_ERR_MSG_MOD(extack, "Only inbound and outbound states can be offloaded");
		return -EOPNOTSUPP;
	}
	if (!x->aead || x->aalg || x->ealg || x->calg) {
		NL_SET_ERR_MSG_MOD(extack, "Only states with an AEAD alone can be offloaded on a bond");
		return -EOPNOTSUPP;
	}
	if (x->security || x->coaddr) {
		NL_SET_ERR_MSG_MOD(extack, "States with a security context or care-of address cannot be offloaded on a bond");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Where nothing else would do, an SA has a home, which we choose if nobody has. */
static bool needs_home(const struct iroce_place_facts *facts)
{
	if (facts->wish == IROCE_PLACE_ANY)
		return !facts->is_one_engine && facts->mode != IROCE_BOND_ACTIVE_BACKUP;
	return facts->wish == IROCE_PLACE_PER_PORT;
}

/* xfrm frees a state when nobody has it any more, which a socket may delay: not what it sends with. */
static void retire_key(struct ipsec_roce_bond *bond, u64 key)
{
	struct ipsec_roce_sa *sa;

	list_for_each_entry(sa, &bond->sas, link)
		if (sa->has_claim && sa->key == key && READ_ONCE(sa->is_deleted))
			ipsec_roce_sa_retire(sa);
}

/* 0, or -EBUSY if another SA sends with the key. */
static int claim_key(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa, u64 start,
		     struct netlink_ext_ack *extack)
{
	int err;

	if (sa->dir != IROCE_DIR_OUT)
		return 0;
	err = ipsec_roce_key_claim(sa->key, start);
	if (err == -EBUSY) {
		retire_key(bond, sa->key);
		err = ipsec_roce_key_claim(sa->key, start);
	}
	if (err == -EKEYREJECTED)
		NL_SET_ERR_MSG_MOD(extack, "An SA that is gone has used this key, nonces would repeat: use a fresh one");
	sa->has_claim = !err;
	return err;
}

static void release_key(struct ipsec_roce_sa *sa)
{
	if (sa->has_claim)
		ipsec_roce_key_release(sa->key, sa->used);
	sa->has_claim = false;
}

/* Where may it live? Refuses what would repeat a nonce or accept a packet twice. */
static int place(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa, u64 start, u8 *home,
		 struct netlink_ext_ack *extack)
{
	struct iroce_place_facts facts = {};
	enum iroce_place_reason reason;
	enum iroce_placement placement;
	int err;

	err = claim_key(bond, sa, start, extack);
	if (err && err != -EBUSY)
		return err;
	*home = ipsec_roce_home_named(bond, &sa->id);
	ipsec_roce_bond_facts(bond, &facts);
	facts.dir = sa->dir;
	facts.has_home = *home != IROCE_REPL_NO_PORT || needs_home(&facts);
	facts.is_key_taken = err == -EBUSY;
	reason = iroce_place(&facts, &placement);
	if (reason) {
		ipsec_roce_say(extack, iroce_place_text(reason));
		return -EOPNOTSUPP;
	}
	sa->placement = placement;
	if (placement == IROCE_PLACE_PER_PORT && *home == IROCE_REPL_NO_PORT)
		*home = ipsec_roce_home_choose(bond, sa);
	return 0;
}

static int init_repl(struct ipsec_roce_sa *sa, u64 start, u8 home, struct netlink_ext_ack *extack)
{
	const struct iroce_repl_cfg cfg = {
		.placement = sa->placement,
		.dir = sa->dir,
		.home = home,
		.is_esn = sa->x->props.flags & XFRM_STATE_ESN,
		.gap = sa->dir == IROCE_DIR_OUT ? GAP_OUT : 0,
		.last = start,
	};
	int err = iroce_repl_init(&sa->repl, &cfg);

	if (err)
		NL_SET_ERR_MSG_MOD(extack, "The state's sequence numbers are used up: use a new key");
	sa->first_start = cfg.last;
	return err;
}

/* ---- life ------------------------------------------------------------- */

/* On the list, where all who are added or wait for it are. */
static void sa_link(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
{
	list_add_tail(&sa->link, &bond->sas);
	bond->n_sas++;
	bond->n_twins += sa->is_twin;
	bond->generation = bond->generation + 1 ?: 1;
}

/* In the tables, by which it is found; the opposite is part of sa_unlink(). */
static void sa_hash(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
{
	bond->n_walked += sa->placement != IROCE_PLACE_SHARED;
	hash_add_rcu(bond->by_spi, &sa->spi_link, spi_hash(&sa->id, sa->dir));
	if (sa->placement == IROCE_PLACE_PER_PORT)
		hash_add(bond->by_flow, &sa->flow_link, ipsec_roce_flow_hash(sa->x));
}

static void sa_unlink(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
{
	if (sa->is_twin) {
		bond->n_twins--;
	} else {
		bond->n_walked -= sa->placement != IROCE_PLACE_SHARED;
		hash_del_rcu(&sa->spi_link);
		hash_del(&sa->flow_link);
	}
	ipsec_roce_ingress_forget(sa);
	list_del(&sa->link);
	bond->n_sas--;
	bond->generation = bond->generation + 1 ?: 1;
	if (list_empty(&bond->sas))
		wake_up_all(&bond->wait);
}

/* From all ports; then nothing of it is anywhere. */
static void sa_remove(struct ipsec_roce_sa *sa)
{
	struct iroce_repl_event ev = { .type = IROCE_REPL_DEL };

	if (sa->is_twin)
		return;
	for (ev.port = 0; ev.port < IROCE_REPL_PORTS_MAX; ev.port++)
		if (sa->repl.cell[ev.port] != IROCE_REPL_ABSENT)
			ipsec_roce_sa_step(sa, &ev, NULL);
	WARN_ON_ONCE(!iroce_repl_is_idle(&sa->repl));
	release_key(sa);
}

void ipsec_roce_sa_retire(struct ipsec_roce_sa *sa)
{
	sa_remove(sa);
}

static int sa_install(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa,
		      struct netlink_ext_ack *extack)
{
	u32 i;
	int err;

	/* All or nothing. */
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		if (!bond->ports[i])
			continue;
		err = ipsec_roce_sa_join(sa, bond->ports[i], extack);
		if (err)
			return err;
	}
	return 0;
}

/* Nobody but the ports opens what an inbound SA protects. */
static void close_state(struct ipsec_roce_sa *sa)
{
	if (sa->dir == IROCE_DIR_IN)
		ipsec_roce_state_close(sa->x);
}

int ipsec_roce_sa_place(struct ipsec_roce_sa *sa, u64 used, struct netlink_ext_ack *extack)
{
	u64 start = max(ipsec_roce_last(sa->x, sa->dir), used);
	struct ipsec_roce_bond *bond = sa->bond;
	u8 home;
	int err;

	err = place(bond, sa, start, &home, extack) ?: init_repl(sa, start, home, extack);
	if (err) {
		release_key(sa);
		return err;
	}
	bond->n_twins -= sa->is_twin;
	WRITE_ONCE(sa->is_twin, false);
	sa_hash(bond, sa);
	err = sa_install(bond, sa, extack);
	if (err)
		return err;
	ipsec_roce_home_use(bond, &sa->id);
	queue_delayed_work(ipsec_roce_wq, &bond->poll, IPSEC_ROCE_POLL_INTERVAL);
	return 0;
}

static int add(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa,
	       struct netlink_ext_ack *extack)
{
	struct ipsec_roce_sa *same;
	int err;

	err = ipsec_roce_bond_check(bond, extack);
	if (err)
		return err;
	same = find_same(bond, &sa->id, sa->dir);
	if (same && (same->x->mark.v != sa->x->mark.v || same->x->mark.m != sa->x->mark.m)) {
		NL_SET_ERR_MSG_MOD(extack, "The bond has an SA with this SPI, and ports do not look at marks");
		return -EEXIST;
	}
	/* Not at a port yet, so it is one, in a way. */
	sa->is_twin = true;
	sa_link(bond, sa);
	/* Deleted before it could see that somebody waits: pairs with ipsec_roce_twin_kick()'s. */
	smp_mb();
	if (same && READ_ONCE(same->is_deleted))
		queue_delayed_work(ipsec_roce_wq, &bond->twin_work, 0);
	if (!same) {
		err = ipsec_roce_sa_place(sa, 0, extack);
		if (err)
			goto err_unlink;
	}
	/* The first one may end before xfrm finds out that there are two. */
	close_state(sa);
	ipsec_roce_state_pin(sa->x);
	return 0;

err_unlink:
	/* Our own doing: nobody need hear of it, or a key daemon make a new one. */
	WRITE_ONCE(sa->is_deleted, true);
	sa_remove(sa);
	sa_unlink(bond, sa);
	return err;
}

int ipsec_roce_state_add(struct net_device *dev, struct xfrm_state *x,
			 struct netlink_ext_ack *extack)
{
	struct ipsec_roce_bond *bond;
	struct ipsec_roce_sa *sa;
	int err;

	/* Larval: no key, a note that one was asked for. Perhaps softirq. */
	x->xso.offload_handle = 0;
	if (x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ)
		return 0;

	err = validate(x, extack);
	if (err)
		return err;
	bond = ipsec_roce_bond_of(dev);
	if (!bond)
		return -ENODEV;
	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return -ENOMEM;
	sa->bond = bond;
	sa->x = x;
	sa->geniv = x->geniv;
	sa->dir = x->xso.dir == XFRM_DEV_OFFLOAD_IN ? IROCE_DIR_IN : IROCE_DIR_OUT;
	sa->id = (struct ipsec_roce_sa_id) {
		.daddr = x->id.daddr,
		.spi = x->id.spi,
		.family = x->props.family,
	};
	sa->encap = x->encap ? x->encap->encap_dport : 0;
	/* Now: xfrm frees the key before it calls state_free. */
	sa->key = ipsec_roce_key_hash(x);
	INIT_LIST_HEAD(&sa->seen_link);
	sa->armed_at = IROCE_REPL_NO_PORT;
	spin_lock_init(&sa->lock);

	mutex_lock(&bond->lock);
	err = add(bond, sa, extack);
	mutex_unlock(&bond->lock);
	if (err) {
		/* A port's stack may have seen it. */
		kfree_rcu(sa, rcu);
		return err;
	}
	WRITE_ONCE(x->xso.offload_handle, (unsigned long)sa);
	return 0;
}

/* Atomic, under x->lock. The ports stop now, what is left of the SA goes with state_free. */
void ipsec_roce_state_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct ipsec_roce_sa *sa = ipsec_roce_sa_of(x);
	u32 i;

	if (!sa)
		return;
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->is_deleted, true);
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (sa->shadow[i])
			ipsec_roce_shadow_delete(sa->shadow[i]);
	spin_unlock_bh(&sa->lock);
	ipsec_roce_twin_kick(sa->bond);
}

void ipsec_roce_state_free(struct net_device *dev, struct xfrm_state *x)
{
	struct ipsec_roce_bond *bond;
	struct ipsec_roce_sa *sa;

	/* Larval: perhaps softirq, of a packet that found no SA and nobody to ask for one. */
	if (!ipsec_roce_sa_of(x))
		return;
	bond = ipsec_roce_bond_of(dev);
	if (!bond)
		return;
	mutex_lock(&bond->lock);
	sa = ipsec_roce_sa_of(x);
	if (!sa) {
		mutex_unlock(&bond->lock);
		return;
	}
	WRITE_ONCE(x->xso.offload_handle, 0);
	sa_remove(sa);
	/* Freed before the work has looked: its twins go on behind it all the same. */
	ipsec_roce_twin_bequeath(sa);
	/* The last word to whoever waits for the list to be empty: bond may go after it. */
	sa_unlink(bond, sa);
	mutex_unlock(&bond->lock);
	ipsec_roce_ingress_reopen(sa);
}
