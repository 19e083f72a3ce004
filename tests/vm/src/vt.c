// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * vt - verbs on a string: one process that holds an RC queue pair and does what
 * the test asks for on its standard input, so that a test can cut, flush, forge
 * and unbind while the very same queue pair lives on.
 *
 *	vt -d DEV -g GID_INDEX [-m PATH_MTU] [-s BYTES]
 *
 * It says "ready" when it has its queue pair. One command a line, answered by
 * lines on standard output, the last one "ok" or "error TEXT":
 *
 *	info			qpn, psn, rkey, addr, len, gid of this side
 *	connect KEY=VALUE ..	qpn psn gid of the peer; timeout, retry, rnr
 *	write|read|send N SIZE RADDR RKEY	N work requests; waits for all
 *	inline SIZE		sends up to 64 bytes of unregistered memory, inline
 *	atomic RADDR RKEY	a fetch and add
 *	multicast		attaches a datagram queue pair to 239.1.1.1
 *	recv N SIZE [OFFSET]	posts N receives
 *	poll N MILLISECONDS	waits for N completions
 *	traffic SIZE RADDR RKEY [DEPTH]	writes without end, in the background: DEPTH (1..4) at a time
 *	traffic-stop [now]	what came of it; now: without waiting for what is on its way
 *	done			number of good completions so far
 *	gap			longest time between two of them, since it was last asked
 *	fill BYTE | noise SEED | sum | peek OFFSET LEN	the registered memory
 *	state			queue pair state and PSNs
 *	modify rts|sqd|err	from wherever it is; sqd asks to be told when drained
 *	events			asynchronous events so far
 *	quit
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <infiniband/verbs.h>

#include "device.h"

#define DEPTH 64
#define READS 4			/* outstanding at a time */

struct side {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	union ibv_gid gid;
	uint8_t *mem;
	size_t len;
	unsigned int gid_index;
	enum ibv_mtu mtu;
	uint32_t psn;

	pthread_mutex_t lock;		/* posting, polling and what follows */
	pthread_t worker;
	bool has_worker, stop;
	unsigned int size, depth;	/* of the background traffic */
	uint64_t raddr;
	uint32_t rkey;
	uint64_t good, bad;
	uint64_t last_good, gap;	/* milliseconds */
	enum ibv_wc_status first_bad;
	unsigned int in_flight;
	char events[1024];
};

static void die(const char *what)
{
	fprintf(stderr, "vt: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the verbs side ---------------------------------------------------- */

static void side_open(struct side *s, const char *dev)
{
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_RC };
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1 };
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;

	s->ctx = device_open(dev);
	if (!s->ctx)
		die("open device");
	if (ibv_query_gid(s->ctx, 1, s->gid_index, &s->gid))
		die("query gid");
	s->pd = ibv_alloc_pd(s->ctx);
	s->cq = ibv_create_cq(s->ctx, 2 * DEPTH, NULL, NULL, 0);
	if (posix_memalign((void **)&s->mem, 4096, s->len) || !s->pd || !s->cq)
		die("allocate");
	memset(s->mem, 0, s->len);
	s->mr = ibv_reg_mr(s->pd, s->mem, s->len, access);
	if (!s->mr)
		die("register memory");
	init.send_cq = init.recv_cq = s->cq;
	init.cap.max_send_wr = init.cap.max_recv_wr = DEPTH;
	init.cap.max_send_sge = init.cap.max_recv_sge = 1;
	s->qp = ibv_create_qp(s->pd, &init);
	if (!s->qp)
		die("create queue pair");
	attr.qp_access_flags = access;
	if (ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			  IBV_QP_ACCESS_FLAGS))
		die("queue pair to INIT");
	srand(time(NULL) ^ getpid());
	s->psn = rand() & 0xffffff;
}

static int side_connect(struct side *s, uint32_t qpn, uint32_t psn, const union ibv_gid *gid,
			unsigned int timeout, unsigned int retry, unsigned int rnr)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = s->mtu, .dest_qp_num = qpn, .rq_psn = psn,
		.max_dest_rd_atomic = READS, .min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1, .port_num = 1,
			.grh = { .dgid = *gid, .sgid_index = s->gid_index, .hop_limit = 64 },
		},
	};
	int err = ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				IBV_QP_MIN_RNR_TIMER);

	if (err)
		return err;
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = timeout;
	attr.retry_cnt = retry;
	attr.rnr_retry = rnr;
	attr.sq_psn = s->psn;
	attr.max_rd_atomic = READS;
	return ibv_modify_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			     IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

