/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame as IPsec looks at it.
 */
#ifndef IROCE_IPSEC_PACKET_H
#define IROCE_IPSEC_PACKET_H

#include "room.h"

/*
 * iroce_skb_headers(), and the skb's network and transport headers set. -EBADMSG: whose flow it is
 * cannot be told.
 */
int iroce_pkt_parse(struct sk_buff *skb, struct iroce_headers *pkt);
/* Set protocol and lengths of the IP header at @l3 for an IP packet of @len bytes. */
void iroce_pkt_fix_ip(u8 *l3, u8 *proto, u8 value, unsigned int len);
/* Cut off what Ethernet padding left behind the IP packet. -EBADMSG: packet cut short. */
int iroce_pkt_trim(struct sk_buff *skb, const struct iroce_headers *pkt);

#endif /* IROCE_IPSEC_PACKET_H */
