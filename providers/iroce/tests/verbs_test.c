// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Objects against a fake kernel: what a failed step undoes, what is refused, and
 * what becomes of posted receives when a QP changes its state.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

static const struct verbs_context_ops *ops = &iroce_context_ops;

static struct ibv_cq *cq_open(int cqe)
{
	struct ibv_cq *cq = ops->create_cq(fake.pd.pd.context, cqe, NULL, 0);

	assert_non_null(cq);
	return cq;
}

static struct ibv_qp *qp_open(struct ibv_cq *cq, struct ibv_srq *srq)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = cq, .recv_cq = cq, .srq = srq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1,
			 .max_recv_sge = 1, .max_inline_data = 20 },
	};
	struct ibv_qp *qp = ops->create_qp(&fake.pd.pd, &attr);

	assert_non_null(qp);
	assert_int_equal(attr.cap.max_inline_data, 64);
	return qp;
}

static int qp_move(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	return ops->modify_qp(qp, &attr, IBV_QP_STATE);
}

static int recv_post(struct ibv_qp *qp, uint64_t wr_id)
{
	struct ibv_recv_wr wr = { .wr_id = wr_id }, *bad = NULL;
	int err = ops->post_recv(qp, &wr, &bad);

	if (err)
		assert_ptr_equal(bad, &wr);
	return err;
}

static void each_object_brings_its_ring(void **state)
{
	struct ibv_srq_init_attr srq_attr = { .attr = { .max_wr = 4, .max_sge = 1 } };
	struct ibv_qp_init_attr qp_attr = { .qp_type = IBV_QPT_RC };
	struct ibv_cq *cq = cq_open(4);
	struct ibv_srq *srq;
	struct ibv_qp *qp;

	(void)state;
	assert_true(fake.ring.addr == (uintptr_t)iroce_cq(cq)->ring.shm);
	assert_true(fake.ring.len == iroce_cq(cq)->ring.len);
	srq = ops->create_srq(&fake.pd.pd, &srq_attr);
	assert_true(fake.ring.addr == (uintptr_t)iroce_srq(srq)->ring.shm);
	qp_attr.send_cq = qp_attr.recv_cq = cq;
	qp = ops->create_qp(&fake.pd.pd, &qp_attr);
	assert_true(fake.ring.addr == (uintptr_t)iroce_qp(qp)->rq.shm);
	ops->destroy_qp(qp);
	qp_attr.srq = srq;
	qp = ops->create_qp(&fake.pd.pd, &qp_attr);
	assert_int_equal(fake.ring.addr, 0);
	ops->destroy_qp(qp);
	ops->destroy_srq(srq);
	ops->destroy_cq(cq);
}

static void refusal_of_the_kernel_becomes_errno(void **state)
{
	struct ibv_qp_init_attr attr = { .qp_type = IBV_QPT_RC };
	struct ibv_cq *cq = cq_open(4);

	(void)state;
	fake.fail = ENOSPC;
	assert_null(ops->create_cq(fake.pd.pd.context, 4, NULL, 0));
	assert_int_equal(errno, ENOSPC);
	fake.fail = EPERM;
	attr.send_cq = attr.recv_cq = cq;
	assert_null(ops->create_qp(&fake.pd.pd, &attr));
	assert_int_equal(errno, EPERM);
	ops->destroy_cq(cq);
}

static void unknown_wishes_are_refused(void **state)
{
	struct ibv_cq_init_attr_ex cq_attr = { .cqe = 4 };
	struct ibv_qp_init_attr_ex attr = { .qp_type = IBV_QPT_RC, .pd = &fake.pd.pd };
	struct ibv_cq *cq = cq_open(4);

	(void)state;
	cq_attr.wc_flags = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
	assert_null(ops->create_cq_ex(fake.pd.pd.context, &cq_attr));
	assert_int_equal(errno, EOPNOTSUPP);
	cq_attr.wc_flags = 0;
	cq_attr.comp_mask = 1u << 20;
	assert_null(ops->create_cq_ex(fake.pd.pd.context, &cq_attr));
	cq_attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
	cq_attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
	assert_null(ops->create_cq_ex(fake.pd.pd.context, &cq_attr));
	assert_int_equal(errno, EOPNOTSUPP);

	attr.send_cq = attr.recv_cq = cq;
	attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	attr.comp_mask = 0;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EINVAL);
	attr.comp_mask = IBV_QP_INIT_ATTR_PD;
	attr.qp_type = IBV_QPT_RAW_PACKET;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	attr.qp_type = IBV_QPT_RC;
	attr.cap.max_inline_data = IROCE_MAX_INLINE + 1;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EINVAL);
	ops->destroy_cq(cq);
}

