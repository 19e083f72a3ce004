// SPDX-License-Identifier: GPL-2.0
/*
 * Which RDMA device a function has: its own, or one that spans the bond it is a port
 * of, as RoCE LAG does on hardware.
 *
 *	iroce0   iroce1                       iroce_bond_0 (netdev bond0)
 *	  |        |      ip link set ...       path 0 |  | path 1
 *	 VF a     VF b       master bond0            VF a VF b
 *
 * A bond gets a device when two functions of one adapter are its ports, each of a cable
 * of its own, no other port is there, and a flow has a port of its own: active-backup,
 * or a hash over addresses and ports (802.3ad, balance-xor with layer3+4). Their own
 * devices go first, with their QPs. From then on the device stays as long as the bond
 * has any of them as a port: one that leaves has a device of its own again, one that
 * comes back brings its path back (roce/paths.c). Its PCI function is the first one; with that
 * unplugged it goes.
 * A bond over several adapters gets no device; the RDMA core gives its addresses to
 * those of the functions.
 *
 * Who may do what: bonds and paths change under RTNL, in the notifier. Devices are made
 * and destroyed by settle_devices() alone, step by step until what is there is what is wanted;
 * under settle_lock, without RTNL, as the RDMA core takes it: from probe and remove, and
 * from a work item that the notifier starts.
 *
 * I1: a port that joins carries nothing before it has the bond's policies, and nothing
 * any more when they are taken away: our notifier runs after that of the helper
 * (ipsec_roce.ko) when a port joins, and when it leaves at NETDEV_PRECHANGEUPPER, before.
 */
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/bonding.h>

#include "core/lag.h"
#include "core/placement.h"
#include "lag.h"
#include "roce/roce.h"

/*
 * struct iroce_lag - a bond that functions are ports of; RTNL
 * @n_ports: functions whose iroce_rdma.lag it is
 * @roce: its device, or NULL
 * @has_shape: a flow has a port of its own
 * @is_unfit: ports of several adapters, two of one cable, too many, or of somebody else
 * @is_gone: being unregistered
 * @is_void: had no port any more: its device goes, whatever comes
 * @is_broken: could not get a device; tried again when its ports change
 */
struct iroce_lag {
	struct list_head entry;
	struct net_device *bond;
	netdevice_tracker tracker;
	unsigned int n_ports;
	struct iroce_roce *roce;
	bool has_shape;
	bool is_unfit;
	bool is_gone;
	bool is_void;
	bool is_broken;
};

static LIST_HEAD(lags);			/* RTNL */
static LIST_HEAD(funcs);		/* iroce_rdma.entry, RTNL */
static DEFINE_MUTEX(settle_lock);	/* outside of RTNL */
static void settle_work_fn(struct work_struct *work);
static DECLARE_WORK(settle_work, settle_work_fn);

static void settle_later(void)
{
	queue_work(system_long_wq, &settle_work);
}

/* ---- bonds, RTNL ------------------------------------------------------ */

static struct iroce_lag *lag_find(const struct net_device *bond)
{
	struct iroce_lag *lag;

	list_for_each_entry(lag, &lags, entry)
		if (lag->bond == bond)
			return lag;
	return NULL;
}

static unsigned int lag_n_funcs(const struct iroce_lag *lag)
{
	struct iroce_func *f;
	unsigned int n = 0;

	list_for_each_entry(f, &funcs, rdma.entry)
		n += f->rdma.lag == lag && f->rdma.is_wanted;
	return n;
}

/* Is the bond to have a device? */
static bool lag_is_wanted(const struct iroce_lag *lag)
{
	if (lag->is_gone || lag->is_void || lag->is_unfit || lag->is_broken)
		return false;
	if (lag->roce)
		return iroce_roce_func(lag->roce)->rdma.is_wanted && lag_n_funcs(lag);
	return lag->has_shape && lag_n_funcs(lag) > 1;
}

