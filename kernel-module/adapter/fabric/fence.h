/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RoCE fence: rules that drop cleartext RoCEv2 on its way out of a function or into it.
 */
#ifndef IROCE_FABRIC_FENCE_H
#define IROCE_FABRIC_FENCE_H

#include "base/base.h"
#include "core/flow.h"

enum iroce_fence_dir { IROCE_FENCE_IN, IROCE_FENCE_OUT };

/*
 * struct iroce_fence_match - what a rule drops of RoCEv2
 * @family: AF_INET, AF_INET6; @is_tagged: wants exactly one VLAN tag, else none
 */
struct iroce_fence_match {
	u16 family;
	bool is_tagged;
	__be16 vlan_tci;
	__be16 vlan_mask;
	union iroce_addr src, src_mask;
	union iroce_addr dst, dst_mask;
};

struct iroce_fence_hits {
	u64 packets;
	u64 bytes;
};

/* RTNL, process context: -EEXIST, -ENOSPC, -ENOMEM. @cookie: the rule's name. */
int iroce_fence_add(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie,
		    const struct iroce_fence_match *match);
/* RTNL: -ENOENT. */
int iroce_fence_del(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie);
/* RTNL: what the rule has dropped since this was asked last; -ENOENT. */
int iroce_fence_take_hits(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie,
			  struct iroce_fence_hits *news, unsigned long *last_used);
/* RTNL */
bool iroce_fence_has_rules(const struct iroce_func *f);

#endif /* IROCE_FABRIC_FENCE_H */
