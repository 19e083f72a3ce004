// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The rings that the kernel shares with us (see ring.h). Indexes that come
 * out of shared memory are checked before use: a stray write of the program must
 * end in an error, not in a wild access.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

static_assert(sizeof(struct ib_uverbs_wc) == 48, "the kernel's completion entry");
static_assert(sizeof(struct rvt_rwqe) == 16, "the kernel's receive entry");
static_assert(sizeof(struct rvt_wqe_sge) == 16, "the kernel's segment");
static_assert(offsetof(struct rvt_cq_wc, uqueue) == 8, "completion ring header");
static_assert(offsetof(struct rvt_rwq, wq) == 8, "receive ring header");

/* Kernel numbering of enum ib_wc_flags; verbs.h numbers two of them otherwise. */
enum {
	KERNEL_WC_GRH		  = 1 << 0,
	KERNEL_WC_WITH_IMM	  = 1 << 1,
	KERNEL_WC_WITH_INVALIDATE = 1 << 2,
	KERNEL_WC_IP_CSUM_OK	  = 1 << 3,
};

static size_t rq_stride(uint32_t max_sge)
{
	return sizeof(struct rvt_rwqe) + max_sge * sizeof(struct rvt_wqe_sge);
}

/* Anonymous pages: zeros, which is an empty ring. */
static int alloc(size_t bytes, void **shm, size_t *len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	*len = (bytes + page - 1) & ~(page - 1);
	*shm = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*shm == MAP_FAILED) {
		*shm = NULL;
		return errno;
	}
	return 0;
}

int iroce_cq_ring_alloc(struct iroce_cq_ring *ring, uint32_t cqe)
{
	size_t bytes = sizeof(struct rvt_cq_wc) + ((size_t)cqe + 1) * sizeof(struct ib_uverbs_wc);
	void *shm;
	int err;

	*ring = (struct iroce_cq_ring){ .last = cqe };
	err = alloc(bytes, &shm, &ring->len);
	ring->shm = shm;
	return err;
}

int iroce_rq_ring_alloc(struct iroce_rq_ring *ring, uint32_t max_wr, uint32_t max_sge)
{
	size_t stride = rq_stride(max_sge);
	void *shm;
	int err;

	*ring = (struct iroce_rq_ring){
		.stride = stride,
		.size = max_wr + 1,
		.max_sge = max_sge,
	};
	err = alloc(sizeof(struct rvt_rwq) + ((size_t)max_wr + 1) * stride, &shm, &ring->len);
	ring->shm = shm;
	return err;
}

void iroce_cq_ring_free(struct iroce_cq_ring *ring)
{
	if (ring->shm)
		munmap(ring->shm, ring->len);
	ring->shm = NULL;
}

void iroce_rq_ring_free(struct iroce_rq_ring *ring)
{
	if (ring->shm)
		munmap(ring->shm, ring->len);
	ring->shm = NULL;
}

unsigned int iroce_wc_flags(uint32_t kernel_flags)
{
	unsigned int flags = 0;

	if (kernel_flags & KERNEL_WC_GRH)
		flags |= IBV_WC_GRH;
	if (kernel_flags & KERNEL_WC_WITH_IMM)
		flags |= IBV_WC_WITH_IMM;
	if (kernel_flags & KERNEL_WC_WITH_INVALIDATE)
		flags |= IBV_WC_WITH_INV;
	if (kernel_flags & KERNEL_WC_IP_CSUM_OK)
		flags |= IBV_WC_IP_CSUM_OK;
	return flags;
}

static void wc_copy(struct ibv_wc *wc, const struct ib_uverbs_wc *entry)
{
	*wc = (struct ibv_wc){
		.wr_id = entry->wr_id,
		.status = entry->status,
		.opcode = entry->opcode,
		.vendor_err = entry->vendor_err,
		.byte_len = entry->byte_len,
		/* A union: the remote key of an invalidation is in host order. */
		.imm_data = entry->ex.imm_data,
		.qp_num = entry->qp_num,
		.src_qp = entry->src_qp,
		.wc_flags = iroce_wc_flags(entry->wc_flags),
		.pkey_index = entry->pkey_index,
		.slid = entry->slid,
		.sl = entry->sl,
		.dlid_path_bits = entry->dlid_path_bits,
	};
}

static uint32_t cq_next(const struct iroce_cq_ring *ring, uint32_t index)
{
	return index >= ring->last ? 0 : index + 1;
}

