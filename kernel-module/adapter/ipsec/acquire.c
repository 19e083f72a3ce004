// SPDX-License-Identifier: GPL-2.0
/*
 * A QP's flow meets a policy without SA: ask the key daemons, as the stack does.
 *
 * RoCE never takes the stack's output path, so nothing there asks. The exported
 * way to an ACQUIRE is a route lookup whose flow matches the policy: xfrm finds no
 * state, makes a larval one (we see it as state_add with the ACQ flag) and tells
 * the daemons. That sleeps and takes locks, so it runs from a workqueue, oldest question
 * first. core/ask.h bounds how many there are, and how often one is asked.
 */
#include <linux/inetdevice.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "acquire.h"
#include "sa.h"

/* Between two questions for one policy and pair of addresses. */
#define ASK_INTERVAL	HZ

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
	/* unregister_netdev() waits for who has seen it alive; after that it may have no netns. */
	net = READ_ONCE(f->is_dying) ? NULL : maybe_get_net(dev_net(f->netdev));
	rcu_read_unlock();
	return net;
}

static void acquire_sa(struct iroce_func *f, const struct iroce_flow_key *key)
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
	bool is_any;

	for (;;) {
		spin_lock_bh(&ipsec->acquire_lock);
		is_any = iroce_ask_next(ipsec->ask, &key);
		spin_unlock_bh(&ipsec->acquire_lock);
		if (!is_any)
			return;
		acquire_sa(ipsec->f, &key);
		cond_resched();
	}
}

void iroce_acquire(struct iroce_ipsec *ipsec, const struct iroce_policy *policy,
		   const struct iroce_flow_key *key)
{
	struct iroce_func *f = ipsec->f;

	spin_lock_bh(&ipsec->acquire_lock);
	if (READ_ONCE(f->is_dying))
		goto unlock;
	switch (iroce_ask_note(ipsec->ask, policy, key, get_jiffies_64())) {
	case IROCE_ASK_NEW:
		queue_work(iroce_ipsec_wq, &ipsec->acquire_work);
		break;
	case IROCE_ASK_SOON:
		break;
	case IROCE_ASK_FULL:
		iroce_count(f, IROCE_STAT_ipsec_acquire_refused);
		break;
	}
unlock:
	spin_unlock_bh(&ipsec->acquire_lock);
}

int iroce_acquire_init(struct iroce_ipsec *ipsec)
{
	ipsec->ask = kvmalloc(sizeof(*ipsec->ask), GFP_KERNEL);
	if (!ipsec->ask)
		return -ENOMEM;
	iroce_ask_init(ipsec->ask, ASK_INTERVAL, get_random_u32());
	spin_lock_init(&ipsec->acquire_lock);
	INIT_WORK(&ipsec->acquire_work, acquire_work);
	return 0;
}

void iroce_acquire_fini(struct iroce_ipsec *ipsec)
{
	cancel_work_sync(&ipsec->acquire_work);
	kvfree(ipsec->ask);
}
