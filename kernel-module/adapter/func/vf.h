/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PF's say over its VFs.
 */
#ifndef IROCE_FUNC_VF_H
#define IROCE_FUNC_VF_H

#include <linux/if_link.h>

#include "base/base.h"

int iroce_vf_get_config(struct net_device *pf, int index, struct ifla_vf_info *out);
int iroce_vf_get_stats(struct net_device *pf, int index, struct ifla_vf_stats *out);
int iroce_vf_get_guid(struct net_device *pf, int index, struct ifla_vf_guid *node,
		      struct ifla_vf_guid *port);
int iroce_vf_set_mac(struct net_device *pf, int index, u8 *mac);
int iroce_vf_set_vlan(struct net_device *pf, int index, u16 vid, u8 qos, __be16 proto);
int iroce_vf_set_rate(struct net_device *pf, int index, int min, int max);
int iroce_vf_set_spoofchk(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_rss_query_en(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_trust(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_link_state(struct net_device *pf, int index, int state);

/* Of struct net_device_ops. */
#define IROCE_VF_NDOS							\
	.ndo_get_vf_config = iroce_vf_get_config,			\
	.ndo_get_vf_stats = iroce_vf_get_stats,				\
	.ndo_get_vf_guid = iroce_vf_get_guid,				\
	.ndo_set_vf_mac = iroce_vf_set_mac,				\
	.ndo_set_vf_vlan = iroce_vf_set_vlan,				\
	.ndo_set_vf_rate = iroce_vf_set_rate,				\
	.ndo_set_vf_spoofchk = iroce_vf_set_spoofchk,			\
	.ndo_set_vf_rss_query_en = iroce_vf_set_rss_query_en,		\
	.ndo_set_vf_trust = iroce_vf_set_trust,				\
	.ndo_set_vf_link_state = iroce_vf_set_link_state,

/* RTNL: the netdev of @f goes, and its counters with it. */
void iroce_vf_keep_stats(struct iroce_func *f);
/* With which address a function begins: its PF's choice for it, or what it is born with. */
void iroce_vf_address(const struct iroce_port *port, unsigned int vf, u8 *mac);

#endif /* IROCE_FUNC_VF_H */
