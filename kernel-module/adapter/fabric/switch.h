/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The switch behind a port, and its table of addresses (macs.c).
 */
#ifndef IROCE_FABRIC_SWITCH_H
#define IROCE_FABRIC_SWITCH_H

#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>

#include "fabric.h"

/*
 * struct iroce_switch - the switch behind a port
 * @lock: writers of @addrs and @funcs; BH disabled. Nests inside addr_list_lock
 * @addrs: MAC address -> function, by hash; RCU
 * @funcs: functions that are up; RCU
 * @all: all functions, from before their netdev is registered; RTNL
 * @seen: addresses that frames from the cable came from of late
 */
#define IROCE_SWITCH_BITS 8
struct iroce_switch {
	struct list_head node;	/* all switches: macs.c */
	struct rcu_head rcu;
	spinlock_t lock;
	struct hlist_head addrs[1 << IROCE_SWITCH_BITS];
	struct list_head funcs;
	struct list_head all;
	struct iroce_vf vfs[IROCE_MAX_VFS];
	struct iroce_seen *seen;
	bool pf_starts_closed;
};

/*
 * struct iroce_mac - an address of a function
 * One per function and address, or a frame would reach the function twice.
 */
struct iroce_mac {
	struct hlist_node node;
	struct rcu_head rcu;
	struct iroce_func *f;
	unsigned int n_users;	/* own address, unicast list: may be the same */
	bool is_refused;	/* another has it: nothing comes, nothing goes; esw.lock */
	u8 addr[ETH_ALEN];
};

static inline struct hlist_head *iroce_macs_bucket(struct iroce_switch *esw, const u8 *addr)
{
	return &esw->addrs[hash_64(ether_addr_to_u64(addr), IROCE_SWITCH_BITS)];
}

/* Some function of this switch has the unicast address. RCU read side. */
static inline bool iroce_macs_is_local(struct iroce_switch *esw, const u8 *dest)
{
	struct iroce_mac *e;

	if (is_multicast_ether_addr(dest))
		return false;
	hlist_for_each_entry_rcu(e, iroce_macs_bucket(esw, dest), node)
		if (ether_addr_equal(e->addr, dest) && !READ_ONCE(e->is_refused))
			return true;
	return false;
}

/* NULL for a PF. */
static inline struct iroce_vf *iroce_switch_vf(const struct iroce_func *f)
{
	return f->vf == IROCE_PF ? NULL : &f->port->eswitch->vfs[f->vf];
}

/* ---- macs.c ------------------------------------------------------------- */

/* The switch is one of those that may have an address (iroce_macs_is_ours()). */
void iroce_macs_add_switch(struct iroce_switch *esw);
void iroce_macs_del_switch(struct iroce_switch *esw);
/* The address of @f; NULL. RCU read side, or esw.lock. */
struct iroce_mac *iroce_macs_find(struct iroce_switch *esw, const u8 *addr,
				  const struct iroce_func *f);
/* Some function of any port has the unicast address. RCU read side. */
bool iroce_macs_is_ours(const u8 *addr);

/* ---- switch.c ----------------------------------------------------------- */

struct iroce_switch *iroce_switch_create(bool starts_closed);
void iroce_switch_destroy(struct iroce_switch *esw);
/* A normalised frame comes out of the cable. Softirq. Consumes @skb. */
void iroce_switch_uplink_rx(struct iroce_port *port, struct sk_buff *skb);
/* Frames that have been accepted: to functions, to the cable. BH disabled, RCU. Consumes them. */
void iroce_switch_forward(struct iroce_func *f, struct sk_buff_head *frames);

#endif /* IROCE_FABRIC_SWITCH_H */