static void operations_that_the_device_lacks_are_refused(void **state)
{
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp_init_attr_ex attr = {
		.qp_type = IBV_QPT_RC,
		.pd = &fake.pd.pd,
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = 4, .max_send_sge = 1 },
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
	};
	struct ibv_qp *qp;

	(void)state;
	attr.send_ops_flags = IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	attr.send_ops_flags = IBV_QP_EX_WITH_SEND_WITH_INV;
	assert_null(ops->create_qp_ex(fake.pd.pd.context, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fake.qps, 0);

	fake.atomic_cap = IBV_ATOMIC_HCA;
	fake.device_cap_flags = IBV_DEVICE_MEM_MGT_EXTENSIONS;
	attr.send_ops_flags |= IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD;
	qp = ops->create_qp_ex(fake.pd.pd.context, &attr);
	assert_non_null(qp);
	assert_int_equal(ops->destroy_qp(qp), 0);
	ops->destroy_cq(cq);
}

static void qp_without_segments_gets_one_for_inline_data(void **state)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC, .cap = { .max_send_wr = 1, .max_inline_data = 64 },
	};
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp *qp;

	(void)state;
	attr.send_cq = attr.recv_cq = cq;
	qp = ops->create_qp(&fake.pd.pd, &attr);
	assert_non_null(qp);
	assert_int_equal(attr.cap.max_send_sge, 1);
	ops->destroy_qp(qp);
	ops->destroy_cq(cq);
}

static void receives_need_a_queue_that_is_open(void **state)
{
	struct ibv_srq_init_attr srq_attr = { .attr = { .max_wr = 4, .max_sge = 1 } };
	struct ibv_srq *srq = ops->create_srq(&fake.pd.pd, &srq_attr);
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp *qp = qp_open(cq, NULL), *srq_qp = qp_open(cq, srq);

	(void)state;
	assert_int_equal(recv_post(qp, 1), EINVAL);
	assert_int_equal(qp_move(qp, IBV_QPS_INIT), 0);
	assert_int_equal(recv_post(qp, 1), 0);
	fake.fail = EINVAL;
	assert_int_equal(qp_move(qp, IBV_QPS_RESET), EINVAL);
	assert_int_equal(recv_post(qp, 2), 0);	/* the failed change changed nothing */

	assert_int_equal(qp_move(srq_qp, IBV_QPS_INIT), 0);
	assert_int_equal(recv_post(srq_qp, 1), EINVAL);
	ops->destroy_qp(srq_qp);
	ops->destroy_qp(qp);
	ops->destroy_srq(srq);
	ops->destroy_cq(cq);
}

