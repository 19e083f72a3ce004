/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private to the platform half of iroce.ko: main, pci, func, port, eswitch, vlan,
 * shaper, netdev, vf, ethtool, tc. What the other halves may use is in iroce.h.
 *
 *	adapter --- one PCI host bridge (pci.c)
 *	  port 0..3 --- PF 0..3, a cable (cable.c), a switch (switch.c)
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
/* Whether functions that nobody has decided about are closed until they are protected. */
bool iroce_starts_closed(void);

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

/* ---- probe.c ----------------------------------------------------------- */

int iroce_func_register_driver(void);
void iroce_func_unregister_driver(void);

/* ---- cable.c ----------------------------------------------------------- */

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

/* ---- seen.c ----------------------------------------------------------- */

struct iroce_seen;

/* Process context. NULL: no memory. */
struct iroce_seen *iroce_seen_create(void);
/* Any context; RCU readers may be there yet. */
void iroce_seen_destroy(struct iroce_seen *seen);
/* BH disabled, as in the two below. Noted within the last second? For one that has been noted the answer may be no. */
bool iroce_seen_just_now(struct iroce_seen *seen, const u8 *mac);
void iroce_seen_note(struct iroce_seen *seen, const u8 *mac);
/* Noted within the last five minutes, at least? For one that has not the answer may be yes. */
bool iroce_seen_has(struct iroce_seen *seen, const u8 *mac);

/* ---- switch.c -------------------------------------------------------- */

/*
 * struct iroce_vf - what the PF decides about a VF; outlives the VF's driver, not the VF
 * Written under RTNL, read by the data path (READ_ONCE). @is_spoofchk is on by default.
 */
struct iroce_vf {
	u8 mac[ETH_ALEN];	/* zero: the VF's own choice */
	bool is_spoofchk;
	bool is_trusted;
	bool may_query_rss;
	u8 link_state;		/* IFLA_VF_LINK_STATE_* */
	u16 vlan_tci;		/* port VLAN: PCP and VID, of 802.1Q; 0: none */
	u32 max_tx_rate;	/* Mbit/s; 0: any */
	bool starts_closed;	/* the VF's own wish: ipsec-closed-until-protected */
	struct ifla_vf_stats gone;	/* of the times its driver was bound before; RTNL */
};

/*
 * struct iroce_eswitch - the switch behind a port
 * @lock: writers of @addrs and @funcs; BH disabled. Nests inside addr_list_lock
 * @addrs: MAC address -> function, by hash; RCU
 * @funcs: functions that are up; RCU
 * @all: all functions, from before their netdev is registered; RTNL
 * @seen: addresses that frames from the cable came from of late
 */
