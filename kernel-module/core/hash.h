/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The hash of core's tables: MurmurHash3's 32-bit mixing, over words, with a seed.
 * Keys enter the tables only through the control plane; the seed keeps them from being chosen to
 * collide. Private to core.
 */
#ifndef IROCE_CORE_HASH_H
#define IROCE_CORE_HASH_H

#include "flow.h"

static inline u32 iroce_hash_rol(u32 v, u32 n)
{
	return v << n | v >> (32 - n);
}

static inline u32 iroce_hash_add(u32 h, u32 word)
{
	h ^= iroce_hash_rol(word * 0xcc9e2d51U, 15) * 0x1b873593U;
	return iroce_hash_rol(h, 13) * 5 + 0xe6546b64U;
}

/* An IPv4 address is its first word: the others are zero by the rule of union iroce_addr. */
static inline u32 iroce_hash_addr(u32 h, u16 family, const union iroce_addr *a)
{
	h = iroce_hash_add(h, (__force u32)a->v6[0]);
	if (family != AF_INET6)
		return h;
	h = iroce_hash_add(h, (__force u32)a->v6[1]);
	h = iroce_hash_add(h, (__force u32)a->v6[2]);
	return iroce_hash_add(h, (__force u32)a->v6[3]);
}

static inline u32 iroce_hash_end(u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6bU;
	h ^= h >> 13;
	h *= 0xc2b2ae35U;
	return h ^ h >> 16;
}

#endif /* IROCE_CORE_HASH_H */
