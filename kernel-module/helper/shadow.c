// SPDX-License-Identifier: GPL-2.0
/*
 * Shadow states: what the driver of a port gets to see of an SA of its bond.
 *
 * A shadow is a full xfrm_state, because drivers read all of it, attach it to what
 * they receive and tell it about lifetimes. It is in no database of xfrm and has no
 * timer of xfrm's: what is told to it ends in the helper.
 */
#include <linux/hrtimer.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "engine/ipsec_roce_engine.h"
#include "bond.h"
#include "port.h"
#include "sa.h"
#include "shadow.h"
#include "twin.h"

static void kick_polls(struct work_struct *work)
{
	struct ipsec_roce_bond *bond;

	rtnl_lock();
	list_for_each_entry(bond, ipsec_roce_bond_list(), link)
		mod_delayed_work(ipsec_roce_wq, &bond->poll, 0);
	rtnl_unlock();
}

static DECLARE_WORK(kick_work, kick_polls);

void ipsec_roce_shadow_exit(void)
{
	cancel_work_sync(&kick_work);
}

/*
 * A driver has seen a hard lifetime reached and told xfrm; xfrm would delete the
 * state now. The state that is to be deleted is the bond's: have it looked at.
 */
static enum hrtimer_restart shadow_expired(struct hrtimer *timer)
{
	queue_work(ipsec_roce_wq, &kick_work);
	return HRTIMER_NORESTART;
}

/* ---- numbers ---------------------------------------------------------- */

static u64 join64(u32 hi, u32 lo)
{
	return (u64)hi << 32 | lo;
}

u64 ipsec_roce_shadow_last(const struct xfrm_state *x, u8 dir)
{
	const struct xfrm_replay_state_esn *esn = x->replay_esn;
	bool is_esn = x->props.flags & XFRM_STATE_ESN;

	if (!esn)
		return dir == IROCE_DIR_OUT ? x->replay.oseq : x->replay.seq;
	if (dir == IROCE_DIR_OUT)
		return join64(is_esn ? esn->oseq_hi : 0, esn->oseq);
	return join64(is_esn ? esn->seq_hi : 0, esn->seq);
}

/* All numbers up to @start are used: sent, or to be refused. */
static void set_last(struct xfrm_state *x, u8 dir, u64 start)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;

	if (dir == IROCE_DIR_OUT) {
		if (esn) {
			esn->oseq = lower_32_bits(start);
			esn->oseq_hi = upper_32_bits(start);
		} else {
			x->replay.oseq = lower_32_bits(start);
		}
		return;
	}
	if (esn) {
		esn->seq = lower_32_bits(start);
		esn->seq_hi = upper_32_bits(start);
		memset(esn->bmp, 0xff, esn->bmp_len * sizeof(esn->bmp[0]));
	} else {
		x->replay.seq = lower_32_bits(start);
		x->replay.bitmap = U32_MAX;
	}
}

static u64 count_left(u64 limit, u64 used)
{
	if (limit == XFRM_INF)
		return limit;
	/* 0 is no limit to xfrm but a refusal to drivers: the next packet is the last. */
	return limit > used ? limit - used : 1;
}

/*
 * What the port may still use up. Ports of one engine count together, from when the first
 * of them got the SA; what was counted before is taken off. xfrm looks at the sum of all,
 * see ipsec_roce_stats_poll().
 */
static void set_limits(const struct ipsec_roce_sa *sa, struct xfrm_state *shadow)
{
	struct xfrm_lifetime_cfg lft = sa->x->lft;

	lft.hard_packet_limit = count_left(lft.hard_packet_limit, sa->spent.packets);
	lft.soft_packet_limit = count_left(lft.soft_packet_limit, sa->spent.packets);
	lft.hard_byte_limit = count_left(lft.hard_byte_limit, sa->spent.bytes);
	lft.soft_byte_limit = count_left(lft.soft_byte_limit, sa->spent.bytes);
	shadow->lft = lft;
}

