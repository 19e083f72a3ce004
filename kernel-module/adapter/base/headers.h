/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The headers of an skb, as core/headers.h reads them.
 */
#ifndef IROCE_BASE_HEADERS_H
#define IROCE_BASE_HEADERS_H

#include <linux/skbuff.h>

#include "core/headers.h"

/*
 * iroce_skb_headers_go_on - what the headers of a frame say, wherever they are in the skb
 * @skb: data is at the Ethernet header
 * @h: as iroce_headers_find_ip() has left it, asked of the linear part
 * @err: what it said
 *
 * Pulls what has to be read into the linear part, however short that is; the frame's bytes stay
 * as they are, pointers to them do not. Any context that may write to the skb.
 *
 * Return: 0; -EPROTONOSUPPORT it is not IP; -EBADMSG it cannot be told: the frame ends in its
 * headers, contradicts itself, has more VLAN tags than are looked behind, or memory is short.
 */
int __must_check iroce_skb_headers_go_on(struct sk_buff *skb, struct iroce_headers *h, int err);

/* The same from the Ethernet header on. */
static inline int __must_check iroce_skb_headers(struct sk_buff *skb, struct iroce_headers *h)
{
	return iroce_skb_headers_go_on(skb, h,
				       iroce_headers_find_ip(h, skb->data, skb_headlen(skb)));
}

#endif /* IROCE_BASE_HEADERS_H */
