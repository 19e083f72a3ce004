// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Completion queues: the kernel fills a shared ring, polling never enters it.
 * Both styles of polling, ibv_poll_cq() and ibv_start_poll(), read in place.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../kernel-module/uapi/iroce-abi.h"
#include "iroce.h"

/* What a completion of the kernel can tell; timestamps and the like it cannot. */
#define WC_FLAGS_KNOWN	((uint64_t)IBV_WC_STANDARD_FLAGS)

struct create_cq_cmd {
	struct ibv_create_cq core;
	struct iroce_ring_req iroce;
};

struct resize_cq_cmd {
	struct ibv_resize_cq core;
	struct iroce_ring_req iroce;
};

static struct iroce_cq *cq_create(struct ibv_context *context, int cqe,
				  struct ibv_comp_channel *channel, int comp_vector,
				  bool is_locked)
{
	struct ib_uverbs_create_cq_resp resp = {};
	struct create_cq_cmd cmd = {};
	struct iroce_cq *cq;
	int err = EINVAL;

	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return NULL;
	if (cqe < 1)
		goto err_free;
	err = iroce_cq_ring_alloc(&cq->ring, (uint32_t)cqe);
	if (err)
		goto err_free;
	cmd.iroce.addr = (uintptr_t)cq->ring.shm;
	cmd.iroce.len = cq->ring.len;
	err = ibv_cmd_create_cq(context, cqe, channel, comp_vector, &cq->vcq.cq, &cmd.core,
				sizeof(cmd), &resp, sizeof(resp));
	if (err)
		goto err_ring;
	iroce_lock_init(&cq->lock, is_locked);
	return cq;

err_ring:
	iroce_cq_ring_free(&cq->ring);
err_free:
	free(cq);
	errno = err;
	return NULL;
}

struct ibv_cq *iroce_create_cq(struct ibv_context *context, int cqe,
			       struct ibv_comp_channel *channel, int comp_vector)
{
	struct iroce_cq *cq = cq_create(context, cqe, channel, comp_vector,
					!iroce_context(context)->is_single_threaded);

	return cq ? &cq->vcq.cq : NULL;
}

int iroce_poll_cq(struct ibv_cq *ibcq, int n, struct ibv_wc *wc)
{
	struct iroce_cq *cq = iroce_cq(ibcq);
	int polled;

	iroce_lock(&cq->lock);
	polled = iroce_cq_ring_poll(&cq->ring, n, wc);
	iroce_unlock(&cq->lock);
	return polled;
}

int iroce_resize_cq(struct ibv_cq *ibcq, int cqe)
{
	struct iroce_cq *cq = iroce_cq(ibcq);
	struct ib_uverbs_resize_cq_resp resp = {};
	struct iroce_cq_ring ring, unused;
	struct resize_cq_cmd cmd = {};
	int err;

	if (cqe < 1)
		return EINVAL;
	err = iroce_cq_ring_alloc(&ring, (uint32_t)cqe);
	if (err)
		return err;
	cmd.iroce.addr = (uintptr_t)ring.shm;
	cmd.iroce.len = ring.len;
	/* The kernel moves what is not polled yet to the new ring, and lets go of the old one. */
	iroce_lock(&cq->lock);
	err = ibv_cmd_resize_cq(ibcq, cqe, &cmd.core, sizeof(cmd), &resp, sizeof(resp));
	unused = err ? ring : cq->ring;
	if (!err)
		cq->ring = ring;
	iroce_unlock(&cq->lock);
	iroce_cq_ring_free(&unused);
	return err;
}

int iroce_destroy_cq(struct ibv_cq *ibcq)
{
	struct iroce_cq *cq = iroce_cq(ibcq);
	int err;

	err = ibv_cmd_destroy_cq(ibcq);
	if (err)
		return err;
	iroce_cq_ring_free(&cq->ring);
	iroce_lock_fini(&cq->lock);
	free(cq);
	return 0;
}

/* ---- extended polling: holds the lock from start_poll to end_poll ---- */

static int poll_show(struct iroce_cq *cq)
{
	int err = iroce_cq_ring_peek(&cq->ring, &cq->peeked);

	if (!err) {
		cq->vcq.cq_ex.wr_id = cq->peeked->wr_id;
		cq->vcq.cq_ex.status = cq->peeked->status;
	}
	return err;
}

