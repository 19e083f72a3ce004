// SPDX-License-Identifier: GPL-2.0
/*
 * Flows: how the packets of a QP leave the host, resolved once, not per packet.
 *
 *   GID --> netdev (function, or VLAN etc. above it) --> route --> neighbour
 *    |                                                    |           |
 *    +--> source address, VLAN                   destination MAC <----+-- else the AH's
 *   addresses, UDP ports --> iroce_ipsec_out() --> cleartext, SA, or closed
 *
 * The device of a bond has several functions: the flow's addresses and ports say
 * through which it leaves (paths.c), and so by whose policies and SAs.
 *
 * A flow is good while the generations of device and function are what they were,
 * its SA lives and its route is valid; else it is resolved anew by whoever sends next.
 *
 * I1: a QP that was ever protected never sends in the clear again until it is
 * reset, whatever the policies say by then; I5: nor does it take cleartext. UD
 * QPs remember that per address. The GSI QP is the kernel's and nobody can reset
 * it: it goes by the policies and their tombstones alone, as host traffic does, so
 * that an operator who takes protection away on purpose has his RDMA CM back at
 * once.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/route.h>

#include "flow.h"
#include "paths.h"
#include "qp.h"

#define ASK_AGAIN	HZ		/* closed, or the neighbour is not resolved yet */
/* Around a payload on its way, with the longest headers that follow a BTH. */
#define ROCE_OVERHEAD	(sizeof(struct udphdr) + sizeof(struct iroce_bth) +		\
			 sizeof(struct iroce_reth) + sizeof(struct iroce_immdt) + IROCE_ICRC_LEN)

/* ---- resolving ------------------------------------------------------------- */

static void flow_free_rcu(struct rcu_head *rcu)
{
	struct iroce_flow *flow = container_of(rcu, struct iroce_flow, rcu);

	if (flow->sa)
		iroce_sa_put(flow->sa);
	dst_release(flow->dst);
	kfree(flow->ah_key);
	kfree(flow);
}

static void flow_put(struct iroce_flow *flow)
{
	if (flow)
		call_rcu(&flow->rcu, flow_free_rcu);
}

/* May a flow still be used? RCU read side. */
static bool flow_is_fresh(struct iroce_roce *roce, const struct iroce_flow *flow)
{
	if (unlikely(atomic_read_acquire(&roce->gen) != flow->gen))
		return false;
	if (unlikely(atomic_read_acquire(&flow->func->flow_gen) != flow->func_gen))
		return false;
	if (unlikely(flow->is_provisional && time_after(jiffies, flow->expires)))
		return false;
	if (flow->sa && unlikely(!iroce_sa_is_live(flow->sa)))
		return false;
	return !flow->dst || dst_check(flow->dst, flow->dst_cookie);
}

/* Everything on the way of one resolution. */
struct resolve {
	struct iroce_qp *iqp;
	const struct rdma_ah_attr *ah;
	const struct ib_global_route *grh;
	struct net_device *ndev;	/* of the GID */
	struct iroce_flow *flow;
	struct in6_addr saddr;
	struct in6_addr daddr;
	u8 dmac[ETH_ALEN];
	u16 vlan;			/* 0xffff: none */
	__be16 sport;
};

static struct dst_entry *route4(struct resolve *r)
{
	struct flowi4 fl4 = {
		.flowi4_oif = r->ndev->ifindex,
		.flowi4_proto = IPPROTO_UDP,
		.saddr = r->saddr.s6_addr32[3],
		.daddr = r->daddr.s6_addr32[3],
		.fl4_sport = r->sport,
		.fl4_dport = htons(IROCE_ROCE_PORT),
	};
	/* Not ip_route_output_flow(): the host's xfrm policies are not for us. */
	struct rtable *rt = __ip_route_output_key(dev_net(r->ndev), &fl4);

	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}

static struct dst_entry *route6(struct resolve *r)
{
	struct flowi6 fl6 = {
		.flowi6_oif = r->ndev->ifindex,
		.flowi6_proto = IPPROTO_UDP,
		.saddr = r->saddr,
		.daddr = r->daddr,
		.fl6_sport = r->sport,
		.fl6_dport = htons(IROCE_ROCE_PORT),
	};
	struct dst_entry *dst = ip6_route_output(dev_net(r->ndev), NULL, &fl6);

