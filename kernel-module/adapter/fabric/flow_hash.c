// SPDX-License-Identifier: GPL-2.0
/*
 * Which frames are of one flow, as far as that is needed to keep them in order.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "fabric.h"

/*
 * IP addresses and the first word behind the IP header: ports of UDP and TCP,
 * SPI of ESP. Symmetry is of no use here. Fragments hash by address alone.
 */
u32 iroce_switch_flow_hash(const struct sk_buff *skb)
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
