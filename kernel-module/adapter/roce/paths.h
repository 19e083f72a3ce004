/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that a device sends and receives through.
 */
#ifndef IROCE_ROCE_PATHS_H
#define IROCE_ROCE_PATHS_H

#include "core/flow.h"
#include "device.h"

/* The function that a flow leaves by; NULL: no port can send. RCU read side. */
struct iroce_func *iroce_paths_func(struct iroce_roce *roce, const struct iroce_flow_key *key);
/*
 * I1, I2: what is protected at one port of a bond is protected at all of them, so that
 * a flow is not in the clear where a port came without policies. False for a device
 * that is no bond's. RCU read side.
 */
bool iroce_paths_are_protected(struct iroce_roce *roce, bool is_out, const struct iroce_flow_key *key);
/* The least MTU of the netdev and the paths. Any context. */
int iroce_paths_mtu(struct iroce_roce *roce);
/* A counter of the device over all its paths. */
u64 iroce_paths_stat(struct iroce_roce *roce, enum iroce_stat stat);

#endif /* IROCE_ROCE_PATHS_H */
