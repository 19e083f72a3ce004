// SPDX-License-Identifier: GPL-2.0
/*
 * The requester of an RC QP, sending side (IBTA vol. 1, 9.7): which packets of
 * which work request come next. Everything here runs under s_lock.
 *
 *   ring of WQEs   s_last=s_acked     s_cur            s_tail        s_head
 *                  | oldest not acked | being (re)sent | never sent  | free
 *   PSNs           s_last_psn  ...    s_psn  ...       sent_psn
 *                  | acked            | next to send   | highest sent + 1
 *
 * s_psn goes back on a NAK or timeout and sends again what follows (go-back-N).
 * PSNs are compared modulo 2^24, always within the window, never across what
 * was posted but not sent: a queue may hold more PSNs than there are.
 */
#include "qp_state.h"
#include "rc.h"

#define MAX_PATIENCE	4	/* timeouts granted to frames that wait below us */
#define MAX_GAP		(2 * HZ)
#define QP_TURN		msecs_to_jiffies(12)	/* a QP's window, on a slow machine */

static const struct iroce_send_op send_ops[] = {
	[IB_WR_SEND] = {
		IROCE_OP_RC_SEND_FIRST, IROCE_OP_RC_SEND_MIDDLE,
		IROCE_OP_RC_SEND_LAST, IROCE_OP_RC_SEND_ONLY,
		IROCE_SOP_CREDIT | IROCE_SOP_SE,
	},
	[IB_WR_SEND_WITH_IMM] = {
		IROCE_OP_RC_SEND_FIRST, IROCE_OP_RC_SEND_MIDDLE,
		IROCE_OP_RC_SEND_LAST_IMM, IROCE_OP_RC_SEND_ONLY_IMM,
		IROCE_SOP_CREDIT | IROCE_SOP_SE,
	},
	[IB_WR_RDMA_WRITE] = {
		IROCE_OP_RC_WRITE_FIRST, IROCE_OP_RC_WRITE_MIDDLE,
		IROCE_OP_RC_WRITE_LAST, IROCE_OP_RC_WRITE_ONLY, 0,
	},
	[IB_WR_RDMA_WRITE_WITH_IMM] = {
		IROCE_OP_RC_WRITE_FIRST, IROCE_OP_RC_WRITE_MIDDLE,
		IROCE_OP_RC_WRITE_LAST_IMM, IROCE_OP_RC_WRITE_ONLY_IMM,
		IROCE_SOP_CREDIT | IROCE_SOP_SE,
	},
	[IB_WR_RDMA_READ] = {
		.only = IROCE_OP_RC_READ_REQUEST, .flags = IROCE_SOP_READ,
	},
};

bool iroce_wqe_is_read(const struct rvt_swqe *wqe)
{
	return send_ops[wqe->wr.opcode].flags & IROCE_SOP_READ;
}

/* Many QPs share what may be on the way: queues grow, timeouts do not. */
static s32 window_room(const struct iroce_qp *iqp)
{
	const struct rvt_qp *qp = iqp->qp;
	u32 share = IROCE_WINDOW_ALL / max(READ_ONCE(iqp->roce->rdi.n_rc_qps), 1U);
	u32 window = min_t(u32, iqp->window, max_t(u32, share, IROCE_WINDOW_MIN));

	return (s32)window - iroce_psn_diff(qp->s_psn, qp->s_last_psn + 1);
}

/* May a work request that was never sent begin? Notes what it waits for. */
static bool may_begin(struct rvt_qp *qp, struct rvt_swqe *wqe, bool is_new)
{
	const struct iroce_send_op *op = &send_ops[wqe->wr.opcode];

	if (is_new) {
		if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_NEXT_SEND_OK))
			return false;
		if ((wqe->wr.send_flags & IB_SEND_FENCE) && qp->s_num_rd_atomic) {
			qp->s_flags |= RVT_S_WAIT_FENCE;
			return false;
		}
	}
	if ((op->flags & IROCE_SOP_READ) &&
	    (qp->s_num_rd_atomic >= qp->s_max_rd_atomic || window_room(iroce_qp(qp)) <= 0)) {
		qp->s_flags |= RVT_S_WAIT_RDMAR;
		return false;
	}
	return !(op->flags & IROCE_SOP_CREDIT) || rvt_rc_credit_avail(qp, wqe);
}

/* A new work request is on its way. */
static void note_begun(struct rvt_qp *qp, const struct iroce_send_op *op)
{
	qp->s_tail = rvt_qp_swqe_incr(qp, qp->s_tail);
	/* Messages without credit count in the peer's MSN all the same (9.7.7.2). */
	if (!(op->flags & IROCE_SOP_CREDIT) && !(qp->s_flags & RVT_S_UNLIMITED_CREDIT))
		qp->s_lsn++;
}

