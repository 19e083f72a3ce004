/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RoCE fence: rules from tc.
 */
#ifndef IROCE_FUNC_TC_H
#define IROCE_FUNC_TC_H

#include <linux/netdevice.h>

#include "fabric/fabric.h"

/* struct iroce_tc - one of a function's two hooks, as tc names it in its calls */
struct iroce_tc {
	struct iroce_func *f;
	enum iroce_fence_dir dir;
};

void iroce_tc_init(struct iroce_func *f);
int iroce_tc_setup(struct net_device *netdev, enum tc_setup_type type, void *type_data);

#endif /* IROCE_FUNC_TC_H */
