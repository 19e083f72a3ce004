/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which RDMA device a function has.
 */
#ifndef IROCE_FUNC_LAG_H
#define IROCE_FUNC_LAG_H

#include "base/base.h"

int iroce_rdma_module_init(void);
void iroce_rdma_module_exit(void);

/* After register_netdev(): registers its RDMA device, unless a bond's is to be its. */
int iroce_rdma_init(struct iroce_func *f);
/* Before unregister_netdev(); disassociates users, errors and frees all QPs. */
void iroce_rdma_fini(struct iroce_func *f);

/* Before the function has a netdev that could be in a bond; after it has none. */
void iroce_rdma_prepare(struct iroce_func *f);
void iroce_rdma_cleanup(struct iroce_func *f);

/* Carrier, MTU or address of the netdev changed: port events, active MTU. RTNL. */
void iroce_rdma_netdev_event(struct iroce_func *f, unsigned long event);

/*
 * An outbound SA is deleted: I6, no flow keeps its key, not even of a QP that never
 * sends again. Any context but hard irq; it happens a little later.
 */
void iroce_rdma_sa_gone(struct iroce_func *f);

#endif /* IROCE_FUNC_LAG_H */
