/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipsec_roce: bonds that offload IPsec to their ports. What its parts know of each other.
 *
 *	ip xfrm state add ... offload packet dev bond0
 *	     |
 *	     v         xfrmdev_ops of bond0, ours while the module is loaded
 *	  struct ipsec_roce_sa -------- x, the kernel's state; never shown to a port
 *	     |    core/repl.h decides what happens at which port
 *	     +--- shadow[0] ---> xfrm_state of its own, xso.dev = port 0 ---> driver of port 0
 *	     +--- shadow[1] ---> xfrm_state of its own, xso.dev = port 1 ---> driver of port 1
 *
 * A shadow is a copy of x in no database: the driver of the port sees a state like
 * any other, with its own handle and counters. Policies have shadows likewise.
 * Nothing here knows a driver; what one says of its devices is in engine/.
 *
 * Who owns what: the kernel owns x and calls state_add, state_delete, state_free;
 * between the first and the last there is one ipsec_roce_sa, in x's offload_handle
 * and on its bond's list. It owns its shadows. A shadow that a received packet
 * still points at (secpath) outlives us as memory, with nothing of ours or of the
 * driver in it. A bond is ours from hook to unhook; both run from a work item that
 * the notifier or the module's exit starts.
 *
 * Locks, outermost first, and in what context the callbacks come:
 *
 *	net->xfrm.xfrm_cfg_mutex	the kernel's: state_add, policy_add (netlink). Hook
 *					and unhook take it, so that no add is under way
 *					while the ops change hands.
 *	RTNL			notifier: ports come, go, change. Flushes of xfrm come under it too.
 *	ipsec_roce_bond.lock	mutex: lists, ports, all steps of the state machine.
 *				state_add, state_free, policy_add; notifier; works.
 *	xfrm_state.lock (of x)	the kernel's: state_delete; atomic
 *	ipsec_roce_sa.lock	spinlock, BH disabled: which shadows a driver has. state_delete
 *	ipsec_roce_policy.lock	reaches the ports under it, as xfrm calls drivers, atomic;
 *				policy_delete takes the shadows out under it and reaches
 *				the ports without. When they return, no port begins to use
 *				the SA, or closes for the policy, any more.
 *	xfrm_state.lock (of a shadow)	as the kernel's own calls hold it (delete, update_stats)
 *	ipsec_roce_bond.seen_lock	spinlock, BH disabled, innermost: what ingress.c notes
 *
 * A driver's state_add and state_free are called under bond.lock, and perhaps RTNL, as
 * the stock bond calls them too: they may sleep, but not take RTNL.
 */
#ifndef IPSEC_ROCE_HELPER_H
#define IPSEC_ROCE_HELPER_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/xfrm.h>

#include "core/repl.h"
#include "engine/ipsec_roce_engine.h"

#define IPSEC_ROCE_SA_HASH_BITS	10
#define IPSEC_ROCE_USED_UNKNOWN	U64_MAX

struct ipsec_roce_bond;

/*
 * struct ipsec_roce_port - a lower device of a bond; bond.lock, readers RCU
 * @index: its bit and cell in the state machine
 * @engine: who counts its SAs, see ipsec_roce_engine.h; NULL: it alone
 * @nf: looks at what its stack gets, see ingress.c
 */
struct ipsec_roce_port {
	struct ipsec_roce_bond *bond;
	struct nf_hook_ops nf;
	struct net_device *dev;
	netdevice_tracker tracker;
	const void *engine;
	u8 index;
};

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

/* What the wire knows an SA by. */
struct ipsec_roce_sa_id {
	xfrm_address_t daddr;
	__be32 spi;
	u16 family;
};

static inline bool ipsec_roce_id_equal(const struct ipsec_roce_sa_id *a,
				       const struct ipsec_roce_sa_id *b)
{
	return a->spi == b->spi && a->family == b->family &&
	       xfrm_addr_equal(&a->daddr, &b->daddr, a->family);
}

/*
 * struct ipsec_roce_shadow - an SA at a port
 * @x: what the driver of the port sees
 * @start: numbers up to it were used when the driver got it
 * @is_on: the driver has it; @is_stopped: and was told that it is deleted
 * @is_quiet: and no packet is on its way through it any more; bond.lock
 */
struct ipsec_roce_shadow {
	struct ipsec_roce_port *port;
	struct xfrm_state *x;
	u64 start;
	bool is_on;
	bool is_stopped;
	bool is_quiet;
};

