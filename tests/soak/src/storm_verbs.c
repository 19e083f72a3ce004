// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * storm_verbs - threads that share a device's objects and agree about nothing.
 *
 *	storm_verbs -d DEV -g GID_INDEX -s SECONDS -r SEED [-t THREADS]
 *
 * Each thread does one thing after the other, chosen by the seed: makes, changes, uses and destroys
 * objects through uverbs' own commands, by handles that the others may just be destroying, with rings
 * whose memory the others unmap and scribble on. Beside them, queue pairs that behave send to
 * themselves. Prints "calls N refused N" at its end. It must end; what it gets is its own affair.
 *
 * The same seed makes each thread ask for the same things in the same order; how the threads meet is
 * the scheduler's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "device.h"

#define N_HANDLES 48		/* uverbs counts them from 0 on: any small number is somebody's */
#define PAGE 4096ul
#define ARENA (256 * PAGE)	/* rings and buffers */
#define DRIVER_ID 0x49524f43	/* uapi/iroce-abi.h */

static const char *dev_name;
static unsigned int gid_index;
static struct ibv_context *ctx;
static uint8_t *arena;
static volatile bool is_over;
static uint64_t calls, refused;

struct thread {
	pthread_t id;
	uint64_t rng;
};

static uint64_t next(struct thread *t)
{
	t->rng ^= t->rng << 13;
	t->rng ^= t->rng >> 7;
	return t->rng ^= t->rng << 17;
}

static uint64_t below(struct thread *t, uint64_t n)
{
	return (next(t) >> 11) % n;
}

static void count(bool was_refused)
{
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&refused, was_refused, __ATOMIC_RELAXED);
}

/* ---- uverbs' commands ---------------------------------------------------- */

/* Header, the command itself, and, of iroce's, where the ring is. */
#define COMMAND(type, resp_type, number, ...)						\
	struct resp_type resp = {};							\
	struct {									\
		struct ib_uverbs_cmd_hdr hdr;						\
		struct type core;							\
		uint64_t addr, len;							\
	} __attribute__((packed)) cmd = {						\
		.hdr = { number, sizeof(cmd) / 4, sizeof(resp) / 4 },			\
		.core = { .response = (uintptr_t)&resp, __VA_ARGS__ },			\
	}

/* One that the kernel answers nothing to. */
#define SILENT_COMMAND(type, number, ...)						\
	struct {									\
		struct ib_uverbs_cmd_hdr hdr;						\
		struct type core;							\
	} cmd = {									\
		.hdr = { number, sizeof(cmd) / 4, 0 },					\
		.core = { __VA_ARGS__ },						\
	}

#define SEND(command) count(write(ctx->cmd_fd, &(command), sizeof(command)) < 0)

static uint32_t handle(struct thread *t)
{
	return below(t, N_HANDLES);
}

static uint64_t ring_at(struct thread *t)
{
	switch (below(t, 16)) {
	case 0:
		return next(t);
	case 1:
		return 0xffff888000000000 + below(t, 1 << 20) * PAGE;
	default:
		return (uintptr_t)arena + below(t, 192) * PAGE;
	}
}

static uint64_t ring_len(struct thread *t)
{
	return below(t, 16) ? (1 + below(t, 64)) * PAGE : next(t);
}

static uint32_t size(struct thread *t)
{
	return below(t, 12) ? 1 + below(t, 64) : next(t);
}

static void do_alloc_pd(struct thread *t)
{
	COMMAND(ib_uverbs_alloc_pd, ib_uverbs_alloc_pd_resp, IB_USER_VERBS_CMD_ALLOC_PD);

	(void)t;
	SEND(cmd);
}

static void do_dealloc_pd(struct thread *t)
{
	SILENT_COMMAND(ib_uverbs_dealloc_pd, IB_USER_VERBS_CMD_DEALLOC_PD,
		       .pd_handle = handle(t));

	SEND(cmd);
}

static void do_reg_mr(struct thread *t)
{
	uint64_t at = (uintptr_t)arena + below(t, ARENA), iova = below(t, 4) ? at : next(t);
	COMMAND(ib_uverbs_reg_mr, ib_uverbs_reg_mr_resp, IB_USER_VERBS_CMD_REG_MR,
		.start = at, .hca_va = iova, .pd_handle = handle(t),
		.length = below(t, 16) ? below(t, 1 << 18) : next(t),
		.access_flags = below(t, 8) ? 7 : next(t));

	SEND(cmd);
}

