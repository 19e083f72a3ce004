// SPDX-License-Identifier: GPL-2.0
/*
 * Which frames are of one flow, as far as that is needed to keep them in order.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>

#include "fabric.h"

/*
 * IP addresses and the first word behind the IP header: ports of UDP and TCP,
 * SPI of ESP. Symmetry is of no use here. Fragments hash by address alone.
 */
u32 iroce_switch_flow_hash(const struct sk_buff *skb)
{
	unsigned int len = skb_headlen(skb);
	const u8 *p = skb->data;
	struct iroce_headers h;
	u32 hash;

	/* What is not IP, or cannot be told without a pull, hashes by its MACs. */
	if (iroce_headers_find_ip(&h, p, len))
		return jhash_1word(0, jhash(p, 2 * ETH_ALEN, 0));
	if (h.key.family == AF_INET) {
		const struct iphdr *ip = (const struct iphdr *)(p + h.l3);

		hash = jhash_2words((__force u32)ip->saddr, (__force u32)ip->daddr, 0);
	} else {
		const struct ipv6hdr *ip = (const struct ipv6hdr *)(p + h.l3);

		hash = jhash(&ip->saddr, 2 * sizeof(ip->saddr), 0);
	}
	return jhash_1word(iroce_headers_flow_word(&h, p, len), hash);
}
