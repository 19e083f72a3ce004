/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rooms of the adapter still call by name although it is above or beside them.
 */
#ifndef IROCE_H
#define IROCE_H

#include <linux/refcount.h>

#include "base/base.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"

/* True for the netdevs of this module; used by notifiers. */
bool iroce_is_func(const struct net_device *netdev);

/* Any context; paths.c. */
void iroce_flow_changed(struct iroce_func *f);

/* ---- netdev.c --------------------------------------------------------- */

/*
 * iroce_netdev_receive - a cleartext or opened frame goes to the host stack
 *
 * Consumes @skb; data at the Ethernet header; a secpath stays attached.
 * Context: softirq (or BH disabled).
 */
void iroce_netdev_receive(struct iroce_func *f, struct sk_buff *skb);
/* Queues @skb for NAPI. BH disabled. */
void iroce_netdev_queue(struct iroce_func *f, struct sk_buff *skb);
/* The fence, then iroce_rx(). Softirq, RCU read side. */
void iroce_netdev_input(struct iroce_func *f, struct sk_buff *skb);
/* True: a rule says drop; counted. RCU read side. Does not consume @skb. */
enum iroce_tc_dir { IROCE_TC_INGRESS, IROCE_TC_EGRESS };
bool iroce_tc_drops(struct iroce_func *f, const struct sk_buff *skb, enum iroce_tc_dir dir);
/* Whether functions that nobody has decided about are closed until they are protected. */
bool iroce_starts_closed(void);

/* Tells ipsec_roce_engine.ko that an adapter's functions can share SAs. */
void iroce_engine_module_init(void);
void iroce_engine_module_exit(void);

/* ---- roce: lag.c, device.c, rvt.c, flow.c, ... -------------------------- */

int iroce_roce_module_init(void);
void iroce_roce_module_exit(void);

/*
 * An outbound SA is deleted: I6, no flow keeps its key, not even of a QP that never
 * sends again. Any context but hard irq; it happens a little later.
 */
void iroce_rdma_sa_gone(struct iroce_func *f);

/* Carrier, MTU or address of the netdev changed: port events, active MTU. RTNL. */
void iroce_rdma_netdev_event(struct iroce_func *f, unsigned long event);

/*
 * iroce_roce_rx - one RoCEv2 packet, cleartext or opened, that came to @f
 * @sa: the inbound SA it came through, NULL if it was cleartext; the caller
 *	keeps its reference
 *
 * Consumes @skb: data at the Ethernet header, network and transport headers
 * set, linear, IP and UDP lengths checked against the buffer and trimmed, IP
 * header restored to its cleartext form (ICRC covers it). Policy is checked
 * already (open.c); the engine adds I5: a protected QP takes sealed packets
 * only. Context: softirq, RCU read side.
 */
void iroce_roce_rx(struct iroce_func *f, struct sk_buff *skb, struct iroce_sa *sa);

#endif /* IROCE_H */
