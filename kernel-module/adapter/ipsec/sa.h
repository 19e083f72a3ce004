/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Security associations: their life, their numbers, their lifetimes.
 */
#ifndef IROCE_IPSEC_SA_H
#define IROCE_IPSEC_SA_H

#include <crypto/aead.h>
#include <linux/refcount.h>
#include <net/xfrm.h>

#include "core/replay.h"
#include "room.h"

/*
 * struct iroce_numbers - what must not be there twice for one key: the IVs, the
 * sequence counter, the replay window, the packets that lifetimes count
 *
 * An SA has its own, unless a bond has the SA on several functions of an adapter:
 * then all of them use one (placement "shared"), and I3 and I4 hold over its ports
 * as they do on one.
 *
 * @iv_base: random; IV = iv_base + sequence number, see esp.c
 * @oseq: last sequence number given out
 * @packets, @bytes: of all functions, for the limits
 * @lock: @replay; spinlock, BH disabled; innermost
 */
struct iroce_numbers {
	refcount_t ref;
	u64 iv_base;

	atomic64_t oseq ____cacheline_aligned_in_smp;
	atomic64_t packets;
	atomic64_t bytes;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct iroce_replay replay;
};

void iroce_numbers_put(struct iroce_numbers *num);

/*
 * struct iroce_sa - a security association, one direction
 *
 * Owned by the xfrm_state (one reference from state_add to state_free), found by
 * the data path under RCU, kept by QP flows with references of their own. The
 * keys are in the tfms only. Freed from a workqueue: a tfm may sleep.
 *
 * @node: addresses, SPI, reqid, selector, life; in ipsec->sad while live
 * @key_hash: stands for the key, to compare with alone
 * @window: of x, packets
 * @is_dead: unlinked; set once, before any grace period is waited for
 * @has_limits: packet or byte lifetimes; without them none is compared
 * @soft_seq, @hard_seq: out: numbers at which an end of the SA's numbers is near, and there;
 *	@are_low, @are_spent: that has been told; under @lock
 * @fast: best cipher, synchronous only while crypto_simd_usable(); @safe: always
 *	synchronous; the same tfm where the kernel has one that is both
 * @num: set before the SA is found by anybody, good as long as the SA
 * @packets, @bytes: of this function, as xfrm counts them, bytes without IP header
 *	and ESP
 * @lock: @x, and the xfrm side's view of the counters
 * @x: NULL once xfrm has freed its side; the memory behind it is good for RCU
 *	readers that found the SA in the SAD
 */
struct iroce_sa {
	struct iroce_sad_node node;
	refcount_t ref;
	bool is_dead;
	bool is_esn;
	bool has_replay;
	u32 window;
	u64 key_hash;
	bool has_limits;
	bool is_soft_fired;
	struct crypto_aead *fast;
	struct crypto_aead *safe;
	struct iroce_numbers *num;
	u64 soft_packets;
	u64 hard_packets;
	u64 soft_bytes;
	u64 hard_bytes;
	u64 soft_seq;
	u64 hard_seq;
	bool are_low;
	bool are_spent;

	atomic64_t packets ____cacheline_aligned_in_smp;
	atomic64_t bytes;
	time64_t first_use;
	time64_t last_use;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct xfrm_state *x;
	struct xfrm_state *closed;	/* a reference: opened to the stack with our end, sa.c */
	u64 n_replayed;		/* seen before */
	u64 n_stale;		/* left of the window */
	u64 n_forged;

	struct delayed_work expire_work;
	struct rcu_work free_work;
};

static inline struct iroce_sa *iroce_sa_of(struct iroce_sad_node *node)
{
	return container_of(node, struct iroce_sa, node);
}

extern struct workqueue_struct *iroce_ipsec_wq;

/* Process context. The new SA has one reference, no tfm and is in no table. */
struct iroce_sa *iroce_sa_alloc(void);
/* One that nobody has seen, or that nobody sees any more; its ciphers are gone. */
void iroce_sa_destroy(struct iroce_sa *sa);
/* May two SAs use one set of numbers: is it the same SA? */
bool iroce_sa_is_same(const struct iroce_sa *a, const struct iroce_sa *b);
/*
 * Accounts a packet of @len plaintext bytes and sets off xfrm's expire events.
 * False: hard lifetime reached, the packet must not use the SA. BH disabled.
 */
bool iroce_sa_charge(struct iroce_sa *sa, unsigned int len);
/* Number @seq has been used, or would have been beyond the last: asks for the next SA in time. */
void iroce_sa_numbers_used(struct iroce_sa *sa, u64 seq);
/* Hard lifetime reached already? A look only. */
bool iroce_sa_is_spent(const struct iroce_sa *sa);
/* Lifetimes from xfrm's lft; also when it changed. Under sa->lock. */
void iroce_sa_set_limits(struct iroce_sa *sa, const struct xfrm_lifetime_cfg *lft);

#endif /* IROCE_IPSEC_SA_H */