static void do_rereg_mr(struct thread *t)
{
	uint64_t at = (uintptr_t)arena + below(t, ARENA);
	COMMAND(ib_uverbs_rereg_mr, ib_uverbs_rereg_mr_resp, IB_USER_VERBS_CMD_REREG_MR,
		.mr_handle = handle(t), .flags = below(t, 8), .start = at, .hca_va = at,
		.length = below(t, 1 << 18), .pd_handle = handle(t), .access_flags = below(t, 16));

	SEND(cmd);
}

static void do_dereg_mr(struct thread *t)
{
	SILENT_COMMAND(ib_uverbs_dereg_mr, IB_USER_VERBS_CMD_DEREG_MR,
		       .mr_handle = handle(t));

	SEND(cmd);
}

static void do_create_cq(struct thread *t)
{
	COMMAND(ib_uverbs_create_cq, ib_uverbs_create_cq_resp, IB_USER_VERBS_CMD_CREATE_CQ,
		.cqe = size(t), .comp_channel = -1, .comp_vector = below(t, 8) ? 0 : next(t));

	cmd.addr = ring_at(t);
	cmd.len = ring_len(t);
	SEND(cmd);
}

static void do_resize_cq(struct thread *t)
{
	COMMAND(ib_uverbs_resize_cq, ib_uverbs_resize_cq_resp, IB_USER_VERBS_CMD_RESIZE_CQ,
		.cq_handle = handle(t), .cqe = size(t));

	cmd.addr = ring_at(t);
	cmd.len = ring_len(t);
	SEND(cmd);
}

static void do_req_notify(struct thread *t)
{
	SILENT_COMMAND(ib_uverbs_req_notify_cq, IB_USER_VERBS_CMD_REQ_NOTIFY_CQ,
		       .cq_handle = handle(t), .solicited_only = below(t, 3));

	SEND(cmd);
}

/* uverbs knows which object a handle is of: the commands that destroy differ in number alone. */
static void destroy(struct thread *t, uint32_t number)
{
	struct ib_uverbs_destroy_qp_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_destroy_qp core;
	} cmd = {
		.hdr = { number, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp, .qp_handle = handle(t) },
	};

	SEND(cmd);
}

static void do_destroy_cq(struct thread *t)
{
	destroy(t, IB_USER_VERBS_CMD_DESTROY_CQ);
}

static void do_destroy_qp(struct thread *t)
{
	destroy(t, IB_USER_VERBS_CMD_DESTROY_QP);
}

static void do_destroy_srq(struct thread *t)
{
	destroy(t, IB_USER_VERBS_CMD_DESTROY_SRQ);
}

static void do_create_srq(struct thread *t)
{
	COMMAND(ib_uverbs_create_srq, ib_uverbs_create_srq_resp, IB_USER_VERBS_CMD_CREATE_SRQ,
		.pd_handle = handle(t), .max_wr = size(t), .max_sge = below(t, 20),
		.srq_limit = below(t, 8));

	cmd.addr = ring_at(t);
	cmd.len = ring_len(t);
	SEND(cmd);
}

static void do_modify_srq(struct thread *t)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_modify_srq core;
		uint64_t addr, len;
	} __attribute__((packed)) cmd = {
		.hdr = { IB_USER_VERBS_CMD_MODIFY_SRQ, sizeof(cmd) / 4, 0 },
		.core = { .srq_handle = handle(t), .attr_mask = below(t, 4), .max_wr = size(t),
			  .srq_limit = size(t) },
	};

	SEND(cmd);
}

static void do_create_qp(struct thread *t)
{
	COMMAND(ib_uverbs_create_qp, ib_uverbs_create_qp_resp, IB_USER_VERBS_CMD_CREATE_QP,
		.pd_handle = handle(t), .send_cq_handle = handle(t), .recv_cq_handle = handle(t),
		.srq_handle = handle(t), .max_send_wr = size(t), .max_recv_wr = size(t),
		.max_send_sge = below(t, 12), .max_recv_sge = below(t, 12),
		.max_inline_data = below(t, 4) ? 0 : size(t), .sq_sig_all = below(t, 2),
		.qp_type = below(t, 4) ? IB_UVERBS_QPT_RC + 2 * below(t, 2) : below(t, 16),
		.is_srq = below(t, 2));

	cmd.addr = ring_at(t);
	cmd.len = ring_len(t);
	SEND(cmd);
}