/* Holds the lock. */
static int post(struct side *s, enum ibv_wr_opcode op, unsigned int size, uint64_t raddr,
		uint32_t rkey)
{
	struct ibv_sge sge = { (uintptr_t)s->mem, size, s->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = op, .send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { raddr, rkey },
	};
	int err = ibv_post_send(s->qp, &wr, &bad);

	if (!err)
		s->in_flight++;
	return err;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Completions have come, or the time to the next one is looked at before they do. */
static void note_gap(struct side *s, bool is_good)
{
	uint64_t now = now_ms();

	if (s->last_good && now - s->last_good > s->gap)
		s->gap = now - s->last_good;
	if (is_good)
		s->last_good = now;
}

/* Holds the lock. Returns how many completions there were. */
static int reap(struct side *s)
{
	struct ibv_wc wc[16];
	int n = ibv_poll_cq(s->cq, 16, wc);

	for (int i = 0; i < n; i++) {
		if (wc[i].status == IBV_WC_SUCCESS) {
			s->good++;
			note_gap(s, true);
		} else if (!s->bad++) {
			s->first_bad = wc[i].status;
		}
		if (s->in_flight)
			s->in_flight--;
	}
	return n;
}

static void nap(long microseconds)
{
	nanosleep(&(struct timespec){ .tv_nsec = microseconds * 1000 }, NULL);
}

static void *background(void *arg)
{
	struct side *s = arg;
	bool quit = false;

	while (!quit) {
		pthread_mutex_lock(&s->lock);
		/* Few at a time: a test wants to see traffic stop and go, not a flood. */
		for (unsigned int i = 0; i < s->depth && s->in_flight < 4 && !s->stop && !s->bad;
		     i++) {
			if (post(s, IBV_WR_RDMA_WRITE, s->size, s->raddr, s->rkey))
				break;
		}
		reap(s);
		quit = s->stop || s->bad;
		pthread_mutex_unlock(&s->lock);
		/* And an emulated host has other things to do than to look for completions. */
		nap(5000);
	}
	return NULL;
}

static void *watch_events(void *arg)
{
	struct ibv_async_event event;
	struct side *s = arg;

	while (!ibv_get_async_event(s->ctx, &event)) {
		size_t used;

		pthread_mutex_lock(&s->lock);
		used = strlen(s->events);
		snprintf(s->events + used, sizeof(s->events) - used, "event %d %s\n",
			 event.event_type, ibv_event_type_str(event.event_type));
		pthread_mutex_unlock(&s->lock);
		ibv_ack_async_event(&event);
	}
	return NULL;
}

/* ---- commands ---------------------------------------------------------- */

static int wait_done(struct side *s, FILE *out, unsigned int count, unsigned int ms)
{
	unsigned int got = 0;

	s->good = s->bad = 0;
	for (unsigned int i = 0; got < count && i < ms * 4; i++) {
		int n = reap(s);

		if (n > 0)
			got += n;
		else
			nap(250);
	}
	fprintf(out, "good %" PRIu64 "\nbad %" PRIu64 "\n", s->good, s->bad);
	if (s->bad)
		fprintf(out, "status %d %s\n", s->first_bad, ibv_wc_status_str(s->first_bad));
	return got < count ? ETIMEDOUT : 0;
}

static int do_info(struct side *s, FILE *out, char **arg)
{
	char gid[INET6_ADDRSTRLEN];

	(void)arg;
	inet_ntop(AF_INET6, &s->gid, gid, sizeof(gid));
	fprintf(out, "qpn %u\npsn %u\nrkey %u\naddr %" PRIuPTR "\nlen %zu\ngid %s\n",
		s->qp->qp_num, s->psn, s->mr->rkey, (uintptr_t)s->mem, s->len, gid);
	return 0;
}

static int do_connect(struct side *s, FILE *out, char **arg)
{
	unsigned int timeout = 14, retry = 7, rnr = 7;
	uint32_t qpn = 0, psn = 0;
	union ibv_gid gid = { 0 };

	(void)out;
	for (; *arg; arg++) {
		char *value = strchr(*arg, '=');

		if (!value)
			return EINVAL;
		*value++ = 0;
		if (!strcmp(*arg, "gid") && inet_pton(AF_INET6, value, &gid) != 1)
			return EINVAL;
		if (!strcmp(*arg, "qpn"))
			qpn = strtoul(value, NULL, 0);
		if (!strcmp(*arg, "psn"))
			psn = strtoul(value, NULL, 0);
		if (!strcmp(*arg, "timeout"))
			timeout = strtoul(value, NULL, 0);
		if (!strcmp(*arg, "retry"))
			retry = strtoul(value, NULL, 0);
		if (!strcmp(*arg, "rnr"))
			rnr = strtoul(value, NULL, 0);
	}
	return side_connect(s, qpn, psn, &gid, timeout, retry, rnr);
}

static int do_post(struct side *s, FILE *out, char **arg, enum ibv_wr_opcode op)
{
	unsigned int count = arg[0] ? strtoul(arg[0], NULL, 0) : 0;
	int err;

	if (!count || !arg[1] || (op != IBV_WR_SEND && (!arg[2] || !arg[3])))
		return EINVAL;
	for (unsigned int i = 0; i < count; i++) {
		err = post(s, op, strtoul(arg[1], NULL, 0),
			   op == IBV_WR_SEND ? 0 : strtoull(arg[2], NULL, 0),
			   op == IBV_WR_SEND ? 0 : strtoul(arg[3], NULL, 0));
		if (err)
			return err;
		if ((i + 1) % DEPTH == 0 || i + 1 == count) {
			err = wait_done(s, out, i % DEPTH + 1, 30000);
			if (err || s->bad)
				return err;
		}
	}
	return 0;
}

static int do_write(struct side *s, FILE *out, char **arg)
{
	return do_post(s, out, arg, IBV_WR_RDMA_WRITE);
}

static int do_read(struct side *s, FILE *out, char **arg)
{
	return do_post(s, out, arg, IBV_WR_RDMA_READ);
}

static int do_send(struct side *s, FILE *out, char **arg)
{
	return do_post(s, out, arg, IBV_WR_SEND);
}

static int do_inline(struct side *s, FILE *out, char **arg)
{
	char data[64];
	struct ibv_sge sge = { (uintptr_t)data, arg[0] ? strtoul(arg[0], NULL, 0) : 0, 0 };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED | IBV_SEND_INLINE,
	};
	int err = sge.length <= sizeof(data) ? 0 : EINVAL;

	memset(data, 0x1e, sizeof(data));
	if (!err)
		err = ibv_post_send(s->qp, &wr, &bad);
	memset(data, 0, sizeof(data));
	return err ? err : wait_done(s, out, 1, 30000);
}

