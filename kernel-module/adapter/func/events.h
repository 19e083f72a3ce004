/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to netdevs.
 */
#ifndef IROCE_FUNC_EVENTS_H
#define IROCE_FUNC_EVENTS_H

int iroce_events_module_init(void);
void iroce_events_module_exit(void);

#endif /* IROCE_FUNC_EVENTS_H */
