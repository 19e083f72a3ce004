// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The verbs that make, change and destroy objects, and receiving. Objects are the
 * kernel's (rdmavt); what is kept here are their rings. The kernel
 * does not ring a bell for posted receives, so what it leaves undone when a QP
 * changes state (see qp_settle) is done here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../kernel-module/uapi/iroce-abi.h"
#include "iroce.h"

struct create_srq_cmd {
	struct ibv_create_srq core;
	struct iroce_ring_req iroce;
};

struct create_qp_cmd {
	struct ibv_create_qp core;
	struct iroce_ring_req iroce;
};

/* ---- device ---- */

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t attr_size)
{
	struct ib_uverbs_ex_query_device_resp resp;
	size_t resp_size = sizeof(resp);
	uint64_t version;
	int err;

	err = ibv_cmd_query_device_any(context, input, attr, attr_size, &resp, &resp_size);
	if (err)
		return err;
	version = resp.base.fw_ver;
	snprintf(attr->orig_attr.fw_ver, sizeof(attr->orig_attr.fw_ver), "%u.%u.%u",
		 (unsigned int)(version >> 32) & 0xffff,
		 (unsigned int)(version >> 16) & 0xffff, (unsigned int)version & 0xffff);
	return 0;
}

static int query_port(struct ibv_context *context, uint8_t port_num,
		      struct ibv_port_attr *attr)
{
	struct ibv_query_port cmd = {};

	return ibv_cmd_query_port(context, port_num, attr, &cmd, sizeof(cmd));
}

static void free_context(struct ibv_context *context)
{
	struct iroce_context *ctx = iroce_context(context);

	verbs_uninit_context(&ctx->vctx);
	free(ctx);
}

/* ---- protection domain, memory region, address handle ---- */

static struct ibv_pd *alloc_pd(struct ibv_context *context)
{
	struct ibv_alloc_pd cmd = {};
	struct ib_uverbs_alloc_pd_resp resp;
	struct iroce_pd *pd;
	int err;

	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return NULL;
	err = ibv_cmd_alloc_pd(context, &pd->pd, &cmd, sizeof(cmd), &resp, sizeof(resp));
	if (err) {
		free(pd);
		errno = err;
		return NULL;
	}
	iroce_lock_init(&pd->lock, true);
	return &pd->pd;
}

/* Its queue pairs are gone, the kernel sees to that, and so are the regions. */
static int dealloc_pd(struct ibv_pd *ibpd)
{
	struct iroce_pd *pd = iroce_pd(ibpd);
	int err = ibv_cmd_dealloc_pd(ibpd);

	if (err)
		return err;
	iroce_lock_fini(&pd->lock);
	free(pd);
	return 0;
}

static struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t length,
			     uint64_t hca_va, int access)
{
	struct ibv_reg_mr cmd = {};
	struct ib_uverbs_reg_mr_resp resp;
	struct verbs_mr *vmr;
	int err;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;
	err = ibv_cmd_reg_mr(pd, addr, length, hca_va, access, vmr, &cmd, sizeof(cmd),
			     &resp, sizeof(resp));
	if (err) {
		free(vmr);
		errno = err;
		return NULL;
	}
	return &vmr->ibv_mr;
}

static int dereg_mr(struct verbs_mr *vmr)
{
	int err = ibv_cmd_dereg_mr(vmr);

	if (!err)
		free(vmr);
	return err;
}

static struct ibv_ah *create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr)
{
	struct ib_uverbs_create_ah_resp resp;
	struct ibv_ah *ah;
	int err;

	ah = calloc(1, sizeof(*ah));
	if (!ah)
		return NULL;
	err = ibv_cmd_create_ah(pd, ah, attr, &resp, sizeof(resp));
	if (err) {
		free(ah);
		errno = err;
		return NULL;
	}
	return ah;
}

static int destroy_ah(struct ibv_ah *ah)
{
	int err = ibv_cmd_destroy_ah(ah);

	if (!err)
		free(ah);
	return err;
}

/* ---- shared receive queue ---- */

