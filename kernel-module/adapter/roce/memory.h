/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Protection domains and memory regions of user space.
 */
#ifndef IROCE_ROCE_MEMORY_H
#define IROCE_ROCE_MEMORY_H

#include "budget.h"

/* rdmavt counts a region's maps in 16 bits (struct rvt_sge). */
#define IROCE_MAX_MAPS		(U16_MAX + 1)

struct iroce_reth;

/* struct iroce_pd - @lock is taken outside of all locks of a QP */
struct iroce_pd {
	struct rvt_pd rvt;
	struct iroce_charge charge;
	struct mutex lock;
	struct list_head users;
};

static inline struct iroce_pd *iroce_pd(struct ib_pd *ibpd)
{
	return container_of(ibpd, struct iroce_pd, rvt.ibpd);
}

int iroce_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int iroce_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
struct ib_mr *iroce_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
				IROCE_DMAH_PARAM struct ib_udata *udata);
struct ib_mr *iroce_alloc_mr(struct ib_pd *pd, enum ib_mr_type type, u32 max_num_sg);
int iroce_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);

/* Points @sge at what a peer asks for, with a reference, if the key allows it. */
bool iroce_mr_map(struct rvt_qp *qp, struct rvt_sge *sge, const struct iroce_reth *reth, int access);

#endif /* IROCE_ROCE_MEMORY_H */
