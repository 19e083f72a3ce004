// SPDX-License-Identifier: GPL-2.0
/*
 * xfrm packet offload, the side of the SAs (struct xfrmdev_ops): what is taken,
 * what is refused and why, and the counters and replay state that the kernel
 * shows. Policies are in xfrm_policy.c.
 *
 * Contexts: state_add sleeps (netlink, under xfrm_cfg_mutex), except for larval
 * (ACQUIRE) states, which come from a packet. state_delete is atomic, under
 * x->lock (a state that was never inserted: without it). state_free may sleep.
 * update_stats is called under x->lock, under xfrm_state_lock, or under nothing but
 * a reference of x (netlink: get, notifications): beside itself and state_free.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <net/ipv6.h>

#include "compat/compat.h"
#include "cipher.h"
#include "engine/ipsec_roce_engine.h"
#include "sadb.h"
#include "xfrm.h"
#include "xfrm_selector.h"

#define REPLAY_WINDOW_MIN	32
#define SALT_BITS		32

static struct iroce_sa *to_sa(const struct xfrm_state *x)
{
	return (struct iroce_sa *)READ_ONCE(x->xso.offload_handle);
}

/* ---- what is taken ---------------------------------------------------- */

static int validate_cipher(const struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	if (!x->aead || strcmp(x->aead->alg_name, "rfc4106(gcm(aes))")) {
		NL_SET_ERR_MSG_MOD(extack, "Only rfc4106(gcm(aes)) can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->aead->alg_icv_len != IROCE_ESP_ICV_LEN * BITS_PER_BYTE) {
		NL_SET_ERR_MSG_MOD(extack, "Only an ICV of 128 bits can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->aead->alg_key_len != 128 + SALT_BITS && x->aead->alg_key_len != 256 + SALT_BITS) {
		NL_SET_ERR_MSG_MOD(extack, "Only keys of 128 or 256 bits and 32 bits of salt can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->props.calgo != SADB_X_CALG_NONE) {
		NL_SET_ERR_MSG_MOD(extack, "Compression cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
}

static u32 window_of(const struct xfrm_state *x)
{
	return x->replay_esn ? x->replay_esn->replay_window : x->props.replay_window;
}

static int validate_replay(const struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	u32 window = window_of(x);

	if (x->props.flags & XFRM_STATE_ESN && !x->replay_esn) {
		NL_SET_ERR_MSG_MOD(extack, "ESN needs the replay state of XFRMA_REPLAY_ESN_VAL");
		return -EINVAL;
	}
	/* What an outbound SA has as window means nothing; older tools must give one. */
	if (x->xso.dir != XFRM_DEV_OFFLOAD_IN || !window)
		return 0;
	if (window < REPLAY_WINDOW_MIN || window > IROCE_REPLAY_BITS_MAX) {
		NL_SET_ERR_MSG_MOD(extack, "The replay window must be 0 or from 32 to 4096 packets");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int validate_lifetime(const struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	if (!x->lft.soft_byte_limit || !x->lft.hard_byte_limit ||
	    !x->lft.soft_packet_limit || !x->lft.hard_packet_limit) {
		NL_SET_ERR_MSG_MOD(extack, "Soft and hard byte and packet limits cannot be 0");
		return -EINVAL;
	}
	return 0;
}

/* What would have to be looked at in each packet, and is not. */
static int validate_extras(const struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	if (x->encap) {
		NL_SET_ERR_MSG_MOD(extack, "ESP in UDP or TCP cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->tfcpad) {
		NL_SET_ERR_MSG_MOD(extack, "Traffic flow confidentiality padding cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->coaddr) {
		NL_SET_ERR_MSG_MOD(extack, "Care-of addresses cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->props.flags & ~(XFRM_STATE_ESN | XFRM_STATE_AF_UNSPEC)) {
		NL_SET_ERR_MSG_MOD(extack, "State flags other than esn and af-unspec cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->props.extra_flags) {
		NL_SET_ERR_MSG_MOD(extack, "Extra flags (dont-encap-dscp, oseq-may-wrap) cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->mark.m || x->mark.v || x->props.smark.m || x->props.smark.v) {
		NL_SET_ERR_MSG_MOD(extack, "The adapter sees no marks: states with a mark cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->if_id) {
		NL_SET_ERR_MSG_MOD(extack, "States of an xfrm interface (if_id) cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->security) {
		NL_SET_ERR_MSG_MOD(extack, "States with a security context cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->pcpu_num != UINT_MAX) {
		NL_SET_ERR_MSG_MOD(extack, "States bound to a CPU cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int validate_selector(const struct net_device *dev, const struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	const struct xfrm_selector *sel = &x->sel;

	if (sel->family && sel->family != x->props.family) {
		NL_SET_ERR_MSG_MOD(extack, "State and selector are of different address families");
		return -EOPNOTSUPP;
	}
	if (!sel->family && (sel->prefixlen_s || sel->prefixlen_d)) {
		NL_SET_ERR_MSG_MOD(extack, "A selector with prefixes needs an address family");
		return -EOPNOTSUPP;
	}
	return iroce_xfrm_selector_check(dev, sel, extack);
}

static int validate_state(const struct net_device *dev, const struct xfrm_state *x,
			  struct netlink_ext_ack *extack)
{
	if (x->xso.type != XFRM_DEV_OFFLOAD_PACKET) {
		NL_SET_ERR_MSG_MOD(extack, "Crypto offload is not supported, only packet offload");
		/* EOPNOTSUPP would make the stack do it all itself, silently. */
		return -EINVAL;
	}
	if (x->xso.dir != XFRM_DEV_OFFLOAD_IN && x->xso.dir != XFRM_DEV_OFFLOAD_OUT) {
		NL_SET_ERR_MSG_MOD(extack, "Only inbound and outbound states can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->props.family != AF_INET && x->props.family != AF_INET6) {
		NL_SET_ERR_MSG_MOD(extack, "Only IPv4 and IPv6 states can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->id.proto != IPPROTO_ESP) {
		NL_SET_ERR_MSG_MOD(extack, "Only ESP states can be offloaded");
		return -EOPNOTSUPP;
	}
	if (x->props.mode != XFRM_MODE_TRANSPORT) {
		NL_SET_ERR_MSG_MOD(extack, "Only transport mode states can be offloaded");
		return -EOPNOTSUPP;
	}
	if (!x->id.spi) {
		NL_SET_ERR_MSG_MOD(extack, "SPI 0 is never sent, a state needs another one");
		return -EINVAL;
	}
	return validate_cipher(x, extack) ?: validate_extras(x, extack) ?:
	       validate_selector(dev, x, extack) ?: validate_replay(x, extack) ?:
	       validate_lifetime(x, extack);
}

/* ---- closed to the stack ----------------------------------------------- */

/*
 * The stack opens nothing of ours: on another netdev, or in fragments, it would use a replay
 * window of its own beside ours (I4). The state may outlive its SA, and is xfrm's again then.
 * Not at once: whoever has found it alive just now is about to call x->type->input.
 */
static void leave_state(struct iroce_sa *sa, struct xfrm_state *x)
{
	if (!ipsec_roce_state_is_closed(x))
		return;
	if (refcount_inc_not_zero(&x->refcnt))
		sa->closed = x;
	else
		ipsec_roce_state_reopen(x);	/* nobody else has it: xfrm is about to free it */
}

/* ---- from xfrm to the SA ---------------------------------------------- */

static int sa_set_replay(struct iroce_sa *sa, const struct xfrm_state *x)
{
	const struct xfrm_replay_state_esn *esn = x->replay_esn;

	if (sa->node.dir == IROCE_DIR_OUT) {
		/* oseq is the last number used: a preset SA goes on behind it. */
		atomic64_set(&sa->num->oseq, esn ? esn->oseq : x->replay.oseq);
		if (sa->is_esn)
			atomic64_add((u64)esn->oseq_hi << 32, &sa->num->oseq);
		return 0;
	}
	if (esn && esn->replay_window) {
		sa->has_replay = true;
		return iroce_replay_import(&sa->num->replay, esn->replay_window, sa->is_esn,
					   esn->seq, sa->is_esn ? esn->seq_hi : 0, esn->bmp);
	}
	if (!esn && x->props.replay_window) {
		sa->has_replay = true;
		return iroce_replay_import_legacy(&sa->num->replay, x->props.replay_window,
						  x->replay.seq, x->replay.bitmap);
	}
	return 0;
}

static void sa_fill(struct iroce_sa *sa, struct xfrm_state *x)
{
	struct iroce_sad_node *node = &sa->node;

	node->family = x->props.family;
	node->saddr = iroce_addr_get(node->family, &x->props.saddr);
	node->daddr = iroce_addr_get(node->family, &x->id.daddr);
	node->spi = x->id.spi;
	node->reqid = x->props.reqid;
	node->dir = x->xso.dir == XFRM_DEV_OFFLOAD_IN ? IROCE_DIR_IN : IROCE_DIR_OUT;
	node->sel = iroce_xfrm_selector(&x->sel, node->family);
	sa->x = x;
	sa->is_esn = x->props.flags & XFRM_STATE_ESN;
	sa->window = window_of(x);
	sa->key_hash = ipsec_roce_key_hash(x);
	sa->hard_seq = sa->is_esn ? U64_MAX : U32_MAX;
	sa->soft_seq = sa->hard_seq / 4 * 3;
	atomic64_set(&sa->packets, x->curlft.packets);
	atomic64_set(&sa->bytes, x->curlft.bytes);
	atomic64_set(&sa->num->packets, x->curlft.packets);
	atomic64_set(&sa->num->bytes, x->curlft.bytes);
	sa->first_use = x->curlft.use_time;
	iroce_sa_set_limits(sa, &x->lft);
}

/* Numbers of its own, from what xfrm says was used, or those of @first. */
static int sa_set_numbers(struct iroce_sa *sa, const struct xfrm_state *x,
			  const struct xfrm_state *first, struct netlink_ext_ack *extack)
{
	struct iroce_sa *other;

	if (!first) {
		if (!sa_set_replay(sa, x))
			return 0;
		NL_SET_ERR_MSG_MOD(extack, "The replay state given does not fit its window");
		return -EINVAL;
	}
	other = to_sa(first);
	if (!other || !iroce_sa_is_same(sa, other)) {
		NL_SET_ERR_MSG_MOD(extack, "Only one and the same SA can share its numbers");
		return -EINVAL;
	}
	iroce_numbers_put(sa->num);
	refcount_inc(&other->num->ref);
	sa->num = other->num;
	sa->has_replay = other->has_replay;
	return 0;
}

static int add_state(struct net_device *dev, struct xfrm_state *x, const struct xfrm_state *first,
		     struct netlink_ext_ack *extack)
{
	struct iroce_sa *sa;
	int err;

	/*
	 * A larval state: no key yet, only a note that one was asked for. There is
	 * nothing to do for it, and this may be softirq.
	 */
	x->xso.offload_handle = 0;
	if (x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ)
		return 0;

	/*
	 * Stock bonding hands its own state to the active port, and the same one to the next: with
	 * what xfrm last knew of its numbers, so nonces and windows would go back (I3, I4). A state
	 * of ours, or a shadow of the helper's, names the function itself. Older bonding calls
	 * its port while the state still names the bond as real_dev, too.
	 */
	if (!iroce_is_func(dev) || x->xso.dev != dev) {
		NL_SET_ERR_MSG_MOD(extack, "Bonds need ipsec_roce.ko to offload: modprobe ipsec_roce");
		return -EINVAL;
	}
	err = validate_state(dev, x, extack);
	if (err)
		return err;
	sa = iroce_sa_alloc();
	if (!sa)
		return -ENOMEM;
	sa_fill(sa, x);
	err = sa_set_numbers(sa, x, first, extack);
	if (err)
		goto err_free;
	err = iroce_sa_set_key(sa, (const u8 *)x->aead->alg_key,
			       DIV_ROUND_UP(x->aead->alg_key_len, BITS_PER_BYTE), extack);
	if (err)
		goto err_free;

	err = iroce_sadb_insert(iroce_func(dev)->ipsec, sa);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "The SA database refuses this selector");
		goto err_key;
	}
	ipsec_roce_state_pin(x);
	if (sa->node.dir == IROCE_DIR_IN)
		ipsec_roce_state_close(x);
	x->xso.offload_handle = (unsigned long)sa;
	return 0;

err_key:
	iroce_sa_drop_key(sa);
err_free:
	iroce_sa_destroy(sa);
	return err;
}

static int state_add(struct net_device *dev, struct xfrm_state *x,
		     struct netlink_ext_ack *extack)
{
	return add_state(dev, x, NULL, extack);
}

int iroce_state_add_shared(struct net_device *dev, struct xfrm_state *x,
			   const struct xfrm_state *first, struct netlink_ext_ack *extack)
{
	return add_state(dev, x, first, extack);
}

/* ---- from the SA to xfrm ---------------------------------------------- */

static void show_replay(struct iroce_sa *sa, struct xfrm_state *x)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	u64 oseq;

	if (sa->node.dir == IROCE_DIR_OUT) {
		oseq = atomic64_read(&sa->num->oseq);
		if (esn) {
			esn->oseq = lower_32_bits(oseq);
			esn->oseq_hi = upper_32_bits(oseq);
		} else {
			x->replay.oseq = lower_32_bits(oseq);
		}
		return;
	}
	if (!sa->has_replay)
		return;
	spin_lock(&sa->num->lock);
	if (esn) {
		iroce_replay_export(&sa->num->replay, &esn->seq, &esn->seq_hi, esn->bmp);
	} else {
		x->replay.seq = lower_32_bits(sa->num->replay.top);
		x->replay.bitmap = iroce_replay_export_legacy(&sa->num->replay);
	}
	spin_unlock(&sa->num->lock);
}

/*
 * Values, not differences: calling it twice, or two at a time, does no harm. It
 * follows that the adapter's count wins over one written with XFRM_MSG_NEWAE.
 */
static void update_stats(struct iroce_sa *sa, struct xfrm_state *x)
{
	spin_lock_bh(&sa->lock);
	x->curlft.packets = atomic64_read(&sa->packets);
	x->curlft.bytes = atomic64_read(&sa->bytes);
	if (READ_ONCE(sa->first_use) && !READ_ONCE(x->curlft.use_time))
		WRITE_ONCE(x->curlft.use_time, READ_ONCE(sa->first_use));
	if (READ_ONCE(sa->last_use))
		x->lastused = READ_ONCE(sa->last_use);
	x->stats.replay = sa->n_replayed;
	x->stats.replay_window = sa->n_stale;
	x->stats.integrity_failed = sa->n_forged;
	show_replay(sa, x);
	/* XFRM_MSG_UPDSA changes lifetimes behind our back, and calls this next. */
	iroce_sa_set_limits(sa, &x->lft);
	spin_unlock_bh(&sa->lock);
}

/* ---- the end of a state ------------------------------------------------ */

/* Whoever has the state still, finds in it the last that can be said of its numbers. */
static void state_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct iroce_sa *sa = to_sa(x);

	if (!sa)
		return;
	iroce_sadb_kill(iroce_func(dev)->ipsec, sa);
	update_stats(sa, x);
}

static void state_free(struct net_device *dev, struct xfrm_state *x)
{
	const struct iroce_ipsec_events *events;
	struct iroce_func *f = iroce_func(dev);
	struct iroce_sa *sa;

	/*
	 * Who reads the handle later finds none, who did before is in an RCU section: see
	 * iroce_sa_put(). An older kernel's garbage collector and its NETDEV_DOWN flush may both be here
	 * with the same state (7.x has xfrm_state_gc_mutex): one of them gets the SA.
	 */
	sa = (struct iroce_sa *)xchg(&x->xso.offload_handle, 0);
	if (!sa)
		return;
	/* What follows sleeps, and the loser of that race may let the function go meanwhile. */
	events = f->ipsec->events;
	if (!READ_ONCE(sa->is_dead))
		iroce_sadb_kill(f->ipsec, sa);
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->x, NULL);
	spin_unlock_bh(&sa->lock);
	/* Nobody queues it from here on; xfrm frees x when we return. */
	cancel_delayed_work_sync(&sa->expire_work);
	leave_state(sa, x);
	iroce_sa_put(sa);
	if (x->xso.dir == XFRM_DEV_OFFLOAD_OUT)
		events->sa_gone(f);
}

/* ---- asked by xfrm ------------------------------------------------------ */

static void state_update_stats(struct xfrm_state *x)
{
	struct iroce_sa *sa;

	/* The device may go down and take the SA from under a netlink reader. */
	rcu_read_lock();
	sa = to_sa(x);
	if (sa)
		update_stats(sa, x);
	rcu_read_unlock();
}

/*
 * The stack itself opened a packet of this SA (a reassembled one, or it came in
 * through another netdev) and moved its window: ours must not take it again (I4).
 * Under x->lock.
 */
static void state_advance_esn(struct xfrm_state *x)
{
	struct iroce_sa *sa = to_sa(x);
	u64 seq;

	if (!sa || !sa->has_replay || !x->replay_esn)
		return;
	seq = (u64)x->replay_esn->seq_hi << 32 | x->replay_esn->seq;
	spin_lock_bh(&sa->num->lock);
	/* Old news is fine too. */
	(void)!iroce_replay_accept(&sa->num->replay, seq);
	spin_unlock_bh(&sa->num->lock);
}

/* A packet the stack is about to leave to us: what sealing can't do must not come. */
static bool offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	if (x->props.family == AF_INET)
		return !ip_is_fragment(ip_hdr(skb));
	return ipv6_hdr(skb)->nexthdr != NEXTHDR_FRAGMENT;
}

IROCE_COMPAT_XDO_STATE_OPS(state_add, state_delete, state_free)

const struct xfrmdev_ops iroce_xfrmdev_ops = {
	.xdo_dev_state_add = iroce_compat_xdo(state_add),
	.xdo_dev_state_delete = iroce_compat_xdo(state_delete),
	.xdo_dev_state_free = iroce_compat_xdo(state_free),
	.xdo_dev_offload_ok = offload_ok,
	.xdo_dev_state_advance_esn = state_advance_esn,
	.xdo_dev_state_update_stats = state_update_stats,
	.xdo_dev_policy_add = iroce_policy_add,
	.xdo_dev_policy_delete = iroce_policy_delete,
	.xdo_dev_policy_free = iroce_policy_free,
};
