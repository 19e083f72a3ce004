// SPDX-License-Identifier: GPL-2.0
/*
 * The requester of an RC QP, receiving side (IBTA vol. 1, 9.7.5): acks, NAKs and
 * read responses complete work requests or send the sender back.
 *
 *   ACK p          everything up to p has arrived; reads before p were lost
 *   RNR NAK p      everything before p has arrived; send p again after a while
 *   NAK p seq      everything before p has arrived; send p again now
 *   NAK p error    everything before p has arrived; p failed, the QP is in error
 *   read resp p    everything before p has arrived, and here is p's data
 *
 * Runs in softirq with r_lock held; takes s_lock. Data is copied without s_lock:
 * r_lock alone keeps the WQE and its memory regions, as completion needs both.
 */
#include "qp_state.h"
#include "rc.h"

struct ack {
	struct iroce_qp *iqp;
	struct rvt_qp *qp;
	u32 psn;		/* of the packet, in rdmavt's unmasked numbers */
	u32 acked;		/* last PSN that it acknowledges */
	u32 aeth;		/* host order: syndrome and MSN */
	u8 syndrome;
};

static struct rvt_swqe *oldest_wqe(struct rvt_qp *qp)
{
	return rvt_get_swqe_ptr(qp, qp->s_acked);
}

/* The response to an outstanding read was lost: ask again, once per loss. */
static void restart_read(struct ack *a)
{
	if (a->iqp->is_read_restarted)
		return;
	a->iqp->is_read_restarted = true;
	iroce_roce_count(a->iqp->roce, IROCE_STAT_completer_retry_err);
	iroce_req_restart(a->iqp, a->qp->s_last_psn + 1);
	iroce_sched_send(a->qp);
}

static void complete_oldest(struct ack *a, enum ib_wc_status status)
{
	struct rvt_swqe *wqe = oldest_wqe(a->qp);
	struct rvt_qp *qp = a->qp;

	if (iroce_wqe_is_read(wqe) && qp->s_num_rd_atomic)
		qp->s_num_rd_atomic--;
	if (status == IB_WC_SUCCESS)
		qp->s_last_psn = wqe->lpsn;
	rvt_send_complete(qp, wqe, status);
	iroce_qp_check_drained(a->iqp);
}

/* The peer got further than we are sending again: go on from there. */
static void skip_acked(struct ack *a)
{
	struct rvt_qp *qp = a->qp;
	struct rvt_swqe *wqe;

	if (qp->s_cur == qp->s_tail)
		return;
	wqe = rvt_get_swqe_ptr(qp, qp->s_cur);
	if (iroce_psn_diff(qp->s_psn, wqe->psn) < 0)
		qp->s_psn = wqe->psn;
	if (iroce_psn_diff(qp->s_psn, qp->s_last_psn) <= 0) {
		/* Still in this WQE, or it would have been completed with s_cur. */
		if (iroce_wqe_is_read(wqe) && qp->s_psn == wqe->psn)
			qp->s_num_rd_atomic++;
		qp->s_psn = qp->s_last_psn + 1;
		a->iqp->has_sge = false;
	}
}

/*
 * Completes what @a->acked covers. False: a read stands in the way, its
 * responses are lost and the packet means nothing until they came again.
 */
static bool complete_acked(struct ack *a)
{
	struct rvt_qp *qp = a->qp;
	struct rvt_swqe *wqe;
	bool is_read = false;

	while (qp->s_acked != qp->s_tail) {
		wqe = oldest_wqe(qp);
		is_read = iroce_wqe_is_read(wqe);
		if (iroce_psn_diff(a->acked, is_read ? wqe->psn : wqe->lpsn) < 0)
			break;
		if (is_read) {
			restart_read(a);
			return false;
		}
		complete_oldest(a, IB_WC_SUCCESS);
	}
	/* In the middle of a message. A read moves on by its responses only. */
	if (qp->s_acked != qp->s_tail && !is_read &&
	    iroce_psn_diff(a->acked, qp->s_last_psn) > 0)
		qp->s_last_psn = a->acked;
	skip_acked(a);
	return true;
}

