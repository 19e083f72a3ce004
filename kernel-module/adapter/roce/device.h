/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RDMA device of a function, or of several that a bond joins; and the one place where
 * rdmavt, the kernel's library for software verbs, is included.
 */
#ifndef IROCE_ROCE_DEVICE_H
#define IROCE_ROCE_DEVICE_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_vt.h>
#include <rdma/rdmavt_cq.h>
#include <rdma/rdmavt_qp.h>
#include <rdma/uverbs_ioctl.h>

#include "compat/compat.h"
#include "core/lag.h"
#include "roce.h"

#define IROCE_RDMA_PORT		1	/* verbs port number of every function */
#define IROCE_NO_VLAN		0xffff	/* as rdma_read_gid_l2_fields() says it */
#define IROCE_BAD_VLAN		0xfffe	/* a tag that no GID has: 802.1ad */

/*
 * A packet's payload may lie in IROCE_FRAME_PIECES places at most. An SGE of up
 * to 4096 bytes crosses at most one page boundary, so half as many SGEs fit always.
 */
#define IROCE_MAX_SEND_SGE	(IROCE_FRAME_PIECES / 2)
#define IROCE_MAX_RECV_SGE	16
#define IROCE_MAX_MSG		(1U << 30)
#define IROCE_MSG_LIMIT		(1U << 31)	/* of any RDMA message, IBTA 9.7.7 */

/*
 * struct iroce_path - a function that an RDMA device sends through
 * @func: RTNL for changes, RCU for the data path; NULL where there is none
 * @base: what @func had counted when it came
 */
struct iroce_path {
	struct iroce_func __rcu *func;
	u64 base[IROCE_STAT_MAX];
};

/*
 * struct iroce_roce - the RDMA device of a function, or of several that a bond joins
 * @rdi: first, the ib_device in it is what the core allocates and frees
 * @func: its PCI function: the only one, or the first one of the bond, which need
 *	not be a port of the bond any more
 * @netdev: of @func, or the bond
 * @bond: @netdev again if it is a bond
 * @gen: as iroce_func.flow_gen, for what all its flows depend on: GIDs, neighbours,
 *	routes, which path is usable
 * @present, @usable: paths, one bit each; a device that is no bond's has one, always
 * @stats: what the transport counts: those of @func, or a bond's own
 * @gone: what paths that are no more have counted; RTNL
 * @rvt: rdmavt's own verbs where we put a check in front (device.c)
 * @shares: what users hold of the device (budget.c)
 * @gids: its addresses, by hash
 */
struct iroce_roce {
	struct rvt_dev_info rdi;
	struct iroce_func *func;
	struct net_device *netdev;
	struct net_device *bond;
	atomic_t gen;
	u32 present;
	u32 usable;
	struct iroce_path paths[IROCE_LAG_SLOTS];
	struct iroce_stats __percpu *stats;
	u64 gone[IROCE_STAT_MAX];
	struct mutex qps_lock;		/* @qps; outside of all locks of a QP */
	struct list_head qps;		/* iroce_qp.entry */
	struct rvt_ibport port;
	u16 pkeys[1];
	struct list_head shares;
	spinlock_t gids_lock;		/* writers of @gids */
	struct hlist_head gids[64];	/* gid.c; RCU */
	struct list_head entry;		/* gid.c: devices that want neighbour events */
	bool is_port_active;		/* last state that was announced; RTNL */
	struct work_struct speed_work;	/* reads the netdev's speed, needs RTNL */
	u16 speed;			/* as ib_port_attr wants them */
	u8 width;
	struct ib_device_ops rvt;
};

static inline struct iroce_roce *iroce_roce(struct ib_device *ibdev)
{
	return container_of(ibdev, struct iroce_roce, rdi.ibdev);
}

/* What all flows of the device depend on has changed. Pairs with the acquire in flow.c. */
static inline void iroce_roce_changed(struct iroce_roce *roce)
{
	atomic_inc_return_release(&roce->gen);
}

static inline void iroce_roce_count(struct iroce_roce *roce, enum iroce_stat stat)
{
	iroce_stat_add(roce->stats, stat, 1);
}

/* One more of a port's violations: from all CPUs, and it stays at its end (IBTA 14.2.5.6). */
static inline void iroce_roce_violation(u16 *count)
{
	u16 old = READ_ONCE(*count);

	while (old != U16_MAX && !try_cmpxchg(count, &old, old + 1))
		;
}

#endif /* IROCE_ROCE_DEVICE_H */
