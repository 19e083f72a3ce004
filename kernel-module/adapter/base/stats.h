/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of a function: one list per family, so that the enum, the ethtool
 * strings, the RDMA hw counter names and the documentation cannot drift apart.
 * Per CPU, 64 bit, only ever incremented; every dropped packet moves exactly
 * one *_drop_* reason besides the family's totals (I8).
 */
#ifndef IROCE_STATS_H
#define IROCE_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

/*
 * IPsec. The first block has mlx5's names (drivers/net/ethernet/mellanox/
 * mlx5/core/en_accel/ipsec_stats.c), the second what mlx5 folds into its
 * drop totals. Each reason of the second block also moves
 * ipsec_{rx,tx}_drop_{pkts,bytes}.
 */
#define IROCE_IPSEC_STATS(X)						\
	X(ipsec_rx_pkts)						\
	X(ipsec_rx_bytes)						\
	X(ipsec_rx_drop_pkts)						\
	X(ipsec_rx_drop_bytes)						\
	X(ipsec_rx_drop_mismatch_sa_sel)				\
	X(ipsec_tx_pkts)						\
	X(ipsec_tx_bytes)						\
	X(ipsec_tx_drop_pkts)						\
	X(ipsec_tx_drop_bytes)						\
	X(ipsec_rx_drop_sp_alloc)					\
	X(ipsec_rx_drop_sadb_miss)					\
	X(ipsec_tx_drop_bundle)						\
	X(ipsec_tx_drop_no_state)					\
	X(ipsec_tx_drop_not_ip)						\
	X(ipsec_tx_drop_trailer)					\
	/* ours: received */						\
	X(ipsec_rx_drop_plain)		/* I2: cleartext of a protected flow */ \
	X(ipsec_rx_drop_fenced)		/* policy gone, still closed */	\
	X(ipsec_rx_drop_blocked)	/* policy action block */	\
	X(ipsec_rx_drop_short)		/* frame too short for ESP */	\
	X(ipsec_rx_drop_replay)		/* seen before, or left of the window */ \
	X(ipsec_rx_drop_auth)		/* ICV mismatch */		\
	X(ipsec_rx_drop_trailer)	/* padding or next header malformed */ \
	X(ipsec_rx_drop_policy)		/* SA is not the one the policy wants */ \
	X(ipsec_rx_drop_expired)	/* hard lifetime reached */	\
	X(ipsec_rx_drop_crypto)		/* cipher failed for another reason */ \
	/* ours: sent */						\
	X(ipsec_tx_drop_fenced)						\
	X(ipsec_tx_drop_blocked)					\
	X(ipsec_tx_drop_seq_overflow)	/* I3: would repeat a nonce */	\
	X(ipsec_tx_drop_expired)					\
	X(ipsec_tx_drop_crypto)						\
	X(ipsec_tx_drop_no_mem)						\
	X(ipsec_tx_drop_malformed)					\
	X(ipsec_acquire_refused)	/* no room to ask for an SA; the next packet asks again */

/*
 * RoCE: rdma_rxe's names (drivers/infiniband/sw/rxe/rxe_hw_counters.c; the bytes are in
 * newer ones), then ours.
 */
#define IROCE_ROCE_STATS(X)						\
	X(sent_pkts)							\
	X(rcvd_pkts)							\
	X(sent_bytes)			/* Ethernet header to ICRC, as before sealing */ \
	X(rcvd_bytes)			/* the same, opened */		\
	X(duplicate_request)						\
	X(out_of_seq_request)						\
	X(rcvd_rnr_err)							\
	X(send_rnr_err)							\
	X(rcvd_seq_err)							\
	X(ack_deferred)							\
	X(retry_exceeded_err)						\
	X(retry_rnr_exceeded_err)					\
	X(completer_retry_err)						\
	X(send_err)							\
	X(link_downed)							\
	X(rdma_sends)							\
	X(rdma_recvs)							\
	X(rx_drop_malformed)		/* BTH, length, opcode, pad */	\
	X(rx_drop_icrc)							\
	X(rx_drop_pkey)							\
	X(rx_drop_no_qp)						\
	X(rx_drop_qp_state)						\
	X(rx_drop_opcode)		/* opcode not of the QP's service */ \
	X(rx_drop_qkey)							\
	X(rx_drop_no_rwqe)		/* UD: no receive posted, or too small */ \
	X(rx_drop_peer)			/* RC: not from the connected address */ \
	X(rx_drop_vlan)			/* not of the VLAN of the QP's, or any, GID */ \
	X(rx_drop_unsealed)		/* I5: not through the QP's own SA */ \
	X(rx_drop_bond_down)		/* the port is up, its bond is not */ \
	X(tx_drop_no_route)						\
	X(tx_drop_path_mtu)		/* the route's MTU is below the packet */ \
	X(tx_drop_closed)		/* I1: QP is protected, no SA to use */ \
	X(tx_drop_no_mem)

