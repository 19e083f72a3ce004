// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ruler - traffic for a bench that counts instructions: both ends sleep whenever
 * there is nothing to do, no clock is read, and one process does any number of
 * runs, so that of two runs of different length only the packets differ.
 *
 *	ruler serve -d DEV -g GID_INDEX -m PATH_MTU -p PORT		the far end
 *	ruler drive -d DEV -g GID_INDEX -m PATH_MTU -p PORT ADDRESS	the near end
 *	ruler serve -i NETDEV			raw frames: echoes them
 *	ruler drive -i NETDEV MAC		raw frames: waits for each echo
 *
 * `drive` reads runs from standard input, one a line, and answers each with
 * "done" or "error TEXT":
 *
 *	send|write|read COUNT SIZE	messages, one way
 *	pingpong COUNT SIZE		sends, there and back
 *	tcp COUNT SIZE			bytes, one way, over the ends' own connection;
 *					answered by "done BYTES-OF-A-SEGMENT"
 *	echo COUNT SIZE			frames, there and back (with -i)
 *
 * How the near end of a stream sleeps: up to WINDOW messages are posted, the
 * last one of each half is signalled, and each of those wakes it. The far end
 * of a stream of sends has posted all receives before; the last message is
 * solicited and is the only one that wakes it.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <infiniband/verbs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "device.h"

#define MAX_COUNT	1024		/* messages of a run: receives are posted before it */
#define MAX_SIZE	(1 << 20)
#define WINDOW		32		/* messages posted and not completed */
#define HALF		(WINDOW / 2)
#define READS		8		/* outstanding at a time */
#define ACK_TIMEOUT	18		/* 4.096 us << 18 = 1 s: an emulated host may stand still */
#define RETRIES		7
#define TCP_BUFFER	(1 << 18)	/* fixed: a window that grows makes runs differ */
#define FRAME_TYPE	0x88b5		/* IEEE 802: for local experiments */
#define MIN_FRAME	60
#define MAX_FRAME	9000

enum mode { SEND, WRITE, READ, PINGPONG, TCP, ECHO, N_MODES };

static const char *const mode_names[N_MODES] = { "send", "write", "read", "pingpong", "tcp",
						 "echo" };

struct run {
	uint32_t mode, count, size;
};

/* What the ends tell each other once, over TCP; both are the same kind of machine. */
struct hello {
	union ibv_gid gid;
	uint64_t addr;
	uint32_t qpn, psn, rkey;
};

struct end {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *send_cq, *recv_cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	uint8_t *mem;
	struct hello me, peer;
	unsigned int n_signalled;	/* sends whose completion has not been taken */
	unsigned int gid_index;
	enum ibv_mtu mtu;
	int tcp;			/* to the other end; at the near end: runs go, words come */
};

