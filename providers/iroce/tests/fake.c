// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A kernel behind libibverbs' private functions (see fake.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

struct fake fake;

int fake_setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.pd.pd.context = &fake.ctx.vctx.context;
	iroce_lock_init(&fake.pd.lock, true);
	fake.sq_size = 16;
	fake.refuse_wr_id = UINT64_MAX;
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	return fake.cqs || fake.qps || fake.srqs || fake.mrs ? -1 : 0;
}

/* Fail once if the test wants it, else take the ring that comes behind the command. */
static int take(const void *cmd, size_t core, size_t size)
{
	int err = fake.fail;

	fake.fail = 0;
	if (err)
		return err;
	if (size != core + sizeof(fake.ring))
		return EPROTO;
	memcpy(&fake.ring, (const char *)cmd + core, sizeof(fake.ring));
	if (fake.ring.addr % 4096 || fake.ring.len % 4096)
		return EINVAL;
	return 0;
}

/* ---- sending ---- */

unsigned int fake_outstanding(void)
{
	return fake.sq_head - fake.sq_tail;
}

static int accept_one(const struct ibv_send_wr *wr)
{
	struct fake_send *slot = &fake.sq[fake.sq_head % FAKE_SQ_MAX];

	if (wr->wr_id == fake.refuse_wr_id || wr->num_sge > 8)
		return EINVAL;
	if (fake_outstanding() == fake.sq_size)
		return ENOMEM;
	slot->wr = *wr;
	memcpy(slot->sge, wr->sg_list, (size_t)wr->num_sge * sizeof(*wr->sg_list));
	fake.sq_head++;
	return 0;
}

int ibv_cmd_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
		      struct ibv_send_wr **bad_wr)
{
	unsigned int n = 0;
	int err = 0;

	(void)qp;
	fake.calls++;
	for (; wr && !err; wr = wr->next, n++) {
		err = accept_one(wr);
		if (err)
			*bad_wr = wr;
	}
	if (n > fake.longest)
		fake.longest = n;
	return err;
}

bool fake_complete(uint64_t *wr_id)
{
	struct fake_send *slot = &fake.sq[fake.sq_tail % FAKE_SQ_MAX];
	uint32_t i;
	int s;

	if (!fake_outstanding())
		return false;
	fake.sq_tail++;
	*wr_id = slot->wr.wr_id;
	for (s = 0; s < slot->wr.num_sge; s++) {
		const unsigned char *data = (void *)(uintptr_t)slot->sge[s].addr;

		for (i = 0; i < slot->sge[s].length; i++)
			if (data[i] != (*wr_id & FAKE_WR_ID_DATA))
				return false;
	}
	return true;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));

	(void)iova;
	(void)access;
	if (fake.fail) {
		errno = fake.fail;
		fake.fail = 0;
		free(mr);
		return NULL;
	}
	*mr = (struct ibv_mr){ .pd = pd, .addr = addr, .length = length, .lkey = 99 };
	fake.mrs++;
	return mr;
}

#undef ibv_reg_mr
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	fake.mrs--;
	free(mr);
	return 0;
}

/* ---- objects ---- */

int ibv_cmd_create_cq(struct ibv_context *context, int cqe,
		      struct ibv_comp_channel *channel, int comp_vector,
		      struct ibv_cq *cq, struct ibv_create_cq *cmd, size_t cmd_size,
		      struct ib_uverbs_create_cq_resp *resp, size_t resp_size)
{
	int err = take(cmd, sizeof(*cmd), cmd_size);

	(void)channel;
	(void)comp_vector;
	(void)resp;
	(void)resp_size;
	if (err)
		return err;
	cq->context = context;
	cq->cqe = cqe;
	fake.cqs++;
	return 0;
}

int ibv_cmd_resize_cq(struct ibv_cq *cq, int cqe, struct ibv_resize_cq *cmd,
		      size_t cmd_size, struct ib_uverbs_resize_cq_resp *resp,
		      size_t resp_size)
{
	int err = take(cmd, sizeof(*cmd), cmd_size);

	(void)resp;
	(void)resp_size;
	if (!err)
		cq->cqe = cqe;
	return err;
}

int ibv_cmd_destroy_cq(struct ibv_cq *cq)
{
	(void)cq;
	fake.cqs--;
	return 0;
}

int ibv_cmd_create_srq(struct ibv_pd *pd, struct ibv_srq *srq,
		       struct ibv_srq_init_attr *attr, struct ibv_create_srq *cmd,
		       size_t cmd_size, struct ib_uverbs_create_srq_resp *resp,
		       size_t resp_size)
{
	int err = take(cmd, sizeof(*cmd), cmd_size);

	(void)attr;
	(void)resp;
	(void)resp_size;
	if (err)
		return err;
	srq->context = pd->context;
	fake.srqs++;
	return 0;
}

int ibv_cmd_modify_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr, int attr_mask,
		       struct ibv_modify_srq *cmd, size_t cmd_size)
{
	int err = fake.fail;

