/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the library's tests share: cmocka with its many includes, a handle as
 * the group's state, and a folder of their own.
 */
#ifndef IPSEC_ROCE_TEST_H
#define IPSEC_ROCE_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipsec_roce.h"

static inline int handle_open(void **state)
{
	return ipsec_roce_open((struct ipsec_roce **)state);
}

static inline int handle_close(void **state)
{
	ipsec_roce_close(*state);
	return 0;
}

/* A fresh folder below TMPDIR; the caller's buffer holds its name. */
static inline char *folder_make(char *name, size_t size)
{
	const char *top = getenv("TMPDIR");

	snprintf(name, size, "%s/ipsec-roce-test.XXXXXX", top ? top : "/tmp");
	assert_non_null(mkdtemp(name));
	return name;
}

static inline void file_write(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

#endif
