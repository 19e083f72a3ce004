// SPDX-License-Identifier: GPL-2.0
/*
 * The frames that come from a port's cable, by its rx_handler: made what the rest of the
 * adapter is promised, and given to the switch.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/gso.h>

#include "cable.h"
#include "switch.h"

/* The IP header says so itself: the first IROCE_HEADERS_IP_LEN bytes are linear. */
static bool is_esp(const struct sk_buff *skb)
{
	struct iroce_headers h;

	return !iroce_headers_find_ip(&h, skb->data, skb_headlen(skb)) && iroce_headers_is_esp(&h);
}

/*
 * Makes of a received frame what a function is promised: data at the Ethernet
 * header, VLAN tag in the frame, checksums on the frame and not beside it;
 * unshared and linear, but for ESP: opening that writes a frame of its own where
 * it finds it otherwise, and a copy made here would be a second one. Consumes @skb;
 * NULL and counted if memory is short.
 */
static struct sk_buff *normalise_frame(struct iroce_uplink *up, struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		goto err_free;
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			goto err;
	}
	if (!pskb_may_pull(skb, min_t(unsigned int, skb->len, IROCE_HEADERS_IP_LEN)))
		goto err_free;
	if (!is_esp(skb)) {
		skb = skb_unshare(skb, GFP_ATOMIC);
		if (!skb)
			goto err;
		if (skb_linearize(skb))
			goto err_free;
	}
	skb_orphan(skb);
	skb_ext_reset(skb);
	skb->pkt_type = PACKET_HOST;
	skb_set_queue_mapping(skb, 0);	/* the cable's queues say nothing about a function's */
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	return skb;

err_free:
	kfree_skb(skb);
err:
	iroce_uplink_count(up, IROCE_uplink_rx_drop_no_mem, 1);
	return NULL;
}

static void receive_frame(struct iroce_uplink *up, struct sk_buff *skb)
{
	skb = normalise_frame(up, skb);
	if (!skb)
		return;
	iroce_uplink_count(up, IROCE_uplink_rx_pkts, 1);
	iroce_uplink_count(up, IROCE_uplink_rx_bytes, skb->len);
	iroce_switch_uplink_rx(&up->port, skb);
}

/* A veth's peer, or GRO on the cable, gives us what never was one frame. */
static void receive_segments(struct iroce_uplink *up, struct sk_buff *skb)
{
	struct sk_buff *segs, *next;

	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		iroce_uplink_count(up, IROCE_uplink_rx_drop_no_mem, 1);
		kfree_skb(skb);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		receive_frame(up, skb);
	}
}

/* Softirq, RCU read side; data is behind the Ethernet header. */
rx_handler_result_t iroce_uplink_handle_frame(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct iroce_uplink *up = rcu_dereference(skb->dev->rx_handler_data);

	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb) {
		iroce_uplink_count(up, IROCE_uplink_rx_drop_no_mem, 1);
		return RX_HANDLER_CONSUMED;
	}
	if (unlikely(!skb_mac_header_was_set(skb) ||
		     skb->data - skb_mac_header(skb) != ETH_HLEN)) {
		iroce_uplink_count(up, IROCE_uplink_rx_drop_runt, 1);
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	__skb_push(skb, ETH_HLEN);
	if (unlikely(skb_is_gso(skb)))
		receive_segments(up, skb);
	else
		receive_frame(up, skb);
	return RX_HANDLER_CONSUMED;
}
