// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sending. The kernel copies the requests but reads the data later through its
 * keys, so a chain is handed over as it is, except for inline data, which goes to
 * slots of registered memory first (slots.c). ibv_wr_start() .. ibv_wr_complete() collect
 * requests in the same form.
 *
 *	requests copied:  .. | k-2 | k-1 |  k  | k+1 | ..   each has the next slot,
 *	slots, a ring:    .. |     |     |  *  |     | ..   * next_slot
 *
 * There are max_wr + batch slots. Slots are taken by requests that the kernel has
 * accepted, in their order; a batch is filled in before it is known whether it will
 * be. So the slot of request k is written again only when max_wr more requests were
 * accepted, and the kernel has max_wr outstanding at most: request k is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iroce.h"

/* Requests per call into the kernel: one command must stay far below 256 KiB. */
#define BATCH_MAX	32u
#define SLOT_ALIGN	64u

#define SEND_FLAGS_KNOWN \
	(IBV_SEND_FENCE | IBV_SEND_SIGNALED | IBV_SEND_SOLICITED | IBV_SEND_INLINE)

/* The lock is held, or nobody else has the queue yet. */
static int slots_get(struct iroce_sq *sq)
{
	if (sq->slots.start)
		return 0;
	return iroce_slots_alloc(sq->pd, &sq->slots, (size_t)sq->n_slots * sq->max_inline);
}

int iroce_sq_init(struct iroce_sq *sq, struct ibv_pd *pd,
		  const struct ibv_qp_init_attr_ex *attr, bool is_locked)
{
	bool is_ex = attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
	uint32_t max_inline = attr->cap.max_inline_data;
	int err;

	sq->pd = iroce_pd(pd);
	sq->max_wr = attr->cap.max_send_wr;
	sq->max_sge = attr->cap.max_send_sge;
	sq->is_ud = attr->qp_type == IBV_QPT_UD;
	if (sq->max_wr) {
		if (max_inline < IROCE_DEFAULT_INLINE)
			max_inline = IROCE_DEFAULT_INLINE;
		sq->max_inline = (max_inline + SLOT_ALIGN - 1) & ~(SLOT_ALIGN - 1);
		/* A builder may hold a whole queue's worth before the kernel sees it. */
		sq->n_slots = sq->max_wr +
			      (is_ex && sq->max_wr > BATCH_MAX ? sq->max_wr : BATCH_MAX);
	}
	/* Who asked learns now that there is no memory. */
	if (attr->cap.max_inline_data && sq->max_wr) {
		err = slots_get(sq);
		if (err)
			return err;
	}
	iroce_lock_init(&sq->lock, is_locked);
	return 0;
}

void iroce_sq_fini(struct iroce_sq *sq)
{
	iroce_slots_free(sq->pd, &sq->slots);
	free(sq->wrs);
	free(sq->sges);
	iroce_lock_fini(&sq->lock);
}

/* The slot of the @i-th request from now on; caller holds the lock. */
static char *slot_of(const struct iroce_sq *sq, uint32_t i)
{
	return sq->slots.start + (size_t)((sq->next_slot + i) % sq->n_slots) * sq->max_inline;
}

/*
 * Hand @n requests of our own array to the kernel, a batch at a time. *@posted is
 * the number that it accepted, also on error; their slots are taken. Caller holds
 * the lock.
 */
static int submit(struct iroce_qp *qp, struct ibv_send_wr *wrs, uint32_t n,
		  uint32_t *posted)
{
	struct ibv_send_wr *bad;
	uint32_t i, end;
	int err = 0;

	for (*posted = 0; *posted < n && !err; *posted = end) {
		end = n - *posted > BATCH_MAX ? *posted + BATCH_MAX : n;
		for (i = *posted; i < end; i++)
			wrs[i].next = i + 1 < end ? &wrs[i + 1] : NULL;

		bad = &wrs[*posted];
		err = ibv_cmd_post_send(&qp->vqp.qp, &wrs[*posted], &bad);
		if (err)
			end = (uint32_t)(bad - wrs);
	}
	if (qp->sq.n_slots)
		qp->sq.next_slot = (qp->sq.next_slot + *posted) % qp->sq.n_slots;
	return err;
}

/* ---- ibv_post_send ---- */

static bool has_room_inline(const struct iroce_sq *sq, const struct ibv_send_wr *wr)
{
	uint64_t len = 0;
	int i;

	for (i = 0; i < wr->num_sge; i++)
		len += wr->sg_list[i].length;
	return len <= sq->max_inline;
}

static int send_check(const struct iroce_sq *sq, const struct ibv_send_wr *wr)
{
	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > sq->max_sge)
		return EINVAL;
	if (wr->send_flags & ~(unsigned int)SEND_FLAGS_KNOWN)
		return EINVAL;
	if (sq->is_ud && !wr->wr.ud.ah)
		return EINVAL;
	if (wr->send_flags & IBV_SEND_INLINE &&
	    (wr->opcode == IBV_WR_RDMA_READ || !has_room_inline(sq, wr)))
		return EINVAL;
	return 0;
}

