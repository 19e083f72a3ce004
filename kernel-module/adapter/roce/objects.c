// SPDX-License-Identifier: GPL-2.0
/*
 * PDs, AHs, CQs, SRQs and QPs as user space makes and ends them: counted (budget.c),
 * with rings in memory of the process (ring.c), and with what rdmavt trusts user space
 * for checked before. Regions are in memory.c.
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

#include "roce.h"

/*
 * struct making - while rdmavt makes an object
 * @ring: to become the object's; NULL: it has none
 * @mark: to become its rvt_mmap_info
 */
struct making {
	struct iroce_ring *ring;
	struct rvt_mmap_info *mark;
	struct ib_udata *udata;
	size_t outlen;
};

/* rdmavt's verbs take a user's object without room for an answer for the kernel's. */
static int making_begin(struct making *m, struct ib_udata *udata, struct iroce_ring *ring,
			struct ib_device *ibdev, size_t need)
{
	int err;

	*m = (struct making){ .ring = ring, .udata = udata, .outlen = udata->outlen };
	if (ring) {
		err = iroce_ring_open(ring, &m->mark, ibdev, udata, need);
		if (err)
			return err;
	}
	udata->outlen = 0;
	return 0;
}

/* @err is what rdmavt said, and is returned. */
static int making_end(struct making *m, int err)
{
	m->udata->outlen = m->outlen;
	if (err && m->ring) {
		kfree(m->mark);
		iroce_ring_unmap(m->ring);
	}
	return err;
}

/* ---- PDs and address handles ------------------------------------------------------ */

int iroce_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct iroce_roce *roce = iroce_roce(ibpd->device);
	struct iroce_pd *pd = iroce_pd(ibpd);
	int err;

	err = iroce_charge(&pd->charge, roce, IROCE_OBJECT_PD, sizeof(*pd), udata);
	if (err)
		return err;
	mutex_init(&pd->lock);
	INIT_LIST_HEAD(&pd->users);
	err = roce->rvt.alloc_pd(ibpd, udata);
	if (err)
		iroce_uncharge(&pd->charge);
	return err;
}

int iroce_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	int err = iroce_roce(ibpd->device)->rvt.dealloc_pd(ibpd, udata);

	if (!err)
		iroce_uncharge(&iroce_pd(ibpd)->charge);
	return err;
}

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

/* ---- completion queues ------------------------------------------------------------ */

/*
 * rdmavt tells of each completion that a full CQ had no room for, and uverbs keeps a note
 * of each, of nobody's memory, until the process reads it. What is full stays full, until
 * the CQ is destroyed: once is enough.
 */
static void cq_event(struct ib_event *ev, void *context)
{
	struct iroce_cq *cq = iroce_cq(ev->element.cq);

	if (!xchg(&cq->has_failed, 1))
		cq->event_handler(ev, context);
}

static size_t cq_bytes(u32 cqe)
{
	return sizeof(struct rvt_cq_wc) + ((size_t)cqe + 1) * sizeof(struct ib_uverbs_wc);
}

static int create_user_cq(struct iroce_cq *cq, const struct ib_cq_init_attr *attr,
			  struct uverbs_attr_bundle *attrs)
{
	struct iroce_roce *roce = iroce_roce(cq->rvt.ibcq.device);
	struct ib_udata *udata = &attrs->driver_udata;
	struct ib_cq_init_attr least = *attr;
	struct making m;
	int err;

	if (attr->cqe < 1 || attr->cqe > roce->rdi.dparms.props.max_cqe)
		return -EINVAL;
	least.cqe = 1;
	err = making_begin(&m, udata, &cq->ring, &roce->rdi.ibdev, cq_bytes(attr->cqe));
	if (err)
		return err;
	err = making_end(&m, roce->rvt.create_cq(&cq->rvt.ibcq, &least, attrs));
	if (err)
		return err;
	vfree(cq->rvt.kqueue);
	cq->rvt.kqueue = NULL;
	cq->rvt.queue = cq->ring.addr;
	RDMA_WRITE_UAPI_ATOMIC(cq->rvt.queue->head, 0);
	RDMA_WRITE_UAPI_ATOMIC(cq->rvt.queue->tail, 0);
	cq->rvt.ip = m.mark;
	cq->rvt.ibcq.cqe = attr->cqe;
	if (cq->rvt.ibcq.event_handler) {
		cq->event_handler = cq->rvt.ibcq.event_handler;
		cq->rvt.ibcq.event_handler = cq_event;
	}
	return 0;
}

int iroce_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		    struct uverbs_attr_bundle *attrs)
{
	struct iroce_roce *roce = iroce_roce(ibcq->device);
	struct iroce_cq *cq = iroce_cq(ibcq);
	int err;

	mutex_init(&cq->resize_lock);
	if (!attrs)
		return roce->rvt.create_cq(ibcq, attr, attrs);
	err = iroce_charge(&cq->charge, roce, IROCE_OBJECT_CQ, sizeof(*cq), &attrs->driver_udata);
	if (err)
		return err;
	err = create_user_cq(cq, attr, attrs);
	if (err)
		iroce_uncharge(&cq->charge);
	return err;
}