	(void)srq;
	(void)attr;
	(void)attr_mask;
	fake.fail = 0;
	return cmd_size == sizeof(*cmd) ? err : EPROTO;
}

int ibv_cmd_destroy_srq(struct ibv_srq *srq)
{
	(void)srq;
	fake.srqs--;
	return 0;
}

int ibv_cmd_create_qp_ex(struct ibv_context *context, struct verbs_qp *qp,
			 struct ibv_qp_init_attr_ex *attr, struct ibv_create_qp *cmd,
			 size_t cmd_size, struct ib_uverbs_create_qp_resp *resp,
			 size_t resp_size)
{
	int err = take(cmd, sizeof(*cmd), cmd_size);

	(void)resp;
	(void)resp_size;
	if (err)
		return err;
	/* rdmavt knows no inline data */
	if (attr->cap.max_inline_data)
		return EINVAL;
	qp->qp.context = context;
	qp->qp.srq = attr->srq;
	qp->qp.qp_type = attr->qp_type;
	fake.qps++;
	return 0;
}

int ibv_cmd_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask,
		      struct ibv_modify_qp *cmd, size_t cmd_size)
{
	int err = fake.fail;

	(void)qp;
	(void)attr;
	(void)attr_mask;
	(void)cmd;
	(void)cmd_size;
	fake.fail = 0;
	return err;
}

int ibv_cmd_query_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask,
		     struct ibv_qp_init_attr *init_attr, struct ibv_query_qp *cmd,
		     size_t cmd_size)
{
	(void)qp;
	(void)attr_mask;
	(void)cmd;
	(void)cmd_size;
	memset(attr, 0, sizeof(*attr));
	memset(init_attr, 0, sizeof(*init_attr));
	return 0;
}

int ibv_cmd_destroy_qp(struct ibv_qp *qp)
{
	(void)qp;
	fake.qps--;
	return 0;
}

int ibv_cmd_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr,
		      struct ibv_recv_wr **bad_wr)
{
	(void)qp;
	for (; wr; wr = wr->next) {
		if (fake.n_flushed == sizeof(fake.flushed) / sizeof(*fake.flushed)) {
			*bad_wr = wr;
			return ENOMEM;
		}
		fake.flushed[fake.n_flushed++] = wr->wr_id;
	}
	return 0;
}

int ibv_cmd_query_device_any(struct ibv_context *context,
			     const struct ibv_query_device_ex_input *input,
			     struct ibv_device_attr_ex *attr, size_t attr_size,
			     struct ib_uverbs_ex_query_device_resp *resp, size_t *resp_size)
{
	(void)context;
	(void)input;
	memset(attr, 0, attr_size);
	memset(resp, 0, *resp_size);
	attr->orig_attr.atomic_cap = fake.atomic_cap;
	attr->orig_attr.device_cap_flags = fake.device_cap_flags;
	return 0;
}

/* ---- not asked for by these tests ---- */

#define REFUSE(_name, ...)						\
	int _name(__VA_ARGS__)						\
	{								\
		return EOPNOTSUPP;					\
	}
#pragma GCC diagnostic ignored "-Wunused-parameter"
REFUSE(ibv_cmd_query_port, struct ibv_context *a, uint8_t b, struct ibv_port_attr *c,
       struct ibv_query_port *d, size_t e)
REFUSE(ibv_cmd_alloc_pd, struct ibv_context *a, struct ibv_pd *b, struct ibv_alloc_pd *c,
       size_t d, struct ib_uverbs_alloc_pd_resp *e, size_t f)
REFUSE(ibv_cmd_dealloc_pd, struct ibv_pd *a)
REFUSE(ibv_cmd_reg_mr, struct ibv_pd *a, void *b, size_t c, uint64_t d, int e,
       struct verbs_mr *f, struct ibv_reg_mr *g, size_t h,
       struct ib_uverbs_reg_mr_resp *i, size_t j)
REFUSE(ibv_cmd_dereg_mr, struct verbs_mr *a)
REFUSE(ibv_cmd_req_notify_cq, struct ibv_cq *a, int b)
REFUSE(ibv_cmd_query_srq, struct ibv_srq *a, struct ibv_srq_attr *b,
       struct ibv_query_srq *c, size_t d)
REFUSE(ibv_cmd_create_ah, struct ibv_pd *a, struct ibv_ah *b, struct ibv_ah_attr *c,
       struct ib_uverbs_create_ah_resp *d, size_t e)
REFUSE(ibv_cmd_destroy_ah, struct ibv_ah *a)
REFUSE(ibv_cmd_attach_mcast, struct ibv_qp *a, const union ibv_gid *b, uint16_t c)
REFUSE(ibv_cmd_detach_mcast, struct ibv_qp *a, const union ibv_gid *b, uint16_t c)

void verbs_uninit_context(struct verbs_context *context)
{
	(void)context;
}