/*
 * struct ipsec_roce_sa - a state of a bond
 * @x: good from state_add to state_free; bond.lock. Then ingress.c's
 * @is_twin: xfrm adds a second state with the identity of the first before it looks
 *	whether there is one: a mistake that it takes back, or an update of the first one's
 *	lifetimes. A twin is at no port until the first one has left: see twin.c
 * @id: of @x, which readers under RCU alone must not look at
 * @key: hash of the key; @has_claim: it is claimed, see key.c
 * @used: numbers up to it may have been used: sent, or the window's top. 0: none;
 *	IPSEC_ROCE_USED_UNKNOWN: nobody can say how far
 * @is_heir: its key was another SA's before; @is_lost: it could not take over, see twin.c
 * @armed_at: port that it was handed to last, or IROCE_REPL_NO_PORT
 * @encap: UDP port that it comes to, or 0
 * @missed: frames that came to a port's stack unopened, by port
 * @seen_port: the last of these ports
 * @lock: @is_deleted, @shadow[], @gone, @spent
 * @gone: what shadows that are no more have counted
 * @spent: what of that the ports that have it now do not count: they are the first
 *	ones, or the one, that got it since
 */
struct ipsec_roce_sa {
	struct list_head link;
	struct hlist_node spi_link;
	struct hlist_node flow_link;	/* per port only */
	struct ipsec_roce_bond *bond;
	struct xfrm_state *x;
	const char *geniv;	/* what x had: ports' drivers look at it, and x is pinned */
	struct ipsec_roce_sa_id id;
	u64 key;
	u64 used;
	u8 placement;
	u8 dir;
	u8 armed_at;
	bool is_twin;
	bool is_heir;
	bool is_lost;
	bool has_claim;
	u64 first_start;		/* what xfrm said was used already */
	struct iroce_repl_sa repl;

	__be16 encap;

	struct list_head seen_link;
	u64 missed[IROCE_REPL_PORTS_MAX];
	u8 seen_port;
	bool is_unlinked;

	spinlock_t lock;
	bool is_deleted;
	struct ipsec_roce_shadow *shadow[IROCE_REPL_PORTS_MAX];
	struct {
		u64 packets;
		u64 bytes;
		struct xfrm_stats stats;
	} gone;
	struct {
		u64 packets;
		u64 bytes;
	} spent;
	struct rcu_head rcu;
};

/*
 * struct ipsec_roce_policy - a policy of a bond
 * @ref: xfrm's, until policy_free; and that of what ends with policy_delete, until @free_work
 * @kept: from policy_delete to policy_free
 * @lock: @is_deleted, @shadow[]; a port that has left keeps its own a little longer
 */
struct ipsec_roce_policy {
	struct list_head link;
	struct ipsec_roce_bond *bond;
	struct xfrm_policy *xp;		/* until policy_delete */
	spinlock_t lock;
	bool is_deleted;
	struct xfrm_policy *shadow[IROCE_REPL_PORTS_MAX];
	struct ipsec_roce_kept_policy kept;
	refcount_t ref;
	struct work_struct free_work;
};

extern struct workqueue_struct *ipsec_roce_wq;

/* Text that is not a literal, and longer than NL_SET_ERR_MSG_FMT can carry. @extack may be NULL. */
static inline void ipsec_roce_say(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
}

/* ---- bond.c ----------------------------------------------------------- */

extern const struct xfrmdev_ops ipsec_roce_xfrmdev_ops;

/* RTNL. NULL: not ours. */
struct ipsec_roce_bond *ipsec_roce_bond_find(const struct net_device *dev);
/* Of a state_add or policy_add of this device: it keeps the bond hooked. NULL: not ours. */
struct ipsec_roce_bond *ipsec_roce_bond_of(const struct net_device *dev);
/* What placement depends on; the SA's part is the caller's. bond.lock. */
void ipsec_roce_bond_facts(const struct ipsec_roce_bond *bond, struct iroce_place_facts *facts);
/* Does it take SAs and policies now? Sets extack if not. bond.lock. */
int ipsec_roce_bond_check(const struct ipsec_roce_bond *bond, struct netlink_ext_ack *extack);
/* Hooks all bonds that are not ours yet, unhooks those that are going; from a work item. */
void ipsec_roce_bond_scan(void);
/* Unhooks all, hooks none any more. Process context, no lock held. */
void ipsec_roce_bond_exit(void);
/* Deletes SAs that came while the bond became unfit for them. Of the poll; no lock held. */
void ipsec_roce_bond_recheck(struct ipsec_roce_bond *bond);
/* May a bond of this netns have policies that a device that joins has not got? RTNL. */
bool ipsec_roce_bond_is_guarded(const struct net *net);
/* Notifier; RTNL. */
int ipsec_roce_bond_event(struct net_device *dev, unsigned long event);
/* Walk; RTNL. */
struct list_head *ipsec_roce_bond_list(void);

/* ---- port.c ----------------------------------------------------------- */

