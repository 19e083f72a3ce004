/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the operator is told.
 */
#ifndef SETUP_REPORT_H
#define SETUP_REPORT_H

#include <errno.h>

#include "setup.h"

/* A line on standard output. With --json nothing is said: standard output is one object. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Keeps the first failure and returns err. */
int setup_fail(struct setup *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with the library's message. */
int library_fail(struct setup *s, int err);

/* Taking away what is not there is no failure. */
static inline int gone_is_good(struct setup *s, int err)
{
	if (err == -ENOENT || err == -ESRCH || err == -ENODEV)
		return 0;
	return err ? library_fail(s, err) : 0;
}

#endif
