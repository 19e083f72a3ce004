// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The provider on a real device: run in a host that has one, as
 *	provider_device_test DEVICE GID-INDEX [no-traffic]
 * Queue pairs talk to queue pairs of the same device by its own GID. Prints TAP;
 * exit status 1 when a test failed. no-traffic leaves out what needs the engine.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#define WAIT_MS		10000
#define BUF_LEN		(64u << 10)
#define N_WR		64u
#define QKEY		0x11111111u

static struct {
	struct ibv_context *ctx;
	struct ibv_device_attr attr;
	struct ibv_port_attr port;
	union ibv_gid gid;
	int gid_index;
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	char *buf;		/* upper half: the receiver's */
} dev;

static bool has_failed;		/* the test that runs now */

#define CHECK(_cond)								\
	do {									\
		if (!(_cond)) {							\
			printf("# %s:%d: %s (errno %d %s)\n", __func__,	__LINE__,\
			       #_cond, errno, strerror(errno));			\
			has_failed = true;					\
			goto out;						\
		}								\
	} while (0)

/* ---- a pair of queue pairs ---- */

struct pair {
	struct ibv_cq *scq, *rcq;
	struct ibv_srq *srq;
	struct ibv_qp *a, *b;	/* a sends, b receives */
	uint32_t max_inline;
};

static struct ibv_qp *qp_make(struct pair *p, enum ibv_qp_type type, bool is_ex)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = p->scq, .recv_cq = p->rcq, .srq = p->srq, .qp_type = type,
		.cap = { .max_send_wr = N_WR, .max_recv_wr = N_WR, .max_send_sge = 2,
			 .max_recv_sge = 2, .max_inline_data = 100 },
		.comp_mask = IBV_QP_INIT_ATTR_PD |
			     (is_ex ? IBV_QP_INIT_ATTR_SEND_OPS_FLAGS : 0),
		.pd = dev.pd,
		.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM |
				  IBV_QP_EX_WITH_RDMA_READ,
	};
	struct ibv_qp *qp = ibv_create_qp_ex(dev.ctx, &attr);

	if (qp && attr.cap.max_inline_data < 100)
		return NULL;
	p->max_inline = attr.cap.max_inline_data;
	return qp;
}

static int qp_init(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qkey = QKEY,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			     (qp->qp_type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS));
}

static int qp_rts(struct ibv_qp *qp, uint32_t peer)
{
	bool is_ud = qp->qp_type == IBV_QPT_UD;
	struct ibv_qp_attr rtr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = dev.port.active_mtu,
		.dest_qp_num = peer,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = 1,
			.grh = { .dgid = dev.gid, .sgid_index = (uint8_t)dev.gid_index,
				 .hop_limit = 64 },
		},
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 7, .rnr_retry = 7,
		.max_rd_atomic = 1,
	};
	int err;

	err = ibv_modify_qp(qp, &rtr, is_ud ? IBV_QP_STATE :
			    IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			    IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			    IBV_QP_MIN_RNR_TIMER);
	if (err)
		return err;
	return ibv_modify_qp(qp, &rts, IBV_QP_STATE | IBV_QP_SQ_PSN | (is_ud ? 0 :
			     IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			     IBV_QP_MAX_QP_RD_ATOMIC));
}

static int qp_set(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE);
}

static void pair_close(struct pair *p)
{
	if (p->a && ibv_destroy_qp(p->a))
		has_failed = true;
	if (p->b && ibv_destroy_qp(p->b))
		has_failed = true;
	if (p->srq && ibv_destroy_srq(p->srq))
		has_failed = true;
	if (p->scq && ibv_destroy_cq(p->scq))
		has_failed = true;
	if (p->rcq && ibv_destroy_cq(p->rcq))
		has_failed = true;
}

