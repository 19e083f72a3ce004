// SPDX-License-Identifier: GPL-2.0
/*
 * A QP's flow meets a policy without SA: ask the key daemons, as the stack does.
 *
 * RoCE never takes the stack's output path, so nothing there asks. The exported
 * way to an ACQUIRE is a route lookup whose flow matches the policy: xfrm finds no
 * state, makes a larval one (we see it as state_add with the ACQ flag) and tells
 * the daemons. That sleeps and takes locks, so it runs from a workqueue; at most
 * one request a second per policy, and a bounded queue per function.
 */
#include <linux/inetdevice.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "ipsec.h"

static void acquire_v4(struct iroce_func *f, struct net *net, const struct iroce_flow_key *key)
{
	struct flowi4 fl = {
		.flowi4_oif = f->netdev->ifindex,
		.flowi4_proto = key->proto,
		.saddr = key->saddr.v4,
		.daddr = key->daddr.v4,
		.fl4_sport = key->sport,
		.fl4_dport = key->dport,
	};
	struct rtable *rt = ip_route_output_flow(net, &fl, NULL);

	if (!IS_ERR(rt))
		ip_rt_put(rt);
}

static void acquire_v6(struct iroce_func *f, struct net *net, const struct iroce_flow_key *key)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl = {
		.flowi6_oif = f->netdev->ifindex,
		.flowi6_proto = key->proto,
		.fl6_sport = key->sport,
		.fl6_dport = key->dport,
	};
	struct dst_entry *dst;

	memcpy(&fl.saddr, &key->saddr, sizeof(fl.saddr));
	memcpy(&fl.daddr, &key->daddr, sizeof(fl.daddr));
	dst = ip6_dst_lookup_flow(net, NULL, &fl, NULL);
	if (!IS_ERR(dst))
		dst_release(dst);
#endif
}

/* The function's netns, kept from going while we sleep in it; NULL if it is on its way out. */
static struct net *hold_net(const struct iroce_func *f)
{
	struct net *net;

	rcu_read_lock();
	net = maybe_get_net(dev_net(f->netdev));
	rcu_read_unlock();
	return net;
}

static void acquire(struct iroce_func *f, const struct iroce_flow_key *key)
{
	struct net *net = hold_net(f);

	if (!net)
		return;
	if (key->family == AF_INET)
		acquire_v4(f, net, key);
	else
		acquire_v6(f, net, key);
	put_net(net);
}

static void acquire_work(struct work_struct *work)
{
	struct iroce_ipsec *ipsec = container_of(work, struct iroce_ipsec, acquire_work);
	struct iroce_flow_key key;

	for (;;) {
		spin_lock_bh(&ipsec->acquire_lock);
		if (!ipsec->n_acquires) {
			spin_unlock_bh(&ipsec->acquire_lock);
			return;
		}
		key = ipsec->acquires[--ipsec->n_acquires];
		spin_unlock_bh(&ipsec->acquire_lock);

		acquire(ipsec->f, &key);
	}
}

void iroce_acquire(struct iroce_ipsec *ipsec, struct iroce_policy *policy,
		   const struct iroce_flow_key *key)
{
	unsigned long at = READ_ONCE(policy->acquire_at);

	if (time_before(jiffies, at) || cmpxchg(&policy->acquire_at, at, jiffies + HZ) != at)
		return;
	spin_lock_bh(&ipsec->acquire_lock);
	/* Full: another packet of the flow asks again. */
	if (!READ_ONCE(ipsec->f->is_dying) && ipsec->n_acquires < IROCE_ACQUIRE_MAX) {
		ipsec->acquires[ipsec->n_acquires++] = *key;
		queue_work(iroce_ipsec_wq, &ipsec->acquire_work);
	}
	spin_unlock_bh(&ipsec->acquire_lock);
}

void iroce_acquire_setup(struct iroce_ipsec *ipsec)
{
	spin_lock_init(&ipsec->acquire_lock);
	INIT_WORK(&ipsec->acquire_work, acquire_work);
}

void iroce_acquire_teardown(struct iroce_ipsec *ipsec)
{
	cancel_work_sync(&ipsec->acquire_work);
}
