/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private to the IPsec half of iroce.ko: xfrm, spd, sad, numbers, esp, frame, host_xmit,
 * rx, ipsec*. What the other halves may use is in iroce.h.
 *
 * Locks, outermost first:
 *	xfrm_state.lock		the kernel's, held by it around most of our callbacks
 *	iroce_ipsec.lock	writers of SAD and SPD (spinlock, BH disabled)
 *	iroce_sa.lock		the pointer back to xfrm, counters of drops (spinlock, BH disabled)
 *	iroce_numbers.lock	replay window (spinlock, BH disabled)
 * The data path takes none but iroce_numbers.lock, once per packet received; it
 * finds SAs and policies under RCU.
 */
#ifndef IROCE_IPSEC_H
#define IROCE_IPSEC_H

#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/xfrm.h>

#include "core/ask.h"
#include "core/esp.h"
#include "core/replay.h"
#include "core/sad.h"
#include "core/spd.h"
#include "engine/ipsec_roce_engine.h"
#include "iroce.h"

/* ---- room.c ---------------------------------------------------------- */

/*
 * struct iroce_ipsec - SAD, SPD and fences of a function
 * @lock: all writers of what follows
 * @spd: policies the kernel has, by direction (enum iroce_dir)
 * @fence: every policy that protects or did protect, see policy.c
 * @pending: policies that wait for the one they replace to go
 * @n_fences: policies that are gone, and still in @fence
 * @is_closed: too many fences to remember, everything is fenced
 * @starts_closed: where no policy protects a direction (@n_protecting of @spd), it is closed
 * @has_told: the log has had its line about the first packet that a fence dropped
 * @net: whose fences these are, to compare with alone; RTNL
 * @resize_lock: one rehash at a time; sleeps
 * @acquire_lock: @ask, what the key daemons are to be asked for (spinlock, BH disabled)
 */
struct iroce_ipsec {
	struct iroce_func *f;
	spinlock_t lock;
	struct iroce_sad sad;
	struct iroce_spd spd[2];
	struct iroce_spd fence[2];
	struct list_head pending;
	unsigned int n_fences;
	bool is_closed[2];
	bool starts_closed;
	unsigned int n_protecting[2];
	bool is_fail_closed;
	bool has_told;
	const struct net *net;
	struct mutex resize_lock;
	struct work_struct resize_work;

	spinlock_t acquire_lock;
	struct iroce_ask *ask;
	struct work_struct acquire_work;
};

extern struct workqueue_struct *iroce_ipsec_wq;

/* Counts @skb under @why and its family's totals, tells xfrm_stat, frees it. */
void iroce_ipsec_rx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why);
void iroce_ipsec_tx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why);

/* ---- xfrm_state.c ----------------------------------------------------------- */

extern const struct xfrmdev_ops iroce_xfrmdev_ops;

/* The state that a dead SA had closed to the stack gets its own type back. May sleep. */
void iroce_state_reopen(struct iroce_sa *sa);
/* As xdo_dev_state_add(); @first's SA is at another function of this adapter. */
int iroce_state_add_shared(struct net_device *dev, struct xfrm_state *x,
			   const struct xfrm_state *first, struct netlink_ext_ack *extack);

/* ---- engine.c -------------------------------------------------------- */

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

/* Process context; one reference. NULL: no memory. */
struct iroce_numbers *iroce_numbers_create(void);
void iroce_numbers_put(struct iroce_numbers *num);

/* Tells ipsec_roce_engine.ko that an adapter's functions can share SAs. */
void iroce_numbers_module_init(void);
void iroce_numbers_module_exit(void);

/* ---- sadb.c ------------------------------------------------------------ */

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
	struct xfrm_state *closed;	/* a reference: opened to the stack with our end, xfrm_state.c */
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

int iroce_sad_setup(struct iroce_ipsec *ipsec);
void iroce_sad_teardown(struct iroce_ipsec *ipsec);
/* Process context. The new SA has one reference, no tfm and is in no table. */
struct iroce_sa *iroce_sa_alloc(void);
/* One that nobody has seen, or that nobody sees any more; its ciphers are gone. */
void iroce_sa_destroy(struct iroce_sa *sa);
/*
 * Publishes @sa, or has it wait where (direction, daddr, SPI) is taken: see sadb.c. An SA that
 * waits for the one with its key has the numbers of that.
 */
