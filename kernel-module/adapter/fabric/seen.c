// SPDX-License-Identifier: GPL-2.0
/*
 * Who has been seen behind a cable of late: addresses that frames came from. A VF is not to take
 * one of them, so none may be forgotten because others came: anybody behind the cable can send from
 * any address, from one that falls on the gateway's place, too. Hence no table with places to
 * lose, but Bloom filters: what has been noted is found. What is found need not have been noted:
 * of 1,000 hosts' addresses one in 80,000 others is taken for seen, of 10,000 one in 120; who fills the
 * filter on purpose keeps VFs from new addresses that nobody has given them, and opens nothing.
 *
 * One filter takes what comes for SEEN_FOR, and is kept for as long again while the other one does.
 */
#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "seen.h"

#define SEEN_FOR	(300 * HZ)	/* as bridges remember (IEEE 802.1D) */
#define FILTER_BITS	17
#define N_HASHES	3
#define CACHE_BITS	8

struct filter {
	DECLARE_BITMAP(map, 1 << FILTER_BITS);
};

/* A second's notes, that most frames need no more than a look. */
struct cached {
	unsigned long when;	/* jiffies */
	u64 addr;		/* ether_addr_to_u64(); 0: none */
};

/*
 * struct iroce_seen - of a port
 * @lock: filters change places; BH disabled, innermost
 * @since: jiffies when @filters[@now] began
 * @cache: by hash; two CPUs may write one place at once, which costs another look
 */
struct iroce_seen {
	struct rcu_head rcu;
	siphash_key_t key;
	spinlock_t lock;
	unsigned long since;
	unsigned int now;
	struct cached cache[1 << CACHE_BITS];
	struct filter filters[2];
};

/* BH disabled. */
static void turn_filters(struct iroce_seen *seen)
{
	unsigned long age = jiffies - READ_ONCE(seen->since);

	if (likely(age < SEEN_FOR))
		return;
	spin_lock(&seen->lock);
	age = jiffies - seen->since;
	if (age >= SEEN_FOR) {
		unsigned int next = !seen->now;

		/* Nothing has come since the filter should have changed places. */
		if (age >= 2 * SEEN_FOR)
			bitmap_zero(seen->filters[seen->now].map, 1 << FILTER_BITS);
		bitmap_zero(seen->filters[next].map, 1 << FILTER_BITS);
		smp_store_release(&seen->now, next);
		WRITE_ONCE(seen->since, jiffies);
	}
	spin_unlock(&seen->lock);
}

static unsigned int bit_of(u64 hash, unsigned int i)
{
	return hash >> (i * FILTER_BITS) & ((1 << FILTER_BITS) - 1);
}

static bool filter_has(const struct filter *filter, u64 hash)
{
	unsigned int i;

	for (i = 0; i < N_HASHES; i++)
		if (!test_bit(bit_of(hash, i), filter->map))
			return false;
	return true;
}

static struct cached *cache_at(struct iroce_seen *seen, u64 addr)
{
	return &seen->cache[hash_64(addr, CACHE_BITS)];
}

bool iroce_seen_just_now(struct iroce_seen *seen, const u8 *mac)
{
	u64 addr = ether_addr_to_u64(mac);
	const struct cached *cached = cache_at(seen, addr);
	unsigned long when = READ_ONCE(cached->when);

	/* An address is never younger than its time: see iroce_seen_note(). */
	smp_rmb();
	return READ_ONCE(cached->addr) == addr && time_before(jiffies, when + HZ);
}

void iroce_seen_note(struct iroce_seen *seen, const u8 *mac)
{
	u64 addr = ether_addr_to_u64(mac), hash = siphash_1u64(addr, &seen->key);
	struct cached *cached = cache_at(seen, addr);
	struct filter *filter;
	unsigned int i;

	turn_filters(seen);
	filter = &seen->filters[smp_load_acquire(&seen->now)];
	for (i = 0; i < N_HASHES; i++)
		if (!test_bit(bit_of(hash, i), filter->map))
			set_bit(bit_of(hash, i), filter->map);
	/* Whoever finds it here need not look there; and no address has another one's time. */
	smp_wmb();
	WRITE_ONCE(cached->addr, addr);
	smp_wmb();
	WRITE_ONCE(cached->when, jiffies);
}

bool iroce_seen_has(struct iroce_seen *seen, const u8 *mac)
{
	u64 hash = siphash_1u64(ether_addr_to_u64(mac), &seen->key);

	turn_filters(seen);
	return filter_has(&seen->filters[0], hash) || filter_has(&seen->filters[1], hash);
}

struct iroce_seen *iroce_seen_create(void)
{
	struct iroce_seen *seen = kvzalloc(sizeof(*seen), GFP_KERNEL);

	if (!seen)
		return NULL;
	get_random_bytes(&seen->key, sizeof(seen->key));
	spin_lock_init(&seen->lock);
	seen->since = jiffies;
	return seen;
}

void iroce_seen_destroy(struct iroce_seen *seen)
{
	kvfree_rcu(seen, rcu);
}