/* Has @dev all that SAs of a bond need? */
bool ipsec_roce_port_can(const struct net_device *dev);
/* May @dev become a port? Sets extack if not. RTNL, bond.lock. */
int ipsec_roce_port_check(const struct ipsec_roce_bond *bond, struct net_device *dev,
			  struct netlink_ext_ack *extack);
/* Gives a port all policies and SAs, or fails and leaves nothing. RTNL, bond.lock. */
int ipsec_roce_port_join(struct ipsec_roce_bond *bond, struct net_device *dev,
			 struct netlink_ext_ack *extack);
/* Takes all away. RTNL, bond.lock. */
void ipsec_roce_port_leave(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port);
struct ipsec_roce_port *ipsec_roce_port_find(const struct ipsec_roce_bond *bond,
					     const struct net_device *dev);
/* RTNL, bond.lock. */
void ipsec_roce_port_set_running(struct ipsec_roce_bond *bond, struct ipsec_roce_port *port,
				 bool is_running);
/* The bond's active port may have changed. RTNL, bond.lock. */
void ipsec_roce_port_set_active(struct ipsec_roce_bond *bond);

static inline struct ipsec_roce_sa *ipsec_roce_sa_of(const struct xfrm_state *x)
{
	return (struct ipsec_roce_sa *)READ_ONCE(x->xso.offload_handle);
}

/* ---- sa.c ------------------------------------------------------------- */

/* An inbound SA of this identity; NULL. RCU read side. */
struct ipsec_roce_sa *ipsec_roce_sa_find_in(const struct ipsec_roce_bond *bond,
					    const struct ipsec_roce_sa_id *id);
/* An event for one SA, and all that follows from it. bond.lock. */
void ipsec_roce_sa_step(struct ipsec_roce_sa *sa, const struct iroce_repl_event *ev,
			struct netlink_ext_ack *extack);
/* What this event is about to stop, stopped; one wait for all SAs of the bond. bond.lock. */
void ipsec_roce_sa_quiesce(struct ipsec_roce_bond *bond, const struct iroce_repl_event *ev);
/* The same event for each SA whose placement is walked; bond.lock. */
void ipsec_roce_sa_step_all(struct ipsec_roce_bond *bond, u8 type, u8 port);
/* Puts an SA at a port that joined. -EXXX: the port refused. bond.lock. */
int ipsec_roce_sa_join(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port,
		       struct netlink_ext_ack *extack);
int ipsec_roce_state_add(struct net_device *dev, struct xfrm_state *x,
			 struct netlink_ext_ack *extack);
void ipsec_roce_state_delete(struct net_device *dev, struct xfrm_state *x);
void ipsec_roce_state_free(struct net_device *dev, struct xfrm_state *x);

/*
 * Placed, at all ports, its key claimed; or an error, and nothing of it is anywhere. @used:
 * numbers that its key has used before, at least. bond.lock.
 */
int ipsec_roce_sa_place(struct ipsec_roce_sa *sa, u64 used, struct netlink_ext_ack *extack);
/* Deleted already: takes it from all ports, so that its key and identity are free. bond.lock. */
void ipsec_roce_sa_retire(struct ipsec_roce_sa *sa);

/* ---- twin.c ----------------------------------------------------------- */

/* Twins take over from SAs that are deleted. Work item. */
void ipsec_roce_twin_promote(struct work_struct *work);
/* An SA was deleted: who waits for it? Atomic. */
void ipsec_roce_twin_kick(struct ipsec_roce_bond *bond);
/* Does a twin wait that goes on with the numbers of @sa? bond.lock. */
bool ipsec_roce_twin_waits(const struct ipsec_roce_sa *sa);
/* @sa is at no port any more, and about to be forgotten. bond.lock. */
void ipsec_roce_twin_bequeath(const struct ipsec_roce_sa *sa);

/* ---- key.c ------------------------------------------------------------ */

void ipsec_roce_key_exit(void);
/*
 * For an SA that sends behind number @start. -EBUSY: another SA has the key; -EKEYREJECTED: one
 * that is gone has used it beyond @start. bond.lock.
 */
int ipsec_roce_key_claim(u64 hash, u64 start);
/* Numbers up to @last have been used. bond.lock. */
void ipsec_roce_key_release(u64 hash, u64 last);

/* ---- home.c: bond.lock ------------------------------------------------ */

/*
 * The next SA of this identity belongs to @port; NULL: forget what was said before. Sets
 * extack.
 */
int ipsec_roce_home_set(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id,
			const struct ipsec_roce_port *port, struct netlink_ext_ack *extack);
