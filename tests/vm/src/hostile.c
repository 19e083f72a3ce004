// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * hostile - a process that uses an RDMA device as nobody should.
 *
 *	hostile -d DEV -g GID_INDEX [-n ROUNDS] [-r SEED] ATTACK
 *
 * Attacks: mmap, memory, modify, empty, foreign, resize, rings, wqe, caps, write, ioctl. Each
 * runs in a child: it may die of what it does to itself, but it must end, and the kernel must refuse
 * or absorb all of it. Prints "NAME tried N refused N"; exit status 1 says that
 * the kernel let something through, 3 that the child did not end.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "device.h"

#define DEPTH 32
#define PATIENCE 60		/* seconds until a child counts as hung */

static struct ibv_context *ctx;
static unsigned int gid_index = 1, rounds = 200, tried, refused;
static const char *dev_name;

struct pair {
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	struct ibv_qp *qp[2];
	uint8_t *mem;
};

static void die(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void count(bool was_refused)
{
	__atomic_fetch_add(&tried, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&refused, was_refused, __ATOMIC_RELAXED);
}

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ random();
}

struct ring {
	uint8_t *at;
	size_t len;
};

/* The rings that the provider brought for a pair: what it maps while the pair is made. */
static struct ring ring[16];
static int n_rings;
static bool is_recording;

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *at = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);

	if (is_recording && at != MAP_FAILED && n_rings < 16)
		ring[n_rings++] = (struct ring){ at, len };
	return at;
}

static struct ibv_context *device_open_or_die(void)
{
	struct ibv_context *found = device_open(dev_name);

	if (!found)
		die("open device");
	return found;
}

static struct ibv_qp *qp_new(struct pair *p, unsigned int depth)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC, .send_cq = p->cq, .recv_cq = p->cq,
		.cap = { depth, depth, 2, 2, 0 },
	};

	return ibv_create_qp(p->pd, &init);
}

static void qp_connect(struct ibv_qp *qp, uint32_t peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1,
		.qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_READ,
	};

	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			  IBV_QP_ACCESS_FLAGS))
		die("INIT");
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_256, .dest_qp_num = peer,
		.max_dest_rd_atomic = 1, .min_rnr_timer = 1,
		.ah_attr = { .is_global = 1, .port_num = 1,
			     .grh = { .sgid_index = gid_index, .hop_limit = 4 } },
	};
	/* To ourselves: through the switch inside the adapter, no cable needed. */
	if (ibv_query_gid(ctx, 1, gid_index, &attr.ah_attr.grh.dgid))
		die("query gid");
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
			  IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			  IBV_QP_MIN_RNR_TIMER))
		die("RTR");
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 10;
	attr.retry_cnt = attr.rnr_retry = 1;
	attr.max_rd_atomic = 1;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			  IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		die("RTS");
}

static void pair_open(struct pair *p)
{
	p->mem = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p->pd = ibv_alloc_pd(ctx);
	n_rings = 0;
	is_recording = true;
	p->cq = ibv_create_cq(ctx, 4 * DEPTH, NULL, NULL, 0);
	if (!p->pd || !p->cq || p->mem == MAP_FAILED)
		die("allocate");
	p->qp[0] = qp_new(p, DEPTH);
	p->qp[1] = qp_new(p, DEPTH);
	is_recording = false;
	p->mr = ibv_reg_mr(p->pd, p->mem, 1 << 16, IBV_ACCESS_LOCAL_WRITE |
			   IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
	if (!p->mr || !p->qp[0] || !p->qp[1])
		die("queue pairs");
	qp_connect(p->qp[0], p->qp[1]->qp_num);
	qp_connect(p->qp[1], p->qp[0]->qp_num);
}

static int pair_post(struct pair *p, enum ibv_wr_opcode op, uint64_t addr, uint32_t len,
		     uint32_t lkey, uint64_t raddr, uint32_t rkey)
{
	struct ibv_sge sge = { addr, len, lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = op, .send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { raddr, rkey },
	};

	return ibv_post_send(p->qp[0], &wr, &bad);
}

/* Waits a moment for one completion; its status, or -1. */
static int pair_status(struct pair *p)
{
	struct ibv_wc wc;

	for (int i = 0; i < 2000; i++) {
		if (ibv_poll_cq(p->cq, 1, &wc) > 0)
			return wc.status;
		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
	}
	return -1;
}

/* ---- attacks ----------------------------------------------------------- */

/* There is nothing to map, whatever offset and length: rings are the process's own. */
static int attack_mmap(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct pair p;
	int let = 0;

	pair_open(&p);
	for (unsigned int i = 0; i < rounds * 20; i++) {
		uint64_t offset = i & 1 ? random64() & 0x7fffffffffff000 : (uint64_t)i / 2 * page;
		void *at = mmap(NULL, page << random() % 8,
				i & 2 ? PROT_READ : PROT_READ | PROT_WRITE,
				i & 4 ? MAP_PRIVATE : MAP_SHARED, ctx->cmd_fd, offset);

		count(at == MAP_FAILED);
		let += at != MAP_FAILED;
	}
	return let ? 1 : 0;
}

/* The commands as the provider sends them, with a ring of the caller's choice. */
static bool raw_create_cq(uint32_t cqe, uint64_t addr, uint64_t len, uint32_t *handle)
{
	struct ib_uverbs_create_cq_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_create_cq core;
		uint64_t addr, len;
	} __attribute__((packed)) cmd = {
		.hdr = { IB_USER_VERBS_CMD_CREATE_CQ, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp, .cqe = cqe, .comp_channel = -1 },
		.addr = addr, .len = len,
	};

	if (write(ctx->cmd_fd, &cmd, sizeof(cmd)) != sizeof(cmd))
		return false;
	*handle = resp.cq_handle;
	return true;
}