	if (dst->error) {
		int err = dst->error;

		dst_release(dst);
		return ERR_PTR(err);
	}
	r->flow->dst_cookie = rt6_get_cookie(dst_rt6_info(dst));
	return dst;
}

/* Is the destination on this host? Then the core has put the right MAC into the AH. */
static bool is_local(const struct resolve *r, const struct dst_entry *dst)
{
	if (r->flow->is_v6)
		return dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL;
	return dst_rtable(dst)->rt_type == RTN_LOCAL;
}

static void resolve_neighbour(struct resolve *r, struct dst_entry *dst)
{
	const void *daddr = r->flow->is_v6 ? (const void *)&r->daddr :
					     (const void *)&r->daddr.s6_addr32[3];
	struct neighbour *neigh;

	ether_addr_copy(r->dmac, r->ah->roce.dmac);
	if (is_local(r, dst) || is_multicast_ether_addr(r->ah->roce.dmac))
		return;
	neigh = dst_neigh_lookup(dst, daddr);
	if (!IS_ERR_OR_NULL(neigh)) {
		if (READ_ONCE(neigh->nud_state) & NUD_VALID) {
			char ha[MAX_ADDR_LEN];

			neigh_ha_snapshot(ha, neigh, neigh->dev);
			ether_addr_copy(r->dmac, (u8 *)ha);
		} else {
			neigh_event_send(neigh, NULL);
			r->flow->is_provisional = true;
		}
		neigh_release(neigh);
	}
}

static u8 *put_eth(struct resolve *r, u8 *p)
{
	struct ethhdr *eth = (struct ethhdr *)p;
	__be16 proto = htons(r->flow->is_v6 ? ETH_P_IPV6 : ETH_P_IP);

	ether_addr_copy(eth->h_dest, r->dmac);
	ether_addr_copy(eth->h_source, r->flow->func->netdev->dev_addr);
	if (r->vlan < VLAN_N_VID) {
		struct vlan_ethhdr *vlan = (struct vlan_ethhdr *)p;
		u16 prio = rdma_ah_get_sl(r->ah) & 7;

		vlan->h_vlan_proto = htons(ETH_P_8021Q);
		vlan->h_vlan_TCI = htons(prio << VLAN_PRIO_SHIFT | r->vlan);
		vlan->h_vlan_encapsulated_proto = proto;
		return p + VLAN_ETH_HLEN;
	}
	eth->h_proto = proto;
	return p + ETH_HLEN;
}

/* Lengths stay 0; the checksum is that of a header with length 0. */
static void put_template(struct resolve *r)
{
	struct iroce_flow *flow = r->flow;
	u8 *p = put_eth(r, flow->hdr);
	u8 buf[sizeof(struct ipv6hdr)] __aligned(4) = {};
	struct udphdr udp = { .source = r->sport, .dest = htons(IROCE_ROCE_PORT) };

	flow->l2_len = p - flow->hdr;
	if (flow->is_v6) {
		struct ipv6hdr *ip6 = (struct ipv6hdr *)buf;

		ip6_flow_hdr(ip6, r->grh->traffic_class,
			     htonl(r->grh->flow_label) & IPV6_FLOWLABEL_MASK);
		ip6->nexthdr = IPPROTO_UDP;
		ip6->hop_limit = r->grh->hop_limit;
		ip6->saddr = r->saddr;
		ip6->daddr = r->daddr;
		flow->l3_len = sizeof(*ip6);
	} else {
		struct iphdr *ip = (struct iphdr *)buf;

		ip->version = 4;
		ip->ihl = sizeof(*ip) / 4;
		ip->tos = r->grh->traffic_class;
		ip->frag_off = htons(IP_DF);
		ip->ttl = r->grh->hop_limit;
		ip->protocol = IPPROTO_UDP;
		ip->saddr = r->saddr.s6_addr32[3];
		ip->daddr = r->daddr.s6_addr32[3];
		ip->check = ip_fast_csum(ip, ip->ihl);
		flow->l3_len = sizeof(*ip);
	}
	memcpy(p, buf, flow->l3_len);
	memcpy(p + flow->l3_len, &udp, sizeof(udp));
	flow->hdr_len = flow->l2_len + flow->l3_len + sizeof(udp);
}

