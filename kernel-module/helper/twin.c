// SPDX-License-Identifier: GPL-2.0
/*
 * Twins: states that xfrm has added while another one had their identity, see @is_twin. Where
 * the first one ends before xfrm has looked, the twin is valid, and must be at the ports.
 *
 *	state_add(x)   state_add(y): twin   state_delete(x)   work: x from all ports, y to them
 *
 * State_delete is atomic, and nothing can be handed to a driver there: from then until the work
 * (promote.c) has run the flow is closed. Not until state_free: a socket may hold on to x for long.
 *
 * A twin with the first one's key is the same SA: it goes on behind the first one's numbers, and
 * its window takes nothing that the first one's may have seen (I3, I4).
 */
#include "bond.h"
#include "sa.h"
#include "twin.h"

bool ipsec_roce_twin_is_same_id(const struct ipsec_roce_sa *a, const struct ipsec_roce_sa *b)
{
	return a->dir == b->dir && ipsec_roce_id_equal(&a->id, &b->id);
}

static bool is_heir_of(const struct ipsec_roce_sa *twin, const struct ipsec_roce_sa *sa)
{
	return twin->is_twin && twin->key == sa->key && ipsec_roce_twin_is_same_id(twin, sa);
}

void ipsec_roce_twin_inherit(struct ipsec_roce_sa *twin, const struct ipsec_roce_sa *sa)
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
			ipsec_roce_twin_inherit(twin, sa);
}

void ipsec_roce_twin_kick(struct ipsec_roce_bond *bond)
{
	/* Pairs with add_sa()'s: either this sees the twin, or that the SA is deleted. */
	smp_mb();
	if (READ_ONCE(bond->n_twins))
		queue_delayed_work(ipsec_roce_wq, &bond->twin_work, 0);
}
