/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses that a UD queue pair was once protected towards.
 */
#ifndef IROCE_ROCE_PEERS_H
#define IROCE_ROCE_PEERS_H

#include <linux/list.h>
#include <linux/types.h>

#include "roce.h"

struct in6_addr;
struct iroce_qp;

#define IROCE_PEERS	32		/* hash buckets of protected peers of a UD QP */

/* struct iroce_peers - addresses a QP has once been protected towards; flow_lock */
struct iroce_peers {
	struct hlist_head bucket[IROCE_PEERS];
	unsigned int n;
	bool is_full;			/* cannot remember more: all count as protected */
};

/* All under flow_lock. */
void iroce_peers_remember(struct iroce_qp *iqp, const struct in6_addr *addr);
bool iroce_peers_have(struct iroce_qp *iqp, const struct in6_addr *addr);
void iroce_peers_forget(struct iroce_qp *iqp);

#endif /* IROCE_ROCE_PEERS_H */
