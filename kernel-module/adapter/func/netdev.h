/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netdev of a function.
 */
#ifndef IROCE_FUNC_NETDEV_H
#define IROCE_FUNC_NETDEV_H

#include <linux/ethtool.h>
#include <net/gro_cells.h>

#include "base/base.h"
#include "tc.h"

#define IROCE_MAX_QUEUES	8	/* receive queues of a function, for what the switch delivers */
#define IROCE_RXQ_LIMIT	8192	/* frames waiting in one receive queue */

/* One receive queue for what other functions (or this one) send to us. */
struct iroce_rxq {
	struct napi_struct napi;
	struct iroce_func *func;
	struct sk_buff_head frames;	/* its lock guards is_open too */
	bool is_open;
};

/* struct iroce_host - the host side of a function */
struct iroce_host {
	unsigned int n_queues;
	struct iroce_rxq *queues;
	struct gro_cells gro;
	struct iroce_tc tc[2];		/* by enum iroce_fence_dir */
	struct list_head tc_blocks;	/* flow_block_cb; RTNL */
};

struct net_device *iroce_netdev_create(struct iroce_port *port, struct pci_dev *pdev,
				       unsigned int vf);
/* After unregister_netdev() and a grace period. */
void iroce_netdev_destroy(struct net_device *netdev);

/* ---- ethtool.c ---------------------------------------------------------- */

extern const struct ethtool_ops iroce_ethtool_ops;

#endif /* IROCE_FUNC_NETDEV_H */