static bool pair_open(struct pair *p, enum ibv_qp_type type, bool is_ex, bool has_srq)
{
	struct ibv_srq_init_attr srq_attr = { .attr = { .max_wr = N_WR, .max_sge = 2 } };

	memset(p, 0, sizeof(*p));
	CHECK(p->scq = ibv_create_cq(dev.ctx, 2 * N_WR, NULL, NULL, 0));
	CHECK(p->rcq = ibv_create_cq(dev.ctx, 2 * N_WR, NULL, NULL, 0));
	if (has_srq)
		CHECK(p->srq = ibv_create_srq(dev.pd, &srq_attr));
	CHECK(p->a = qp_make(p, type, is_ex));
	CHECK(p->b = qp_make(p, type, is_ex));
	CHECK(!qp_init(p->a) && !qp_init(p->b));
	CHECK(!qp_rts(p->a, p->b->qp_num) && !qp_rts(p->b, p->a->qp_num));
	return true;
out:
	return false;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Exactly @n completions in time, or fewer; their number. */
static int cq_wait(struct ibv_cq *cq, struct ibv_wc *wc, int n)
{
	uint64_t end = now_ms() + WAIT_MS;
	int got = 0, err;

	while (got < n && now_ms() < end) {
		err = ibv_poll_cq(cq, n - got, wc + got);
		if (err < 0)
			break;
		got += err;
		if (!err)
			sched_yield();
	}
	return got;
}

/* Like cq_wait; says what came instead when it is not all. */
static bool cq_all(struct ibv_cq *cq, struct ibv_wc *wc, int n)
{
	int got = cq_wait(cq, wc, n);

	if (got == n)
		return true;
	printf("# %d of %d completions", got, n);
	if (got)
		printf(", the last: wr_id %llu, %s", (unsigned long long)wc[got - 1].wr_id,
		       ibv_wc_status_str(wc[got - 1].status));
	printf("\n");
	return false;
}

static int recv_post(struct pair *p, uint64_t wr_id, uint32_t len)
{
	struct ibv_sge sge = { (uintptr_t)dev.buf + BUF_LEN / 2, len, dev.mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = wr_id, .sg_list = &sge, .num_sge = 1 }, *bad;

	return p->srq ? ibv_post_srq_recv(p->srq, &wr, &bad) : ibv_post_recv(p->b, &wr, &bad);
}

/* ---- without traffic ---- */

static void device_tells_its_limits(void)
{
	struct ibv_device_attr_ex ex;

	CHECK(!ibv_query_device_ex(dev.ctx, NULL, &ex));
	CHECK(ex.orig_attr.max_qp > 0 && ex.orig_attr.max_cqe > 0 && ex.orig_attr.max_sge > 0);
	CHECK(ex.orig_attr.max_srq > 0 && ex.orig_attr.phys_port_cnt == 1);
	CHECK(dev.port.link_layer == IBV_LINK_LAYER_ETHERNET);
	CHECK(dev.port.state == IBV_PORT_ACTIVE);
out:;
}

static void wrong_sizes_are_refused(void)
{
	struct ibv_srq_init_attr srq = { .attr = { .max_wr = 0, .max_sge = 1 } };
	struct ibv_qp_init_attr qp = { .qp_type = IBV_QPT_RC };
	struct ibv_cq *cq = NULL;

	CHECK(!ibv_create_cq(dev.ctx, 0, NULL, NULL, 0));
	CHECK(!ibv_create_cq(dev.ctx, dev.attr.max_cqe + 1, NULL, NULL, 0) && errno == EINVAL);
	CHECK(!ibv_create_srq(dev.pd, &srq));
	srq.attr.max_wr = (uint32_t)dev.attr.max_srq_wr + 1;
	CHECK(!ibv_create_srq(dev.pd, &srq));
	CHECK(cq = ibv_create_cq(dev.ctx, 1, NULL, NULL, 0));
	qp.send_cq = qp.recv_cq = cq;
	qp.cap.max_send_wr = (uint32_t)dev.attr.max_qp_wr + 1;
	CHECK(!ibv_create_qp(dev.pd, &qp));
	qp.cap.max_send_wr = 1;
	qp.cap.max_send_sge = (uint32_t)dev.attr.max_sge + 1;
	CHECK(!ibv_create_qp(dev.pd, &qp));
	qp.cap.max_send_sge = 1;
	qp.cap.max_inline_data = 1 << 20;
	CHECK(!ibv_create_qp(dev.pd, &qp) && errno == EINVAL);
	CHECK(!ibv_reg_mr(dev.pd, dev.buf, BUF_LEN, 1 << 18));
	CHECK(!ibv_reg_mr(dev.pd, dev.buf, BUF_LEN, IBV_ACCESS_REMOTE_WRITE));
out:
	if (cq && ibv_destroy_cq(cq))
		has_failed = true;
}

static void rings_cannot_be_mapped_by_guessing(void)
{
	off_t offset;
	void *p;

	for (offset = 0; offset < 4096; offset++) {
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, dev.ctx->cmd_fd,
			 offset * 4096);
		CHECK(p == MAP_FAILED);
	}
out:;
}

