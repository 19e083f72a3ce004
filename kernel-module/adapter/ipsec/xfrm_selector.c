// SPDX-License-Identifier: GPL-2.0
/*
 * xfrm's selectors, of states and of policies alike: what of them can be offloaded, and core's
 * copy of it.
 */
#include <linux/netdevice.h>

#include "xfrm_selector.h"

int iroce_xfrm_selector_check(const struct net_device *dev, const struct xfrm_selector *sel,
			      struct netlink_ext_ack *extack)
{
	if (sel->ifindex && sel->ifindex != dev->ifindex) {
		NL_SET_ERR_MSG_MOD(extack, "The selector names another device");
		return -EOPNOTSUPP;
	}
	if (sel->user) {
		NL_SET_ERR_MSG_MOD(extack, "Selectors with a user cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
}

struct iroce_selector iroce_xfrm_selector(const struct xfrm_selector *sel, u16 family)
{
	return (struct iroce_selector) {
		.saddr = iroce_addr_get(family, &sel->saddr),
		.daddr = iroce_addr_get(family, &sel->daddr),
		.sport = sel->sport,
		.sport_mask = sel->sport_mask,
		.dport = sel->dport,
		.dport_mask = sel->dport_mask,
		.family = sel->family,
		.prefixlen_s = sel->prefixlen_s,
		.prefixlen_d = sel->prefixlen_d,
		.proto = sel->proto,
	};
}
