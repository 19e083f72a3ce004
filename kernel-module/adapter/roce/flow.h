/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How packets of a queue pair leave the host.
 */
#ifndef IROCE_ROCE_FLOW_H
#define IROCE_ROCE_FLOW_H

#include <net/dst.h>

#include "device.h"
#include "ipsec/ipsec.h"

struct iroce_qp;

/*
 * struct iroce_flow - how packets of a QP (UD: to one address) leave the host
 *
 * Immutable once published, read under RCU. @hdr is the header from Ethernet to
 * UDP of a packet without payload length; see packet.c for what is patched.
 */
struct iroce_flow {
	struct rcu_head rcu;
	struct iroce_func *func;	/* they leave through this one; good while the flow is */
	int gen;			/* roce->gen and func->flow_gen it was resolved at */
	int func_gen;
	enum iroce_verdict verdict;
	enum iroce_stat why;		/* counter of drops if IROCE_CLOSED */
	bool is_provisional;		/* ask again after @expires */
	bool is_v6;
	u8 l2_len;
	u8 l3_len;
	u8 hdr_len;
	u32 payload_max;		/* what the path's MTU leaves of a packet */
	unsigned long expires;		/* jiffies */
	struct iroce_sa *sa;
	struct dst_entry *dst;
	u32 dst_cookie;
	struct iroce_ah_key *ah_key;	/* UD: the address this is for */
	u8 hdr[ETH_HLEN + VLAN_HLEN + 40 + 8] __aligned(4);
};

/* What a UD flow depends on besides the QP. Compared as memory: no holes. */
struct iroce_ah_key {
	union ib_gid dgid;
	const struct ib_gid_attr *sgid;
	u32 flow_label;
	u32 qpn;
	u8 dmac[ETH_ALEN];
	u8 hop_limit;
	u8 traffic_class;
	u8 sl;
	u8 zero[7];
};

/*
 * The flow of a connected QP, or of a UD QP to @ah; ERR_PTR: no way to send now, and with
 * -ENOMEM nobody knows whether it is protected.
 * Under rcu_read_lock(), BH disabled; what is returned is good until its end. Takes s_lock.
 */
struct iroce_flow *iroce_flow_rc(struct iroce_qp *iqp);
struct iroce_flow *iroce_flow_ud(struct iroce_qp *iqp, const struct rdma_ah_attr *ah, u32 qpn);
/* Says in the log, once in a while, that packets of @len bytes do not fit the path. */
void iroce_flow_tell_mtu(const struct iroce_qp *iqp, const struct iroce_flow *flow, u32 len);
/* I5: does this QP take cleartext from @saddr? */
bool iroce_flow_takes_plain(struct iroce_qp *iqp, const struct in6_addr *saddr);
/* @forget: also that it was ever protected (reset, destruction) */
void iroce_flow_flush(struct iroce_qp *iqp, bool forget);
/* Lets go of flows whose SA is deleted. */
void iroce_flow_drop_dead(struct iroce_qp *iqp);

#endif /* IROCE_ROCE_FLOW_H */
