// SPDX-License-Identifier: GPL-2.0
/*
 * AHs, SRQs and QPs as user space makes and ends them: counted (budget.c), with rings in
 * memory of the process (ring.c), and with what rdmavt trusts user space for checked before.
 * CQs are in cq.c, PDs and regions in memory.c.
 *
 * Of a user's CQ, SRQ or QP rdmavt makes the smallest one there is, without a ring to
 * mmap() (uverbs_attr_bundle.driver_udata without room for an answer); we put in the
 * user's ring, and a send queue that the memory cgroup is charged for. Nobody can see
 * the object before the verb returns: no lock is needed for that.
 *
 * All verbs here are called in process context; creating and destroying one object are
 * serialised by uverbs, everything else about it is not.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <rdma/uverbs_ioctl.h>

#include "memory.h"
#include "rvt.h"
#include "verbs.h"

/* ---- address handles -------------------------------------------------------------- */

/* Kernel users may be atomic; they are not counted, and counting is all that sleeps. */
int iroce_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *attr, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibah->device);
	struct iroce_ah *ah = iroce_ah(ibah);
	int err;

	err = iroce_charge(&ah->charge, roce, IROCE_OBJECT_AH, sizeof(*ah), udata);
	if (err)
		return err;
	err = roce->rvt.create_ah(ibah, attr, udata);
	if (err)
		iroce_uncharge(&ah->charge);
	return err;
}

int iroce_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	int err = iroce_roce(ibah->device)->rvt.destroy_ah(ibah, flags);

	if (!err)
		iroce_uncharge(&iroce_ah(ibah)->charge);
	return err;
}

/* ---- receive queues ---------------------------------------------------------------- */

static size_t rq_bytes(u32 size, u32 max_sge)
{
	return sizeof(struct rvt_rwq) +
	       size * (sizeof(struct rvt_rwqe) + max_sge * sizeof(struct ib_sge));
}

/* The ring in place of rdmavt's, which is the smallest. */
static void replace_rq(struct rvt_rq *rq, const struct iroce_ring *ring, u32 size)
{
	vfree(rq->wq);
	rq->wq = ring->addr;
	rq->kwq->curr_wq = rq->wq->wq;
	/* Nothing is posted: what rvt_compute_aeth() tells the peer. */
	rq->kwq->count = 0;
	rq->size = size;
	RDMA_WRITE_UAPI_ATOMIC(rq->wq->head, 0);
	RDMA_WRITE_UAPI_ATOMIC(rq->wq->tail, 0);
}

static int create_user_srq(struct iroce_srq *srq, struct ib_srq_init_attr *attr,
			   struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(srq->rvt.ibsrq.device);
	const struct ib_device_attr *props = &roce->rdi.dparms.props;
	u32 max_wr = attr->attr.max_wr;
	struct iroce_making m;
	int err;

	if (max_wr < 1 || max_wr > props->max_srq_wr || attr->attr.max_sge < 1 ||
	    attr->attr.max_sge > props->max_srq_sge)
		return -EINVAL;
	err = iroce_making_begin(&m, udata, &srq->ring, &roce->rdi.ibdev,
			   rq_bytes(max_wr + 1, attr->attr.max_sge));
	if (err)
		return err;
	attr->attr.max_wr = 1;
	err = iroce_making_end(&m, roce->rvt.create_srq(&srq->rvt.ibsrq, attr, udata));
	attr->attr.max_wr = max_wr;
	if (err)
		return err;
	replace_rq(&srq->rvt.rq, &srq->ring, max_wr + 1);
	srq->rvt.ip = m.mark;
	return 0;
}

int iroce_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *attr, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibsrq->device);
	struct iroce_srq *srq = iroce_srq(ibsrq);
	int err;

	if (!udata)
		return roce->rvt.create_srq(ibsrq, attr, udata);
	err = iroce_charge(&srq->charge, roce, IROCE_OBJECT_SRQ,
			   sizeof(*srq) + sizeof(struct rvt_krwq), udata);
	if (err)
		return err;
	err = create_user_srq(srq, attr, udata);
	if (err)
		iroce_uncharge(&srq->charge);
	return err;
}

/* Its size stays (IB_DEVICE_SRQ_RESIZE is not set). */
int iroce_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		     struct ib_udata *udata)
{
	if (mask & IB_SRQ_MAX_WR)
		return -EOPNOTSUPP;
	return iroce_roce(ibsrq->device)->rvt.modify_srq(ibsrq, attr, mask, udata);
}

int iroce_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata)
{
	struct iroce_srq *srq = iroce_srq(ibsrq);
	int err = iroce_roce(ibsrq->device)->rvt.destroy_srq(ibsrq, udata);

	if (err)
		return err;
	iroce_ring_unmap(&srq->ring);
	iroce_uncharge(&srq->charge);
	return 0;
}

