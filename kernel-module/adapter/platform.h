/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private to the platform half of iroce.ko: main, pci, func, port, eswitch,
 * netdev, ethtool, tc. What the other halves may use is in iroce.h.
 *
 *	adapter --- one PCI host bridge (pci.c)
 *	  port 0..3 --- PF 0..3, a cable (port.c), a switch (eswitch.c)
 *	    function --- PF or VF: netdev (netdev.c), RDMA device
 */
#ifndef IROCE_PLATFORM_H
#define IROCE_PLATFORM_H

#include <linux/hrtimer.h>
#include <linux/if_link.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <net/gro_cells.h>

#include "iroce.h"

#define IROCE_MAX_ADAPTERS	8
#define IROCE_MAX_QUEUES	8	/* receive queues of a function, for what the switch delivers */

struct iroce_tc_table;

/* ---- main.c ----------------------------------------------------------- */

struct iroce_adapter {
	unsigned int index;
	unsigned int n_ports;
	struct iroce_port *ports[IROCE_MAX_PORTS];
	struct iroce_pci *pci;
};

/* VFs that a PF enables when it is probed. */
unsigned int iroce_initial_vfs(void);

/* ---- pci.c ------------------------------------------------------------ */

/*
 * No PCI-SIG member has vendor id f0ce: ids are handed out upwards from 0x1000
 * and are far away; pci.ids does not know it. Should a card ever carry it, probe
 * still refuses whatever is not on one of our own buses, and the table is not
 * exported, so nothing loads the module for it.
 */
#define IROCE_PCI_VENDOR	0xf0ce
#define IROCE_PCI_PF		0x0001
#define IROCE_PCI_VF		0x0002

int iroce_pci_add(struct iroce_adapter *adapter);
void iroce_pci_del(struct iroce_adapter *adapter);
/* Port of a PF or VF; NULL if @pdev is not on a bus of ours. */
struct iroce_port *iroce_pci_port(const struct pci_dev *pdev);

/* ---- func.c ----------------------------------------------------------- */

int iroce_func_register_driver(void);
void iroce_func_unregister_driver(void);

/* ---- port.c ----------------------------------------------------------- */

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

#define IROCE_UPLINK_LIMIT	4096	/* frames waiting in one of a port's queues to the cable */

int iroce_port_module_init(void);
void iroce_port_module_exit(void);

/* Takes RTNL. ERR_PTR with the rule printed when @cable can't be one. */
struct iroce_port *iroce_port_create(struct iroce_adapter *adapter, unsigned int index,
				     const char *cable);
void iroce_port_destroy(struct iroce_port *port);
/* Permanent address of function @vf (IROCE_PF), the same at each load. */
void iroce_port_func_mac(const struct iroce_port *port, unsigned int vf, u8 *mac);
/* Largest MTU a function may have now. */
unsigned int iroce_port_max_mtu(const struct iroce_port *port);
/* Consumes @frames, in order; bounded. Counts what it can't queue to @f. BH disabled. */
void iroce_port_xmit(struct iroce_port *port, struct iroce_func *f, struct sk_buff_head *frames);
struct iroce_uplink_stats __percpu *iroce_port_stats(const struct iroce_port *port);
u64 iroce_port_stat_sum(const struct iroce_port *port, enum iroce_uplink_stat stat);

/* ---- eswitch.c -------------------------------------------------------- */

/*
 * struct iroce_vf - what the PF decides about a VF; outlives the VF's driver, not the VF
 * Written under RTNL, read by the data path (READ_ONCE). @is_spoofchk is on by default.
 */
struct iroce_vf {
	u8 mac[ETH_ALEN];	/* zero: the VF's own choice */
	bool is_spoofchk;
	bool is_trusted;
	u8 link_state;		/* IFLA_VF_LINK_STATE_* */
	bool starts_closed;	/* the VF's own wish: ipsec-closed-until-protected */
};

/*
 * struct iroce_eswitch - the switch behind a port
 * @lock: writers of @addrs and @funcs; BH disabled. Nests inside addr_list_lock
 * @addrs: MAC address -> function, by hash; RCU
 * @funcs: functions that are up; RCU
 * @all: all functions, from before their netdev is registered; RTNL
 * @seen: addresses that frames from the cable came from of late, by hash: the last one
 *	of each place. Written in softirq, no lock: see eswitch.c
 */
#define IROCE_ESWITCH_BITS 8
struct iroce_seen {
	unsigned long when;	/* jiffies */
	u64 addr;		/* ether_addr_to_u64(); 0: none */
};

