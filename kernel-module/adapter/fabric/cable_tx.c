// SPDX-License-Identifier: GPL-2.0
/*
 * The frames on a port's cable.
 *
 * In: the cable's rx_handler. Out: straight to the cable's driver, past its
 * qdisc, so that a batch rings one doorbell and nothing is dropped or reordered
 * on the way: each flow has one queue here, a queue has one sender at a time,
 * and what the driver can't take waits its turn (retry timer).
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/gso.h>

#include "compat/compat.h"
#include "uplink.h"

#define TX_BUDGET	1024	/* frames one sender sends for all, before the timer goes on */
#define TX_WAIT_MIN	(50 * NSEC_PER_USEC)	/* a ring of 256 lasts longer */
#define TX_WAIT_MAX	NSEC_PER_MSEC

struct iroce_uplink_stats __percpu *iroce_port_stats(const struct iroce_port *port)
{
	return iroce_uplink(port)->stats;
}

u64 iroce_port_stat_sum(const struct iroce_port *port, enum iroce_uplink_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(iroce_uplink(port)->stats, cpu)->v[stat]);
	return sum;
}

static void count(struct iroce_uplink *up, enum iroce_uplink_stat stat, u64 n)
{
	this_cpu_add(up->stats->v[stat], n);
}

/* ---- out -------------------------------------------------------------- */

static void purge(struct iroce_uplink *up, struct sk_buff_head *frames)
{
	count(up, IROCE_uplink_tx_drop_link_down, skb_queue_len(frames));
	__skb_queue_purge(frames);
}

/* The cable's tx queue is locked. False: the ring is full, @skb is still ours. */
static bool send_one(struct iroce_uplink *up, struct net_device *cable, struct netdev_queue *txq,
		     struct sk_buff *skb, bool is_more)
{
	unsigned int len = skb->len;
	int rc;

	if (netif_xmit_frozen_or_drv_stopped(txq))
		return false;
	if (dev_nit_active(cable))
		dev_queue_xmit_nit(skb, cable);
	rc = netdev_start_xmit(skb, cable, txq, is_more);
	if (!dev_xmit_complete(rc))
		return false;
	if (rc == NETDEV_TX_OK) {
		count(up, IROCE_uplink_tx_pkts, 1);
		count(up, IROCE_uplink_tx_bytes, len);
	} else {
		count(up, IROCE_uplink_tx_drop_refused, 1);
	}
	return true;
}

/*
 * Hands @batch to the driver; what it can't take now stays in @batch.
 * BH disabled, which is also the read side for @cable: dev_close() waits.
 */
static void send_batch(struct iroce_tx_queue *q, struct sk_buff_head *batch)
{
	struct iroce_uplink *up = q->uplink;
	struct netdev_queue *txq;
	struct net_device *cable;
	unsigned int index;
	struct sk_buff *skb;

	rcu_read_lock();
	cable = rcu_dereference(up->port.cable);
	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		purge(up, batch);
		goto out;
	}
	index = q->index % READ_ONCE(cable->real_num_tx_queues);
	txq = netdev_get_tx_queue(cable, index);
	HARD_TX_LOCK(cable, txq, smp_processor_id());
	while ((skb = __skb_dequeue(batch))) {
		skb_set_queue_mapping(skb, index);
		if (!send_one(up, cable, txq, skb, !skb_queue_empty(batch))) {
			__skb_queue_head(batch, skb);
			break;
		}
	}
	HARD_TX_UNLOCK(cable, txq);
out:
	rcu_read_unlock();
}

/*
 * Sends what is queued unless somebody is at it. No lock is held while the
 * driver runs: a cable that leads back to us only appends. BH disabled.
 */
static void run_queue(struct iroce_tx_queue *q)
{
	unsigned int sent = 0, left = 0;
	struct sk_buff_head batch;

	__skb_queue_head_init(&batch);
	spin_lock(&q->frames.lock);
	if (q->is_sending)
		goto out;
	q->is_sending = true;
	while (!skb_queue_empty(&q->frames) && sent < TX_BUDGET && !left) {
		skb_queue_splice_init(&q->frames, &batch);
		sent += skb_queue_len(&batch);
		spin_unlock(&q->frames.lock);
		send_batch(q, &batch);
		spin_lock(&q->frames.lock);
		left = skb_queue_len(&batch);
		sent -= left;
		skb_queue_splice_init(&batch, &q->frames);
	}
	q->is_sending = false;
	if (!skb_queue_empty(&q->frames)) {
		/* A ring that takes nothing at all is asked less and less often. */
		q->wait_ns = sent ? TX_WAIT_MIN : min_t(u32, 2 * q->wait_ns, TX_WAIT_MAX);
		hrtimer_start(&q->retry, ns_to_ktime(q->wait_ns), HRTIMER_MODE_REL_SOFT);
	}
out:
	spin_unlock(&q->frames.lock);
}

static enum hrtimer_restart retry(struct hrtimer *timer)
{
	run_queue(container_of(timer, struct iroce_tx_queue, retry));
	return HRTIMER_NORESTART;
}

/* As the cable's features want it: linear, checksummed. NULL if it was dropped. */
static struct sk_buff *prepare(struct net_device *cable, struct sk_buff *skb)
{
	bool again = false;

	skb->dev = cable;
	return validate_xmit_skb_list(skb, cable, &again);
}

