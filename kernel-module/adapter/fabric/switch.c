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
 *
 * Whose address is it? A unicast address belongs to the function that had it first,
 * one that the PF gave to a VF to that VF, and one that a function is born with to that
 * function, up or not. A VF that the PF does not trust gets neither of these nor, of its
 * own choice, one that a frame from the cable came from of late (seen.c): it would take
 * the traffic of its owner. With the source address checked (spoofchk, on by default) it
 * can't speak for another, either. A PF, and a VF that it trusts, may have any.
 *
 * The netdev's address is refused with an error. Its unicast list (macvlan, bonds) has no
 * errors: what is refused of it is entered, does not count, and is judged again whenever
 * something changes in the switch.
 */
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "platform.h"

/* One per function and address, or a frame would reach the function twice. */
struct addr_entry {
	struct hlist_node node;
	struct rcu_head rcu;
	struct iroce_func *f;
	unsigned int n_users;	/* own address, unicast list: may be the same */
	bool is_refused;	/* another has it: nothing comes, nothing goes; esw.lock */
	u8 addr[ETH_ALEN];
};

/* All ports' switches: what one of them sends may come back at another. RCU. */
static LIST_HEAD(switches);
static DEFINE_SPINLOCK(switches_lock);

/* ---- addresses -------------------------------------------------------- */

static struct hlist_head *bucket(struct iroce_eswitch *esw, const u8 *addr)
{
	return &esw->addrs[hash_64(ether_addr_to_u64(addr), IROCE_ESWITCH_BITS)];
}

static struct addr_entry *find_addr(struct iroce_eswitch *esw, const u8 *addr,
				    const struct iroce_func *f)
{
	struct addr_entry *e;

	hlist_for_each_entry_rcu(e, bucket(esw, addr), node, lockdep_is_held(&esw->lock))
		if (e->f == f && ether_addr_equal(e->addr, addr))
			return e;
	return NULL;
}

/* A function other than @f has the unicast address. esw.lock. */
static bool has_other(struct iroce_eswitch *esw, const u8 *addr, const struct iroce_func *f)
{
	struct addr_entry *e;

	hlist_for_each_entry(e, bucket(esw, addr), node)
		if (e->f != f && !e->is_refused && ether_addr_equal(e->addr, addr))
			return true;
	return false;
}

/*
 * Somebody else's function has it, at another port that may be on the same network: a
 * bond's ports have one address, and are in one namespace. RCU read side.
 */
static bool is_elsewhere(struct iroce_eswitch *but, const u8 *addr, const struct iroce_func *f)
{
	struct iroce_eswitch *esw;
	struct addr_entry *e;

	list_for_each_entry_rcu(esw, &switches, node) {
		if (esw == but)
			continue;
		hlist_for_each_entry_rcu(e, bucket(esw, addr), node)
			if (!READ_ONCE(e->is_refused) && ether_addr_equal(e->addr, addr) &&
			    !net_eq(dev_net(e->f->netdev), dev_net(f->netdev)))
				return true;
	}
	return false;
}

/* Another function of the port is born with it. */
static bool is_birth_address(const u8 *addr, const struct iroce_func *f)
{
	u8 born[ETH_ALEN];
	unsigned int i;

	for (i = 0; i <= IROCE_MAX_VFS; i++) {
		unsigned int vf = i == IROCE_MAX_VFS ? IROCE_PF : i;

		if (vf == f->vf)
			continue;
		iroce_port_func_mac(f->port, vf, born);
		if (ether_addr_equal(born, addr))
			return true;
	}
	return false;
}

/* A PF has the say; it, or a VF that it trusts, may share an address. */
static bool may_lose(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);

	return vf && !READ_ONCE(vf->is_trusted);
}

/* The PF has given the address to a VF other than @f, bound or not. */
static bool is_given(struct iroce_eswitch *esw, const u8 *addr, const struct iroce_func *f)
{
	unsigned int i;

	for (i = 0; i < IROCE_MAX_VFS; i++)
		if (i != f->vf && ether_addr_equal(esw->vfs[i].mac, addr))
			return true;
	return false;
}

/* May @f have the unicast address, not looking at the cable? esw.lock, RCU read side. */
static bool may_have(struct iroce_func *f, const u8 *addr)
{
	struct iroce_eswitch *esw = f->port->eswitch;

	return !may_lose(f) ||
	       (!has_other(esw, addr, f) && !is_given(esw, addr, f) &&
		!is_birth_address(addr, f) && !is_elsewhere(esw, addr, f));
}

