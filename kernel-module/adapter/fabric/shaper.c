// SPDX-License-Identifier: GPL-2.0
/*
 * The rate that a PF lets a VF send at (ip link set PF vf N max_tx_rate MBIT): a shaper, as
 * on hardware. Frames of the VF, of its host and of its queue pairs alike, leave one queue
 * in their order, each when those before it would be over at that rate; an idle VF may
 * send BURST_NS ahead. Who sends feels it: a frame that waits is in flight for the socket
 * or queue pair it is of. What is more than the queue takes is dropped and counted.
 *
 * A VF without a rate has no part in this, but for one look at @is_on a batch.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>

#include "compat/compat.h"
#include "switch.h"
#include "vport.h"

#define BURST_NS	(5 * NSEC_PER_MSEC)	/* also what a late timer may catch up with */
#define BATCH		64			/* frames that are handed on at once */
#define WAIT_MIN_NS	(50 * NSEC_PER_USEC)	/* no timer for each frame: what is due by then goes together */
#define LIMIT_FRAMES	4096
/*
 * Of the queue: what one queue pair has in flight (IROCE_TX_HIGH), or what this rate sends in
 * 100 ms. Not more, as the VF's answers to its peers wait in it, too.
 */
#define LIMIT_BYTES	(1024 * 1024)
#define BYTES_PER_MBIT	(125 * 100)

/* s->frames.lock. What may go at @now, at most BATCH frames, is moved to @due. */
static void take_due(struct iroce_shaper *s, struct sk_buff_head *due, u64 now)
{
	struct sk_buff *skb;

	while (skb_queue_len(due) < BATCH && (skb = skb_peek(&s->frames))) {
		if (s->rate) {
			if (s->free_at > now)
				break;
			s->free_at = max(s->free_at, now - BURST_NS) +
				     div_u64(8000ULL * skb->len, s->rate);
		}
		__skb_unlink(skb, &s->frames);
		s->bytes -= skb->len;
		__skb_queue_tail(due, skb);
	}
}

/* BH disabled, RCU. One at a time hands frames on, and holds no lock meanwhile. */
static void run_queue(struct iroce_shaper *s)
{
	struct sk_buff_head due;
	int turns = 4;

	__skb_queue_head_init(&due);
	spin_lock(&s->frames.lock);
	if (s->is_sending)
		goto out;
	s->is_sending = true;
	while (turns--) {
		take_due(s, &due, ktime_get_ns());
		if (skb_queue_empty(&due))
			break;
		spin_unlock(&s->frames.lock);
		s->forward(s->func, &due);
		spin_lock(&s->frames.lock);
	}
	s->is_sending = false;
	if (!skb_queue_empty(&s->frames))
		hrtimer_start(&s->timer, ns_to_ktime(s->rate ? max(s->free_at, ktime_get_ns() +
								   WAIT_MIN_NS) : 0),
			      HRTIMER_MODE_ABS_SOFT);
	else if (!s->rate)
		WRITE_ONCE(s->is_on, false);
out:
	spin_unlock(&s->frames.lock);
}

static enum hrtimer_restart wake_queue(struct hrtimer *timer)
{
	rcu_read_lock();
	run_queue(container_of(timer, struct iroce_shaper, timer));
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

void iroce_shaper_xmit(struct iroce_func *f, struct sk_buff_head *frames)
{
	struct iroce_shaper *s = &f->vport->shaper;
	unsigned int n_dropped = 0;
	struct sk_buff_head full;
	struct sk_buff *skb;
	u64 limit;

	__skb_queue_head_init(&full);
	spin_lock(&s->frames.lock);
	limit = max_t(u64, LIMIT_BYTES, (u64)s->rate * BYTES_PER_MBIT);
	while ((skb = __skb_dequeue(frames))) {
		if (skb_queue_len(&s->frames) >= LIMIT_FRAMES || s->bytes + skb->len > limit) {
			__skb_queue_tail(&full, skb);
			n_dropped++;
			continue;
		}
		s->bytes += skb->len;
		__skb_queue_tail(&s->frames, skb);
	}
	spin_unlock(&s->frames.lock);
	/* Not under the lock: their senders hear of it, and may send. */
	__skb_queue_purge(&full);
	iroce_stat_add(f->stats, IROCE_STAT_tx_drop_rate, n_dropped);
	run_queue(s);
}

void iroce_shaper_set_rate(struct iroce_func *f, u32 rate)
{
	struct iroce_shaper *s = &f->vport->shaper;

	ASSERT_RTNL();
	spin_lock_bh(&s->frames.lock);
	s->rate = rate;
	s->free_at = 0;
	if (rate)
		WRITE_ONCE(s->is_on, true);
	spin_unlock_bh(&s->frames.lock);
	/* What waits goes at the new rate; at none, the last one of it opens the direct way. */
	local_bh_disable();
	rcu_read_lock();
	run_queue(s);
	rcu_read_unlock();
	local_bh_enable();
}

void iroce_shaper_start(struct iroce_func *f)
{
	const struct iroce_vf *vf = iroce_switch_vf(f);

	iroce_shaper_set_rate(f, vf ? vf->max_tx_rate : 0);
}

static void drop_frames(struct iroce_func *f, enum iroce_stat why)
{
	struct iroce_shaper *s = &f->vport->shaper;
	struct sk_buff_head old;

	__skb_queue_head_init(&old);
	spin_lock_bh(&s->frames.lock);
	skb_queue_splice_init(&s->frames, &old);
	s->bytes = 0;
	spin_unlock_bh(&s->frames.lock);
	iroce_stat_add(f->stats, why, skb_queue_len(&old));
	__skb_queue_purge(&old);
}

void iroce_shaper_stop(struct iroce_func *f)
{
	/* What it is at now may start the timer again; that is cancelled, too. */
	hrtimer_cancel(&f->vport->shaper.timer);
	drop_frames(f, IROCE_STAT_tx_drop_link_down);
}

void iroce_shaper_purge(struct iroce_func *f, enum iroce_stat why)
{
	/* Who has seen the old rule has queued its frames by then, or handed them on. */
	synchronize_net();
	drop_frames(f, why);
}

void iroce_shaper_init(struct iroce_shaper *s, struct iroce_func *f, iroce_forward_fn forward)
{
	skb_queue_head_init(&s->frames);
	s->func = f;
	s->forward = forward;
	iroce_compat_hrtimer_setup(&s->timer, wake_queue, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
}
