/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A received packet on its way through the transport.
 */
#ifndef IROCE_ROCE_RECEIVE_H
#define IROCE_ROCE_RECEIVE_H

#include "core/roce.h"
#include "qp.h"

/* A received packet on its way through the transport; no reference is taken. */
struct iroce_rx_pkt {
	struct iroce_roce_pkt roce;
	struct iroce_func *func;	/* it came to this one */
	struct iroce_roce *roce_dev;
	struct iroce_qp *iqp;
	struct iroce_sa *sa;
	struct sk_buff *skb;
	u8 *payload;
	bool is_v6;
	u16 vlan;			/* IROCE_NO_VLAN: none */
	struct in6_addr saddr;		/* IPv4 mapped */
	struct in6_addr daddr;
};

#endif /* IROCE_ROCE_RECEIVE_H */