/* May @f begin to have it, of its own choice? What is its own by birth or its PF's word, yes. */
static bool may_claim(struct iroce_func *f, const u8 *addr)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);
	u8 own[ETH_ALEN];

	if (!may_have(f, addr))
		return false;
	if (!may_lose(f) || ether_addr_equal(addr, vf->mac))
		return true;
	iroce_port_func_mac(f->port, f->vf, own);
	return ether_addr_equal(addr, own) || !iroce_seen_has(f->port->eswitch->seen, addr);
}

static void tell_refused(const struct iroce_func *f, const u8 *addr)
{
	if (net_ratelimit())
		netdev_notice(f->netdev,
			      "does not get %pM, which another function or a host behind the cable has: its PF may trust it (ip link set PF vf %u trust on)\n",
			      addr, f->vf);
}

/* What has been refused must be claimed anew: its owner may be behind the cable. */
static bool is_to_refuse(const struct addr_entry *e)
{
	if (!is_unicast_ether_addr(e->addr))
		return false;
	return e->is_refused ? !may_claim(e->f, e->addr) : !may_have(e->f, e->addr);
}

/* Who may have what, after something has changed. esw.lock. */
static void judge(struct iroce_eswitch *esw)
{
	struct addr_entry *e;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(esw->addrs); i++) {
		hlist_for_each_entry(e, &esw->addrs[i], node) {
			bool is_refused = is_to_refuse(e);

			if (is_refused && !e->is_refused)
				tell_refused(e->f, e->addr);
			WRITE_ONCE(e->is_refused, is_refused);
		}
	}
	rcu_read_unlock();
}

/* @is_list: of the unicast or multicast list, whose addresses are entered in any case. */
static int add_addr(struct iroce_func *f, const u8 *addr, bool is_list)
{
	struct iroce_eswitch *esw = f->port->eswitch;
	bool is_refused = false;
	struct addr_entry *e;
	int err = 0;

	spin_lock_bh(&esw->lock);
	e = find_addr(esw, addr, f);
	if (e) {
		e->n_users++;
		goto out;
	}
	if (is_unicast_ether_addr(addr)) {
		rcu_read_lock();
		is_refused = is_list ? !may_claim(f, addr) : !may_have(f, addr);
		rcu_read_unlock();
	}
	if (is_refused) {
		tell_refused(f, addr);
		err = is_list ? 0 : -EADDRINUSE;
		if (err)
			goto out;
	}
	e = kzalloc(sizeof(*e), GFP_ATOMIC);
	if (!e) {
		err = -ENOMEM;
		goto out;
	}
	ether_addr_copy(e->addr, addr);
	e->f = f;
	e->n_users = 1;
	e->is_refused = is_refused;
	hlist_add_head_rcu(&e->node, bucket(esw, addr));
	/* A PF's, or a trusted VF's: others may have had it. */
	if (!may_lose(f))
		judge(esw);
out:
	spin_unlock_bh(&esw->lock);
	return err;
}

static void del_addr(struct iroce_func *f, const u8 *addr)
{
	struct iroce_eswitch *esw = f->port->eswitch;
	struct addr_entry *e;

	spin_lock_bh(&esw->lock);
	e = find_addr(esw, addr, f);
	if (e && !--e->n_users) {
		hlist_del_rcu(&e->node);
		kfree_rcu(e, rcu);
		judge(esw);
	}
	spin_unlock_bh(&esw->lock);
}

static int sync_addr(struct net_device *netdev, const unsigned char *addr)
{
	struct iroce_func *f = iroce_func(netdev);
	const struct iroce_vf *vf = iroce_eswitch_vf(f);

	/* The PF gave this VF one address: others only if it trusts the VF. */
	if (vf && is_unicast_ether_addr(addr) && is_valid_ether_addr(vf->mac) &&
	    !READ_ONCE(vf->is_trusted))
		return -EPERM;
	return add_addr(f, addr, true);
}

static int unsync_addr(struct net_device *netdev, const unsigned char *addr)
{
	del_addr(iroce_func(netdev), addr);
	return 0;
}

