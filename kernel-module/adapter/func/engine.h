/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which functions may share an SA.
 */
#ifndef IROCE_FUNC_ENGINE_H
#define IROCE_FUNC_ENGINE_H

/* Tells ipsec_roce_engine.ko that an adapter's functions can share SAs. */
void iroce_engine_module_init(void);
void iroce_engine_module_exit(void);

#endif /* IROCE_FUNC_ENGINE_H */
