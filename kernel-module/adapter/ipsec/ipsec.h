/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The face of IPsec: decide, seal, open. It knows policies and SAs, no switch and no queue pair.
 */
#ifndef IROCE_IPSEC_H
#define IROCE_IPSEC_H

#include "base/base.h"
#include "core/flow.h"

struct iroce_sa;
struct netlink_ext_ack;
struct xfrm_state;

int iroce_ipsec_module_init(void);
void iroce_ipsec_module_exit(void);

/**
 * struct iroce_ipsec_events - what a function wants to hear
 * @changed: an SA or a policy came or went: what has become of a flow may be otherwise now. Any context
 * @sa_gone: an outbound SA is deleted: I6, nobody keeps its key. Any context but hard irq
 */
struct iroce_ipsec_events {
	void (*changed)(struct iroce_func *f);
	void (*sa_gone)(struct iroce_func *f);
};

/* Before register_netdev(): sets xfrmdev_ops and NETIF_F_HW_ESP. */
int iroce_ipsec_init(struct iroce_func *f, const struct iroce_ipsec_events *events,
		     bool starts_closed);
/* After unregister_netdev(): xfrm has flushed its states and policies. */
void iroce_ipsec_fini(struct iroce_func *f);

/* Does a flow stay closed after the policy that protected it is gone (default)? RTNL. */
void iroce_ipsec_set_fail_closed(struct iroce_func *f, bool is_closed);
/* The netdev is registered in a network namespace, perhaps another than before. RTNL. */
void iroce_ipsec_net_changed(struct iroce_func *f);
bool iroce_ipsec_is_fail_closed(const struct iroce_func *f);
/*
 * ethtool --set-priv-flags DEV ipsec-closed-until-protected on|off (default: module parameter
 * closed_until_protected): whether the function is closed for IP, in each direction, until it
 * has a policy there that protects. iroce_vport_set_starts_closed() keeps it over unbinding. RTNL.
 */
void iroce_ipsec_set_starts_closed(struct iroce_func *f, bool is_closed);
/* @n packets of @bytes together that never came into an skb; with the family's totals and xfrm_stat. */
void iroce_ipsec_tx_count_drops(struct iroce_func *f, u32 n, u32 bytes, enum iroce_stat why);
/* The reason behind an error of iroce_ipsec_seal_roce() with an SA. */
enum iroce_stat iroce_ipsec_seal_drop(int err);
/* Policies that are gone and whose traffic stays closed. */
unsigned int iroce_ipsec_n_tombs(const struct iroce_func *f);

/* As xdo_dev_state_add(); @first's SA is at another function of this adapter. */
int iroce_state_add_shared(struct net_device *dev, struct xfrm_state *x,
			   const struct xfrm_state *first, struct netlink_ext_ack *extack);

/**
 * iroce_ipsec_seal_host - what the host stack sends: policy, seal
 * @f: the function that sends
 * @skb: consumed; may be non-linear, its checksum may be CHECKSUM_PARTIAL
 * Context: softirq or BH disabled, under the tx queue's lock (or LLTX).
 * Return: the frame for the switch, or NULL if it was dropped, and counted.
 */
struct sk_buff *iroce_ipsec_seal_host(struct iroce_func *f, struct sk_buff *skb);

/* For whom an arrived frame is. */
enum iroce_arrival {
	IROCE_TO_HOST,	/* the stack; a secpath stays attached */
	IROCE_TO_ROCE,	/* the RDMA device: see iroce_roce_rx() */
	IROCE_CONSUMED,	/* nobody: dropped and counted, or it said nothing */
};

/**
 * iroce_ipsec_open - open a frame from the switch; check replay, selectors, policies (I2, I4)
 * @f: the function that the frame is for
 * @skb: as the switch gives it; perhaps another one afterwards; the caller's, unless it was consumed
 * @sa: if IROCE_TO_ROCE: the inbound SA it came through, NULL if it was cleartext; no reference
 * Context: softirq, RCU read side.
 * Return: who is to have it.
 */
enum iroce_arrival iroce_ipsec_open(struct iroce_func *f, struct sk_buff **skb, struct iroce_sa **sa);

enum iroce_verdict {
	IROCE_PLAIN,	/* no policy: cleartext is right */
	IROCE_SEAL,	/* seal with the SA returned */
	IROCE_CLOSED,	/* protected, but no SA, a block policy or a tombstone: drop */
};

/**
 * iroce_ipsec_out - what becomes of an outbound flow now, by SPD, then SAD (reqid and template)
 * @f: read its flow_gen BEFORE the call, and remember that value with the result
 * @key: the flow
 * @sa: on IROCE_SEAL a referenced outbound SA, iroce_sa_put() it
 * @why: on IROCE_CLOSED the counter to move for each packet dropped
 * Context: any but hard irq.
 * Return: the verdict; where a policy has no SA, the kernel's ACQUIRE was triggered.
 */
enum iroce_verdict iroce_ipsec_out(struct iroce_func *f, const struct iroce_flow_key *key,
				   struct iroce_sa **sa, enum iroce_stat *why);

/* Does a policy or a tombstone of @f keep this flow from being in the clear? RCU read side. */
bool iroce_ipsec_protects(const struct iroce_func *f, bool is_out, const struct iroce_flow_key *key);

/* Any context: the last put defers what may sleep. Keys are zeroed there. */
void iroce_sa_put(struct iroce_sa *sa);
/* False once the SA is deleted or expired: re-resolve, never use it again. */
bool iroce_sa_is_live(const struct iroce_sa *sa);

/**
 * iroce_ipsec_seal_roce - make the skb of one RoCE packet
 * @f: the function that sends
 * @sa: NULL for cleartext, else the SA that seals it; the caller keeps its reference
 * @frame: not looked at afterwards: one pass copies its payload, or encrypts it, into the skb
 * Context: any but hard irq; keep BH disabled around a batch, SIMD likes it.
 * Return: the skb for the switch, or ERR_PTR, and the caller counts the drop: -ENOMEM, -ESTALE (SA
 * dead: re-resolve), or what iroce_ipsec_seal_drop() knows.
 */
struct sk_buff *iroce_ipsec_seal_roce(struct iroce_func *f, struct iroce_sa *sa,
				      const struct iroce_frame *frame);

#endif /* IROCE_IPSEC_H */