static bool raw_resize_cq(uint32_t handle, uint32_t cqe, uint64_t addr, uint64_t len)
{
	struct ib_uverbs_resize_cq_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_resize_cq core;
		uint64_t addr, len;
	} __attribute__((packed)) cmd = {
		.hdr = { IB_USER_VERBS_CMD_RESIZE_CQ, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp, .cq_handle = handle, .cqe = cqe },
		.addr = addr, .len = len,
	};

	return write(ctx->cmd_fd, &cmd, sizeof(cmd)) == sizeof(cmd);
}

static bool raw_destroy_cq(uint32_t handle)
{
	struct ib_uverbs_destroy_cq_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_destroy_cq core;
	} __attribute__((packed)) cmd = {
		.hdr = { IB_USER_VERBS_CMD_DESTROY_CQ, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp, .cq_handle = handle },
	};

	return write(ctx->cmd_fd, &cmd, sizeof(cmd)) == sizeof(cmd);
}

/* Rings in memory that is not there, not ours, not writable, too short or crooked. */
static int attack_foreign(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *own = mmap(NULL, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint8_t *fixed = mmap(NULL, 64 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t handle;
	const struct {
		const char *what;
		uint64_t addr, len;
	} bad[] = {
		{ "no memory", 0, 64 * page },
		{ "page 0", page, 64 * page },
		{ "the kernel's", 0xffff888000000000, 64 * page },
		{ "the kernel's text", 0xffffffff81000000, 64 * page },
		{ "end of the address space", -page, 64 * page },
		{ "wraps around", -8 * page, 64 * page },
		{ "read only", (uintptr_t)fixed, 64 * page },
		{ "not a page's begin", (uintptr_t)own + 8, 64 * page },
		{ "too short", (uintptr_t)own, page },
		{ "no length", (uintptr_t)own, 0 },
		{ "half of it is not there", (uintptr_t)own + 60 * page, 64 * page },
	};
	int let = 0;

	/* A hole, whatever lies behind it. */
	munmap(own + 63 * page, page);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bool was_made = raw_create_cq(1000, bad[i].addr, bad[i].len, &handle);

		count(!was_made);
		if (was_made)
			printf("foreign: %s\n", bad[i].what);
		let += was_made;
	}
	if (!raw_create_cq(1000, (uintptr_t)own, 32 * page, &handle))
		die("a ring of our own");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bool was_resized = raw_resize_cq(handle, 1000, bad[i].addr, bad[i].len);

		count(!was_resized);
		if (was_resized)
			printf("foreign: resized, %s\n", bad[i].what);
		let += was_resized;
	}
	if (!raw_destroy_cq(handle))
		die("destroy");
	return let ? 1 : 0;
}

static uint32_t resized_handle;

static void *resize(void *arg)
{
	struct ring *own = arg;

	for (unsigned int i = 0; i < rounds; i++)
		count(!raw_resize_cq(resized_handle, 500 + i % 7, (uintptr_t)own->at, own->len));
	return NULL;
}

