// SPDX-License-Identifier: GPL-2.0
/*
 * Completion queues as user space makes, resizes and ends them: counted (budget.c), in memory of
 * the process (ring.c). Process context.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "cq.h"

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
	struct iroce_making m;
	int err;

	if (attr->cqe < 1 || attr->cqe > roce->rdi.dparms.props.max_cqe)
		return -EINVAL;
	least.cqe = 1;
	err = iroce_making_begin(&m, udata, &cq->ring, &roce->rdi.ibdev, cq_bytes(attr->cqe));
	if (err)
		return err;
	err = iroce_making_end(&m, roce->rvt.create_cq(&cq->rvt.ibcq, &least, attrs));
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
