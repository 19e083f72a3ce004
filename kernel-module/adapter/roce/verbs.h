/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Verbs of queue pairs, shared receive queues and address handles.
 */
#ifndef IROCE_ROCE_VERBS_H
#define IROCE_ROCE_VERBS_H

#include "qp.h"

struct iroce_ah {
	struct rvt_ah rvt;
	struct iroce_charge charge;
};

struct iroce_srq {
	struct rvt_srq rvt;
	struct iroce_charge charge;
	struct iroce_ring ring;
};

static inline struct iroce_ah *iroce_ah(struct ib_ah *ibah)
{
	return container_of(ibah, struct iroce_ah, rvt.ibah);
}

static inline struct iroce_srq *iroce_srq(struct ib_srq *ibsrq)
{
	return container_of(ibsrq, struct iroce_srq, rvt.ibsrq);
}

int iroce_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *attr, struct ib_udata *udata);
int iroce_destroy_ah(struct ib_ah *ibah, u32 flags);
int iroce_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *attr, struct ib_udata *udata);
int iroce_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		     struct ib_udata *udata);
int iroce_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int iroce_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *attr, struct ib_udata *udata);
int iroce_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_udata *udata);
int iroce_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);
int iroce_post_send(struct ib_qp *ibqp, const struct ib_send_wr *list,
		    const struct ib_send_wr **bad);

#endif /* IROCE_ROCE_VERBS_H */