/* Looks at what the bond is now, and at its ports. */
static void lag_look(struct iroce_lag *lag)
{
	const struct bonding *b = netdev_priv(lag->bond);
	const struct iroce_adapter *adapter = NULL;
	struct net_device *lower;
	unsigned int n = 0;
	struct list_head *iter;
	u32 cables = 0;

	lag->has_shape = iroce_bond_has_shape(BOND_MODE(b), b->params.xmit_policy);
	lag->is_unfit = false;
	lag->is_broken = false;
	netdev_for_each_lower_dev(lag->bond, lower, iter) {
		const struct iroce_port *port;

		if (!iroce_is_func(lower)) {
			lag->is_unfit = true;
			continue;
		}
		port = iroce_func(lower)->port;
		/* Both behind one switch, with the bond's address: each frame would come twice. */
		if ((adapter && adapter != port->adapter) || cables & BIT(port->index))
			lag->is_unfit = true;
		adapter = port->adapter;
		cables |= BIT(port->index);
		n++;
	}
	lag->is_unfit |= n > IROCE_LAG_SLOTS;
}

static void lag_join(struct net_device *bond, struct iroce_func *f)
{
	struct iroce_lag *lag = lag_find(bond);

	if (!lag) {
		lag = kzalloc(sizeof(*lag), GFP_KERNEL);
		/* It keeps its own device then, which works: the core knows of bonds. */
		if (!lag)
			return;
		lag->bond = bond;
		netdev_hold(bond, &lag->tracker, GFP_KERNEL);
		list_add_tail(&lag->entry, &lags);
	}
	lag->n_ports++;
	f->rdma.lag = lag;
	f->rdma.may_send = false;
	f->rdma.err = 0;
}

static void lag_leave(struct iroce_func *f)
{
	struct iroce_lag *lag = f->rdma.lag;

	if (!lag)
		return;
	iroce_roce_del_path(f);
	if (!--lag->n_ports && lag->roce)
		lag->is_void = true;
	f->rdma.lag = NULL;
	f->rdma.err = 0;
}

static void lag_del_paths(struct iroce_lag *lag)
{
	struct iroce_func *f;

	list_for_each_entry(f, &funcs, rdma.entry)
		if (f->rdma.lag == lag)
			iroce_roce_del_path(f);
}

static void lag_free(struct iroce_lag *lag)
{
	list_del(&lag->entry);
	netdev_put(lag->bond, &lag->tracker);
	kfree(lag);
}

/* ---- notifier, RTNL --------------------------------------------------- */

static void port_changed(struct net_device *dev, const struct netdev_notifier_changeupper_info *info)
{
	struct iroce_lag *lag;

	if (!netif_is_bond_master(info->upper_dev))
		return;
	if (iroce_is_func(dev) && info->linking)
		lag_join(info->upper_dev, iroce_func(dev));
	lag = lag_find(info->upper_dev);
	if (!lag)
		return;
	lag_look(lag);
	settle_later();
}

static void port_leaves(struct net_device *dev, const struct netdev_notifier_changeupper_info *info)
{
	if (info->linking || !iroce_is_func(dev) || !netif_is_bond_master(info->upper_dev))
		return;
	lag_leave(iroce_func(dev));
	settle_later();
}

static void port_state(struct net_device *dev,
		       const struct netdev_notifier_changelowerstate_info *info)
{
	const struct netdev_lag_lower_state_info *state = info->lower_state_info;
	struct iroce_func *f;

	if (!iroce_is_func(dev) || !netif_is_bond_slave(dev) || !state)
		return;
	f = iroce_func(dev);
	f->rdma.may_send = state->link_up && state->tx_enabled;
	iroce_roce_update_path(f);
}

