/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guards: a device drops all it gets from before it is a bond's port until it has what the
 * other ports have. RTNL.
 */
#ifndef IPSEC_ROCE_GUARD_H
#define IPSEC_ROCE_GUARD_H

#include <linux/types.h>

struct net_device;

/* @dev is about to join something. */
void ipsec_roce_guard_add(struct net_device *dev);
bool ipsec_roce_guard_has(const struct net_device *dev);
/* It has what it needs, or needs nothing. */
void ipsec_roce_guard_drop(struct net_device *dev);
/* No notifier any more. Process context. */
void ipsec_roce_guard_exit(void);

#endif /* IPSEC_ROCE_GUARD_H */