/* Copy the data of @wr to the slot at @start and make @sge stand for it. */
static void inline_stage(const struct iroce_sq *sq, char *start, struct ibv_send_wr *wr,
			 struct ibv_sge *sge)
{
	uint32_t len = 0;
	int i;

	for (i = 0; i < wr->num_sge; i++) {
		const struct ibv_sge *from = &wr->sg_list[i];

		memcpy(start + len, (void *)(uintptr_t)from->addr, from->length);
		len += from->length;
	}
	*sge = (struct ibv_sge){
		.addr = (uintptr_t)start,
		.length = len,
		.lkey = sq->slots.lkey,
	};
	wr->sg_list = sge;
	wr->num_sge = 1;
}

/* Post @n checked requests from *@wr on through copies; *@wr moves on. */
static int post_copies(struct iroce_qp *qp, struct ibv_send_wr **wr, uint32_t n, bool has_inline)
{
	struct ibv_send_wr wrs[BATCH_MAX];
	struct ibv_sge sges[BATCH_MAX];
	const struct ibv_send_wr *from;
	uint32_t i, posted = 0;
	int err = 0;

	iroce_lock(&qp->sq.lock);
	if (has_inline && qp->sq.max_inline)
		err = slots_get(&qp->sq);
	if (err)
		goto unlock;
	for (i = 0, from = *wr; i < n; i++, from = from->next) {
		wrs[i] = *from;
		if (!(from->send_flags & IBV_SEND_INLINE))
			continue;
		/* The kernel knows nothing of it and need not. */
		wrs[i].send_flags &= ~(unsigned int)IBV_SEND_INLINE;
		if (qp->sq.max_inline)
			inline_stage(&qp->sq, slot_of(&qp->sq, i), &wrs[i], &sges[i]);
		else
			wrs[i].num_sge = 0;	/* max_inline is 0, and so is its length */
	}
	err = submit(qp, wrs, n, &posted);
unlock:
	iroce_unlock(&qp->sq.lock);

	while (posted--)
		*wr = (*wr)->next;
	return err;
}

int iroce_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr)
{
	struct iroce_qp *qp = iroce_qp(ibqp);
	struct ibv_send_wr *scan, *bad = NULL;
	bool has_inline;
	int err = 0, check = 0;
	uint32_t n;

	while (wr && !err && !check) {
		has_inline = false;
		for (n = 0, scan = wr; scan && n < BATCH_MAX; n++, scan = scan->next) {
			check = send_check(&qp->sq, scan);
			if (check)
				break;
			has_inline |= scan->send_flags & IBV_SEND_INLINE;
		}
		if (!scan && !has_inline) {
			/* The rest of the chain can go as it is. */
			err = ibv_cmd_post_send(ibqp, wr, &bad);
			wr = err ? bad : NULL;
		} else if (n) {
			err = post_copies(qp, &wr, n, has_inline);
		}
	}
	if (!err)
		err = check;
	if (err && bad_wr)
		*bad_wr = wr;
	return err;
}

/* ---- ibv_wr_*: the builder ---- */

static struct ibv_send_wr *wr_add(struct ibv_qp_ex *ibqp, enum ibv_wr_opcode opcode)
{
	struct iroce_sq *sq = &iroce_qp_ex(ibqp)->sq;
	struct ibv_send_wr *wr;

	if (sq->build_err)
		return NULL;
	if (sq->n_wrs == sq->max_wr) {
		sq->build_err = ENOMEM;
		return NULL;
	}
	if (ibqp->wr_flags & ~(unsigned int)SEND_FLAGS_KNOWN) {
		sq->build_err = EINVAL;
		return NULL;
	}
	wr = &sq->wrs[sq->n_wrs];
	*wr = (struct ibv_send_wr){
		.wr_id = ibqp->wr_id,
		.opcode = opcode,
		.send_flags = ibqp->wr_flags & ~(unsigned int)IBV_SEND_INLINE,
		.sg_list = &sq->sges[(size_t)sq->n_wrs * sq->max_sge],
	};
	sq->n_wrs++;
	return wr;
}

/* The request that a setter speaks of, or NULL after an error. */
static struct ibv_send_wr *wr_last(struct iroce_sq *sq)
{
	if (!sq->build_err && !sq->n_wrs)
		sq->build_err = EINVAL;
	return sq->build_err ? NULL : &sq->wrs[sq->n_wrs - 1];
}