/* ---- life ------------------------------------------------------------- */

static int copy_pointers(struct xfrm_state *x, const struct xfrm_state *orig)
{
	x->aead = kmemdup(orig->aead, aead_len(orig->aead), GFP_KERNEL);
	if (!x->aead)
		return -ENOMEM;
	if (orig->encap) {
		x->encap = kmemdup(orig->encap, sizeof(*x->encap), GFP_KERNEL);
		if (!x->encap)
			return -ENOMEM;
	}
	if (orig->replay_esn) {
		x->replay_esn = kmemdup(orig->replay_esn,
					xfrm_replay_state_esn_len(orig->replay_esn), GFP_KERNEL);
		if (!x->replay_esn)
			return -ENOMEM;
	}
	return 0;
}

static void copy_values(struct xfrm_state *x, const struct ipsec_roce_sa *sa)
{
	const struct xfrm_state *orig = sa->x;

	x->id = orig->id;
	x->sel = orig->sel;
	/* The port is implied, and the bond is none of its business. */
	if (x->sel.ifindex == orig->xso.dev->ifindex)
		x->sel.ifindex = 0;
	x->mark = orig->mark;
	x->if_id = orig->if_id;
	x->pcpu_num = orig->pcpu_num;
	x->props = orig->props;
	x->replay = orig->replay;
	x->repl_mode = orig->repl_mode;
	x->geniv = sa->geniv;
	x->dir = orig->dir;
	x->inner_mode = orig->inner_mode;
	x->inner_mode_iaf = orig->inner_mode_iaf;
	x->outer_mode = orig->outer_mode;
	/* The original keeps them from going while we ask; x keeps them by itself then. */
	x->type = ipsec_roce_state_type(orig);
	__module_get(x->type->owner);
	x->type_offload = orig->type_offload;
	__module_get(x->type_offload->owner);
}

static void wipe_key(struct xfrm_state *x)
{
	if (x->aead)
		memzero_explicit(x->aead->alg_key,
				 DIV_ROUND_UP(x->aead->alg_key_len, BITS_PER_BYTE));
}

struct ipsec_roce_shadow *ipsec_roce_shadow_create(const struct ipsec_roce_sa *sa,
						   struct ipsec_roce_port *port)
{
	struct ipsec_roce_shadow *shadow;
	struct xfrm_state *x;

	shadow = kzalloc(sizeof(*shadow), GFP_KERNEL);
	if (!shadow)
		return ERR_PTR(-ENOMEM);
	x = xfrm_state_alloc(xs_net(sa->x));
	if (!x)
		goto err_free;
	iroce_compat_hrtimer_setup(&x->mtimer, shadow_expired, CLOCK_BOOTTIME,
				   HRTIMER_MODE_ABS_SOFT);
	if (copy_pointers(x, sa->x))
		goto err_state;
	copy_values(x, sa);
	x->xso.dev = port->dev;
	x->xso.real_dev = port->dev;
	netdev_hold(port->dev, &x->xso.dev_tracker, GFP_KERNEL);
	x->xso.dir = sa->x->xso.dir;
	x->xso.type = sa->x->xso.type;
	x->km.state = XFRM_STATE_VALID;
	/* Soft lifetimes are the bond's state's to tell: see ipsec_roce_stats_poll(). */
	x->km.dying = 1;
	shadow->x = x;
	shadow->port = port;
	return shadow;

err_state:
	wipe_key(x);
	x->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(x);
err_free:
	kfree(shadow);
	return ERR_PTR(-ENOMEM);
}

/* xfrm counts from 0 at the next port. sa->lock. */
static void sum_up(struct ipsec_roce_sa *sa, struct xfrm_state *x)
{
	sa->gone.packets += x->curlft.packets;
	sa->gone.bytes += x->curlft.bytes;
	sa->gone.stats.replay += x->stats.replay;
	sa->gone.stats.replay_window += x->stats.replay_window;
	sa->gone.stats.integrity_failed += x->stats.integrity_failed;
	x->curlft.packets = 0;
	x->curlft.bytes = 0;
	memset(&x->stats, 0, sizeof(x->stats));
}

