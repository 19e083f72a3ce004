/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function as the switch sees it.
 */
#ifndef IROCE_FABRIC_VPORT_H
#define IROCE_FABRIC_VPORT_H

#include <linux/list.h>

#include "fabric.h"
#include "shaper.h"

/*
 * struct iroce_vport - a function in the switch; as long as the function
 * @node: in the switch's funcs; @all_node: in its all
 * @is_promisc, @is_allmulti: what is flooded to it besides its addresses
 */
struct iroce_vport {
	struct iroce_func *func;
	struct list_head node;
	struct list_head all_node;
	bool is_promisc;
	bool is_allmulti;
	struct iroce_shaper shaper;
};

#endif /* IROCE_FABRIC_VPORT_H */
