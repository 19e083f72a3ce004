/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of a device.
 */
#ifndef IROCE_ROCE_GID_H
#define IROCE_ROCE_GID_H

#include "device.h"

int iroce_gid_module_init(void);
void iroce_gid_module_exit(void);
void iroce_gid_add_device(struct iroce_roce *roce);
void iroce_gid_del_device(struct iroce_roce *roce);
int iroce_gid_add(const struct ib_gid_attr *attr, void **context);
int iroce_gid_del(const struct ib_gid_attr *attr, void **context);
/* Is @addr an address of the device, on that VLAN (IROCE_NO_VLAN: on none)? RCU read side. */
bool iroce_gid_is_ours(struct iroce_roce *roce, const struct in6_addr *addr, u16 vlan);

#endif /* IROCE_ROCE_GID_H */
