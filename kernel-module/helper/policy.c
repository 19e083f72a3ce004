// SPDX-License-Identifier: GPL-2.0
/*
 * Policies of a bond: a shadow of each at each port, placement or not: what a policy
 * protects must not leave in the clear, nor come in, at any port (I1, I2).
 *
 * The kernel calls policy_delete when a policy goes, and policy_free when the last
 * flow has forgotten it, or engine/policy.c has had it do so. At the ports it ends with the
 * former.
 */
#include <linux/slab.h>

#include "bond.h"
#include "policy.h"
#include "port.h"
#include "say.h"
#include "shadow.h"

/*
 * Tells the driver that it goes, and forgets it. In the context of xfrm's own policy_delete:
 * without a lock, as drivers may sleep in it. It is nobody else's any more.
 */
static void destroy_shadow(struct xfrm_policy *shadow)
{
	const struct xfrmdev_ops *ops = shadow->xdo.dev->xfrmdev_ops;

	shadow->walk.dead = 1;
	if (ops->xdo_dev_policy_delete)
		ops->xdo_dev_policy_delete(shadow);
	/* Calls the driver's policy_free. */
	xfrm_pol_put(shadow);
}

/* policy->lock */
static void fill_shadow(struct xfrm_policy *shadow, const struct xfrm_policy *xp,
			struct net_device *dev)
{
	shadow->priority = xp->priority;
	shadow->index = xp->index;
	shadow->if_id = xp->if_id;
	shadow->mark = xp->mark;
	shadow->selector = xp->selector;
	if (shadow->selector.ifindex == xp->xdo.dev->ifindex)
		shadow->selector.ifindex = 0;
	shadow->lft = xp->lft;
	shadow->type = xp->type;
	shadow->action = xp->action;
	shadow->flags = xp->flags;
	shadow->family = xp->family;
	shadow->xfrm_nr = xp->xfrm_nr;
	memcpy(shadow->xfrm_vec, xp->xfrm_vec, sizeof(shadow->xfrm_vec));
	shadow->xdo.dev = dev;
	shadow->xdo.real_dev = dev;
	netdev_hold(dev, &shadow->xdo.dev_tracker, GFP_ATOMIC);
	shadow->xdo.type = xp->xdo.type;
	shadow->xdo.dir = xp->xdo.dir;
}

/* One that the driver refused: it must not be asked to free it. */
static void abandon_shadow(struct xfrm_policy *shadow)
{
	struct net_device *dev = shadow->xdo.dev;

	shadow->xdo.dev = NULL;
	netdev_put(dev, &shadow->xdo.dev_tracker);
	shadow->walk.dead = 1;
	xfrm_pol_put(shadow);
}

int ipsec_roce_policy_join(struct ipsec_roce_policy *policy, struct ipsec_roce_port *port,
			   struct netlink_ext_ack *extack)
{
	struct xfrm_policy *shadow;
	int err;

	shadow = xfrm_policy_alloc(dev_net(policy->bond->dev), GFP_KERNEL);
	if (!shadow)
		return -ENOMEM;
	/*
	 * @xp is there until it is deleted, and that takes the lock. A reference would not
	 * keep it: one that xfrm could not insert it frees without asking.
	 */
	spin_lock_bh(&policy->lock);
	if (policy->is_deleted) {
		spin_unlock_bh(&policy->lock);
		shadow->walk.dead = 1;
		xfrm_pol_put(shadow);
		return 0;
	}
	fill_shadow(shadow, policy->xp, port->dev);
	spin_unlock_bh(&policy->lock);
	err = port->dev->xfrmdev_ops->xdo_dev_policy_add(shadow, extack);
	if (err) {
		NL_SET_ERR_MSG_WEAK(extack, "The port refused a policy of the bond");
		abandon_shadow(shadow);
		return err;
	}
	spin_lock_bh(&policy->lock);
	if (!policy->is_deleted) {
		policy->shadow[port->index] = shadow;
		shadow = NULL;
	}
	spin_unlock_bh(&policy->lock);
	/* Deleted while the driver was busy: it has not been told yet. */
	if (shadow)
		destroy_shadow(shadow);
	return 0;
}

/* From here on it is the caller's alone. NULL: the port has none. */
static struct xfrm_policy *take_shadow(struct ipsec_roce_policy *policy,
				       const struct ipsec_roce_port *port)
{
	struct xfrm_policy *shadow;

	spin_lock_bh(&policy->lock);
	shadow = policy->shadow[port->index];
	policy->shadow[port->index] = NULL;
	spin_unlock_bh(&policy->lock);
	return shadow;
}

static void leave_port(struct ipsec_roce_policy *policy, const struct ipsec_roce_port *port)
{
	struct xfrm_policy *shadow = take_shadow(policy, port);

	if (shadow)
		destroy_shadow(shadow);
}

/* ---- ports that leave, RTNL ------------------------------------------- */

/*
 * I1: bonding tells that a port leaves before it has stopped to send through it. The
 * policies stay with the driver until whoever has RTNL is through; without SAs they
 * close what they protect. In no database, a shadow's walk.all is free for the list.
 */
static LIST_HEAD(parked);