static int start_poll(struct ibv_cq_ex *ibcq, struct ibv_poll_cq_attr *attr)
{
	struct iroce_cq *cq = iroce_cq_ex(ibcq);
	int err;

	if (attr->comp_mask)
		return EINVAL;
	iroce_lock(&cq->lock);
	iroce_cq_ring_begin(&cq->ring);
	err = poll_show(cq);
	/* On failure the program must not call end_poll. */
	if (err)
		iroce_unlock(&cq->lock);
	return err;
}

static int next_poll(struct ibv_cq_ex *ibcq)
{
	struct iroce_cq *cq = iroce_cq_ex(ibcq);

	if (!cq->peeked)
		return ENOENT;
	iroce_cq_ring_step(&cq->ring);
	cq->peeked = NULL;
	return poll_show(cq);
}

static void end_poll(struct ibv_cq_ex *ibcq)
{
	struct iroce_cq *cq = iroce_cq_ex(ibcq);

	/* The entry that is still shown counts as read. */
	if (cq->peeked)
		iroce_cq_ring_step(&cq->ring);
	cq->peeked = NULL;
	iroce_cq_ring_done(&cq->ring);
	iroce_unlock(&cq->lock);
}

static enum ibv_wc_opcode read_opcode(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->opcode;
}

static uint32_t read_vendor_err(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->vendor_err;
}

static uint32_t read_byte_len(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->byte_len;
}

static __be32 read_imm_data(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->ex.imm_data;
}

static uint32_t read_qp_num(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->qp_num;
}

static uint32_t read_src_qp(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->src_qp;
}

static unsigned int read_wc_flags(struct ibv_cq_ex *cq)
{
	return iroce_wc_flags(iroce_cq_ex(cq)->peeked->wc_flags);
}

static uint32_t read_slid(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->slid;
}

static uint8_t read_sl(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->sl;
}

static uint8_t read_dlid_path_bits(struct ibv_cq_ex *cq)
{
	return iroce_cq_ex(cq)->peeked->dlid_path_bits;
}

struct ibv_cq_ex *iroce_create_cq_ex(struct ibv_context *context,
				     struct ibv_cq_init_attr_ex *attr)
{
	bool is_locked = !iroce_context(context)->is_single_threaded;
	struct ibv_cq_ex *ex;
	struct iroce_cq *cq;

	if (attr->wc_flags & ~WC_FLAGS_KNOWN ||
	    attr->comp_mask & ~(uint32_t)IBV_CQ_INIT_ATTR_MASK_FLAGS)
		goto err_unsupported;
	if (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) {
		/* An overrun is never ignored: the kernel's ring reports it. */
		if (attr->flags & ~(uint32_t)IBV_CREATE_CQ_ATTR_SINGLE_THREADED)
			goto err_unsupported;
		if (attr->flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED)
			is_locked = false;
	}

	cq = cq_create(context, (int)attr->cqe, attr->channel, (int)attr->comp_vector,
		       is_locked);
	if (!cq)
		return NULL;
	ex = &cq->vcq.cq_ex;
	ex->start_poll = start_poll;
	ex->next_poll = next_poll;
	ex->end_poll = end_poll;
	ex->read_opcode = read_opcode;
	ex->read_vendor_err = read_vendor_err;
	ex->read_wc_flags = read_wc_flags;
	if (attr->wc_flags & IBV_WC_EX_WITH_BYTE_LEN)
		ex->read_byte_len = read_byte_len;
	if (attr->wc_flags & IBV_WC_EX_WITH_IMM)
		ex->read_imm_data = read_imm_data;
	if (attr->wc_flags & IBV_WC_EX_WITH_QP_NUM)
		ex->read_qp_num = read_qp_num;
	if (attr->wc_flags & IBV_WC_EX_WITH_SRC_QP)
		ex->read_src_qp = read_src_qp;
	if (attr->wc_flags & IBV_WC_EX_WITH_SLID)
		ex->read_slid = read_slid;
	if (attr->wc_flags & IBV_WC_EX_WITH_SL)
		ex->read_sl = read_sl;
	if (attr->wc_flags & IBV_WC_EX_WITH_DLID_PATH_BITS)
		ex->read_dlid_path_bits = read_dlid_path_bits;
	return ex;

err_unsupported:
	errno = EOPNOTSUPP;
	return NULL;
}