static void wr_rdma(struct ibv_qp_ex *ibqp, enum ibv_wr_opcode opcode, uint32_t rkey,
		    uint64_t remote_addr, __be32 imm_data)
{
	struct ibv_send_wr *wr = wr_add(ibqp, opcode);

	if (!wr)
		return;
	wr->imm_data = imm_data;
	wr->wr.rdma.remote_addr = remote_addr;
	wr->wr.rdma.rkey = rkey;
}

static void wr_rdma_read(struct ibv_qp_ex *ibqp, uint32_t rkey, uint64_t remote_addr)
{
	wr_rdma(ibqp, IBV_WR_RDMA_READ, rkey, remote_addr, 0);
}

static void wr_rdma_write(struct ibv_qp_ex *ibqp, uint32_t rkey, uint64_t remote_addr)
{
	wr_rdma(ibqp, IBV_WR_RDMA_WRITE, rkey, remote_addr, 0);
}

static void wr_rdma_write_imm(struct ibv_qp_ex *ibqp, uint32_t rkey,
			      uint64_t remote_addr, __be32 imm_data)
{
	wr_rdma(ibqp, IBV_WR_RDMA_WRITE_WITH_IMM, rkey, remote_addr, imm_data);
}

static void wr_atomic(struct ibv_qp_ex *ibqp, enum ibv_wr_opcode opcode, uint32_t rkey,
		      uint64_t remote_addr, uint64_t compare_add, uint64_t swap)
{
	struct ibv_send_wr *wr = wr_add(ibqp, opcode);

	if (!wr)
		return;
	wr->wr.atomic.remote_addr = remote_addr;
	wr->wr.atomic.compare_add = compare_add;
	wr->wr.atomic.swap = swap;
	wr->wr.atomic.rkey = rkey;
}

static void wr_atomic_cmp_swp(struct ibv_qp_ex *ibqp, uint32_t rkey,
			      uint64_t remote_addr, uint64_t compare, uint64_t swap)
{
	wr_atomic(ibqp, IBV_WR_ATOMIC_CMP_AND_SWP, rkey, remote_addr, compare, swap);
}

static void wr_atomic_fetch_add(struct ibv_qp_ex *ibqp, uint32_t rkey,
				uint64_t remote_addr, uint64_t add)
{
	wr_atomic(ibqp, IBV_WR_ATOMIC_FETCH_AND_ADD, rkey, remote_addr, add, 0);
}

static void wr_send(struct ibv_qp_ex *ibqp)
{
	wr_add(ibqp, IBV_WR_SEND);
}

static void wr_send_imm(struct ibv_qp_ex *ibqp, __be32 imm_data)
{
	struct ibv_send_wr *wr = wr_add(ibqp, IBV_WR_SEND_WITH_IMM);

	if (wr)
		wr->imm_data = imm_data;
}

static void wr_send_inv(struct ibv_qp_ex *ibqp, uint32_t invalidate_rkey)
{
	struct ibv_send_wr *wr = wr_add(ibqp, IBV_WR_SEND_WITH_INV);

	if (wr)
		wr->invalidate_rkey = invalidate_rkey;
}

static void wr_set_ud_addr(struct ibv_qp_ex *ibqp, struct ibv_ah *ah,
			   uint32_t remote_qpn, uint32_t remote_qkey)
{
	struct ibv_send_wr *wr = wr_last(&iroce_qp_ex(ibqp)->sq);

	if (!wr)
		return;
	wr->wr.ud.ah = ah;
	wr->wr.ud.remote_qpn = remote_qpn;
	wr->wr.ud.remote_qkey = remote_qkey;
}

static void wr_set_sge_list(struct ibv_qp_ex *ibqp, size_t num_sge,
			    const struct ibv_sge *sg_list)
{
	struct iroce_sq *sq = &iroce_qp_ex(ibqp)->sq;
	struct ibv_send_wr *wr = wr_last(sq);

	if (!wr)
		return;
	if (num_sge > sq->max_sge) {
		sq->build_err = EINVAL;
		return;
	}
	if (num_sge)
		memcpy(wr->sg_list, sg_list, num_sge * sizeof(*sg_list));
	wr->num_sge = (int)num_sge;
}

static void wr_set_sge(struct ibv_qp_ex *ibqp, uint32_t lkey, uint64_t addr,
		       uint32_t length)
{
	struct ibv_sge sge = { .addr = addr, .length = length, .lkey = lkey };

	wr_set_sge_list(ibqp, 1, &sge);
}

