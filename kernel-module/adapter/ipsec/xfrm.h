/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What xfrm calls for states and policies that are to be in the adapter.
 */
#ifndef IROCE_IPSEC_XFRM_H
#define IROCE_IPSEC_XFRM_H

#include <net/xfrm.h>

extern const struct xfrmdev_ops iroce_xfrmdev_ops;

int iroce_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack);
void iroce_policy_delete(struct xfrm_policy *xp);
void iroce_policy_free(struct xfrm_policy *xp);

#endif /* IROCE_IPSEC_XFRM_H */
