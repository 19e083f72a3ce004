// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Netlink in three lines per command, on libnl's messages and sockets. The
 * receive loop is our own: replies hold keys and must be cleared, and the
 * kernel's extack text belongs in our message.
 */
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "handle.h"

static const int protocols[FAMILY_COUNT] = {
	[FAMILY_ROUTE] = NETLINK_ROUTE,
	[FAMILY_XFRM] = NETLINK_XFRM,
	[FAMILY_GENERIC] = NETLINK_GENERIC,
	[FAMILY_RDMA] = NETLINK_RDMA,
};

static const char *const family_names[FAMILY_COUNT] = {
	[FAMILY_ROUTE] = "rtnetlink",
	[FAMILY_XFRM] = "xfrm netlink",
	[FAMILY_GENERIC] = "generic netlink",
	[FAMILY_RDMA] = "RDMA netlink",
};

static int socket_open(struct ipsec_roce *h, enum family family)
{
	struct nl_sock *sock;
	struct nl_cb *cb;
	int err, on = 1;

	/* Not libnl's default callbacks: NLCB=debug would print requests, and keys are in them. */
	cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!cb)
		return fail(h, -ENOMEM, "out of memory");
	sock = nl_socket_alloc_cb(cb);
	nl_cb_put(cb);
	if (!sock)
		return fail(h, -ENOMEM, "out of memory");

	err = nl_connect(sock, protocols[family]);
	if (err) {
		nl_socket_free(sock);
		return fail(h, -EPROTONOSUPPORT, "open %s: %s", family_names[family],
			    nl_geterror(err));
	}
	/* Older kernels know neither option: texts get poorer, nothing else. */
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	/* An error is not to carry the request back: the key would sit in one more buffer. */
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	h->sock[family] = sock;
	return 0;
}

void request_begin(struct ipsec_roce *h, enum family family, uint16_t type, uint16_t flags,
		   const void *head, size_t len)
{
	h->family = family;
	h->err = 0;
	h->msg = nlmsg_alloc_size(REQUEST_SIZE);
	if (!h->msg || !nlmsg_put(h->msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0,
				  NLM_F_REQUEST | NLM_F_ACK | flags)) {
		h->err = -ENOMEM;
		return;
	}
	if (len && nlmsg_append(h->msg, (void *)head, len, NLMSG_ALIGNTO))
		h->err = -EMSGSIZE;
}

void put(struct ipsec_roce *h, int attr, const void *data, size_t len)
{
	if (!h->err && nla_put(h->msg, attr, len, data))
		h->err = -EMSGSIZE;
}

void put_u8(struct ipsec_roce *h, int attr, uint8_t value)
{
	put(h, attr, &value, sizeof(value));
}

void put_u16(struct ipsec_roce *h, int attr, uint16_t value)
{
	put(h, attr, &value, sizeof(value));
}

void put_u32(struct ipsec_roce *h, int attr, uint32_t value)
{
	put(h, attr, &value, sizeof(value));
}

void put_text(struct ipsec_roce *h, int attr, const char *text)
{
	put(h, attr, text, strlen(text) + 1);
}

void put_addr(struct ipsec_roce *h, int attr, const struct ipsec_roce_addr *addr)
{
	if (addr->family == AF_INET)
		put(h, attr, &addr->v4, sizeof(addr->v4));
	else
		put(h, attr, &addr->v6, sizeof(addr->v6));
}

struct nlattr *nest_begin(struct ipsec_roce *h, int attr)
{
	struct nlattr *nest = NULL;

	if (!h->err) {
		nest = nla_nest_start(h->msg, attr | NLA_F_NESTED);
		if (!nest)
			h->err = -EMSGSIZE;
	}
	return nest;
}

void nest_end(struct ipsec_roce *h, struct nlattr *nest)
{
	if (!h->err && nest)
		nla_nest_end(h->msg, nest);
}

/*
 *  +----------+----------+------------------------------+---------------------+
 *  | nlmsghdr | nlmsgerr | the request, unless capped   | NLMSGERR_ATTR_* ... |
 *  +----------+----------+------------------------------+---------------------+
 */
static int parse_ack(struct ipsec_roce *h, struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = nlmsg_data(nlh);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1] = { 0 };
	size_t skip = sizeof(*e);

	if ((size_t)nlmsg_datalen(nlh) < sizeof(*e))
		return fail(h, -EBADMSG, "%s: the kernel's answer is cut short", h->what);
	h->is_unsure = false;
	if (!e->error)
		return 0;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > sizeof(e->msg))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) && (size_t)nlmsg_datalen(nlh) > skip)
		nla_parse(tb, NLMSGERR_ATTR_MAX,
			  (struct nlattr *)((char *)nlmsg_data(nlh) + skip),
			  nlmsg_datalen(nlh) - skip, NULL);

	if (tb[NLMSGERR_ATTR_MSG])
		return fail(h, e->error, "%s: kernel: %.*s (%s)", h->what,
			    nla_len(tb[NLMSGERR_ATTR_MSG]),
			    (char *)nla_data(tb[NLMSGERR_ATTR_MSG]), strerror(-e->error));
	return fail(h, e->error, "%s: kernel: %s", h->what, strerror(-e->error));
}

