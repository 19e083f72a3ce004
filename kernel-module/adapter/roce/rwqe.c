// SPDX-License-Identifier: GPL-2.0
/*
 * Receive WQEs of a QP or SRQ. The ring is mapped into user space, and a hostile
 * process may change indexes and entries at any time: everything is read once,
 * checked, then used. rvt_get_rwqe() trusts num_sge and list of an entry, which
 * lets a process write behind qp->r_sg_list; that is why we have our own.
 */
#include "rwqe.h"

/* An entry as it was at one moment. */
struct rwqe {
	u64 wr_id;
	u8 num_sge;
	struct ib_sge sge[IROCE_MAX_RECV_SGE];
};

static bool rwqe_read(const struct rvt_rq *rq, u32 index, struct rwqe *out)
{
	const struct rvt_rwqe *wqe = rvt_get_rwqe_ptr((struct rvt_rq *)rq, index);
	u8 i;

	out->wr_id = READ_ONCE(wqe->wr_id);
	out->num_sge = READ_ONCE(wqe->num_sge);
	if (out->num_sge > rq->max_sge || out->num_sge > ARRAY_SIZE(out->sge))
		return false;
	for (i = 0; i < out->num_sge; i++) {
		out->sge[i].addr = READ_ONCE(wqe->sg_list[i].addr);
		out->sge[i].length = READ_ONCE(wqe->sg_list[i].length);
		out->sge[i].lkey = READ_ONCE(wqe->sg_list[i].lkey);
	}
	return true;
}

/* Checks key and range, takes a reference. */
static bool sge_map(struct rvt_dev_info *rdi, struct ib_pd *pd, struct rvt_sge *out,
		    struct ib_sge *sge)
{
	return rvt_lkey_ok(&rdi->lkey_table, ibpd_to_rvtpd(pd), out, NULL, sge,
			   IB_ACCESS_LOCAL_WRITE) > 0;
}

/* How many bytes from @sge's address on lie in its region; rvt_lkey_ok() has the last word. */
static u32 sge_room(struct rvt_dev_info *rdi, const struct ib_sge *sge)
{
	struct rvt_lkey_table *rkt = &rdi->lkey_table;
	const struct rvt_mregion *region;
	u64 off, room = 0;

	rcu_read_lock();
	region = sge->lkey ? rcu_dereference(rkt->table[sge->lkey >> rkt->shift]) : NULL;
	if (region) {
		off = sge->addr - region->user_base;
		room = off < region->length ? region->length - off : 0;
	}
	rcu_read_unlock();
	return min_t(u64, room, sge->length);
}

/*
 * Maps what messages may be written to: qp->r_sge, and r_len bytes of it. The entry may name
 * more than its regions have; that is an error when a message gets there, and not before:
 * perftest gives buffers of whole MTUs, the last of which reach beyond their region.
 */
static void rwqe_map(struct rvt_qp *qp, const struct rwqe *wqe)
{
	struct rvt_dev_info *rdi = ib_to_rvt(qp->ibqp.device);
	struct ib_pd *pd = qp->ibqp.srq ? qp->ibqp.srq->pd : qp->ibqp.pd;
	struct rvt_sge_state *ss = &qp->r_sge;
	bool is_whole = true;
	u64 named = 0, len = 0;
	u8 i;

	ss->sg_list = qp->r_sg_list;
	ss->num_sge = 0;
	for (i = 0; i < wqe->num_sge; i++) {
		struct rvt_sge *out = ss->num_sge ? &ss->sg_list[ss->num_sge - 1] : &ss->sge;
		struct ib_sge sge = wqe->sge[i];

		named += sge.length;
		if (!sge.length || !is_whole)
			continue;
		is_whole = !iroce_range_wraps(sge.addr, sge.length) && sge_map(rdi, pd, out, &sge);
		if (!is_whole) {
			sge.length = sge_room(rdi, &sge);
			if (!sge.length || !sge_map(rdi, pd, out, &sge))
				continue;
		}
		ss->num_sge++;
		len += sge.length;
	}
	/* No message is as long. */
	iroce_qp(qp)->rwqe_len = min_t(u64, named, U32_MAX);
	qp->r_len = min_t(u64, len, U32_MAX);
	ss->total_len = qp->r_len;
}

static void complete_bad(struct rvt_qp *qp, const struct rwqe *wqe)
{
	struct ib_wc wc = {
		.wr_id = wqe->wr_id,
		.status = IB_WC_LOC_PROT_ERR,
		.opcode = IB_WC_RECV,
		.qp = &qp->ibqp,
	};

	rvt_cq_enter(ibcq_to_rvtcq(qp->ibqp.recv_cq), &wc, true);
}

/* The SRQ sank below its limit: tell once, until the limit is set again. */
static bool srq_limit_reached(struct rvt_srq *srq, u32 left)
{
	if (!srq || !srq->ibsrq.event_handler || left >= srq->limit)
		return false;
	srq->limit = 0;
	return true;
}

static void srq_event(struct rvt_srq *srq)
{
	struct ib_event ev = {
		.device = srq->ibsrq.device,
		.element.srq = &srq->ibsrq,
		.event = IB_EVENT_SRQ_LIMIT_REACHED,
	};

	srq->ibsrq.event_handler(&ev, srq->ibsrq.srq_context);
}

int iroce_rwqe_get(struct rvt_qp *qp, bool wr_id_only)
{
	struct rvt_srq *srq = qp->ibqp.srq ? ibsrq_to_rvtsrq(qp->ibqp.srq) : NULL;
	struct rvt_rq *rq = srq ? &srq->rq : &qp->r_rq;
	bool is_user = srq ? srq->ip : qp->ip;
	bool is_low = false;
	unsigned long flags;
	struct rwqe wqe;
	u32 head, tail;
	int ret = 0;

	spin_lock_irqsave(&rq->kwq->c_lock, flags);
	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_RECV_OK))
		goto unlock;
	if (is_user) {
		tail = RDMA_READ_UAPI_ATOMIC(rq->wq->tail);
		head = RDMA_READ_UAPI_ATOMIC(rq->wq->head);
	} else {
		tail = rq->kwq->tail;
		head = smp_load_acquire(&rq->kwq->head);
	}
	if (tail >= rq->size)
		tail = 0;
	if (head >= rq->size)
		head = 0;
	if (head == tail) {
		rq->kwq->count = 0;
		goto unlock;
	}
	/* The entry was written before the head. */
	smp_rmb();
	ret = rwqe_read(rq, tail, &wqe) ? 1 : -1;
	if (ret > 0 && !wr_id_only)
		rwqe_map(qp, &wqe);
	if (++tail >= rq->size)
		tail = 0;
	if (is_user)
		RDMA_WRITE_UAPI_ATOMIC(rq->wq->tail, tail);
	else
		rq->kwq->tail = tail;
	/* What rvt_compute_aeth() advertises as credits. */
	rq->kwq->count = rvt_get_rq_count(rq, head, tail);
	if (ret < 0) {
		complete_bad(qp, &wqe);
		goto unlock;
	}
	qp->r_wr_id = wqe.wr_id;
	set_bit(RVT_R_WRID_VALID, &qp->r_aflags);
	is_low = srq_limit_reached(srq, rq->kwq->count);
unlock:
	spin_unlock_irqrestore(&rq->kwq->c_lock, flags);
	if (is_low)
		srq_event(srq);
	return ret;
}
