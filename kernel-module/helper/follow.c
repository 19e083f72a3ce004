// SPDX-License-Identifier: GPL-2.0
/*
 * An inbound SA per port follows its traffic: a frame at the wrong port was noted on its SA
 * by ingress.c, and here the state machine is stepped for it. The work runs at most once an
 * interval, so that is what the live window has to stand still for before the SA moves.
 */
#include "bond.h"
#include "follow.h"
#include "ingress.h"
#include "sa.h"
#include "shadow.h"
#include "step.h"

#define SEEN_BATCH	64	/* SAs that are looked at per interval */

/* What moves with each packet that the live window takes. bond.lock. */
static u64 read_progress(struct ipsec_roce_sa *sa)
{
	const struct xfrm_state *x;
	u64 last = 0;

	spin_lock_bh(&sa->lock);
	if (sa->repl.holder < IROCE_REPL_PORTS_MAX && sa->shadow[sa->repl.holder]) {
		ipsec_roce_shadow_update(sa, sa->shadow[sa->repl.holder]);
		x = sa->shadow[sa->repl.holder]->x;
		/* Without a window there is no top of it. */
		last = ipsec_roce_shadow_last(x, sa->dir) ?: x->curlft.packets;
	}
	spin_unlock_bh(&sa->lock);
	return last;
}

static struct ipsec_roce_sa *take_seen(struct ipsec_roce_bond *bond, struct list_head *from,
				       u8 *port)
{
	struct ipsec_roce_sa *sa;

	spin_lock_bh(&bond->seen_lock);
	sa = list_first_entry_or_null(from, struct ipsec_roce_sa, seen_link);
	if (sa) {
		list_del_init(&sa->seen_link);
		*port = sa->seen_port;
	}
	spin_unlock_bh(&bond->seen_lock);
	return sa;
}

void ipsec_roce_follow_seen(struct work_struct *work)
{
	struct ipsec_roce_bond *bond = container_of(to_delayed_work(work),
						    struct ipsec_roce_bond, seen_work);
	struct iroce_repl_event ev = { .type = IROCE_REPL_SEEN };
	struct ipsec_roce_sa *sa;
	u32 n = 0;
	LIST_HEAD(seen);

	/* What is seen from here on waits for the next interval. */
	spin_lock_bh(&bond->seen_lock);
	list_splice_init(&bond->seen, &seen);
	spin_unlock_bh(&bond->seen_lock);
	/*
	 * A stop waits for packets on their way. Anybody can send what is seen here, so whoever
	 * holds RTNL and wants the lock waits for one SA, not for all.
	 */
	do {
		mutex_lock(&bond->lock);
		sa = take_seen(bond, &seen, &ev.port);
		if (sa && !READ_ONCE(sa->is_deleted)) {
			ev.last = read_progress(sa);
			ipsec_roce_step(sa, &ev, NULL);
		}
		mutex_unlock(&bond->lock);
	} while (sa && ++n < SEEN_BATCH);

	spin_lock_bh(&bond->seen_lock);
	if (!list_empty(&seen)) {
		list_splice(&seen, &bond->seen);
		queue_delayed_work(ipsec_roce_wq, &bond->seen_work, IPSEC_ROCE_SEEN_INTERVAL);
	}
	spin_unlock_bh(&bond->seen_lock);
}
