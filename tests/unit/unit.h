/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the unit tests of core share: cmocka with its many includes, and random numbers that are
 * the same on every run (IROCE_TEST_SEED=n picks others; failures name the seed).
 */
#ifndef IROCE_UNIT_H
#define IROCE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/env.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static u64 rand_state;

static inline int rand_setup(void **state)
{
	const char *seed = getenv("IROCE_TEST_SEED");

	(void)state;
	rand_state = seed ? strtoull(seed, NULL, 0) : 0;
	if (seed)
		print_message("IROCE_TEST_SEED=%llu\n", (unsigned long long)rand_state);
	rand_state = rand_state * 2 + 0x9e3779b97f4a7c15ULL;
	return 0;
}

static inline u64 rand_u64(void)
{
	/* splitmix64 */
	u64 z = rand_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline u32 rand_below(u32 n)
{
	return (u32)(((rand_u64() >> 32) * n) >> 32);
}

#endif /* IROCE_UNIT_H */