static void receives_follow_the_state(void)
{
	struct ibv_cq *cq = NULL;
	struct ibv_qp *qp = NULL;
	struct ibv_recv_wr wr = {}, *bad;
	struct ibv_wc wc[8];
	struct pair p = {};
	int i;

	CHECK(cq = ibv_create_cq(dev.ctx, 8, NULL, NULL, 0));
	p.scq = p.rcq = cq;
	CHECK(qp = qp_make(&p, IBV_QPT_RC, false));
	CHECK(ibv_post_recv(qp, &wr, &bad) == EINVAL && bad == &wr);
	CHECK(!qp_init(qp));
	for (i = 0; i < 3; i++) {
		wr.wr_id = (uint64_t)i;
		CHECK(!ibv_post_recv(qp, &wr, &bad));
	}
	CHECK(!qp_set(qp, IBV_QPS_ERR));
	wr.wr_id = 3;
	CHECK(!ibv_post_recv(qp, &wr, &bad));
	CHECK(cq_all(cq, wc, 4));
	for (i = 0; i < 4; i++)
		CHECK(wc[i].wr_id == (uint64_t)i && wc[i].status == IBV_WC_WR_FLUSH_ERR &&
		      wc[i].qp_num == qp->qp_num);
	CHECK(ibv_poll_cq(cq, 1, wc) == 0);
out:
	if (qp && ibv_destroy_qp(qp))
		has_failed = true;
	if (cq && ibv_destroy_cq(cq))
		has_failed = true;
}

/* Completions made without an engine: flushed receives. */
static bool flush_some(struct ibv_cq *cq, struct ibv_qp **out, unsigned int n)
{
	struct ibv_recv_wr wr = {}, *bad;
	struct pair p = { .scq = cq, .rcq = cq };
	struct ibv_qp *qp = NULL;

	CHECK(qp = qp_make(&p, IBV_QPT_RC, false));
	CHECK(!qp_init(qp));
	for (; wr.wr_id < n; wr.wr_id++)
		CHECK(!ibv_post_recv(qp, &wr, &bad));
	CHECK(!qp_set(qp, IBV_QPS_ERR));
out:
	*out = qp;
	return !has_failed;
}

static void resize_keeps_what_was_not_polled(void)
{
	struct ibv_cq *cq = NULL;
	struct ibv_qp *qp = NULL;
	struct ibv_wc wc[N_WR];
	unsigned int i;

	CHECK(cq = ibv_create_cq(dev.ctx, 50, NULL, NULL, 0));
	CHECK(flush_some(cq, &qp, 40));
	CHECK(cq_all(cq, wc, 7));
	CHECK(ibv_resize_cq(cq, 20) == EINVAL);	/* 33 are waiting */
	CHECK(!ibv_resize_cq(cq, 200) && cq->cqe == 200);
	CHECK(cq_all(cq, wc + 7, 20));
	CHECK(!ibv_resize_cq(cq, 13));
	CHECK(cq_all(cq, wc + 27, 13));
	for (i = 0; i < 40; i++)
		CHECK(wc[i].wr_id == i);
	CHECK(ibv_poll_cq(cq, 1, wc) == 0);
	CHECK(ibv_resize_cq(cq, dev.attr.max_cqe + 1) == EINVAL);
out:
	if (qp && ibv_destroy_qp(qp))
		has_failed = true;
	if (cq && ibv_destroy_cq(cq))
		has_failed = true;
}

