/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What comes to a port's stack unopened.
 */
#ifndef IPSEC_ROCE_INGRESS_H
#define IPSEC_ROCE_INGRESS_H

#include <linux/netlink.h>
#include <linux/param.h>
#include <linux/minmax.h>

struct ipsec_roce_port;
struct ipsec_roce_sa;
struct sk_buff;
struct xfrm_state;

#define IPSEC_ROCE_SEEN_INTERVAL	max(HZ / 50, 1)

/* The stack has met a packet of a state of ours, which is closed to it. RCU read side. */
void ipsec_roce_ingress_missed(struct xfrm_state *x, struct sk_buff *skb);
/*
 * Opens @sa's state to the stack again and frees @sa, once nobody looks at it any more; its
 * state, which is deleted, stays until then. Process context.
 */
void ipsec_roce_ingress_reopen(struct ipsec_roce_sa *sa);
/* Begins and ends to look at what the port's stack gets; readers may run on. bond.lock. */
int ipsec_roce_ingress_watch(struct ipsec_roce_port *port, struct netlink_ext_ack *extack);
void ipsec_roce_ingress_unwatch(struct ipsec_roce_port *port);
/* The port's index may be another's next. bond.lock. */
void ipsec_roce_ingress_left(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port);
/* @sa is found no more: nothing is noted on it from here on. bond.lock. */
void ipsec_roce_ingress_forget(struct ipsec_roce_sa *sa);

#endif /* IPSEC_ROCE_INGRESS_H */
