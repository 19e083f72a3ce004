/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The face of RoCE: one RDMA device over one function or, for a bond, several. Packets come in,
 * frames go out.
 *
 *   post_send --> send.c --plan--> rc_req.c / rc_answer.c / ud.c
 *                   |                (what to send next, under s_lock)
 *                   +--execute--> packet.c --> flow.c, iroce_ipsec_seal_roce()
 *                                 (no lock, one batch of packets)
 *                   +--> iroce_switch_xmit_list()
 *
 *   iroce_roce_rx() --> receive.c --> rc_ack.c    acks and read responses: requester
 *                                 --> rc_resp.c   requests: responder
 *                                 --> ud.c
 */
#ifndef IROCE_ROCE_H
#define IROCE_ROCE_H

#include "base/base.h"

struct iroce_sa;

int iroce_roce_module_init(void);
void iroce_roce_module_exit(void);

/* ---- devices, device.c ---------------------------------------------------- */

/**
 * iroce_roce_create - register an RDMA device
 * @f: the function whose device it is, or for a bond the first one
 * @bond: NULL for a device of @f alone, else the bond, whose device has no path yet
 *
 * Context: process, no RTNL.
 * Return: the device, or ERR_PTR.
 */
struct iroce_roce *iroce_roce_create(struct iroce_func *f, struct net_device *bond);
/* No function has it as its iroce_func.roce any more. Process context, no RTNL. */
void iroce_roce_destroy(struct iroce_roce *roce);
/* Its netdev went up, down, ...; RTNL. */
void iroce_roce_netdev_event(struct iroce_roce *roce, unsigned long event);
/* The function whose device it is, of PCI: of a bond the first one. */
struct iroce_func *iroce_roce_func(const struct iroce_roce *roce);
/* I6: its queue pairs let go of flows whose SA is deleted. RTNL, may sleep. */
void iroce_roce_drop_dead(struct iroce_roce *roce);

/* ---- paths of a bond's device, device.c ----------------------------------- */

/* @f, which has no device, becomes a path of the bond's device. RTNL. */
void iroce_roce_add_path(struct iroce_roce *roce, struct iroce_func *f);
/**
 * iroce_roce_del_path - no packet goes through a function any more
 * @f: the function; it need not be a path. Whoever frees it waits for packets that are on their way
 *
 * Context: RTNL.
 */
void iroce_roce_del_path(struct iroce_func *f);
/* @f can send, or cannot any more; if it is a path. RTNL. */
void iroce_roce_update_path(struct iroce_func *f);

/* ---- what the data path is told ------------------------------------------- */

/* What flows of @f are resolved from has changed: SA, policy, address. Any context; paths.c. */
void iroce_roce_func_changed(struct iroce_func *f);

/**
 * iroce_roce_rx - one RoCEv2 packet, cleartext or opened, that came to a function
 * @f: the function
 * @skb: consumed; data at the Ethernet header, network and transport headers set, linear, IP and
 *	UDP lengths checked against the buffer and trimmed, IP header restored to its cleartext
 *	form (ICRC covers it)
 * @sa: the inbound SA it came through, NULL if it was cleartext; the caller keeps its reference
 *
 * Policy is checked already (ipsec/open.c); the transport adds I5: a protected QP takes sealed
 * packets only.
 *
 * Context: softirq, RCU read side.
 */
void iroce_roce_rx(struct iroce_func *f, struct sk_buff *skb, struct iroce_sa *sa);

#endif /* IROCE_ROCE_H */