static int do_atomic(struct side *s, FILE *out, char **arg)
{
	struct ibv_sge sge = { (uintptr_t)s->mem, 8, s->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
		.send_flags = IBV_SEND_SIGNALED,
	};

	(void)out;
	if (!arg[0] || !arg[1])
		return EINVAL;
	wr.wr.atomic.remote_addr = strtoull(arg[0], NULL, 0);
	wr.wr.atomic.rkey = strtoul(arg[1], NULL, 0);
	return ibv_post_send(s->qp, &wr, &bad);
}

static int do_multicast(struct side *s, FILE *out, char **arg)
{
	union ibv_gid group = { .raw = { [10] = 0xff, 0xff, 239, 1, 1, 1 } };
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_UD, .send_cq = s->cq, .recv_cq = s->cq, .cap = { 1, 1, 1, 1, 0 },
	};
	struct ibv_qp *qp = ibv_create_qp(s->pd, &init);
	int err;

	(void)out;
	(void)arg;
	if (!qp)
		return errno;
	err = ibv_attach_mcast(qp, &group, 0);
	ibv_destroy_qp(qp);
	return err;
}

static int do_recv(struct side *s, FILE *out, char **arg)
{
	unsigned int count = arg[0] ? strtoul(arg[0], NULL, 0) : 0;
	int err = count && arg[1] ? 0 : EINVAL;

	(void)out;
	for (unsigned int i = 0; !err && i < count; i++) {
		struct ibv_sge sge = { (uintptr_t)s->mem, strtoul(arg[1], NULL, 0), s->mr->lkey };
		struct ibv_recv_wr *bad, wr = { .sg_list = &sge, .num_sge = 1 };

		sge.addr += arg[2] ? strtoul(arg[2], NULL, 0) : 0;
		err = ibv_post_recv(s->qp, &wr, &bad);
	}
	return err;
}

