// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses that a UD queue pair was once protected towards (I1, I5). flow_lock is held in all of
 * these; interrupts are off.
 */
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "qp.h"

#define MAX_PEERS	4096

struct peer {
	struct hlist_node node;
	struct in6_addr addr;
};

static struct hlist_head *peer_bucket(struct iroce_qp *iqp, const struct in6_addr *addr)
{
	return &iqp->peers.bucket[jhash(addr, sizeof(*addr), 0) % IROCE_PEERS];
}

/* Of the QP, which is there until after its peers. */
static struct iroce_charge *peer_charge(struct iroce_qp *iqp)
{
	return &iroce_verbs_qp(&iqp->qp->ibqp)->charge;
}

static struct peer *peer_find(struct iroce_qp *iqp, const struct in6_addr *addr)
{
	struct peer *peer;

	hlist_for_each_entry(peer, peer_bucket(iqp, addr), node)
		if (ipv6_addr_equal(&peer->addr, addr))
			return peer;
	return NULL;
}

void iroce_peers_remember(struct iroce_qp *iqp, const struct in6_addr *addr)
{
	struct peer *peer;

	if (peer_find(iqp, addr))
		return;
	if (iqp->peers.n >= MAX_PEERS || iroce_charge_more(peer_charge(iqp), sizeof(*peer)))
		goto full;
	peer = kmalloc(sizeof(*peer), GFP_ATOMIC);
	if (!peer)
		goto uncharge;
	peer->addr = *addr;
	hlist_add_head(&peer->node, peer_bucket(iqp, addr));
	iqp->peers.n++;
	return;

uncharge:
	iroce_charge_less(peer_charge(iqp), sizeof(*peer));
full:
	/* What cannot be remembered must not be forgotten: all are closed. */
	iqp->peers.is_full = true;
}

bool iroce_peers_have(struct iroce_qp *iqp, const struct in6_addr *addr)
{
	return iqp->peers.is_full || peer_find(iqp, addr);
}

void iroce_peers_forget(struct iroce_qp *iqp)
{
	struct hlist_node *tmp;
	struct peer *peer;
	int i;

	for (i = 0; i < IROCE_PEERS; i++)
		hlist_for_each_entry_safe(peer, tmp, &iqp->peers.bucket[i], node) {
			hlist_del(&peer->node);
			kfree(peer);
		}
	iroce_charge_less(peer_charge(iqp), (u64)iqp->peers.n * sizeof(*peer));
	iqp->peers.n = 0;
	iqp->peers.is_full = false;
}
