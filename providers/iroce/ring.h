/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The rings that the kernel shares with us, in memory that we bring: completions flow
 * to us, receive work requests flow to the kernel. Pure memory, no libibverbs call, so
 * that the tests can play the kernel's side.
 *
 *	CQ   head: the kernel fills here     tail: we have read up to here
 *	RQ   head: we fill here              tail: the kernel has taken up to here
 *
 * One entry always stays empty: head == tail is empty, head + 1 == tail is full.
 * Only the owner writes an index, with release; the other side reads it with
 * acquire. The caller's lock serialises the threads of this side.
 */
#ifndef IROCE_RING_H
#define IROCE_RING_H

#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#define RDMA_ATOMIC_UAPI(_type, _name) _Atomic(_type) _name
#include <rdma/rvt-abi.h>

/*
 * struct iroce_cq_ring - a completion ring
 * @shm, @len: whole pages
 * @last: highest index (the CQ's cqe)
 * @cursor: where an extended poll stands; published by iroce_cq_ring_done()
 */
struct iroce_cq_ring {
	struct rvt_cq_wc *shm;
	size_t len;
	uint32_t last;
	uint32_t cursor;
};

/*
 * struct iroce_rq_ring - a receive ring of a QP or SRQ
 * @shm, @len: whole pages; NULL when there is none (the QP uses an SRQ)
 * @stride: bytes of one entry, which has room for @max_sge segments
 */
struct iroce_rq_ring {
	struct rvt_rwq *shm;
	size_t len;
	size_t stride;
	uint32_t size;
	uint32_t max_sge;
};

/* Empty rings, in pages of their own. 0 or a positive errno. */
int iroce_cq_ring_alloc(struct iroce_cq_ring *ring, uint32_t cqe);
int iroce_rq_ring_alloc(struct iroce_rq_ring *ring, uint32_t max_wr, uint32_t max_sge);
/* The kernel does not use the ring any more. Nothing if there is none. */
void iroce_cq_ring_free(struct iroce_cq_ring *ring);
void iroce_rq_ring_free(struct iroce_rq_ring *ring);

/* Take up to @n completions. Their number, or -1 if the ring is broken. */
int iroce_cq_ring_poll(struct iroce_cq_ring *ring, int n, struct ibv_wc *wc);

/*
 * The same, one by one and in place: begin, peek, step and peek again, done. A
 * peeked entry stays valid until done(). peek returns 0, ENOENT or EIO.
 */
void iroce_cq_ring_begin(struct iroce_cq_ring *ring);
int iroce_cq_ring_peek(const struct iroce_cq_ring *ring, const struct ib_uverbs_wc **wc);
void iroce_cq_ring_step(struct iroce_cq_ring *ring);
void iroce_cq_ring_done(struct iroce_cq_ring *ring);

/* The kernel's completion flags in the bits of enum ibv_wc_flags. */
unsigned int iroce_wc_flags(uint32_t kernel_flags);

/*
 * Post a chain. 0, or a positive errno with *@bad_wr at the first request that
 * was not posted; those before it were.
 */
int iroce_rq_ring_post(struct iroce_rq_ring *ring, struct ibv_recv_wr *wr,
		       struct ibv_recv_wr **bad_wr);

/*
 * For a ring that the kernel has stopped reading (QP in ERR or RESET): take back
 * the oldest request, ENOENT when there is none; or forget all of them.
 */
int iroce_rq_ring_take(struct iroce_rq_ring *ring, uint64_t *wr_id);
void iroce_rq_ring_clear(struct iroce_rq_ring *ring);

#endif /* IROCE_RING_H */
