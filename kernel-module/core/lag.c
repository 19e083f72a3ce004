// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The port of a flow: bonding's layer3+4.
 */
#include "lag.h"

static u32 fold(u16 family, const union iroce_addr *a)
{
	u32 words = (__force u32)a->v6[0];

	if (family != AF_INET6)
		return words;
	return words ^ (__force u32)a->v6[1] ^ (__force u32)a->v6[2] ^ (__force u32)a->v6[3];
}

u32 iroce_lag_hash(const struct iroce_flow_key *key)
{
	const __be16 ports[2] = { key->sport, key->dport };
	u32 hash;

	memcpy(&hash, ports, sizeof(hash));
	hash ^= fold(key->family, &key->daddr) ^ fold(key->family, &key->saddr);
	hash ^= hash >> 16;
	hash ^= hash >> 8;
	/* The lowest bit of local ports is mostly the same. */
	return hash >> 1;
}

static u32 count(u32 mask)
{
	u32 n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

/* The @n-th bit that is set, from 0; there are more than @n. */
static int nth(u32 mask, u32 n)
{
	while (n--)
		mask &= mask - 1;
	return __builtin_ctz(mask);
}

int iroce_lag_pick(u32 hash, u32 present, u32 usable)
{
	u32 n = count(present);
	int slot;

	usable &= present;
	if (!usable)
		return IROCE_LAG_NO_SLOT;
	slot = nth(present, hash % n);
	if (usable >> slot & 1)
		return slot;
	return nth(usable, hash / n % count(usable));
}