static void do_modify_qp(struct thread *t)
{
	static const uint32_t masks[] = {
		IBV_QP_STATE,
		IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS,
		IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY,
		IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
			IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
		IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
	};
	SILENT_COMMAND(ib_uverbs_modify_qp, IB_USER_VERBS_CMD_MODIFY_QP,
		.dest = { .is_global = 1, .port_num = 1, .hop_limit = 64,
			  .sgid_index = below(t, 8) ? gid_index : below(t, 256) },
		.qp_handle = handle(t),
		.attr_mask = below(t, 8) ? masks[below(t, 5)] : next(t) & 0x1fffff,
		.dest_qp_num = below(t, 4) ? 2 + below(t, 64) : next(t),
		.rq_psn = next(t), .sq_psn = next(t), .qkey = 7, .port_num = 1,
		.qp_access_flags = below(t, 16), .path_mtu = 1 + below(t, 6),
		.qp_state = below(t, 8), .max_rd_atomic = below(t, 20),
		.max_dest_rd_atomic = below(t, 20), .min_rnr_timer = 1,
		.timeout = 8, .retry_cnt = 1, .rnr_retry = below(t, 8));
	union ibv_gid gid;

	if (below(t, 8) && !ibv_query_gid(ctx, 1, gid_index, &gid))
		memcpy(cmd.core.dest.dgid, gid.raw, 16);
	SEND(cmd);
}

static void do_query_qp(struct thread *t)
{
	COMMAND(ib_uverbs_query_qp, ib_uverbs_query_qp_resp, IB_USER_VERBS_CMD_QUERY_QP,
		.qp_handle = handle(t), .attr_mask = next(t));

	SEND(cmd);
}

static void do_create_ah(struct thread *t)
{
	COMMAND(ib_uverbs_create_ah, ib_uverbs_create_ah_resp, IB_USER_VERBS_CMD_CREATE_AH,
		.user_handle = next(t), .pd_handle = handle(t),
		.attr = { .is_global = below(t, 8) != 0, .port_num = 1 });

	cmd.core.attr.grh.sgid_index = gid_index;
	cmd.core.attr.grh.hop_limit = 64;
	cmd.core.attr.grh.dgid[10] = cmd.core.attr.grh.dgid[11] = 0xff;
	cmd.core.attr.grh.dgid[12] = 10;
	cmd.core.attr.grh.dgid[15] = below(t, 256);
	SEND(cmd);
}

static void do_destroy_ah(struct thread *t)
{
	SILENT_COMMAND(ib_uverbs_destroy_ah, IB_USER_VERBS_CMD_DESTROY_AH,
		       .ah_handle = handle(t));

	SEND(cmd);
}

static void do_post_send(struct thread *t)
{
	struct ib_uverbs_post_send_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send core;
		struct ib_uverbs_send_wr wr[2];
		struct ib_uverbs_sge sge[2];
	} __attribute__((packed)) cmd = {
		.hdr = { IB_USER_VERBS_CMD_POST_SEND, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp, .qp_handle = handle(t),
			  .wr_count = below(t, 8) ? 2 : 0, .sge_count = 2,
			  .wqe_size = sizeof(struct ib_uverbs_send_wr) },
	};

	for (int i = 0; i < 2; i++) {
		cmd.wr[i].num_sge = below(t, 8) ? 1 : next(t);
		cmd.wr[i].opcode = below(t, 8) ? below(t, 5) : next(t);
		cmd.wr[i].send_flags = below(t, 4) ? 2 : next(t);
		cmd.wr[i].wr.rdma.remote_addr = (uintptr_t)arena + below(t, ARENA);
		cmd.wr[i].wr.rdma.rkey = below(t, 1 << 16) << 8;
		cmd.sge[i].addr = (uintptr_t)arena + below(t, ARENA);
		cmd.sge[i].length = below(t, 8) ? below(t, 1 << 16) : next(t);
		cmd.sge[i].lkey = below(t, 1 << 16) << 8;
	}
	if (!cmd.core.wr_count) {
		/* Nothing may follow the command, or uverbs refuses it. */
		cmd.core.sge_count = 0;
		cmd.hdr.in_words = (sizeof(cmd.hdr) + sizeof(cmd.core)) / 4;
	}
	SEND(cmd);
}

