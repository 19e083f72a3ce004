/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xfrm's selectors, of states and of policies alike.
 */
#ifndef IROCE_IPSEC_XFRM_SELECTOR_H
#define IROCE_IPSEC_XFRM_SELECTOR_H

#include <net/xfrm.h>

#include "core/selector.h"

/* 0, or -EOPNOTSUPP with the reason: of what struct iroce_selector has no place for. */
int iroce_xfrm_selector_check(const struct net_device *dev, const struct xfrm_selector *sel,
			      struct netlink_ext_ack *extack);
/* @family: of the addresses, also where the selector itself has none. */
struct iroce_selector iroce_xfrm_selector(const struct xfrm_selector *sel, u16 family);

#endif /* IROCE_IPSEC_XFRM_SELECTOR_H */