/* RESIZE_CQ from four threads at once: uverbs does not keep them apart. */
static int attack_resize(void)
{
	size_t page = sysconf(_SC_PAGESIZE), len = 16 * page;
	struct ring own[5];
	pthread_t thread[4];

	for (int i = 0; i < 5; i++) {
		own[i].at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		own[i].len = len;
	}
	if (!raw_create_cq(500, (uintptr_t)own[4].at, len, &resized_handle))
		die("create");
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, resize, &own[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	/* One after the other, all of them are right. */
	return refused || !raw_destroy_cq(resized_handle) ? 1 : 0;
}

/* Heads, tails, entry counts, addresses: everything the kernel reads from shared rings lies. */
static int attack_rings(void)
{
	static const uint32_t lies[] = { 0, 1, DEPTH, DEPTH + 1, 0x7fffffff, 0x80000000, ~0u };
	struct pair p;
	int n;

	for (unsigned int i = 0; i < rounds; i++) {
		pair_open(&p);
		n = n_rings;
		if (n < 3)
			die("no rings");
		for (int k = 0; k < 16; k++) {
			struct ibv_sge sge = { (uintptr_t)p.mem, 256, p.mr->lkey };
			struct ibv_recv_wr *bad, wr = { .sg_list = &sge, .num_sge = 1 };

			ibv_post_recv(p.qp[1], &wr, &bad);
		}
		for (int k = 0; k < n; k++) {
			uint32_t *word = (uint32_t *)ring[k].at;
			size_t words = ring[k].len / 4;

			/* Once the first words alone (head, tail), then everywhere. */
			for (size_t w = 0; w < (i & 1 ? words : words < 32 ? words : 32); w++) {
				if (i % 3 == 0)
					word[w] = random();
				else if (i % 3 == 1)
					word[w] = lies[random() % 7];
				else if (!(random() % 8))
					word[w] ^= 1u << random() % 32;
			}
			tried++;
		}
		pair_post(&p, IBV_WR_SEND, (uintptr_t)p.mem, 256, p.mr->lkey, 0, 0);
		pair_post(&p, IBV_WR_RDMA_WRITE, (uintptr_t)p.mem, 256, p.mr->lkey,
			  (uintptr_t)p.mem + 4096, p.mr->rkey);
		nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
		/*
		 * Destroyed by the kernel, not by the provider, who would read what was written
		 * over: a fresh context per round.
		 */
		close(ctx->cmd_fd);
		for (int k = 0; k < n; k++)
			munmap(ring[k].at, ring[k].len);
		munmap(p.mem, 1 << 16);
		ctx = device_open_or_die();
	}
	refused = tried;
	return 0;
}

/* Work requests that no correct program posts: an errno, or a completion with an error. */
static int attack_wqe(void)
{
	static const struct {
		const char *what;
		enum ibv_wr_opcode op;
		uint64_t addr;		/* 0: the registered memory */
		uint32_t len;
		int lkey_delta;
		int64_t raddr_delta;
		int rkey_delta;
	} bad[] = {
		{ "wrong lkey", IBV_WR_RDMA_WRITE, 0, 64, 1, 0, 0 },
		{ "lkey of nobody", IBV_WR_SEND, 0, 64, 0x7abcde00, 0, 0 },
		{ "longer than the region", IBV_WR_RDMA_WRITE, 0, 1 << 17, 0, 0, 0 },
		{ "two gigabytes", IBV_WR_RDMA_WRITE, 0, 0x80000000, 0, 0, 0 },
		{ "four gigabytes", IBV_WR_RDMA_WRITE, 0, 0xffffffff, 0, 0, 0 },
		{ "kernel address", IBV_WR_RDMA_WRITE, 0xffffffff81000000, 64, 0, 0, 0 },
		{ "top of memory", IBV_WR_RDMA_WRITE, 0xfffffffffffffff0, 64, 0, 0, 0 },
		{ "address 8", IBV_WR_SEND, 8, 64, 0, 0, 0 },
		{ "wrong rkey", IBV_WR_RDMA_WRITE, 0, 64, 0, 0, 1 },
		{ "remote end of the region", IBV_WR_RDMA_WRITE, 0, 64, 0, (1 << 16) - 63, 0 },
		{ "remote before the region", IBV_WR_RDMA_READ, 0, 64, 0, -1, 0 },
		{ "remote wrap", IBV_WR_RDMA_WRITE, 0, 64, 0, INT64_MAX, 0 },
		{ "read with a wrong rkey", IBV_WR_RDMA_READ, 0, 64, 0, 0, 77 },
		{ "opcode 99", 99, 0, 64, 0, 0, 0 },
		{ "opcode -1", (enum ibv_wr_opcode)-1, 0, 64, 0, 0, 0 },
		{ "atomic of 7 bytes", IBV_WR_ATOMIC_FETCH_AND_ADD, 0, 7, 0, 1, 0 },
		{ "local invalidate", IBV_WR_LOCAL_INV, 0, 0, 0, 0, 0 },
		{ "bind", IBV_WR_BIND_MW, 0, 0, 0, 0, 0 },
		{ "TSO", IBV_WR_TSO, 0, 64, 0, 0, 0 },
	};
	int let = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct pair p;
		int err, status = -1;

		pair_open(&p);
		memset(p.mem, 0x5a, 1 << 16);
		err = pair_post(&p, bad[i].op, bad[i].addr ?: (uintptr_t)p.mem, bad[i].len,
				p.mr->lkey + bad[i].lkey_delta,
				(uintptr_t)p.mem + 4096 + bad[i].raddr_delta - 4096 * !!bad[i].raddr_delta,
				p.mr->rkey + bad[i].rkey_delta);
		if (!err)
			status = pair_status(&p);
		count(err || status > 0);
		if (!err && status <= 0) {
			printf("wqe: %s: %s\n", bad[i].what, status ? "no completion" : "succeeded");
			let++;
		}
		for (int at = 0; at < 1 << 16; at++) {
			if (p.mem[at] != 0x5a) {
				printf("wqe: %s: memory changed at %d\n", bad[i].what, at);
				let++;
				break;
			}
		}
		ibv_destroy_qp(p.qp[0]);
		ibv_destroy_qp(p.qp[1]);
		ibv_dereg_mr(p.mr);
		ibv_destroy_cq(p.cq);
		ibv_dealloc_pd(p.pd);
		munmap(p.mem, 1 << 16);
	}
	return let ? 1 : 0;
}