/* Port and switch, per function. */
#define IROCE_PORT_STATS(X)						\
	X(rx_drop_no_mem)						\
	X(rx_multicast)							\
	X(rx_broadcast)							\
	X(rx_drop_queue)		/* local delivery: receive queue is full */ \
	X(rx_drop_port_vlan)		/* for a VF that is in another port VLAN */ \
	X(tx_drop_link_down)						\
	X(tx_drop_runt)							\
	X(tx_drop_spoofed)						\
	X(tx_drop_oversize)						\
	X(tx_drop_port_vlan)		/* tagged by a VF whose tag is the PF's to choose */ \
	X(tx_drop_rate)			/* queue of a VF with a rate is full */ \
	X(tx_drop_uplink)		/* queue to the cable is full */ \
	X(tc_drop_egress)						\
	X(tc_drop_ingress)

enum iroce_stat {
#define IROCE_STAT_ENUM(name) IROCE_STAT_##name,
	IROCE_IPSEC_STATS(IROCE_STAT_ENUM)
	IROCE_ROCE_STATS(IROCE_STAT_ENUM)
	IROCE_PORT_STATS(IROCE_STAT_ENUM)
#undef IROCE_STAT_ENUM
	IROCE_STAT_MAX,
	IROCE_STAT_IPSEC_FIRST = 0,
	IROCE_STAT_ROCE_FIRST = IROCE_STAT_sent_pkts,
	IROCE_STAT_PORT_FIRST = IROCE_STAT_rx_drop_no_mem,
};

/* Counters of a port that belong to no function; shown with the PF's. */
#define IROCE_UPLINK_STATS(X)						\
	X(uplink_rx_pkts)						\
	X(uplink_rx_bytes)						\
	X(uplink_rx_drop_unknown)	/* nobody here has the address */ \
	X(uplink_rx_drop_runt)		/* no Ethernet header */	\
	X(uplink_rx_drop_no_mem)					\
	X(uplink_tx_pkts)						\
	X(uplink_tx_bytes)						\
	X(uplink_tx_drop_link_down)	/* queued when the link went */	\
	X(uplink_tx_drop_refused)	/* the cable's driver dropped it */

enum iroce_uplink_stat {
#define IROCE_UPLINK_ENUM(name) IROCE_##name,
	IROCE_UPLINK_STATS(IROCE_UPLINK_ENUM)
#undef IROCE_UPLINK_ENUM
	IROCE_UPLINK_STAT_MAX,
};

struct iroce_uplink_stats {
	u64 v[IROCE_UPLINK_STAT_MAX];
};

struct iroce_stats {
	u64 v[IROCE_STAT_MAX];
};

/* Any context. 64-bit kernels only: a this_cpu add is one instruction and never tears. */
static inline void iroce_stat_add(struct iroce_stats __percpu *stats,
				  enum iroce_stat stat, u64 n)
{
	this_cpu_add(stats->v[stat], n);
}

/* Name of a counter as ethtool and rdma print it; stats.c. */
const char *iroce_stat_name(enum iroce_stat stat);
u64 iroce_stat_sum(struct iroce_stats __percpu *stats, enum iroce_stat stat);

#endif /* IROCE_STATS_H */
