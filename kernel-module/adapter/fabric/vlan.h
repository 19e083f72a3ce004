/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The port VLAN of a VF.
 */
#ifndef IROCE_FABRIC_VLAN_H
#define IROCE_FABRIC_VLAN_H

#include "switch.h"

bool iroce_vlan_is(const struct sk_buff *skb, u16 tci);
bool iroce_vlan_pop_tag(struct iroce_func *f, struct sk_buff *skb, u16 tci);

/* The tag of the port VLAN of a VF (VST); 0 for others. Any context. */
static inline u16 iroce_vlan_of(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);

	return vf ? READ_ONCE(vf->vlan_tci) : 0;
}

/* @skb, at its Ethernet header, is for a function in the port VLAN of @f, or in none. */
static inline bool iroce_vlan_takes(const struct iroce_func *f, const struct sk_buff *skb)
{
	u16 tci = iroce_vlan_of(f);

	return likely(!tci) || iroce_vlan_is(skb, tci);
}

/* Takes the tag off a frame that goes to @f; false if the frame was dropped. */
static inline bool iroce_vlan_pop(struct iroce_func *f, struct sk_buff *skb)
{
	u16 tci = iroce_vlan_of(f);

	return likely(!tci) || iroce_vlan_pop_tag(f, skb, tci);
}

#endif /* IROCE_FABRIC_VLAN_H */
