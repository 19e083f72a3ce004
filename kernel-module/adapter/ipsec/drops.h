/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that IPsec drops: which counter, and what is said of them.
 */
#ifndef IROCE_IPSEC_DROPS_H
#define IROCE_IPSEC_DROPS_H

#include "room.h"

/* Counts @skb under @why and its family's totals, tells xfrm_stat, frees it. */
void iroce_ipsec_rx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why);
void iroce_ipsec_tx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why);

/* A packet was dropped for what is gone: the log has a line, once until the tombstones change. Any context. */
void iroce_ipsec_tell_buried(struct iroce_func *f, const char *way);

#endif /* IROCE_IPSEC_DROPS_H */
