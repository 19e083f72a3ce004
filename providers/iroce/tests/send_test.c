// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sending: how chains are cut for the kernel, where bad_wr points, and that inline
 * data stays what it was until the kernel has completed the request.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

#define CHAIN_MAX	200

struct chain {
	struct ibv_send_wr wr[CHAIN_MAX];
	struct ibv_sge sge[CHAIN_MAX];
	unsigned char data[CHAIN_MAX][256];
};

static struct chain chain;

/* @n requests with consecutive wr_ids whose data repeats the id. */
static struct ibv_send_wr *chain_make(unsigned int n, uint64_t first, uint32_t len,
				      unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		memset(chain.data[i], (int)((first + i) & FAKE_WR_ID_DATA), len);
		chain.sge[i] = (struct ibv_sge){ (uintptr_t)chain.data[i], len, 1 };
		chain.wr[i] = (struct ibv_send_wr){
			.wr_id = first + i,
			.next = i + 1 < n ? &chain.wr[i + 1] : NULL,
			.sg_list = &chain.sge[i],
			.num_sge = 1,
			.opcode = IBV_WR_SEND,
			.send_flags = flags,
		};
	}
	return chain.wr;
}

static void qp_open(struct iroce_qp *qp, enum ibv_qp_type type, uint32_t max_wr,
		    uint32_t max_inline, uint64_t ops)
{
	struct ibv_qp_init_attr_ex attr = {
		.cap = { .max_send_wr = max_wr, .max_send_sge = 2,
			 .max_inline_data = max_inline },
		.qp_type = type,
		.comp_mask = ops ? IBV_QP_INIT_ATTR_SEND_OPS_FLAGS : 0,
		.send_ops_flags = ops,
	};

	memset(qp, 0, sizeof(*qp));
	qp->vqp.qp.qp_type = type;
	fake.sq_size = max_wr;
	assert_int_equal(iroce_sq_init(&qp->sq, &fake.pd.pd, &attr, true), 0);
	assert_int_equal(iroce_qp_ex_init(qp, &attr), 0);
}

static void qp_close(struct iroce_qp *qp)
{
	iroce_sq_fini(&qp->sq);
}

static int post(struct iroce_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	*bad = NULL;
	return iroce_post_send(&qp->vqp.qp, wr, bad);
}

static void drain(uint64_t first, unsigned int n)
{
	uint64_t id;

	for (; n--; first++) {
		assert_true(fake_complete(&id));
		assert_true(id == first);
	}
	assert_int_equal(fake_outstanding(), 0);
}

static void short_chain_is_one_call(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 100, 0, 0);
	assert_int_equal(post(&qp, chain_make(32, 0, 8, IBV_SEND_SIGNALED), &bad), 0);
	assert_int_equal(fake.calls, 1);
	drain(0, 32);
	qp_close(&qp);
}

static void long_chain_is_cut_and_left_as_it_was(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;
	int i;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 200, 0, 0);
	assert_int_equal(post(&qp, chain_make(100, 0, 8, 0), &bad), 0);
	assert_int_equal(fake.calls, 4);
	assert_int_equal(fake.longest, 32);
	for (i = 0; i < 99; i++)
		assert_ptr_equal(chain.wr[i].next, &chain.wr[i + 1]);
	drain(0, 100);
	qp_close(&qp);
}

static void bad_wr_is_the_first_that_did_not_go(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;
	unsigned int n, at;
	uint32_t inl;

	(void)state;
	for (inl = 0; inl <= 64; inl += 64) {
		for (n = 1; n < 80; n += 7) {
			for (at = 0; at < n; at += 3) {
				qp_open(&qp, IBV_QPT_RC, 200, inl, 0);
				chain_make(n, 0, 8, inl ? IBV_SEND_INLINE : 0);
				fake.refuse_wr_id = at;
				assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
				assert_ptr_equal(bad, &chain.wr[at]);
				fake.refuse_wr_id = UINT64_MAX;
				drain(0, at);
				/* the provider's own refusal reads the same */
				chain.wr[at].num_sge = 3;
				assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
				assert_ptr_equal(bad, &chain.wr[at]);
				drain(0, at);
				qp_close(&qp);
			}
		}
	}
}

static void full_queue_refuses_the_rest(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 40, 64, 0);
	chain_make(50, 0, 64, IBV_SEND_INLINE);
	assert_int_equal(post(&qp, chain.wr, &bad), ENOMEM);
	assert_ptr_equal(bad, &chain.wr[40]);
	drain(0, 40);
	assert_int_equal(post(&qp, bad, &bad), 0);
	drain(40, 10);
	qp_close(&qp);
}