static int do_poll(struct side *s, FILE *out, char **arg)
{
	if (!arg[0] || !arg[1])
		return EINVAL;
	return wait_done(s, out, strtoul(arg[0], NULL, 0), strtoul(arg[1], NULL, 0));
}

static int do_traffic(struct side *s, FILE *out, char **arg)
{
	(void)out;
	if (!arg[0] || !arg[1] || !arg[2])
		return EINVAL;
	if (s->has_worker)
		return EBUSY;
	s->size = strtoul(arg[0], NULL, 0);
	s->raddr = strtoull(arg[1], NULL, 0);
	s->rkey = strtoul(arg[2], NULL, 0);
	s->depth = arg[3] ? strtoul(arg[3], NULL, 0) : 1;
	s->good = s->bad = s->last_good = s->gap = 0;
	s->stop = false;
	s->has_worker = !pthread_create(&s->worker, NULL, background, s);
	return s->has_worker ? 0 : EAGAIN;
}

static int do_traffic_stop(struct side *s, FILE *out, char **arg)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	bool waits = !arg[0];
	uint64_t good, bad;

	if (!s->has_worker)
		return EINVAL;
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->worker, NULL);
	pthread_mutex_lock(&s->lock);
	s->has_worker = false;
	for (int i = 0; waits && s->in_flight && i < 40000; i++) {
		/* A device that has gone completes nothing any more. */
		if (!(i % 400) && ibv_query_qp(s->qp, &attr, IBV_QP_STATE, &init))
			break;
		reap(s);
		nap(250);
	}
	good = s->good;
	bad = s->bad;
	fprintf(out, "good %" PRIu64 "\nbad %" PRIu64 "\nin-flight %u\n", good, bad, s->in_flight);
	if (bad)
		fprintf(out, "status %d %s\n", s->first_bad, ibv_wc_status_str(s->first_bad));
	return 0;
}

static int do_done(struct side *s, FILE *out, char **arg)
{
	(void)arg;
	fprintf(out, "good %" PRIu64 "\nbad %" PRIu64 "\n", s->good, s->bad);
	return 0;
}

static int do_gap(struct side *s, FILE *out, char **arg)
{
	(void)arg;
	note_gap(s, false);
	fprintf(out, "ms %" PRIu64 "\n", s->gap);
	s->gap = 0;
	s->last_good = now_ms();
	return 0;
}

static int do_fill(struct side *s, FILE *out, char **arg)
{
	(void)out;
	if (!arg[0])
		return EINVAL;
	memset(s->mem, strtoul(arg[0], NULL, 0), s->len);
	return 0;
}

static int do_noise(struct side *s, FILE *out, char **arg)
{
	uint32_t x;

	(void)out;
	if (!arg[0])
		return EINVAL;
	x = strtoul(arg[0], NULL, 0) * 2654435761u + 1;
	for (size_t i = 0; i < s->len; i++) {
		x = x * 1664525u + 1013904223u;
		s->mem[i] = x >> 24;
	}
	return 0;
}

static int do_sum(struct side *s, FILE *out, char **arg)
{
	uint64_t sum = 14695981039346656037ull;		/* FNV-1a */

	(void)arg;
	for (size_t i = 0; i < s->len; i++)
		sum = (sum ^ s->mem[i]) * 1099511628211ull;
	fprintf(out, "sum %016" PRIx64 "\n", sum);
	return 0;
}

static int do_peek(struct side *s, FILE *out, char **arg)
{
	size_t at = arg[0] ? strtoul(arg[0], NULL, 0) : 0;
	size_t len = arg[0] && arg[1] ? strtoul(arg[1], NULL, 0) : 16;

	if (at > s->len || len > s->len - at)
		return ERANGE;
	fputs("bytes ", out);
	for (; len--; at++)
		fprintf(out, "%02x", s->mem[at]);
	fputc('\n', out);
	return 0;
}