static void die(const char *what)
{
	fprintf(stderr, "ruler: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the other end, over TCP ------------------------------------------- */

static void put(int fd, const void *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		die("writing to the other end");
}

/* Returns false if the other end has closed. */
static bool get(int fd, void *data, size_t len)
{
	ssize_t n = recv(fd, data, len, MSG_WAITALL);

	if (n < 0)
		die("reading from the other end");
	return n == (ssize_t)len;
}

/* One word: the other end is that far. */
static void tell(int fd)
{
	put(fd, "", 1);
}

static void wait_told(int fd)
{
	char word;

	if (!get(fd, &word, 1)) {
		errno = ECONNRESET;
		die("the other end");
	}
}

static int tcp_socket(int family)
{
	int fd = socket(family, SOCK_STREAM, 0), one = 1, size = TCP_BUFFER;

	/* Words are short and each is waited for: none may wait for a second one. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("socket");
	return fd;
}

static int tcp_listen(unsigned int port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = tcp_socket(AF_INET6);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		die("listen");
	return fd;
}

static int tcp_connect(const char *address, unsigned int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = tcp_socket(AF_INET);

	if (inet_pton(AF_INET, address, &addr.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	return fd;
}

/* ---- verbs -------------------------------------------------------------- */

static void end_open(struct end *e, const char *dev)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1,
				    .qp_access_flags = access };
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 2 * WINDOW, .max_recv_wr = MAX_COUNT,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};

	e->ctx = device_open(dev);
	if (!e->ctx)
		die("open device");
	e->pd = ibv_alloc_pd(e->ctx);
	e->channel = ibv_create_comp_channel(e->ctx);
	if (!e->pd || !e->channel || posix_memalign((void **)&e->mem, 4096, MAX_SIZE))
		die("allocate");
	memset(e->mem, 0x5a, MAX_SIZE);
	e->mr = ibv_reg_mr(e->pd, e->mem, MAX_SIZE, access);
	e->send_cq = ibv_create_cq(e->ctx, WINDOW, NULL, e->channel, 0);
	e->recv_cq = ibv_create_cq(e->ctx, MAX_COUNT, NULL, e->channel, 0);
	if (!e->mr || !e->send_cq || !e->recv_cq)
		die("register memory, create completion queues");
	init.send_cq = e->send_cq;
	init.recv_cq = e->recv_cq;
	e->qp = ibv_create_qp(e->pd, &init);
	if (!e->qp || ibv_modify_qp(e->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				    IBV_QP_ACCESS_FLAGS))
		die("create queue pair");
	if (ibv_query_gid(e->ctx, 1, e->gid_index, &e->me.gid))
		die("query gid");
	e->me.addr = (uintptr_t)e->mem;
	e->me.rkey = e->mr->rkey;
	e->me.qpn = e->qp->qp_num;
	e->me.psn = 0x1234;
}

static void end_connect(struct end *e)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = e->mtu, .max_dest_rd_atomic = READS,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = 1,
			     .grh = { .sgid_index = e->gid_index, .hop_limit = 64 } },
	};

	put(e->tcp, &e->me, sizeof(e->me));
	if (!get(e->tcp, &e->peer, sizeof(e->peer)))
		die("the other end");
	attr.dest_qp_num = e->peer.qpn;
	attr.rq_psn = e->peer.psn;
	attr.ah_attr.grh.dgid = e->peer.gid;
	if (ibv_modify_qp(e->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
			  IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			  IBV_QP_MIN_RNR_TIMER))
		die("queue pair to RTR");
	attr.qp_state = IBV_QPS_RTS;
	attr.sq_psn = e->me.psn;
	attr.timeout = ACK_TIMEOUT;
	attr.retry_cnt = attr.rnr_retry = RETRIES;
	attr.max_rd_atomic = READS;
	if (ibv_modify_qp(e->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
			  IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		die("queue pair to RTS");
}

static void post_recvs(struct end *e, unsigned int count, unsigned int size)
{
	struct ibv_sge sge = { (uintptr_t)e->mem, size, e->mr->lkey };
	struct ibv_recv_wr wr[HALF], *bad;
	unsigned int n;

	for (; count; count -= n) {
		n = count < HALF ? count : HALF;
		for (unsigned int i = 0; i < n; i++)
			wr[i] = (struct ibv_recv_wr){ .next = i + 1 < n ? &wr[i + 1] : NULL,
						      .sg_list = &sge, .num_sge = 1 };
		errno = ibv_post_recv(e->qp, wr, &bad);
		if (errno)
			die("post receives");
	}
}

/* count messages by one call; only the last is signalled, or also solicited. */
static void post_sends(struct end *e, const struct run *run, unsigned int count, bool is_signalled,
		       bool is_solicited)
{
	static const enum ibv_wr_opcode ops[] = { [SEND] = IBV_WR_SEND, [WRITE] = IBV_WR_RDMA_WRITE,
						  [READ] = IBV_WR_RDMA_READ,
						  [PINGPONG] = IBV_WR_SEND };
	struct ibv_sge sge = { (uintptr_t)e->mem, run->size, e->mr->lkey };
	struct ibv_send_wr wr[HALF], *bad;

	for (unsigned int i = 0; i < count; i++) {
		wr[i] = (struct ibv_send_wr){
			.next = &wr[i + 1], .sg_list = &sge, .num_sge = 1,
			.opcode = ops[run->mode],
			.wr.rdma = { .remote_addr = e->peer.addr, .rkey = e->peer.rkey },
		};
	}
	wr[count - 1].next = NULL;
	wr[count - 1].send_flags = (is_signalled ? IBV_SEND_SIGNALED : 0) |
				   (is_solicited ? IBV_SEND_SOLICITED : 0);
	errno = ibv_post_send(e->qp, wr, &bad);
	if (errno)
		die("post sends");
	e->n_signalled += is_signalled;
}

/* Takes what has completed. */
static unsigned int reap(struct end *e, struct ibv_cq *cq)
{
	struct ibv_wc wc[HALF];
	int n = ibv_poll_cq(cq, HALF, wc);

	for (int i = 0; i < n; i++) {
		if (wc[i].status != IBV_WC_SUCCESS) {
			fprintf(stderr, "ruler: %s\n", ibv_wc_status_str(wc[i].status));
			exit(1);
		}
	}
	if (n < 0)
		die("poll");
	if (cq == e->send_cq)
		e->n_signalled -= n;
	return n;
}

static void arm(struct ibv_cq *cq, bool is_solicited_only)
{
	errno = ibv_req_notify_cq(cq, is_solicited_only);
	if (errno)
		die("request a notification");
}

/* Sleeps until the armed completion queue says something. */
static void sleep_until_event(struct end *e)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(e->channel, &cq, &context))
		die("completion event");
	ibv_ack_cq_events(cq, 1);
}

