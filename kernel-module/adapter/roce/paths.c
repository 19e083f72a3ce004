// SPDX-License-Identifier: GPL-2.0
/*
 * The paths of an RDMA device: the functions that it sends and receives through. One,
 * always, or several where it spans a bond (func/lag.c), as RoCE LAG does on hardware.
 *
 *	QP --- flow --- hash of the flow (core/lag.h) --- path 0 --- function --- cable 0
 *	                                              \-- path 1 --- function --- cable 1
 *
 * A port that cannot send drops out at once: the bond says so, or the function's
 * carrier; its flows hash to what is left, and back when it can again. A packet is taken
 * from whichever path it comes. What is protected at one path is protected at all.
 *
 * Paths change under RTNL (device.c). What is here reads them under RCU.
 */
#include "ipsec/ipsec.h"
#include "paths.h"

struct iroce_func *iroce_paths_func(struct iroce_roce *roce, const struct iroce_flow_key *key)
{
	int slot;

	if (likely(!roce->bond))
		return roce->func;
	/* Its ports may be up. */
	if (!netif_running(roce->bond))
		return NULL;
	slot = iroce_lag_pick(iroce_lag_hash(key), READ_ONCE(roce->present),
			      READ_ONCE(roce->usable));
	if (slot == IROCE_LAG_NO_SLOT)
		return NULL;
	return rcu_dereference(roce->paths[slot].func);
}

bool iroce_paths_are_protected(struct iroce_roce *roce, bool is_out, const struct iroce_flow_key *key)
{
	const struct iroce_func *f;
	int i;

	for (i = 0; roce->bond && i < IROCE_LAG_SLOTS; i++) {
		f = rcu_dereference(roce->paths[i].func);
		if (f && iroce_ipsec_protects(f, is_out, key))
			return true;
	}
	return false;
}

void iroce_roce_func_changed(struct iroce_func *f)
{
	struct iroce_roce *roce;

	/* Pairs with the acquire in flow.c: who sees the new number sees the change. */
	atomic_inc_return_release(&f->flow_gen);
	rcu_read_lock();
	roce = READ_ONCE(f->roce);
	/* Flows through the other ports have asked this one, too. */
	if (roce && roce->bond)
		iroce_roce_changed(roce);
	rcu_read_unlock();
}

int iroce_paths_mtu(struct iroce_roce *roce)
{
	int mtu = READ_ONCE(roce->netdev->mtu);
	const struct iroce_func *f;
	int i;

	rcu_read_lock();
	for (i = 0; roce->bond && i < IROCE_LAG_SLOTS; i++) {
		f = rcu_dereference(roce->paths[i].func);
		if (f)
			mtu = min_t(int, mtu, READ_ONCE(f->netdev->mtu));
	}
	rcu_read_unlock();
	return mtu;
}

u64 iroce_paths_stat(struct iroce_roce *roce, enum iroce_stat stat)
{
	u64 sum = iroce_stat_sum(roce->stats, stat);
	struct iroce_func *f;
	int i;

	if (!roce->bond)
		return sum;
	sum += READ_ONCE(roce->gone[stat]);
	rcu_read_lock();
	for (i = 0; i < IROCE_LAG_SLOTS; i++) {
		f = rcu_dereference(roce->paths[i].func);
		if (f)
			sum += iroce_stat_sum(f->stats, stat) - READ_ONCE(roce->paths[i].base[stat]);
	}
	rcu_read_unlock();
	return sum;
}
