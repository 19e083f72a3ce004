/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Private: the handle, and netlink in three lines per command: begin, put, call.
 * A put that does not fit sticks to the handle and comes out of the call.
 */
#ifndef IPSEC_ROCE_HANDLE_H
#define IPSEC_ROCE_HANDLE_H

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "ipsec_roce.h"

#define REQUEST_SIZE	4096
#define REPLY_SIZE	65536	/* the kernel fills a dump's messages to at most 32 KiB */

enum family {
	FAMILY_ROUTE,
	FAMILY_XFRM,
	FAMILY_GENERIC,
	FAMILY_RDMA,
	FAMILY_COUNT,
};

struct ipsec_roce {
	struct nl_sock *sock[FAMILY_COUNT];	/* opened at first use */
	struct nl_msg *msg;			/* the request that is being built */
	enum family family;			/* of that request */
	int err;				/* the first failed put */
	bool is_unsure;				/* sent, but the answer was lost: done or not? */
	int ethtool_id;				/* 0: not resolved yet */
	char what[160];				/* what the request does, for the message */
	char message[640];
	unsigned char *reply;			/* cleared after each use: dumps of SAs hold keys */
};

/* For each message of the reply; non-zero ends the walk and is returned. */
typedef int (*reply_fn)(struct ipsec_roce *h, struct nlmsghdr *nlh, void *arg);

/* Records the message and returns err, so that a failure is one statement. */
int fail(struct ipsec_roce *h, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Names the request for error texts: "add the inbound SA 0x00001000 on eth0". */
void request_name(struct ipsec_roce *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void request_begin(struct ipsec_roce *h, enum family family, uint16_t type, uint16_t flags,
		   const void *head, size_t len);
void put(struct ipsec_roce *h, int attr, const void *data, size_t len);
void put_u8(struct ipsec_roce *h, int attr, uint8_t value);
void put_u16(struct ipsec_roce *h, int attr, uint16_t value);
void put_u32(struct ipsec_roce *h, int attr, uint32_t value);
void put_text(struct ipsec_roce *h, int attr, const char *text);
void put_addr(struct ipsec_roce *h, int attr, const struct ipsec_roce_addr *addr);
struct nlattr *nest_begin(struct ipsec_roce *h, int attr);
void nest_end(struct ipsec_roce *h, struct nlattr *nest);
int request_call(struct ipsec_roce *h, reply_fn fn, void *arg);
/*
 * The number of a generic netlink family. What the caller does is named already; in its place
 * stands what was looked up if that fails. -ENOENT: there is no such family.
 */
int genl_resolve(struct ipsec_roce *h, const char *name, int *id);

/*
 * Copies a caller's struct that begins with its size into one of ours; what an
 * older caller lacks is zero, and what a newer one sets beyond ours is refused.
 */
int opts_import(struct ipsec_roce *h, void *to, size_t size, const void *from);
/* The way back: fills no more than the caller's size. */
int opts_export(struct ipsec_roce *h, void *to, const void *from, size_t size);

#define OPTS_IMPORT(h, to, from) opts_import(h, to, sizeof(*(to)), from)
#define OPTS_EXPORT(h, to, from) opts_export(h, to, from, sizeof(*(from)))

int link_index(struct ipsec_roce *h, const char *dev, unsigned int *ifindex);

#endif
