/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RoCE fence: rules from tc.
 */
#ifndef IROCE_FUNC_TC_H
#define IROCE_FUNC_TC_H

#include <linux/netdevice.h>

#include "base/base.h"

int iroce_tc_init(struct iroce_func *f);
void iroce_tc_fini(struct iroce_func *f);
int iroce_tc_setup(struct net_device *netdev, enum tc_setup_type type, void *type_data);
/* RTNL */
bool iroce_tc_has_rules(const struct iroce_func *f);

#endif /* IROCE_FUNC_TC_H */
