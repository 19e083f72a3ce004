/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * Generic netlink family "ipsec_roce": bonds whose IPsec offload the helper
 * replicates to their ports. SAs and policies themselves come and go through xfrm.
 * All requests are for the administrator of the bond's network namespace (CAP_NET_ADMIN).
 *
 * GET_BOND	request: IFINDEX; dump: nothing. For each bond
 *	IFINDEX		u32	the bond
 *	IFNAME		string
 *	PLACEMENT	u8	enum ipsec_roce_placement, for SAs to come
 *	N_SAS		u32	twins that xfrm is about to take back included
 *	N_POLICIES	u32
 *	N_HANDOVERS	u64	times that an SA moved to another port
 *	PORT		nest, one for each port
 *		PORT_IFINDEX	u32
 *		PORT_IFNAME	string
 *		PORT_INDEX	u8	its place in the bond; free again when it leaves
 *		PORT_ENGINE	u8	PORT_INDEX of the first port that counts SAs together
 *					with this one: equal where SAs can be shared
 *		PORT_CAN_OFFLOAD	flag
 *		PORT_RUNNING	flag
 *		PORT_ACTIVE	flag	active-backup: the one that sends
 *
 * SET_BOND	request: IFINDEX, PLACEMENT. Refused with words if no SA could be
 *	placed so. SAs that are there stay as they are.
 *
 * SET_HOME	request: IFINDEX (bond), SA_FAMILY, SA_DADDR, SA_SPI, PORT_IFINDEX.
 *	The SA of this identity that is added next belongs to this port, for SAs with an SPI
 *	and key of their own per port (RFC 9611). An outbound SA is used there alone; an inbound
 *	one is expected there first. A second SET_HOME replaces the first, PORT_IFINDEX 0
 *	takes it back; it is gone when the SA has come, or the port has left. Refused if the bond's
 *	placement is set to another, and for more than 256 SAs of a bond at a time.
 *	SAs that nobody names a port for, and that need one, go to the port with the fewest
 *	SAs of the same direction, addresses, reqid, mark and if_id (those past their soft
 *	lifetime do not count).
 *
 * GET_SA	dump: IFINDEX of a bond, or nothing for all. For each SA
 *	IFINDEX		u32	the bond
 *	SA_DIR		u8	0 in, 1 out
 *	SA_FAMILY	u16	AF_INET, AF_INET6
 *	SA_DADDR	4 or 16 bytes
 *	SA_SPI		be32
 *	PLACEMENT	u8
 *	SA_START	u64	numbers up to it were used when it was last handed to a port
 *	SA_IS_DEAD	flag	never used again; waits to be deleted
 *	SA_HOME_IFINDEX	u32	per port only: out: the port it belongs to; in: the port where
 *				its traffic is expected now. Absent while that port is no member
 *	SA_PORT		nest, one for each port that has something of it
 *		SA_PORT_IFINDEX	u32
 *		SA_PORT_STATE	string	see core/repl.h: "standby", "live", "failed", ...
 *		SA_PORT_PACKETS	u64	since it came to this port, as xfrm counts
 *		SA_PORT_BYTES	u64
 *		SA_PORT_LAST	u64	last number sent, or the top of the window
 *		SA_PORT_MISSED	u64	frames of it that came to the stack of this port unopened,
 *					and were dropped
 *
 * Events, multicast group "events":
 * EV_BOND, EV_BOND_GONE	IFINDEX IFNAME
 * EV_PORT, EV_PORT_GONE	IFINDEX PORT
 * EV_HANDOVER		IFINDEX SA_DIR SA_FAMILY SA_DADDR SA_SPI PORT_IFINDEX SA_START
 * EV_TROUBLE		IFINDEX SA_DIR SA_FAMILY SA_DADDR SA_SPI PORT_IFINDEX REASON (string)
 *
 * Integers are in the host's byte order, addresses and SPI in the network's. Any user may
 * ask for bonds; GET_SA, SET_BOND, SET_HOME and the events need CAP_NET_ADMIN, as SAs do in xfrm. No
 * keys are ever in here.
 */
#ifndef IPSEC_ROCE_UAPI_H
#define IPSEC_ROCE_UAPI_H

#define IPSEC_ROCE_GENL_NAME	"ipsec_roce"
#define IPSEC_ROCE_GENL_VERSION	1
#define IPSEC_ROCE_MCGRP_EVENTS	"events"

enum ipsec_roce_cmd {
	IPSEC_ROCE_CMD_UNSPEC,
	IPSEC_ROCE_CMD_GET_BOND,
	IPSEC_ROCE_CMD_SET_BOND,
	IPSEC_ROCE_CMD_GET_SA,
	IPSEC_ROCE_CMD_EV_BOND,
	IPSEC_ROCE_CMD_EV_BOND_GONE,
	IPSEC_ROCE_CMD_EV_PORT,
	IPSEC_ROCE_CMD_EV_PORT_GONE,
	IPSEC_ROCE_CMD_EV_HANDOVER,
	IPSEC_ROCE_CMD_EV_TROUBLE,
	IPSEC_ROCE_CMD_SET_HOME,
};

enum ipsec_roce_placement {
	IPSEC_ROCE_PLACEMENT_ANY,	/* the helper chooses */
	IPSEC_ROCE_PLACEMENT_SHARED,	/* one SPI and key, one counter, at all ports */
	IPSEC_ROCE_PLACEMENT_PER_PORT,	/* an SPI and key per port */
	IPSEC_ROCE_PLACEMENT_OWNER,	/* one SPI and key, at one port at a time */
};

enum ipsec_roce_attr {
	IPSEC_ROCE_A_UNSPEC,
	IPSEC_ROCE_A_PAD,
	IPSEC_ROCE_A_IFINDEX,
	IPSEC_ROCE_A_IFNAME,
	IPSEC_ROCE_A_PLACEMENT,
	IPSEC_ROCE_A_N_SAS,
	IPSEC_ROCE_A_N_POLICIES,
	IPSEC_ROCE_A_N_HANDOVERS,
	IPSEC_ROCE_A_PORT,
	IPSEC_ROCE_A_PORT_IFINDEX,
	IPSEC_ROCE_A_PORT_IFNAME,
	IPSEC_ROCE_A_PORT_INDEX,
	IPSEC_ROCE_A_PORT_ENGINE,
	IPSEC_ROCE_A_PORT_CAN_OFFLOAD,
	IPSEC_ROCE_A_PORT_RUNNING,
	IPSEC_ROCE_A_PORT_ACTIVE,
	IPSEC_ROCE_A_SA_DIR,
	IPSEC_ROCE_A_SA_FAMILY,
	IPSEC_ROCE_A_SA_DADDR,
	IPSEC_ROCE_A_SA_SPI,
	IPSEC_ROCE_A_SA_START,
	IPSEC_ROCE_A_SA_IS_DEAD,
	IPSEC_ROCE_A_SA_PORT,
	IPSEC_ROCE_A_SA_PORT_IFINDEX,
	IPSEC_ROCE_A_SA_PORT_STATE,
	IPSEC_ROCE_A_SA_PORT_PACKETS,
	IPSEC_ROCE_A_SA_PORT_BYTES,
	IPSEC_ROCE_A_SA_PORT_LAST,
	IPSEC_ROCE_A_REASON,
	IPSEC_ROCE_A_SA_HOME_IFINDEX,
	IPSEC_ROCE_A_SA_PORT_MISSED,
	IPSEC_ROCE_N_ATTRS,
};

#define IPSEC_ROCE_A_MAX (IPSEC_ROCE_N_ATTRS - 1)

#endif /* IPSEC_ROCE_UAPI_H */
