/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PCI driver of PFs and VFs.
 */
#ifndef IROCE_FUNC_PROBE_H
#define IROCE_FUNC_PROBE_H

#include <linux/types.h>

/* @n_vfs: VFs that a PF enables when it is probed. */
int iroce_func_register_driver(unsigned int n_vfs);
void iroce_func_unregister_driver(void);
/* Whether functions that nobody has decided about are closed until they are protected. */
bool iroce_starts_closed(void);

#endif /* IROCE_FUNC_PROBE_H */
