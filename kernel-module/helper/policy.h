/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies of a bond: a shadow of each at each port.
 */
#ifndef IPSEC_ROCE_POLICY_H
#define IPSEC_ROCE_POLICY_H

#include <net/xfrm.h>

#include "core/repl.h"
#include "engine/ipsec_roce_engine.h"

struct ipsec_roce_bond;
struct ipsec_roce_port;

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

#endif /* IPSEC_ROCE_POLICY_H */
