// SPDX-License-Identifier: GPL-2.0
/*
 * The addresses of the functions behind a port.
 *
 * Whose address is it? A unicast address belongs to the function that had it first,
 * one that the PF gave to a VF to that VF, and one that a function is born with to that
 * function, up or not. A VF that the PF does not trust gets neither of these nor, of its
 * own choice, one that a frame from the cable came from of late (seen.c): it would take
 * the traffic of its owner. With the source address checked (spoofchk, on by default) it
 * can't speak for another, either. A PF, and a VF that it trusts, may have any.
 *
 * The netdev's address is refused with an error. Its unicast list (macvlan, bonds) has no
 * errors: what is refused of it is entered, does not count, and is judged again whenever
 * something changes in the switch.
 */
#include <linux/etherdevice.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "seen.h"
#include "switch.h"
#include "vport.h"

/* All ports' switches: what one of them sends may come back at another. RCU. */
static LIST_HEAD(switches);
static DEFINE_SPINLOCK(switches_lock);

struct iroce_mac *iroce_macs_find(struct iroce_switch *esw, const u8 *addr,
				  const struct iroce_func *f)
{
	struct iroce_mac *e;

	hlist_for_each_entry_rcu(e, iroce_macs_bucket(esw, addr), node, lockdep_is_held(&esw->lock))
		if (e->f == f && ether_addr_equal(e->addr, addr))
			return e;
	return NULL;
}

/* A function other than @f has the unicast address. esw.lock. */
static bool has_other(struct iroce_switch *esw, const u8 *addr, const struct iroce_func *f)
{
	struct iroce_mac *e;

	hlist_for_each_entry(e, iroce_macs_bucket(esw, addr), node)
		if (e->f != f && !e->is_refused && ether_addr_equal(e->addr, addr))
			return true;
	return false;
}

/*
 * Somebody else's function has it, at another port that may be on the same network: a
 * bond's ports have one address, and are in one namespace. RCU read side.
 */
static bool is_elsewhere(struct iroce_switch *but, const u8 *addr, const struct iroce_func *f)
{
	struct iroce_switch *esw;
	struct iroce_mac *e;

	list_for_each_entry_rcu(esw, &switches, node) {
		if (esw == but)
			continue;
		hlist_for_each_entry_rcu(e, iroce_macs_bucket(esw, addr), node)
			if (!READ_ONCE(e->is_refused) && ether_addr_equal(e->addr, addr) &&
			    !net_eq(dev_net(e->f->netdev), dev_net(f->netdev)))
				return true;
	}
	return false;
}

/* Another function of the port is born with it. */
static bool is_birth_address(const u8 *addr, const struct iroce_func *f)
{
	u8 born[ETH_ALEN];
	unsigned int i;

	for (i = 0; i <= IROCE_MAX_VFS; i++) {
		unsigned int vf = i == IROCE_MAX_VFS ? IROCE_PF : i;

		if (vf == f->vf)
			continue;
		iroce_port_func_mac(f->port, vf, born);
		if (ether_addr_equal(born, addr))
			return true;
	}
	return false;
}

/* A PF has the say; it, or a VF that it trusts, may share an address. */
static bool may_lose(const struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);

	return vf && !READ_ONCE(vf->is_trusted);
}

/* The PF has given the address to a VF other than @f, bound or not. */
static bool is_given(struct iroce_switch *esw, const u8 *addr, const struct iroce_func *f)
{
	unsigned int i;

	for (i = 0; i < IROCE_MAX_VFS; i++)
		if (i != f->vf && ether_addr_equal(esw->vfs[i].mac, addr))
			return true;
	return false;
}

/* May @f have the unicast address, not looking at the cable? esw.lock, RCU read side. */
static bool may_have(struct iroce_func *f, const u8 *addr)
{
	struct iroce_switch *esw = f->port->eswitch;

	return !may_lose(f) ||
	       (!has_other(esw, addr, f) && !is_given(esw, addr, f) &&
		!is_birth_address(addr, f) && !is_elsewhere(esw, addr, f));
}