void iroce_eswitch_sync(struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);
	struct net_device *netdev = f->netdev;

	if (!netif_running(netdev))
		return;
	__dev_uc_sync(netdev, sync_addr, unsync_addr);
	__dev_mc_sync(netdev, sync_addr, unsync_addr);
	WRITE_ONCE(f->host->is_promisc, (netdev->flags & IFF_PROMISC) &&
					(!vf || READ_ONCE(vf->is_trusted)));
	WRITE_ONCE(f->host->is_allmulti, !!(netdev->flags & (IFF_ALLMULTI | IFF_PROMISC)));
}

void iroce_eswitch_resync(struct iroce_func *f)
{
	struct net_device *netdev = f->netdev;

	netif_addr_lock_bh(netdev);
	__dev_uc_unsync(netdev, unsync_addr);
	iroce_eswitch_sync(f);
	netif_addr_unlock_bh(netdev);
	iroce_eswitch_judge(f->port->eswitch);
}

int iroce_eswitch_move(struct iroce_func *f, const u8 *old, const u8 *new)
{
	int err;

	spin_lock_bh(&f->port->eswitch->lock);
	rcu_read_lock();
	err = may_claim(f, new) ? 0 : -EADDRINUSE;
	rcu_read_unlock();
	spin_unlock_bh(&f->port->eswitch->lock);
	if (err)
		tell_refused(f, new);
	if (err || !netif_running(f->netdev))
		return err;
	/* Both for a moment: nothing that is under way is lost. */
	err = add_addr(f, new, false);
	if (!err)
		del_addr(f, old);
	return err;
}

int iroce_eswitch_attach(struct iroce_func *f)
{
	struct iroce_eswitch *esw = f->port->eswitch;
	int err;

	err = add_addr(f, f->netdev->dev_addr, false);
	if (err)
		return err;
	/* dev_open() calls ndo_set_rx_mode next: the lists follow. */
	spin_lock_bh(&esw->lock);
	list_add_tail_rcu(&f->host->node, &esw->funcs);
	spin_unlock_bh(&esw->lock);
	return 0;
}

void iroce_eswitch_detach(struct iroce_func *f)
{
	struct iroce_eswitch *esw = f->port->eswitch;
	struct net_device *netdev = f->netdev;

	netif_addr_lock_bh(netdev);
	__dev_uc_unsync(netdev, unsync_addr);
	__dev_mc_unsync(netdev, unsync_addr);
	netif_addr_unlock_bh(netdev);
	del_addr(f, netdev->dev_addr);
	spin_lock_bh(&esw->lock);
	list_del_rcu(&f->host->node);
	spin_unlock_bh(&esw->lock);
	/* The node is used again by the next attach: readers must be off it. */
	synchronize_net();
}

void iroce_eswitch_reset_vfs(struct iroce_eswitch *esw)
{
	unsigned int i;

	ASSERT_RTNL();
	memset(esw->vfs, 0, sizeof(esw->vfs));
	for (i = 0; i < IROCE_MAX_VFS; i++) {
		esw->vfs[i].is_spoofchk = true;
		esw->vfs[i].starts_closed = iroce_starts_closed();
	}
}

/* RTNL keeps what the PF has decided. */
void iroce_eswitch_judge(struct iroce_eswitch *esw)
{
	ASSERT_RTNL();
	spin_lock_bh(&esw->lock);
	judge(esw);
	spin_unlock_bh(&esw->lock);
}

/* RTNL, or before the netdev is registered. */
bool iroce_eswitch_starts_closed(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);

	return vf ? vf->starts_closed : f->port->eswitch->pf_starts_closed;
}

void iroce_eswitch_set_starts_closed(struct iroce_func *f, bool is_closed)
{
	struct iroce_vf *vf = iroce_eswitch_vf(f);

	ASSERT_RTNL();
	if (vf)
		vf->starts_closed = is_closed;
	else
		f->port->eswitch->pf_starts_closed = is_closed;
}

void iroce_eswitch_update_carrier(struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);
	u8 state = vf ? vf->link_state : IFLA_VF_LINK_STATE_AUTO;
	bool is_up;

	ASSERT_RTNL();
	if (!netif_running(f->netdev))
		return;
	is_up = state == IFLA_VF_LINK_STATE_AUTO ? iroce_port_is_up(f->port) :
						   state == IFLA_VF_LINK_STATE_ENABLE;
	if (is_up == netif_carrier_ok(f->netdev))
		return;
	if (is_up)
		netif_carrier_on(f->netdev);
	else
		netif_carrier_off(f->netdev);
	/* The core's own NETDEV_CHANGE may come a second later. */
	iroce_rdma_netdev_event(f, NETDEV_CHANGE);
}