static struct ibv_srq *create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	struct ib_uverbs_create_srq_resp resp = {};
	struct create_srq_cmd cmd = {};
	struct iroce_srq *srq;
	int err;

	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return NULL;
	err = iroce_rq_ring_alloc(&srq->ring, attr->attr.max_wr, attr->attr.max_sge);
	if (err)
		goto err_free;
	cmd.iroce.addr = (uintptr_t)srq->ring.shm;
	cmd.iroce.len = srq->ring.len;
	err = ibv_cmd_create_srq(pd, &srq->srq, attr, &cmd.core, sizeof(cmd), &resp,
				 sizeof(resp));
	if (err)
		goto err_ring;
	iroce_lock_init(&srq->lock, !iroce_context(pd->context)->is_single_threaded);
	return &srq->srq;

err_ring:
	iroce_rq_ring_free(&srq->ring);
err_free:
	free(srq);
	errno = err;
	return NULL;
}

static int modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask)
{
	struct ibv_modify_srq cmd = {};

	if (attr_mask & ~(IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT))
		return EINVAL;
	/* Its size stays: the device has no IBV_DEVICE_SRQ_RESIZE. */
	if (attr_mask & IBV_SRQ_MAX_WR)
		return EOPNOTSUPP;
	return ibv_cmd_modify_srq(ibsrq, attr, attr_mask, &cmd, sizeof(cmd));
}

static int query_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr)
{
	struct ibv_query_srq cmd = {};

	return ibv_cmd_query_srq(srq, attr, &cmd, sizeof(cmd));
}

static int destroy_srq(struct ibv_srq *ibsrq)
{
	struct iroce_srq *srq = iroce_srq(ibsrq);
	int err;

	err = ibv_cmd_destroy_srq(ibsrq);
	if (err)
		return err;
	iroce_rq_ring_free(&srq->ring);
	iroce_lock_fini(&srq->lock);
	free(srq);
	return 0;
}

static int post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr,
			 struct ibv_recv_wr **bad_wr)
{
	struct iroce_srq *srq = iroce_srq(ibsrq);
	int err;

	iroce_lock(&srq->lock);
	err = iroce_rq_ring_post(&srq->ring, wr, bad_wr);
	iroce_unlock(&srq->lock);
	return err;
}

/* ---- queue pair ---- */

static int qp_check(const struct ibv_qp_init_attr_ex *attr)
{
	if (attr->comp_mask & ~(uint32_t)(IBV_QP_INIT_ATTR_PD |
					  IBV_QP_INIT_ATTR_SEND_OPS_FLAGS))
		return EOPNOTSUPP;
	if (!(attr->comp_mask & IBV_QP_INIT_ATTR_PD) || !attr->pd)
		return EINVAL;
	if (attr->qp_type != IBV_QPT_RC && attr->qp_type != IBV_QPT_UC &&
	    attr->qp_type != IBV_QPT_UD)
		return EOPNOTSUPP;
	if (!attr->send_cq || !attr->recv_cq || attr->cap.max_inline_data > IROCE_MAX_INLINE)
		return EINVAL;
	return 0;
}

/* Operations that the provider can post, but only some devices carry out. */
static int ops_check(struct ibv_context *context, const struct ibv_qp_init_attr_ex *attr)
{
	const uint64_t atomics = IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |
				 IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD;
	struct ibv_device_attr_ex device = {};
	uint64_t ops = 0;
	int err;

	if (attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS)
		ops = attr->send_ops_flags & (atomics | IBV_QP_EX_WITH_SEND_WITH_INV);
	if (!ops)
		return 0;
	err = query_device_ex(context, NULL, &device, sizeof(device));
	if (err)
		return err;
	if ((ops & atomics) && device.orig_attr.atomic_cap == IBV_ATOMIC_NONE)
		return EOPNOTSUPP;
	if ((ops & IBV_QP_EX_WITH_SEND_WITH_INV) &&
	    !(device.orig_attr.device_cap_flags & IBV_DEVICE_MEM_MGT_EXTENSIONS))
		return EOPNOTSUPP;
	return 0;
}