/* May @f begin to have it, of its own choice? What is its own by birth or its PF's word, yes. */
static bool may_claim(struct iroce_func *f, const u8 *addr)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);
	u8 own[ETH_ALEN];

	if (!may_have(f, addr))
		return false;
	if (!may_lose(f) || ether_addr_equal(addr, vf->mac))
		return true;
	iroce_port_func_mac(f->port, f->vf, own);
	return ether_addr_equal(addr, own) || !iroce_seen_has(f->port->eswitch->seen, addr);
}

static void tell_refused(const struct iroce_func *f, const u8 *addr)
{
	if (net_ratelimit())
		netdev_notice(f->netdev,
			      "does not get %pM, which another function or a host behind the cable has: its PF may trust it (ip link set PF vf %u trust on)\n",
			      addr, f->vf);
}

/* What has been refused must be claimed anew: its owner may be behind the cable. */
static bool is_to_refuse(const struct iroce_mac *e)
{
	if (!is_unicast_ether_addr(e->addr))
		return false;
	return e->is_refused ? !may_claim(e->f, e->addr) : !may_have(e->f, e->addr);
}

/* Who may have what, after something has changed. esw.lock. */
static void judge_addrs(struct iroce_switch *esw)
{
	struct iroce_mac *e;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(esw->addrs); i++) {
		hlist_for_each_entry(e, &esw->addrs[i], node) {
			bool is_refused = is_to_refuse(e);

			if (is_refused && !e->is_refused)
				tell_refused(e->f, e->addr);
			WRITE_ONCE(e->is_refused, is_refused);
		}
	}
	rcu_read_unlock();
}

/* @is_list: of the unicast or multicast list, whose addresses are entered in any case. */
static int add_addr(struct iroce_func *f, const u8 *addr, bool is_list)
{
	struct iroce_switch *esw = f->port->eswitch;
	bool is_refused = false;
	struct iroce_mac *e;
	int err = 0;

	spin_lock_bh(&esw->lock);
	e = iroce_macs_find(esw, addr, f);
	if (e) {
		e->n_users++;
		goto out;
	}
	if (is_unicast_ether_addr(addr)) {
		rcu_read_lock();
		is_refused = is_list ? !may_claim(f, addr) : !may_have(f, addr);
		rcu_read_unlock();
	}
	if (is_refused) {
		tell_refused(f, addr);
		err = is_list ? 0 : -EADDRINUSE;
		if (err)
			goto out;
	}
	e = kzalloc(sizeof(*e), GFP_ATOMIC);
	if (!e) {
		err = -ENOMEM;
		goto out;
	}
	ether_addr_copy(e->addr, addr);
	e->f = f;
	e->n_users = 1;
	e->is_refused = is_refused;
	hlist_add_head_rcu(&e->node, iroce_macs_bucket(esw, addr));
	/* A PF's, or a trusted VF's: others may have had it. */
	if (!may_lose(f))
		judge_addrs(esw);
out:
	spin_unlock_bh(&esw->lock);
	return err;
}

static void del_addr(struct iroce_func *f, const u8 *addr)
{
	struct iroce_switch *esw = f->port->eswitch;
	struct iroce_mac *e;

	spin_lock_bh(&esw->lock);
	e = iroce_macs_find(esw, addr, f);
	if (e && !--e->n_users) {
		hlist_del_rcu(&e->node);
		kfree_rcu(e, rcu);
		judge_addrs(esw);
	}
	spin_unlock_bh(&esw->lock);
}

static int sync_addr(struct net_device *netdev, const unsigned char *addr)
{
	struct iroce_func *f = iroce_func(netdev);
	const struct iroce_vf *vf = iroce_switch_vf(f);

	/* The PF gave this VF one address: others only if it trusts the VF. */
	if (vf && is_unicast_ether_addr(addr) && is_valid_ether_addr(vf->mac) &&
	    !READ_ONCE(vf->is_trusted))
		return -EPERM;
	return add_addr(f, addr, true);
}