void ipsec_roce_policy_unpark(const struct net_device *dev)
{
	struct xfrm_policy *shadow, *next;

	list_for_each_entry_safe(shadow, next, &parked, walk.all) {
		if (dev && shadow->xdo.dev != dev)
			continue;
		list_del_init(&shadow->walk.all);
		destroy_shadow(shadow);
	}
}

static void free_parked(struct work_struct *work)
{
	rtnl_lock();
	ipsec_roce_policy_unpark(NULL);
	rtnl_unlock();
}

static DECLARE_WORK(parked_work, free_parked);

void ipsec_roce_policy_leave(struct ipsec_roce_policy *policy, const struct ipsec_roce_port *port)
{
	struct xfrm_policy *shadow = take_shadow(policy, port);

	if (!shadow)
		return;
	if (!netif_running(port->dev)) {
		destroy_shadow(shadow);
		return;
	}
	list_add_tail(&shadow->walk.all, &parked);
	queue_work(ipsec_roce_wq, &parked_work);
}

/* ---- life ------------------------------------------------------------- */

static void put_policy(struct ipsec_roce_policy *policy)
{
	if (refcount_dec_and_test(&policy->ref))
		kfree(policy);
}

static void leave_all_ports(struct ipsec_roce_policy *policy)
{
	struct ipsec_roce_bond *bond = policy->bond;
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (bond->ports[i])
			leave_port(policy, bond->ports[i]);
}

static void free_work(struct work_struct *work)
{
	struct ipsec_roce_policy *policy = container_of(work, struct ipsec_roce_policy, free_work);
	struct ipsec_roce_bond *bond = policy->bond;

	mutex_lock(&bond->lock);
	leave_all_ports(policy);
	list_del(&policy->link);
	bond->n_policies--;
	if (list_empty(&bond->policies))
		wake_up_all(&bond->wait);
	mutex_unlock(&bond->lock);
	put_policy(policy);
}

static int add_policy(struct ipsec_roce_bond *bond, struct ipsec_roce_policy *policy,
		      struct netlink_ext_ack *extack)
{
	struct iroce_place_facts facts = { .dir = IROCE_DIR_IN };
	enum iroce_place_reason reason;
	enum iroce_placement placement;
	int err;
	u32 i;

	err = ipsec_roce_bond_check(bond, extack);
	if (err)
		return err;
	/* Inbound asks for least: the bond's shape and its ports' abilities. */
	ipsec_roce_bond_facts(bond, &facts);
	reason = iroce_place(&facts, &placement);
	if (reason) {
		ipsec_roce_say(extack, iroce_place_text(reason));
		return -EOPNOTSUPP;
	}
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		if (!bond->ports[i])
			continue;
		err = ipsec_roce_policy_join(policy, bond->ports[i], extack);
		if (err) {
			leave_all_ports(policy);
			return err;
		}
	}
	list_add_tail(&policy->link, &bond->policies);
	bond->n_policies++;
	return 0;
}

int ipsec_roce_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	struct ipsec_roce_bond *bond = ipsec_roce_bond_of(xp->xdo.dev);
	struct ipsec_roce_policy *policy;
	int err;

	if (!bond)
		return -ENODEV;
	if (xp->security) {
		NL_SET_ERR_MSG_MOD(extack, "Policies with a security context cannot be offloaded on a bond");
		return -EOPNOTSUPP;
	}
	policy = kzalloc(sizeof(*policy), GFP_KERNEL);
	if (!policy)
		return -ENOMEM;
	policy->bond = bond;
	policy->xp = xp;
	spin_lock_init(&policy->lock);
	INIT_LIST_HEAD(&policy->kept.link);
	refcount_set(&policy->ref, 2);
	INIT_WORK(&policy->free_work, free_work);

	mutex_lock(&bond->lock);
	err = add_policy(bond, policy, extack);
	mutex_unlock(&bond->lock);
	if (err) {
		kfree(policy);
		return err;
	}
	xp->xdo.offload_handle = (unsigned long)policy;
	return 0;
}

/* Softirq (policy timer) or process context. The ports stop now, the rest is the work's. */
void ipsec_roce_policy_delete(struct xfrm_policy *xp)
{
	struct ipsec_roce_policy *policy = (struct ipsec_roce_policy *)xp->xdo.offload_handle;
	struct xfrm_policy *shadow[IROCE_REPL_PORTS_MAX];
	u32 i;

	spin_lock_bh(&policy->lock);
	policy->is_deleted = true;
	memcpy(shadow, policy->shadow, sizeof(shadow));
	memset(policy->shadow, 0, sizeof(policy->shadow));
	spin_unlock_bh(&policy->lock);
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (shadow[i])
			destroy_shadow(shadow[i]);
	ipsec_roce_policy_deleted(&policy->kept, xp);
	/* The last word to who waits for the bond's policies to be gone. */
	queue_work(ipsec_roce_wq, &policy->free_work);
}

/* With the last reference of @xp, in any context, or from a work item: see engine/policy.c. */
void ipsec_roce_policy_free(struct xfrm_policy *xp)
{
	struct ipsec_roce_policy *policy = (struct ipsec_roce_policy *)xp->xdo.offload_handle;

	xp->xdo.offload_handle = 0;
	ipsec_roce_policy_freed(&policy->kept);
	put_policy(policy);
}