static void extended_poll_reads_the_same(void)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 50, .wc_flags = IBV_WC_STANDARD_FLAGS };
	struct ibv_poll_cq_attr poll_attr = {};
	struct ibv_cq_ex *cq = NULL;
	struct ibv_qp *qp = NULL;
	uint64_t id = 0;

	CHECK(cq = ibv_create_cq_ex(dev.ctx, &attr));
	CHECK(ibv_start_poll(cq, &poll_attr) == ENOENT);
	CHECK(flush_some(ibv_cq_ex_to_cq(cq), &qp, 30));
	CHECK(!ibv_start_poll(cq, &poll_attr));
	do {
		CHECK(cq->wr_id == id++ && cq->status == IBV_WC_WR_FLUSH_ERR);
		CHECK(ibv_wc_read_qp_num(cq) == qp->qp_num);
	} while (!ibv_next_poll(cq));
	ibv_end_poll(cq);
	CHECK(id == 30);
	CHECK(ibv_start_poll(cq, &poll_attr) == ENOENT);
out:
	if (qp && ibv_destroy_qp(qp))
		has_failed = true;
	if (cq && ibv_destroy_cq(ibv_cq_ex_to_cq(cq)))
		has_failed = true;
}

static void event_comes_when_asked_for(void)
{
	struct ibv_comp_channel *channel = NULL;
	struct pollfd pfd = { .events = POLLIN };
	struct ibv_cq *cq = NULL, *event_cq;
	struct ibv_qp *qp = NULL;
	void *context;

	CHECK(channel = ibv_create_comp_channel(dev.ctx));
	pfd.fd = channel->fd;
	CHECK(cq = ibv_create_cq(dev.ctx, 50, &pfd, channel, 0));
	CHECK(poll(&pfd, 1, 0) == 0);
	CHECK(!ibv_req_notify_cq(cq, 0));
	CHECK(flush_some(cq, &qp, 1));
	CHECK(poll(&pfd, 1, WAIT_MS) == 1);
	CHECK(!ibv_get_cq_event(channel, &event_cq, &context));
	CHECK(event_cq == cq && context == &pfd);
	ibv_ack_cq_events(cq, 1);
out:
	if (qp && ibv_destroy_qp(qp))
		has_failed = true;
	if (cq && ibv_destroy_cq(cq))
		has_failed = true;
	if (channel && ibv_destroy_comp_channel(channel))
		has_failed = true;
}

static void shared_receive_queue_fills_and_tells(void)
{
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 10, .max_sge = 2 } };
	struct ibv_srq_attr attr = { .srq_limit = 5 };
	struct ibv_recv_wr wr = {}, *bad;
	struct ibv_srq *srq = NULL;
	uint32_t i;

	CHECK(srq = ibv_create_srq(dev.pd, &init));
	CHECK(init.attr.max_wr >= 10 && init.attr.max_sge >= 2);
	for (i = 0; i < init.attr.max_wr; i++)
		CHECK(!ibv_post_srq_recv(srq, &wr, &bad));
	CHECK(ibv_post_srq_recv(srq, &wr, &bad) == ENOMEM && bad == &wr);
	wr.num_sge = (int)init.attr.max_sge + 1;
	CHECK(ibv_post_srq_recv(srq, &wr, &bad) == EINVAL);
	CHECK(!ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT));
	CHECK(!ibv_query_srq(srq, &attr));
	CHECK(attr.srq_limit == 5 && attr.max_wr == init.attr.max_wr);
	attr.srq_limit = 1000;
	CHECK(ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT) == EINVAL);
	CHECK(ibv_modify_srq(srq, &attr, 1 << 5) == EINVAL);
out:
	if (srq && ibv_destroy_srq(srq))
		has_failed = true;
}

static void address_handles_come_and_go(void)
{
	struct ibv_ah_attr attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = dev.gid, .sgid_index = (uint8_t)dev.gid_index,
			 .hop_limit = 64 },
	};
	struct ibv_ah *ah[32] = {};
	unsigned int i;

	for (i = 0; i < 32; i++)
		CHECK(ah[i] = ibv_create_ah(dev.pd, &attr));
	attr.port_num = 7;
	CHECK(!ibv_create_ah(dev.pd, &attr));