int iroce_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	struct iroce_cq *cq = iroce_cq(ibcq);
	int err = iroce_roce(ibcq->device)->rvt.destroy_cq(ibcq, udata);

	if (err)
		return err;
	iroce_ring_unmap(&cq->ring);
	iroce_uncharge(&cq->charge);
	return 0;
}

#define MAX_LATE	65536	/* completions that may come while those before them are moved */

/*
 * struct move - completions that are not polled yet go to another ring
 * @to, @cqe: that ring, and how many it takes
 * @tail: of the old ring, what is to be moved next
 * @n: how many have been
 */
struct move {
	struct rvt_cq_wc *to;
	u32 cqe;
	u32 tail;
	u32 n;
};

/* Up to the head, which user space may set as it likes. -EINVAL: more than @max, or than fit. */
static int move_completions(const struct rvt_cq *cq, struct move *m, u32 max)
{
	const struct rvt_cq_wc *from = cq->queue;
	u32 last = cq->ibcq.cqe;
	u32 head = min_t(u32, RDMA_READ_UAPI_ATOMIC(from->head), last);
	u32 len = (head < m->tail ? head + last + 1 : head) - m->tail;

	if (len > max || len > m->cqe - m->n)
		return -EINVAL;
	smp_rmb();	/* rdmavt writes a completion, then the head */
	while (len--) {
		m->to->uqueue[m->n++] = from->uqueue[m->tail];
		m->tail = m->tail == last ? 0 : m->tail + 1;
	}
	return 0;
}

/*
 * The process brings a second ring. uverbs lets any number of calls in at once:
 * resize_lock makes them one after the other.
 */
static int resize_user_cq(struct iroce_cq *cq, u32 cqe, struct ib_udata *udata)
{
	struct iroce_ring ring = {};
	struct move m;
	int err;

	err = iroce_ring_map(&ring, cq->rvt.ibcq.device, udata, cq_bytes(cqe));
	if (err)
		return err;
	m = (struct move){
		.to = ring.addr, .cqe = cqe,
		.tail = min_t(u32, RDMA_READ_UAPI_ATOMIC(cq->rvt.queue->tail), cq->rvt.ibcq.cqe),
	};
	/* Millions may wait. New ones come behind them, and only those are moved under the lock. */
	err = move_completions(&cq->rvt, &m, U32_MAX);
	spin_lock_irq(&cq->rvt.lock);
	err = err ?: move_completions(&cq->rvt, &m, MAX_LATE);
	if (!err) {
		RDMA_WRITE_UAPI_ATOMIC(m.to->head, m.n);
		RDMA_WRITE_UAPI_ATOMIC(m.to->tail, 0);
		cq->rvt.queue = ring.addr;
		cq->rvt.ibcq.cqe = cqe;
		swap(cq->ring, ring);
	}
	spin_unlock_irq(&cq->rvt.lock);
	/* The old one, or the new one that was too small. */
	iroce_ring_unmap(&ring);
	return err;
}

int iroce_resize_cq(struct ib_cq *ibcq, iroce_cqe_t cqe, struct ib_udata *udata)
{
	struct iroce_cq *cq = iroce_cq(ibcq);
	int err;

	if (cqe < 1 || cqe > iroce_roce(ibcq->device)->rdi.dparms.props.max_cqe)
		return -EINVAL;
	/* rdmavt's own, for a CQ of the kernel, is offered to nobody. */
	if (!udata || !cq->ring.addr)
		return -EOPNOTSUPP;
	mutex_lock(&cq->resize_lock);
	err = resize_user_cq(cq, cqe, udata);
	mutex_unlock(&cq->resize_lock);
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
	struct making m;
	int err;

	if (max_wr < 1 || max_wr > props->max_srq_wr || attr->attr.max_sge < 1 ||
	    attr->attr.max_sge > props->max_srq_sge)
		return -EINVAL;
	err = making_begin(&m, udata, &srq->ring, &roce->rdi.ibdev,
			   rq_bytes(max_wr + 1, attr->attr.max_sge));
	if (err)
		return err;
	attr->attr.max_wr = 1;
	err = making_end(&m, roce->rvt.create_srq(&srq->rvt.ibsrq, attr, udata));
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
	struct making m;
	int err;

	err = sq_alloc(sq);
	if (err)
		return err;
	err = making_begin(&m, udata, attr->srq ? NULL : &vqp->rq, &roce->rdi.ibdev,
			   rq_bytes(attr->cap.max_recv_wr + 1, attr->cap.max_recv_sge));
	if (err)
		goto err_sq;
	err = making_end(&m, create_least_qp(roce, &qp->ibqp, attr, udata));
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