static void move_cur(struct rvt_qp *qp)
{
	qp->s_cur = rvt_qp_swqe_incr(qp, qp->s_cur);
}

/* One request packet; its responses take the PSNs up to the WQE's last. */
static void plan_read(struct iroce_qp *iqp, struct rvt_swqe *wqe, u32 index)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;
	u32 off = index << qp->log_pmtu;

	/* Asked again from the middle it is the same read, counted already. */
	if (!index)
		qp->s_num_rd_atomic++;
	batch->va = wqe->rdma_wr.remote_addr + off;
	batch->dma_len = wqe->length - off;
	batch->index = 0;
	batch->n_msg = 1;
	batch->n = 1;
	batch->len = 0;
	batch->n_mr = 0;
	qp->s_psn = wqe->lpsn + 1;
	move_cur(qp);
}

/* As many packets of the message as window and batch allow; false: none. */
static bool plan_data(struct iroce_qp *iqp, struct rvt_swqe *wqe, u32 index)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;
	u32 n_msg = wqe->lpsn - wqe->psn + 1;
	u32 off = index << qp->log_pmtu;
	s32 room = window_room(iqp);
	u32 n;

	if (room <= 0)
		return false;
	n = min3(n_msg - index, (u32)room, (u32)IROCE_BATCH);

	if (!index) {
		qp->s_sge.sge = wqe->sg_list[0];
		qp->s_sge.sg_list = wqe->sg_list + 1;
		qp->s_sge.num_sge = wqe->wr.num_sge;
		qp->s_sge.total_len = wqe->length;
	} else if (!iqp->has_sge || iqp->sge_psn != qp->s_psn) {
		rvt_restart_sge(&qp->s_sge, wqe, off);
	}
	iroce_batch_sges(batch, &qp->s_sge);
	batch->va = wqe->rdma_wr.remote_addr;
	batch->dma_len = wqe->length;
	batch->index = index;
	batch->n_msg = n_msg;
	batch->n = n;
	batch->len = min(wqe->length - off, n << qp->log_pmtu);

	rvt_skip_sge(&qp->s_sge, batch->len, false);
	qp->s_psn += n;
	iqp->sge_psn = qp->s_psn;
	iqp->has_sge = true;
	if (index + n == n_msg) {
		iqp->has_sge = false;
		move_cur(qp);
	}
	return true;
}

/* iroce_req_plan - fill the batch with the next packets of the send queue */
enum iroce_plan iroce_req_plan(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;
	struct rvt_swqe *wqe;
	bool is_new, is_read;
	u32 index;

	if (qp->s_flags & RVT_S_WAIT_RNR)
		return IROCE_PLAN_IDLE;
	qp->s_flags &= ~(RVT_S_WAIT_FENCE | RVT_S_WAIT_RDMAR | RVT_S_WAIT_SSN_CREDIT);

	/* Pairs with the barrier in rvt_post_one_wr(): the WQE is complete. */
	is_new = qp->s_cur == qp->s_tail;
	if (is_new && qp->s_tail == smp_load_acquire(&qp->s_head))
		return IROCE_PLAN_IDLE;
	wqe = rvt_get_swqe_ptr(qp, qp->s_cur);
	if (is_new)
		qp->s_psn = wqe->psn;
	index = qp->s_psn - wqe->psn;
	if (!index && !may_begin(qp, wqe, is_new))
		return IROCE_PLAN_IDLE;

	batch->op = &send_ops[wqe->wr.opcode];
	batch->psn = qp->s_psn;
	batch->pmtu = qp->pmtu;
	batch->dqpn = qp->remote_qpn;
	batch->rkey = wqe->rdma_wr.rkey;
	batch->imm = wqe->wr.ex.imm_data;
	batch->is_solicited = wqe->wr.send_flags & IB_SEND_SOLICITED;
	batch->is_response = false;
	batch->is_ackreq = true;
	batch->ah = NULL;

	is_read = iroce_wqe_is_read(wqe);
	if (is_read)
		plan_read(iqp, wqe, index);
	else if (!plan_data(iqp, wqe, index))
		return IROCE_PLAN_IDLE;
	if (is_new)
		note_begun(qp, batch->op);
	if (!index && !is_read)
		iroce_roce_count(iqp->roce, IROCE_STAT_rdma_sends);
	if (iroce_psn_diff(qp->s_psn, iqp->sent_psn) > 0)
		iqp->sent_psn = qp->s_psn;
	return IROCE_PLAN_SEND;
}

/*
 * The local ack timeout. By the book it lasts one to four times its nominal value
 * (9.7.6.1.3). It is meant for hardware: a loaded machine, or many QPs that take
 * turns, may need longer to answer, and sending again only adds to the queue. So
 * it grows with each retry, with how long the peer took of late, and with the
 * number of QPs that may stand in the same queue.
 */
