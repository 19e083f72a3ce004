// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses and neighbours: whose a packet is, and what makes a device's flows stale.
 * The GID table itself is the RDMA core's, filled from the device's netdev and the
 * devices above it (roce_gid_mgmt); routes are checked by the flows themselves.
 */
#include <linux/if_vlan.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/netevent.h>

#include "gid.h"

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

struct tags {
	struct net_device *own;
	unsigned int n;
};

static int count_tags(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct tags *tags = priv->data;

	/* Not those beside the way: a bridge has other ports. */
	if (is_vlan_dev(dev) && netdev_has_upper_dev_all_rcu(tags->own, dev))
		tags->n += vlan_dev_vlan_proto(dev) == htons(ETH_P_8021Q) ? 1 : 2;
	return 0;
}

/* RoCE frames have one 802.1Q tag at most: an address behind more would leave in the wrong VLAN. */
static bool is_behind_tags(const struct ib_gid_attr *attr)
{
	struct tags tags = { .own = iroce_roce(attr->device)->netdev };
	struct netdev_nested_priv priv = { .data = &tags };
	struct net_device *ndev;

	rcu_read_lock();
	ndev = rcu_dereference(attr->ndev);
	if (ndev) {
		count_tags(ndev, &priv);
		netdev_walk_all_lower_dev_rcu(ndev, count_tags, &priv);
		if (tags.n > 1)
			netdev_notice(ndev, "no GID of %s: RoCE goes through one 802.1Q VLAN at most\n",
				      dev_name(&attr->device->dev));
	}
	rcu_read_unlock();
	return tags.n > 1;
}

/* ---- whose is an address? ------------------------------------------------ */

/*
 * struct own_gid - a RoCEv2 address of the device, as packets name it
 *
 * The RDMA core's table has it, too, behind a lock and to be walked; this one is for each
 * datagram. The core's context of a GID holds it. Found under RCU.
 */
struct own_gid {
	struct hlist_node node;
	struct rcu_head rcu;
	struct in6_addr addr;
	u16 vlan;
};

static struct hlist_head *gid_bucket(struct iroce_roce *roce, const struct in6_addr *addr, u16 vlan)
{
	u32 hash = jhash2((const u32 *)addr, sizeof(*addr) / sizeof(u32), vlan);

	return &roce->gids[hash & (ARRAY_SIZE(roce->gids) - 1)];
}

/* Process context; the core lets one in at a time per device. */
int iroce_gid_add(const struct ib_gid_attr *attr, void **context)
{
	struct iroce_roce *roce = iroce_roce(attr->device);
	u16 vlan = IROCE_NO_VLAN;
	struct own_gid *own;

	if (is_behind_tags(attr))
		return -EOPNOTSUPP;
	if (attr->gid_type == IB_GID_TYPE_ROCE_UDP_ENCAP) {
		own = kzalloc(sizeof(*own), GFP_KERNEL);
		if (!own)
			return -ENOMEM;
		rdma_read_gid_l2_fields(attr, &vlan, NULL);
		memcpy(&own->addr, attr->gid.raw, sizeof(own->addr));
		own->vlan = vlan;
		spin_lock_bh(&roce->gids_lock);
		hlist_add_head_rcu(&own->node, gid_bucket(roce, &own->addr, vlan));
		spin_unlock_bh(&roce->gids_lock);
		*context = own;
	}
	iroce_roce_changed(roce);
	return 0;
}

int iroce_gid_del(const struct ib_gid_attr *attr, void **context)
{
	struct iroce_roce *roce = iroce_roce(attr->device);
	struct own_gid *own = *context;

	if (own) {
		spin_lock_bh(&roce->gids_lock);
		hlist_del_rcu(&own->node);
		spin_unlock_bh(&roce->gids_lock);
		kfree_rcu(own, rcu);
		*context = NULL;
	}
	iroce_roce_changed(roce);
	return 0;
}

bool iroce_gid_is_ours(struct iroce_roce *roce, const struct in6_addr *addr, u16 vlan)
{
	const struct own_gid *own;

	hlist_for_each_entry_rcu(own, gid_bucket(roce, addr, vlan), node)
		if (own->vlan == vlan && ipv6_addr_equal(&own->addr, addr))
			return true;
	return false;
}

/* A neighbour got or lost its address, or a router redirected us. Atomic. */
static int handle_netevent(struct notifier_block *nb, unsigned long event, void *arg)
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

static struct notifier_block netevent_nb = { .notifier_call = handle_netevent };

int iroce_gid_module_init(void)
{
	return register_netevent_notifier(&netevent_nb);
}

void iroce_gid_module_exit(void)
{
	unregister_netevent_notifier(&netevent_nb);
}