struct iroce_eswitch {
	struct list_head node;	/* all switches: eswitch.c */
	struct rcu_head rcu;
	spinlock_t lock;
	struct hlist_head addrs[1 << IROCE_ESWITCH_BITS];
	struct list_head funcs;
	struct list_head all;
	struct iroce_vf vfs[IROCE_MAX_VFS];
	struct iroce_seen seen[1 << IROCE_ESWITCH_BITS];
	bool pf_starts_closed;
};

struct iroce_eswitch *iroce_eswitch_create(void);
void iroce_eswitch_destroy(struct iroce_eswitch *esw);
/* RTNL: from ndo_open and ndo_stop. */
int iroce_eswitch_attach(struct iroce_func *f);
void iroce_eswitch_detach(struct iroce_func *f);
/* RTNL: the netdev's own address changed from @old. */
int iroce_eswitch_move(struct iroce_func *f, const u8 *old, const u8 *new);
/* Atomic, under addr_list_lock: the netdev's address lists or flags changed. */
void iroce_eswitch_sync(struct iroce_func *f);
/* RTNL: what the PF lets the VF have changed; addresses that it may not have now go. */
void iroce_eswitch_resync(struct iroce_func *f);
/* A normalised frame comes out of the cable. Softirq. Consumes @skb. */
void iroce_eswitch_uplink_rx(struct iroce_port *port, struct sk_buff *skb);
/* RTNL: the VFs are gone, and with them what the PF decided about them. */
void iroce_eswitch_reset_vfs(struct iroce_eswitch *esw);
/* RTNL: whom the PF trusts, or gives which address, has changed. */
void iroce_eswitch_judge(struct iroce_eswitch *esw);
/* NULL for a PF. */
struct iroce_vf *iroce_eswitch_vf(const struct iroce_func *f);
/* RTNL: carrier of @f as port and PF want it. */
void iroce_eswitch_update_carrier(struct iroce_func *f);
/* Hash that keeps a flow (addresses, ports or SPI) in one queue. */
u32 iroce_eswitch_flow_hash(const struct sk_buff *skb);

/* ---- netdev.c --------------------------------------------------------- */

#define IROCE_RXQ_LIMIT	8192	/* frames waiting in one receive queue */

/* One receive queue for what other functions (or this one) send to us. */
struct iroce_rxq {
	struct napi_struct napi;
	struct iroce_func *func;
	struct sk_buff_head frames;	/* its lock guards is_open too */
	bool is_open;
};

/*
 * struct iroce_host - the host side of a function
 * @node: in the eswitch's funcs; @all_node: in its all; @is_promisc, @is_allmulti: what the switch
 *	floods to us besides our addresses
 */
struct iroce_host {
	struct iroce_func *func;
	struct list_head node;
	struct list_head all_node;
	bool is_promisc;
	bool is_allmulti;
	unsigned int n_queues;
	struct iroce_rxq *queues;
	struct gro_cells gro;
	struct iroce_tc_table *tc[2];	/* by enum iroce_tc_dir */
	struct list_head tc_blocks;	/* flow_block_cb; RTNL */
};

struct net_device *iroce_netdev_create(struct iroce_port *port, struct pci_dev *pdev,
				       unsigned int vf);
/* After unregister_netdev() and a grace period. */
void iroce_netdev_destroy(struct net_device *netdev);
/* Queues @skb for NAPI. BH disabled. */
void iroce_netdev_queue(struct iroce_func *f, struct sk_buff *skb);
/* The fence, then iroce_rx(). Softirq, RCU read side. */
void iroce_netdev_input(struct iroce_func *f, struct sk_buff *skb);

/* ---- ethtool.c, tc.c -------------------------------------------------- */

extern const struct ethtool_ops iroce_ethtool_ops;

enum iroce_tc_dir { IROCE_TC_INGRESS, IROCE_TC_EGRESS };

int iroce_tc_init(struct iroce_func *f);
void iroce_tc_fini(struct iroce_func *f);
int iroce_tc_setup(struct net_device *netdev, enum tc_setup_type type, void *type_data);
/* RTNL */
bool iroce_tc_has_rules(const struct iroce_func *f);
/* True: a rule says drop; counted. RCU read side. Does not consume @skb. */
bool iroce_tc_drops(struct iroce_func *f, const struct sk_buff *skb, enum iroce_tc_dir dir);

#endif /* IROCE_PLATFORM_H */
