// SPDX-License-Identifier: GPL-2.0
/*
 * The responder of an RC QP (IBTA vol. 1, 9.7.4): takes requests in the order
 * of their PSNs, places the data, acknowledges. Runs in softirq, r_lock held.
 *
 *   psn - r_psn   < 0  seen before: acknowledge again, never place again
 *                 = 0  the one expected: place, complete, acknowledge
 *                 > 0  something is missing: one NAK, then drop until it comes
 *
 * An ACK goes out at once from here, unless read responses are queued or being
 * sent: acks must not overtake them, so then the sender sends it (rc_answer.c).
 */
#include "memory.h"
#include "packet.h"
#include "qp_state.h"
#include "rc.h"
#include "rwqe.h"

/* What became of a request. */
enum verdict {
	DONE,		/* ack if asked for */
	QUEUED,		/* answered by the sender */
	RNR,		/* no receive WQE */
	INVALID,	/* NAK invalid request */
	ACCESS,		/* NAK remote access error */
	OPERATION,	/* NAK remote operational error */
	PROTECTION,	/* the same: the receive WQE names memory that is not there */
	TOO_LONG,	/* does not fit the receive WQE */
	IGNORE,
};

/*
 * iroce_resp_reply - acknowledge up to @psn, or NAK it
 * @nak: AETH syndrome, 0 for an ACK with credits
 */
void iroce_resp_reply(struct iroce_qp *iqp, u32 psn, u8 nak)
{
	struct rvt_qp *qp = iqp->qp;
	bool is_queued = false;

	spin_lock_irq(&qp->s_lock);
	if ((qp->s_flags & (RVT_S_RESP_PENDING | RVT_S_ACK_PENDING)) || iqp->is_responding) {
		is_queued = ib_rvt_state_ops[qp->state] & RVT_PROCESS_RECV_OK;
		if (is_queued) {
			qp->s_flags |= RVT_S_ACK_PENDING;
			qp->s_nak_state = nak;
			qp->s_ack_psn = psn;
			iroce_sched_send(qp);
			iroce_roce_count(iqp->roce, IROCE_STAT_ack_deferred);
		}
	}
	spin_unlock_irq(&qp->s_lock);
	if (!is_queued)
		iroce_packet_send_ack(iqp, psn, iroce_reply_aeth(qp, nak));
}

/* Begins or continues a message where it may, by the opcode before it (9.7.4.1.2). */
static bool is_in_sequence(const struct rvt_qp *qp, u16 flags)
{
	u16 before = iroce_opcode_info(qp->r_state)->flags;
	u16 kind = IROCE_OPF_SEND | IROCE_OPF_WRITE;
	bool is_open = (before & kind) && (before & (IROCE_OPF_FIRST | IROCE_OPF_MIDDLE)) &&
		       !(before & IROCE_OPF_LAST);

	if (!is_open)
		return !(flags & IROCE_OPF_MIDDLE) &&
		       ((flags & IROCE_OPF_FIRST) || !(flags & IROCE_OPF_LAST));
	return (flags & (IROCE_OPF_MIDDLE | IROCE_OPF_LAST)) && !(flags & IROCE_OPF_FIRST) &&
	       (before & kind) == (flags & kind);
}

/* First and middle are as long as the path MTU, last and only at most. */
static bool is_len_ok(const struct rvt_qp *qp, const struct iroce_roce_pkt *pkt)
{
	if ((pkt->flags & (IROCE_OPF_FIRST | IROCE_OPF_MIDDLE)) && !(pkt->flags & IROCE_OPF_LAST))
		return pkt->payload_len == qp->pmtu;
	return pkt->payload_len <= qp->pmtu;
}

static void put_wc(struct iroce_rx_pkt *pkt, enum ib_wc_opcode opcode)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	struct ib_wc wc = {
		.wr_id = qp->r_wr_id,
		.status = IB_WC_SUCCESS,
		.opcode = opcode,
		.byte_len = qp->r_rcv_len,
		.qp = &qp->ibqp,
		.src_qp = qp->remote_qpn,
		.port_num = qp->port_num,
	};

	if (pkt->roce.immdt) {
		wc.wc_flags = IB_WC_WITH_IMM;
		wc.ex.imm_data = pkt->roce.immdt->imm;
	}
	if (unlikely(!rvt_cq_enter(ibcq_to_rvtcq(qp->ibqp.recv_cq), &wc, pkt->roce.is_solicited)))
		rvt_rc_error(qp, IB_WC_LOC_QP_OP_ERR);
}