out:
	for (i = 0; i < 32; i++)
		if (ah[i] && ibv_destroy_ah(ah[i]))
			has_failed = true;
}

static void malformed_sends_are_refused(void)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND, .num_sge = 3 }, *bad;
	struct pair p;

	if (!pair_open(&p, IBV_QPT_RC, false, false))
		goto out;
	CHECK(ibv_post_send(p.a, &wr, &bad) == EINVAL && bad == &wr);
	wr.num_sge = 0;
	wr.send_flags = 1u << 29;
	CHECK(ibv_post_send(p.a, &wr, &bad) == EINVAL);
	wr.send_flags = 0;
	wr.opcode = 200;
	CHECK(ibv_post_send(p.a, &wr, &bad) == EINVAL && bad == &wr);
	wr.opcode = IBV_WR_LOCAL_INV;
	CHECK(ibv_post_send(p.a, &wr, &bad) == EINVAL);
out:
	pair_close(&p);
}

/* ---- with traffic ---- */

static void message_arrives(enum ibv_qp_type type, bool is_inline, bool has_srq, uint32_t len)
{
	char *src = dev.buf, *dst = dev.buf + BUF_LEN / 2;
	struct ibv_sge sge = { (uintptr_t)src, len, is_inline ? 0xdeadbeef : dev.mr->lkey };
	struct ibv_send_wr wr = {
		.wr_id = 77, .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND_WITH_IMM,
		.send_flags = IBV_SEND_SIGNALED | (is_inline ? IBV_SEND_INLINE : 0),
		.imm_data = 0x12345678,
	}, *bad;
	uint32_t grh = type == IBV_QPT_UD ? 40 : 0, i;
	struct ibv_ah_attr ah_attr = {
		.is_global = 1, .port_num = 1,
		.grh = { .dgid = dev.gid, .sgid_index = (uint8_t)dev.gid_index,
			 .hop_limit = 64 },
	};
	struct ibv_ah *ah = NULL;
	struct ibv_wc wc;
	struct pair p;

	if (!pair_open(&p, type, false, has_srq))
		goto out;
	if (grh) {
		CHECK(ah = ibv_create_ah(dev.pd, &ah_attr));
		wr.wr.ud.ah = ah;
		wr.wr.ud.remote_qpn = p.b->qp_num;
		wr.wr.ud.remote_qkey = QKEY;
	}
	for (i = 0; i < len; i++)
		src[i] = (char)(i * 7 + 3);
	memset(dst, 0, BUF_LEN / 2);
	CHECK(!recv_post(&p, 88, BUF_LEN / 2));
	CHECK(!ibv_post_send(p.a, &wr, &bad));
	if (is_inline)
		memset(src, 0, len);
	CHECK(cq_all(p.scq, &wc, 1));
	CHECK(wc.wr_id == 77 && wc.status == IBV_WC_SUCCESS && wc.opcode == IBV_WC_SEND);
	CHECK(cq_all(p.rcq, &wc, 1));
	CHECK(wc.wr_id == 88 && wc.status == IBV_WC_SUCCESS && wc.opcode == IBV_WC_RECV);
	CHECK(wc.byte_len == len + grh && wc.qp_num == p.b->qp_num);
	CHECK(wc.wc_flags & IBV_WC_WITH_IMM && wc.imm_data == 0x12345678);
	CHECK(!(wc.wc_flags & IBV_WC_WITH_INV));
	if (grh)
		CHECK(wc.wc_flags & IBV_WC_GRH && wc.src_qp == p.a->qp_num);
	for (i = 0; i < len; i++)
		CHECK(dst[grh + i] == (char)(i * 7 + 3));
out:
	if (ah && ibv_destroy_ah(ah))
		has_failed = true;
	pair_close(&p);
}

static void rc_message_arrives(void)
{
	message_arrives(IBV_QPT_RC, false, false, 20000);
}

static void rc_inline_message_arrives(void)
{
	message_arrives(IBV_QPT_RC, true, false, 100);
}

static void rc_message_arrives_by_srq(void)
{
	message_arrives(IBV_QPT_RC, false, true, 20000);
}

static void ud_message_arrives(void)
{
	message_arrives(IBV_QPT_UD, false, false, 200);
}