/* ---- beside the commands -------------------------------------------------- */

/* A well-formed header, methods and attributes at random. */
static void do_ioctl(struct thread *t)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attr[8];
	} cmd = {};
	unsigned int n = below(t, 9);

	cmd.hdr.length = sizeof(cmd.hdr) + n * sizeof(cmd.attr[0]);
	cmd.hdr.object_id = below(t, 24) | (below(t, 4) ? 0 : 1 << 12);
	cmd.hdr.method_id = below(t, 10) | (below(t, 4) ? 0 : 1 << 12);
	cmd.hdr.num_attrs = n;
	cmd.hdr.driver_id = below(t, 4) ? DRIVER_ID : next(t);
	for (unsigned int k = 0; k < n; k++) {
		cmd.attr[k].attr_id = below(t, 12) | (below(t, 3) ? 0 : 1 << 12);
		cmd.attr[k].len = below(t, 3) ? below(t, 64) : next(t);
		cmd.attr[k].flags = below(t, 2);
		cmd.attr[k].data = below(t, 3) ? handle(t) : (uintptr_t)arena + below(t, ARENA);
	}
	count(ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd) < 0);
}

/* Memory goes from under rings and regions, and other memory comes there. */
static void do_memory(struct thread *t)
{
	uint8_t *at = arena + below(t, ARENA / PAGE - 8) * PAGE;
	size_t len = (1 + below(t, 8)) * PAGE;

	if (below(t, 2)) {
		count(mmap(at, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
	} else {
		count(madvise(at, len, below(t, 2) ? MADV_DONTNEED : MADV_DONTFORK) < 0);
	}
}

static void do_scribble(struct thread *t)
{
	uint32_t *word = (uint32_t *)(arena + below(t, ARENA / PAGE) * PAGE);

	for (int i = 0; i < 16; i++)
		word[i] = below(t, 4) ? below(t, 128) : next(t);
	count(false);
}

static void do_mmap_device(struct thread *t)
{
	size_t len = PAGE << below(t, 8);
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, ctx->cmd_fd,
			below(t, 1 << 20) * PAGE);

	count(at == MAP_FAILED);
	if (at != MAP_FAILED)
		munmap(at, len);
}

/* A child has the file and the arena, and ends in the middle of whatever goes on. */
static void do_fork(struct thread *t)
{
	pid_t pid = fork();

	if (!pid) {
		arena[below(t, ARENA)] = 1;
		_exit(0);
	}
	count(pid < 0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* A program as there are many: makes its objects, sends to itself, waits, and goes. */
static void do_honest(struct thread *t)
{
	struct ibv_context *own = device_open(dev_name);
	struct ibv_pd *pd = own ? ibv_alloc_pd(own) : NULL;
	struct ibv_cq *cq = pd ? ibv_create_cq(own, 64, NULL, NULL, 0) : NULL;
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_RC, .send_cq = cq, .recv_cq = cq,
					 .cap = { 16, 16, 2, 2, 0 } };
	struct ibv_qp *qp = cq ? ibv_create_qp(pd, &init) : NULL;
	struct ibv_mr *mr = qp ? ibv_reg_mr(pd, arena, ARENA, 7) : NULL;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1, .qp_access_flags = 7,
	};
	struct ibv_wc wc;

	count(!mr);
	if (!mr || ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				 IBV_QP_ACCESS_FLAGS))
		goto out;
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = qp->qp_num,
		.max_dest_rd_atomic = 1, .min_rnr_timer = 1,
		.ah_attr = { .is_global = 1, .port_num = 1,
			     .grh = { .sgid_index = gid_index, .hop_limit = 4 } },
	};
	if (ibv_query_gid(own, 1, gid_index, &attr.ah_attr.grh.dgid) ||
	    ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		goto out;
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 12;
	attr.retry_cnt = attr.rnr_retry = 2;
	attr.max_rd_atomic = 1;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			  IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		goto out;
	for (int i = 0; i < 8; i++) {
		struct ibv_sge sge = { (uintptr_t)arena + below(t, ARENA / 2), below(t, 1 << 16), mr->lkey };
		struct ibv_send_wr *bad, wr = {
			.sg_list = &sge, .num_sge = 1, .send_flags = IBV_SEND_SIGNALED,
			.opcode = below(t, 2) ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
			.wr.rdma = { (uintptr_t)arena + ARENA / 2, mr->rkey },
		};

		if (ibv_post_send(qp, &wr, &bad))
			break;
	}
	for (int i = 0; i < 200 && !is_over; i++) {
		if (ibv_poll_cq(cq, 1, &wc) < 0)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	}
out:
	/* One of four leaves everything to the kernel. */
	if (below(t, 4)) {
		if (qp)
			ibv_destroy_qp(qp);
		if (mr)
			ibv_dereg_mr(mr);
		if (cq)
			ibv_destroy_cq(cq);
		if (pd)
			ibv_dealloc_pd(pd);
	}
	if (own)
		ibv_close_device(own);
}