/* @attr is answered in place: the capabilities that the QP really has. */
static int qp_create(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr,
		     struct iroce_qp **out)
{
	bool is_locked = !iroce_context(context)->is_single_threaded;
	struct ibv_qp_init_attr_ex kernel = *attr;
	struct ib_uverbs_create_qp_resp resp = {};
	struct create_qp_cmd cmd = {};
	struct iroce_qp *qp;
	int err;

	err = qp_check(attr);
	if (err)
		return err;
	err = ops_check(context, attr);
	if (err)
		return err;
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		return ENOMEM;

	/* Inline data is ours alone; it needs a segment to travel in. */
	kernel.cap.max_inline_data = 0;
	if (attr->cap.max_send_wr && !kernel.cap.max_send_sge)
		kernel.cap.max_send_sge = 1;
	if (!attr->srq) {
		err = iroce_rq_ring_alloc(&qp->rq, attr->cap.max_recv_wr, attr->cap.max_recv_sge);
		if (err)
			goto err_free;
		cmd.iroce.addr = (uintptr_t)qp->rq.shm;
		cmd.iroce.len = qp->rq.len;
	}
	err = ibv_cmd_create_qp_ex(context, &qp->vqp, &kernel, &cmd.core, sizeof(cmd),
				   &resp, sizeof(resp));
	if (err)
		goto err_ring;
	qp->state = IBV_QPS_RESET;

	kernel.cap.max_inline_data = attr->cap.max_inline_data;
	err = iroce_sq_init(&qp->sq, attr->pd, &kernel, is_locked);
	if (err)
		goto err_destroy;
	err = iroce_qp_ex_init(qp, attr);
	if (err)
		goto err_sq;

	iroce_lock_init(&qp->rq_lock, is_locked);
	attr->cap = kernel.cap;
	attr->cap.max_inline_data = qp->sq.max_inline;
	*out = qp;
	return 0;

err_sq:
	iroce_sq_fini(&qp->sq);
err_destroy:
	ibv_cmd_destroy_qp(&qp->vqp.qp);
err_ring:
	iroce_rq_ring_free(&qp->rq);
err_free:
	free(qp);
	return err;
}

static struct ibv_qp *create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct ibv_qp_init_attr_ex ex = {
		.qp_context = attr->qp_context,
		.send_cq = attr->send_cq,
		.recv_cq = attr->recv_cq,
		.srq = attr->srq,
		.cap = attr->cap,
		.qp_type = attr->qp_type,
		.sq_sig_all = attr->sq_sig_all,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = pd,
	};
	struct iroce_qp *qp;
	int err;

	err = qp_create(pd->context, &ex, &qp);
	if (err) {
		errno = err;
		return NULL;
	}
	attr->cap = ex.cap;
	return &qp->vqp.qp;
}

static struct ibv_qp *create_qp_ex(struct ibv_context *context,
				   struct ibv_qp_init_attr_ex *attr)
{
	struct iroce_qp *qp;
	int err;

	err = qp_create(context, attr, &qp);
	if (err) {
		errno = err;
		return NULL;
	}
	return &qp->vqp.qp;
}

static int query_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask,
		    struct ibv_qp_init_attr *init_attr)
{
	struct iroce_qp *qp = iroce_qp(ibqp);
	struct ibv_query_qp cmd = {};
	int err;

	err = ibv_cmd_query_qp(ibqp, attr, attr_mask, init_attr, &cmd, sizeof(cmd));
	if (err)
		return err;
	attr->cap.max_inline_data = qp->sq.max_inline;
	init_attr->cap.max_inline_data = qp->sq.max_inline;
	return 0;
}

/* Hand requests to the kernel one by one: of a QP in error it flushes each. */
static int recv_flush(struct ibv_qp *ibqp, struct ibv_recv_wr *wr,
		      struct ibv_recv_wr **bad_wr)
{
	struct ibv_recv_wr *bad;
	int err;

