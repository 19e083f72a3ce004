/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SAs of a bond: what is taken, and their life.
 */
#ifndef IPSEC_ROCE_SA_H
#define IPSEC_ROCE_SA_H

#include <linux/jhash.h>
#include <net/xfrm.h>

#include "core/repl.h"

struct ipsec_roce_bond;
struct ipsec_roce_shadow;

#define IPSEC_ROCE_USED_UNKNOWN	U64_MAX
/* Behind what a port reports as its last number sent: packets on their way, late reports. */
#define IPSEC_ROCE_GAP_OUT	(1U << 16)

/* What the wire knows an SA by. */
struct ipsec_roce_sa_id {
	xfrm_address_t daddr;
	__be32 spi;
	u16 family;
};

static inline bool ipsec_roce_id_equal(const struct ipsec_roce_sa_id *a,
				       const struct ipsec_roce_sa_id *b)
{
	return a->spi == b->spi && a->family == b->family &&
	       xfrm_addr_equal(&a->daddr, &b->daddr, a->family);
}

/*
 * struct ipsec_roce_sa - a state of a bond
 * @x: good from state_add to state_free; bond.lock. Then ingress.c's
 * @is_twin: xfrm adds a second state with the identity of the first before it looks
 *	whether there is one: a mistake that it takes back, or an update of the first one's
 *	lifetimes. A twin is at no port until the first one has left: see twin.c
 * @id: of @x, which readers under RCU alone must not look at
 * @key: hash of the key; @has_claim: it is claimed, see key.c
 * @used: numbers up to it may have been used: sent, or the window's top. 0: none;
 *	IPSEC_ROCE_USED_UNKNOWN: nobody can say how far
 * @is_heir: its key was another SA's before; @is_lost: it could not take over, see twin.c
 * @armed_at: port that it was handed to last, or IROCE_REPL_NO_PORT
 * @encap: UDP port that it comes to, or 0
 * @missed: frames that came to a port's stack unopened, by port
 * @seen_port: the last of these ports
 * @lock: @is_deleted, @shadow[], @gone, @spent
 * @gone: what shadows that are no more have counted
 * @spent: what of that the ports that have it now do not count: they are the first
 *	ones, or the one, that got it since
 */
struct ipsec_roce_sa {
	struct list_head link;
	struct hlist_node spi_link;
	struct hlist_node flow_link;	/* per port only */
	struct ipsec_roce_bond *bond;
	struct xfrm_state *x;
	const char *geniv;	/* what x had: ports' drivers look at it, and x is pinned */
	struct ipsec_roce_sa_id id;
	u64 key;
	u64 used;
	u8 placement;
	u8 dir;
	u8 armed_at;
	bool is_twin;
	bool is_heir;
	bool is_lost;
	bool has_claim;
	u64 first_start;		/* what xfrm said was used already */
	struct iroce_repl_sa repl;

	__be16 encap;

	struct list_head seen_link;
	u64 missed[IROCE_REPL_PORTS_MAX];
	u8 seen_port;
	bool is_unlinked;

	spinlock_t lock;
	bool is_deleted;
	struct ipsec_roce_shadow *shadow[IROCE_REPL_PORTS_MAX];
	struct {
		u64 packets;
		u64 bytes;
		struct xfrm_stats stats;
	} gone;
	struct {
		u64 packets;
		u64 bytes;
	} spent;
	struct rcu_head rcu;
};

static inline struct ipsec_roce_sa *ipsec_roce_sa_of(const struct xfrm_state *x)
{
	return (struct ipsec_roce_sa *)READ_ONCE(x->xso.offload_handle);
}

/* In bond.by_spi. */
static inline u32 ipsec_roce_sa_hash(const struct ipsec_roce_sa_id *id, u8 dir)
{
	return jhash_1word((__force u32)id->spi, dir);
}

int ipsec_roce_sa_add(struct net_device *dev, struct xfrm_state *x,
		      struct netlink_ext_ack *extack);
void ipsec_roce_sa_delete(struct net_device *dev, struct xfrm_state *x);
void ipsec_roce_sa_free(struct net_device *dev, struct xfrm_state *x);
/*
 * Placed, at all ports, its key claimed; or an error, and nothing of it is anywhere. @used:
 * numbers that its key has used before, at least. bond.lock.
 */
int ipsec_roce_sa_place(struct ipsec_roce_sa *sa, u64 used, struct netlink_ext_ack *extack);
/* Deleted already: takes it from all ports, so that its key and identity are free. bond.lock. */
void ipsec_roce_sa_retire(struct ipsec_roce_sa *sa);

#endif /* IPSEC_ROCE_SA_H */