/* The end of a message: completion if it used a receive WQE. */
static void end_message(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;

	rvt_put_ss(&qp->r_sge);
	qp->r_msn++;
	iroce_roce_count(pkt->roce_dev, IROCE_STAT_rdma_recvs);
	if (test_and_clear_bit(RVT_R_WRID_VALID, &qp->r_aflags))
		put_wc(pkt, pkt->roce.flags & IROCE_OPF_WRITE ? IB_WC_RECV_RDMA_WITH_IMM :
								IB_WC_RECV);
}

static enum verdict take_rwqe(struct rvt_qp *qp, bool wr_id_only)
{
	int ret = iroce_rwqe_get(qp, wr_id_only);

	return ret > 0 ? DONE : ret ? OPERATION : RNR;
}

static enum verdict do_send(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	u32 len = pkt->roce.payload_len;
	enum verdict v;

	if (pkt->roce.flags & IROCE_OPF_FIRST) {
		v = take_rwqe(qp, false);
		if (v != DONE)
			return v;
		qp->r_rcv_len = 0;
	}
	if (len > pkt->iqp->rwqe_len - qp->r_rcv_len)
		return TOO_LONG;
	if (len > qp->r_len - qp->r_rcv_len)
		return PROTECTION;
	qp->r_rcv_len += len;
	rvt_copy_sge(qp, &qp->r_sge, pkt->payload, len, true, false);
	if (pkt->roce.flags & IROCE_OPF_LAST)
		end_message(pkt);
	return DONE;
}

/* Checks RETH and key of the whole message, once: qp->r_sge, r_len. */
static enum verdict begin_write(struct iroce_rx_pkt *pkt)
{
	const struct iroce_reth *reth = pkt->roce.reth;
	struct rvt_qp *qp = pkt->iqp->qp;

	if (!(qp->qp_access_flags & IB_ACCESS_REMOTE_WRITE))
		return INVALID;
	qp->r_len = be32_to_cpu(reth->len);
	if (qp->r_len > IROCE_MSG_LIMIT)
		return INVALID;
	qp->r_rcv_len = 0;
	qp->r_sge.sg_list = NULL;
	qp->r_sge.num_sge = 0;
	if (!qp->r_len)
		return DONE;
	if (!iroce_mr_map(qp, &qp->r_sge.sge, reth, IB_ACCESS_REMOTE_WRITE))
		return ACCESS;
	qp->r_sge.num_sge = 1;
	qp->r_sge.total_len = qp->r_len;
	return DONE;
}

static enum verdict do_write(struct iroce_rx_pkt *pkt)
{
	bool is_first = pkt->roce.flags & IROCE_OPF_FIRST;
	bool is_last = pkt->roce.flags & IROCE_OPF_LAST;
	struct rvt_qp *qp = pkt->iqp->qp;
	u32 len = pkt->roce.payload_len;
	enum verdict v;

	if (is_first) {
		v = begin_write(pkt);
		if (v != DONE)
			return v;
	}
	if (len > qp->r_len - qp->r_rcv_len || (is_last && len != qp->r_len - qp->r_rcv_len))
		return INVALID;
	if (pkt->roce.immdt) {
		v = take_rwqe(qp, true);
		if (v != DONE) {
			/* An "only" begins again when it is sent again. */
			if (is_first)
				rvt_put_ss(&qp->r_sge);
			return v;
		}
	}
	qp->r_rcv_len += len;
	/* The last bytes last: who polls memory for them must see the rest, too. */
	rvt_copy_sge(qp, &qp->r_sge, pkt->payload, len, true, is_last && rvt_is_user_qp(qp));
	if (is_last)
		end_message(pkt);
	return DONE;
}

/* Queues the answer; the sender reads the memory when it sends (rc_answer.c). */
static enum verdict do_read(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;

	if (!(qp->qp_access_flags & IB_ACCESS_REMOTE_READ))
		return INVALID;
	switch (iroce_resp_read(pkt)) {
	case 0:
		return QUEUED;
	case -EACCES:
		return ACCESS;
	case -EBUSY:
		return IGNORE;
	default:
		return INVALID;
	}
}

