/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which port of a bond a flow leaves by: layer3+4, as the bonding driver computes it
 * (Documentation/networking/bonding.rst, xmit_hash_policy), for flows that it never sees.
 *
 *   present  1 1 0 1    slots that the bond has: the flow's own one is hash mod 3
 *   usable   1 0 0 1    it cannot be used now: one of those that can, by the rest of the hash
 *
 * A flow whose own port is usable stays there whatever becomes of the others, and is back as soon
 * as it is usable again.
 */
#ifndef IROCE_CORE_LAG_H
#define IROCE_CORE_LAG_H

#include "flow.h"

#define IROCE_LAG_SLOTS 8
#define IROCE_LAG_NO_SLOT (-1)

/* Of addresses and ports; protocol and family do not count. */
u32 iroce_lag_hash(const struct iroce_flow_key *key);

/**
 * iroce_lag_pick - the slot a flow uses now
 * @hash: iroce_lag_hash() of the flow
 * @present: ports of the bond, one bit each
 * @usable: ports that may send, one bit each
 *
 * A port that is usable and not present does not count.
 *
 * Return: a bit number in @usable, or IROCE_LAG_NO_SLOT.
 */
int iroce_lag_pick(u32 hash, u32 present, u32 usable);

#endif /* IROCE_CORE_LAG_H */
