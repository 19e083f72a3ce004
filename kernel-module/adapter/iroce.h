/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iroce: a software SR-IOV RDMA adapter. What its parts know of each other.
 *
 *                host stack                       verbs (rdmavt)
 *                 |      ^                          |        ^
 *    ndo_start_xmit      | iroce_netdev_receive     | flow   | iroce_roce_rx
 *                 v      |                          v        |
 *   ipsec:  iroce_ipsec_host_xmit            iroce_frame_build
 *                 |      ^    policy, SA, ESP       |        ^
 *                 v      |                          v        |
 *           iroce_eswitch_xmit <--------------------+        |
 *                 |                                          |
 *   eswitch:  MAC lookup --> iroce_rx (of the function) -----+
 *                 |  ^
 *                 v  |       rx_handler
 *             uplink = "cable": an ordinary netdev
 *
 * Frames between the boxes are sk_buffs whose data starts at the Ethernet
 * header (VLAN tag in the frame or accelerated, see skb_vlan_tag_present()),
 * linear unless said otherwise, owned by the callee.
 */
#ifndef IROCE_H
#define IROCE_H

#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "core/spd.h"
#include "stats.h"

#define IROCE_MAX_PORTS		4
#define IROCE_MAX_VFS		32	/* per PF; SR-IOV TotalVFs */
#define IROCE_MAX_MTU		9000
#define IROCE_ROCE_PORT		4791	/* UDP destination port of RoCEv2, IBTA annex A17 */

struct iroce_adapter;
struct iroce_func;
struct iroce_ipsec;
struct iroce_lag;
struct iroce_roce;
struct iroce_sa;

/*
 * struct iroce_port - a physical port: one PF, its VFs, one cable
 * @cable: the uplink; RCU for the data path, RTNL for changes; NULL once the
 *	netdev went away
 * @eswitch: MAC table of the functions behind this port (switch.c)
 */
struct iroce_port {
	struct iroce_adapter *adapter;
	unsigned int index;
	struct net_device __rcu *cable;
	netdevice_tracker cable_tracker;
	struct iroce_eswitch *eswitch;
};

/*
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
 * struct iroce_func - a PF or VF as its driver sees it
 *
 * Created by the PCI probe, destroyed by its remove, after a grace period;
 * lives in netdev_priv(netdev). The data path reaches it under RCU from the
 * eswitch, from its own netdev (ndo_start_xmit) and from its QPs.
 *
 * @flow_gen: bumped whenever something of the function that a QP's flow was
 *	resolved from may have changed: SA, policy (ipsec), its address. A flow
 *	remembers the value it was resolved at and re-resolves when it differs.
 * @is_dying: set before teardown; nothing new may be started
 * @roce: the RDMA device that its RoCE packets are for: its own, that of the bond
 *	it is a port of, or NULL. Changed under RTNL, read under RCU
 */
struct iroce_func {
	struct iroce_port *port;
	struct pci_dev *pdev;
	struct net_device *netdev;
	unsigned int vf;		/* VF number, or IROCE_PF */
	atomic_t flow_gen;
	bool is_dying;
	struct iroce_stats __percpu *stats;
	struct iroce_ipsec *ipsec;
	struct iroce_roce *roce;
	struct iroce_rdma rdma;		/* lag.c: which device it is to have */
	struct iroce_host *host;	/* netdev.c: receive queue, gro cells, tc fence */
};

#define IROCE_PF	UINT_MAX

static inline struct iroce_func *iroce_func(const struct net_device *netdev)
{
	return netdev_priv(netdev);
}

/* True for the netdevs of this module; used by notifiers. */
bool iroce_is_func(const struct net_device *netdev);

static inline void iroce_count(struct iroce_func *f, enum iroce_stat stat)
{
	iroce_stat_add(f->stats, stat, 1);
}

/* Any context; paths.c. */
void iroce_flow_changed(struct iroce_func *f);

/* ---- switch.c, cable.c ------------------------------------------------ */

/*
 * iroce_eswitch_xmit - a function's frame enters the switch
 *
 * Consumes @skb. Goes to the uplink and/or to other functions (also back to
 * @f when the destination is its own MAC: QP loopback). Never runs the
 * receiver's code in the caller's context: local delivery is queued to the
 * receiver's NAPI. Context: any but hard irq; takes no lock of the caller's.
 * skb->destructor is kept until the uplink frees the frame (QPs bound their
 * frames in flight by it) and run at once for local delivery.
 */
void iroce_eswitch_xmit(struct iroce_func *f, struct sk_buff *skb);

/* The same for a batch in order: one doorbell for all. Empties @frames. */
void iroce_eswitch_xmit_list(struct iroce_func *f, struct sk_buff_head *frames);

