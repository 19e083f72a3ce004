/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function as the switch sees it.
 */
#ifndef IROCE_FABRIC_VPORT_H
#define IROCE_FABRIC_VPORT_H

#include <linux/list.h>

#include "fabric.h"
#include "fence.h"
#include "shaper.h"

/* The fence's rules of one direction. Written under RTNL, read under RCU. */
struct iroce_fence {
	struct list_head rules;
	unsigned int n_rules;
};

/*
 * struct iroce_vport - a function in the switch; as long as the function
 * @node: in the switch's funcs; @all_node: in its all
 * @is_promisc, @is_allmulti: what is flooded to it besides its addresses
 */
struct iroce_vport {
	struct iroce_func *func;
	const struct iroce_vport_ops *ops;
	struct list_head node;
	struct list_head all_node;
	bool is_promisc;
	bool is_allmulti;
	struct iroce_shaper shaper;
	struct iroce_fence fence[2];	/* by enum iroce_fence_dir */
};

/* ---- fence.c ------------------------------------------------------------ */

void iroce_fence_init(struct iroce_fence *fence);
/* Nobody sends or receives any more. */
void iroce_fence_clear(struct iroce_fence *fence);
/* True: a rule says drop; counted. RCU read side. Does not consume @skb. */
bool iroce_fence_drops(struct iroce_func *f, struct sk_buff *skb, enum iroce_fence_dir dir);

#endif /* IROCE_FABRIC_VPORT_H */