void iroce_req_arm_timer(struct rvt_qp *qp)
{
	struct iroce_qp *iqp = iroce_qp(qp);
	u32 n_tried = qp->s_retry_cnt - min(qp->s_retry, qp->s_retry_cnt);
	unsigned long wait = qp->timeout_jiffies << min(1 + n_tried, 3U);

	wait = max(wait, min(4UL * iqp->gap, (unsigned long)MAX_GAP));
	wait += min(READ_ONCE(iqp->roce->rdi.n_rc_qps), 64U) * QP_TURN;
	qp->s_flags |= RVT_S_TIMER;
	mod_timer(&qp->s_timer, jiffies + wait);
}

/*
 * The peer answered something new: learn how long that took. After a timeout it
 * may be late, or the packet was lost and most of the wait was our own timeout:
 * that much is believed once more, no further, or each loss would quadruple it.
 * Before s_retry is set back; s_lock held.
 */
void iroce_req_heard(struct iroce_qp *iqp)
{
	u32 waited = min(jiffies - iqp->waiting_since, (unsigned long)MAX_GAP);
	struct rvt_qp *qp = iqp->qp;

	if (qp->s_retry != qp->s_retry_cnt)
		waited = min(waited, max_t(u32, 2 * iqp->gap, qp->timeout_jiffies + 1));
	iqp->gap = max(waited, iqp->gap - iqp->gap / 16);
	iqp->waiting_since = jiffies;
}

/* A batch of ours is out: whoever does not hear of it in time sends it again. */
void iroce_req_done(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;

	if (qp->s_acked != qp->s_tail && qp->timeout &&
	    !(qp->s_flags & (RVT_S_TIMER | RVT_S_WAIT_RNR)) &&
	    (ib_rvt_state_ops[qp->state] & RVT_PROCESS_SEND_OK)) {
		/* After a timeout we wait on for what was sent before it. */
		if (qp->s_retry == qp->s_retry_cnt)
			iqp->waiting_since = jiffies;
		iroce_req_arm_timer(qp);
	}
}

/*
 * iroce_req_restart - the next packet to send is @psn again
 *
 * @psn lies behind s_last_psn and not beyond what was sent. Finds its WQE and
 * counts the reads that are still outstanding before it.
 */
void iroce_req_restart(struct iroce_qp *iqp, u32 psn)
{
	struct rvt_qp *qp = iqp->qp;
	u32 n = qp->s_acked;

	lockdep_assert_held(&qp->s_lock);
	qp->s_num_rd_atomic = 0;
	iqp->has_sge = false;
	while (n != qp->s_tail) {
		struct rvt_swqe *wqe = rvt_get_swqe_ptr(qp, n);

		if (iroce_psn_diff(psn, wqe->psn) <= 0)
			break;
		if (iroce_wqe_is_read(wqe))
			qp->s_num_rd_atomic++;
		if (iroce_psn_diff(psn, wqe->lpsn) <= 0)
			break;
		n = rvt_qp_swqe_incr(qp, n);
	}
	qp->s_cur = n;
	/* At s_tail the next WQE says its own PSN; rdmavt's numbers are not masked. */
	if (n != qp->s_tail) {
		struct rvt_swqe *wqe = rvt_get_swqe_ptr(qp, n);

		qp->s_psn = wqe->psn + max(iroce_psn_diff(psn, wqe->psn), 0);
	} else {
		qp->s_psn = qp->s_last_psn + 1;
	}
	iqp->window = max_t(u16, iqp->window / 2, IROCE_WINDOW_MIN);
}

/*
 * rdmavt's notify_restart_rc: the local ack timeout has passed. r_lock and
 * s_lock held, interrupts off; rdmavt schedules the sender.
 */
void iroce_req_timeout(struct rvt_qp *qp, u32 psn, int wait)
{
	struct iroce_qp *iqp = iroce_qp(qp);

	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_SEND_OK) || qp->s_acked == qp->s_tail)
		return;
	/* What has not left the host is late, not lost; but do not wait for ever. */
	if (iroce_flight_n(iqp->flight) && iqp->n_patient < MAX_PATIENCE) {
		iqp->n_patient++;
		iroce_req_arm_timer(qp);
		return;
	}
	iqp->n_patient = 0;
	if (!qp->s_retry) {
		iroce_roce_count(iqp->roce, IROCE_STAT_retry_exceeded_err);
		rvt_send_complete(qp, rvt_get_swqe_ptr(qp, qp->s_acked), IB_WC_RETRY_EXC_ERR);
		iroce_qp_error(qp, IB_WC_WR_FLUSH_ERR);
		return;
	}
	qp->s_retry--;
	iroce_roce_count(iqp->roce, IROCE_STAT_completer_retry_err);
	iqp->is_read_restarted = false;
	iroce_req_restart(iqp, qp->s_last_psn + 1);
}
