/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The process: what it must not leave behind, and when it must not be stopped.
 */
#ifndef SETUP_PROCESS_H
#define SETUP_PROCESS_H

/* Keys pass through this process: no core file, no debugger, no swap. */
void process_harden(void);
/*
 * From here on the command changes things: an interrupt waits for the end, which
 * is milliseconds away, instead of leaving half of it. Waits come before this.
 */
void process_hold_signals(void);

#endif