static void wr_set_inline_data_list(struct ibv_qp_ex *ibqp, size_t num_buf,
				    const struct ibv_data_buf *buf_list)
{
	struct iroce_sq *sq = &iroce_qp_ex(ibqp)->sq;
	struct ibv_send_wr *wr = wr_last(sq);
	char *start;
	size_t i, len = 0;

	if (!wr)
		return;
	sq->build_err = slots_get(sq);
	if (sq->build_err)
		return;
	start = slot_of(sq, sq->n_wrs - 1);
	for (i = 0; i < num_buf; i++) {
		if (buf_list[i].length > sq->max_inline - len) {
			sq->build_err = EINVAL;
			return;
		}
		/* Now: the program may change its buffer before ibv_wr_complete(). */
		if (buf_list[i].length)
			memcpy(start + len, buf_list[i].addr, buf_list[i].length);
		len += buf_list[i].length;
	}
	wr->num_sge = 0;
	if (!len)
		return;
	*wr->sg_list = (struct ibv_sge){
		.addr = (uintptr_t)start,
		.length = (uint32_t)len,
		.lkey = sq->slots.lkey,
	};
	wr->num_sge = 1;
}

static void wr_set_inline_data(struct ibv_qp_ex *ibqp, void *addr, size_t length)
{
	struct ibv_data_buf buf = { .addr = addr, .length = length };

	wr_set_inline_data_list(ibqp, 1, &buf);
}

static void wr_start(struct ibv_qp_ex *ibqp)
{
	struct iroce_sq *sq = &iroce_qp_ex(ibqp)->sq;

	iroce_lock(&sq->lock);
	sq->n_wrs = 0;
	sq->build_err = 0;
}

static int wr_complete(struct ibv_qp_ex *ibqp)
{
	struct iroce_qp *qp = iroce_qp_ex(ibqp);
	int err = qp->sq.build_err;
	uint32_t i, posted;

	for (i = 0; i < qp->sq.n_wrs && !err; i++)
		err = send_check(&qp->sq, &qp->sq.wrs[i]);
	if (!err)
		err = submit(qp, qp->sq.wrs, qp->sq.n_wrs, &posted);
	iroce_unlock(&qp->sq.lock);
	return err;
}

static void wr_abort(struct ibv_qp_ex *ibqp)
{
	iroce_unlock(&iroce_qp_ex(ibqp)->sq.lock);
}

#define UD_OPS	(IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM)
#define UC_OPS	(UD_OPS | IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM)
#define RC_OPS	(UC_OPS | IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_SEND_WITH_INV | \
		 IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP | IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD)

static uint64_t ops_known(enum ibv_qp_type type)
{
	switch (type) {
	case IBV_QPT_RC:
		return RC_OPS;
	case IBV_QPT_UC:
		return UC_OPS;
	case IBV_QPT_UD:
		return UD_OPS;
	default:
		return 0;
	}
}

static void ops_set(struct ibv_qp_ex *ex, uint64_t ops)
{
	ex->wr_start = wr_start;
	ex->wr_complete = wr_complete;
	ex->wr_abort = wr_abort;
	ex->wr_set_sge = wr_set_sge;
	ex->wr_set_sge_list = wr_set_sge_list;
	ex->wr_set_inline_data = wr_set_inline_data;
	ex->wr_set_inline_data_list = wr_set_inline_data_list;
	if (ex->qp_base.qp_type == IBV_QPT_UD)
		ex->wr_set_ud_addr = wr_set_ud_addr;
	if (ops & IBV_QP_EX_WITH_SEND)
		ex->wr_send = wr_send;
	if (ops & IBV_QP_EX_WITH_SEND_WITH_IMM)
		ex->wr_send_imm = wr_send_imm;
	if (ops & IBV_QP_EX_WITH_SEND_WITH_INV)
		ex->wr_send_inv = wr_send_inv;
	if (ops & IBV_QP_EX_WITH_RDMA_READ)
		ex->wr_rdma_read = wr_rdma_read;
	if (ops & IBV_QP_EX_WITH_RDMA_WRITE)
		ex->wr_rdma_write = wr_rdma_write;
	if (ops & IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM)
		ex->wr_rdma_write_imm = wr_rdma_write_imm;
	if (ops & IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP)
		ex->wr_atomic_cmp_swp = wr_atomic_cmp_swp;
	if (ops & IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD)
		ex->wr_atomic_fetch_add = wr_atomic_fetch_add;
}

int iroce_qp_ex_init(struct iroce_qp *qp, const struct ibv_qp_init_attr_ex *attr)
{
	struct iroce_sq *sq = &qp->sq;

	if (!(attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS))
		return 0;
	if (attr->send_ops_flags & ~ops_known(attr->qp_type))
		return EOPNOTSUPP;
	/* calloc(0) may be NULL: ask for one more than needed. */
	sq->wrs = calloc((size_t)sq->max_wr + 1, sizeof(*sq->wrs));
	sq->sges = calloc((size_t)sq->max_wr * sq->max_sge + 1, sizeof(*sq->sges));
	if (!sq->wrs || !sq->sges)
		return ENOMEM;
	ops_set(&qp->vqp.qp_ex, attr->send_ops_flags);
	qp->vqp.comp_mask |= VERBS_QP_EX;
	return 0;
}
