// SPDX-License-Identifier: GPL-2.0
/*
 * The skb of a frame, and a RoCE packet as cleartext in it: one pass over the payload.
 */
#include <linux/ipv6.h>

#include "base.h"

struct sk_buff *iroce_frame_alloc(struct iroce_func *f, unsigned int len, unsigned int l3)
{
	const struct net_device *cable;
	unsigned int room;
	struct sk_buff *skb;

	rcu_read_lock();
	cable = rcu_dereference(f->port->cable);
	room = cable ? LL_RESERVED_SPACE(cable) : LL_MAX_HEADER;
	rcu_read_unlock();
	/* The IP header aligned, where the headroom starts aligned. */
	room = ALIGN(room + ETH_HLEN, 16) - ETH_HLEN;

	skb = netdev_alloc_skb(f->netdev, room + len);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	__skb_put(skb, len);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, l3);
	return skb;
}

struct sk_buff *iroce_frame_plain(struct iroce_func *f, const struct iroce_frame *frame)
{
	unsigned int len = iroce_frame_len(frame);
	struct sk_buff *skb;
	unsigned int i;
	u8 *p;

	skb = iroce_frame_alloc(f, len, frame->l2_len);
	if (!skb)
		return ERR_PTR(-ENOMEM);
	p = skb->data;
	memcpy(p, frame->hdr, frame->hdr_len);
	p += frame->hdr_len;
	for (i = 0; i < frame->n_payload; i++) {
		memcpy(p, frame->payload[i].iov_base, frame->payload[i].iov_len);
		p += frame->payload[i].iov_len;
	}
	memcpy(p, frame->tail, frame->tail_len);

	skb_set_transport_header(skb, frame->l2_len + frame->l3_len);
	skb->protocol = frame->l3_len == sizeof(struct ipv6hdr) ? htons(ETH_P_IPV6) :
								  htons(ETH_P_IP);
	return skb;
}