void iroce_port_xmit(struct iroce_port *port, struct iroce_func *f, struct sk_buff_head *frames)
{
	struct iroce_uplink *up = iroce_uplink(port);
	struct net_device *cable = rcu_dereference(port->cable);
	struct iroce_tx_queue *q = NULL, *next;
	struct sk_buff *skb;

	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		iroce_stat_add(f->stats, IROCE_STAT_tx_drop_link_down, skb_queue_len(frames));
		__skb_queue_purge(frames);
		return;
	}
	while ((skb = __skb_dequeue(frames))) {
		next = &up->queues[iroce_eswitch_flow_hash(skb) % IROCE_TX_QUEUES];
		skb = prepare(cable, skb);
		if (!skb) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			continue;
		}
		if (q && q != next)
			run_queue(q);
		q = next;
		spin_lock(&q->frames.lock);
		if (likely(skb_queue_len(&q->frames) < IROCE_UPLINK_LIMIT)) {
			__skb_queue_tail(&q->frames, skb);
			skb = NULL;
		}
		spin_unlock(&q->frames.lock);
		if (unlikely(skb)) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			kfree_skb(skb);
		}
	}
	if (q)
		run_queue(q);
}

void iroce_uplink_purge(struct iroce_uplink *up)
{
	struct sk_buff_head old;
	unsigned int i;

	__skb_queue_head_init(&old);
	for (i = 0; i < IROCE_TX_QUEUES; i++) {
		spin_lock_bh(&up->queues[i].frames.lock);
		skb_queue_splice_tail_init(&up->queues[i].frames, &old);
		spin_unlock_bh(&up->queues[i].frames.lock);
	}
	purge(up, &old);
}

void iroce_uplink_stop(struct iroce_uplink *up)
{
	unsigned int i;

	for (i = 0; i < IROCE_TX_QUEUES; i++)
		hrtimer_cancel(&up->queues[i].retry);
	iroce_uplink_purge(up);
}

void iroce_uplink_init(struct iroce_uplink *up)
{
	unsigned int i;

	for (i = 0; i < IROCE_TX_QUEUES; i++) {
		skb_queue_head_init(&up->queues[i].frames);
		up->queues[i].index = i;
		up->queues[i].wait_ns = TX_WAIT_MIN;
		up->queues[i].uplink = up;
		iroce_compat_hrtimer_setup(&up->queues[i].retry, retry, CLOCK_MONOTONIC,
					   HRTIMER_MODE_REL_SOFT);
	}
}

/* ---- in --------------------------------------------------------------- */

/* Ethernet, two tags, IPv6 header */
#define HEADERS_LEN	(ETH_HLEN + 2 * VLAN_HLEN + sizeof(struct ipv6hdr))

/* As far as the first HEADERS_LEN bytes, which are linear, tell. */
static bool is_esp(const struct sk_buff *skb)
{
	__be16 proto = ((const struct ethhdr *)skb->data)->h_proto;
	unsigned int off = ETH_HLEN;

	while (eth_type_vlan(proto) && off < ETH_HLEN + 2 * VLAN_HLEN) {
		if (skb_headlen(skb) < off + VLAN_HLEN)
			return false;
		proto = ((const struct vlan_hdr *)(skb->data + off))->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}
	if (proto == htons(ETH_P_IP) && skb_headlen(skb) >= off + sizeof(struct iphdr))
		return ((const struct iphdr *)(skb->data + off))->protocol == IPPROTO_ESP;
	if (proto == htons(ETH_P_IPV6) && skb_headlen(skb) >= off + sizeof(struct ipv6hdr))
		return ((const struct ipv6hdr *)(skb->data + off))->nexthdr == IPPROTO_ESP;
	return false;
}

/*
 * Makes of a received frame what iroce_rx() is promised: data at the Ethernet
 * header, VLAN tag in the frame, checksums on the frame and not beside it;
 * unshared and linear, but for ESP: opening that writes a frame of its own where
 * it finds it otherwise, and a copy made here would be a second one. Consumes @skb;
 * NULL and counted if memory is short.
 */
static struct sk_buff *normalise(struct iroce_uplink *up, struct sk_buff *skb)
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
	if (!pskb_may_pull(skb, min_t(unsigned int, skb->len, HEADERS_LEN)))
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
	count(up, IROCE_uplink_rx_drop_no_mem, 1);
	return NULL;
}

static void receive(struct iroce_uplink *up, struct sk_buff *skb)
{
	skb = normalise(up, skb);
	if (!skb)
		return;
	count(up, IROCE_uplink_rx_pkts, 1);
	count(up, IROCE_uplink_rx_bytes, skb->len);
	iroce_eswitch_uplink_rx(&up->port, skb);
}

/* A veth's peer, or GRO on the cable, gives us what never was one frame. */
static void receive_segments(struct iroce_uplink *up, struct sk_buff *skb)
{
	struct sk_buff *segs, *next;

	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		count(up, IROCE_uplink_rx_drop_no_mem, 1);
		kfree_skb(skb);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		receive(up, skb);
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
		count(up, IROCE_uplink_rx_drop_no_mem, 1);
		return RX_HANDLER_CONSUMED;
	}
	if (unlikely(!skb_mac_header_was_set(skb) ||
		     skb->data - skb_mac_header(skb) != ETH_HLEN)) {
		count(up, IROCE_uplink_rx_drop_runt, 1);
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	__skb_push(skb, ETH_HLEN);
	if (unlikely(skb_is_gso(skb)))
		receive_segments(up, skb);
	else
		receive(up, skb);
	return RX_HANDLER_CONSUMED;
}
