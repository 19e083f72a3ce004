/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * In the place of report.c: what the command says, and why it fails, is kept to be looked at.
 */
#ifndef FAKE_REPORT_H
#define FAKE_REPORT_H

extern char said[2048];		/* by say(), a line each; a test begins it anew with *said = 0 */
extern char fault[640];		/* the last reason that setup_fail() was given */

#endif /* FAKE_REPORT_H */
