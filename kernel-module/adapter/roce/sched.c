// SPDX-License-Identifier: GPL-2.0
/*
 * Who sends next: work items of queue pairs, and the frames of each that are below us, which
 * bound it.
 *
 * The work of the sender (send.c) is an item per QP, so that QPs spread over CPUs. On a machine
 * with a single CPU it runs as softirq: a thread would compete with the poller that waits for it.
 */
#include <linux/cpumask.h>
#include <linux/slab.h>

#include "qp.h"

static struct workqueue_struct *send_wq;	/* threads, any CPU */
static struct workqueue_struct *send_bh_wq;	/* softirq */

/* Any context including hard irq. */
bool iroce_sched_queue(struct rvt_qp *qp)
{
	struct workqueue_struct *wq = num_online_cpus() == 1 ? send_bh_wq : send_wq;

	return queue_work(wq, &iroce_qp(qp)->work);
}

/*
 * iroce_sched_send - have the QP's work item run
 *
 * Any context including hard irq (RNR timer), s_lock held. A sender that is BUSY
 * plans once more under s_lock before it stops, so it sees what the caller has
 * just changed under s_lock and needs no waking. Without s_lock that is not so:
 * it may have made its last plan and be about to stop.
 */
bool iroce_sched_send(struct rvt_qp *qp)
{
	lockdep_assert_held(&qp->s_lock);
	if (qp->s_flags & RVT_S_BUSY)
		return false;
	return iroce_sched_queue(qp);
}

/* ---- frames in flight -------------------------------------------------- */

/* Of all QPs, also those that are gone: the module stays for their destructors. */
static atomic_t n_flights;
static DECLARE_WAIT_QUEUE_HEAD(flights_gone);

struct iroce_flight *iroce_flight_create(struct rvt_qp *qp)
{
	struct iroce_flight *flight = kzalloc(sizeof(*flight), GFP_KERNEL_ACCOUNT);

	if (!flight)
		return NULL;
	refcount_set(&flight->refs, 1);
	spin_lock_init(&flight->lock);
	flight->qp = qp;
	atomic_inc(&n_flights);
	return flight;
}

/* Any context. */
static void flight_put(struct iroce_flight *flight)
{
	if (!refcount_dec_and_test(&flight->refs))
		return;
	kfree(flight);
	/* Who waits goes on after a grace period: we are out of here by then. */
	rcu_read_lock();
	if (atomic_dec_and_test(&n_flights))
		wake_up(&flights_gone);
	rcu_read_unlock();
}

void iroce_flight_leave(struct iroce_flight *flight)
{
	spin_lock_irq(&flight->lock);
	flight->qp = NULL;
	spin_unlock_irq(&flight->lock);
	flight_put(flight);
}

void iroce_flight_frame_destroyed(struct sk_buff *skb)
{
	struct iroce_flight *flight = skb_shinfo(skb)->destructor_arg;
	unsigned long flags;

	/* Pairs with the barrier in iroce_flight_has_room(): one of the two sees the other. */
	if (iroce_flight_n(flight) - 1 <= IROCE_TX_LOW && READ_ONCE(flight->wants_room)) {
		spin_lock_irqsave(&flight->lock, flags);
		if (flight->qp && flight->wants_room) {
			flight->wants_room = false;
			iroce_sched_queue(flight->qp);
		}
		spin_unlock_irqrestore(&flight->lock, flags);
	}
	flight_put(flight);
}

/* ---- life ------------------------------------------------------------- */

int iroce_sched_module_init(void)
{
	send_wq = alloc_workqueue("iroce_send", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (!send_wq)
		return -ENOMEM;
	send_bh_wq = alloc_workqueue("iroce_send_bh", WQ_BH | IROCE_WQ_PERCPU, 0);
	if (!send_bh_wq) {
		destroy_workqueue(send_wq);
		return -ENOMEM;
	}
	return 0;
}

/* All devices are gone; frames of their QPs may not be. */
void iroce_sched_module_exit(void)
{
	wait_event(flights_gone, !atomic_read(&n_flights));
	/* The last of their destructors is out of its RCU section, then out of our text. */
	synchronize_rcu();
	synchronize_rcu_tasks();
	destroy_workqueue(send_bh_wq);
	destroy_workqueue(send_wq);
}
