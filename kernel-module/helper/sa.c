// SPDX-License-Identifier: GPL-2.0
/*
 * SAs of a bond: what is taken, where it may live, and how it comes and goes. What happens to
 * one at its ports meanwhile: step.c.
 */
#include <linux/slab.h>

#include "engine/ipsec_roce_engine.h"
#include "bond.h"
#include "home.h"
#include "ingress.h"
#include "key.h"
#include "sa.h"
#include "say.h"
#include "shadow.h"
#include "stats.h"
#include "step.h"
#include "twin.h"

static int validate_state(const struct xfrm_state *x, struct netlink_ext_ack *extack)
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
static int choose_place(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa, u64 start, u8 *home,
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
		.gap = sa->dir == IROCE_DIR_OUT ? IPSEC_ROCE_GAP_OUT : 0,
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
static void link_sa(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
{
	list_add_tail(&sa->link, &bond->sas);
	bond->n_sas++;
	bond->n_twins += sa->is_twin;
	bond->generation = bond->generation + 1 ?: 1;
}

/* In the tables, by which it is found; the opposite is part of unlink_sa(). */
static void hash_sa(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
{
	bond->n_walked += sa->placement != IROCE_PLACE_SHARED;
	hash_add_rcu(bond->by_spi, &sa->spi_link, ipsec_roce_sa_hash(&sa->id, sa->dir));
	if (sa->placement == IROCE_PLACE_PER_PORT)
		hash_add(bond->by_flow, &sa->flow_link, ipsec_roce_home_hash(sa->x));
}

static void unlink_sa(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa)
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
static void remove_sa(struct ipsec_roce_sa *sa)
{
	struct iroce_repl_event ev = { .type = IROCE_REPL_DEL };

	if (sa->is_twin)
		return;
	for (ev.port = 0; ev.port < IROCE_REPL_PORTS_MAX; ev.port++)
		if (sa->repl.cell[ev.port] != IROCE_REPL_ABSENT)
			ipsec_roce_step(sa, &ev, NULL);
	WARN_ON_ONCE(!iroce_repl_is_idle(&sa->repl));
	release_key(sa);
}

void ipsec_roce_sa_retire(struct ipsec_roce_sa *sa)
{
	remove_sa(sa);
}

static int install_sa(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa,
		      struct netlink_ext_ack *extack)
{
	u32 i;
	int err;

	/* All or nothing. */
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		if (!bond->ports[i])
			continue;
		err = ipsec_roce_step_join(sa, bond->ports[i], extack);
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
	u64 start = max(ipsec_roce_shadow_last(sa->x, sa->dir), used);
	struct ipsec_roce_bond *bond = sa->bond;
	u8 home;
	int err;

	err = choose_place(bond, sa, start, &home, extack) ?: init_repl(sa, start, home, extack);
	if (err) {
		release_key(sa);
		return err;
	}
	bond->n_twins -= sa->is_twin;
	WRITE_ONCE(sa->is_twin, false);
	hash_sa(bond, sa);
	err = install_sa(bond, sa, extack);
	if (err)
		return err;
	ipsec_roce_home_use(bond, &sa->id);
	queue_delayed_work(ipsec_roce_wq, &bond->poll, IPSEC_ROCE_POLL_INTERVAL);
	return 0;
}

static int add_sa(struct ipsec_roce_bond *bond, struct ipsec_roce_sa *sa,
		  struct netlink_ext_ack *extack)
{
	struct ipsec_roce_sa *same;
	int err;

	err = ipsec_roce_bond_check(bond, extack);
	if (err)
		return err;
	same = ipsec_roce_bond_find_sa(bond, &sa->id, sa->dir);
	if (same && (same->x->mark.v != sa->x->mark.v || same->x->mark.m != sa->x->mark.m)) {
		NL_SET_ERR_MSG_MOD(extack, "The bond has an SA with this SPI, and ports do not look at marks");
		return -EEXIST;
	}
	/* Not at a port yet, so it is one, in a way. */
	sa->is_twin = true;
	link_sa(bond, sa);
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
	remove_sa(sa);
	unlink_sa(bond, sa);
	return err;
}

int ipsec_roce_sa_add(struct net_device *dev, struct xfrm_state *x,
		      struct netlink_ext_ack *extack)
{
	struct ipsec_roce_bond *bond;
	struct ipsec_roce_sa *sa;
	int err;

	/* Larval: no key, a note that one was asked for. Perhaps softirq. */
	x->xso.offload_handle = 0;
	if (x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ)
		return 0;

	err = validate_state(x, extack);
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
	err = add_sa(bond, sa, extack);
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
void ipsec_roce_sa_delete(struct net_device *dev, struct xfrm_state *x)
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

void ipsec_roce_sa_free(struct net_device *dev, struct xfrm_state *x)
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
	remove_sa(sa);
	/* Freed before the work has looked: its twins go on behind it all the same. */
	ipsec_roce_twin_bequeath(sa);
	/* The last word to whoever waits for the list to be empty: bond may go after it. */
	unlink_sa(bond, sa);
	mutex_unlock(&bond->lock);
	ipsec_roce_ingress_reopen(sa);
}
