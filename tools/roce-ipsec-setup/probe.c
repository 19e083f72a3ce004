// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Probes: ICMP echo through a raw socket that is bound to the device, or, where
 * only UDP is protected, datagrams to the discard port.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define DISCARD_PORT	9
#define ANSWER_WAIT_MS	1500	/* the first probe may wait for the neighbour's address */

union any_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t sockaddr_set(union any_addr *to, const struct ipsec_roce_addr *a, uint16_t port,
			      const char *dev)
{
	memset(to, 0, sizeof(*to));
	if (a->family == AF_INET) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_addr = a->v4;
		to->v4.sin_port = htons(port);
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_addr = a->v6;
	to->v6.sin6_port = htons(port);
	if (IN6_IS_ADDR_LINKLOCAL(&a->v6))
		to->v6.sin6_scope_id = if_nametoindex(dev);
	return sizeof(to->v6);
}

static int probe_socket(const char *dev, const struct ipsec_roce_addr *local,
			const struct ipsec_roce_addr *peer, uint8_t proto)
{
	int icmp = peer->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	union any_addr addr;
	socklen_t len;
	int fd, err;

	fd = proto == IPPROTO_UDP ? socket(peer->family, SOCK_DGRAM | SOCK_CLOEXEC, 0) :
				    socket(peer->family, SOCK_RAW | SOCK_CLOEXEC, icmp);
	if (fd < 0)
		return -errno;
	len = sockaddr_set(&addr, local, 0, dev);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)) ||
	    bind(fd, &addr.sa, len))
		goto err_close;
	len = sockaddr_set(&addr, peer, proto == IPPROTO_UDP ? DISCARD_PORT : 0, dev);
	/* Connected: only what the peer sends is received. */
	if (connect(fd, &addr.sa, len))
		goto err_close;
	return fd;

err_close:
	err = -errno;
	close(fd);
	return err;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *byte = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += byte[i] << 8 | byte[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Both families lay an echo out alike: type, code, checksum, id, sequence. */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, seq;
	char text[16];
};

static int send_one(int fd, const struct probe *p, uint16_t id, int seq)
{
	struct echo e = { .text = "roce-ipsec probe" };

	if (p->expects_answer) {
		e.type = p->peer->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
		e.id = htons(id);
		e.seq = htons(seq);
		/* ICMPv6's covers a pseudo-header: the kernel fills it in. */
		if (p->peer->family == AF_INET)
			e.checksum = checksum(&e, sizeof(e));
	}
	return send(fd, &e, sizeof(e), MSG_DONTWAIT) < 0 ? -errno : 0;
}

static bool is_answer(int family, uint16_t id, int ids, const char *packet, ssize_t len)
{
	struct echo e;
	size_t skip = 0;

	/* A raw IPv4 socket hands the IP header out too. */
	if (family == AF_INET)
		skip = len > 0 ? (packet[0] & 15) * 4 : 0;
	if (len < (ssize_t)(skip + sizeof(e)))
		return false;
	memcpy(&e, packet + skip, sizeof(e));
	/* Late ones of the round before are not this round's. */
	return e.type == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       (uint16_t)(ntohs(e.id) - id) < ids;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Returns how many answers came. */
static int collect(int fd, const struct probe *p, uint16_t id, int ids, int sent)
{
	int64_t end = now_ms() + ANSWER_WAIT_MS;
	int family = p->peer->family, answered = 0;
	char packet[512];

	while (answered < sent && now_ms() < end) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, end - now_ms()) <= 0)
			break;
		if (is_answer(family, id, ids, packet,
			      recv(fd, packet, sizeof(packet), MSG_DONTWAIT)))
			answered++;
	}
	return answered;
}

static int send_all(int *fd, const struct probe *p, uint16_t id, int count, int *sent)
{
	static const struct timespec pause = { 0, 20 * 1000 * 1000 };
	int err = 0;

	for (int i = 0; i < count; i++) {
		int one;

		/* A datagram's flow is its socket's port. */
		if (i && p->is_spread && !p->expects_answer) {
			close(*fd);
			*fd = probe_socket(p->dev, p->local, p->peer, p->proto);
			if (*fd < 0)
				return *fd;
		}
		one = send_one(*fd, p, p->is_spread ? id + i : id, i);
		/* A closed port's answer to the last datagram is no failure of this one. */
		if (!one || one == -ECONNREFUSED)
			++*sent;
		else
			err = one;
		nanosleep(&pause, NULL);
	}
	return *sent ? 0 : err;
}

int probe_run(struct probe *p)
{
	int count = p->is_spread ? PROBE_SPREAD : PROBE_COUNT, sent = 0, answered = 0;
	uint16_t id = getpid() + p->rounds * count;
	int fd, err;

	p->expects_answer = p->proto != IPPROTO_UDP;
	p->kind = p->expects_answer ? "echo requests" : "UDP datagrams";
	fd = probe_socket(p->dev, p->local, p->peer, p->proto);
	if (fd < 0)
		return fd;
	err = send_all(&fd, p, id, count, &sent);
	if (!err && p->expects_answer)
		answered = collect(fd, p, id, p->is_spread ? count : 1, sent);
	if (fd >= 0)
		close(fd);
	p->sent += sent;
	p->answered += answered;
	p->rounds++;
	p->full_rounds += answered == count;
	return err;
}