/*
 * One completion, or more. It may have come before or after the queue was armed;
 * an event for one that was taken already is found to be nothing, and slept on.
 */
static unsigned int wait_some(struct end *e, struct ibv_cq *cq, bool is_solicited_only)
{
	unsigned int n = reap(e, cq);

	while (!n) {
		arm(cq, is_solicited_only);
		n = reap(e, cq);
		if (n)
			break;
		sleep_until_event(e);
		n = reap(e, cq);
	}
	return n;
}

/* ---- runs --------------------------------------------------------------- */

static void drive_stream(struct end *e, const struct run *run)
{
	unsigned int posted = 0, done = 0, n;
	unsigned int halves[2], head = 0, tail = 0;	/* sizes of the lists on their way */

	while (done < run->count) {
		while (posted < run->count && head - tail < 2) {
			n = run->count - posted < HALF ? run->count - posted : HALF;
			posted += n;
			post_sends(e, run, n, true, run->mode == SEND && posted == run->count);
			halves[head++ % 2] = n;
		}
		for (n = wait_some(e, e->send_cq, false); n; n--)
			done += halves[tail++ % 2];
	}
}

/* Sends need a completion now and then, else their queue fills up. */
static void send_one(struct end *e, const struct run *run, unsigned int number)
{
	if (number && number % HALF == 0)
		reap(e, e->send_cq);
	post_sends(e, run, 1, number % HALF == 0, false);
}

static void drive_pingpong(struct end *e, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++) {
		post_recvs(e, 1, run->size);
		send_one(e, run, i);
		wait_some(e, e->recv_cq, false);
	}
}

static void serve_pingpong(struct end *e, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++) {
		wait_some(e, e->recv_cq, false);
		/* For the next one: the peer sends it when it has this answer. */
		if (i + 1 < run->count)
			post_recvs(e, 1, run->size);
		send_one(e, run, i);
	}
}

static void drive_tcp(struct end *e, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++)
		put(e->tcp, e->mem, run->size);
}

static void serve_tcp(struct end *e, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++) {
		if (!get(e->tcp, e->mem, run->size))
			die("the other end");
	}
}

