/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PCI driver of PFs and VFs.
 */
#ifndef IROCE_FUNC_PROBE_H
#define IROCE_FUNC_PROBE_H

#include <linux/types.h>

int iroce_func_register_driver(void);
void iroce_func_unregister_driver(void);
/* VFs that a PF enables when it is probed. */
unsigned int iroce_initial_vfs(void);

#endif /* IROCE_FUNC_PROBE_H */