/* ---- queue pairs ------------------------------------------------------------------- */

/*
 * The send queue of a QP is the kernel's own memory: entries, and for datagrams an
 * address beside each.
 */
struct send_queue {
	struct rvt_swqe *entries;
	u32 size;
	size_t stride;
	bool is_ud;
};

static struct rvt_swqe *sq_entry(const struct send_queue *sq, u32 i)
{
	return (void *)sq->entries + i * sq->stride;
}

static u64 sq_bytes(const struct send_queue *sq)
{
	size_t one = sq->stride + (sq->is_ud ? sizeof(*sq->entries->ud_wr.attr) : 0);

	return (u64)sq->size * one;
}

static void sq_free(struct send_queue *sq)
{
	u32 i;

	for (i = 0; sq->is_ud && sq->entries && i < sq->size; i++)
		kfree(sq_entry(sq, i)->ud_wr.attr);
	vfree(sq->entries);
}

static int sq_alloc(struct send_queue *sq)
{
	u32 i;

	sq->entries = __vmalloc(array_size(sq->size, sq->stride),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!sq->entries)
		return -ENOMEM;
	for (i = 0; sq->is_ud && i < sq->size; i++) {
		struct rvt_swqe *wqe = sq_entry(sq, i);

		wqe->ud_wr.attr = kzalloc(sizeof(*wqe->ud_wr.attr), GFP_KERNEL_ACCOUNT);
		if (!wqe->ud_wr.attr) {
			sq_free(sq);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Puts @sq into a QP without work; what was there becomes @sq. */
static void sq_swap(struct rvt_qp *qp, struct send_queue *sq)
{
	swap(qp->s_wq, sq->entries);
	swap(qp->s_size, sq->size);
	qp->s_avail = qp->s_size - 1;
}

static int check_qp(struct iroce_roce *roce, const struct ib_qp_init_attr *attr)
{
	const struct ib_device_attr *props = &roce->rdi.dparms.props;
	const struct ib_qp_cap *cap = &attr->cap;

	if (cap->max_send_sge > props->max_send_sge || cap->max_send_wr > props->max_qp_wr)
		return -EINVAL;
	if (!attr->srq && (cap->max_recv_sge > props->max_recv_sge ||
			   cap->max_recv_wr > props->max_qp_wr))
		return -EINVAL;
	if (!attr->srq && !(cap->max_send_sge | cap->max_send_wr | cap->max_recv_sge |
			    cap->max_recv_wr))
		return -EINVAL;
	return 0;
}

/* With rings and queues of the smallest size, whatever @attr says. */
static int create_least_qp(struct iroce_roce *roce, struct ib_qp *ibqp,
			   struct ib_qp_init_attr *attr, struct ib_udata *udata)
{
	struct ib_qp_cap cap = attr->cap;
	int err;

	attr->cap.max_send_wr = 1;
	attr->cap.max_recv_wr = 1;
	err = roce->rvt.create_qp(ibqp, attr, udata);
	/* What it answers there is that there is no inline data. */
	cap.max_inline_data = attr->cap.max_inline_data;
	attr->cap = cap;
	return err;
}

static int create_user_qp(struct iroce_roce *roce, struct iroce_verbs_qp *vqp,
			  struct ib_qp_init_attr *attr, struct ib_udata *udata,
			  struct send_queue *sq)
{
	struct rvt_qp *qp = &vqp->rvt;
	struct iroce_making m;
	int err;

	err = sq_alloc(sq);
	if (err)
		return err;
	err = iroce_making_begin(&m, udata, attr->srq ? NULL : &vqp->rq, &roce->rdi.ibdev,
			   rq_bytes(attr->cap.max_recv_wr + 1, attr->cap.max_recv_sge));
	if (err)
		goto err_sq;
	err = iroce_making_end(&m, create_least_qp(roce, &qp->ibqp, attr, udata));
	if (err)
		goto err_sq;
	/* What rdmavt knows a user's QP by (rvt_is_user_qp()). */
	qp->pid = current->pid;
	sq_swap(qp, sq);
	sq_free(sq);
	if (m.ring) {
		replace_rq(&qp->r_rq, m.ring, attr->cap.max_recv_wr + 1);
		qp->ip = m.mark;
	}
	return 0;

err_sq:
	sq_free(sq);
	return err;
}

/* A region of this PD may be in use by the QP: by its own requests, or by its SRQ's. */
static void join_pd(struct iroce_qp_user *user, struct rvt_qp *qp, struct ib_pd *ibpd)
{
	struct iroce_pd *pd = iroce_pd(ibpd);

	user->qp = qp;
	mutex_lock(&pd->lock);
	list_add_tail(&user->entry, &pd->users);
	mutex_unlock(&pd->lock);
}

static void leave_pd(struct iroce_qp_user *user, struct ib_pd *ibpd)
{
	struct iroce_pd *pd = iroce_pd(ibpd);

	mutex_lock(&pd->lock);
	list_del(&user->entry);
	mutex_unlock(&pd->lock);
}

static void join_pds(struct iroce_verbs_qp *vqp)
{
	struct ib_qp *ibqp = &vqp->rvt.ibqp;

	join_pd(&vqp->own, &vqp->rvt, ibqp->pd);
	if (ibqp->srq && ibqp->srq->pd != ibqp->pd)
		join_pd(&vqp->srqs, &vqp->rvt, ibqp->srq->pd);
}

static void leave_pds(struct iroce_verbs_qp *vqp)
{
	struct ib_qp *ibqp = &vqp->rvt.ibqp;

	leave_pd(&vqp->own, ibqp->pd);
	if (ibqp->srq && ibqp->srq->pd != ibqp->pd)
		leave_pd(&vqp->srqs, ibqp->srq->pd);
}

int iroce_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *attr, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibqp->device);
	struct iroce_verbs_qp *vqp = iroce_verbs_qp(ibqp);
	struct send_queue sq = {
		.size = attr->cap.max_send_wr + 1,
		.is_ud = attr->qp_type == IB_QPT_UD,
	};
	int err;

	if (attr->qp_type != IB_QPT_RC && attr->qp_type != IB_QPT_UD &&
	    attr->qp_type != IB_QPT_GSI)
		return -EOPNOTSUPP;
	/* Senders copy the first SGE of an entry whether it has one or not. */
	attr->cap.max_send_sge = max(attr->cap.max_send_sge, 1U);
	if (!udata) {
		err = roce->rvt.create_qp(ibqp, attr, udata);
		if (!err)
			join_pds(vqp);
		return err;
	}
	err = check_qp(roce, attr);
	if (err)
		return err;
	sq.stride = struct_size(sq.entries, sg_list, attr->cap.max_send_sge);
	err = iroce_charge(&vqp->charge, roce, IROCE_OBJECT_QP,
			   sizeof(*vqp) + sizeof(struct iroce_qp) + sizeof(struct iroce_flight) +
			   sq_bytes(&sq) +
			   rvt_max_atomic(&roce->rdi) * sizeof(struct rvt_ack_entry), udata);
	if (err)
		return err;
	err = create_user_qp(roce, vqp, attr, udata, &sq);
	if (err) {
		iroce_uncharge(&vqp->charge);
		return err;
	}
	join_pds(vqp);
	return 0;
}

int iroce_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	struct iroce_verbs_qp *vqp = iroce_verbs_qp(ibqp);
	int err;

	leave_pds(vqp);
	err = iroce_roce(ibqp->device)->rvt.destroy_qp(ibqp, udata);
	if (WARN_ON_ONCE(err))
		return err;
	iroce_ring_unmap(&vqp->rq);
	iroce_uncharge(&vqp->charge);
	return 0;
}