static void ud_inline_message_arrives(void)
{
	message_arrives(IBV_QPT_UD, true, false, 100);
}

static void long_chains_of_inline_data_arrive_in_order(void)
{
	char data[N_WR][64], *dst = dev.buf + BUF_LEN / 2;
	struct ibv_send_wr wr[N_WR], *bad;
	struct ibv_sge sge[N_WR];
	struct ibv_wc wc[N_WR];
	unsigned int i, round;
	struct pair p;

	if (!pair_open(&p, IBV_QPT_RC, false, false))
		goto out;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < N_WR; i++) {
			struct ibv_sge to = { (uintptr_t)dst + i * 64, 64, dev.mr->lkey };
			struct ibv_recv_wr recv = { .wr_id = i, .sg_list = &to, .num_sge = 1 };
			struct ibv_recv_wr *bad_recv;

			CHECK(!ibv_post_recv(p.b, &recv, &bad_recv));
			memset(data[i], (int)(i + round), 64);
			sge[i] = (struct ibv_sge){ (uintptr_t)data[i], 64, 0 };
			wr[i] = (struct ibv_send_wr){
				.wr_id = i, .next = i + 1 < N_WR ? &wr[i + 1] : NULL,
				.sg_list = &sge[i], .num_sge = 1, .opcode = IBV_WR_SEND,
				.send_flags = IBV_SEND_SIGNALED | IBV_SEND_INLINE,
			};
		}
		CHECK(!ibv_post_send(p.a, wr, &bad));
		memset(data, 0xee, sizeof(data));
		CHECK(cq_all(p.rcq, wc, N_WR));
		for (i = 0; i < N_WR; i++) {
			CHECK(wc[i].wr_id == i && wc[i].status == IBV_WC_SUCCESS);
			CHECK(dst[i * 64] == (char)(i + round) &&
			      dst[i * 64 + 63] == (char)(i + round));
		}
		CHECK(cq_all(p.scq, wc, N_WR));
	}
out:
	pair_close(&p);
}

static void built_requests_do_their_work(void)
{
	char *src = dev.buf, *dst = dev.buf + BUF_LEN / 2;
	struct ibv_qp_ex *ex;
	struct ibv_wc wc[3];
	struct pair p;

	if (!pair_open(&p, IBV_QPT_RC, true, false))
		goto out;
	CHECK(ex = ibv_qp_to_qp_ex(p.a));
	CHECK(!recv_post(&p, 1, 0) && !recv_post(&p, 2, 4096));
	strcpy(src, "written");
	memset(dst, 0, 8192);
	strcpy(dst + 8192, "read");
	ibv_wr_start(ex);
	ex->wr_id = 10;
	ex->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_rdma_write_imm(ex, dev.mr->rkey, (uintptr_t)dst + 4096, 5);
	ibv_wr_set_sge(ex, dev.mr->lkey, (uintptr_t)src, 8);
	ex->wr_id = 11;
	ibv_wr_send(ex);
	ibv_wr_set_inline_data(ex, (char[]){ "inline" }, 7);
	ex->wr_id = 12;
	ibv_wr_rdma_read(ex, dev.mr->rkey, (uintptr_t)dst + 8192);
	ibv_wr_set_sge(ex, dev.mr->lkey, (uintptr_t)src + 100, 5);
	CHECK(!ibv_wr_complete(ex));
	CHECK(cq_all(p.scq, wc, 3));
	CHECK(!wc[0].status && !wc[1].status && !wc[2].status);
	CHECK(wc[0].opcode == IBV_WC_RDMA_WRITE && wc[1].opcode == IBV_WC_SEND &&
	      wc[2].opcode == IBV_WC_RDMA_READ);
	CHECK(cq_all(p.rcq, wc, 2));
	CHECK(wc[0].opcode == IBV_WC_RECV_RDMA_WITH_IMM && wc[0].imm_data == 5);
	CHECK(!strcmp(dst + 4096, "written") && !strcmp(dst, "inline") &&
	      !strcmp(src + 100, "read"));
out:
	pair_close(&p);
}

