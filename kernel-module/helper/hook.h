/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a bond's offload becomes ours, and how it is given back.
 */
#ifndef IPSEC_ROCE_HOOK_H
#define IPSEC_ROCE_HOOK_H

#include <linux/netdevice.h>

extern const struct xfrmdev_ops ipsec_roce_hook_ops;

/* Unhooks all, hooks none any more. Process context, no lock held. */
void ipsec_roce_hook_exit(void);
/* Notifier; RTNL. */
int ipsec_roce_hook_event(struct net_device *dev, unsigned long event);

#endif /* IPSEC_ROCE_HOOK_H */
