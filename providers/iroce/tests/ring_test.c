// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The shared rings, with the test in the kernel's place: it fills completions and
 * takes receives the way rdmavt does, and lies about indexes the way only a broken
 * program can make them lie.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"

static void cq_open(struct iroce_cq_ring *ring, uint32_t cqe)
{
	assert_int_equal(iroce_cq_ring_alloc(ring, cqe), 0);
}

static void rq_open(struct iroce_rq_ring *ring, uint32_t max_wr, uint32_t max_sge)
{
	assert_int_equal(iroce_rq_ring_alloc(ring, max_wr, max_sge), 0);
}

/* ---- the kernel's side ---- */

static bool kernel_complete(struct iroce_cq_ring *ring, uint64_t wr_id)
{
	uint32_t head = atomic_load(&ring->shm->head);
	uint32_t next = head >= ring->last ? 0 : head + 1;

	if (next == atomic_load_explicit(&ring->shm->tail, memory_order_acquire))
		return false;
	ring->shm->uqueue[head] = (struct ib_uverbs_wc){
		.wr_id = wr_id,
		.status = IBV_WC_RETRY_EXC_ERR,
		.opcode = IBV_WC_RECV_RDMA_WITH_IMM,
		.vendor_err = 1,
		.byte_len = (uint32_t)wr_id + 2,
		.ex.imm_data = 3,
		.qp_num = 4,
		.src_qp = 5,
		.wc_flags = 0x2,
		.pkey_index = 6,
		.slid = 7,
		.sl = 8,
		.dlid_path_bits = 9,
	};
	atomic_store_explicit(&ring->shm->head, next, memory_order_release);
	return true;
}

static const struct rvt_rwqe *kernel_take(struct iroce_rq_ring *ring)
{
	uint32_t tail = atomic_load(&ring->shm->tail);
	const struct rvt_rwqe *entry;

	if (tail == atomic_load_explicit(&ring->shm->head, memory_order_acquire))
		return NULL;
	entry = (void *)((char *)ring->shm->wq + tail * ring->stride);
	atomic_store_explicit(&ring->shm->tail, tail + 1 == ring->size ? 0 : tail + 1,
			      memory_order_release);
	return entry;
}

/* ---- completions ---- */

static void completion_arrives_with_every_field(void **state)
{
	struct iroce_cq_ring ring;
	struct ibv_wc wc[2];

	(void)state;
	cq_open(&ring, 4);
	assert_int_equal(iroce_cq_ring_poll(&ring, 2, wc), 0);
	assert_true(kernel_complete(&ring, 0x123456789abcull));
	assert_int_equal(iroce_cq_ring_poll(&ring, 2, wc), 1);
	assert_true(wc[0].wr_id == 0x123456789abcull);
	assert_int_equal(wc[0].status, IBV_WC_RETRY_EXC_ERR);
	assert_int_equal(wc[0].opcode, IBV_WC_RECV_RDMA_WITH_IMM);
	assert_int_equal(wc[0].vendor_err, 1);
	assert_int_equal(wc[0].byte_len, 0x56789abc + 2);
	assert_int_equal(wc[0].imm_data, 3);
	assert_int_equal(wc[0].qp_num, 4);
	assert_int_equal(wc[0].src_qp, 5);
	assert_int_equal(wc[0].wc_flags, IBV_WC_WITH_IMM);
	assert_int_equal(wc[0].pkey_index, 6);
	assert_int_equal(wc[0].slid, 7);
	assert_int_equal(wc[0].sl, 8);
	assert_int_equal(wc[0].dlid_path_bits, 9);
	assert_int_equal(iroce_cq_ring_poll(&ring, 2, wc), 0);
	iroce_cq_ring_free(&ring);
}

static void completion_flags_are_renumbered(void **state)
{
	(void)state;
	assert_int_equal(iroce_wc_flags(1 << 0), IBV_WC_GRH);
	assert_int_equal(iroce_wc_flags(1 << 1), IBV_WC_WITH_IMM);
	assert_int_equal(iroce_wc_flags(1 << 2), IBV_WC_WITH_INV);
	assert_int_equal(iroce_wc_flags(1 << 3), IBV_WC_IP_CSUM_OK);
	/* source MAC, VLAN and network type are the kernel's own affair */
	assert_int_equal(iroce_wc_flags(0x70), 0);
}