static void bond_changed(struct iroce_lag *lag, unsigned long event)
{
	switch (event) {
	case NETDEV_UNREGISTER:
		/* Its ports are still linked to it. */
		lag->is_gone = true;
		lag_del_paths(lag);
		settle_later();
		break;
	case NETDEV_CHANGEINFODATA:
		lag_look(lag);
		settle_later();
		break;
	default:
		if (lag->roce)
			iroce_roce_netdev_event(lag->roce, event);
		break;
	}
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct iroce_lag *lag;

	switch (event) {
	case NETDEV_CHANGEUPPER:
		port_changed(dev, ptr);
		break;
	case NETDEV_PRECHANGEUPPER:
		port_leaves(dev, ptr);
		break;
	case NETDEV_CHANGELOWERSTATE:
		port_state(dev, ptr);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
	case NETDEV_CHANGEINFODATA:
	case NETDEV_UNREGISTER:
		lag = netif_is_bond_master(dev) ? lag_find(dev) : NULL;
		if (lag)
			bond_changed(lag, event);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block netdev_nb = {
	.notifier_call = netdev_event,
	.priority = -1,	/* after the helper's: see above */
};

void iroce_rdma_netdev_event(struct iroce_func *f, unsigned long event)
{
	if (f->rdma.own)
		iroce_roce_netdev_event(f->rdma.own, event);
	iroce_roce_update_path(f);
	iroce_roce_func_changed(f);
}

/* ---- from what is there to what is wanted ------------------------------ */

/* A function is to have a device of its own unless its bond is to have one. */
static bool func_wants_own(const struct iroce_func *f)
{
	return f->rdma.is_wanted && !(f->rdma.lag && lag_is_wanted(f->rdma.lag));
}

/* What is there and must go: taken out of all packets' way, and the caller's. */
static struct iroce_roce *take_unwanted(void)
{
	struct iroce_roce *roce;
	struct iroce_lag *lag;
	struct iroce_func *f;

	list_for_each_entry(lag, &lags, entry) {
		if (!lag->roce || lag_is_wanted(lag))
			continue;
		lag_del_paths(lag);
		roce = lag->roce;
		lag->roce = NULL;
		lag->is_void = false;
		return roce;
	}
	list_for_each_entry(f, &funcs, rdma.entry) {
		if (!f->rdma.own || func_wants_own(f))
			continue;
		WRITE_ONCE(f->roce, NULL);
		roce = f->rdma.own;
		f->rdma.own = NULL;
		return roce;
	}
	return NULL;
}

/* Gives bonds' devices the ports that are ready, frees bonds that are nobody's any more. */
static void tidy_bonds(void)
{
	struct iroce_lag *lag, *next;
	struct iroce_func *f;

	list_for_each_entry(f, &funcs, rdma.entry) {
		lag = f->rdma.lag;
		if (lag && lag->roce && lag_is_wanted(lag) && f->rdma.slot < 0 && f->rdma.is_wanted &&
		    !f->rdma.own)
			iroce_roce_add_path(lag->roce, f);
	}
	list_for_each_entry_safe(lag, next, &lags, entry)
		if (!lag->roce && !lag->n_ports)
			lag_free(lag);
}

/* A bond that is to have a device; @first: the function it is to be of. */
static struct iroce_lag *find_lag(struct iroce_func **first)
{
	struct iroce_lag *lag;
	struct iroce_func *f;

	list_for_each_entry(lag, &lags, entry) {
		if (lag->roce || !lag_is_wanted(lag))
			continue;
		*first = NULL;
		list_for_each_entry(f, &funcs, rdma.entry)
			if (f->rdma.lag == lag && f->rdma.is_wanted &&
			    (!*first || f->port->index < (*first)->port->index))
				*first = f;
		return lag;
	}
	return NULL;
}

static struct iroce_func *find_lonely(void)
{
	struct iroce_func *f;

	list_for_each_entry(f, &funcs, rdma.entry)
		if (!f->rdma.own && !f->rdma.err && func_wants_own(f))
			return f;
	return NULL;
}

/* settle_lock alone; @lag stays, as only tidy_bonds() frees. */
static void create_for_lag(struct iroce_lag *lag, struct iroce_func *first)
{
	struct iroce_roce *roce = iroce_roce_create(first, lag->bond);

	rtnl_lock();
	if (IS_ERR(roce)) {
		netdev_err(lag->bond, "cannot register an RDMA device over its ports: %pe\n", roce);
		lag->is_broken = true;
	} else {
		lag->roce = roce;
		iroce_roce_netdev_event(roce, NETDEV_CHANGE);
	}
	rtnl_unlock();
}

/* settle_lock alone; @f stays, as its remove needs the lock. */
static void create_for_func(struct iroce_func *f)
{
	struct iroce_roce *roce = iroce_roce_create(f, NULL);

	rtnl_lock();
	if (IS_ERR(roce)) {
		netdev_err(f->netdev, "cannot register its RDMA device: %pe\n", roce);
		f->rdma.err = PTR_ERR(roce);
	} else {
		f->rdma.own = roce;
		iroce_roce_netdev_event(roce, NETDEV_CHANGE);
		/* Only now is there a table of QPs that a packet may be looked up in. */
		smp_store_release(&f->roce, roce);
	}
	rtnl_unlock();
}

/* Process context, no RTNL. A turn changes one device; the next sees what changed meanwhile. */
static void settle_devices(void)
{
	struct iroce_func *f, *lonely;
	struct iroce_roce *roce;
	struct iroce_lag *lag;

	mutex_lock(&settle_lock);
	do {
		rtnl_lock();
		tidy_bonds();
		roce = take_unwanted();
		lag = roce ? NULL : find_lag(&f);
		lonely = roce || lag ? NULL : find_lonely();
		rtnl_unlock();
		if (roce)
			iroce_roce_destroy(roce);
		else if (lag)
			create_for_lag(lag, f);
		else if (lonely)
			create_for_func(lonely);
	} while (roce || lag || lonely);
	mutex_unlock(&settle_lock);
}

static void settle_work_fn(struct work_struct *work)
{
	settle_devices();
}

/* ---- SAs that go ------------------------------------------------------- */

static void sa_gone_work_fn(struct work_struct *work)
{
	struct iroce_func *f = container_of(work, struct iroce_func, rdma.sa_gone_work);

	/* A device that a function names is not destroyed before RTNL is free again. */
	rtnl_lock();
	if (f->roce)
		iroce_roce_drop_dead(f->roce);
	rtnl_unlock();
}

void iroce_rdma_sa_gone(struct iroce_func *f)
{
	queue_work(system_long_wq, &f->rdma.sa_gone_work);
}

/* ---- life ------------------------------------------------------------- */

void iroce_rdma_prepare(struct iroce_func *f)
{
	f->rdma.slot = -1;
	INIT_WORK(&f->rdma.sa_gone_work, sa_gone_work_fn);
}

void iroce_rdma_cleanup(struct iroce_func *f)
{
	cancel_work_sync(&f->rdma.sa_gone_work);
}

int iroce_rdma_init(struct iroce_func *f)
{
	int err;

	rtnl_lock();
	f->rdma.is_wanted = true;
	list_add_tail(&f->rdma.entry, &funcs);
	rtnl_unlock();
	settle_devices();
	err = f->rdma.err;
	if (err)
		iroce_rdma_fini(f);
	return err;
}

void iroce_rdma_fini(struct iroce_func *f)
{
	rtnl_lock();
	f->rdma.is_wanted = false;
	iroce_roce_del_path(f);
	rtnl_unlock();
	/* Its own device goes, or the bond's if it is of this function. */
	settle_devices();
	rtnl_lock();
	list_del(&f->rdma.entry);
	rtnl_unlock();
}

int iroce_rdma_module_init(void)
{
	return register_netdevice_notifier(&netdev_nb);
}

/* All functions are gone, and so no port of ours is in a bond. */
void iroce_rdma_module_exit(void)
{
	unregister_netdevice_notifier(&netdev_nb);
	cancel_work_sync(&settle_work);
	settle_devices();
	WARN_ON(!list_empty(&lags));
}