/* A command to send no request at all, to a queue pair in RESET and to an idle one in RTS. */
static int attack_empty(void)
{
	struct ib_uverbs_post_send_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send core;
	} cmd = {
		.hdr = { IB_USER_VERBS_CMD_POST_SEND, sizeof(cmd) / 4, sizeof(resp) / 4 },
		.core = { .response = (uintptr_t)&resp,
			  .wqe_size = sizeof(struct ib_uverbs_send_wr) },
	};
	struct ibv_qp *idle;
	struct ibv_wc wc;
	struct pair p;

	pair_open(&p);
	idle = qp_new(&p, DEPTH);
	if (!idle)
		die("queue pair");
	for (int i = 0; i < 2; i++) {
		cmd.core.qp_handle = i ? p.qp[0]->handle : idle->handle;
		/* Refused or nothing done: both will do. */
		count(write(ctx->cmd_fd, &cmd, sizeof(cmd)) < 0 || !ibv_poll_cq(p.cq, 1, &wc));
	}
	return refused == tried ? 0 : 1;
}

/* Counts it; true if it is an error that neither errno nor completion told of. */
static bool is_let(struct pair *p, int err, const char *what)
{
	int status = err ? 0 : pair_status(p);

	/* A peer that is gone is given up after some retries only. */
	for (int i = 0; i < 5 && status < 0; i++)
		status = pair_status(p);
	count(err || status > 0);
	if (err || status > 0)
		return false;
	printf("%s: %s\n", what, status ? "no completion" : "succeeded");
	return true;
}

/* A region that begins at 0: addresses whose end wraps around to lie in it. */
static int attack_memory(void)
{
	static const struct {
		const char *what;
		enum ibv_wr_opcode op;
		uint64_t addr, raddr;
		uint32_t len;
	} bad[] = {
		{ "local wrap", IBV_WR_RDMA_WRITE, -4096, 0, 8192 },
		{ "local wrap of a send", IBV_WR_SEND, -1, 0, 2 },
		{ "local wrap of a read", IBV_WR_RDMA_READ, -8192, 0, 16384 },
		{ "remote wrap of a write", IBV_WR_RDMA_WRITE, 0, -4096, 8192 },
		{ "remote wrap of a read", IBV_WR_RDMA_READ, 0, -4096, 8192 },
		{ "send into a wrap", IBV_WR_SEND, 0, 0, 8192 },
	};
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
	int let = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct ibv_recv_wr *bad_wr, wr = { .num_sge = 1 };
		struct ibv_sge sge;
		struct ibv_mr *mr;
		struct pair p;

		pair_open(&p);
		/* Where the kernel itself lives no region may pretend to be. */
		mr = ibv_reg_mr_iova(p.pd, p.mem, 1 << 16, 0xffff888000000000, access);
		count(!mr);
		let += !!mr;
		mr = ibv_reg_mr_iova(p.pd, p.mem, 1 << 16, 0, access);
		if (!mr)
			die("register at 0");
		if (pair_post(&p, IBV_WR_RDMA_WRITE, 64, 64, mr->lkey, 4096, mr->rkey) ||
		    pair_status(&p))
			die("a write within the region");
		sge = (struct ibv_sge){ -4096, 8192, mr->lkey };
		wr.sg_list = &sge;
		if (ibv_post_recv(p.qp[1], &wr, &bad_wr))
			die("receive");
		let += is_let(&p, pair_post(&p, bad[i].op, bad[i].addr, bad[i].len, mr->lkey,
					    bad[i].raddr, mr->rkey), bad[i].what);
		ibv_destroy_qp(p.qp[0]);
		ibv_destroy_qp(p.qp[1]);
	}
	return let ? 1 : 0;
}

