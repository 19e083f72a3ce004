// SPDX-License-Identifier: GPL-2.0
/*
 * The sender: one loop for everything a QP sends. Plans a batch of packets of
 * one message under s_lock, builds and transmits it without a lock, repeats.
 *
 *            +--> responder's answers --> requester's packets --+
 *   s_lock   |    (acks and reads first: peers wait for them)   |
 *            |                                                  v
 *            +---- account, timer <-- transmit batch <-- build each packet
 *                                          (BH off, no lock, RVT_S_BUSY)
 *
 * Runs in post_send's caller, where the user waits anyway, and in a work item
 * per QP (sched.c).
 *
 * Per packet: one skb (iroce_ipsec_seal_roce), one atomic for the frames in flight,
 * no lock of ours, no lookup. Per batch: two rounds of s_lock, one check of the
 * flow's generation, one reference per memory region, one doorbell.
 */
#include <linux/bottom_half.h>
#include <linux/wait_bit.h>

#include "fabric/fabric.h"
#include "packet.h"
#include "rc.h"
#include "send.h"
#include "ud.h"

/* post_send with more than one request, or behind others: s_lock not held. */
bool iroce_send_kick(struct rvt_qp *qp)
{
	iroce_send(qp);
	return true;
}

/* ---- the loop ------------------------------------------------------------ */

/* s_lock held. Fills iqp->batch on IROCE_PLAN_SEND. */
static enum iroce_plan plan_batch(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;
	enum iroce_plan what;

	if (!(ib_rvt_state_ops[qp->state] & RVT_SEND_OR_FLUSH_OR_RECV_OK))
		return IROCE_PLAN_IDLE;
	/* A flush sends nothing: frames that are stuck below us must not hold it up. */
	if (!(ib_rvt_state_ops[qp->state] & RVT_FLUSH_SEND) && !iroce_flight_has_room(iqp->flight))
		return IROCE_PLAN_IDLE;
	if (qp->s_flags & (RVT_S_RESP_PENDING | RVT_S_ACK_PENDING)) {
		what = iroce_resp_plan(iqp);
		if (what != IROCE_PLAN_IDLE)
			return what;
	}
	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_SEND_OK)) {
		if ((ib_rvt_state_ops[qp->state] & RVT_FLUSH_SEND) &&
		    qp->s_last != smp_load_acquire(&qp->s_head))
			return IROCE_PLAN_FLUSH;
		return IROCE_PLAN_IDLE;
	}
	return iroce_qp_is_ud(qp) ? iroce_ud_plan(iqp) : iroce_req_plan(iqp);
}

/*
 * Completes what is left in the send queue of a QP in error, a bounded number
 * per turn. Both locks: rdmavt's completion asks for them.
 */
static void flush_queue(struct rvt_qp *qp)
{
	unsigned long flags;
	int n = IROCE_BUDGET;

	spin_lock_irqsave(&qp->r_lock, flags);
	spin_lock(&qp->s_lock);
	while (n-- && qp->s_last != smp_load_acquire(&qp->s_head) &&
	       (ib_rvt_state_ops[qp->state] & RVT_FLUSH_SEND))
		rvt_send_complete(qp, rvt_get_swqe_ptr(qp, qp->s_last), IB_WC_WR_FLUSH_ERR);
	spin_unlock(&qp->s_lock);
	spin_unlock_irqrestore(&qp->r_lock, flags);
}

/* Builds the batch's packets into @frames; returns how many, or -errno if the first failed. */
static int build_batch(struct iroce_qp *iqp, struct iroce_flow *flow, struct sk_buff_head *frames,
		       u32 from)
{
	struct iroce_batch *batch = &iqp->batch;
	struct sk_buff *skb = NULL;
	u32 i, bytes = 0;

	for (i = from; i < batch->n; i++) {
		skb = iroce_packet_build(iqp, flow, &iqp->frame, batch, i);
		if (IS_ERR(skb))
			break;
		bytes += iroce_frame_len(&iqp->frame);
		iroce_flight_own(iqp->flight, skb);
		__skb_queue_tail(frames, skb);
	}
	if (i == from)
		return PTR_ERR(skb);
	iroce_stat_add(flow->func->stats, IROCE_STAT_sent_bytes, bytes);
	return i - from;
}

static struct iroce_flow *batch_flow(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;

	if (batch->ah)
		return iroce_flow_ud(iqp, batch->ah, batch->dqpn);
	return iroce_flow_rc(iqp);
}