static int unsync_addr(struct net_device *netdev, const unsigned char *addr)
{
	del_addr(iroce_func(netdev), addr);
	return 0;
}

void iroce_macs_sync(struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);
	struct net_device *netdev = f->netdev;

	if (!netif_running(netdev))
		return;
	__dev_uc_sync(netdev, sync_addr, unsync_addr);
	__dev_mc_sync(netdev, sync_addr, unsync_addr);
	WRITE_ONCE(f->vport->is_promisc, (netdev->flags & IFF_PROMISC) &&
					(!vf || READ_ONCE(vf->is_trusted)));
	WRITE_ONCE(f->vport->is_allmulti, !!(netdev->flags & (IFF_ALLMULTI | IFF_PROMISC)));
}

void iroce_macs_resync(struct iroce_func *f)
{
	struct net_device *netdev = f->netdev;

	netif_addr_lock_bh(netdev);
	__dev_uc_unsync(netdev, unsync_addr);
	iroce_macs_sync(f);
	netif_addr_unlock_bh(netdev);
	iroce_macs_judge(f->port);
}

int iroce_macs_move(struct iroce_func *f, const u8 *old, const u8 *new)
{
	int err;

	spin_lock_bh(&f->port->eswitch->lock);
	rcu_read_lock();
	err = may_claim(f, new) ? 0 : -EADDRINUSE;
	rcu_read_unlock();
	spin_unlock_bh(&f->port->eswitch->lock);
	if (err)
		tell_refused(f, new);
	if (err || !netif_running(f->netdev))
		return err;
	/* Both for a moment: nothing that is under way is lost. */
	err = add_addr(f, new, false);
	if (!err)
		del_addr(f, old);
	return err;
}

int iroce_macs_attach(struct iroce_func *f)
{
	struct iroce_switch *esw = f->port->eswitch;
	int err;

	err = add_addr(f, f->netdev->dev_addr, false);
	if (err)
		return err;
	/* dev_open() calls ndo_set_rx_mode next: the lists follow. */
	spin_lock_bh(&esw->lock);
	list_add_tail_rcu(&f->vport->node, &esw->funcs);
	spin_unlock_bh(&esw->lock);
	return 0;
}

void iroce_macs_detach(struct iroce_func *f)
{
	struct iroce_switch *esw = f->port->eswitch;
	struct net_device *netdev = f->netdev;

	netif_addr_lock_bh(netdev);
	__dev_uc_unsync(netdev, unsync_addr);
	__dev_mc_unsync(netdev, unsync_addr);
	netif_addr_unlock_bh(netdev);
	del_addr(f, netdev->dev_addr);
	spin_lock_bh(&esw->lock);
	list_del_rcu(&f->vport->node);
	spin_unlock_bh(&esw->lock);
	/* The node is used again by the next attach: readers must be off it. */
	synchronize_net();
}

/* RTNL keeps what the PF has decided. */
void iroce_macs_judge(struct iroce_port *port)
{
	struct iroce_switch *esw = port->eswitch;

	ASSERT_RTNL();
	spin_lock_bh(&esw->lock);
	judge_addrs(esw);
	spin_unlock_bh(&esw->lock);
}

/* ---- for the switch ---------------------------------------------------- */

bool iroce_macs_is_ours(const u8 *addr)
{
	struct iroce_switch *esw;

	list_for_each_entry_rcu(esw, &switches, node)
		if (iroce_macs_is_local(esw, addr))
			return true;
	return false;
}

void iroce_macs_add_switch(struct iroce_switch *esw)
{
	spin_lock(&switches_lock);
	list_add_tail_rcu(&esw->node, &switches);
	spin_unlock(&switches_lock);
}

void iroce_macs_del_switch(struct iroce_switch *esw)
{
	spin_lock(&switches_lock);
	list_del_rcu(&esw->node);
	spin_unlock(&switches_lock);
}