static void malformed_requests_are_refused(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 8, 64, 0);
	chain_make(1, 0, 8, 0);
	chain.wr[0].num_sge = -1;
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	chain_make(1, 0, 8, 1u << 30);	/* rdmavt's own flags start up there */
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	chain_make(1, 0, 65, IBV_SEND_INLINE);
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	chain_make(1, 0, 8, IBV_SEND_INLINE);
	chain.wr[0].opcode = IBV_WR_RDMA_READ;
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	assert_ptr_equal(bad, chain.wr);
	qp_close(&qp);

	qp_open(&qp, IBV_QPT_UD, 8, 0, 0);
	chain_make(1, 0, 8, 0);
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);	/* no address handle */
	assert_int_equal(fake.calls, 0);
	chain_make(1, 0, 0, IBV_SEND_INLINE);
	chain.wr[0].wr.ud.ah = (void *)1;
	assert_int_equal(post(&qp, chain.wr, &bad), 0);
	chain.sge[0].length = 65;
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	drain(0, 1);
	qp_close(&qp);
}

static void inline_length_cannot_wrap(void **state)
{
	struct ibv_sge sge[2] = { { 0, 0xffffffff, 0 }, { 0, 0x11, 0 } };
	struct ibv_send_wr *bad;
	struct iroce_qp qp;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 8, 64, 0);
	chain_make(1, 0, 8, IBV_SEND_INLINE);
	chain.wr[0].sg_list = sge;
	chain.wr[0].num_sge = 2;
	assert_int_equal(post(&qp, chain.wr, &bad), EINVAL);
	qp_close(&qp);
}

static void inline_data_is_gathered_and_free_at_once(void **state)
{
	unsigned char a[10], b[20];
	struct ibv_sge sge[2] = { { (uintptr_t)a, 10, 5 }, { (uintptr_t)b, 20, 6 } };
	struct ibv_send_wr *bad, wr = {
		.wr_id = 0x55, .sg_list = sge, .num_sge = 2, .opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_INLINE | IBV_SEND_SIGNALED,
	};
	struct iroce_qp qp;

	(void)state;
	memset(a, 0x55, sizeof(a));
	memset(b, 0x55, sizeof(b));
	qp_open(&qp, IBV_QPT_RC, 4, 30, 0);
	assert_int_equal(qp.sq.max_inline, 64);
	assert_int_equal(post(&qp, &wr, &bad), 0);
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_int_equal(fake.sq[0].wr.num_sge, 1);
	assert_int_equal(fake.sq[0].sge[0].length, 30);
	assert_int_equal(fake.sq[0].sge[0].lkey, 99);
	assert_int_equal(fake.sq[0].wr.send_flags, IBV_SEND_SIGNALED);
	drain(0x55, 1);
	qp_close(&qp);
}

static void inline_data_survives_until_completion(void **state)
{
	struct ibv_send_wr *bad, *wr;
	uint64_t next = 0, want = 0, id;
	unsigned int n, round;
	struct iroce_qp qp;

	(void)state;
	srand(1);
	qp_open(&qp, IBV_QPT_RC, 37, 64, 0);
	for (round = 0; round < 20000; round++) {
		n = 1 + (unsigned int)rand() % 60;
		wr = chain_make(n, next, 1 + (uint32_t)rand() % 64, IBV_SEND_INLINE);
		/* some without inline data among them */
		chain.wr[n / 2].send_flags = 0;
		chain.wr[n / 2].num_sge = 0;
		if (rand() % 4 == 0)
			fake.refuse_wr_id = next + (unsigned int)rand() % n;
		if (!post(&qp, wr, &bad))
			next += n;
		else
			next = bad->wr_id;
		fake.refuse_wr_id = UINT64_MAX;
		memset(chain.data, 0xee, sizeof(chain.data));
		for (n = (unsigned int)rand() % 40; n && fake_outstanding(); n--, want++) {
			assert_true(fake_complete(&id));
			assert_true(id == want);
		}
	}
	drain(want, (unsigned int)(next - want));
	assert_true(next > 100000);
	qp_close(&qp);
}

static void inline_region_that_cannot_be_had_fails_creation(void **state)
{
	struct ibv_qp_init_attr_ex attr = {
		.cap = { .max_send_wr = 8, .max_send_sge = 1, .max_inline_data = 64 },
	};
	struct iroce_sq sq = {};

	(void)state;
	fake.fail = ENOMEM;
	assert_int_equal(iroce_sq_init(&sq, &fake.pd.pd, &attr, true), ENOMEM);
	assert_null(sq.slots.start);
}

