// SPDX-License-Identifier: GPL-2.0
/*
 * Bonds that are ours: the list of them, what their shape and their ports allow, and what
 * goes when they become unfit. How a bond becomes ours: hook.c.
 */
#include <linux/rtnetlink.h>
#include <net/bonding.h>
#include <net/net_namespace.h>

#include "bond.h"
#include "port.h"
#include "sa.h"

struct workqueue_struct *ipsec_roce_wq;

static LIST_HEAD(bonds);	/* RTNL; readers of ipsec_roce_bond_of() RCU */

struct list_head *ipsec_roce_bond_list(void)
{
	ASSERT_RTNL();
	return &bonds;
}

struct ipsec_roce_bond *ipsec_roce_bond_find(const struct net_device *dev)
{
	struct ipsec_roce_bond *bond;

	list_for_each_entry(bond, &bonds, link)
		if (bond->dev == dev)
			return bond;
	return NULL;
}

struct ipsec_roce_bond *ipsec_roce_bond_of(const struct net_device *dev)
{
	struct ipsec_roce_bond *bond, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(bond, &bonds, link) {
		if (bond->dev == dev) {
			found = bond;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

bool ipsec_roce_bond_is_guarded(const struct net *net)
{
	const struct ipsec_roce_bond *bond;

	/* Policies come without RTNL, but only while it is on; those there are outlive that. */
	list_for_each_entry(bond, &bonds, link)
		if (net_eq(dev_net(bond->dev), net) &&
		    (bond->dev->features & NETIF_F_HW_ESP || !list_empty(&bond->policies)))
			return true;
	return false;
}

/* ---- what it is ------------------------------------------------------- */

int ipsec_roce_bond_check(const struct ipsec_roce_bond *bond, struct netlink_ext_ack *extack)
{
	if (bond->is_going) {
		NL_SET_ERR_MSG_MOD(extack, "The bond is going, or the helper is");
		return -ENODEV;
	}
	if (!(bond->dev->features & NETIF_F_HW_ESP)) {
		NL_SET_ERR_MSG_MOD(extack, "Switch it on first: ethtool -K BOND esp-hw-offload on");
		return -EOPNOTSUPP;
	}
	return 0;
}

struct ipsec_roce_port *ipsec_roce_bond_port(const struct ipsec_roce_bond *bond,
					     const struct net_device *dev)
{
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (bond->ports[i] && bond->ports[i]->dev == dev)
			return bond->ports[i];
	return NULL;
}

struct ipsec_roce_sa *ipsec_roce_bond_find_sa(const struct ipsec_roce_bond *bond,
					      const struct ipsec_roce_sa_id *id, u8 dir)
{
	struct ipsec_roce_sa *sa;

	hash_for_each_possible_rcu(bond->by_spi, sa, spi_link, ipsec_roce_sa_hash(id, dir),
				   lockdep_is_held(&bond->lock))
		if (!READ_ONCE(sa->is_deleted) && sa->dir == dir &&
		    ipsec_roce_id_equal(&sa->id, id))
			return sa;
	return NULL;
}

bool ipsec_roce_bond_port_can(const struct net_device *dev)
{
	const struct xfrmdev_ops *ops = dev->xfrmdev_ops;

	return ops && ops->xdo_dev_state_add && ops->xdo_dev_state_delete &&
	       ops->xdo_dev_policy_add && dev->features & NETIF_F_HW_ESP &&
	       !netif_is_bond_master(dev);
}

void ipsec_roce_bond_facts(const struct ipsec_roce_bond *bond, struct iroce_place_facts *facts)
{
	const struct bonding *b = netdev_priv(bond->dev);
	const void *engine = NULL;
	u32 i;

	facts->mode = iroce_bond_mode(BOND_MODE(b));
	facts->is_layer34 = b->params.xmit_policy == BOND_XMIT_POLICY_LAYER34;
	facts->wish = bond->wish;
	facts->has_offload = true;
	facts->is_one_engine = true;
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		const struct ipsec_roce_port *port = bond->ports[i];

		if (!port)
			continue;
		if (!facts->n_ports++)
			engine = port->engine;
		facts->is_one_engine &= port->engine && port->engine == engine;
		facts->has_offload &= ipsec_roce_bond_port_can(port->dev);
	}
}

static bool has_shape(const struct ipsec_roce_bond *bond)
{
	const struct bonding *b = netdev_priv(bond->dev);

	return iroce_bond_has_shape(BOND_MODE(b), b->params.xmit_policy);
}

/* ---- unfit ------------------------------------------------------------ */

/*
 * RTNL: one at a time. An older kernel's garbage collector and the flush (xfrm_dev_state_flush(),
 * xfrm_state_gc_task()) can meet at a state that is dead already, and free it twice: leave
 * the former nothing to do. The same before xfrm's own flush, see NETDEV_GOING_DOWN in hook.c.
 */
void ipsec_roce_bond_flush(struct net_device *dev)
{
	xfrm_flush_gc();
	xfrm_dev_state_flush(dev_net(dev), dev, true);
}

/* Some that are not about to be freed anyway. */
static bool has_sas(struct ipsec_roce_bond *bond)
{
	const struct ipsec_roce_sa *sa;
	bool has = false;

	mutex_lock(&bond->lock);
	list_for_each_entry(sa, &bond->sas, link) {
		has = !READ_ONCE(sa->is_deleted);
		if (has)
			break;
	}
	mutex_unlock(&bond->lock);
	return has;
}

/*
 * States go, policies stay: what they protect is closed (I1), whatever the driver of
 * a port makes of a policy that is gone.
 */
static void close_down(struct ipsec_roce_bond *bond, const char *why)
{
	if (!has_sas(bond))
		return;
	netdev_warn(bond->dev, "ipsec_roce: %s: SAs deleted, traffic of policies is dropped\n", why);
	ipsec_roce_bond_flush(bond->dev);
}

void ipsec_roce_bond_close_if_unfit(struct ipsec_roce_bond *bond)
{
	if (!(bond->dev->features & NETIF_F_HW_ESP))
		close_down(bond, "esp-hw-offload was switched off");
	else if (!has_shape(bond))
		close_down(bond, "mode or hash policy gives a flow no port of its own");
}

/* xfrm finds no state that is being added: one may have come just after the others went. */
void ipsec_roce_bond_recheck(struct ipsec_roce_bond *bond)
{
	/* Flushes come one at a time; and unhook_bond() waits for the poll under RTNL. */
	if (!rtnl_trylock())
		return;
	if (!bond->is_going)
		ipsec_roce_bond_close_if_unfit(bond);
	rtnl_unlock();
}