struct iroce_eswitch *iroce_eswitch_create(void)
{
	struct iroce_eswitch *esw;

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
	esw->pf_starts_closed = iroce_starts_closed();
	spin_lock(&switches_lock);
	list_add_tail_rcu(&esw->node, &switches);
	spin_unlock(&switches_lock);
	return esw;
}

void iroce_eswitch_destroy(struct iroce_eswitch *esw)
{
	spin_lock(&switches_lock);
	list_del_rcu(&esw->node);
	spin_unlock(&switches_lock);
	iroce_seen_destroy(esw->seen);
	kfree_rcu(esw, rcu);
}

/* ---- forwarding ------------------------------------------------------- */

/*
 * IP addresses and the first word behind the IP header: ports of UDP and TCP,
 * SPI of ESP. Symmetry is of no use here. Fragments hash by address alone.
 */
u32 iroce_eswitch_flow_hash(const struct sk_buff *skb)
{
	unsigned int off = ETH_HLEN, len = skb_headlen(skb), l4 = 0;
	const u8 *p = skb->data;
	u32 hash, word = 0;
	__be16 proto;

	proto = ((const struct ethhdr *)p)->h_proto;
	if (eth_type_vlan(proto) && len >= ETH_HLEN + VLAN_HLEN) {
		proto = ((const struct vlan_ethhdr *)p)->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}
	if (proto == htons(ETH_P_IP) && len >= off + sizeof(struct iphdr)) {
		const struct iphdr *ip = (const struct iphdr *)(p + off);

		hash = jhash_2words((__force u32)ip->saddr, (__force u32)ip->daddr, 0);
		if (!ip_is_fragment(ip))
			l4 = off + ip->ihl * 4;
	} else if (proto == htons(ETH_P_IPV6) && len >= off + sizeof(struct ipv6hdr)) {
		const struct ipv6hdr *ip = (const struct ipv6hdr *)(p + off);

		hash = jhash(&ip->saddr, 2 * sizeof(ip->saddr), 0);
		if (ip->nexthdr != NEXTHDR_FRAGMENT)
			l4 = off + sizeof(*ip);
	} else {
		hash = jhash(p, 2 * ETH_ALEN, 0);
	}
	if (l4 && len >= l4 + sizeof(word))
		memcpy(&word, p + l4, sizeof(word));
	return jhash_1word(word, hash);
}

/* Where a frame from the cable or from a function goes to a local receiver. */
typedef void (*deliver_fn)(struct iroce_func *f, struct sk_buff *skb);

/* The receiver is in this context already: NAPI of the cable. */
static void deliver_uplink(struct iroce_func *f, struct sk_buff *skb)
{
	skb->dev = f->netdev;
	if (iroce_vlan_pop(f, skb))
		iroce_netdev_input(f, skb);
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
		iroce_netdev_queue(f, skb);
}

/*
 * A frame on its way to several receivers: each but the last gets a copy of its
 * own, as sealing and opening write into the frame.
 */
struct fan {
	struct sk_buff *skb;
	struct iroce_func *last;
	deliver_fn deliver;
	bool is_known;		/* of a unicast frame: somebody here has the address */
	bool is_counted;	/* did not want it, and has counted that */
};

static void fan_copy(struct fan *fan)
{
	struct sk_buff *copy;

	copy = skb_copy(fan->skb, GFP_ATOMIC);
	if (copy)
		fan->deliver(fan->last, copy);
	else
		iroce_count(fan->last, IROCE_STAT_rx_drop_no_mem);
}