/* Carrier of the function: its port's cable is up and running. Any context. */
bool iroce_port_is_up(const struct iroce_port *port);

/* ---- netdev.c --------------------------------------------------------- */

/*
 * iroce_netdev_receive - a cleartext or opened frame goes to the host stack
 *
 * Consumes @skb; data at the Ethernet header; a secpath stays attached.
 * Context: softirq (or BH disabled).
 */
void iroce_netdev_receive(struct iroce_func *f, struct sk_buff *skb);

/* ---- ipsec: xfrm_state.c, sadb.c, policy.c, esp.c, open.c ------------------------- */

int iroce_ipsec_module_init(void);
void iroce_ipsec_module_exit(void);

/* Before register_netdev(): sets xfrmdev_ops and NETIF_F_HW_ESP. */
int iroce_ipsec_init(struct iroce_func *f);
/* After unregister_netdev(): xfrm has flushed its states and policies. */
void iroce_ipsec_fini(struct iroce_func *f);

/*
 * ethtool --set-priv-flags DEV ipsec-fail-closed on|off (default on): whether a
 * flow stays closed after the policy that protected it is gone. RTNL.
 */
void iroce_ipsec_set_fail_closed(struct iroce_func *f, bool is_closed);
/* The netdev is registered in a network namespace, perhaps another than before. RTNL. */
void iroce_ipsec_net_changed(struct iroce_func *f);
bool iroce_ipsec_is_fail_closed(const struct iroce_func *f);
/*
 * ethtool --set-priv-flags DEV ipsec-closed-until-protected on|off (default: module parameter
 * closed_until_protected): whether the function is closed for IP, in each direction, until it
 * has a policy there that protects. Kept while the driver is not bound. RTNL.
 */
void iroce_ipsec_set_starts_closed(struct iroce_func *f, bool is_closed);
/* A packet was dropped as fenced: says so in the log, once until the fences change. Any context. */
void iroce_ipsec_tell_fenced(struct iroce_func *f, const char *way);
/* @n packets of @bytes together that never came into an skb; with the family's totals and xfrm_stat. */
void iroce_ipsec_tx_count_drops(struct iroce_func *f, u32 n, u32 bytes, enum iroce_stat why);
/* The reason behind an error of iroce_frame_build() with an SA. */
enum iroce_stat iroce_ipsec_seal_drop(int err);
/* Policies that are gone and whose traffic stays closed. */
unsigned int iroce_ipsec_n_fences(const struct iroce_func *f);

/* ---- switch.c: what the port keeps of a function whose driver is not bound */
bool iroce_eswitch_starts_closed(const struct iroce_func *f);
void iroce_eswitch_set_starts_closed(struct iroce_func *f, bool is_closed);


/*
 * iroce_ipsec_host_xmit - ndo_start_xmit's frame: policy, seal, switch
 *
 * Consumes @skb (may be non-linear, checksum may be CHECKSUM_PARTIAL).
 * Context: softirq or BH disabled, under the tx queue's lock (or LLTX).
 */
void iroce_ipsec_host_xmit(struct iroce_func *f, struct sk_buff *skb);

/*
 * iroce_rx - a frame for this function comes out of the switch
 *
 * Consumes @skb (not shared; ESP may be cloned or in pieces, its headers up to the
 * fixed IP header in the first one). Opens ESP, checks replay, selectors and
 * policies (I2, I4), then gives RoCE to iroce_roce_rx() and the rest to
 * iroce_netdev_receive(). Context: softirq, RCU read side.
 */
void iroce_rx(struct iroce_func *f, struct sk_buff *skb);

enum iroce_verdict {
	IROCE_PLAIN,	/* no policy: cleartext is right */
	IROCE_SEAL,	/* seal with the SA returned */
	IROCE_CLOSED,	/* protected, but no SA, a block policy or a fence: drop */
};

/*
 * iroce_ipsec_out - what becomes of an outbound flow now
 * @sa: on IROCE_SEAL a referenced outbound SA, iroce_sa_put() it
 * @why: on IROCE_CLOSED the counter to move for each packet dropped
 *
 * Looks at the function's SPD, then its SAD (reqid and template). Triggers
 * the kernel's ACQUIRE where a policy has no SA. Context: any but hard irq.
 * Read flow_gen BEFORE calling and remember that value with the result.
 */
enum iroce_verdict iroce_ipsec_out(struct iroce_func *f,
				   const struct iroce_flow_key *key,
				   struct iroce_sa **sa, enum iroce_stat *why);

