// SPDX-License-Identifier: GPL-2.0
/*
 * The L2 switch of a port: functions on one side, the uplink on the other.
 *
 *	from		to		goes to
 *	function	own or local	those functions (MAC hash; more than one only
 *			unicast		where the PF trusts them), never the uplink
 *	function	other unicast	uplink, promiscuous functions
 *	uplink		local unicast	those functions
 *	uplink		other unicast	promiscuous functions
 *	either		multicast	functions that joined it, all-multicast and
 *					promiscuous ones, and the uplink
 *	either		broadcast	all functions, and the uplink
 *
 * No learning: a function's addresses are its netdev's unicast and multicast
 * lists. Promiscuous is no tap: known unicast of others is never shown. Frames
 * from the cable that carry a local source address are let in: VRRP needs it.
 *
 * VLANs. A tag says nothing to the switch, unless the PF has put a VF into a port VLAN
 * (VST; vlan.c): then the switch tags what the VF sends, and gives it frames of that VLAN
 * alone, without their tag. Addresses are looked up without the VLAN, as on mlx5.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <net/dst.h>

#include "cable.h"
#include "seen.h"
#include "switch.h"
#include "vlan.h"
#include "vport.h"

struct iroce_switch *iroce_switch_create(bool starts_closed)
{
	struct iroce_switch *esw;

	esw = kzalloc(sizeof(*esw), GFP_KERNEL);
	if (!esw)
		return NULL;
	esw->seen = iroce_seen_create();
	if (!esw->seen) {
		kfree(esw);
		return NULL;
	}
	spin_lock_init(&esw->lock);
	INIT_LIST_HEAD(&esw->funcs);
	INIT_LIST_HEAD(&esw->all);
	esw->pf_starts_closed = starts_closed;
	iroce_macs_add_switch(esw);
	return esw;
}

void iroce_switch_destroy(struct iroce_switch *esw)
{
	iroce_macs_del_switch(esw);
	iroce_seen_destroy(esw->seen);
	kfree_rcu(esw, rcu);
}

/* ---- forwarding ------------------------------------------------------- */

/* The receiver is in this context already: NAPI of the cable. */
static void deliver_uplink(struct iroce_func *f, struct sk_buff *skb)
{
	skb->dev = f->netdev;
	if (iroce_vlan_pop(f, skb) && iroce_vport_admits(f, skb))
		f->vport->ops->receive(f, skb);
}

static void deliver_local(struct iroce_func *f, struct sk_buff *skb)
{
	/* Runs the destructor: to its sender the frame is delivered. */
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
	skb_set_queue_mapping(skb, 0);
	skb->priority = 0;
	/* TCP keeps a clone of what the host sends. */
	skb = skb_unshare(skb, GFP_ATOMIC);
	if (!skb || skb_linearize(skb)) {
		kfree_skb(skb);
		iroce_count(f, IROCE_STAT_rx_drop_no_mem);
		return;
	}
	skb->dev = f->netdev;
	if (iroce_vlan_pop(f, skb))
		f->vport->ops->queue(f, skb);
}

/*
 * A frame on its way to several receivers: each but the last gets a copy of its
 * own, as sealing and opening write into the frame.
 */
struct fan {
	struct sk_buff *skb;
	struct iroce_func *last;
	bool is_from_cable;
	bool is_known;		/* of a unicast frame: somebody here has the address */
	bool is_counted;	/* did not want it, and has counted that */
};

static void deliver_frame(const struct fan *fan, struct sk_buff *skb)
{
	if (fan->is_from_cable)
		deliver_uplink(fan->last, skb);
	else
		deliver_local(fan->last, skb);
}

static void fan_copy(struct fan *fan)
{
	struct sk_buff *copy;

	copy = skb_copy(fan->skb, GFP_ATOMIC);
	if (copy)
		deliver_frame(fan, copy);
	else
		iroce_count(fan->last, IROCE_STAT_rx_drop_no_mem);
}

static void fan_add(struct fan *fan, struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);

	if (vf && READ_ONCE(vf->link_state) == IFLA_VF_LINK_STATE_DISABLE)
		return;
	if (unlikely(!iroce_vlan_takes(f, fan->skb))) {
		if (fan->is_known) {
			iroce_count(f, IROCE_STAT_rx_drop_port_vlan);
			fan->is_counted = true;
		}
		return;
	}
	if (fan->last)
		fan_copy(fan);
	fan->last = f;
}

/* Fans @skb out to the functions that want it, except @from. */
static void find_receivers(struct iroce_switch *esw, struct fan *fan,
			   const struct iroce_func *from)
{
	const u8 *dest = eth_hdr(fan->skb)->h_dest;
	bool is_multicast = is_multicast_ether_addr(dest);
	bool is_all = is_broadcast_ether_addr(dest);
	struct iroce_vport *vport;
	struct iroce_mac *e;

	hlist_for_each_entry_rcu(e, iroce_macs_bucket(esw, dest), node) {
		if (!ether_addr_equal(e->addr, dest) || READ_ONCE(e->is_refused))
			continue;
		if (!is_multicast) {
			fan->is_known = true;
			fan_add(fan, e->f);
		} else if (e->f != from && !is_all && !READ_ONCE(e->f->vport->is_allmulti)) {
			fan_add(fan, e->f);	/* the others get it below */
		}
	}
	if (fan->is_known)
		return;

	list_for_each_entry_rcu(vport, &esw->funcs, node) {
		if (vport->func == from)
			continue;
		if (is_all || READ_ONCE(vport->is_promisc) ||
		    (is_multicast && READ_ONCE(vport->is_allmulti)))
			fan_add(fan, vport->func);
	}
}

