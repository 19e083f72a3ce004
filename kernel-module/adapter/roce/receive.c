// SPDX-License-Identifier: GPL-2.0
/*
 * RoCEv2 packets coming in: parse, check, find the QP, hand over.
 *
 *   iroce_roce_rx --> core's parser --> ICRC --> P_Key --> QP by number
 *        --> state, service --> addresses (RC: the connected ones)
 *        --> I5: sealed if the QP is protected --> requester, responder or UD
 *
 * Every packet that does not make it moves one counter. Per packet: no
 * allocation, one pass for the ICRC, one hash lookup, the QP's r_lock.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "gid.h"
#include "packet.h"
#include "paths.h"
#include "rc.h"
#include "ud.h"

#define PKEY_BASE	0x7fff
#define NO_DROP		IROCE_STAT_MAX

static void set_addresses(struct iroce_rx_pkt *pkt)
{
	if (pkt->is_v6) {
		const struct ipv6hdr *ip6 = ipv6_hdr(pkt->skb);

		memcpy(&pkt->saddr, &ip6->saddr, sizeof(pkt->saddr));
		memcpy(&pkt->daddr, &ip6->daddr, sizeof(pkt->daddr));
	} else {
		const struct iphdr *ip = ip_hdr(pkt->skb);

		ipv6_addr_set_v4mapped(get_unaligned(&ip->saddr), &pkt->saddr);
		ipv6_addr_set_v4mapped(get_unaligned(&ip->daddr), &pkt->daddr);
	}
}

/* The data path lets no second tag come this far (ipsec/open.c), and none is outside of the frame. */
static u16 read_vlan(const struct sk_buff *skb)
{
	const struct vlan_ethhdr *eth = (const struct vlan_ethhdr *)skb->data;
	u16 vid;

	if (!eth_type_vlan(eth->h_vlan_proto))
		return IROCE_NO_VLAN;
	if (eth->h_vlan_proto != htons(ETH_P_8021Q))
		return IROCE_BAD_VLAN;
	vid = ntohs(eth->h_vlan_TCI) & VLAN_VID_MASK;
	/* VLAN 0 is a priority alone. */
	return vid ?: IROCE_NO_VLAN;
}

/* Checks that need no QP. */
static enum iroce_stat parse_packet(struct iroce_rx_pkt *pkt)
{
	struct sk_buff *skb = pkt->skb;
	const struct udphdr *udp = udp_hdr(skb);
	u8 *bth = (u8 *)(udp + 1);
	size_t len = get_unaligned_be16(&udp->len);

	if (len < sizeof(*udp))
		return IROCE_STAT_rx_drop_malformed;
	len -= sizeof(*udp);
	if (bth + len > skb_tail_pointer(skb) || iroce_bth_parse(bth, len, len, &pkt->roce))
		return IROCE_STAT_rx_drop_malformed;
	pkt->payload = bth + pkt->roce.payload_off;
	pkt->is_v6 = (*skb_network_header(skb) >> 4) == 6;
	if (!iroce_packet_icrc_ok(pkt))
		return IROCE_STAT_rx_drop_icrc;
	if ((pkt->roce.pkey & PKEY_BASE) != PKEY_BASE) {
		iroce_roce_violation(&pkt->roce_dev->port.pkey_violations);
		return IROCE_STAT_rx_drop_pkey;
	}
	set_addresses(pkt);
	pkt->vlan = read_vlan(skb);
	return NO_DROP;
}

/* The packet and its QP fit together; r_lock held. */
static enum iroce_stat check_qp(const struct iroce_rx_pkt *pkt)
{
	const struct iroce_qp *iqp = pkt->iqp;
	const struct rvt_qp *qp = iqp->qp;
	bool is_ud = iroce_qp_is_ud(qp);
	u8 service = pkt->roce.opcode & IROCE_SVC_MASK;

	if (service != (is_ud ? IROCE_SVC_UD : IROCE_SVC_RC))
		return IROCE_STAT_rx_drop_opcode;
	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_RECV_OK))
		return IROCE_STAT_rx_drop_qp_state;
	if (is_ud) {
		/* No multicast group can be joined. */
		if (!iroce_gid_is_ours(iqp->roce, &pkt->daddr, pkt->vlan))
			return IROCE_STAT_rx_drop_vlan;
	} else if (!iqp->peer.is_set || !ipv6_addr_equal(&pkt->saddr, &iqp->peer.daddr) ||
		   !ipv6_addr_equal(&pkt->daddr, &iqp->peer.saddr)) {
		return IROCE_STAT_rx_drop_peer;
	} else if (pkt->vlan != iqp->peer.vlan) {
		return IROCE_STAT_rx_drop_vlan;
	}
	return NO_DROP;
}