/* Does a policy or a fence of @f keep this flow from being in the clear? RCU read side. */
bool iroce_ipsec_protects(const struct iroce_func *f, bool is_out,
			  const struct iroce_flow_key *key);

struct iroce_sa *iroce_sa_get(struct iroce_sa *sa);
/* Any context: the last put defers what may sleep. Keys are zeroed there. */
void iroce_sa_put(struct iroce_sa *sa);
/* False once the SA is deleted or expired: re-resolve, never use it again. */
bool iroce_sa_is_live(const struct iroce_sa *sa);
u32 iroce_sa_reqid(const struct iroce_sa *sa);

/*
 * struct iroce_frame - one RoCE packet before it is a frame
 * @hdr: Ethernet .. last RoCE extended header, exactly as in cleartext: IP
 *	total/payload length, protocol UDP, IPv4 header checksum all for the
 *	cleartext packet. Sealing rewrites a copy.
 * @l2_len: Ethernet and VLAN tag; @l3_len: IP header; @hdr_len: all of @hdr
 * @payload, @n_payload, @payload_len: what goes between @hdr and @tail, in
 *	place (user memory by its kernel mapping); may be empty
 * @tail: pad bytes (0..3) and the ICRC, ready to send
 */
#define IROCE_FRAME_HDR_MAX	(ETH_HLEN + VLAN_HLEN + 40 + 8 + 12 + 28 + 16)
#define IROCE_FRAME_PIECES	24
struct iroce_frame {
	u8 hdr[IROCE_FRAME_HDR_MAX] __aligned(4);
	u8 l2_len;
	u8 l3_len;
	u8 tail_len;
	u16 hdr_len;
	u16 n_payload;
	u32 payload_len;
	u8 tail[8];
	struct kvec payload[IROCE_FRAME_PIECES];
};

/* As cleartext. */
static inline unsigned int iroce_frame_len(const struct iroce_frame *frame)
{
	return frame->hdr_len + frame->payload_len + frame->tail_len;
}

/*
 * iroce_frame_build - make the skb of one RoCE packet
 * @sa: NULL for cleartext, else the SA that seals it
 *
 * One pass: plaintext is copied into the skb, or the AEAD reads @payload in
 * place and writes the skb: the copy is the encryption. Returns the skb for
 * iroce_eswitch_xmit*(), or ERR_PTR, and the caller counts the drop: -ENOMEM,
 * -ESTALE (SA dead: re-resolve), or what iroce_ipsec_seal_drop() knows.
 * Synchronous: when it returns, @payload is no longer looked at.
 * Context: any but hard irq; keep BH disabled around a batch, SIMD likes it.
 */
struct sk_buff *iroce_frame_build(struct iroce_func *f, struct iroce_sa *sa,
				  const struct iroce_frame *frame);

/* Largest growth of a packet by sealing: ESP header, IV, padding, trailer, ICV. */
#define IROCE_ESP_OVERHEAD_MAX	(8 + 8 + 3 + 2 + 16)

/* ---- roce: lag.c, device.c, rvt.c, flow.c, ... -------------------------- */

int iroce_roce_module_init(void);
void iroce_roce_module_exit(void);

/* After register_netdev(): registers its RDMA device, unless a bond's is to be its. */
int iroce_rdma_init(struct iroce_func *f);
/* Before unregister_netdev(); disassociates users, errors and frees all QPs. */
void iroce_rdma_fini(struct iroce_func *f);

/* Before the function has a netdev that could be in a bond; after it has none. */
void iroce_rdma_prepare(struct iroce_func *f);
void iroce_rdma_cleanup(struct iroce_func *f);

/*
 * An outbound SA is deleted: I6, no flow keeps its key, not even of a QP that never
 * sends again. Any context but hard irq; it happens a little later.
 */
void iroce_rdma_sa_gone(struct iroce_func *f);

/* Carrier, MTU or address of the netdev changed: port events, active MTU. RTNL. */
void iroce_rdma_netdev_event(struct iroce_func *f, unsigned long event);

/*
 * iroce_roce_rx - one RoCEv2 packet, cleartext or opened, that came to @f
 * @sa: the inbound SA it came through, NULL if it was cleartext; the caller
 *	keeps its reference
 *
 * Consumes @skb: data at the Ethernet header, network and transport headers
 * set, linear, IP and UDP lengths checked against the buffer and trimmed, IP
 * header restored to its cleartext form (ICRC covers it). Policy is checked
 * already (open.c); the engine adds I5: a protected QP takes sealed packets
 * only. Context: softirq, RCU read side.
 */
void iroce_roce_rx(struct iroce_func *f, struct sk_buff *skb, struct iroce_sa *sa);

#endif /* IROCE_H */
