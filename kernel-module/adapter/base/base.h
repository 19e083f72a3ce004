/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iroce: a software SR-IOV RDMA adapter. What each of its rooms knows: an adapter, its ports,
 * their functions. How the rooms stand, and the way of a frame through them:
 *
 *	func		the netdev, VFs, bonds; binds the others together
 *	roce		one RDMA device: packets in, frames out
 *	ipsec | fabric	policies and SAs | PCI, ports, switch; blind to each other
 *	base		what is here, and counters
 *
 *	       host stack                      verbs (rdmavt)
 *	        |      ^                         |        ^
 *	  ipsec: seal  |                   roce: build    |
 *	        |      +---- ipsec: open ---- ipsec: seal | ------+
 *	        v                                v        +-------+
 *	      fabric: switch --> local functions, or the cable, an ordinary netdev
 *
 * Frames between the rooms are sk_buffs whose data starts at the Ethernet header (VLAN tag in the
 * frame or accelerated), linear unless said otherwise, owned by the callee unless it returns them.
 */
#ifndef IROCE_BASE_H
#define IROCE_BASE_H

#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>

#include "frame.h"
#include "headers.h"
#include "stats.h"

#define IROCE_MAX_PORTS		4
#define IROCE_MAX_VFS		32	/* per PF; SR-IOV TotalVFs */
#define IROCE_MAX_MTU		9000
#define IROCE_PF		UINT_MAX
#define IROCE_ROCE_PORT		4791	/* UDP destination port of RoCEv2, IBTA annex A17 */
/* Largest growth of a packet by sealing: ESP header, IV, padding, trailer, ICV. */
#define IROCE_ESP_OVERHEAD_MAX	(8 + 8 + 3 + 2 + 16)

struct iroce_adapter {
	unsigned int index;
	unsigned int n_ports;
	struct iroce_port *ports[IROCE_MAX_PORTS];
	struct iroce_pci *pci;
};

/* A physical port: one PF, its VFs, one cable, a switch between them. */
struct iroce_port {
	struct iroce_adapter *adapter;
	unsigned int index;
	struct net_device __rcu *cable;	/* changed under RTNL; NULL once the netdev went away */
	netdevice_tracker cable_tracker;
	struct iroce_switch *eswitch;
};

/**
 * struct iroce_rdma - of a function: which RDMA device it has; RTNL
 * @entry: list of all functions
 * @own: its own device, NULL while it is a port of a bond's
 * @lag: the bond it is a port of, whatever becomes of that
 * @slot: its place in the bond's device, -1 if it has none
 * @is_wanted: between init and fini
 * @may_send: the bond says so
 * @err: why it could not get a device
 * @sa_gone_work: queue pairs that send nothing let go of SAs that are deleted
 */
struct iroce_rdma {
	struct list_head entry;
	struct iroce_roce *own;
	struct iroce_lag *lag;
	int slot;
	bool is_wanted;
	bool may_send;
	int err;
	struct work_struct sa_gone_work;
};

/*
 * struct iroce_func - a PF or VF as its driver sees it; lives in netdev_priv(netdev)
 *
 * From the PCI probe to the remove. The data path reaches it under RCU from the switch, from its own
 * netdev (ndo_start_xmit) and from its QPs.
 * @vf: VF number, or IROCE_PF
 * @flow_gen: bumped whenever something of the function that a QP's flow was resolved from may have
 *	changed: SA, policy, address. A flow resolves anew when it remembers another value.
 * @is_dying: set before teardown; nothing new may be started
 * @roce: the RDMA device that its RoCE packets are for: its own, that of the bond it is a port
 *	of, or NULL. Changed under RTNL, read under RCU
 */
struct iroce_func {
	struct iroce_port *port;
	struct pci_dev *pdev;
	struct net_device *netdev;
	unsigned int vf;
	atomic_t flow_gen;
	bool is_dying;
	struct iroce_stats __percpu *stats;
	struct iroce_ipsec *ipsec;	/* room ipsec */
	struct iroce_roce *roce;	/* room roce */
	struct iroce_rdma rdma;
	struct iroce_vport *vport;	/* room fabric */
	struct iroce_host *host;	/* room func */
};

static inline struct iroce_func *iroce_func(const struct net_device *netdev)
{
	return netdev_priv(netdev);
}

/* SET_NETDEV_DEVTYPE() of functions. */
extern const struct device_type iroce_func_type;
bool iroce_is_func(const struct net_device *netdev);

static inline void iroce_count(struct iroce_func *f, enum iroce_stat stat)
{
	iroce_stat_add(f->stats, stat, 1);
}

#endif /* IROCE_BASE_H */