/* A flow may leave through another function than the one before it. */
static void transmit_frames(struct iroce_func *func, struct sk_buff_head *frames)
{
	if (skb_queue_empty(frames))
		return;
	iroce_stat_add(func->stats, IROCE_STAT_sent_pkts, skb_queue_len(frames));
	iroce_switch_xmit_list(func, frames);
}

static u32 bytes_left(const struct iroce_batch *batch, u32 sent)
{
	return batch->len - min(batch->len, sent * batch->pmtu);
}

/*
 * Sends the batch. What could not be sent is counted and lost as on a wire: RC
 * sends it again, UD may lose it.
 */
static void execute_batch(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct iroce_func *func = NULL;
	struct sk_buff_head frames;
	struct iroce_flow *flow;
	bool is_stale = false;
	u32 sent = 0;
	int n;

	__skb_queue_head_init(&frames);
	local_bh_disable();
	rcu_read_lock();
	while (sent < batch->n) {
		flow = batch_flow(iqp);
		if (IS_ERR(flow) || flow->verdict == IROCE_CLOSED) {
			iroce_packet_drop(iqp, flow, batch->n - sent, bytes_left(batch, sent));
			break;
		}
		if (unlikely(min(batch->len, batch->pmtu) > flow->payload_max)) {
			iroce_packet_drop_long(iqp, flow, batch->n - sent,
					       min(batch->len, batch->pmtu));
			break;
		}
		if (flow->func != func) {
			transmit_frames(func, &frames);
			func = flow->func;
		}
		n = build_batch(iqp, flow, &frames, sent);
		if (n < 0) {
			/* The SA died under us. Once more with a new flow, not forever. */
			if (n == -ESTALE && !is_stale) {
				is_stale = true;
				continue;
			}
			iroce_packet_lost(flow, n, batch->n - sent, bytes_left(batch, sent));
			break;
		}
		sent += n;
	}
	transmit_frames(func, &frames);
	rcu_read_unlock();
	local_bh_enable();
}

/* s_lock held. */
static void account_batch(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;

	iroce_batch_put(batch);
	if (batch->is_response)
		iqp->is_responding = false;
	else if (!batch->ah)
		iroce_req_done(iqp);
}

/*
 * iroce_send - send what may be sent, within the budget
 *
 * Any context but hard irq or interrupts off; there it is left to the work.
 * No lock of the QP held.
 */
void iroce_send(struct rvt_qp *qp)
{
	struct iroce_qp *iqp = iroce_qp(qp);
	int budget = in_serving_softirq() ? IROCE_BUDGET / 2 : IROCE_BUDGET;
	enum iroce_plan what;
	unsigned long flags;

	if (in_hardirq() || irqs_disabled()) {
		iroce_sched_queue(qp);
		return;
	}
	spin_lock_irqsave(&qp->s_lock, flags);
	if (qp->s_flags & RVT_S_BUSY) {
		spin_unlock_irqrestore(&qp->s_lock, flags);
		return;
	}
	qp->s_flags |= RVT_S_BUSY;
	while ((what = plan_batch(iqp)) != IROCE_PLAN_IDLE) {
		spin_unlock_irqrestore(&qp->s_lock, flags);
		if (what == IROCE_PLAN_FLUSH) {
			flush_queue(qp);
			budget -= IROCE_BATCH;
			spin_lock_irqsave(&qp->s_lock, flags);
		} else {
			budget -= iqp->batch.n;
			execute_batch(iqp);
			if (iqp->batch.ah)
				iroce_ud_done(iqp);
			spin_lock_irqsave(&qp->s_lock, flags);
			account_batch(iqp);
		}
		if (budget <= 0)
			break;
	}
	qp->s_flags &= ~RVT_S_BUSY;
	if (what != IROCE_PLAN_IDLE)
		iroce_sched_send(qp);
	/* A reset waits for the sender: quiesce_qp(). */
	if (unlikely(qp->state == IB_QPS_RESET)) {
		smp_mb();	/* the flag is seen cleared by whoever is about to wait */
		wake_up_var(&qp->s_flags);
	}
	spin_unlock_irqrestore(&qp->s_lock, flags);
}

void iroce_send_work(struct work_struct *work)
{
	iroce_send(container_of(work, struct iroce_qp, work)->qp);
}