#define IROCE_ESWITCH_BITS 8
struct iroce_eswitch {
	struct list_head node;	/* all switches: switch.c */
	struct rcu_head rcu;
	spinlock_t lock;
	struct hlist_head addrs[1 << IROCE_ESWITCH_BITS];
	struct list_head funcs;
	struct list_head all;
	struct iroce_vf vfs[IROCE_MAX_VFS];
	struct iroce_seen *seen;
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
static inline struct iroce_vf *iroce_eswitch_vf(const struct iroce_func *f)
{
	return f->vf == IROCE_PF ? NULL : &f->port->eswitch->vfs[f->vf];
}

/* RTNL: carrier of @f as port and PF want it. */
void iroce_eswitch_update_carrier(struct iroce_func *f);
/* Hash that keeps a flow (addresses, ports or SPI) in one queue. */
u32 iroce_eswitch_flow_hash(const struct sk_buff *skb);

/* Frames that accept() has seen: to functions, to the cable. BH disabled, RCU. Consumes them. */
void iroce_eswitch_forward(struct iroce_func *f, struct sk_buff_head *frames);

/* ---- shaper.c --------------------------------------------------------- */

/*
 * struct iroce_shaper - where frames of a VF wait whose PF gave it a rate
 * @frames: in their order; its lock guards all the rest
 * @is_on: they go this way: there is a rate, or frames that waited for one. Read without the lock
 * @is_sending: somebody hands frames on; others only append
 * @rate: Mbit/s; 0: what still waits goes at once
 * @bytes: of @frames
 * @free_at: ns, when what was sent before is over at this rate
 */
struct iroce_shaper {
	struct sk_buff_head frames;
	bool is_on;
	bool is_sending;
	u32 rate;
	u64 bytes;
	u64 free_at;
	struct hrtimer timer;
	struct iroce_func *func;
};

void iroce_shaper_init(struct iroce_func *f);
/* RTNL: from ndo_open, and from ndo_stop when nobody sends any more. */
void iroce_shaper_start(struct iroce_func *f);
void iroce_shaper_stop(struct iroce_func *f);
/* RTNL. Of a function that is up. */
void iroce_shaper_set_rate(struct iroce_func *f, u32 rate);
/* RTNL, may sleep. What waits was let in by a rule that is no more: dropped as @why. */
void iroce_shaper_purge(struct iroce_func *f, enum iroce_stat why);
/* Consumes @frames: now, or when the rate allows. BH disabled, RCU. */
void iroce_shaper_xmit(struct iroce_func *f, struct sk_buff_head *frames);

/* ---- vlan.c ----------------------------------------------------------- */

bool iroce_vlan_is(const struct sk_buff *skb, u16 tci);
bool iroce_vlan_pop_tag(struct iroce_func *f, struct sk_buff *skb, u16 tci);

/* The tag of the port VLAN of a VF (VST); 0 for others. Any context. */
static inline u16 iroce_vlan_of(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_eswitch_vf(f);

	return vf ? READ_ONCE(vf->vlan_tci) : 0;
}

/* @skb, at its Ethernet header, is for a function in the port VLAN of @f, or in none. */
static inline bool iroce_vlan_takes(const struct iroce_func *f, const struct sk_buff *skb)
{
	u16 tci = iroce_vlan_of(f);

	return likely(!tci) || iroce_vlan_is(skb, tci);
}

/* Takes the tag off a frame that goes to @f; false if the frame was dropped. */
static inline bool iroce_vlan_pop(struct iroce_func *f, struct sk_buff *skb)
{
	u16 tci = iroce_vlan_of(f);

	return likely(!tci) || iroce_vlan_pop_tag(f, skb, tci);
}

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
	struct iroce_shaper shaper;
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

/* ---- vf.c ------------------------------------------------------------- */

int iroce_vf_get_config(struct net_device *pf, int index, struct ifla_vf_info *out);
int iroce_vf_get_stats(struct net_device *pf, int index, struct ifla_vf_stats *out);
int iroce_vf_get_guid(struct net_device *pf, int index, struct ifla_vf_guid *node,
		      struct ifla_vf_guid *port);
int iroce_vf_set_mac(struct net_device *pf, int index, u8 *mac);
int iroce_vf_set_vlan(struct net_device *pf, int index, u16 vid, u8 qos, __be16 proto);
int iroce_vf_set_rate(struct net_device *pf, int index, int min, int max);
int iroce_vf_set_spoofchk(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_rss_query_en(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_trust(struct net_device *pf, int index, bool is_on);
int iroce_vf_set_link_state(struct net_device *pf, int index, int state);

/* Of struct net_device_ops. */
#define IROCE_VF_NDOS							\
	.ndo_get_vf_config = iroce_vf_get_config,			\
	.ndo_get_vf_stats = iroce_vf_get_stats,				\
	.ndo_get_vf_guid = iroce_vf_get_guid,				\
	.ndo_set_vf_mac = iroce_vf_set_mac,				\
	.ndo_set_vf_vlan = iroce_vf_set_vlan,				\
	.ndo_set_vf_rate = iroce_vf_set_rate,				\
	.ndo_set_vf_spoofchk = iroce_vf_set_spoofchk,			\
	.ndo_set_vf_rss_query_en = iroce_vf_set_rss_query_en,		\
	.ndo_set_vf_trust = iroce_vf_set_trust,				\
	.ndo_set_vf_link_state = iroce_vf_set_link_state,

/* RTNL: the netdev of @f goes, and its counters with it. */
void iroce_vf_keep_stats(struct iroce_func *f);
/* With which address a function begins: its PF's choice for it, or what it is born with. */
void iroce_vf_address(const struct iroce_port *port, unsigned int vf, u8 *mac);

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
