/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What main.c gives the other files, for tests that do not link it: what they say and
 * why they fail is kept to be looked at.
 */
#ifndef FAKE_MAIN_H
#define FAKE_MAIN_H

extern char said[2048];		/* by say(), a line each; a test begins it anew with *said = 0 */
extern char fault[640];		/* the last reason that setup_fail() was given */

#endif /* FAKE_MAIN_H */