/* The port that was named for it; IROCE_REPL_NO_PORT: none. */
u8 ipsec_roce_home_named(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id);
/* The SA has come: what was said is used up. */
void ipsec_roce_home_use(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id);
/* The port leaves: what names it is forgotten. */
void ipsec_roce_home_drop(struct ipsec_roce_bond *bond, u8 port);
/* The port with the fewest SAs of @sa's kind. The bond has a port. */
u8 ipsec_roce_home_choose(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa *sa);
/* In @bond->by_flow. */
u32 ipsec_roce_flow_hash(const struct xfrm_state *x);

/* ---- ingress.c -------------------------------------------------------- */

/* The stack has met a packet of a state of ours, which is closed to it. RCU read side. */
void ipsec_roce_ingress_missed(struct xfrm_state *x, struct sk_buff *skb);
/*
 * Opens @sa's state to the stack again and frees @sa, once nobody looks at it any more; its state, which is
 * deleted, stays until then. Process context.
 */
void ipsec_roce_ingress_reopen(struct ipsec_roce_sa *sa);
/* Begins and ends to look at what the port's stack gets; readers may run on. bond.lock. */
int ipsec_roce_ingress_watch(struct ipsec_roce_port *port, struct netlink_ext_ack *extack);
void ipsec_roce_ingress_unwatch(struct ipsec_roce_port *port);
/* SAs seen where they are not. Work item. */
void ipsec_roce_ingress_seen(struct work_struct *work);
/* The port's index may be another's next. bond.lock. */
void ipsec_roce_ingress_left(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port);
/* @sa is found no more: nothing is noted on it from here on. bond.lock. */
void ipsec_roce_ingress_forget(struct ipsec_roce_sa *sa);

/*
 * Guards: between becoming a bond's port and having its policies, a device would hand
 * cleartext to the bond (I2). A guard drops all it gets meanwhile. RTNL.
 */
/* @dev is about to join something. */
void ipsec_roce_guard_add(struct net_device *dev);
bool ipsec_roce_guard_has(const struct net_device *dev);
/* It has what it needs, or needs nothing. */
void ipsec_roce_guard_drop(struct net_device *dev);
/* No notifier any more. Process context. */
void ipsec_roce_guard_exit(void);

/* ---- stats.c ---------------------------------------------------------- */

#define IPSEC_ROCE_POLL_INTERVAL HZ

/* Lifetimes of all ports together: lets xfrm look. Work item. */
void ipsec_roce_sa_poll(struct work_struct *work);

void ipsec_roce_state_update_stats(struct xfrm_state *x);
bool ipsec_roce_offload_ok(struct sk_buff *skb, struct xfrm_state *x);

/* ---- shadow.c --------------------------------------------------------- */

void ipsec_roce_shadow_exit(void);
/* Memory alone. ERR_PTR. bond.lock. */
struct ipsec_roce_shadow *ipsec_roce_shadow_create(const struct ipsec_roce_sa *sa,
						   struct ipsec_roce_port *port);
/* Takes it from @sa, sums it up, wipes the key. It is with no driver. bond.lock. */
void ipsec_roce_shadow_destroy(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow);
/* Hands it to the driver, numbers up to @start used. bond.lock. */
int ipsec_roce_shadow_start(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow, u64 start,
			    struct netlink_ext_ack *extack);
/* A stop has to wait for packets on their way. bond.lock. */
bool ipsec_roce_shadow_is_busy(const struct ipsec_roce_sa *sa,
			       const struct ipsec_roce_shadow *shadow);
/*
 * Takes it from the driver. @answer: STOPPED with the last number it has used, or GONE if
 * the driver cannot say. bond.lock.
 */
void ipsec_roce_shadow_stop(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow,
			    struct iroce_repl_event *answer);
/* Tells the driver that it is deleted, once; sa->lock. */
void ipsec_roce_shadow_delete(struct ipsec_roce_shadow *shadow);
/* Asks the driver for its counters; sa->lock. */
void ipsec_roce_shadow_update(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow);
/* Last number used: sent, or the window's top; as x has it. */
u64 ipsec_roce_last(const struct xfrm_state *x, u8 dir);

/* ---- policy.c --------------------------------------------------------- */

/* Puts a policy at a port. bond.lock. */
int ipsec_roce_policy_join(struct ipsec_roce_policy *policy, struct ipsec_roce_port *port,
			   struct netlink_ext_ack *extack);
/* Takes it away, once bonding cannot send through the port any more. RTNL, bond.lock. */
void ipsec_roce_policy_leave(struct ipsec_roce_policy *policy, const struct ipsec_roce_port *port);
/* It comes again: what it was to keep so long goes now. NULL: all devices. RTNL. */
void ipsec_roce_policy_unpark(const struct net_device *dev);

int ipsec_roce_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack);
void ipsec_roce_policy_delete(struct xfrm_policy *xp);
void ipsec_roce_policy_free(struct xfrm_policy *xp);

#endif /* IPSEC_ROCE_HELPER_H */
