// SPDX-License-Identifier: GPL-2.0
/*
 * What xfrm asks of a state between its birth and its end: counters and replay state
 * summed up over the ports, lifetimes, and whether a packet may be left to a port.
 */
#include "bond.h"
#include "sa.h"
#include "shadow.h"
#include "stats.h"
#include "step.h"

static void show_replay(struct ipsec_roce_sa *sa, struct xfrm_state *x,
			const struct xfrm_state *shadow)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	const struct xfrm_replay_state_esn *from = shadow->replay_esn;

	if (ipsec_roce_shadow_last(shadow, sa->dir) < ipsec_roce_shadow_last(x, sa->dir))
		return;
	if (!esn) {
		if (sa->dir == IROCE_DIR_OUT) {
			x->replay.oseq = shadow->replay.oseq;
		} else {
			x->replay.seq = shadow->replay.seq;
			x->replay.bitmap = shadow->replay.bitmap;
		}
	} else if (sa->dir == IROCE_DIR_OUT) {
		esn->oseq = from->oseq;
		esn->oseq_hi = from->oseq_hi;
	} else {
		esn->seq = from->seq;
		esn->seq_hi = from->seq_hi;
		memcpy(esn->bmp, from->bmp, esn->bmp_len * sizeof(esn->bmp[0]));
	}
}

/*
 * The sum over the ports; their windows are one, or one is live. Values, not
 * differences, so that two at a time do no harm. Under x->lock or xfrm_state_lock.
 */
void ipsec_roce_stats_update(struct xfrm_state *x)
{
	struct xfrm_stats stats;
	struct ipsec_roce_sa *sa;
	u64 packets, bytes;
	u32 i;

	rcu_read_lock();
	sa = ipsec_roce_sa_of(x);
	if (!sa || sa->is_twin)
		goto out;
	spin_lock_bh(&sa->lock);
	packets = sa->gone.packets;
	bytes = sa->gone.bytes;
	stats = sa->gone.stats;
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		const struct xfrm_state *s;

		if (!sa->shadow[i])
			continue;
		ipsec_roce_shadow_update(sa, sa->shadow[i]);
		s = sa->shadow[i]->x;
		packets += s->curlft.packets;
		bytes += s->curlft.bytes;
		stats.replay += s->stats.replay;
		stats.replay_window += s->stats.replay_window;
		stats.integrity_failed += s->stats.integrity_failed;
		if (s->curlft.use_time && !READ_ONCE(x->curlft.use_time))
			WRITE_ONCE(x->curlft.use_time, s->curlft.use_time);
		x->lastused = max(x->lastused, s->lastused);
		show_replay(sa, x, s);
	}
	x->curlft.packets = packets;
	x->curlft.bytes = bytes;
	x->stats = stats;
	spin_unlock_bh(&sa->lock);
out:
	rcu_read_unlock();
}

/* As xfrm_state_check_expire() at a hard lifetime: xfrm's timer deletes the state, and tells. */
static void expire_state(struct xfrm_state *x)
{
	spin_lock_bh(&x->lock);
	if (x->km.state == XFRM_STATE_VALID) {
		x->km.state = XFRM_STATE_EXPIRED;
		hrtimer_start(&x->mtimer, 0, HRTIMER_MODE_REL_SOFT);
	}
	spin_unlock_bh(&x->lock);
}

/*
 * Without ESN the numbers come to an end, and a port that has used them up closes the flow
 * (I3): the key daemon hears of it while a quarter is left, and the SA ends with them.
 * bond.lock.
 */
static void check_numbers(struct ipsec_roce_sa *sa)
{
	struct iroce_repl_event ev = { .type = IROCE_REPL_LOW, .port = IROCE_REPL_NO_PORT };
	u64 last = 0, used;
	u8 i;

	if (sa->is_twin || sa->dir != IROCE_DIR_OUT || sa->repl.limit != U32_MAX)
		return;
	/* Where ports share an SA, the one that was armed last may have left. */
	spin_lock_bh(&sa->lock);
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		if (!sa->shadow[i] || sa->repl.cell[i] != IROCE_REPL_LIVE)
			continue;
		ipsec_roce_shadow_update(sa, sa->shadow[i]);
		used = ipsec_roce_shadow_last(sa->shadow[i]->x, sa->dir);
		if (used <= last)
			continue;
		last = used;
		ev.port = i;
	}
	spin_unlock_bh(&sa->lock);
	if (last >= U32_MAX)
		expire_state(sa->x);
	else if (last > U32_MAX / 4 * 3 && !sa->repl.has_asked)
		ipsec_roce_step(sa, &ev, NULL);
}

/*
 * Ports know their own count only, and tell their own shadow: once a second, and
 * when a port reports a limit, xfrm compares the sum with the lifetimes.
 */
void ipsec_roce_stats_poll(struct work_struct *work)
{
	struct ipsec_roce_bond *bond = container_of(to_delayed_work(work),
						    struct ipsec_roce_bond, poll);
	struct ipsec_roce_sa *sa;

	mutex_lock(&bond->lock);
	list_for_each_entry(sa, &bond->sas, link) {
		struct xfrm_state *x = sa->x;
		const struct xfrm_lifetime_cfg *lft = &x->lft;

		check_numbers(sa);
		if (lft->soft_packet_limit == XFRM_INF && lft->hard_packet_limit == XFRM_INF &&
		    lft->soft_byte_limit == XFRM_INF && lft->hard_byte_limit == XFRM_INF)
			continue;
		spin_lock_bh(&x->lock);
		if (x->km.state == XFRM_STATE_VALID && READ_ONCE(x->curlft.use_time))
			xfrm_state_check_expire(x);
		else if (x->km.state == XFRM_STATE_VALID)
			ipsec_roce_stats_update(x);
		spin_unlock_bh(&x->lock);
		cond_resched();
	}
	if (!list_empty(&bond->sas) && !bond->is_going)
		queue_delayed_work(ipsec_roce_wq, &bond->poll, IPSEC_ROCE_POLL_INTERVAL);
	mutex_unlock(&bond->lock);
	ipsec_roce_bond_recheck(bond);
}