static const struct {
	void (*run)(struct thread *t);
	unsigned int weight;
} moves[] = {
	{ do_alloc_pd, 6 }, { do_dealloc_pd, 3 },
	{ do_reg_mr, 12 }, { do_rereg_mr, 2 }, { do_dereg_mr, 10 },
	{ do_create_cq, 10 }, { do_resize_cq, 8 }, { do_req_notify, 4 }, { do_destroy_cq, 6 },
	{ do_create_srq, 6 }, { do_modify_srq, 4 }, { do_destroy_srq, 4 },
	{ do_create_qp, 14 }, { do_modify_qp, 40 }, { do_query_qp, 4 }, { do_destroy_qp, 8 },
	{ do_create_ah, 4 }, { do_destroy_ah, 3 }, { do_post_send, 20 },
	{ do_ioctl, 20 }, { do_memory, 4 }, { do_scribble, 12 }, { do_mmap_device, 2 },
	{ do_fork, 1 }, { do_honest, 2 },
};

static void *storm(void *arg)
{
	struct thread *t = arg;
	unsigned int total = 0, left;
	size_t i;

	for (i = 0; i < sizeof(moves) / sizeof(*moves); i++)
		total += moves[i].weight;
	while (!is_over) {
		left = below(t, total);
		for (i = 0; left >= moves[i].weight; i++)
			left -= moves[i].weight;
		moves[i].run(t);
	}
	return NULL;
}

static void on_alarm(int sig)
{
	(void)sig;
	is_over = true;
}

/* Memory that a thread has just replaced, seen by another: its own affair, and no core's. */
static void on_fault(int sig)
{
	(void)sig;
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int seconds = 10, n_threads = 4;
	struct thread threads[32];
	uint64_t seed = 1;
	int opt;

	while ((opt = getopt(argc, argv, "d:g:s:r:t:")) != -1) {
		switch (opt) {
		case 'd':
			dev_name = optarg;
			break;
		case 'g':
			gid_index = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seconds = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			n_threads = strtoul(optarg, NULL, 0);
			break;
		}
	}
	if (!dev_name || !n_threads || n_threads > 32) {
		fputs("usage: storm_verbs -d DEV -g GID_INDEX -s SECONDS -r SEED [-t THREADS]\n", stderr);
		return 2;
	}
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ctx = device_open(dev_name);
	if (!ctx || arena == MAP_FAILED) {
		fprintf(stderr, "storm_verbs: %s: %s\n", dev_name, strerror(errno));
		return 2;
	}
	signal(SIGALRM, on_alarm);
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	alarm(seconds);
	for (unsigned int i = 0; i < n_threads; i++) {
		threads[i].rng = (seed + 1) * 0x9e3779b97f4a7c15 + i * 0xbf58476d1ce4e5b9 + 1;
		pthread_create(&threads[i].id, NULL, storm, &threads[i]);
	}
	for (unsigned int i = 0; i < n_threads; i++)
		pthread_join(threads[i].id, NULL);
	printf("calls %" PRIu64 " refused %" PRIu64 "\n", calls, refused);
	fflush(stdout);
	/* All that is left is the kernel's to take back. */
	_exit(0);
}
