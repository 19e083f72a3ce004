/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which network devices count an SA's packets together.
 *
 * An SA on two ports of a bond repeats nonces (I3) and accepts a packet twice
 * (I4), unless both ports draw from one sequence counter and one replay window.
 * Only a driver knows whether its devices do. Drivers that can say so register
 * here; the helper of bonds (ipsec_roce.ko) asks. A device that nobody speaks for
 * is an engine of its own.
 *
 *	driver (iroce.ko, ...) --register--> ipsec_roce_engine.ko <--ask-- ipsec_roce.ko
 *
 * So neither needs the other: this module is there for them to meet.
 */
#ifndef IPSEC_ROCE_ENGINE_H
#define IPSEC_ROCE_ENGINE_H

#include <linux/list.h>
#include <linux/types.h>

struct module;
struct net_device;
struct netlink_ext_ack;
struct sk_buff;
struct xfrm_policy;
struct xfrm_state;
struct xfrm_type;
struct xfrmdev_ops;

/**
 * struct ipsec_roce_engine - what a driver says of its devices
 * @link: this module's own
 * @engine_of: an opaque identity: equal for devices that can share an SA's
 *	numbers, NULL for a device that is not the driver's. Does not sleep; RTNL or
 *	the device otherwise kept.
 * @state_add_shared: as xdo_dev_state_add(), for a state whose numbers are those
 *	of @first: one sequence counter (so that no IV is used twice), one replay
 *	window. @first is a state of the same SA that is in the driver's hands, by
 *	xdo_dev_state_add() or this, at another device of the same engine. Refuses
 *	one that differs in direction, destination, SPI, key or window. The numbers live as
 *	long as one of the states; deleted and freed is each by the usual calls.
 */
struct ipsec_roce_engine {
	struct list_head link;
	const void *(*engine_of)(const struct net_device *dev);
	int (*state_add_shared)(struct net_device *dev, struct xfrm_state *x,
				const struct xfrm_state *first, struct netlink_ext_ack *extack);
};

/* Module init and exit of the driver: before its first, after its last device. */
void ipsec_roce_engine_register(struct ipsec_roce_engine *engine);
void ipsec_roce_engine_unregister(struct ipsec_roce_engine *engine);

/**
 * struct ipsec_roce_helper - what drivers are to know of the helper of bonds
 * @ops: of the helper's bonds
 * @missed: the stack has met a packet of x, a closed state of such a bond. RCU read side
 *
 * Frames of an SA of a bond may come to a port that does not have the SA: see helper/ingress.c.
 * A driver that drops ESP of SAs that are not its own lets those through to the stack,
 * where the helper sees them; it has closed the stack's own way to open them.
 */
struct ipsec_roce_helper {
	const struct xfrmdev_ops *ops;
	void (*missed)(struct xfrm_state *x, struct sk_buff *skb);
};

/* NULL: there is none any more, once a grace period has passed. */
void ipsec_roce_engine_set_helper(const struct ipsec_roce_helper *helper);
/* Is @dev a bond of the helper? RCU read side. */
bool ipsec_roce_engine_is_helped(const struct net_device *dev);
/* Tells the helper, if @x is its. Softirq. */
void ipsec_roce_engine_missed(struct xfrm_state *x, struct sk_buff *skb);

/*
 * Inbound states whose packets nobody but a device may open: see closed.c.
 *
 * ipsec_roce_state_close: process context, @x is in no database yet. Closed twice is closed.
 * ipsec_roce_state_reopen: any context. Whoever has found @x alive just now is about to call
 *	x->type->input: a grace period after @x was deleted, or when nobody else has it.
 * ipsec_roce_state_type: @x's own type, closed or not
 * ipsec_roce_state_pin: @x, initialised and in no database yet, is not migrated by xfrm
 */
void ipsec_roce_state_close(struct xfrm_state *x);
void ipsec_roce_state_reopen(struct xfrm_state *x);
void ipsec_roce_state_pin(struct xfrm_state *x);
bool ipsec_roce_state_is_closed(const struct xfrm_state *x);
const struct xfrm_type *ipsec_roce_state_type(const struct xfrm_state *x);

/*
 * Policies that are deleted, and that somebody keeps: see policy.c. Embedded in what a driver has of
 * a policy; its link is initialised before the first call.
 *
 * ipsec_roce_policy_deleted: of xdo_dev_policy_delete; from then on xdo_dev_policy_free may come from
 *	a work item, with all that it expects. Any context but hard irq.
 * ipsec_roce_policy_freed: of xdo_dev_policy_free, before the memory goes. Any context but hard irq.
 * ipsec_roce_policy_settle: returns when xdo_dev_policy_free has been called for each deleted policy
 *	of @dev; the device itself they may have a little longer. Before @dev's xfrmdev_ops change.
 *	Sleeps, some grace periods long; RTNL may be held.
 */
struct ipsec_roce_kept_policy {
	struct list_head link;
	struct xfrm_policy *xp;
};

void ipsec_roce_policy_deleted(struct ipsec_roce_kept_policy *policy, struct xfrm_policy *xp);
void ipsec_roce_policy_freed(struct ipsec_roce_kept_policy *policy);
void ipsec_roce_policy_settle(const struct net_device *dev);

/* Stands for the key of @x, an AEAD state. Any context. */
u64 ipsec_roce_key_hash(const struct xfrm_state *x);

/* NULL: nobody speaks for @dev. Sleeps. */
const void *ipsec_roce_engine_of(const struct net_device *dev);
/* -EOPNOTSUPP if nobody speaks for @dev. Sleeps. */
int ipsec_roce_engine_state_add(struct net_device *dev, struct xfrm_state *x,
				const struct xfrm_state *first, struct netlink_ext_ack *extack);

#endif /* IPSEC_ROCE_ENGINE_H */
