/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policies of a function, and the tombstones that outlive them.
 */
#ifndef IROCE_IPSEC_POLICY_H
#define IROCE_IPSEC_POLICY_H

#include "engine/ipsec_roce_engine.h"
#include "room.h"

enum iroce_policy_kind {
	IROCE_POLICY_NONE,	/* no policy: plain */
	IROCE_POLICY_BYPASS,
	IROCE_POLICY_SEAL,
	IROCE_POLICY_BLOCK,
	IROCE_POLICY_BURIED,	/* what protected the flow is gone */
};

/*
 * struct iroce_policy - a policy, and what is left of it
 *
 * @spd: in ipsec->spd while the kernel has it; @tomb: in ipsec->tombs as well,
 *	see policy.c, and stays there as a tombstone when the policy goes
 * @kind: SEAL, BLOCK or BYPASS
 * @reqid, @spi: the template: which SA; 0: any
 * @is_owned: between policy_add and policy_free; @is_pending: on ipsec->pending
 * @kept: from policy_delete to policy_free
 */
struct iroce_policy {
	struct iroce_spd_node spd;
	struct iroce_spd_node tomb;
	enum iroce_policy_kind kind;
	u8 dir;
	bool is_owned;
	bool is_pending;
	u32 reqid;
	__be32 spi;
	struct list_head link;
	struct ipsec_roce_kept_policy kept;
	struct rcu_head rcu;
};

static inline struct iroce_policy *iroce_policy_of(struct iroce_spd_node *node)
{
	return node ? container_of(node, struct iroce_policy, spd) : NULL;
}

static inline struct iroce_policy *iroce_policy_of_tomb(struct iroce_spd_node *node)
{
	return node ? container_of(node, struct iroce_policy, tomb) : NULL;
}

static inline bool iroce_policy_is_protecting(const struct iroce_policy *policy)
{
	return policy->kind != IROCE_POLICY_BYPASS;
}

int iroce_policy_init(struct iroce_ipsec *ipsec);
void iroce_policy_fini(struct iroce_ipsec *ipsec);
/* Room for one more policy like @policy. Process context. */
int iroce_policy_make_room(struct iroce_ipsec *ipsec, const struct iroce_policy *policy);

/* Under ipsec->lock. */
int iroce_policy_insert(struct iroce_ipsec *ipsec, struct iroce_policy *policy);
void iroce_policy_unlink(struct iroce_ipsec *ipsec, struct iroce_policy *policy);
/* Frees the policy, after a grace period, if neither xfrm nor a tombstone has it any more. */
void iroce_policy_release(struct iroce_policy *policy);

#endif /* IROCE_IPSEC_POLICY_H */
