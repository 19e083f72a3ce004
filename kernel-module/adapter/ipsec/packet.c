// SPDX-License-Identifier: GPL-2.0
/*
 * Frames as IPsec looks at them: where the IP and transport headers are, which
 * flow it is, and the few header fields that sealing and opening change.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "packet.h"

int iroce_pkt_parse(struct sk_buff *skb, struct iroce_headers *pkt)
{
	int err = iroce_skb_headers(skb, pkt);

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

int iroce_pkt_trim(struct sk_buff *skb, const struct iroce_headers *pkt)
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
