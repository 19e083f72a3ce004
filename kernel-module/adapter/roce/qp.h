/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue pair: the transport's part of it, and what the core sees.
 *
 * Locks, outermost first. rdmavt's: qp->r_lock (responder, and every change of
 * state or completion), qp->s_hlock (posting), qp->s_lock (requester, queue of
 * responses; also taken by a timer in hard irq). Ours: iroce_qp.flow_lock,
 * innermost, with interrupts off as it is taken inside s_lock. RVT_S_BUSY in
 * qp->s_flags makes the sender single: its owner works on iroce_qp.batch without
 * a lock.
 */
#ifndef IROCE_ROCE_QP_H
#define IROCE_ROCE_QP_H

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "batch.h"
#include "budget.h"
#include "core/roce.h"
#include "flow.h"
#include "peers.h"
#include "ring.h"
#include "sched.h"

#define IROCE_WINDOW_MAX	128	/* packets of a QP sent and not acknowledged */
#define IROCE_WINDOW_ALL	1024	/* the same of all QPs of a device, roughly */
#define IROCE_WINDOW_MIN	16
#define IROCE_UD_FLOWS	8		/* direct mapped cache of a UD QP */

/* struct iroce_qp - the transport's part of a QP (rvt_qp.priv) */
struct iroce_qp {
	struct rvt_qp *qp;
	struct iroce_roce *roce;
	struct list_head entry;		/* roce->qps */
	struct work_struct work;
	struct mutex modify_lock;	/* outside of all others: one change of state at a time */

	struct iroce_flight *flight;

	/* requester, under s_lock */
	u32 sent_psn;			/* one beyond the highest PSN ever sent */
	u32 sge_psn;			/* PSN that s_sge points at, if has_sge */
	u32 read_psn;			/* PSN that s_rdma_read_sge points at, if has_read_sge */
	bool has_sge;
	bool has_read_sge;
	bool wants_drained;		/* SQD: tell when nothing is outstanding any more */
	bool is_read_restarted;		/* asked again, response not seen yet */
	u16 window;
	u8 n_patient;			/* timeouts in a row that found frames still below us */
	u32 gap;			/* longest wait for an answer of late, jiffies */
	unsigned long waiting_since;	/* jiffies of the last progress, or of sending after none */

	u32 rwqe_len;			/* what the receive WQE of r_sge names; r_lock */

	/* responder's answers, under s_lock */
	u32 resp_psn;			/* next read response packet of the entry at the tail */
	u32 resp_left;			/* its bytes */
	bool is_resp_active;		/* an entry is half sent */
	bool is_responding;		/* a batch of responses is on its way out */
	bool is_replay;			/* tail was set back for a duplicate */

	/* connected address; written under r_lock and s_lock by modify_qp */
	struct {
		struct in6_addr saddr;	/* ours; IPv4 mapped */
		struct in6_addr daddr;
		int ifindex;		/* of our GID's netdev, 0: not known */
		const struct net *net;	/* to compare with alone */
		u16 vlan;		/* IROCE_NO_VLAN: none */
		bool is_set;
	} peer;

	/* flow.c */
	spinlock_t flow_lock;
	struct iroce_flow __rcu *flow;
	struct iroce_flow __rcu *ud_flow[IROCE_UD_FLOWS];
	struct iroce_peers peers;
	u32 n_flushes;			/* a resolution begun before the last one is void */
	bool is_sealed;			/* I1, I5: was protected since the last reset */

	/* owner of RVT_S_BUSY */
	struct iroce_batch batch;
	struct iroce_frame frame;
};

static inline struct iroce_qp *iroce_qp(const struct rvt_qp *qp)
{
	return qp->priv;
}

/* All of rdmavt's locks of a QP: for who changes its state. Process context. */
static inline void iroce_qp_lock(struct rvt_qp *qp)
	__acquires(&qp->r_lock) __acquires(&qp->s_hlock) __acquires(&qp->s_lock)
{
	spin_lock_irq(&qp->r_lock);
	spin_lock(&qp->s_hlock);
	spin_lock(&qp->s_lock);
}

static inline void iroce_qp_unlock(struct rvt_qp *qp)
	__releases(&qp->s_lock) __releases(&qp->s_hlock) __releases(&qp->r_lock)
{
	spin_unlock(&qp->s_lock);
	spin_unlock(&qp->s_hlock);
	spin_unlock_irq(&qp->r_lock);
}

/* The AETH of a reply: NAK syndrome, or 0 for an ACK with credits. */
static inline __be32 iroce_reply_aeth(struct rvt_qp *qp, u8 nak)
{
	if (!nak)
		return rvt_compute_aeth(qp);
	return cpu_to_be32((u32)nak << 24 | (qp->r_msn & IROCE_PSN_MASK));
}

static inline bool iroce_qp_is_ud(const struct rvt_qp *qp)
{
	return qp->allowed_ops == IB_OPCODE_UD;
}

static inline bool iroce_range_wraps(u64 addr, u32 len)
{
	return addr + len < addr;
}

/* struct iroce_qp_user - a QP that works on regions of a PD; iroce_pd.lock */
struct iroce_qp_user {
	struct list_head entry;		/* iroce_pd.users */
	struct rvt_qp *qp;
};

/*
 * struct iroce_verbs_qp - what the core sees of a QP; struct iroce_qp may outlive it
 * @own, @srqs: in its own PD, and in its SRQ's if that is another
 * @rq: none if it has an SRQ, or is the kernel's
 */
struct iroce_verbs_qp {
	struct rvt_qp rvt;
	struct iroce_charge charge;
	struct iroce_ring rq;
	struct iroce_qp_user own;
	struct iroce_qp_user srqs;
};

static inline struct iroce_verbs_qp *iroce_verbs_qp(struct ib_qp *ibqp)
{
	return container_of(ibqp, struct iroce_verbs_qp, rvt.ibqp);
}

#endif /* IROCE_ROCE_QP_H */
