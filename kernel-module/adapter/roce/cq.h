/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Completion queues of user space.
 */
#ifndef IROCE_ROCE_CQ_H
#define IROCE_ROCE_CQ_H

#include "budget.h"
#include "ring.h"

/*
 * struct iroce_cq
 * @ring: none if it is the kernel's
 * @event_handler: the core's; @has_failed: it has been told of
 */
struct iroce_cq {
	struct rvt_cq rvt;
	void (*event_handler)(struct ib_event *ev, void *context);
	int has_failed;
	struct iroce_charge charge;
	struct iroce_ring ring;
	struct mutex resize_lock;
};

static inline struct iroce_cq *iroce_cq(struct ib_cq *ibcq)
{
	return container_of(ibcq, struct iroce_cq, rvt.ibcq);
}

int iroce_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		    struct uverbs_attr_bundle *attrs);
int iroce_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int iroce_resize_cq(struct ib_cq *ibcq, iroce_cqe_t cqe, struct ib_udata *udata);

#endif /* IROCE_ROCE_CQ_H */