/* What the QP remembers may close what the policies leave open. */
static void resolve_memory(struct resolve *r)
{
	struct iroce_flow *flow = r->flow;
	struct iroce_qp *iqp = r->iqp;
	bool is_ud = iroce_qp_is_ud(iqp->qp);
	unsigned long flags;

	spin_lock_irqsave(&iqp->flow_lock, flags);
	if (flow->verdict != IROCE_PLAIN) {
		WRITE_ONCE(iqp->is_sealed, true);
		if (is_ud)
			iroce_peers_remember(iqp, &r->daddr);
	} else if (iqp->is_sealed && (!is_ud || iroce_peers_have(iqp, &r->daddr))) {
		flow->verdict = IROCE_CLOSED;
		flow->why = IROCE_STAT_tx_drop_closed;
	}
	spin_unlock_irqrestore(&iqp->flow_lock, flags);
}

/* The function it leaves through; of a bond without a port that can send, none. */
static bool resolve_func(struct resolve *r, const struct iroce_flow_key *key)
{
	struct iroce_roce *roce = r->iqp->roce;
	struct iroce_flow *flow = r->flow;

	flow->func = iroce_paths_func(roce, key);
	if (flow->func) {
		flow->func_gen = atomic_read_acquire(&flow->func->flow_gen);
		return true;
	}
	flow->func = roce->func;
	flow->func_gen = atomic_read(&flow->func->flow_gen);
	flow->verdict = IROCE_CLOSED;
	flow->why = IROCE_STAT_tx_drop_link_down;
	flow->is_provisional = true;
	return false;
}

/* Function, policy, SA, and the memory of both. */
static void resolve_ipsec(struct resolve *r)
{
	bool is_v6 = r->flow->is_v6;
	struct iroce_flow_key key = {
		.saddr = is_v6 ? iroce_addr_v6(&r->saddr) : iroce_addr_v4(r->saddr.s6_addr32[3]),
		.daddr = is_v6 ? iroce_addr_v6(&r->daddr) : iroce_addr_v4(r->daddr.s6_addr32[3]),
		.sport = r->sport,
		.dport = htons(IROCE_ROCE_PORT),
		.family = is_v6 ? AF_INET6 : AF_INET,
		.proto = IPPROTO_UDP,
	};
	struct iroce_flow *flow = r->flow;
	struct iroce_qp *iqp = r->iqp;
	bool has_func, is_elsewhere;

	has_func = resolve_func(r, &key);
	if (has_func)
		flow->verdict = iroce_ipsec_out(flow->func, &key, &flow->sa, &flow->why);
	is_elsewhere = (!has_func || flow->verdict == IROCE_PLAIN) &&
		       iroce_paths_are_protected(iqp->roce, true, &key);
	if (has_func && is_elsewhere) {
		flow->verdict = IROCE_CLOSED;
		flow->why = IROCE_STAT_tx_drop_closed;
	}
	/* That no port can send says nothing about protection. */
	if ((has_func || is_elsewhere) && iqp->qp->ibqp.qp_num != IROCE_QPN_GSI)
		resolve_memory(r);
	if (flow->verdict == IROCE_CLOSED)
		flow->is_provisional = true;
}

static bool has_address(const struct resolve *r, struct net *net)
{
	struct in_device *in_dev;

	if (r->flow->is_v6)
		return ipv6_chk_addr(net, &r->saddr, r->ndev, 1);
	in_dev = __in_dev_get_rcu(r->ndev);
	return in_dev && inet_confirm_addr(net, in_dev, 0, r->saddr.s6_addr32[3], RT_SCOPE_HOST);
}

/*
 * The GID's netdev. When the active port of a bond changes the core takes the bond's GIDs
 * away and gives them back as new ones: who holds an old one is not to lose its
 * connections over that, as long as the netdev has the address.
 */
static int resolve_netdev(struct resolve *r)
{
	const struct ib_gid_attr *sgid = r->grh->sgid_attr;
	const struct iroce_qp *iqp = r->iqp;
	struct net *net = dev_net(iqp->roce->netdev);

	r->ndev = rdma_read_gid_attr_ndev_rcu(sgid);
	if (!IS_ERR(r->ndev))
		return rdma_read_gid_l2_fields(sgid, &r->vlan, NULL);
	if (iroce_qp_is_ud(iqp->qp))
		return PTR_ERR(r->ndev);
	if (READ_ONCE(iqp->peer.net) != net)
		return -ENODEV;
	r->ndev = dev_get_by_index_rcu(net, READ_ONCE(iqp->peer.ifindex));
	r->vlan = READ_ONCE(iqp->peer.vlan);
	return r->ndev && netif_running(r->ndev) && has_address(r, net) ? 0 : -ENODEV;
}

