// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "fake_report.h"

char said[2048], fault[640];

void say(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len - 1, fmt, ap);
	va_end(ap);
	strcat(said, "\n");
}

int setup_fail(struct setup *s, int err, const char *fmt, ...)
{
	va_list ap;

	(void)s;
	va_start(ap, fmt);
	vsnprintf(fault, sizeof(fault), fmt, ap);
	va_end(ap);
	return err;
}

int library_fail(struct setup *s, int err)
{
	return setup_fail(s, err, "%s", s->h ? ipsec_roce_message(s->h) : "the library fails");
}
