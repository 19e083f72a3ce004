/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fabric's face: from a function's frame to a cable, and back. It knows addresses, port
 * VLANs, rates and drop rules; of IPsec and RoCE it knows nothing.
 */
#ifndef IROCE_FABRIC_H
#define IROCE_FABRIC_H

#include "base/base.h"
#include "fence.h"
#include "vf.h"

/* ---- PCI: the adapter as a host bridge, pci.c ----------------------------- */

#define IROCE_PCI_VENDOR	0xf0ce	/* no member of the PCI-SIG has it: see pci.c */
#define IROCE_PCI_PF		0x0001
#define IROCE_PCI_VF		0x0002

int iroce_pci_add(struct iroce_adapter *adapter);
void iroce_pci_del(struct iroce_adapter *adapter);
/* Port of a PF or VF; NULL if @pdev is not on a bus of ours. */
struct iroce_port *iroce_pci_port(const struct pci_dev *pdev);

/* ---- ports and their cables, port.c and cable.c --------------------------- */

#define IROCE_UPLINK_LIMIT	4096	/* frames waiting in one of a port's queues to the cable */

/* Takes RTNL. ERR_PTR with the rule printed when @cable can't be one. @starts_closed: the PF */
struct iroce_port *iroce_port_create(struct iroce_adapter *adapter, unsigned int index,
				     const char *cable, bool starts_closed);
void iroce_port_destroy(struct iroce_port *port);
/* Permanent address of function @vf (IROCE_PF), the same at each load. */
void iroce_port_func_mac(const struct iroce_port *port, unsigned int vf, u8 *mac);
/* Largest MTU a function may have now. */
unsigned int iroce_port_max_mtu(const struct iroce_port *port);
/* Something happened to a netdev that is no function: it may be a cable. RTNL. */
void iroce_cable_netdev_event(struct net_device *dev, unsigned long event);
/* RTNL: would a function be below a cable if @upper came above @lower? */
bool iroce_cable_makes_loop(struct net_device *lower, struct net_device *upper);
u64 iroce_port_stat_sum(const struct iroce_port *port, enum iroce_uplink_stat stat);

/* ---- what the PF decides about a VF, vport.c ------------------------------ */

/* NULL for IROCE_PF. */
struct iroce_vf *iroce_port_vf(const struct iroce_port *port, unsigned int vf);
/* The VF or PF if its netdev is registered; NULL. RTNL keeps it. */
struct iroce_func *iroce_port_func(const struct iroce_port *port, unsigned int vf);
/* RTNL: the VFs are gone, and with them what the PF decided about them. The next ones begin anew. */
void iroce_port_reset_vfs(struct iroce_port *port, bool starts_closed);

/* ---- a function in the switch, vport.c and macs.c ------------------------- */

/**
 * struct iroce_vport_ops - what a function gives the switch
 * @receive: consumes a frame from the cable: not shared and linear, but for ESP, which may be cloned
 *	and in pieces (its headers up to the fixed IP header are in the first). Softirq, RCU read side
 * @queue: consumes a frame from a function, to be received by iroce_vport_admits() and what
 *	@receive does, but not in the sender's context. BH disabled
 * @link_changed: the carrier has changed. RTNL
 */
struct iroce_vport_ops {
	void (*receive)(struct iroce_func *f, struct sk_buff *skb);
	void (*queue)(struct iroce_func *f, struct sk_buff *skb);
	void (*link_changed)(struct iroce_func *f);
};

/* Process context. */
int iroce_vport_create(struct iroce_func *f, const struct iroce_vport_ops *ops);
/* After a grace period, which it does not wait for. */
void iroce_vport_destroy(struct iroce_func *f);
/* RTNL: whether the port's events reach the function. */
void iroce_vport_add(struct iroce_func *f);
void iroce_vport_del(struct iroce_func *f);
/* RTNL: carrier of @f as port and PF want it. */
void iroce_vport_update_carrier(struct iroce_func *f);
/*
 * Whether the function begins closed for IP until it is protected; kept while the driver is not
 * bound. RTNL, or before the netdev is registered.
 */
bool iroce_vport_starts_closed(const struct iroce_func *f);
void iroce_vport_set_starts_closed(struct iroce_func *f, bool is_closed);

/* RTNL: from ndo_open and ndo_stop. */
int iroce_macs_attach(struct iroce_func *f);
void iroce_macs_detach(struct iroce_func *f);
/* RTNL: the netdev's own address is to change from @old. */
int iroce_macs_move(struct iroce_func *f, const u8 *old, const u8 *new);
/* Atomic, under addr_list_lock: the netdev's address lists or flags changed. */
void iroce_macs_sync(struct iroce_func *f);
/* RTNL: what the PF lets the VF have changed; addresses that it may not have now go. */
void iroce_macs_resync(struct iroce_func *f);
/* RTNL: whom the PF trusts, or gives which address, has changed. */
void iroce_macs_judge(struct iroce_port *port);

/* RTNL: the rate of a VF, from ndo_open, and from ndo_stop when nobody sends any more. */
void iroce_shaper_start(struct iroce_func *f);
void iroce_shaper_stop(struct iroce_func *f);
/* RTNL. Of a function that is up. */
void iroce_shaper_set_rate(struct iroce_func *f, u32 rate);
/* RTNL, may sleep. What waits was let in by a rule that is no more: dropped as @why. */
void iroce_shaper_purge(struct iroce_func *f, enum iroce_stat why);

/* ---- frames, switch.c ----------------------------------------------------- */

/*
 * A function's frame enters the switch. Consumes @skb: to the cable, to other functions, also back
 * to @f when the destination is its own address (QP loopback). The receiver's code never runs in
 * the caller's context: local delivery is queued to the receiver's NAPI. skb->destructor is kept
 * until the cable frees the frame (QPs bound their frames in flight by it), and run at once for
 * local delivery. Any context but hard irq; takes no lock of the caller's.
 */
void iroce_switch_xmit(struct iroce_func *f, struct sk_buff *skb);
/* The same for a batch in order: one doorbell for all. Empties @frames. */
void iroce_switch_xmit_list(struct iroce_func *f, struct sk_buff_head *frames);
/* The fence, for a frame that was queued: false if it was dropped. Softirq, RCU read side. */
bool iroce_vport_admits(struct iroce_func *f, struct sk_buff *skb);
/* Hash that keeps a flow (addresses, ports or SPI) in one queue. */
u32 iroce_switch_flow_hash(const struct sk_buff *skb);

#endif /* IROCE_FABRIC_H */
