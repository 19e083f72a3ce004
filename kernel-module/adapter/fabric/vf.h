/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a PF decides about one of its VFs.
 */
#ifndef IROCE_FABRIC_VF_H
#define IROCE_FABRIC_VF_H

#include <linux/if_ether.h>
#include <linux/if_link.h>

/*
 * struct iroce_vf - outlives the VF's driver, not the VF
 * Written under RTNL, read by the data path (READ_ONCE). @is_spoofchk is on by default.
 */
struct iroce_vf {
	u8 mac[ETH_ALEN];	/* zero: the VF's own choice */
	bool is_spoofchk;
	bool is_trusted;
	bool may_query_rss;
	u8 link_state;		/* IFLA_VF_LINK_STATE_* */
	u16 vlan_tci;		/* port VLAN: PCP and VID, of 802.1Q; 0: none */
	u32 max_tx_rate;	/* Mbit/s; 0: any */
	bool starts_closed;	/* the VF's own wish: ipsec-closed-until-protected */
	struct ifla_vf_stats gone;	/* of the times its driver was bound before; RTNL */
};

#endif /* IROCE_FABRIC_VF_H */