static int do_state(struct side *s, FILE *out, char **arg)
{
	static const char *const names[] = { "RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR" };
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;
	int err = ibv_query_qp(s->qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_RQ_PSN, &init);

	(void)arg;
	if (err)
		return err;
	fprintf(out, "state %s\nsq_psn %u\nrq_psn %u\n",
		attr.qp_state <= IBV_QPS_ERR ? names[attr.qp_state] : "?", attr.sq_psn,
		attr.rq_psn);
	return 0;
}

static int do_modify(struct side *s, FILE *out, char **arg)
{
	static const struct {
		const char *name;
		enum ibv_qp_state state;
	} to[] = { { "rts", IBV_QPS_RTS }, { "sqd", IBV_QPS_SQD }, { "err", IBV_QPS_ERR } };
	struct ibv_qp_attr attr = { .en_sqd_async_notify = 1 };

	(void)out;
	for (size_t i = 0; arg[0] && i < sizeof(to) / sizeof(*to); i++) {
		if (strcmp(arg[0], to[i].name))
			continue;
		attr.qp_state = to[i].state;
		return ibv_modify_qp(s->qp, &attr, IBV_QP_STATE |
				     (attr.qp_state == IBV_QPS_SQD ?
				      IBV_QP_EN_SQD_ASYNC_NOTIFY : 0));
	}
	return EINVAL;
}

static int do_events(struct side *s, FILE *out, char **arg)
{
	(void)arg;
	fputs(s->events, out);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct side *s, FILE *out, char **arg);
} commands[] = {
	{ "info", do_info },	   { "connect", do_connect }, { "write", do_write },
	{ "read", do_read },	   { "send", do_send },	      { "recv", do_recv },
	{ "poll", do_poll },	   { "traffic", do_traffic }, { "traffic-stop", do_traffic_stop },
	{ "done", do_done },	   { "gap", do_gap },	      { "fill", do_fill },
	{ "sum", do_sum },
	{ "peek", do_peek },	   { "state", do_state },     { "events", do_events },
	{ "noise", do_noise },	   { "modify", do_modify },
	{ "inline", do_inline },   { "atomic", do_atomic },   { "multicast", do_multicast },
};

/* Returns true if the process shall end. */
static bool answer(struct side *s, FILE *out, char *line)
{
	char *word[16] = { 0 };
	int n = 0, err = ENOSYS;

	for (char *w = strtok(line, " \n"); w && n < 15; w = strtok(NULL, " \n"))
		word[n++] = w;
	if (!n)
		err = EINVAL;
	else if (!strcmp(word[0], "quit"))
		return true;
	for (size_t i = 0; n && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(word[0], commands[i].name))
			continue;
		pthread_mutex_lock(&s->lock);
		err = commands[i].run(s, out, word + 1);
		pthread_mutex_unlock(&s->lock);
	}
	if (err)
		fprintf(out, "error %s\n", strerror(err));
	else
		fputs("ok\n", out);
	return false;
}

int main(int argc, char **argv)
{
	struct side s = { .len = 1 << 20, .mtu = IBV_MTU_1024, .gid_index = 1,
			  .lock = PTHREAD_MUTEX_INITIALIZER };
	const char *dev = NULL;
	pthread_t watcher;
	bool quit = false;
	char line[512];
	int opt;

	while ((opt = getopt(argc, argv, "d:g:m:s:")) != -1) {
		switch (opt) {
		case 'd':
			dev = optarg;
			break;
		case 'g':
			s.gid_index = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			for (s.mtu = IBV_MTU_256; s.mtu < IBV_MTU_4096 &&
			     128u << s.mtu < strtoul(optarg, NULL, 0);)
				s.mtu++;
			break;
		case 's':
			s.len = strtoul(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	if (!dev) {
		fputs("usage: vt -d DEV -g GID_INDEX [-m MTU] [-s BYTES]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	side_open(&s, dev);
	pthread_create(&watcher, NULL, watch_events, &s);
	puts("ready");
	fflush(stdout);
	while (!quit && fgets(line, sizeof(line), stdin)) {
		quit = answer(&s, stdout, line);
		fflush(stdout);
	}
	/* Leaves the verbs objects to the kernel: a process that ends is a test of its own. */
	return 0;
}