/* I2: by a policy or tombstone of another port of the bond; the one it came to was asked before. */
static bool is_protected(const struct iroce_rx_pkt *pkt)
{
	const struct udphdr *udp = udp_hdr(pkt->skb);
	struct iroce_flow_key key = {
		.saddr = pkt->is_v6 ? iroce_addr_v6(&pkt->saddr) :
				      iroce_addr_v4(pkt->saddr.s6_addr32[3]),
		.daddr = pkt->is_v6 ? iroce_addr_v6(&pkt->daddr) :
				      iroce_addr_v4(pkt->daddr.s6_addr32[3]),
		.sport = udp->source,
		.dport = udp->dest,
		.family = pkt->is_v6 ? AF_INET6 : AF_INET,
		.proto = IPPROTO_UDP,
	};

	return iroce_paths_are_protected(pkt->roce_dev, false, &key);
}

/* I5. A QP that never sent does not know yet whether it is protected: find out. */
static enum iroce_stat check_seal(const struct iroce_rx_pkt *pkt)
{
	struct iroce_qp *iqp = pkt->iqp;
	struct iroce_flow *flow;

	if (pkt->sa)
		return NO_DROP;
	if (unlikely(pkt->roce_dev->bond) && is_protected(pkt))
		return IROCE_STAT_rx_drop_unsealed;
	if (!iroce_qp_is_ud(iqp->qp) && !rcu_access_pointer(iqp->flow)) {
		flow = iroce_flow_rc(iqp);
		/* Nobody could be asked whether the QP is protected (I2, I5). */
		if (flow == ERR_PTR(-ENOMEM))
			return IROCE_STAT_rx_drop_no_mem;
	}
	return iroce_flow_takes_plain(iqp, &pkt->saddr) ? NO_DROP : IROCE_STAT_rx_drop_unsealed;
}

/* RCU read side: the QP stays as long as we are here. */
static enum iroce_stat deliver_packet(struct iroce_rx_pkt *pkt)
{
	struct iroce_roce *roce = pkt->roce_dev;
	enum iroce_stat drop;
	struct rvt_qp *qp;

	qp = rvt_lookup_qpn(&roce->rdi, &roce->port, pkt->roce.qpn);
	if (!qp)
		return IROCE_STAT_rx_drop_no_qp;
	pkt->iqp = iroce_qp(qp);
	spin_lock(&qp->r_lock);
	drop = check_qp(pkt);
	if (drop == NO_DROP)
		drop = check_seal(pkt);
	if (drop != NO_DROP)
		goto unlock;
	iroce_count(pkt->func, IROCE_STAT_rcvd_pkts);
	iroce_stat_add(pkt->func->stats, IROCE_STAT_rcvd_bytes, pkt->skb->len);
	if (iroce_qp_is_ud(qp))
		iroce_ud_rx(pkt);
	else if (pkt->roce.flags & IROCE_OPF_RESPONSE)
		iroce_ack_rx(pkt);
	else
		iroce_resp_rx(pkt);
unlock:
	spin_unlock(&qp->r_lock);
	return drop;
}

void iroce_roce_rx(struct iroce_func *f, struct sk_buff *skb, struct iroce_sa *sa)
{
	struct iroce_rx_pkt pkt = { .func = f, .skb = skb, .sa = sa };
	struct iroce_roce *roce = smp_load_acquire(&f->roce);
	enum iroce_stat drop;

	if (!roce) {
		iroce_count(f, IROCE_STAT_rx_drop_no_qp);
		goto free;
	}
	if (roce->bond && unlikely(!netif_running(roce->bond))) {
		iroce_count(f, IROCE_STAT_rx_drop_bond_down);
		goto free;
	}
	pkt.roce_dev = roce;
	drop = parse_packet(&pkt);
	if (drop == NO_DROP)
		drop = deliver_packet(&pkt);
	if (drop != NO_DROP)
		iroce_count(f, drop);
free:
	consume_skb(skb);
}