static int segment_size(struct end *e)
{
	socklen_t len = sizeof(int);
	int size;

	if (getsockopt(e->tcp, IPPROTO_TCP, TCP_MAXSEG, &size, &len))
		die("TCP_MAXSEG");
	return size;
}

/* No completion of this run may be taken for one of the next. */
static void settle(struct end *e)
{
	while (e->n_signalled)
		wait_some(e, e->send_cq, false);
}

static void drive_run(struct end *e, const struct run *run)
{
	put(e->tcp, run, sizeof(*run));
	wait_told(e->tcp);
	if (run->mode == PINGPONG)
		drive_pingpong(e, run);
	else if (run->mode == TCP)
		drive_tcp(e, run);
	else
		drive_stream(e, run);
	settle(e);
	wait_told(e->tcp);
}

static void serve_run(struct end *e, const struct run *run)
{
	unsigned int got = 0;

	if (run->mode == SEND)
		post_recvs(e, run->count, run->size);
	if (run->mode == PINGPONG)
		post_recvs(e, 1, run->size);
	tell(e->tcp);
	while (run->mode == SEND && got < run->count)
		got += wait_some(e, e->recv_cq, true);
	if (run->mode == PINGPONG)
		serve_pingpong(e, run);
	if (run->mode == TCP)
		serve_tcp(e, run);
	settle(e);
	tell(e->tcp);
}

/* ---- raw frames: what a cable costs ------------------------------------- */

struct raw {
	int fd;
	uint8_t mac[ETH_ALEN];		/* of the other end */
	uint8_t frame[MAX_FRAME];
};

static void raw_open(struct raw *r, const char *netdev)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(FRAME_TYPE),
				    .sll_ifindex = if_nametoindex(netdev) };

	r->fd = socket(AF_PACKET, SOCK_RAW, htons(FRAME_TYPE));
	if (r->fd < 0 || !addr.sll_ifindex || bind(r->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(netdev);
}

static void raw_send(struct raw *r, size_t len)
{
	struct ether_header *eth = (struct ether_header *)r->frame;

	memcpy(eth->ether_dhost, r->mac, ETH_ALEN);
	/* The source address is what the echo goes to. */
	eth->ether_type = htons(FRAME_TYPE);
	if (send(r->fd, r->frame, len, 0) != (ssize_t)len)
		die("send a frame");
}

static size_t raw_recv(struct raw *r)
{
	ssize_t len = recv(r->fd, r->frame, sizeof(r->frame), 0);

	if (len < MIN_FRAME)
		die("receive a frame");
	return len;
}

static void raw_mac(struct raw *r, uint8_t *mac, const char *netdev)
{
	struct sockaddr_ll addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(r->fd, (struct sockaddr *)&addr, &len) || addr.sll_halen != ETH_ALEN)
		die(netdev);
	memcpy(mac, addr.sll_addr, ETH_ALEN);
}

static _Noreturn void raw_serve(const char *netdev)
{
	struct raw r = { 0 };
	struct ether_header *eth = (struct ether_header *)r.frame;
	uint8_t me[ETH_ALEN];
	size_t len;

	raw_open(&r, netdev);
	raw_mac(&r, me, netdev);
	puts("ready");
	fflush(stdout);
	for (;;) {
		len = raw_recv(&r);
		memcpy(r.mac, eth->ether_shost, ETH_ALEN);
		memcpy(eth->ether_shost, me, ETH_ALEN);
		raw_send(&r, len);
	}
}

static void raw_run(struct raw *r, const struct run *run, const uint8_t *me)
{
	struct ether_header *eth = (struct ether_header *)r->frame;

	for (unsigned int i = 0; i < run->count; i++) {
		memcpy(eth->ether_shost, me, ETH_ALEN);
		raw_send(r, run->size);
		raw_recv(r);
	}
}