static void full_send_queue_refuses(void)
{
	struct ibv_sge sge = { (uintptr_t)dev.buf, 8, dev.mr->lkey };
	struct ibv_send_wr wr[N_WR + 40], *bad = NULL;
	struct ibv_wc wc[N_WR];
	unsigned int i;
	struct pair p;

	/* The receiver has no buffer: nothing completes before the queue is full. */
	if (!pair_open(&p, IBV_QPT_RC, false, false))
		goto out;
	for (i = 0; i < N_WR + 40; i++)
		wr[i] = (struct ibv_send_wr){
			.wr_id = i, .next = i + 1 < N_WR + 40 ? &wr[i + 1] : NULL,
			.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
			.send_flags = IBV_SEND_SIGNALED,
		};
	CHECK(ibv_post_send(p.a, wr, &bad) == ENOMEM);
	CHECK(bad == &wr[N_WR]);
	for (i = 0; i < N_WR; i++)
		CHECK(!recv_post(&p, i, 8));
	CHECK(cq_all(p.scq, wc, N_WR));
	for (i = 0; i < N_WR; i++)
		CHECK(wc[i].wr_id == i && !wc[i].status);
out:
	pair_close(&p);
}

/* A reset forgets posted receives, also those that the kernel has counted already. */
static void reset_forgets_posted_receives(void)
{
	struct ibv_sge sge = { (uintptr_t)dev.buf, 8, dev.mr->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	}, *bad;
	struct ibv_wc wc;
	unsigned int i;
	struct pair p;

	if (!pair_open(&p, IBV_QPT_RC, false, false))
		goto out;
	for (i = 0; i < N_WR; i++)
		CHECK(!recv_post(&p, 1000 + i, 8));
	CHECK(!ibv_post_send(p.a, &wr, &bad));
	CHECK(cq_all(p.scq, &wc, 1) && !wc.status);
	CHECK(cq_all(p.rcq, &wc, 1) && wc.wr_id == 1000);

	CHECK(!qp_set(p.a, IBV_QPS_RESET) && !qp_set(p.b, IBV_QPS_RESET));
	CHECK(!qp_init(p.a) && !qp_init(p.b));
	CHECK(!qp_rts(p.a, p.b->qp_num) && !qp_rts(p.b, p.a->qp_num));
	CHECK(!recv_post(&p, 2000, 8));
	CHECK(!ibv_post_send(p.a, &wr, &bad));
	CHECK(cq_all(p.scq, &wc, 1) && !wc.status);
	CHECK(cq_all(p.rcq, &wc, 1));
	CHECK(wc.wr_id == 2000);
out:
	pair_close(&p);
}

struct worker {
	struct pair *pair;
	unsigned int failed;
};

#define WORKER_SENDS	500u

static void *worker_send(void *arg)
{
	struct worker *w = arg;
	uint64_t end = now_ms() + 6 * WAIT_MS;
	uint32_t value;
	unsigned int i;

	for (i = 0; i < WORKER_SENDS && now_ms() < end; ) {
		struct ibv_sge sge = { (uintptr_t)&value, sizeof(value), 0 };
		struct ibv_send_wr wr = {
			.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
			.send_flags = IBV_SEND_SIGNALED | IBV_SEND_INLINE,
		}, *bad;
		struct ibv_wc wc;
		int n;

		value = 0xabcd0000 + i;
		n = ibv_post_send(w->pair->a, &wr, &bad);
		if (!n)
			i++;
		else if (n != ENOMEM)
			w->failed++;
		value = 0;
		n = ibv_poll_cq(w->pair->scq, 1, &wc);
		if (n < 0 || (n == 1 && wc.status))
			w->failed++;
		if (n < 0 || w->failed)
			break;
		if (!n)
			sched_yield();
	}
	return NULL;
}

