// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the operator is told: lines as things are done, and at the end why they failed.
 */
#include <stdarg.h>
#include <stdio.h>

#include "report.h"

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int setup_fail(struct setup *s, int err, const char *fmt, ...)
{
	va_list ap;

	if (!*s->fault) {
		va_start(ap, fmt);
		vsnprintf(s->fault, sizeof(s->fault), fmt, ap);
		va_end(ap);
	}
	return err;
}

int library_fail(struct setup *s, int err)
{
	return setup_fail(s, err, "%s", ipsec_roce_message(s->h));
}