/* ---- the command line --------------------------------------------------- */

static const char *read_run(const char *line, struct run *run, bool is_raw)
{
	char name[16];
	unsigned int max_size = is_raw ? MAX_FRAME : MAX_SIZE;

	if (sscanf(line, "%15s %u %u", name, &run->count, &run->size) != 3)
		return "want: MODE COUNT SIZE";
	for (run->mode = 0; run->mode < N_MODES && strcmp(name, mode_names[run->mode]); run->mode++)
		;
	if (run->mode == N_MODES || is_raw != (run->mode == ECHO))
		return "there is no such run here";
	if (!run->count || run->count > MAX_COUNT || run->size > max_size ||
	    (is_raw && run->size < MIN_FRAME))
		return "that is too few, too many or too long";
	return NULL;
}

static int drive(struct end *e, struct raw *raw, const char *netdev)
{
	uint8_t me[ETH_ALEN];
	const char *wrong;
	struct run run;
	char line[80];

	if (netdev)
		raw_mac(raw, me, netdev);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		wrong = read_run(line, &run, netdev);
		if (wrong)
			printf("error %s\n", wrong);
		else if (netdev)
			raw_run(raw, &run, me);
		else
			drive_run(e, &run);
		if (!wrong && run.mode == TCP)
			printf("done %d\n", segment_size(e));
		else if (!wrong)
			puts("done");
		fflush(stdout);
	}
	return 0;
}

static int serve(struct end *e, unsigned int port)
{
	int listener = tcp_listen(port);
	struct run run;

	puts("ready");
	fflush(stdout);
	e->tcp = accept(listener, NULL, NULL);
	if (e->tcp < 0)
		die("accept");
	/* The next ruler of this host may listen there. */
	close(listener);
	end_connect(e);
	while (get(e->tcp, &run, sizeof(run)))
		serve_run(e, &run);
	return 0;
}

static int usage(void)
{
	fputs("usage: ruler serve -d DEV -g GID_INDEX -m PATH_MTU -p PORT\n"
	      "       ruler drive -d DEV -g GID_INDEX -m PATH_MTU -p PORT ADDRESS\n"
	      "       ruler serve -i NETDEV\n"
	      "       ruler drive -i NETDEV MAC\n", stderr);
	return 2;
}

static bool read_mac(const char *text, uint8_t *mac)
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5]) == ETH_ALEN;
}

int main(int argc, char **argv)
{
	const char *dev = NULL, *netdev = NULL, *verb = argc > 1 ? argv[1] : "";
	bool is_driver = !strcmp(verb, "drive");
	struct end e = { .gid_index = 1, .mtu = IBV_MTU_1024 };
	unsigned int port = 18600;
	struct raw raw = { 0 };
	int opt;

	if (!is_driver && strcmp(verb, "serve"))
		return usage();
	argc--;
	argv++;
	while ((opt = getopt(argc, argv, "d:g:m:p:i:")) != -1) {
		if (opt == 'd')
			dev = optarg;
		else if (opt == 'i')
			netdev = optarg;
		else if (opt == 'g')
			e.gid_index = strtoul(optarg, NULL, 0);
		else if (opt == 'p')
			port = strtoul(optarg, NULL, 0);
		else if (opt == 'm')
			e.mtu = strtoul(optarg, NULL, 0) == 4096 ? IBV_MTU_4096 : IBV_MTU_1024;
		else
			return usage();
	}
	if (!dev == !netdev || argc - optind != is_driver)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (netdev && !is_driver)
		raw_serve(netdev);
	if (netdev) {
		if (!read_mac(argv[optind], raw.mac))
			return usage();
		raw_open(&raw, netdev);
		return drive(NULL, &raw, netdev);
	}
	end_open(&e, dev);
	if (!is_driver)
		return serve(&e, port);
	e.tcp = tcp_connect(argv[optind], port);
	end_connect(&e);
	return drive(&e, NULL, NULL);
}