/*
 * The route's MTU as it is now. When it changes the route does, and so does the flow
 * (flow_is_fresh()): a router's "fragmentation needed" gets into it by way of the SA's
 * addresses, as it does for the host's own ESP.
 */
static void resolve_mtu(struct resolve *r, const struct dst_entry *dst)
{
	u32 l3 = r->flow->is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	u32 overhead = l3 + ROCE_OVERHEAD + (r->flow->sa ? IROCE_ESP_OVERHEAD_MAX : 0);
	u32 mtu = dst_mtu(dst);

	r->flow->payload_max = mtu > overhead ? mtu - overhead : 0;
}

void iroce_flow_tell_mtu(const struct iroce_qp *iqp, const struct iroce_flow *flow, u32 len)
{
	dev_notice_ratelimited(&iqp->roce->rdi.ibdev.dev,
			       "QP %u: packets with %u bytes do not fit its path, whose MTU (%u) leaves room for %u\n",
			       iqp->qp->ibqp.qp_num, len, dst_mtu(flow->dst), flow->payload_max);
}

static int resolve_path(struct resolve *r)
{
	struct dst_entry *dst;
	int err;

	err = resolve_netdev(r);
	if (err)
		return err;
	dst = r->flow->is_v6 ? route6(r) : route4(r);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	r->flow->dst = dst;
	resolve_mtu(r, dst);
	resolve_neighbour(r, dst);
	return 0;
}

/*
 * A new flow; ERR_PTR: -ENOMEM, and nothing is known of its protection; else no such GID any
 * more, or no route. RCU read side.
 */
static struct iroce_flow *resolve_flow(struct iroce_qp *iqp, const struct rdma_ah_attr *ah, u32 qpn)
{
	struct resolve r = { .iqp = iqp, .ah = ah, .grh = rdma_ah_read_grh(ah) };
	struct iroce_flow *flow;
	int err;

	if (!(rdma_ah_get_ah_flags(ah) & IB_AH_GRH) || !r.grh->sgid_attr)
		return ERR_PTR(-EINVAL);
	flow = kzalloc(sizeof(*flow), GFP_ATOMIC);
	if (!flow)
		return ERR_PTR(-ENOMEM);
	r.flow = flow;
	/* First of all: what changes from here on makes the flow stale. */
	flow->gen = atomic_read_acquire(&iqp->roce->gen);
	flow->expires = jiffies + ASK_AGAIN;
	memcpy(&r.saddr, r.grh->sgid_attr->gid.raw, sizeof(r.saddr));
	memcpy(&r.daddr, r.grh->dgid.raw, sizeof(r.daddr));
	flow->is_v6 = !ipv6_addr_v4mapped(&r.saddr);
	err = -EAFNOSUPPORT;
	if (flow->is_v6 == ipv6_addr_v4mapped(&r.daddr))
		goto err_free;
	r.sport = htons(rdma_get_udp_sport(r.grh->flow_label, iqp->qp->ibqp.qp_num, qpn));
	/* Before the path: a closed flow is closed with or without a route. */
	resolve_ipsec(&r);
	if (flow->verdict != IROCE_CLOSED) {
		err = resolve_path(&r);
		if (err)
			goto err_free;
		put_template(&r);
	}
	return flow;

err_free:
	flow_put(flow);
	return ERR_PTR(err);
}

/*
 * Two may resolve at once; the later result stays, the other is good until it is
 * freed. What was resolved before the QP got another address is not kept.
 */
static void publish_flow(struct iroce_qp *iqp, struct iroce_flow __rcu **slot,
			 struct iroce_flow *flow, u32 flushes)
{
	struct iroce_flow *old = flow;
	unsigned long flags;

	spin_lock_irqsave(&iqp->flow_lock, flags);
	if (iqp->n_flushes == flushes)
		old = rcu_replace_pointer(*slot, flow, lockdep_is_held(&iqp->flow_lock));
	spin_unlock_irqrestore(&iqp->flow_lock, flags);
	flow_put(old);
}

struct iroce_flow *iroce_flow_rc(struct iroce_qp *iqp)
{
	struct iroce_flow *flow = rcu_dereference(iqp->flow);
	struct rvt_qp *qp = iqp->qp;
	struct rdma_ah_attr ah;
	unsigned long flags;
	u32 flushes;