static void completions_keep_their_order_around_the_end(void **state)
{
	struct iroce_cq_ring ring;
	uint64_t in = 0, out = 0;
	struct ibv_wc wc[5];
	int i, n, round;

	(void)state;
	for (uint32_t cqe = 1; cqe < 9; cqe++) {
		cq_open(&ring, cqe);
		for (round = 0; round < 100; round++) {
			for (i = 0; i <= round % 7; i++)
				in += kernel_complete(&ring, in);
			n = iroce_cq_ring_poll(&ring, 1 + round % 5, wc);
			assert_true(n >= 0 && n <= 1 + round % 5);
			for (i = 0; i < n; i++)
				assert_true(wc[i].wr_id == out++);
		}
		while (iroce_cq_ring_poll(&ring, 1, wc) == 1)
			assert_true(wc[0].wr_id == out++);
		assert_true(in == out);
		iroce_cq_ring_free(&ring);
	}
}

static void full_completion_ring_yields_all_of_it(void **state)
{
	struct iroce_cq_ring ring;
	struct ibv_wc wc[8];
	int n = 0;

	(void)state;
	cq_open(&ring, 7);
	while (kernel_complete(&ring, (uint64_t)n))
		n++;
	assert_int_equal(n, 7);
	assert_int_equal(iroce_cq_ring_poll(&ring, 8, wc), 7);
	assert_true(kernel_complete(&ring, 7));
	iroce_cq_ring_free(&ring);
}

static void wild_completion_index_is_an_error(void **state)
{
	static const uint32_t wild[] = { 5, 6, 0x80000000, UINT32_MAX };
	const struct ib_uverbs_wc *entry;
	struct iroce_cq_ring ring;
	struct ibv_wc wc;
	size_t i;

	(void)state;
	cq_open(&ring, 4);
	for (i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		atomic_store(&ring.shm->head, wild[i]);
		atomic_store(&ring.shm->tail, 0);
		assert_int_equal(iroce_cq_ring_poll(&ring, 1, &wc), -1);
		iroce_cq_ring_begin(&ring);
		assert_int_equal(iroce_cq_ring_peek(&ring, &entry), EIO);

		atomic_store(&ring.shm->head, 1);
		atomic_store(&ring.shm->tail, wild[i]);
		assert_int_equal(iroce_cq_ring_poll(&ring, 1, &wc), -1);
		iroce_cq_ring_begin(&ring);
		assert_int_equal(iroce_cq_ring_peek(&ring, &entry), EIO);
	}
	iroce_cq_ring_free(&ring);
}

static void peeked_completions_stay_until_done(void **state)
{
	const struct ib_uverbs_wc *entry;
	struct iroce_cq_ring ring;

	(void)state;
	cq_open(&ring, 3);
	while (kernel_complete(&ring, 40))
		;
	iroce_cq_ring_begin(&ring);
	assert_int_equal(iroce_cq_ring_peek(&ring, &entry), 0);
	iroce_cq_ring_step(&ring);
	assert_int_equal(iroce_cq_ring_peek(&ring, &entry), 0);
	iroce_cq_ring_step(&ring);
	assert_false(kernel_complete(&ring, 41));
	iroce_cq_ring_done(&ring);
	assert_true(kernel_complete(&ring, 41));
	assert_true(kernel_complete(&ring, 41));
	assert_false(kernel_complete(&ring, 41));
	iroce_cq_ring_free(&ring);
}

static void rings_are_whole_pages(void **state)
{
	struct iroce_cq_ring cq;
	struct iroce_rq_ring rq;

	(void)state;
	cq_open(&cq, 1000);
	assert_int_equal((uintptr_t)cq.shm % 4096, 0);
	assert_int_equal(cq.len, 12 * 4096);	/* 8 + 1001 * 48 bytes */
	iroce_cq_ring_free(&cq);
	assert_null(cq.shm);
	rq_open(&rq, 127, 1);
	assert_int_equal(rq.len, 2 * 4096);	/* 8 + 128 * 32 bytes */
	iroce_rq_ring_free(&rq);
	assert_null(rq.shm);
	iroce_rq_ring_free(&rq);
}

