/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who sends next: the work items of queue pairs, and their frames below us.
 */
#ifndef IROCE_ROCE_SCHED_H
#define IROCE_ROCE_SCHED_H

#include <linux/refcount.h>
#include <linux/skbuff.h>

#include "device.h"

#define IROCE_TX_HIGH		192	/* frames of a QP below us: stop ... */
#define IROCE_TX_LOW		64	/* ... and go on */

/*
 * struct iroce_flight - the frames of a QP that are below us
 *
 * All that a frame knows of its QP. It outlives QP and device: a cable's driver may hold
 * frames for as long as it likes, and nobody who destroys something waits for that.
 *
 * @refs: one of the QP, one per frame that carries our destructor
 * @wants_room: the sender stopped at IROCE_TX_HIGH
 * @lock: @qp, which is NULL once the QP is gone; hard irq
 */
struct iroce_flight {
	refcount_t refs;
	bool wants_room;
	spinlock_t lock;
	struct rvt_qp *qp;
};

int iroce_sched_module_init(void);
void iroce_sched_module_exit(void);
/* Has the QP's work item run. Any context including hard irq. */
bool iroce_sched_queue(struct rvt_qp *qp);
bool iroce_sched_send(struct rvt_qp *qp);
/* Frames of a new QP; NULL: no memory. Process context. */
struct iroce_flight *iroce_flight_create(struct rvt_qp *qp);
/* The QP is going: no frame wakes it any more. Those below us keep the object. */
void iroce_flight_leave(struct iroce_flight *flight);
/* How many frames are below us; they may get fewer at any time. */
static inline unsigned int iroce_flight_n(const struct iroce_flight *flight)
{
	return refcount_read(&flight->refs) - 1;
}

void iroce_flight_frame_destroyed(struct sk_buff *skb);

/* A frame of the QP is on its way: it counts until it is freed. */
static inline void iroce_flight_own(struct iroce_flight *flight, struct sk_buff *skb)
{
	refcount_inc(&flight->refs);
	skb_orphan(skb);
	skb_shinfo(skb)->destructor_arg = flight;
	skb->destructor = iroce_flight_frame_destroyed;
}

/* s_lock held. Where there is no room the destructor schedules us. */
static inline bool iroce_flight_has_room(struct iroce_flight *flight)
{
	if (likely(iroce_flight_n(flight) < IROCE_TX_HIGH))
		return true;
	WRITE_ONCE(flight->wants_room, true);
	smp_mb();
	if (iroce_flight_n(flight) > IROCE_TX_LOW)
		return false;
	WRITE_ONCE(flight->wants_room, false);
	return true;
}

#endif /* IROCE_ROCE_SCHED_H */