/*
 * rdmavt leaves its locks between a change of state and the table of QPs, and on
 * reset: two changes at once put a QP there twice, or one that is then freed.
 */
int iroce_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_udata *udata)
{
	struct iroce_qp *iqp = iroce_qp(ibqp_to_rvtqp(ibqp));
	int err;

	mutex_lock(&iqp->modify_lock);
	err = iroce_roce(ibqp->device)->rvt.modify_qp(ibqp, attr, mask, udata);
	mutex_unlock(&iqp->modify_lock);
	return err;
}

/* What rdmavt refuses as invalid may be an operation that there is, but not on this device. */
static bool is_unsupported(struct ib_qp *ibqp, const struct ib_send_wr *wr)
{
	return wr->opcode < RVT_OPERATION_MAX &&
	       !(iroce_post_parms[wr->opcode].qpt_support & BIT(ibqp->qp_type));
}

/*
 * rdmavt adds length to address when it checks them against a region that begins
 * low (zero based ones do) and does not see the sum wrap: SGEs here, receive WQEs
 * in rwqe.c, what peers ask for in rc_resp.c. Refuses the whole list.
 */
int iroce_post_send(struct ib_qp *ibqp, const struct ib_send_wr *list,
		    const struct ib_send_wr **bad)
{
	const struct ib_send_wr *wr;
	int i, err;

	/* uverbs passes on a command without a request in it; rdmavt looks at the first one. */
	if (!list)
		return 0;
	for (wr = list; wr; wr = wr->next)
		for (i = 0; i < wr->num_sge; i++)
			if (iroce_range_wraps(wr->sg_list[i].addr, wr->sg_list[i].length)) {
				*bad = list;
				return -EINVAL;
			}
	/* rdmavt leaves it alone when it refuses the list for the QP's state. */
	*bad = list;
	err = iroce_roce(ibqp->device)->rvt.post_send(ibqp, list, bad);
	return err == -EINVAL && is_unsupported(ibqp, *bad) ? -EOPNOTSUPP : err;
}