/* May @f send from there? Also from where it was born: LACP of a bond's port does. */
static bool is_own_source(struct iroce_func *f, const u8 *source)
{
	const struct iroce_mac *e = iroce_macs_find(f->port->eswitch, source, f);

	return (e && !READ_ONCE(e->is_refused)) ||
	       ether_addr_equal(source, f->netdev->perm_addr);
}

/* A frame came from there. */
static void note_source(struct iroce_switch *esw, const u8 *source)
{
	if (iroce_seen_just_now(esw->seen, source))
		return;
	/* What comes back to us from us is no stranger's. */
	if (!iroce_macs_is_ours(source))
		iroce_seen_note(esw->seen, source);
}

void iroce_switch_uplink_rx(struct iroce_port *port, struct sk_buff *skb)
{
	struct fan fan = { .skb = skb, .is_from_cable = true };

	rcu_read_lock();
	note_source(port->eswitch, eth_hdr(skb)->h_source);
	find_receivers(port->eswitch, &fan, NULL);
	if (fan.last) {
		deliver_uplink(fan.last, skb);
	} else {
		if (!fan.is_counted)
			iroce_uplink_count(iroce_uplink(port), IROCE_uplink_rx_drop_unknown, 1);
		kfree_skb(skb);
	}
	rcu_read_unlock();
}

/* Checks and normalises a frame of @f; false if it was dropped. */
static bool accept_frame(struct iroce_func *f, struct sk_buff *skb)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);
	u16 vlan = iroce_vlan_of(f);
	enum iroce_stat why;

	why = IROCE_STAT_tx_drop_link_down;
	if (!netif_running(f->netdev) || !netif_carrier_ok(f->netdev))
		goto drop;
	why = IROCE_STAT_tx_drop_runt;
	if (skb_headlen(skb) < ETH_HLEN)
		goto drop;
	if (skb_vlan_tag_present(skb)) {
		why = IROCE_STAT_tx_drop_no_mem;
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			goto count;
	}
	why = IROCE_STAT_tx_drop_oversize;
	if (skb->len > ETH_HLEN + (vlan ? 0 : VLAN_HLEN) + iroce_port_max_mtu(f->port))
		goto drop;
	skb_reset_mac_header(skb);
	why = IROCE_STAT_tx_drop_port_vlan;
	if (vlan && eth_type_vlan(eth_hdr(skb)->h_proto))
		goto drop;
	why = IROCE_STAT_tx_drop_spoofed;
	if (vf && READ_ONCE(vf->is_spoofchk) && !is_own_source(f, eth_hdr(skb)->h_source))
		goto drop;
	if (iroce_fence_drops(f, skb, IROCE_FENCE_OUT)) {
		why = IROCE_STAT_tc_drop_egress;
		goto drop;
	}
	if (vlan) {
		why = IROCE_STAT_tx_drop_no_mem;
		skb = vlan_insert_tag_set_proto(skb, htons(ETH_P_8021Q), vlan);
		if (!skb)
			goto count;
	}
	/* A secpath says "opened here": it must not cross to another function. */
	skb_ext_reset(skb);
	skb_dst_drop(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	return true;

drop:
	kfree_skb(skb);
count:
	iroce_count(f, why);
	return false;
}

/* True: the frame is for the uplink, and still the caller's. */
static bool switch_frame(struct iroce_func *f, struct sk_buff *skb)
{
	struct iroce_switch *esw = f->port->eswitch;
	struct fan fan = { .skb = skb };
	bool to_uplink = !iroce_macs_is_local(esw, eth_hdr(skb)->h_dest);

	find_receivers(esw, &fan, f);
	if (!fan.last && to_uplink)
		return true;
	if (!fan.last) {
		/* The receiver is gone since, or the PF disabled its link. */
		if (!fan.is_counted)
			iroce_count(f, IROCE_STAT_tx_drop_link_down);
		kfree_skb(skb);
		return false;
	}
	if (to_uplink) {
		fan_copy(&fan);
		return true;
	}
	deliver_local(fan.last, skb);
	return false;
}

void iroce_switch_forward(struct iroce_func *f, struct sk_buff_head *frames)
{
	struct sk_buff_head uplink;
	struct sk_buff *skb;

	__skb_queue_head_init(&uplink);
	while ((skb = __skb_dequeue(frames)))
		if (switch_frame(f, skb))
			__skb_queue_tail(&uplink, skb);
	if (!skb_queue_empty(&uplink))
		iroce_port_xmit(f->port, f, &uplink);
}

void iroce_switch_xmit_list(struct iroce_func *f, struct sk_buff_head *frames)
{
	bool is_shaped = READ_ONCE(f->vport->shaper.is_on);
	struct sk_buff_head rest;	/* what waits, or goes to the uplink */
	struct sk_buff *skb;

	__skb_queue_head_init(&rest);
	local_bh_disable();
	rcu_read_lock();
	while ((skb = __skb_dequeue(frames)))
		if (accept_frame(f, skb) && (unlikely(is_shaped) || switch_frame(f, skb)))
			__skb_queue_tail(&rest, skb);
	if (unlikely(is_shaped))
		iroce_shaper_xmit(f, &rest);
	else if (!skb_queue_empty(&rest))
		iroce_port_xmit(f->port, f, &rest);
	rcu_read_unlock();
	local_bh_enable();
}

void iroce_switch_xmit(struct iroce_func *f, struct sk_buff *skb)
{
	struct sk_buff_head one;

	__skb_queue_head_init(&one);
	__skb_queue_tail(&one, skb);
	iroce_switch_xmit_list(f, &one);
}
