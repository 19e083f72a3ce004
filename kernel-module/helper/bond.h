/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bonds that are ours.
 */
#ifndef IPSEC_ROCE_BOND_H
#define IPSEC_ROCE_BOND_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "core/placement.h"
#include "core/repl.h"

struct ipsec_roce_port;
struct ipsec_roce_sa;
struct ipsec_roce_sa_id;
struct xfrmdev_ops;

#define IPSEC_ROCE_SA_HASH_BITS	10

/*
 * struct ipsec_roce_bond - a bond whose offload is ours
 * @link: list of all; RTNL
 * @stock_ops: what xfrmdev_ops was
 * @gone_link: unhooked, waits for readers to be done
 * @is_on: NETIF_F_HW_ESP as last seen; RTNL
 * @is_going: to be unhooked; nothing new
 * @wish: enum iroce_placement for SAs to come
 * @by_flow: SAs per port, see home.c
 * @homes, @n_homes: ports that were named for SAs to come
 * @n_sas, @n_policies: on the lists, twins included
 * @n_walked: SAs that are not shared by all ports: each is asked when a port changes
 * @generation: counts SAs that came or went; not 0
 * @n_handovers: times that an SA moved to another port
 * @seen_lock: @seen, and sa->missed, seen_link, seen_port, is_unlinked
 * @seen: SAs whose frames came to a port that does not have them; @seen_work steps them
 * @n_twins: SAs that wait for another one to leave; @twin_work looks whether it has
 * @wait: woken when the last SA or policy of the bond is gone
 */
struct ipsec_roce_bond {
	struct list_head link;
	struct list_head gone_link;
	struct net_device *dev;
	netdevice_tracker tracker;
	const struct xfrmdev_ops *stock_ops;
	bool is_on;

	struct mutex lock;
	bool is_going;
	u8 wish;
	struct iroce_repl_group group;
	struct ipsec_roce_port *ports[IROCE_REPL_PORTS_MAX];
	struct list_head sas;
	struct list_head policies;
	DECLARE_HASHTABLE(by_spi, IPSEC_ROCE_SA_HASH_BITS);
	DECLARE_HASHTABLE(by_flow, IPSEC_ROCE_SA_HASH_BITS);
	struct list_head homes;
	u32 n_homes;
	u32 n_sas;
	u32 n_policies;
	u32 n_walked;
	u32 generation;
	u64 n_handovers;
	u32 n_twins;
	wait_queue_head_t wait;
	struct delayed_work poll;
	struct delayed_work twin_work;

	spinlock_t seen_lock;
	struct list_head seen;
	struct delayed_work seen_work;
};

extern struct workqueue_struct *ipsec_roce_wq;

/* Walk; RTNL. */
struct list_head *ipsec_roce_bond_list(void);
/* RTNL. NULL: not ours. */
struct ipsec_roce_bond *ipsec_roce_bond_find(const struct net_device *dev);
/* Of a state_add or policy_add of this device: it keeps the bond hooked. NULL: not ours. */
struct ipsec_roce_bond *ipsec_roce_bond_of(const struct net_device *dev);
/* What placement depends on; the SA's part is the caller's. bond.lock. */
void ipsec_roce_bond_facts(const struct ipsec_roce_bond *bond, struct iroce_place_facts *facts);
/* Does it take SAs and policies now? Sets extack if not. bond.lock. */
int ipsec_roce_bond_check(const struct ipsec_roce_bond *bond, struct netlink_ext_ack *extack);
/* May a bond of this netns have policies that a device that joins has not got? RTNL. */
bool ipsec_roce_bond_is_guarded(const struct net *net);
/* RTNL or bond.lock. NULL: none of its. */
struct ipsec_roce_port *ipsec_roce_bond_port(const struct ipsec_roce_bond *bond,
					     const struct net_device *dev);
/* One that is not deleted; NULL. bond.lock, or RCU read side. */
struct ipsec_roce_sa *ipsec_roce_bond_find_sa(const struct ipsec_roce_bond *bond,
					      const struct ipsec_roce_sa_id *id, u8 dir);
/* Has @dev all that SAs of a bond need? */
bool ipsec_roce_bond_port_can(const struct net_device *dev);
/* All states of @dev; RTNL. */
void ipsec_roce_bond_flush(struct net_device *dev);
/* Deletes the SAs if its shape or its offload does not allow them any more; RTNL. */
void ipsec_roce_bond_close_if_unfit(struct ipsec_roce_bond *bond);
/* Deletes SAs that came while the bond became unfit for them. Of the poll; no lock held. */
void ipsec_roce_bond_recheck(struct ipsec_roce_bond *bond);

#endif /* IPSEC_ROCE_BOND_H */