/* ---- receives ---- */

static void chain_is_posted_whole(void **state)
{
	struct ibv_sge sge[2] = { { 0x1000, 10, 77 }, { 0x2000, 20, 78 } };
	struct ibv_recv_wr wr[3] = {
		{ .wr_id = 1, .next = &wr[1], .sg_list = sge, .num_sge = 2 },
		{ .wr_id = 2, .next = &wr[2], .sg_list = &sge[1], .num_sge = 1 },
		{ .wr_id = 3 },
	};
	const struct rvt_rwqe *entry;
	struct iroce_rq_ring ring;
	struct ibv_recv_wr *bad = NULL;

	(void)state;
	rq_open(&ring, 3, 2);
	assert_int_equal(iroce_rq_ring_post(&ring, wr, &bad), 0);
	assert_null(bad);
	entry = kernel_take(&ring);
	assert_true(entry->wr_id == 1 && entry->num_sge == 2);
	assert_true(entry->sg_list[0].addr == 0x1000 && entry->sg_list[0].length == 10 &&
		    entry->sg_list[0].lkey == 77);
	assert_true(entry->sg_list[1].addr == 0x2000 && entry->sg_list[1].length == 20 &&
		    entry->sg_list[1].lkey == 78);
	entry = kernel_take(&ring);
	assert_true(entry->wr_id == 2 && entry->num_sge == 1 && entry->sg_list[0].lkey == 78);
	entry = kernel_take(&ring);
	assert_true(entry->wr_id == 3 && entry->num_sge == 0);
	assert_null(kernel_take(&ring));
	iroce_rq_ring_free(&ring);
}

static void full_receive_ring_refuses_the_rest(void **state)
{
	struct ibv_recv_wr wr[5], *bad = NULL;
	struct iroce_rq_ring ring;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		wr[i] = (struct ibv_recv_wr){ .wr_id = (uint64_t)i,
					      .next = i < 4 ? &wr[i + 1] : NULL };
	rq_open(&ring, 3, 1);
	assert_int_equal(iroce_rq_ring_post(&ring, wr, &bad), ENOMEM);
	assert_ptr_equal(bad, &wr[3]);
	for (i = 0; i < 3; i++)
		assert_true(kernel_take(&ring)->wr_id == (uint64_t)i);
	assert_int_equal(iroce_rq_ring_post(&ring, bad, &bad), 0);
	assert_true(kernel_take(&ring)->wr_id == 3);
	iroce_rq_ring_free(&ring);
}

static void too_many_segments_stop_the_chain(void **state)
{
	struct ibv_sge sge[3] = {};
	struct ibv_recv_wr wr[3] = {
		{ .wr_id = 1, .next = &wr[1], .sg_list = sge, .num_sge = 2 },
		{ .wr_id = 2, .next = &wr[2], .sg_list = sge, .num_sge = 3 },
		{ .wr_id = 3 },
	}, *bad = NULL;
	struct iroce_rq_ring ring;

	(void)state;
	rq_open(&ring, 8, 2);
	assert_int_equal(iroce_rq_ring_post(&ring, wr, &bad), EINVAL);
	assert_ptr_equal(bad, &wr[1]);
	assert_true(kernel_take(&ring)->wr_id == 1);
	assert_null(kernel_take(&ring));

	wr[1].num_sge = -1;
	assert_int_equal(iroce_rq_ring_post(&ring, &wr[1], &bad), EINVAL);
	assert_null(kernel_take(&ring));
	iroce_rq_ring_free(&ring);
}