/* 1: the reply goes on; 0: it ended well; below: it failed. */
static int take_message(struct ipsec_roce *h, struct nlmsghdr *nlh, reply_fn fn, void *arg,
			int *result)
{
	int err;

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		return parse_ack(h, nlh);
	case NLMSG_DONE:
		h->is_unsure = false;
		/* A dump that broke off says so in the error that follows the header. */
		if ((size_t)nlmsg_datalen(nlh) >= sizeof(int)) {
			memcpy(&err, nlmsg_data(nlh), sizeof(err));
			if (err < 0)
				return fail(h, err, "%s: kernel: %s", h->what, strerror(-err));
		}
		return 0;
	case NLMSG_OVERRUN:
		return fail(h, -ENOBUFS, "%s: netlink overrun", h->what);
	}
	if (fn && !*result)
		*result = fn(h, nlh, arg);
	return 1;
}

static int receive(struct ipsec_roce *h, uint32_t seq, reply_fn fn, void *arg)
{
	struct nl_sock *sock = h->sock[h->family];
	int result = 0, err = 1;

	while (err == 1) {
		struct sockaddr_nl from;
		struct iovec iov = { .iov_base = h->reply, .iov_len = REPLY_SIZE };
		struct msghdr mh = { .msg_name = &from, .msg_namelen = sizeof(from),
				     .msg_iov = &iov, .msg_iovlen = 1 };
		struct nlmsghdr *nlh = (struct nlmsghdr *)h->reply;
		ssize_t n = recvmsg(nl_socket_get_fd(sock), &mh, 0);
		int left;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(h, -errno, "%s: receive: %s", h->what, strerror(errno));
		if (mh.msg_flags & MSG_TRUNC)
			return fail(h, -EMSGSIZE, "%s: the kernel's answer is too long", h->what);
		/* Anybody may send to our port: only the kernel has pid 0. */
		if (from.nl_pid)
			continue;
		for (left = n; err == 1 && nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left))
			if (nlh->nlmsg_seq == seq)
				err = take_message(h, nlh, fn, arg, &result);
	}
	return err ? err : result;
}

int request_call(struct ipsec_roce *h, reply_fn fn, void *arg)
{
	struct nlmsghdr *nlh = h->msg ? nlmsg_hdr(h->msg) : NULL;
	int err = h->err;

	h->is_unsure = false;
	if (err) {
		fail(h, err, "%s: the request does not fit", h->what);
		goto out_free;
	}
	if (!h->sock[h->family]) {
		err = socket_open(h, h->family);
		if (err)
			goto out_free;
	}
	nl_complete_msg(h->sock[h->family], h->msg);
	if (send(nl_socket_get_fd(h->sock[h->family]), nlh, nlh->nlmsg_len, 0) < 0) {
		err = fail(h, -errno, "%s: send: %s", h->what, strerror(errno));
		goto out_free;
	}
	h->is_unsure = true;
	err = receive(h, nlh->nlmsg_seq, fn, arg);
	if (h->family == FAMILY_XFRM)
		explicit_bzero(h->reply, REPLY_SIZE);
out_free:
	if (nlh)
		explicit_bzero(nlh, REQUEST_SIZE);
	nlmsg_free(h->msg);
	h->msg = NULL;
	return err;
}

static int on_family(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[CTRL_ATTR_MAX + 1];

	if (nlmsg_parse(nlh, GENL_HDRLEN, tb, CTRL_ATTR_MAX, NULL) || !tb[CTRL_ATTR_FAMILY_ID])
		return fail(h, -EBADMSG, "%s: the kernel names no family", h->what);
	*(int *)arg = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return 0;
}

int genl_resolve(struct ipsec_roce *h, const char *name, int *id)
{
	struct genlmsghdr genl = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	char what[sizeof(h->what)];
	int err;

	memcpy(what, h->what, sizeof(what));
	request_name(h, "look up the generic netlink family %s", name);
	request_begin(h, FAMILY_GENERIC, GENL_ID_CTRL, 0, &genl, sizeof(genl));
	put_text(h, CTRL_ATTR_FAMILY_NAME, name);
	err = request_call(h, on_family, id);
	memcpy(h->what, what, sizeof(what));
	return err;
}