static void inline_data_that_nobody_asked_for_takes_memory_when_it_comes(void **state)
{
	struct ibv_send_wr *bad;
	struct iroce_qp qp;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 8, 0, 0);
	assert_int_equal(qp.sq.max_inline, IROCE_DEFAULT_INLINE);
	/* their slots are taken before there are any */
	assert_int_equal(post(&qp, chain_make(5, 0, 8, 0), &bad), 0);
	assert_int_equal(fake.mrs, 0);
	drain(0, 5);
	fake.fail = ENOMEM;
	assert_int_equal(post(&qp, chain_make(3, 5, IROCE_DEFAULT_INLINE, IBV_SEND_INLINE), &bad),
			 ENOMEM);
	assert_ptr_equal(bad, chain.wr);
	assert_int_equal(post(&qp, chain_make(3, 5, IROCE_DEFAULT_INLINE, IBV_SEND_INLINE), &bad),
			 0);
	assert_int_equal(fake.mrs, 1);
	memset(chain.data, 0xee, sizeof(chain.data));
	drain(5, 3);
	qp_close(&qp);
}

static void queue_pairs_of_a_domain_share_regions_and_no_slot(void **state)
{
	enum { N = 40 };
	static struct iroce_qp qps[N];
	bool is_open[N] = {};
	unsigned int round, i, j;

	(void)state;
	srand(3);
	for (i = 0; i < 20; i++)
		qp_open(&qps[i], IBV_QPT_RC, 8, 64, 0);
	assert_int_equal(fake.mrs, 1);
	for (i = 0; i < 20; i++)
		qp_close(&qps[i]);
	assert_int_equal(fake.mrs, 0);

	for (round = 0; round < 4000; round++) {
		i = (unsigned int)rand() % N;
		if (is_open[i])
			qp_close(&qps[i]);
		else
			qp_open(&qps[i], IBV_QPT_RC, 1 + (unsigned int)rand() % 200,
				1 + (unsigned int)rand() % 500, 0);
		is_open[i] = !is_open[i];
		for (j = 0; is_open[i] && j < N; j++) {
			const struct iroce_slots *one = &qps[i].sq.slots, *other = &qps[j].sq.slots;

			assert_true(i == j || !is_open[j] || one->start + one->len <= other->start ||
				    other->start + other->len <= one->start);
		}
	}
	for (i = 0; i < N; i++)
		if (is_open[i])
			qp_close(&qps[i]);
}

/* ---- the builder ---- */

#define RC_SOME	(IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM | \
		 IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP)

static void built_requests_reach_the_kernel(void **state)
{
	struct ibv_qp_ex *ex;
	struct iroce_qp qp;
	unsigned char data[4] = { 1, 1, 1, 1 };

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 8, 64, RC_SOME);
	ex = &qp.vqp.qp_ex;
	ibv_wr_start(ex);
	ex->wr_id = 1;
	ex->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_send(ex);
	ibv_wr_set_inline_data(ex, data, 4);
	memset(data, 2, 4);
	ex->wr_id = 2;
	ex->wr_flags = 0;
	ibv_wr_rdma_write_imm(ex, 7, 0x1000, 9);
	ibv_wr_set_sge(ex, 3, (uintptr_t)data, 4);
	ex->wr_id = 3;
	ibv_wr_atomic_cmp_swp(ex, 8, 0x2000, 10, 11);
	assert_int_equal(ibv_wr_complete(ex), 0);

	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.sq[0].wr.opcode, IBV_WR_SEND);
	assert_int_equal(fake.sq[0].wr.send_flags, IBV_SEND_SIGNALED);
	assert_int_equal(fake.sq[1].wr.opcode, IBV_WR_RDMA_WRITE_WITH_IMM);
	assert_int_equal(fake.sq[1].wr.imm_data, 9);
	assert_int_equal(fake.sq[1].wr.wr.rdma.rkey, 7);
	assert_int_equal(fake.sq[1].wr.wr.rdma.remote_addr, 0x1000);
	assert_int_equal(fake.sq[1].sge[0].lkey, 3);
	assert_int_equal(fake.sq[2].wr.wr.atomic.compare_add, 10);
	assert_int_equal(fake.sq[2].wr.wr.atomic.swap, 11);
	assert_int_equal(fake.sq[2].wr.wr.atomic.rkey, 8);
	drain(1, 3);
	qp_close(&qp);
}