static void wild_receive_index_is_an_error(void **state)
{
	static const uint32_t wild[] = { 5, 6, 0x80000000, UINT32_MAX };
	struct ibv_recv_wr wr = {}, *bad;
	struct iroce_rq_ring ring;
	uint64_t wr_id;
	size_t i;

	(void)state;
	rq_open(&ring, 4, 1);
	for (i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		atomic_store(&ring.shm->head, wild[i]);
		atomic_store(&ring.shm->tail, 0);
		assert_int_equal(iroce_rq_ring_post(&ring, &wr, &bad), EIO);
		assert_ptr_equal(bad, &wr);
		assert_int_equal(iroce_rq_ring_take(&ring, &wr_id), ENOENT);
		atomic_store(&ring.shm->head, 0);
		atomic_store(&ring.shm->tail, wild[i]);
		assert_int_equal(iroce_rq_ring_post(&ring, &wr, &bad), EIO);
		assert_int_equal(iroce_rq_ring_take(&ring, &wr_id), ENOENT);
	}
	iroce_rq_ring_free(&ring);
}

static void ring_without_requests_is_always_full(void **state)
{
	struct ibv_recv_wr wr = {}, *bad;
	struct iroce_rq_ring ring;

	(void)state;
	rq_open(&ring, 0, 0);
	assert_int_equal(iroce_rq_ring_post(&ring, &wr, &bad), ENOMEM);
	iroce_rq_ring_free(&ring);
}

static void receives_are_taken_back_in_order(void **state)
{
	struct ibv_recv_wr wr = {}, *bad;
	struct iroce_rq_ring ring;
	uint64_t id;

	(void)state;
	rq_open(&ring, 3, 1);
	for (wr.wr_id = 0; wr.wr_id < 2; wr.wr_id++) {
		assert_int_equal(iroce_rq_ring_post(&ring, &wr, &bad), 0);
		assert_non_null(kernel_take(&ring));
	}
	for (; wr.wr_id < 5; wr.wr_id++)
		assert_int_equal(iroce_rq_ring_post(&ring, &wr, &bad), 0);
	for (uint64_t want = 2; want < 5; want++) {
		assert_int_equal(iroce_rq_ring_take(&ring, &id), 0);
		assert_true(id == want);
	}
	assert_int_equal(iroce_rq_ring_take(&ring, &id), ENOENT);
	iroce_rq_ring_free(&ring);
}

/* ---- both sides at once ---- */

#define RACE_COUNT	200000

static void *kernel_thread(void *arg)
{
	struct iroce_rq_ring *ring = arg;
	const struct rvt_rwqe *entry;
	uint64_t want = 0;

	while (want < RACE_COUNT) {
		entry = kernel_take(ring);
		if (!entry) {
			sched_yield();
			continue;
		}
		/* A torn or early entry would show here. */
		if (entry->wr_id != want || entry->sg_list[0].addr != want * 3)
			return (void *)1;
		want++;
	}
	return NULL;
}

static void kernel_sees_no_entry_before_its_content(void **state)
{
	struct iroce_rq_ring ring;
	struct ibv_sge sge = {};
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;
	pthread_t thread;
	void *failed;

	(void)state;
	rq_open(&ring, 16, 1);
	assert_int_equal(pthread_create(&thread, NULL, kernel_thread, &ring), 0);
	while (wr.wr_id < RACE_COUNT) {
		sge.addr = wr.wr_id * 3;
		if (iroce_rq_ring_post(&ring, &wr, &bad))
			sched_yield();
		else
			wr.wr_id++;
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	iroce_rq_ring_free(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completion_arrives_with_every_field),
		cmocka_unit_test(completion_flags_are_renumbered),
		cmocka_unit_test(completions_keep_their_order_around_the_end),
		cmocka_unit_test(full_completion_ring_yields_all_of_it),
		cmocka_unit_test(wild_completion_index_is_an_error),
		cmocka_unit_test(peeked_completions_stay_until_done),
		cmocka_unit_test(rings_are_whole_pages),
		cmocka_unit_test(chain_is_posted_whole),
		cmocka_unit_test(full_receive_ring_refuses_the_rest),
		cmocka_unit_test(too_many_segments_stop_the_chain),
		cmocka_unit_test(wild_receive_index_is_an_error),
		cmocka_unit_test(ring_without_requests_is_always_full),
		cmocka_unit_test(receives_are_taken_back_in_order),
		cmocka_unit_test(kernel_sees_no_entry_before_its_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