	if (likely(flow && flow_is_fresh(iqp->roce, flow)))
		return flow;
	/* modify_qp may replace the address of a drained queue: hold on to what we read. */
	spin_lock_irqsave(&qp->s_lock, flags);
	rdma_copy_ah_attr(&ah, &qp->remote_ah_attr);
	flushes = READ_ONCE(iqp->n_flushes);
	spin_unlock_irqrestore(&qp->s_lock, flags);
	flow = resolve_flow(iqp, &ah, qp->remote_qpn);
	if (!IS_ERR(flow))
		publish_flow(iqp, &iqp->flow, flow, flushes);
	rdma_destroy_ah_attr(&ah);
	return flow;
}

static void ah_key(struct iroce_ah_key *key, const struct rdma_ah_attr *ah, u32 qpn)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(ah);

	memset(key, 0, sizeof(*key));
	key->dgid = grh->dgid;
	key->sgid = grh->sgid_attr;
	key->flow_label = grh->flow_label;
	key->qpn = qpn;
	ether_addr_copy(key->dmac, ah->roce.dmac);
	key->hop_limit = grh->hop_limit;
	key->traffic_class = grh->traffic_class;
	key->sl = rdma_ah_get_sl(ah);
}

struct iroce_flow *iroce_flow_ud(struct iroce_qp *iqp, const struct rdma_ah_attr *ah, u32 qpn)
{
	struct iroce_flow __rcu **slot;
	u32 flushes = READ_ONCE(iqp->n_flushes);
	struct iroce_ah_key key;
	struct iroce_flow *flow;

	ah_key(&key, ah, qpn);
	slot = &iqp->ud_flow[jhash(&key, sizeof(key), 0) % IROCE_UD_FLOWS];
	flow = rcu_dereference(*slot);
	if (likely(flow && !memcmp(flow->ah_key, &key, sizeof(key)) &&
		   flow_is_fresh(iqp->roce, flow)))
		return flow;
	flow = resolve_flow(iqp, ah, qpn);
	if (IS_ERR(flow))
		return flow;
	flow->ah_key = kmemdup(&key, sizeof(key), GFP_ATOMIC);
	if (!flow->ah_key) {
		flow_put(flow);
		return ERR_PTR(-ENOMEM);
	}
	publish_flow(iqp, slot, flow, flushes);
	return flow;
}

bool iroce_flow_takes_plain(struct iroce_qp *iqp, const struct in6_addr *saddr)
{
	unsigned long flags;
	bool is_protected;

	if (likely(!READ_ONCE(iqp->is_sealed)))
		return true;
	if (!iroce_qp_is_ud(iqp->qp))
		return false;
	spin_lock_irqsave(&iqp->flow_lock, flags);
	is_protected = iroce_peers_have(iqp, saddr);
	spin_unlock_irqrestore(&iqp->flow_lock, flags);
	return !is_protected;
}

void iroce_flow_flush(struct iroce_qp *iqp, bool forget)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&iqp->flow_lock, flags);
	WRITE_ONCE(iqp->n_flushes, iqp->n_flushes + 1);
	flow_put(rcu_replace_pointer(iqp->flow, NULL, true));
	for (i = 0; i < IROCE_UD_FLOWS; i++)
		flow_put(rcu_replace_pointer(iqp->ud_flow[i], NULL, true));
	if (forget) {
		iroce_peers_forget(iqp);
		WRITE_ONCE(iqp->is_sealed, false);
	}
	spin_unlock_irqrestore(&iqp->flow_lock, flags);
}

static void drop_if_dead(struct iroce_flow __rcu **slot)
{
	struct iroce_flow *flow = rcu_dereference_protected(*slot, true);

	if (flow && flow->sa && !iroce_sa_is_live(flow->sa))
		flow_put(rcu_replace_pointer(*slot, NULL, true));
}

void iroce_flow_drop_dead(struct iroce_qp *iqp)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&iqp->flow_lock, flags);
	WRITE_ONCE(iqp->n_flushes, iqp->n_flushes + 1);
	drop_if_dead(&iqp->flow);
	for (i = 0; i < IROCE_UD_FLOWS; i++)
		drop_if_dead(&iqp->ud_flow[i]);
	spin_unlock_irqrestore(&iqp->flow_lock, flags);
}