/* The peer answers: counters and timer begin anew, the window opens, the sender goes on. */
static void note_progress(struct ack *a, u32 n_acked)
{
	struct iroce_qp *iqp = a->iqp;
	struct rvt_qp *qp = a->qp;

	iroce_req_heard(iqp);
	qp->s_retry = qp->s_retry_cnt;
	qp->s_rnr_retry = qp->s_rnr_retry_cnt;
	iqp->n_patient = 0;
	iqp->window = min_t(u32, iqp->window + n_acked, IROCE_WINDOW_MAX);
	if (qp->s_acked == qp->s_tail || !qp->timeout)
		rvt_stop_rc_timers(qp);
	else if (!(qp->s_flags & RVT_S_WAIT_RNR))
		iroce_req_arm_timer(qp);
	if (qp->s_cur != qp->s_tail || qp->s_tail != READ_ONCE(qp->s_head))
		iroce_sched_send(qp);
}

/* The oldest request failed for good. */
static void fail_oldest(struct ack *a, enum ib_wc_status status)
{
	if (a->qp->s_acked == a->qp->s_tail)
		return;
	complete_oldest(a, status);
	iroce_qp_error(a->qp, IB_WC_WR_FLUSH_ERR);
}

static void rx_ack(struct ack *a)
{
	u32 before = a->qp->s_last_psn;

	if (!complete_acked(a))
		return;
	rvt_get_credit(a->qp, a->aeth);
	if (a->qp->s_last_psn != before)
		note_progress(a, a->qp->s_last_psn - before);
}

