/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the fuzz targets share: the entry point's type, a reader of the input, an assertion
 * that also holds in release builds.
 */
#ifndef IROCE_FUZZ_H
#define IROCE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                            \
	do {                                                               \
		if (!(x)) {                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                           \
		}                                                          \
	} while (0)

struct input {
	const uint8_t *data;
	size_t size;
};

/* The next @len bytes (at most 8) as a number; zeroes behind the end. */
static inline uint64_t take(struct input *in, int len)
{
	uint64_t v = 0;

	while (len--) {
		v <<= 8;
		if (in->size) {
			v |= *in->data++;
			in->size--;
		}
	}
	return v;
}

#endif /* IROCE_FUZZ_H */