int iroce_sad_insert(struct iroce_ipsec *ipsec, struct iroce_sa *sa);
/* May two SAs use one set of numbers: is it the same SA? */
bool iroce_sa_is_same(const struct iroce_sa *a, const struct iroce_sa *b);
/* Atomic. After it no packet begins to use the SA, and the one that waited for it is live. */
void iroce_sad_kill(struct iroce_ipsec *ipsec, struct iroce_sa *sa);
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
/* An inbound SA for a packet; NULL for none. RCU read side. */
struct iroce_sa *iroce_sad_lookup_in(const struct iroce_ipsec *ipsec,
				     const struct iroce_flow_key *key, __be32 spi);

/* ---- policy.c ------------------------------------------------------------ */

enum iroce_policy_kind {
	IROCE_POLICY_NONE,	/* no policy: plain */
	IROCE_POLICY_BYPASS,
	IROCE_POLICY_SEAL,
	IROCE_POLICY_BLOCK,
	IROCE_POLICY_FENCED,	/* what protected the flow is gone */
};

/*
 * struct iroce_policy - a policy, and what is left of it
 *
 * @spd: in ipsec->spd while the kernel has it; @fence: in ipsec->fence as well,
 *	see policy.c, and stays there as a fence when the policy goes
 * @kind: SEAL, BLOCK or BYPASS
 * @reqid, @spi: the template: which SA; 0: any
 * @is_owned: between policy_add and policy_free; @is_pending: on ipsec->pending
 * @kept: from policy_delete to policy_free
 */
struct iroce_policy {
	struct iroce_spd_node spd;
	struct iroce_spd_node fence;
	enum iroce_policy_kind kind;
	u8 dir;
	bool is_owned;
	bool is_pending;
	u32 reqid;
	__be32 spi;
	struct list_head link;
	struct ipsec_roce_kept_policy kept;
	struct rcu_head rcu;
};

int iroce_spd_setup(struct iroce_ipsec *ipsec);
void iroce_spd_teardown(struct iroce_ipsec *ipsec);
/* All of this direction is plain, nobody need look closer. RCU read side. */
bool iroce_spd_is_open(const struct iroce_ipsec *ipsec, enum iroce_dir dir);
/*
 * What becomes of a flow. @policy: set for SEAL; for FENCED what protected it
 * once, or NULL. RCU read side; the policy is good until its end.
 */
enum iroce_policy_kind iroce_spd_decide(const struct iroce_ipsec *ipsec, enum iroce_dir dir,
					const struct iroce_flow_key *key,
					struct iroce_policy **policy);
/* The SA a template asks for is @sa. */
static inline bool iroce_policy_wants(const struct iroce_policy *policy,
				      const struct iroce_sa *sa)
{
	return (!policy->reqid || policy->reqid == sa->node.reqid) &&
	       (!policy->spi || policy->spi == sa->node.spi);
}

int iroce_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack);
void iroce_policy_delete(struct xfrm_policy *xp);
void iroce_policy_free(struct xfrm_policy *xp);

/* ---- acquire.c -------------------------------------------------- */

int iroce_acquire_setup(struct iroce_ipsec *ipsec);
/* No packet finds @ipsec any more. */
void iroce_acquire_teardown(struct iroce_ipsec *ipsec);
/*
 * Any context but hard irq: asks the key daemons for an SA, at most once a second for a
 * policy and pair of addresses. RCU read side, for @policy.
 */
void iroce_acquire(struct iroce_ipsec *ipsec, const struct iroce_policy *policy,
		   const struct iroce_flow_key *key);

/* ---- packet.c ------------------------------------------------------ */

/*
 * struct iroce_pkt - where things are in a frame whose data is at the Ethernet header
 * @l3, @l4: offsets from skb->data; @proto_off: of the byte that says what is at @l4
 */
struct iroce_pkt {
	struct iroce_flow_key key;
	u32 l4;
	u16 l3;
	u16 proto_off;
	bool is_fragment;
};

/*
 * Pulls what it needs. 0; -EPROTONOSUPPORT not IP; -EBADMSG IP, but no valid
 * header, or more VLAN tags than are looked behind: whose flow it is can't be told.
 * The frame's content does not change.
 */