	for (; wr; wr = wr->next) {
		struct ibv_recv_wr one = { .wr_id = wr->wr_id };

		err = ibv_cmd_post_recv(ibqp, &one, &bad);
		if (err) {
			if (bad_wr)
				*bad_wr = wr;
			return err;
		}
	}
	return 0;
}

/*
 * Settle the receive ring after a change of state. The kernel flushes it when the
 * QP goes to ERR, but not what was posted after it went there on its own; and it
 * forgets to empty the ring of a QP that is reset. Caller holds rq_lock.
 */
static void qp_settle(struct iroce_qp *qp, enum ibv_qp_state state)
{
	struct ibv_recv_wr wr = {}, *bad;

	qp->state = state;
	if (!qp->rq.shm)
		return;
	if (state == IBV_QPS_RESET)
		iroce_rq_ring_clear(&qp->rq);
	if (state == IBV_QPS_ERR)
		while (!iroce_rq_ring_take(&qp->rq, &wr.wr_id))
			if (recv_flush(&qp->vqp.qp, &wr, &bad))
				return;
}

static int modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask)
{
	struct iroce_qp *qp = iroce_qp(ibqp);
	struct ibv_modify_qp cmd = {};
	int err;

	if (!(attr_mask & IBV_QP_STATE))
		return ibv_cmd_modify_qp(ibqp, attr, attr_mask, &cmd, sizeof(cmd));

	/* A request is posted before the change or after it, never in between. */
	iroce_lock(&qp->rq_lock);
	err = ibv_cmd_modify_qp(ibqp, attr, attr_mask, &cmd, sizeof(cmd));
	if (!err)
		qp_settle(qp, attr->qp_state);
	iroce_unlock(&qp->rq_lock);
	return err;
}

static int destroy_qp(struct ibv_qp *ibqp)
{
	struct iroce_qp *qp = iroce_qp(ibqp);
	int err;

	err = ibv_cmd_destroy_qp(ibqp);
	if (err)
		return err;
	iroce_rq_ring_free(&qp->rq);
	iroce_sq_fini(&qp->sq);
	iroce_lock_fini(&qp->rq_lock);
	free(qp);
	return 0;
}

static int post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr,
		     struct ibv_recv_wr **bad_wr)
{
	struct iroce_qp *qp = iroce_qp(ibqp);
	int err;

	iroce_lock(&qp->rq_lock);
	if (ibqp->srq || qp->state == IBV_QPS_RESET) {
		err = EINVAL;
		if (bad_wr)
			*bad_wr = wr;
	} else if (qp->state == IBV_QPS_ERR) {
		err = recv_flush(ibqp, wr, bad_wr);
	} else {
		err = iroce_rq_ring_post(&qp->rq, wr, bad_wr);
	}
	iroce_unlock(&qp->rq_lock);
	return err;
}

const struct verbs_context_ops iroce_context_ops = {
	.alloc_pd = alloc_pd,
	.attach_mcast = ibv_cmd_attach_mcast,
	.create_ah = create_ah,
	.create_cq = iroce_create_cq,
	.create_cq_ex = iroce_create_cq_ex,
	.create_qp = create_qp,
	.create_qp_ex = create_qp_ex,
	.create_srq = create_srq,
	.dealloc_pd = dealloc_pd,
	.dereg_mr = dereg_mr,
	.destroy_ah = destroy_ah,
	.destroy_cq = iroce_destroy_cq,
	.destroy_qp = destroy_qp,
	.destroy_srq = destroy_srq,
	.detach_mcast = ibv_cmd_detach_mcast,
	.free_context = free_context,
	.modify_qp = modify_qp,
	.modify_srq = modify_srq,
	.poll_cq = iroce_poll_cq,
	.post_recv = post_recv,
	.post_send = iroce_post_send,
	.post_srq_recv = post_srq_recv,
	.query_device_ex = query_device_ex,
	.query_port = query_port,
	.query_qp = query_qp,
	.query_srq = query_srq,
	.reg_mr = reg_mr,
	.req_notify_cq = ibv_cmd_req_notify_cq,
	.resize_cq = iroce_resize_cq,
};
