/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * To a new generation, make before break.
 */
#ifndef SETUP_REKEY_H
#define SETUP_REKEY_H

#include "base/setup.h"
#include "tunnel/tunnel.h"

/* One step of it, or all that sends: listen and send. */
int rekey_to(struct setup *s, struct tunnel *t, const struct generation *g,
	     enum rekey_step step);

#endif
