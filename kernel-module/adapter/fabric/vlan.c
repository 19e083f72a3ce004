// SPDX-License-Identifier: GPL-2.0
/*
 * The port VLAN that a PF puts a VF into (ip link set PF vf N vlan ID): the switch tags
 * what the VF sends, and takes the tag off what it gets. The VF knows nothing of it.
 *
 *	VF --- untagged, sealed or not ---> switch --- tagged ---> cable, other functions
 *	VF <-- untagged ------------------- switch <-- tagged with the same VLAN
 *
 * As VST of mlx5: a VF in a port VLAN that tags frames itself has them dropped, and it
 * gets no frame that is untagged or of another VLAN. Sealing is inside of the tag.
 */
#include <linux/if_vlan.h>

#include "vlan.h"

bool iroce_vlan_is(const struct sk_buff *skb, u16 tci)
{
	const struct vlan_ethhdr *eth = (const struct vlan_ethhdr *)skb->data;

	return skb_headlen(skb) >= VLAN_ETH_HLEN && eth->h_vlan_proto == htons(ETH_P_8021Q) &&
	       !((ntohs(eth->h_vlan_TCI) ^ tci) & VLAN_VID_MASK);
}

/* @skb may be cloned: its header is copied then. RCU. */
bool iroce_vlan_pop_tag(struct iroce_func *f, struct sk_buff *skb, u16 tci)
{
	enum iroce_stat why = IROCE_STAT_rx_drop_port_vlan;
	u16 popped;

	/* The PF may have chosen another one since the switch looked. */
	if (!iroce_vlan_is(skb, tci))
		goto drop;
	why = IROCE_STAT_rx_drop_no_mem;
	if (__skb_vlan_pop(skb, &popped))
		goto drop;
	return true;

drop:
	iroce_count(f, why);
	kfree_skb(skb);
	return false;
}
