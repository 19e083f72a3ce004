/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * iroce provider: objects and what its files know of each other.
 *
 *	iroce.c   device and context: matching, ABI check, table of verbs
 *	verbs.c   PD, MR, AH, SRQ, QP: calls into the kernel, receiving
 *	cq.c      completion queues, both styles of polling
 *	send.c    post_send and ibv_wr_*: batches for the kernel, inline data
 *	slots.c   registered memory for inline data
 *	ring.c    the shared rings
 */
#ifndef IROCE_PROVIDER_H
#define IROCE_PROVIDER_H

#include "lock.h"
#include "rdmav34.h"
#include "ring.h"

#define IROCE_MAX_INLINE	1024u
#define IROCE_DEFAULT_INLINE	64u	/* for who does not ask */

#define iroce_container_of(_ptr, _type, _member) \
	((_type *)((char *)(_ptr) - offsetof(_type, _member)))

struct iroce_device {
	struct verbs_device vdev;
};

struct iroce_context {
	struct verbs_context vctx;
	uint64_t features;	/* IROCE_FEATURE_* of the kernel */
	bool is_single_threaded;
};

/*
 * @lock: protects @ring; an extended poll holds it from start_poll to end_poll
 * @peeked: the completion that the ibv_wc_read_*() calls look at
 */
struct iroce_cq {
	struct verbs_cq vcq;
	struct iroce_lock lock;
	struct iroce_cq_ring ring;
	const struct ib_uverbs_wc *peeked;
};

struct iroce_srq {
	struct ibv_srq srq;
	struct iroce_lock lock;		/* protects @ring */
	struct iroce_rq_ring ring;
};

struct iroce_slots_region;

/*
 * @lock: protects @regions; always taken, as queue pairs of several threads share it
 * @regions: memory for inline data (see slots.c)
 */
struct iroce_pd {
	struct ibv_pd pd;
	struct iroce_lock lock;
	struct iroce_slots_region *regions;
};

/* struct iroce_slots - a queue pair's share of a region; @start NULL: none */
struct iroce_slots {
	char *start;
	size_t len;
	uint32_t lkey;
	struct iroce_slots_region *region;
	struct iroce_slots *next;
};

/*
 * struct iroce_sq - the user's half of a send queue; the queue is the kernel's
 *
 * The kernel reads every segment through its key after post_send returned, so
 * inline data is copied to a slot of a hidden memory region first.
 *
 * @lock: protects the slots and the builder; not taken where neither is used
 * @slots: a ring of @n_slots slots of @max_inline bytes each; @next_slot is free and the
 *	oldest (see send.c). Who did not ask for inline data gets them with the first of it.
 * @wrs, @sges: requests between ibv_wr_start() and ibv_wr_complete(), @n_wrs of
 *	them, @build_err the first error; NULL for a QP without these operations
 */
struct iroce_sq {
	struct iroce_lock lock;
	uint32_t max_wr;
	uint32_t max_sge;
	uint32_t max_inline;
	bool is_ud;

	struct iroce_pd *pd;
	struct iroce_slots slots;
	uint32_t n_slots;
	uint32_t next_slot;

	struct ibv_send_wr *wrs;
	struct ibv_sge *sges;
	uint32_t n_wrs;
	int build_err;
};

/*
 * @rq_lock: protects @rq and @state
 * @state: as last set through this context. The kernel may have gone to ERR since.
 */
struct iroce_qp {
	struct verbs_qp vqp;
	struct iroce_sq sq;
	struct iroce_lock rq_lock;
	struct iroce_rq_ring rq;
	enum ibv_qp_state state;
};

static inline struct iroce_context *iroce_context(struct ibv_context *context)
{
	return iroce_container_of(context, struct iroce_context, vctx.context);
}

static inline struct iroce_pd *iroce_pd(struct ibv_pd *pd)
{
	return iroce_container_of(pd, struct iroce_pd, pd);
}

static inline struct iroce_cq *iroce_cq(struct ibv_cq *cq)
{
	return iroce_container_of(cq, struct iroce_cq, vcq.cq);
}

static inline struct iroce_cq *iroce_cq_ex(struct ibv_cq_ex *cq)
{
	return iroce_container_of(cq, struct iroce_cq, vcq.cq_ex);
}

static inline struct iroce_srq *iroce_srq(struct ibv_srq *srq)
{
	return iroce_container_of(srq, struct iroce_srq, srq);
}

static inline struct iroce_qp *iroce_qp(struct ibv_qp *qp)
{
	return iroce_container_of(qp, struct iroce_qp, vqp.qp);
}

static inline struct iroce_qp *iroce_qp_ex(struct ibv_qp_ex *qp)
{
	return iroce_container_of(qp, struct iroce_qp, vqp.qp_ex);
}

/* verbs.c */
extern const struct verbs_context_ops iroce_context_ops;

/* cq.c */
struct ibv_cq *iroce_create_cq(struct ibv_context *context, int cqe,
			       struct ibv_comp_channel *channel, int comp_vector);
struct ibv_cq_ex *iroce_create_cq_ex(struct ibv_context *context,
				     struct ibv_cq_init_attr_ex *attr);
int iroce_poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc);
int iroce_resize_cq(struct ibv_cq *cq, int cqe);
int iroce_destroy_cq(struct ibv_cq *cq);

/* slots.c: @len bytes of registered memory, zeros or what was there before; 0 or errno */
int iroce_slots_alloc(struct iroce_pd *pd, struct iroce_slots *slots, size_t len);
void iroce_slots_free(struct iroce_pd *pd, struct iroce_slots *slots);

/* send.c: functions return 0 or a positive errno */
int iroce_sq_init(struct iroce_sq *sq, struct ibv_pd *pd,
		  const struct ibv_qp_init_attr_ex *attr, bool is_locked);
void iroce_sq_fini(struct iroce_sq *sq);
int iroce_qp_ex_init(struct iroce_qp *qp, const struct ibv_qp_init_attr_ex *attr);
int iroce_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
		    struct ibv_send_wr **bad_wr);

#endif /* IROCE_PROVIDER_H */