void ipsec_roce_shadow_destroy(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow)
{
	struct net_device *dev = shadow->port->dev;
	struct xfrm_state *x = shadow->x;

	spin_lock_bh(&sa->lock);
	sa->shadow[shadow->port->index] = NULL;
	spin_unlock_bh(&sa->lock);

	/* No driver knows it any more, so nobody starts its timer again. */
	hrtimer_cancel(&x->mtimer);
	wipe_key(x);
	spin_lock_bh(&x->lock);
	x->km.state = XFRM_STATE_DEAD;
	x->xso.real_dev = NULL;
	x->xso.type = XFRM_DEV_OFFLOAD_UNSPECIFIED;
	WRITE_ONCE(x->xso.dev, NULL);
	spin_unlock_bh(&x->lock);
	netdev_put(dev, &x->xso.dev_tracker);
	xfrm_state_put(x);
	kfree_rcu_mightsleep(shadow);
}

/* ---- at the driver ---------------------------------------------------- */

/* A shadow whose numbers another port of the engine can join. */
static const struct xfrm_state *find_first(const struct ipsec_roce_sa *sa,
					   const struct ipsec_roce_shadow *but)
{
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		const struct ipsec_roce_shadow *shadow = sa->shadow[i];

		if (shadow && shadow != but && shadow->is_on && !shadow->is_stopped)
			return shadow->x;
	}
	return NULL;
}

int ipsec_roce_shadow_start(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow, u64 start,
			    struct netlink_ext_ack *extack)
{
	struct net_device *dev = shadow->port->dev;
	const struct xfrm_state *first = NULL;
	struct xfrm_state *x = shadow->x;
	int err;

	if (READ_ONCE(sa->is_deleted))
		return -EKEYEXPIRED;
	/*
	 * What xfrm was told with the state itself, its bitmap too, holds for the first port
	 * alone: what has come since fills holes that a copy of it still shows (I4).
	 */
	if (sa->is_heir || sa->armed_at != IROCE_REPL_NO_PORT ||
	    start != ipsec_roce_shadow_last(x, sa->dir))
		set_last(x, sa->dir, start);
	shadow->start = start;
	if (sa->placement == IROCE_PLACE_SHARED)
		first = find_first(sa, shadow);
	spin_lock_bh(&sa->lock);
	if (!first) {
		sa->spent.packets = sa->gone.packets;
		sa->spent.bytes = sa->gone.bytes;
	}
	set_limits(sa, x);
	spin_unlock_bh(&sa->lock);
	x->km.state = XFRM_STATE_VALID;

	/* There are drivers that ask the original's cipher (mlx5: its sizes, and the salt of IVs). */
	if (!refcount_inc_not_zero(&sa->x->refcnt))
		return -EKEYEXPIRED;
	x->data = sa->x->data;
	if (first)
		err = ipsec_roce_engine_state_add(dev, x, first, extack);
	else
		err = iroce_compat_xdo_state_add(dev, x, extack);
	/* It stays the original's to free. */
	x->data = NULL;
	xfrm_state_put(sa->x);
	if (err)
		return err;

	spin_lock_bh(&sa->lock);
	shadow->is_on = true;
	shadow->is_stopped = false;
	shadow->is_quiet = false;
	/* Deleted while the driver was busy: it has not been told yet. */
	if (sa->is_deleted)
		ipsec_roce_shadow_delete(shadow);
	spin_unlock_bh(&sa->lock);
	return 0;
}