static void receives_in_error_are_flushed(void **state)
{
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp *qp = qp_open(cq, NULL);

	(void)state;
	assert_int_equal(qp_move(qp, IBV_QPS_INIT), 0);
	/* posted after the kernel went to ERR on its own: nobody has flushed them */
	assert_int_equal(recv_post(qp, 1), 0);
	assert_int_equal(recv_post(qp, 2), 0);
	assert_int_equal(fake.n_flushed, 0);
	assert_int_equal(qp_move(qp, IBV_QPS_ERR), 0);
	assert_int_equal(fake.n_flushed, 2);
	assert_int_equal(recv_post(qp, 3), 0);
	assert_int_equal(fake.n_flushed, 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(fake.flushed[i] == i + 1);
	ops->destroy_qp(qp);
	ops->destroy_cq(cq);
}

static void reset_empties_the_receive_queue(void **state)
{
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp *qp = qp_open(cq, NULL);
	int i;

	(void)state;
	assert_int_equal(qp_move(qp, IBV_QPS_INIT), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(recv_post(qp, 1), 0);
	assert_int_equal(recv_post(qp, 1), ENOMEM);
	assert_int_equal(qp_move(qp, IBV_QPS_RESET), 0);
	assert_int_equal(qp_move(qp, IBV_QPS_INIT), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(recv_post(qp, 1), 0);
	assert_int_equal(recv_post(qp, 1), ENOMEM);
	ops->destroy_qp(qp);
	ops->destroy_cq(cq);
}

static void resized_cq_uses_its_new_ring(void **state)
{
	struct ibv_cq *cq = cq_open(4);
	struct ibv_wc wc;

	(void)state;
	assert_int_equal(ops->resize_cq(cq, 0), EINVAL);
	fake.fail = EINVAL;
	assert_int_equal(ops->resize_cq(cq, 1), EINVAL);
	assert_int_equal(iroce_cq(cq)->ring.last, 4);
	assert_int_equal(ops->poll_cq(cq, 1, &wc), 0);
	assert_int_equal(ops->resize_cq(cq, 1000), 0);
	assert_int_equal(iroce_cq(cq)->ring.last, 1000);
	assert_true(fake.ring.addr == (uintptr_t)iroce_cq(cq)->ring.shm);
	assert_int_equal(ops->poll_cq(cq, 1, &wc), 0);
	ops->destroy_cq(cq);
}

static void srq_keeps_its_size(void **state)
{
	struct ibv_srq_init_attr srq_attr = { .attr = { .max_wr = 2, .max_sge = 1 } };
	struct ibv_srq_attr attr = { .max_wr = 100 };
	struct ibv_srq *srq = ops->create_srq(&fake.pd.pd, &srq_attr);

	(void)state;
	assert_int_equal(ops->modify_srq(srq, &attr, 1 << 8), EINVAL);
	assert_int_equal(ops->modify_srq(srq, &attr, IBV_SRQ_MAX_WR), EOPNOTSUPP);
	assert_int_equal(ops->modify_srq(srq, &attr, IBV_SRQ_LIMIT), 0);
	ops->destroy_srq(srq);
}

static void extended_poll_shows_each_completion_once(void **state)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 4, .wc_flags = IBV_WC_STANDARD_FLAGS };
	struct ibv_cq_ex *cq = ops->create_cq_ex(fake.pd.pd.context, &attr);
	struct ibv_poll_cq_attr poll = {};
	struct rvt_cq_wc *shm;
	uint64_t i;

	(void)state;
	assert_non_null(cq);
	shm = iroce_cq_ex(cq)->ring.shm;
	atomic_store(&shm->head, 0);
	atomic_store(&shm->tail, 0);
	assert_int_equal(ibv_start_poll(cq, &poll), ENOENT);
	for (i = 0; i < 3; i++)
		shm->uqueue[i] = (struct ib_uverbs_wc){
			.wr_id = i, .byte_len = 10, .wc_flags = 1 << 2, .qp_num = 5,
			.ex.invalidate_rkey = 77, .status = IBV_WC_SUCCESS,
			.opcode = IBV_WC_RECV, .src_qp = 6, .sl = 2,
		};
	atomic_store(&shm->head, 3);

	assert_int_equal(ibv_start_poll(cq, &poll), 0);
	assert_true(cq->wr_id == 0);
	assert_int_equal(ibv_wc_read_wc_flags(cq), IBV_WC_WITH_INV);
	assert_int_equal(ibv_wc_read_invalidated_rkey(cq), 77);
	assert_int_equal(ibv_wc_read_byte_len(cq), 10);
	assert_int_equal(ibv_wc_read_opcode(cq), IBV_WC_RECV);
	assert_int_equal(ibv_wc_read_qp_num(cq), 5);
	assert_int_equal(ibv_wc_read_src_qp(cq), 6);
	assert_int_equal(ibv_wc_read_sl(cq), 2);
	ibv_end_poll(cq);
	assert_int_equal(ibv_start_poll(cq, &poll), 0);
	assert_true(cq->wr_id == 1);
	assert_int_equal(ibv_next_poll(cq), 0);
	assert_true(cq->wr_id == 2);
	assert_int_equal(ibv_next_poll(cq), ENOENT);
	assert_int_equal(ibv_next_poll(cq), ENOENT);
	ibv_end_poll(cq);
	assert_int_equal(atomic_load(&shm->tail), 3);
	assert_int_equal(ibv_start_poll(cq, &poll), ENOENT);
	poll.comp_mask = 1;
	assert_int_equal(ibv_start_poll(cq, &poll), EINVAL);
	ops->destroy_cq(ibv_cq_ex_to_cq(cq));
}

static void query_tells_the_inline_size(void **state)
{
	struct ibv_cq *cq = cq_open(4);
	struct ibv_qp *qp = qp_open(cq, NULL);
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	(void)state;
	assert_int_equal(ops->query_qp(qp, &attr, IBV_QP_CAP, &init), 0);
	assert_int_equal(attr.cap.max_inline_data, 64);
	assert_int_equal(init.cap.max_inline_data, 64);
	ops->destroy_qp(qp);
	ops->destroy_cq(cq);
}

#define TEST(_name) cmocka_unit_test_setup_teardown(_name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_object_brings_its_ring),
		TEST(refusal_of_the_kernel_becomes_errno),
		TEST(unknown_wishes_are_refused),
		TEST(operations_that_the_device_lacks_are_refused),
		TEST(qp_without_segments_gets_one_for_inline_data),
		TEST(receives_need_a_queue_that_is_open),
		TEST(receives_in_error_are_flushed),
		TEST(reset_empties_the_receive_queue),
		TEST(resized_cq_uses_its_new_ring),
		TEST(srq_keeps_its_size),
		TEST(extended_poll_shows_each_completion_once),
		TEST(query_tells_the_inline_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