static void mistake_while_building_posts_nothing(void **state)
{
	struct ibv_sge sge[3] = {};
	unsigned char data[65] = {};
	struct ibv_qp_ex *ex;
	struct iroce_qp qp;
	int i;

	(void)state;
	qp_open(&qp, IBV_QPT_RC, 4, 64, RC_SOME);
	ex = &qp.vqp.qp_ex;

	ibv_wr_start(ex);
	ibv_wr_send(ex);
	ibv_wr_set_sge_list(ex, 3, sge);
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	ibv_wr_start(ex);
	ibv_wr_send(ex);
	ibv_wr_set_inline_data(ex, data, 65);
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	ibv_wr_start(ex);
	ibv_wr_set_sge(ex, 1, 0, 0);	/* of which request? */
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	ibv_wr_start(ex);
	for (i = 0; i < 5; i++)
		ibv_wr_send(ex);
	assert_int_equal(ibv_wr_complete(ex), ENOMEM);
	ibv_wr_start(ex);
	ibv_wr_send(ex);
	ibv_wr_abort(ex);
	ibv_wr_start(ex);
	assert_int_equal(ibv_wr_complete(ex), 0);
	assert_int_equal(fake.calls, 0);
	qp_close(&qp);
}

static void built_inline_data_survives_until_completion(void **state)
{
	uint64_t next = 0, want = 0, id;
	unsigned char data[64];
	unsigned int i, n, round;
	struct ibv_qp_ex *ex;
	struct iroce_qp qp;

	(void)state;
	srand(2);
	qp_open(&qp, IBV_QPT_RC, 45, 64, RC_SOME);
	ex = &qp.vqp.qp_ex;
	for (round = 0; round < 20000; round++) {
		n = (unsigned int)rand() % 46;
		ibv_wr_start(ex);
		for (i = 0; i < n; i++) {
			ex->wr_id = next + i;
			ibv_wr_send(ex);
			memset(data, 0xee, sizeof(data));
			ibv_wr_set_inline_data(ex, data, 64);
			memset(data, (int)((next + i) & FAKE_WR_ID_DATA), sizeof(data));
			if (rand() % 8)
				ibv_wr_set_inline_data(ex, data, 1 + (size_t)rand() % 64);
			else
				ibv_wr_set_sge_list(ex, 0, NULL);
		}
		if (rand() % 8 == 0)
			ibv_wr_abort(ex);
		else if (!ibv_wr_complete(ex))
			next += n;
		else
			next = want + fake_outstanding();
		for (n = (unsigned int)rand() % 40; n && fake_outstanding(); n--, want++) {
			assert_true(fake_complete(&id));
			assert_true(id == want);
		}
	}
	drain(want, (unsigned int)(next - want));
	assert_true(next > 100000);
	qp_close(&qp);
}

static void operations_that_a_type_lacks_are_refused(void **state)
{
	struct ibv_qp_init_attr_ex attr = {
		.comp_mask = IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.qp_type = IBV_QPT_UD,
		.send_ops_flags = IBV_QP_EX_WITH_RDMA_WRITE,
	};
	struct iroce_qp qp = {};

	(void)state;
	assert_int_equal(iroce_qp_ex_init(&qp, &attr), EOPNOTSUPP);
	attr.qp_type = IBV_QPT_RC;
	attr.send_ops_flags = IBV_QP_EX_WITH_BIND_MW;
	assert_int_equal(iroce_qp_ex_init(&qp, &attr), EOPNOTSUPP);
	attr.send_ops_flags = 1ull << 40;
	assert_int_equal(iroce_qp_ex_init(&qp, &attr), EOPNOTSUPP);
}

#define TEST(_name) cmocka_unit_test_setup_teardown(_name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(short_chain_is_one_call),
		TEST(long_chain_is_cut_and_left_as_it_was),
		TEST(bad_wr_is_the_first_that_did_not_go),
		TEST(full_queue_refuses_the_rest),
		TEST(malformed_requests_are_refused),
		TEST(inline_length_cannot_wrap),
		TEST(inline_data_is_gathered_and_free_at_once),
		TEST(inline_data_survives_until_completion),
		TEST(inline_region_that_cannot_be_had_fails_creation),
		TEST(inline_data_that_nobody_asked_for_takes_memory_when_it_comes),
		TEST(queue_pairs_of_a_domain_share_regions_and_no_slot),
		TEST(built_requests_reach_the_kernel),
		TEST(mistake_while_building_posts_nothing),
		TEST(built_inline_data_survives_until_completion),
		TEST(operations_that_a_type_lacks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
