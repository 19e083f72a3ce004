/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame as IPsec looks at it.
 */
#ifndef IROCE_IPSEC_PACKET_H
#define IROCE_IPSEC_PACKET_H

#include "core/flow.h"
#include "room.h"

/*
 * struct iroce_pkt - where things are in a frame whose data is at the Ethernet header
 * @l3, @l4: offsets from skb->data; @proto_off: of the byte that says what is at @l4
 */
struct iroce_pkt {
	struct iroce_flow_key key;
	u32 l4;
	u16 l3;
	u16 proto_off;
	bool is_fragment;
};

/*
 * Pulls what it needs. 0; -EPROTONOSUPPORT not IP; -EBADMSG IP, but no valid
 * header, or more VLAN tags than are looked behind: whose flow it is can't be told.
 * The frame's content does not change.
 */
int iroce_pkt_parse(struct sk_buff *skb, struct iroce_pkt *pkt);
/* Set protocol and lengths of the IP header at @l3 for an IP packet of @len bytes. */
void iroce_pkt_fix_ip(u8 *l3, u8 *proto, u8 value, unsigned int len);
/* Cut off what Ethernet padding left behind the IP packet. -EBADMSG: packet cut short. */
int iroce_pkt_trim(struct sk_buff *skb, const struct iroce_pkt *pkt);

#endif /* IROCE_IPSEC_PACKET_H */