static void rx_rnr(struct ack *a)
{
	struct rvt_qp *qp = a->qp;
	bool is_moved;
	u32 before = qp->s_last_psn;

	iroce_roce_count(a->iqp->roce, IROCE_STAT_rcvd_rnr_err);
	if (!complete_acked(a) || qp->s_acked == qp->s_tail || (qp->s_flags & RVT_S_WAIT_RNR))
		return;
	is_moved = qp->s_last_psn != before;
	if (is_moved)
		qp->s_rnr_retry = qp->s_rnr_retry_cnt;
	if (!qp->s_rnr_retry) {
		iroce_roce_count(a->iqp->roce, IROCE_STAT_retry_rnr_exceeded_err);
		fail_oldest(a, IB_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	/* 7 means for ever. */
	if (qp->s_rnr_retry_cnt < 7)
		qp->s_rnr_retry--;
	qp->s_retry = qp->s_retry_cnt;
	iroce_req_restart(a->iqp, a->psn);
	rvt_stop_rc_timers(qp);
	rvt_add_rnr_timer(qp, a->aeth);
}

static void rx_nak_seq(struct ack *a)
{
	struct rvt_qp *qp = a->qp;
	u32 before = qp->s_last_psn;

	iroce_roce_count(a->iqp->roce, IROCE_STAT_rcvd_seq_err);
	if (!complete_acked(a) || qp->s_acked == qp->s_tail)
		return;
	if (qp->s_last_psn != before) {
		qp->s_retry = qp->s_retry_cnt;
	} else if (!qp->s_retry) {
		iroce_roce_count(a->iqp->roce, IROCE_STAT_retry_exceeded_err);
		fail_oldest(a, IB_WC_RETRY_EXC_ERR);
		return;
	} else {
		qp->s_retry--;
	}
	iroce_req_restart(a->iqp, qp->s_last_psn + 1);
	if (qp->timeout)
		iroce_req_arm_timer(qp);
	iroce_sched_send(qp);
}

static void rx_nak(struct ack *a)
{
	static const enum ib_wc_status status[] = {
		[IROCE_NAK_INV_REQ] = IB_WC_REM_INV_REQ_ERR,
		[IROCE_NAK_REM_ACCESS_ERR] = IB_WC_REM_ACCESS_ERR,
		[IROCE_NAK_REM_OP_ERR] = IB_WC_REM_OP_ERR,
		[IROCE_NAK_INV_RD_REQ] = IB_WC_REM_INV_REQ_ERR,
	};
	u8 code = iroce_aeth_value(a->syndrome);

	if (code == IROCE_NAK_PSN_SEQ_ERR) {
		rx_nak_seq(a);
		return;
	}
	/* Reserved codes are ignored (9.7.5.2.1). */
	if (code >= ARRAY_SIZE(status))
		return;
	if (complete_acked(a))
		fail_oldest(a, status[code]);
}

/* Where the response's data goes; the state walks on with in-order responses. */
static struct rvt_sge_state *read_sges(struct ack *a, struct rvt_swqe *wqe)
{
	struct rvt_qp *qp = a->qp;

	if (!a->iqp->has_read_sge || a->iqp->read_psn != a->psn)
		rvt_restart_sge(&qp->s_rdma_read_sge, wqe, (a->psn - wqe->psn) << qp->log_pmtu);
	return &qp->s_rdma_read_sge;
}

/* The length that response @psn of this read must have. */
static u32 read_len(const struct rvt_qp *qp, const struct rvt_swqe *wqe, u32 psn)
{
	u32 off = (psn - wqe->psn) << qp->log_pmtu;

	return min_t(u32, wqe->length - off, qp->pmtu);
}

/* s_lock held on entry and return, dropped for the copy. */
static void rx_read(struct ack *a, struct iroce_rx_pkt *pkt)
	__must_hold(&a->qp->s_lock)
{
	u32 len = pkt->roce.payload_len;
	struct rvt_qp *qp = a->qp;
	struct rvt_sge_state *ss;
	struct rvt_swqe *wqe;
	bool is_last;

	a->acked = a->psn - 1;
	/* Acks what was sent before the read, not the read's own earlier packets. */
	while (qp->s_acked != qp->s_tail) {
		wqe = oldest_wqe(qp);
		if (iroce_wqe_is_read(wqe) || iroce_psn_diff(a->acked, wqe->lpsn) < 0)
			break;
		complete_oldest(a, IB_WC_SUCCESS);
	}
	skip_acked(a);
	if (qp->s_acked == qp->s_tail)
		return;
	if (a->psn != qp->s_last_psn + 1) {
		restart_read(a);
		return;
	}
	if (!iroce_wqe_is_read(wqe)) {
		fail_oldest(a, IB_WC_LOC_QP_OP_ERR);
		return;
	}
	is_last = pkt->roce.flags & IROCE_OPF_LAST;
	if (len != read_len(qp, wqe, a->psn) || is_last != (a->psn == wqe->lpsn)) {
		fail_oldest(a, IB_WC_LOC_LEN_ERR);
		return;
	}
	a->iqp->is_read_restarted = false;
	qp->s_last_psn = a->psn;
	/*
	 * Not past the last response yet: without s_lock the sender would find s_cur at
	 * a read that has nothing left to be asked for.
	 */
	if (!is_last)
		skip_acked(a);
	ss = read_sges(a, wqe);
	spin_unlock_irq(&qp->s_lock);

	rvt_copy_sge(qp, ss, pkt->payload, len, false, false);

	spin_lock_irq(&qp->s_lock);
	a->iqp->has_read_sge = !is_last;
	a->iqp->read_psn = a->psn + 1;
	if (is_last) {
		complete_oldest(a, IB_WC_SUCCESS);
		skip_acked(a);
	}
	note_progress(a, 1);
}

/* iroce_ack_rx - a response for the requester; r_lock held, softirq */
void iroce_ack_rx(struct iroce_rx_pkt *pkt)
{
	struct iroce_qp *iqp = pkt->iqp;
	struct rvt_qp *qp = iqp->qp;
	struct ack a = { .iqp = iqp, .qp = qp };
	s32 ahead;

	spin_lock_irq(&qp->s_lock);
	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_SEND_OK))
		goto out;
	ahead = iroce_psn_diff(pkt->roce.psn, qp->s_last_psn);
	a.psn = qp->s_last_psn + ahead;
	if (pkt->roce.aeth) {
		a.aeth = be32_to_cpu(pkt->roce.aeth->smsn);
		a.syndrome = iroce_aeth_syndrome(pkt->roce.aeth);
	}
	/* A "ghost": nothing new, but credits may have changed (9.7.7.2.5). */
	if (!ahead && pkt->roce.opcode == IROCE_OP_RC_ACK &&
	    iroce_aeth_type(a.syndrome) == IROCE_AETH_ACK)
		rvt_get_credit(qp, a.aeth);
	/* Old, or for something that was never sent. */
	if (ahead <= 0 || iroce_psn_diff(a.psn, iqp->sent_psn) >= 0)
		goto out;

	if (pkt->roce.flags & IROCE_OPF_READ) {
		rx_read(&a, pkt);
		goto out;
	}
	if (pkt->roce.opcode != IROCE_OP_RC_ACK)
		goto out;
	a.acked = a.psn;
	switch (iroce_aeth_type(a.syndrome)) {
	case IROCE_AETH_ACK:
		rx_ack(&a);
		break;
	case IROCE_AETH_RNR_NAK:
		a.acked--;
		rx_rnr(&a);
		break;
	case IROCE_AETH_NAK:
		a.acked--;
		rx_nak(&a);
		break;
	case IROCE_AETH_RESERVED:
		break;
	}
out:
	spin_unlock_irq(&qp->s_lock);
}
