// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses and neighbours: what makes a device's flows stale. The GID table
 * itself is the RDMA core's, filled from the device's netdev and the devices
 * above it (roce_gid_mgmt); routes are checked by the flows themselves.
 */
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <net/neighbour.h>
#include <net/netevent.h>

#include "roce.h"

static LIST_HEAD(devices);		/* iroce_roce.entry, RCU */
static DEFINE_SPINLOCK(devices_lock);

void iroce_gid_add_device(struct iroce_roce *roce)
{
	spin_lock_bh(&devices_lock);
	list_add_tail_rcu(&roce->entry, &devices);
	spin_unlock_bh(&devices_lock);
}

/* May sleep: nobody looks at the device when it returns. */
void iroce_gid_del_device(struct iroce_roce *roce)
{
	spin_lock_bh(&devices_lock);
	list_del_rcu(&roce->entry);
	spin_unlock_bh(&devices_lock);
	synchronize_rcu();
}

int iroce_gid_add(const struct ib_gid_attr *attr, void **context)
{
	iroce_roce_changed(iroce_roce(attr->device));
	return 0;
}

int iroce_gid_del(const struct ib_gid_attr *attr, void **context)
{
	iroce_roce_changed(iroce_roce(attr->device));
	return 0;
}

/* Is this one of the device's addresses? Softirq. */
bool iroce_gid_is_ours(struct iroce_roce *roce, const struct in6_addr *addr)
{
	const struct ib_gid_attr *attr;

	attr = rdma_find_gid_by_port(&roce->rdi.ibdev, (const union ib_gid *)addr,
				     IB_GID_TYPE_ROCE_UDP_ENCAP, IROCE_RDMA_PORT, NULL);
	if (IS_ERR(attr))
		return false;
	rdma_put_gid_attr(attr);
	return true;
}

/* A neighbour got or lost its address, or a router redirected us. Atomic. */
static int netevent(struct notifier_block *nb, unsigned long event, void *arg)
{
	struct net_device *ndev = NULL;
	struct iroce_roce *roce;

	if (event == NETEVENT_NEIGH_UPDATE)
		ndev = ((struct neighbour *)arg)->dev;
	else if (event != NETEVENT_REDIRECT)
		return NOTIFY_DONE;
	rcu_read_lock();
	list_for_each_entry_rcu(roce, &devices, entry) {
		struct net_device *own = roce->netdev;

		if (!ndev || ndev == own || netdev_has_upper_dev_all_rcu(own, ndev))
			iroce_roce_changed(roce);
	}
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block netevent_nb = { .notifier_call = netevent };

int iroce_gid_module_init(void)
{
	return register_netevent_notifier(&netevent_nb);
}

void iroce_gid_module_exit(void)
{
	unregister_netevent_notifier(&netevent_nb);
}