int iroce_cq_ring_poll(struct iroce_cq_ring *ring, int n, struct ibv_wc *wc)
{
	uint32_t head, tail;
	int polled;

	/* Only we write tail. Acquire: an entry is read after head covers it. */
	tail = atomic_load_explicit(&ring->shm->tail, memory_order_relaxed);
	head = atomic_load_explicit(&ring->shm->head, memory_order_acquire);
	if (head > ring->last || tail > ring->last)
		return -1;

	for (polled = 0; polled < n && tail != head; polled++) {
		wc_copy(&wc[polled], &ring->shm->uqueue[tail]);
		tail = cq_next(ring, tail);
	}
	/* Release: the kernel may overwrite what we have finished reading. */
	if (polled)
		atomic_store_explicit(&ring->shm->tail, tail, memory_order_release);
	return polled;
}

void iroce_cq_ring_begin(struct iroce_cq_ring *ring)
{
	ring->cursor = atomic_load_explicit(&ring->shm->tail, memory_order_relaxed);
}

int iroce_cq_ring_peek(const struct iroce_cq_ring *ring, const struct ib_uverbs_wc **wc)
{
	uint32_t head;

	head = atomic_load_explicit(&ring->shm->head, memory_order_acquire);
	if (head > ring->last || ring->cursor > ring->last)
		return EIO;
	if (ring->cursor == head)
		return ENOENT;
	*wc = &ring->shm->uqueue[ring->cursor];
	return 0;
}

void iroce_cq_ring_step(struct iroce_cq_ring *ring)
{
	ring->cursor = cq_next(ring, ring->cursor);
}

void iroce_cq_ring_done(struct iroce_cq_ring *ring)
{
	atomic_store_explicit(&ring->shm->tail, ring->cursor, memory_order_release);
}

static struct rvt_rwqe *rq_entry(const struct iroce_rq_ring *ring, uint32_t index)
{
	return (struct rvt_rwqe *)((char *)ring->shm->wq + index * ring->stride);
}

static void rq_fill(struct rvt_rwqe *entry, const struct ibv_recv_wr *wr)
{
	int i;

	entry->wr_id = wr->wr_id;
	entry->num_sge = (uint8_t)wr->num_sge;
	for (i = 0; i < wr->num_sge; i++)
		entry->sg_list[i] = (struct rvt_wqe_sge){
			.addr = wr->sg_list[i].addr,
			.length = wr->sg_list[i].length,
			.lkey = wr->sg_list[i].lkey,
		};
}

int iroce_rq_ring_post(struct iroce_rq_ring *ring, struct ibv_recv_wr *wr,
		       struct ibv_recv_wr **bad_wr)
{
	uint32_t first, head, next, tail;
	int err = 0;

	/* Only we write head, but the kernel zeroes both when the QP is reset. */
	first = atomic_load_explicit(&ring->shm->head, memory_order_relaxed);
	tail = atomic_load_explicit(&ring->shm->tail, memory_order_acquire);
	if (first >= ring->size || tail >= ring->size) {
		err = EIO;
		goto bad;
	}

	for (head = first; wr; wr = wr->next, head = next) {
		if (wr->num_sge < 0 || (uint32_t)wr->num_sge > ring->max_sge ||
		    wr->num_sge > UINT8_MAX) {
			err = EINVAL;
			break;
		}
		next = head + 1 == ring->size ? 0 : head + 1;
		if (next == tail) {
			/* Acquire: the kernel has finished with what we fill anew. */
			tail = atomic_load_explicit(&ring->shm->tail, memory_order_acquire);
			if (next == tail || tail >= ring->size) {
				err = tail >= ring->size ? EIO : ENOMEM;
				break;
			}
		}
		rq_fill(rq_entry(ring, head), wr);
	}
	/* Release: the kernel reads the entries after it sees head. */
	if (head != first)
		atomic_store_explicit(&ring->shm->head, head, memory_order_release);
bad:
	if (err && bad_wr)
		*bad_wr = wr;
	return err;
}

int iroce_rq_ring_take(struct iroce_rq_ring *ring, uint64_t *wr_id)
{
	uint32_t head = atomic_load_explicit(&ring->shm->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->shm->tail, memory_order_acquire);

	if (head == tail || head >= ring->size || tail >= ring->size)
		return ENOENT;
	*wr_id = rq_entry(ring, tail)->wr_id;
	tail = tail + 1 == ring->size ? 0 : tail + 1;
	/* The kernel's index, but the kernel is not looking. */
	atomic_store_explicit(&ring->shm->tail, tail, memory_order_release);
	return 0;
}

void iroce_rq_ring_clear(struct iroce_rq_ring *ring)
{
	atomic_store_explicit(&ring->shm->head, 0, memory_order_release);
	atomic_store_explicit(&ring->shm->tail, 0, memory_order_release);
}