static void threads_share_a_queue_pair(void)
{
	uint32_t *dst = (uint32_t *)(dev.buf + BUF_LEN / 2);
	struct worker w[2] = {};
	unsigned int got = 0, posted, i;
	struct ibv_wc wc[16];
	uint64_t end = now_ms() + 6 * WAIT_MS;
	pthread_t thread[2];
	struct pair p;
	int n;

	if (!pair_open(&p, IBV_QPT_RC, false, false))
		goto out;
	for (posted = 0; posted < N_WR; posted++)
		CHECK(!recv_post(&p, 0, 4));
	for (i = 0; i < 2; i++) {
		w[i].pair = &p;
		CHECK(!pthread_create(&thread[i], NULL, worker_send, &w[i]));
	}
	while (got < 2 * WORKER_SENDS && now_ms() < end) {
		n = ibv_poll_cq(p.rcq, 16, wc);
		if (n < 0)
			break;
		if (!n)
			sched_yield();
		for (i = 0; i < (unsigned int)n; i++) {
			/* all use one buffer, but none may bring a value never sent */
			if (wc[i].status || *dst >> 16 != 0xabcd)
				w[0].failed++;
			if (recv_post(&p, 0, 4))
				w[0].failed++;
		}
		got += (unsigned int)n;
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK(got == 2 * WORKER_SENDS);
	CHECK(!w[0].failed && !w[1].failed);
out:
	pair_close(&p);
}

/* ---- main ---- */

static const struct test {
	const char *name;
	void (*run)(void);
	bool needs_traffic;
} tests[] = {
#define TEST(_name, _traffic)	{ #_name, _name, _traffic }
	TEST(device_tells_its_limits, false),
	TEST(wrong_sizes_are_refused, false),
	TEST(rings_cannot_be_mapped_by_guessing, false),
	TEST(receives_follow_the_state, false),
	TEST(resize_keeps_what_was_not_polled, false),
	TEST(extended_poll_reads_the_same, false),
	TEST(event_comes_when_asked_for, false),
	TEST(shared_receive_queue_fills_and_tells, false),
	TEST(address_handles_come_and_go, false),
	TEST(malformed_sends_are_refused, false),
	TEST(rc_message_arrives, true),
	TEST(rc_inline_message_arrives, true),
	TEST(rc_message_arrives_by_srq, true),
	TEST(ud_message_arrives, true),
	TEST(ud_inline_message_arrives, true),
	TEST(long_chains_of_inline_data_arrive_in_order, true),
	TEST(built_requests_do_their_work, true),
	TEST(full_send_queue_refuses, true),
	TEST(reset_forgets_posted_receives, true),
	TEST(threads_share_a_queue_pair, true),
};

static bool device_open(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	int i;

	for (i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			dev.ctx = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	CHECK(dev.ctx);
	CHECK(!ibv_query_device(dev.ctx, &dev.attr));
	CHECK(!ibv_query_port(dev.ctx, 1, &dev.port));
	CHECK(!ibv_query_gid(dev.ctx, 1, dev.gid_index, &dev.gid));
	CHECK(dev.pd = ibv_alloc_pd(dev.ctx));
	CHECK(!posix_memalign((void **)&dev.buf, 4096, BUF_LEN));
	CHECK(dev.mr = ibv_reg_mr(dev.pd, dev.buf, BUF_LEN, IBV_ACCESS_LOCAL_WRITE |
				  IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE));
	return true;
out:
	return false;
}

int main(int argc, char **argv)
{
	unsigned int i, n = sizeof(tests) / sizeof(*tests), failed = 0;
	bool has_traffic = argc < 4;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "no-traffic"))) {
		fprintf(stderr, "usage: %s DEVICE GID-INDEX [no-traffic]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	dev.gid_index = atoi(argv[2]);
	if (!device_open(argv[1]))
		return 1;
	printf("1..%u\n", n);
	for (i = 0; i < n; i++) {
		if (tests[i].needs_traffic && !has_traffic) {
			printf("ok %u - %s # SKIP no traffic\n", i + 1, tests[i].name);
			continue;
		}
		has_failed = false;
		tests[i].run();
		printf("%sok %u - %s\n", has_failed ? "not " : "", i + 1, tests[i].name);
		failed += has_failed;
	}
	if (ibv_dereg_mr(dev.mr) || ibv_dealloc_pd(dev.pd) || ibv_close_device(dev.ctx)) {
		printf("# something is left over: errno %d\n", errno);
		failed++;
	}
	free(dev.buf);
	return failed ? 1 : 0;
}
