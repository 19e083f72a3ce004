// SPDX-License-Identifier: GPL-2.0
/*
 * Twins: states that xfrm has added while another one had their identity, see @is_twin. Where
 * the first one ends before xfrm has looked, the twin is valid, and must be at the ports.
 *
 *	state_add(x)   state_add(y): twin   state_delete(x)   work: x from all ports, y to them
 *
 * State_delete is atomic, and nothing can be handed to a driver there: from then until the work
 * has run the flow is closed. Not until state_free: a socket may hold on to x for long.
 *
 * A twin with the first one's key is the same SA: it goes on behind the first one's numbers, and
 * its window takes nothing that the first one's may have seen (I3, I4).
 */
#include <linux/hrtimer.h>

#include "helper.h"

#define RETRY_INTERVAL	max(HZ / 100, 1)

static bool is_same_id(const struct ipsec_roce_sa *a, const struct ipsec_roce_sa *b)
{
	return a->dir == b->dir && ipsec_roce_id_equal(&a->id, &b->id);
}

static bool is_heir_of(const struct ipsec_roce_sa *twin, const struct ipsec_roce_sa *sa)
{
	return twin->is_twin && twin->key == sa->key && is_same_id(twin, sa);
}

/* bond.lock. */
static void inherit(struct ipsec_roce_sa *twin, const struct ipsec_roce_sa *sa)
{
	twin->used = max(twin->used, max(sa->used, sa->first_start));
	twin->is_heir = true;
	spin_lock_bh(&twin->lock);
	twin->gone = sa->gone;
	spin_unlock_bh(&twin->lock);
}

bool ipsec_roce_twin_waits(const struct ipsec_roce_sa *sa)
{
	const struct ipsec_roce_sa *twin;

	if (!sa->bond->n_twins)
		return false;
	list_for_each_entry(twin, &sa->bond->sas, link)
		if (is_heir_of(twin, sa))
			return true;
	return false;
}

void ipsec_roce_twin_bequeath(const struct ipsec_roce_sa *sa)
{
	struct ipsec_roce_sa *twin;

	if (sa->is_twin || !sa->bond->n_twins)
		return;
	list_for_each_entry(twin, &sa->bond->sas, link)
		if (is_heir_of(twin, sa))
			inherit(twin, sa);
}

/* The way is free, of all that had the twin's identity before it; bond.lock. */
static bool clear_way(struct ipsec_roce_sa *twin)
{
	struct ipsec_roce_sa *sa;

	list_for_each_entry(sa, &twin->bond->sas, link)
		if (sa != twin && !sa->is_twin && is_same_id(sa, twin) && !READ_ONCE(sa->is_deleted))
			return false;
	list_for_each_entry(sa, &twin->bond->sas, link) {
		if (sa == twin || sa->is_twin || !is_same_id(sa, twin))
			continue;
		ipsec_roce_sa_retire(sa);
		if (sa->key == twin->key)
			inherit(twin, sa);
	}
	return true;
}

/*
 * Valid in xfrm and not at all ports: whoever made it must make another one. False: xfrm has not
 * got it in its tables yet, and its timer would take it out of them. bond.lock.
 */
static bool give_up(struct ipsec_roce_sa *twin)
{
	struct xfrm_state *x = twin->x;
	bool is_done = true;

	spin_lock_bh(&x->lock);
	if (x->km.state == XFRM_STATE_VOID || x->km.state == XFRM_STATE_VALID) {
		is_done = x->km.state == XFRM_STATE_VALID && !list_empty(&x->km.all);
		if (is_done) {
			x->km.state = XFRM_STATE_EXPIRED;
			hrtimer_start(&x->mtimer, 0, HRTIMER_MODE_REL_SOFT);
		}
	}
	spin_unlock_bh(&x->lock);
	return is_done;
}

static void promote(struct ipsec_roce_sa *twin)
{
	/* While we have a reference xfrm frees nothing of it: state_free comes after its window. */
	if (READ_ONCE(twin->is_deleted) || !refcount_inc_not_zero(&twin->x->refcnt))
		return;
	if (!clear_way(twin))
		goto put;
	/* Without a window to go on with, an inbound SA could take a packet twice. */
	twin->is_lost = twin->used == IPSEC_ROCE_USED_UNKNOWN ||
			ipsec_roce_sa_place(twin, twin->used, NULL);
	if (twin->is_lost)
		net_warn_ratelimited("ipsec_roce: %s: SPI 0x%08x could not take over from its twin: expired\n",
				     twin->bond->dev->name, ntohl(twin->id.spi));
put:
	xfrm_state_put(twin->x);
}

void ipsec_roce_twin_promote(struct work_struct *work)
{
	struct ipsec_roce_bond *bond = container_of(to_delayed_work(work),
						    struct ipsec_roce_bond, twin_work);
	struct ipsec_roce_sa *sa;
	bool is_done = true;

	mutex_lock(&bond->lock);
	list_for_each_entry(sa, &bond->sas, link) {
		if (sa->is_twin && !sa->is_lost && !bond->is_going)
			promote(sa);
		if (sa->is_lost && !READ_ONCE(sa->is_deleted))
			is_done &= give_up(sa);
	}
	if (!is_done)
		queue_delayed_work(ipsec_roce_wq, &bond->twin_work, RETRY_INTERVAL);
	mutex_unlock(&bond->lock);
}

void ipsec_roce_twin_kick(struct ipsec_roce_bond *bond)
{
	/* Pairs with add()'s: either this sees the twin, or that the SA is deleted. */
	smp_mb();
	if (READ_ONCE(bond->n_twins))
		queue_delayed_work(ipsec_roce_wq, &bond->twin_work, 0);
}
