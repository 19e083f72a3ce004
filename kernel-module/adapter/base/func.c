// SPDX-License-Identifier: GPL-2.0
/*
 * How a netdev is known for that of a function.
 */
#include "base.h"

/* Without a name: sysfs and uevents say nothing of it, and rules that match a type go on matching. */
const struct device_type iroce_func_type;

bool iroce_is_func(const struct net_device *netdev)
{
	return netdev->dev.type == &iroce_func_type;
}
