// SPDX-License-Identifier: GPL-2.0
/*
 * The responder's answers that take more than a moment: read responses, and the
 * acks that have to wait behind them. rdmavt's ring of ack entries:
 *
 *   s_ack_queue   tail                 head
 *     | answered, | to be answered     | free ... oldest answered
 *     | kept for  | in this order      |
 *     | duplicate |
 *
 * A duplicate read sets the tail back to its entry; what follows is answered
 * again as well, unless its memory was let go: then its own duplicate comes.
 * Everything under s_lock.
 */
#include "memory.h"
#include "rc.h"

static u8 ring_next(const struct rvt_qp *qp, u8 i)
{
	return i >= rvt_size_atomic(ib_to_rvt(qp->ibqp.device)) ? 0 : i + 1;
}

static u8 ring_prev(const struct rvt_qp *qp, u8 i)
{
	return i ? i - 1 : rvt_size_atomic(ib_to_rvt(qp->ibqp.device));
}

static u8 ring_pending(const struct rvt_qp *qp)
{
	u8 size = rvt_size_atomic(ib_to_rvt(qp->ibqp.device)) + 1;

	return (qp->r_head_ack_queue + size - qp->s_tail_ack_queue) % size;
}

static void entry_put_mr(struct rvt_ack_entry *e)
{
	if (e->rdma_sge.mr) {
		rvt_put_mr(e->rdma_sge.mr);
		e->rdma_sge.mr = NULL;
	}
}

/* Checks the key and points the entry at the memory; false: no access. */
static bool entry_map(struct rvt_qp *qp, struct rvt_ack_entry *e, const struct iroce_reth *reth)
{
	u32 len = be32_to_cpu(reth->len);

	entry_put_mr(e);
	memset(&e->rdma_sge, 0, sizeof(e->rdma_sge));
	return !len || iroce_mr_map(qp, &e->rdma_sge, reth, IB_ACCESS_REMOTE_READ);
}

static void wake_sender(struct rvt_qp *qp)
{
	qp->s_flags |= RVT_S_RESP_PENDING;
	iroce_sched_send(qp);
}

/*
 * iroce_resp_read - queue the answer to a read request with the expected PSN
 *
 * r_lock held. Moves r_psn behind the responses.
 * Return: 0, -EACCES key, -EINVAL more reads than agreed, -EBUSY ring full of
 * answers that are sent again: drop, the requester asks again.
 */
int iroce_resp_read(struct iroce_rx_pkt *pkt)
{
	u32 len = be32_to_cpu(pkt->roce.reth->len);
	struct iroce_qp *iqp = pkt->iqp;
	struct rvt_qp *qp = iqp->qp;
	struct rvt_ack_entry *e;
	int err = 0;
	u32 n;
	u8 next;

	if (len > IROCE_MSG_LIMIT)
		return -EINVAL;
	n = len ? rvt_div_round_up_mtu(qp, len) : 1;
	spin_lock_irq(&qp->s_lock);
	next = ring_next(qp, qp->r_head_ack_queue);
	if (!iqp->is_replay && ring_pending(qp) >= max_t(u8, qp->r_max_rd_atomic, 1))
		err = -EINVAL;
	else if (next == qp->s_tail_ack_queue)
		err = -EBUSY;
	if (err)
		goto unlock;
	e = &qp->s_ack_queue[qp->r_head_ack_queue];
	if (!entry_map(qp, e, pkt->roce.reth)) {
		e->opcode = 0;
		err = -EACCES;
		goto unlock;
	}
	e->opcode = pkt->roce.opcode;
	e->sent = 0;
	e->psn = qp->r_psn;
	e->lpsn = iroce_psn_add(qp->r_psn, n - 1);
	qp->r_psn = iroce_psn_add(qp->r_psn, n);
	qp->r_msn++;
	qp->r_head_ack_queue = next;
	wake_sender(qp);
unlock:
	spin_unlock_irq(&qp->s_lock);
	return err;
}

/* The entry whose PSNs contain @psn; s_lock held. */
static struct rvt_ack_entry *find_entry(struct rvt_qp *qp, u32 psn, u8 *index)
{
	u8 i = qp->r_head_ack_queue;

	for (;;) {
		struct rvt_ack_entry *e;

		i = ring_prev(qp, i);
		if (i == qp->r_head_ack_queue)
			return NULL;
		e = &qp->s_ack_queue[i];
		if (!e->opcode)
			return NULL;
		if (iroce_psn_diff(psn, e->psn) >= 0) {
			*index = i;
			return iroce_psn_diff(psn, e->lpsn) <= 0 ? e : NULL;
		}
	}
}

static bool is_pending(const struct rvt_qp *qp, u8 index)
{
	u8 i;

	for (i = qp->s_tail_ack_queue; i != qp->r_head_ack_queue; i = ring_next(qp, i))
		if (i == index)
			return true;
	return false;
}

/*
 * iroce_resp_duplicate - a read is asked for again, from the start or the middle
 *
 * r_lock held. The rest of the original must be asked for; keys are checked
 * again. What does not fit is dropped without an answer (9.7.4.1.1).
 */