int iroce_pkt_parse(struct sk_buff *skb, struct iroce_pkt *pkt);
/* Set protocol and lengths of the IP header at @l3 for an IP packet of @len bytes. */
void iroce_pkt_fix_ip(u8 *l3, u8 *proto, u8 value, unsigned int len);
/* Cut off what Ethernet padding left behind the IP packet. -EBADMSG: packet cut short. */
int iroce_pkt_trim(struct sk_buff *skb, const struct iroce_pkt *pkt);

/* ---- esp.c ------------------------------------------------------------ */

/* Source pieces: AAD, payload split at pages, trailer. */
#define IROCE_CRYPT_SG		(2 * IROCE_FRAME_PIECES + MAX_SKB_FRAGS + 6)
#define IROCE_CRYPT_REQ		2048
#define IROCE_CRYPT_FLAT	256

/*
 * struct iroce_crypt - a CPU's scratch: one AEAD request and its lists
 *
 * Used with BH disabled from begin to end, so nothing on the same CPU can get
 * in between (hard irq context never seals or opens). Kmalloc'ed: the cipher
 * wants page-backed addresses, a vmapped stack is none.
 *
 * @src[0], @dst[0]: the AAD; @n_src: entries used, @end: behind the last one
 */
struct iroce_crypt {
	struct scatterlist src[IROCE_CRYPT_SG];
	struct scatterlist dst[3];
	unsigned int n_src;
	const u8 *end;
	u8 aad[IROCE_ESP_AAD_ESN_LEN + IROCE_ESP_IV_LEN];
	u8 tail[8 + IROCE_ESP_ALIGN - 1 + IROCE_ESP_TAIL_LEN];
	u8 hdr[IROCE_FRAME_HDR_MAX];
	u8 flat[IROCE_CRYPT_FLAT];
	u8 req[IROCE_CRYPT_REQ] CRYPTO_MINALIGN_ATTR;
};

int iroce_crypt_init(void);
void iroce_crypt_exit(void);
/* Disables BH; begins an empty list. */
struct iroce_crypt *iroce_crypt_get(void);
void iroce_crypt_put(struct iroce_crypt *c);
/* Appends plaintext at a kernel address (direct map or vmalloc). -EMSGSIZE: list full. */
int iroce_crypt_add(struct iroce_crypt *c, const void *p, size_t len);

/* Ciphers of an SA; process context. */
int iroce_sa_set_key(struct iroce_sa *sa, const u8 *key, unsigned int len,
		     struct netlink_ext_ack *extack);
void iroce_sa_drop_key(struct iroce_sa *sa);

/*
 * struct iroce_seal - a packet to seal; its plaintext is in the iroce_crypt's list
 * @hdr: Ethernet .. last byte before the transport header, as in cleartext
 * @plain_len: bytes from the transport header to the end of the IP packet
 * @tail, @tail_len: last bytes of the plaintext, not in the list
 */
struct iroce_seal {
	const u8 *hdr;
	const u8 *tail;
	u32 plain_len;
	u16 hdr_len;
	u16 l3;
	u16 proto_off;
	u8 tail_len;
};

/*
 * ERR_PTR, which the caller counts by iroce_ipsec_seal_drop(): -ESTALE the SA is dead,
 * -EOVERFLOW its numbers are used up, -EKEYEXPIRED its lifetime is, -EMSGSIZE too large or in
 * too many pieces, -ENOMEM, -EIO the cipher. BH disabled.
 */
struct sk_buff *iroce_esp_seal(struct iroce_func *f, struct iroce_sa *sa,
			       struct iroce_crypt *c, const struct iroce_seal *seal);

/*
 * iroce_esp_open - authenticate and decrypt a frame
 * @esp: offset of the ESP header
 * @seq: full sequence number
 * @next_hdr: what the payload is
 *
 * On success *@skb (perhaps a new one, the old is consumed) is linear and has
 * the ESP header, trailer and ICV taken out; the IP header is still the outer.
 * On error *@skb is still the caller's, its content undefined: -ENOMEM,
 * -EBADMSG (ICV), -EPROTO (trailer), -EIO. BH disabled.
 */
int iroce_esp_open(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff **skb,
		   unsigned int esp, u64 seq, u8 *next_hdr);

#endif /* IROCE_IPSEC_H */
