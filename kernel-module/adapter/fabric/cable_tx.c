// SPDX-License-Identifier: GPL-2.0
/*
 * The frames that leave by a port's cable.
 *
 * Straight to the cable's driver, past its qdisc, so that a batch rings one doorbell
 * and nothing is dropped or reordered on the way: each flow has one queue here, a
 * queue has one sender at a time, and what the driver can't take waits its turn
 * (retry timer).
 */
#include <linux/netdevice.h>

#include "compat/compat.h"
#include "cable.h"

#define TX_BUDGET	1024	/* frames one sender sends for all, before the timer goes on */
#define TX_WAIT_MIN	(50 * NSEC_PER_USEC)	/* a ring of 256 lasts longer */
#define TX_WAIT_MAX	NSEC_PER_MSEC

static void purge_frames(struct iroce_uplink *up, struct sk_buff_head *frames)
{
	iroce_uplink_count(up, IROCE_uplink_tx_drop_link_down, skb_queue_len(frames));
	__skb_queue_purge(frames);
}

/* The cable's tx queue is locked. False: the ring is full, @skb is still ours. */
static bool send_one(struct iroce_uplink *up, struct net_device *cable, struct netdev_queue *txq,
		     struct sk_buff *skb, bool is_more)
{
	unsigned int len = skb->len;
	int rc;

	if (netif_xmit_frozen_or_drv_stopped(txq))
		return false;
	if (dev_nit_active(cable))
		dev_queue_xmit_nit(skb, cable);
	rc = netdev_start_xmit(skb, cable, txq, is_more);
	if (!dev_xmit_complete(rc))
		return false;
	if (rc == NETDEV_TX_OK) {
		iroce_uplink_count(up, IROCE_uplink_tx_pkts, 1);
		iroce_uplink_count(up, IROCE_uplink_tx_bytes, len);
	} else {
		iroce_uplink_count(up, IROCE_uplink_tx_drop_refused, 1);
	}
	return true;
}

/*
 * Hands @batch to the driver; what it can't take now stays in @batch.
 * BH disabled, which is also the read side for @cable: dev_close() waits.
 */
static void send_batch(struct iroce_tx_queue *q, struct sk_buff_head *batch)
{
	struct iroce_uplink *up = q->uplink;
	struct netdev_queue *txq;
	struct net_device *cable;
	unsigned int index;
	struct sk_buff *skb;

	rcu_read_lock();
	cable = rcu_dereference(up->port.cable);
	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		purge_frames(up, batch);
		goto out;
	}
	index = q->index % READ_ONCE(cable->real_num_tx_queues);
	txq = netdev_get_tx_queue(cable, index);
	HARD_TX_LOCK(cable, txq, smp_processor_id());
	while ((skb = __skb_dequeue(batch))) {
		skb_set_queue_mapping(skb, index);
		if (!send_one(up, cable, txq, skb, !skb_queue_empty(batch))) {
			__skb_queue_head(batch, skb);
			break;
		}
	}
	HARD_TX_UNLOCK(cable, txq);
out:
	rcu_read_unlock();
}

/*
 * Sends what is queued unless somebody is at it. No lock is held while the
 * driver runs: a cable that leads back to us only appends. BH disabled.
 */
static void run_queue(struct iroce_tx_queue *q)
{
	unsigned int sent = 0, left = 0;
	struct sk_buff_head batch;

	__skb_queue_head_init(&batch);
	spin_lock(&q->frames.lock);
	if (q->is_sending)
		goto out;
	q->is_sending = true;
	while (!skb_queue_empty(&q->frames) && sent < TX_BUDGET && !left) {
		skb_queue_splice_init(&q->frames, &batch);
		sent += skb_queue_len(&batch);
		spin_unlock(&q->frames.lock);
		send_batch(q, &batch);
		spin_lock(&q->frames.lock);
		left = skb_queue_len(&batch);
		sent -= left;
		skb_queue_splice_init(&batch, &q->frames);
	}
	q->is_sending = false;
	if (!skb_queue_empty(&q->frames)) {
		/* A ring that takes nothing at all is asked less and less often. */
		q->wait_ns = sent ? TX_WAIT_MIN : min_t(u32, 2 * q->wait_ns, TX_WAIT_MAX);
		hrtimer_start(&q->retry, ns_to_ktime(q->wait_ns), HRTIMER_MODE_REL_SOFT);
	}
out:
	spin_unlock(&q->frames.lock);
}

static enum hrtimer_restart retry_queue(struct hrtimer *timer)
{
	run_queue(container_of(timer, struct iroce_tx_queue, retry));
	return HRTIMER_NORESTART;
}

/* As the cable's features want it: linear, checksummed. NULL if it was dropped. */
static struct sk_buff *prepare_frame(struct net_device *cable, struct sk_buff *skb)
{
	bool again = false;

	skb->dev = cable;
	return validate_xmit_skb_list(skb, cable, &again);
}

void iroce_port_xmit(struct iroce_port *port, struct iroce_func *f, struct sk_buff_head *frames)
{
	struct iroce_uplink *up = iroce_uplink(port);
	struct net_device *cable = rcu_dereference(port->cable);
	struct iroce_tx_queue *q = NULL, *next;
	struct sk_buff *skb;

	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		iroce_stat_add(f->stats, IROCE_STAT_tx_drop_link_down, skb_queue_len(frames));
		__skb_queue_purge(frames);
		return;
	}
	while ((skb = __skb_dequeue(frames))) {
		next = &up->queues[iroce_switch_flow_hash(skb) % IROCE_TX_QUEUES];
		skb = prepare_frame(cable, skb);
		if (!skb) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			continue;
		}
		if (q && q != next)
			run_queue(q);
		q = next;
		spin_lock(&q->frames.lock);
		if (likely(skb_queue_len(&q->frames) < IROCE_UPLINK_LIMIT)) {
			__skb_queue_tail(&q->frames, skb);
			skb = NULL;
		}
		spin_unlock(&q->frames.lock);
		if (unlikely(skb)) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			kfree_skb(skb);
		}
	}
	if (q)
		run_queue(q);
}

void iroce_uplink_purge(struct iroce_uplink *up)
{
	struct sk_buff_head old;
	unsigned int i;

	__skb_queue_head_init(&old);
	for (i = 0; i < IROCE_TX_QUEUES; i++) {
		spin_lock_bh(&up->queues[i].frames.lock);
		skb_queue_splice_tail_init(&up->queues[i].frames, &old);
		spin_unlock_bh(&up->queues[i].frames.lock);
	}
	purge_frames(up, &old);
}

void iroce_uplink_stop(struct iroce_uplink *up)
{
	unsigned int i;

	for (i = 0; i < IROCE_TX_QUEUES; i++)
		hrtimer_cancel(&up->queues[i].retry);
	iroce_uplink_purge(up);
}

void iroce_uplink_init(struct iroce_uplink *up)
{
	unsigned int i;

	for (i = 0; i < IROCE_TX_QUEUES; i++) {
		skb_queue_head_init(&up->queues[i].frames);
		up->queues[i].index = i;
		up->queues[i].wait_ns = TX_WAIT_MIN;
		up->queues[i].uplink = up;
		iroce_compat_hrtimer_setup(&up->queues[i].retry, retry_queue, CLOCK_MONOTONIC,
					   HRTIMER_MODE_REL_SOFT);
	}
}
