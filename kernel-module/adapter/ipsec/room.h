/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The IPsec half of a function.
 *
 * Locks, outermost first:
 *	xfrm_state.lock		the kernel's, held by it around most of our callbacks
 *	iroce_ipsec.lock	writers of SAD and SPD (spinlock, BH disabled)
 *	iroce_sa.lock		the pointer back to xfrm, counters of drops (spinlock, BH disabled)
 *	iroce_numbers.lock	replay window (spinlock, BH disabled)
 * The data path takes none but iroce_numbers.lock, once per packet received; it
 * finds SAs and policies under RCU.
 */
#ifndef IROCE_IPSEC_ROOM_H
#define IROCE_IPSEC_ROOM_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "core/ask.h"
#include "core/sad.h"
#include "core/spd.h"
#include "ipsec.h"

/*
 * struct iroce_ipsec - SAD, SPD and tombstones of a function
 * @lock: all writers of what follows
 * @spd: policies the kernel has, by direction (enum iroce_dir)
 * @tombs: every policy that protects or did protect, see policy.c
 * @pending: policies that wait for the one they replace to go
 * @n_tombs: policies that are gone, and still in @tombs
 * @is_closed: too many tombstones to remember, everything without a policy is closed
 * @starts_closed: where no policy protects a direction (@n_protecting of @spd), it is closed
 * @has_told: the log has had its line about the first packet that a tombstone dropped
 * @net: whose tombstones these are, to compare with alone; RTNL
 * @resize_lock: one rehash at a time; sleeps
 * @acquire_lock: @ask, what the key daemons are to be asked for (spinlock, BH disabled)
 */
struct iroce_ipsec {
	struct iroce_func *f;
	const struct iroce_ipsec_events *events;
	spinlock_t lock;
	struct iroce_sad sad;
	struct iroce_spd spd[2];
	struct iroce_spd tombs[2];
	struct list_head pending;
	unsigned int n_tombs;
	bool is_closed[2];
	bool starts_closed;
	unsigned int n_protecting[2];
	bool is_fail_closed;
	bool has_told;
	const struct net *net;
	struct mutex resize_lock;
	struct work_struct resize_work;

	spinlock_t acquire_lock;
	struct iroce_ask *ask;
	struct work_struct acquire_work;
};

static inline void iroce_ipsec_changed(struct iroce_ipsec *ipsec)
{
	ipsec->events->changed(ipsec->f);
}

#endif /* IROCE_IPSEC_ROOM_H */