static enum verdict execute_request(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	u16 flags = pkt->roce.flags;

	if (!is_in_sequence(qp, flags) || !is_len_ok(qp, &pkt->roce))
		return INVALID;
	/* Invalidate (IETH) and atomics come later; the QP does not offer them. */
	if (pkt->roce.ieth || (flags & IROCE_OPF_ATOMIC))
		return INVALID;
	if (flags & IROCE_OPF_SEND)
		return do_send(pkt);
	if (flags & IROCE_OPF_WRITE)
		return do_write(pkt);
	if (flags & IROCE_OPF_READ)
		return do_read(pkt);
	return INVALID;
}

/* The QP goes to error, the peer hears why, the owner of the QP too. */
static void end_fatally(struct iroce_rx_pkt *pkt, enum ib_wc_status status, u8 code)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	bool has_wqe = test_bit(RVT_R_WRID_VALID, &qp->r_aflags);

	rvt_rc_error(qp, status);
	qp->r_nak_state = iroce_aeth_nak(code);
	iroce_resp_reply(pkt->iqp, qp->r_psn, qp->r_nak_state);
	/* Where no completion tells it, an affiliated asynchronous error does (11.6.3.2). */
	if (!has_wqe)
		iroce_qp_event(qp, code == IROCE_NAK_REM_ACCESS_ERR ? IB_EVENT_QP_ACCESS_ERR :
								      IB_EVENT_QP_REQ_ERR);
}

static void rx_expected(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	u32 psn = qp->r_psn;

	switch (execute_request(pkt)) {
	case DONE:
		qp->r_psn = iroce_psn_add(psn, 1);
		qp->r_state = pkt->roce.opcode;
		qp->r_nak_state = 0;
		if (pkt->roce.is_ackreq)
			iroce_resp_reply(pkt->iqp, psn, 0);
		break;
	case QUEUED:
		qp->r_state = pkt->roce.opcode;
		qp->r_nak_state = 0;
		break;
	case RNR:
		iroce_roce_count(pkt->roce_dev, IROCE_STAT_send_rnr_err);
		qp->r_nak_state = iroce_aeth_rnr(qp->r_min_rnr_timer);
		iroce_resp_reply(pkt->iqp, psn, qp->r_nak_state);
		break;
	case INVALID:
		end_fatally(pkt, IB_WC_LOC_QP_OP_ERR, IROCE_NAK_INV_REQ);
		break;
	case TOO_LONG:
		end_fatally(pkt, IB_WC_LOC_LEN_ERR, IROCE_NAK_INV_REQ);
		break;
	case ACCESS:
		end_fatally(pkt, IB_WC_LOC_PROT_ERR, IROCE_NAK_REM_ACCESS_ERR);
		break;
	case OPERATION:
		end_fatally(pkt, IB_WC_LOC_QP_OP_ERR, IROCE_NAK_REM_OP_ERR);
		break;
	case PROTECTION:
		end_fatally(pkt, IB_WC_LOC_PROT_ERR, IROCE_NAK_REM_OP_ERR);
		break;
	case IGNORE:
		break;
	}
}

/* Something before it was lost. One NAK; who waits for an RNR timer gets none. */
static void rx_early(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;

	iroce_roce_count(pkt->roce_dev, IROCE_STAT_out_of_seq_request);
	if (qp->r_nak_state)
		return;
	qp->r_nak_state = iroce_aeth_nak(IROCE_NAK_PSN_SEQ_ERR);
	iroce_resp_reply(pkt->iqp, qp->r_psn, qp->r_nak_state);
}

static void rx_duplicate(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;

	iroce_roce_count(pkt->roce_dev, IROCE_STAT_duplicate_request);
	if (pkt->roce.flags & IROCE_OPF_READ) {
		iroce_resp_duplicate(pkt);
		return;
	}
	/* The requester is back before what we miss: it may need the NAK again. */
	qp->r_nak_state = 0;
	if (pkt->roce.is_ackreq)
		iroce_resp_reply(pkt->iqp, iroce_psn_add(qp->r_psn, -1), 0);
}

/* iroce_resp_rx - a request; r_lock held, softirq */
void iroce_resp_rx(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	s32 diff = iroce_psn_diff(pkt->roce.psn, qp->r_psn);

	if (diff > 0) {
		rx_early(pkt);
		return;
	}
	if (diff < 0) {
		rx_duplicate(pkt);
		return;
	}
	if (qp->state == IB_QPS_RTR && !(qp->r_flags & RVT_R_COMM_EST))
		rvt_comm_est(qp);
	rx_expected(pkt);
}