/* To INIT and to RESET, over and over, beside others that do the same. */
static void *toggle(void *arg)
{
	struct ibv_qp_attr init = { .qp_state = IBV_QPS_INIT, .port_num = 1 };
	struct ibv_qp_attr reset = { .qp_state = IBV_QPS_RESET };

	for (unsigned int i = 0; i < rounds * 2; i++) {
		ibv_modify_qp(arg, &init, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			      IBV_QP_ACCESS_FLAGS);
		ibv_modify_qp(arg, &reset, IBV_QP_STATE);
	}
	return NULL;
}

/* Claims to be in a state that the queue pair is not in; changes of state that race. */
static int attack_modify(void)
{
	static const enum ibv_qp_state lies[] = { IBV_QPS_RTR, IBV_QPS_SQD, IBV_QPS_SQE };
	pthread_t thread[3];
	struct pair p;
	int let = 0;

	pair_open(&p);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct ibv_qp_attr attr = {
			.qp_state = IBV_QPS_RTS, .cur_qp_state = lies[i], .sq_psn = 0x123456,
			.timeout = 10, .retry_cnt = 1, .rnr_retry = 1, .max_rd_atomic = 1,
		};
		int mask = IBV_QP_STATE | IBV_QP_CUR_STATE;
		int err;

		if (lies[i] == IBV_QPS_RTR)
			mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC;
		/* Under way, so that new PSNs would meet old requests. */
		pair_post(&p, IBV_WR_RDMA_WRITE, (uintptr_t)p.mem, 32768, p.mr->lkey,
			  (uintptr_t)p.mem + 32768, p.mr->rkey);
		err = ibv_modify_qp(p.qp[0], &attr, mask);
		count(err);
		let += !err;
		if (pair_status(&p)) {
			puts("modify: the write did not come through");
			let++;
		}
	}
	for (size_t i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, toggle, p.qp[1]);
	for (size_t i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	/* Reset or not, the table must not know it any more when it is gone. */
	ibv_destroy_qp(p.qp[1]);
	pair_post(&p, IBV_WR_RDMA_WRITE, (uintptr_t)p.mem, 64, p.mr->lkey, (uintptr_t)p.mem,
		  p.mr->rkey);
	let += is_let(&p, 0, "write to a queue pair that is gone");
	return let ? 1 : 0;
}

/* Objects larger than the device allows, or than it can be: refused or really there. */
static int attack_caps(void)
{
	static const uint32_t big[] = { 1 << 15, 1 << 20, 1 << 24, 0x3fffffff, 0x7fffffff, ~0u };
	struct pair p;

	pair_open(&p);
	for (unsigned int i = 0; i < sizeof(big) / sizeof(*big); i++) {
		for (int which = 0; which < 5; which++) {
			struct ibv_qp_init_attr init = {
				.qp_type = IBV_QPT_RC, .send_cq = p.cq, .recv_cq = p.cq,
				.cap = { 4, 4, 1, 1, 0 },
			};
			uint32_t *field[] = { &init.cap.max_send_wr, &init.cap.max_recv_wr,
					      &init.cap.max_send_sge, &init.cap.max_recv_sge,
					      &init.cap.max_inline_data };
			struct ibv_qp *qp;

			*field[which] = big[i];
			qp = ibv_create_qp(p.pd, &init);
			count(!qp);
			if (qp)
				ibv_destroy_qp(qp);
		}
		struct ibv_cq *cq = ibv_create_cq(ctx, big[i], NULL, NULL, 0);

		count(!cq);
		if (cq)
			ibv_destroy_cq(cq);
		cq = ibv_create_cq(ctx, 16, NULL, NULL, big[i]);
		count(!cq);
		if (cq)
			ibv_destroy_cq(cq);
	}
	/* As many as there are; the kernel takes them back when we end. */
	for (unsigned int i = 0; i < 5000; i++) {
		struct ibv_qp *qp = qp_new(&p, 4);

		count(!qp);
		if (!qp)
			break;
	}
	return 0;
}