void ipsec_roce_shadow_delete(struct ipsec_roce_shadow *shadow)
{
	struct xfrm_state *x = shadow->x;

	if (!shadow->is_on || shadow->is_stopped)
		return;
	shadow->is_stopped = true;
	/* We may hold the lock of the bond's state. */
	spin_lock_nested(&x->lock, SINGLE_DEPTH_NESTING);
	iroce_compat_xdo_state_delete(shadow->port->dev, x);
	spin_unlock(&x->lock);
}

void ipsec_roce_shadow_update(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow)
{
	const struct xfrmdev_ops *ops = shadow->port->dev->xfrmdev_ops;
	struct xfrm_state *x = shadow->x;

	if (!shadow->is_on || !ops->xdo_dev_state_update_stats)
		return;
	spin_lock_nested(&x->lock, SINGLE_DEPTH_NESTING);
	set_limits(sa, x);
	ops->xdo_dev_state_update_stats(x);
	spin_unlock(&x->lock);
}

static bool has_window(const struct xfrm_state *x)
{
	return x->replay_esn ? x->replay_esn->replay_window : x->props.replay_window;
}

/*
 * Does the driver tell the numbers it uses, up to the last? One that answers for its
 * engine is believed. Others are not, whatever their counters say: mlx5 leaves the numbers of
 * the state alone, and counts packets up to a second late.
 */
static bool is_telling(const struct ipsec_roce_sa *sa, const struct ipsec_roce_shadow *shadow)
{
	/* Inbound without a window there is nothing that the next port would have to know. */
	if (sa->dir == IROCE_DIR_IN && !has_window(shadow->x))
		return true;
	return shadow->port->engine;
}

/*
 * A packet may still be on its way through the SA. Outbound the gap is for it. Inbound it
 * may move the window, and the one who inherits that must know.
 */
bool ipsec_roce_shadow_is_busy(const struct ipsec_roce_sa *sa,
			       const struct ipsec_roce_shadow *shadow)
{
	return sa->dir == IROCE_DIR_IN && shadow->is_on && !shadow->is_quiet &&
	       !find_first(sa, shadow) &&
	       (!READ_ONCE(sa->is_deleted) || ipsec_roce_twin_waits(sa));
}

void ipsec_roce_shadow_stop(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow,
			    struct iroce_repl_event *answer)
{
	struct xfrm_state *x = shadow->x;

	spin_lock_bh(&sa->lock);
	ipsec_roce_shadow_delete(shadow);
	spin_unlock_bh(&sa->lock);
	if (ipsec_roce_shadow_is_busy(sa, shadow))
		synchronize_net();

	spin_lock_bh(&sa->lock);
	ipsec_roce_shadow_update(sa, shadow);
	*answer = (struct iroce_repl_event) {
		.type = is_telling(sa, shadow) ? IROCE_REPL_STOPPED : IROCE_REPL_GONE,
		.port = shadow->port->index,
		.last = ipsec_roce_shadow_last(x, sa->dir),
		.ahead = IROCE_REPL_AHEAD_UNKNOWN,
	};
	sum_up(sa, x);
	shadow->is_on = false;
	spin_unlock_bh(&sa->lock);
	iroce_compat_xdo_state_free(shadow->port->dev, x);
}

/* Which port will send it is not known yet: it must suit each. */
bool ipsec_roce_shadow_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	struct ipsec_roce_sa *sa;
	bool is_ok = false;
	u32 i;

	rcu_read_lock();
	sa = ipsec_roce_sa_of(x);
	for (i = 0; sa && i < IROCE_REPL_PORTS_MAX; i++) {
		struct ipsec_roce_shadow *shadow = READ_ONCE(sa->shadow[i]);
		const struct xfrmdev_ops *ops;

		if (!shadow)
			continue;
		ops = shadow->port->dev->xfrmdev_ops;
		is_ok = !ops->xdo_dev_offload_ok || ops->xdo_dev_offload_ok(skb, shadow->x);
		if (!is_ok)
			break;
	}
	rcu_read_unlock();
	return is_ok;
}