static void fan_add(struct fan *fan, struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);

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
static void find_receivers(struct iroce_eswitch *esw, struct fan *fan,
			   const struct iroce_func *from)
{
	const u8 *dest = eth_hdr(fan->skb)->h_dest;
	bool is_multicast = is_multicast_ether_addr(dest);
	bool is_all = is_broadcast_ether_addr(dest);
	struct iroce_host *host;
	struct addr_entry *e;

	hlist_for_each_entry_rcu(e, bucket(esw, dest), node) {
		if (!ether_addr_equal(e->addr, dest) || READ_ONCE(e->is_refused))
			continue;
		if (!is_multicast) {
			fan->is_known = true;
			fan_add(fan, e->f);
		} else if (e->f != from && !is_all && !READ_ONCE(e->f->host->is_allmulti)) {
			fan_add(fan, e->f);	/* the others get it below */
		}
	}
	if (fan->is_known)
		return;

	list_for_each_entry_rcu(host, &esw->funcs, node) {
		if (host->func == from)
			continue;
		if (is_all || READ_ONCE(host->is_promisc) ||
		    (is_multicast && READ_ONCE(host->is_allmulti)))
			fan_add(fan, host->func);
	}
}

/* True if @dest is some function's own: then the uplink has no business with it. */
static bool is_local(struct iroce_eswitch *esw, const u8 *dest)
{
	struct addr_entry *e;

	if (is_multicast_ether_addr(dest))
		return false;
	hlist_for_each_entry_rcu(e, bucket(esw, dest), node)
		if (ether_addr_equal(e->addr, dest) && !READ_ONCE(e->is_refused))
			return true;
	return false;
}

/* May @f send from there? Also from where it was born: LACP of a bond's port does. */
static bool is_own_source(struct iroce_func *f, const u8 *source)
{
	const struct addr_entry *e = find_addr(f->port->eswitch, source, f);

	return (e && !READ_ONCE(e->is_refused)) ||
	       ether_addr_equal(source, f->netdev->perm_addr);
}

/* A frame came from there. */
static void note_source(struct iroce_eswitch *esw, const u8 *source)
{
	struct iroce_eswitch *own;

	if (iroce_seen_just_now(esw->seen, source))
		return;
	/* What comes back to us from us is no stranger's. */
	list_for_each_entry_rcu(own, &switches, node)
		if (is_local(own, source))
			return;
	iroce_seen_note(esw->seen, source);
}

void iroce_eswitch_uplink_rx(struct iroce_port *port, struct sk_buff *skb)
{
	struct fan fan = { .skb = skb, .deliver = deliver_uplink };

	rcu_read_lock();
	note_source(port->eswitch, eth_hdr(skb)->h_source);
	find_receivers(port->eswitch, &fan, NULL);
	if (fan.last) {
		fan.deliver(fan.last, skb);
	} else {
		if (!fan.is_counted)
			this_cpu_inc(iroce_port_stats(port)->v[IROCE_uplink_rx_drop_unknown]);
		kfree_skb(skb);
	}
	rcu_read_unlock();
}

/* Checks and normalises a frame of @f; false if it was dropped. */
static bool accept(struct iroce_func *f, struct sk_buff *skb)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);
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
	if (iroce_tc_drops(f, skb, IROCE_TC_EGRESS)) {
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
	struct iroce_eswitch *esw = f->port->eswitch;
	struct fan fan = { .skb = skb, .deliver = deliver_local };
	bool to_uplink = !is_local(esw, eth_hdr(skb)->h_dest);

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

void iroce_eswitch_forward(struct iroce_func *f, struct sk_buff_head *frames)
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

void iroce_eswitch_xmit_list(struct iroce_func *f, struct sk_buff_head *frames)
{
	bool is_shaped = READ_ONCE(f->host->shaper.is_on);
	struct sk_buff_head rest;	/* what waits, or goes to the uplink */
	struct sk_buff *skb;

	__skb_queue_head_init(&rest);
	local_bh_disable();
	rcu_read_lock();
	while ((skb = __skb_dequeue(frames)))
		if (accept(f, skb) && (unlikely(is_shaped) || switch_frame(f, skb)))
			__skb_queue_tail(&rest, skb);
	if (unlikely(is_shaped))
		iroce_shaper_xmit(f, &rest);
	else if (!skb_queue_empty(&rest))
		iroce_port_xmit(f->port, f, &rest);
	rcu_read_unlock();
	local_bh_enable();
}

void iroce_eswitch_xmit(struct iroce_func *f, struct sk_buff *skb)
{
	struct sk_buff_head one;

	__skb_queue_head_init(&one);
	__skb_queue_tail(&one, skb);
	iroce_eswitch_xmit_list(f, &one);
}