/* The old command interface: a header and noise. */
static int attack_write(void)
{
	for (unsigned int i = 0; i < rounds * 50; i++) {
		struct {
			uint32_t command;
			uint16_t in_words, out_words;
			uint8_t noise[504];
		} cmd;
		size_t len = 8 + random() % 500;

		for (size_t k = 0; k < sizeof(cmd.noise); k++)
			cmd.noise[k] = random() % 4 ? 0 : random();
		cmd.command = random() % 60 | (random() % 8 ? 0 : 0x80000000);
		cmd.in_words = random() % 4 ? (long)len / 4 : random();
		cmd.out_words = random() % 4 ? random() % 32 : random();
		count(write(ctx->cmd_fd, &cmd, random() % 4 ? len & ~3ul : len) < 0);
	}
	return 0;
}

/* The ioctl interface: a well-formed header, methods and attributes at random. */
static int attack_ioctl(void)
{
	static uint8_t blob[4096];

	for (unsigned int i = 0; i < rounds * 50; i++) {
		struct {
			struct ib_uverbs_ioctl_hdr hdr;
			struct ib_uverbs_attr attr[8];
		} cmd;
		unsigned int n = random() % 9;

		memset(&cmd, 0, sizeof(cmd));
		cmd.hdr.length = sizeof(cmd.hdr) + n * sizeof(cmd.attr[0]);
		cmd.hdr.object_id = random() % 24 | (random() % 4 ? 0 : 1 << 12);
		cmd.hdr.method_id = random() % 10 | (random() % 4 ? 0 : 1 << 12);
		cmd.hdr.num_attrs = n;
		cmd.hdr.driver_id = random() % 4 ? 0x49524f43 : random();
		for (unsigned int k = 0; k < n; k++) {
			cmd.attr[k].attr_id = random() % 12 | (random() % 3 ? 0 : 1 << 12);
			cmd.attr[k].len = random() % 3 ? random() % 64 : random();
			cmd.attr[k].flags = random() % 2;
			cmd.attr[k].data = random() % 3 ? (uintptr_t)blob : random64();
		}
		count(ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd) < 0);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} attacks[] = {
	{ "memory", attack_memory }, { "modify", attack_modify }, { "empty", attack_empty },
	{ "mmap", attack_mmap }, { "foreign", attack_foreign }, { "rings", attack_rings },
	{ "resize", attack_resize },
	{ "wqe", attack_wqe },	 { "caps", attack_caps },	{ "write", attack_write },
	{ "ioctl", attack_ioctl },
};

/* Handled, so that the kernel does not log what the child does to itself. */
static void on_fault(int sig)
{
	(void)sig;
	_exit(0);
}

/* The child's exit status; 0 if it died of what it did to itself. */
static int run(int (*attack)(void), const char *name)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, on_fault);
		signal(SIGBUS, on_fault);
		ctx = device_open_or_die();
		int rc = attack();

		printf("%s tried %u refused %u\n", name, tried, refused);
		fflush(stdout);
		_exit(rc);
	}
	for (int i = 0; i < PATIENCE * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	kill(pid, SIGKILL);
	fprintf(stderr, "hostile: %s did not end\n", name);
	return 3;
}

int main(int argc, char **argv)
{
	unsigned int seed = time(NULL);
	int opt;

	while ((opt = getopt(argc, argv, "d:g:n:r:")) != -1) {
		switch (opt) {
		case 'd':
			dev_name = optarg;
			break;
		case 'g':
			gid_index = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			rounds = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			seed = strtoul(optarg, NULL, 0);
			break;
		}
	}
	printf("seed %u\n", seed);
	fflush(stdout);
	srandom(seed);
	for (size_t i = 0; dev_name && optind < argc && i < sizeof(attacks) / sizeof(*attacks); i++) {
		if (!strcmp(argv[optind], attacks[i].name))
			return run(attacks[i].run, attacks[i].name);
	}
	fputs("usage: hostile -d DEV -g GID_INDEX [-n ROUNDS] [-r SEED] ATTACK\n", stderr);
	return 2;
}
