// SPDX-License-Identifier: GPL-2.0
/*
 * Twins (twin.c) take over: where the first SA of an identity has ended, the work takes it from
 * all ports and places its twin there.
 */
#include <linux/hrtimer.h>

#include "bond.h"
#include "promote.h"
#include "sa.h"
#include "twin.h"

#define RETRY_INTERVAL	max(HZ / 100, 1)

/* The way is free, of all that had the twin's identity before it; bond.lock. */
static bool clear_way(struct ipsec_roce_sa *twin)
{
	struct ipsec_roce_sa *sa;

	list_for_each_entry(sa, &twin->bond->sas, link)
		if (sa != twin && !sa->is_twin && ipsec_roce_twin_is_same_id(sa, twin) &&
		    !READ_ONCE(sa->is_deleted))
			return false;
	list_for_each_entry(sa, &twin->bond->sas, link) {
		if (sa == twin || sa->is_twin || !ipsec_roce_twin_is_same_id(sa, twin))
			continue;
		ipsec_roce_sa_retire(sa);
		if (sa->key == twin->key)
			ipsec_roce_twin_inherit(twin, sa);
	}
	return true;
}

/*
 * Valid in xfrm and not at all ports: whoever made it must make another one. False: xfrm has not
 * got it in its tables yet, and its timer would take it out of them. bond.lock.
 */
static bool give_up_twin(struct ipsec_roce_sa *twin)
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

static void promote_twin(struct ipsec_roce_sa *twin)
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

void ipsec_roce_promote_twins(struct work_struct *work)
{
	struct ipsec_roce_bond *bond = container_of(to_delayed_work(work),
						    struct ipsec_roce_bond, twin_work);
	struct ipsec_roce_sa *sa;
	bool is_done = true;

	mutex_lock(&bond->lock);
	list_for_each_entry(sa, &bond->sas, link) {
		if (sa->is_twin && !sa->is_lost && !bond->is_going)
			promote_twin(sa);
		if (sa->is_lost && !READ_ONCE(sa->is_deleted))
			is_done &= give_up_twin(sa);
	}
	if (!is_done)
		queue_delayed_work(ipsec_roce_wq, &bond->twin_work, RETRY_INTERVAL);
	mutex_unlock(&bond->lock);
}
