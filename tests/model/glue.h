/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What handover.pml sees of core/repl.c: one SA per host, one step at a time.
 * spin copies and compares a state some hundred thousand times, so what it keeps of an SA is small.
 */
#ifndef IROCE_MODEL_GLUE_H
#define IROCE_MODEL_GLUE_H

#include "core/repl.h"

/* All of a host's SA and group that can differ between two states of the model. */
struct glue_host {
	unsigned char cell[2];
	unsigned char mark;
	unsigned char held, live, standby, holder, target;
	unsigned char is_dead, is_blind;
	unsigned char running, active;
};

/* spin's c_track reads and writes this; plain data, no pointers. */
extern struct glue_host glue_state[2];

/* What a step decided, of use to the model. */
struct glue_verdict {
	bool is_refused;
	unsigned char mask, live_port, start;
};

void glue_init(int host, int placement, int last, int gap);
struct glue_verdict glue_step(int host, int type, int port, int last, int ahead);

#endif /* IROCE_MODEL_GLUE_H */