void iroce_resp_duplicate(struct iroce_rx_pkt *pkt)
{
	u32 len = be32_to_cpu(pkt->roce.reth->len);
	struct iroce_qp *iqp = pkt->iqp;
	struct rvt_qp *qp = iqp->qp;
	struct rvt_ack_entry *e;
	u32 n, lpsn;
	u8 index;

	if (!(qp->qp_access_flags & IB_ACCESS_REMOTE_READ))
		return;
	n = len ? rvt_div_round_up_mtu(qp, len) : 1;
	spin_lock_irq(&qp->s_lock);
	e = find_entry(qp, pkt->roce.psn, &index);
	if (!e || iroce_psn_add(pkt->roce.psn, n - 1) != e->lpsn)
		goto unlock;
	lpsn = e->lpsn;
	/* A response half sent reads the region that entry_map() lets go. */
	if (index == qp->s_tail_ack_queue)
		iqp->is_resp_active = false;
	if (!entry_map(qp, e, pkt->roce.reth)) {
		/* Stays in the ring with nothing to send, see start_entry(). */
		e->rdma_sge.sge_length = len;
		goto unlock;
	}
	e->psn = pkt->roce.psn;
	e->lpsn = lpsn;
	e->sent = 0;
	if (!is_pending(qp, index)) {
		iqp->is_resp_active = false;
		iqp->is_replay = true;
		qp->s_tail_ack_queue = index;
	}
	qp->r_nak_state = 0;
	wake_sender(qp);
unlock:
	spin_unlock_irq(&qp->s_lock);
}

/* Begins with the entry at the tail; false: it has nothing left that could be sent. */
static bool start_entry(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;
	struct rvt_ack_entry *e = &qp->s_ack_queue[qp->s_tail_ack_queue];
	u32 len = e->rdma_sge.sge_length;

	/* Answered before, memory let go: the requester asks again if it needs it. */
	if (e->sent || (len && !e->rdma_sge.mr))
		return false;
	qp->s_ack_rdma_sge.sge = e->rdma_sge;
	qp->s_ack_rdma_sge.sg_list = NULL;
	qp->s_ack_rdma_sge.num_sge = len ? 1 : 0;
	qp->s_ack_rdma_sge.total_len = len;
	iqp->resp_psn = e->psn;
	iqp->resp_left = len;
	iqp->is_resp_active = true;
	return true;
}

static const struct iroce_send_op read_op = {
	IROCE_OP_RC_READ_RESP_FIRST, IROCE_OP_RC_READ_RESP_MIDDLE,
	IROCE_OP_RC_READ_RESP_LAST, IROCE_OP_RC_READ_RESP_ONLY, 0,
};

static const struct iroce_send_op ack_op = { .only = IROCE_OP_RC_ACK };

static void plan_response(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;
	struct rvt_ack_entry *e = &qp->s_ack_queue[qp->s_tail_ack_queue];
	u32 left = iqp->resp_left ? rvt_div_round_up_mtu(qp, iqp->resp_left) : 1;

	batch->op = &read_op;
	batch->psn = iqp->resp_psn;
	batch->index = iroce_psn_diff(iqp->resp_psn, e->psn);
	batch->n_msg = batch->index + left;
	batch->n = min_t(u32, left, IROCE_BATCH);
	batch->len = min_t(u32, iqp->resp_left, batch->n << qp->log_pmtu);
	batch->aeth = rvt_compute_aeth(qp);
	iroce_batch_sges(batch, &qp->s_ack_rdma_sge);
	rvt_skip_sge(&qp->s_ack_rdma_sge, batch->len, false);
	iqp->resp_left -= batch->len;
	iqp->resp_psn = iroce_psn_add(iqp->resp_psn, batch->n);
	if (batch->n < left)
		return;
	e->sent = 1;
	entry_put_mr(e);
	iqp->is_resp_active = false;
	qp->s_tail_ack_queue = ring_next(qp, qp->s_tail_ack_queue);
}

static void plan_ack(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;

	qp->s_flags &= ~RVT_S_ACK_PENDING;
	batch->op = &ack_op;
	batch->psn = qp->s_ack_psn;
	batch->index = 0;
	batch->n_msg = 1;
	batch->n = 1;
	batch->len = 0;
	batch->n_mr = 0;
	batch->aeth = iroce_reply_aeth(qp, qp->s_nak_state);
}

/* iroce_resp_plan - fill the batch with answers; s_lock held */
enum iroce_plan iroce_resp_plan(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;

	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_RECV_OK))
		goto none;
	while (qp->s_tail_ack_queue != qp->r_head_ack_queue) {
		if (iqp->is_resp_active || start_entry(iqp)) {
			plan_response(iqp);
			goto send;
		}
		qp->s_tail_ack_queue = ring_next(qp, qp->s_tail_ack_queue);
	}
	iqp->is_replay = false;
	if (!(qp->s_flags & RVT_S_ACK_PENDING))
		goto none;
	plan_ack(iqp);
send:
	batch->pmtu = qp->pmtu;
	batch->dqpn = qp->remote_qpn;
	batch->is_solicited = false;
	batch->is_ackreq = false;
	batch->is_response = true;
	batch->ah = NULL;
	iqp->is_responding = true;
	return IROCE_PLAN_SEND;

none:
	qp->s_flags &= ~(RVT_S_RESP_PENDING | RVT_S_ACK_PENDING);
	return IROCE_PLAN_IDLE;
}
