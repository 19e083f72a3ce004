/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The commands. Each returns 0 or -errno, or an exit status that is its result.
 */
#ifndef SETUP_COMMANDS_H
#define SETUP_COMMANDS_H

#include "base/setup.h"

int cmd_genkey(struct setup *s);
int cmd_up(struct setup *s);
int cmd_rekey(struct setup *s);
int cmd_status(struct setup *s);
int cmd_verify(struct setup *s);	/* an exit status */
int cmd_down(struct setup *s);
int cmd_down(struct setup *s);

#endif
