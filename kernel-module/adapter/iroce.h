/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rooms of the adapter still call by name although it is above or beside them.
 */
#ifndef IROCE_H
#define IROCE_H

#include <linux/refcount.h>

#include "base/base.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "roce/roce.h"

/* Whether functions that nobody has decided about are closed until they are protected. */
bool iroce_starts_closed(void);

/* Tells ipsec_roce_engine.ko that an adapter's functions can share SAs. */
void iroce_engine_module_init(void);
void iroce_engine_module_exit(void);

/* ---- roce: lag.c, device.c, rvt.c, flow.c, ... -------------------------- */

/*
 * An outbound SA is deleted: I6, no flow keeps its key, not even of a QP that never
 * sends again. Any context but hard irq; it happens a little later.
 */
void iroce_rdma_sa_gone(struct iroce_func *f);

#endif /* IROCE_H */
