// SPDX-License-Identifier: GPL-2.0
/*
 * Frames as IPsec looks at them: where the IP and transport headers are, which
 * flow it is, and the few header fields that sealing and opening change.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "packet.h"

/* Ethernet, two tags, IPv6 header, transport header with ports: what most frames need. */
#define PULL_LEN	(ETH_HLEN + 2 * VLAN_HLEN + 40 + 16)
#define MAX_TAGS	2

/* Ethertype behind the tags, and where the header behind it begins. */
static __be16 l2_parse(const struct sk_buff *skb, u16 *l3)
{
	__be16 proto = ((const struct ethhdr *)skb->data)->h_proto;
	unsigned int n;

	*l3 = ETH_HLEN;
	for (n = 0; n < MAX_TAGS && eth_type_vlan(proto); n++) {
		if (skb_headlen(skb) < *l3 + VLAN_HLEN)
			return 0;
		proto = ((const struct vlan_hdr *)(skb->data + *l3))->h_vlan_encapsulated_proto;
		*l3 += VLAN_HLEN;
	}
	return proto;
}

/* The byte that names what is at @l4; core has walked these headers already. */
static u16 ip6_proto_off(const struct sk_buff *skb, u16 l3, u32 l4)
{
	const u8 *data = skb->data;
	u32 off = l3 + sizeof(struct ipv6hdr);
	u16 proto_off = l3 + offsetof(struct ipv6hdr, nexthdr);
	u8 proto;

	while (off < l4 && off + 2 <= skb_headlen(skb)) {
		proto = data[proto_off];
		proto_off = off;
		off += proto == NEXTHDR_FRAGMENT ? sizeof(struct frag_hdr) :
						   (data[off + 1] + 1) * 8;
	}
	return proto_off;
}

static int l3_parse(const struct sk_buff *skb, struct iroce_pkt *pkt, __be16 proto)
{
	const u8 *l3 = skb->data + pkt->l3;
	u32 l4;
	int err;

	if (skb_headlen(skb) <= pkt->l3)
		return -EBADMSG;
	if (*l3 >> 4 != (proto == htons(ETH_P_IP) ? 4 : 6))
		return -EBADMSG;
	err = iroce_flow_from_ip(l3, skb_headlen(skb) - pkt->l3, &pkt->key, &l4);
	if (err)
		return -EBADMSG;
	pkt->l4 = pkt->l3 + l4;
	if (pkt->key.family == AF_INET) {
		pkt->proto_off = pkt->l3 + offsetof(struct iphdr, protocol);
		pkt->is_fragment = ip_is_fragment((const struct iphdr *)l3);
	} else {
		pkt->proto_off = ip6_proto_off(skb, pkt->l3, pkt->l4);
		pkt->is_fragment = pkt->key.flags && !skb_is_nonlinear(skb) &&
				   pkt->l4 <= skb->len;
	}
	return 0;
}

int iroce_pkt_parse(struct sk_buff *skb, struct iroce_pkt *pkt)
{
	__be16 proto;
	int err;

	if (!pskb_may_pull(skb, min(skb->len, (unsigned int)PULL_LEN)) ||
	    skb->len < ETH_HLEN)
		return -EBADMSG;
	proto = l2_parse(skb, &pkt->l3);
	/* The stack strips any number of priority tags: it may be IP to the receiver. */
	if (eth_type_vlan(proto))
		return -EBADMSG;
	if (proto != htons(ETH_P_IP) && proto != htons(ETH_P_IPV6))
		return -EPROTONOSUPPORT;

	err = l3_parse(skb, pkt, proto);
	/* Perhaps what was not seen is only not in the linear part. */
	if ((err || pkt->key.flags) && skb_is_nonlinear(skb)) {
		if (skb_linearize(skb))
			return -EBADMSG;
		err = l3_parse(skb, pkt, proto);
	}
	if (err)
		return err;
	skb_set_network_header(skb, pkt->l3);
	skb_set_transport_header(skb, pkt->l4);
	return 0;
}

void iroce_pkt_fix_ip(u8 *l3, u8 *proto, u8 value, unsigned int len)
{
	*proto = value;
	if (*l3 >> 4 == 4) {
		struct iphdr *ip = (struct iphdr *)l3;

		ip->tot_len = htons(len);
		ip_send_check(ip);
	} else {
		((struct ipv6hdr *)l3)->payload_len = htons(len - sizeof(struct ipv6hdr));
	}
}

int iroce_pkt_trim(struct sk_buff *skb, const struct iroce_pkt *pkt)
{
	const u8 *l3 = skb->data + pkt->l3;
	unsigned int len;

	if (pkt->key.family == AF_INET)
		len = ntohs(((const struct iphdr *)l3)->tot_len);
	else
		len = sizeof(struct ipv6hdr) +
		      ntohs(((const struct ipv6hdr *)l3)->payload_len);
	len += pkt->l3;
	if (len < pkt->l4 || len > skb->len)
		return -EBADMSG;
	return pskb_trim_rcsum(skb, len) ? -EBADMSG : 0;
}
