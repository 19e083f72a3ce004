/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RoCEv2 engine of iroce: what its files know of each other, and the one
 * place where rdmavt, the kernel's library for software verbs, is included.
 *
 *   post_send --> send.c --plan--> rc_req.c / rc_answer.c / ud.c
 *                   |                (what to send next, under s_lock)
 *                   +--execute--> packet.c --> flow.c, iroce_frame_build()
 *                                 (no lock, one batch of packets)
 *                   +--> iroce_eswitch_xmit_list()
 *
 *   iroce_roce_rx() --> receive.c --> rc_ack.c    acks and read responses: requester
 *                                 --> rc_resp.c   requests: responder
 *                                 --> ud.c
 *
 * Locks, outermost first. rdmavt's: qp->r_lock (responder, and every change of
 * state or completion), qp->s_hlock (posting), qp->s_lock (requester, queue of
 * responses; also taken by a timer in hard irq). Ours: iroce_qp.flow_lock,
 * innermost, with interrupts off as it is taken inside s_lock. RVT_S_BUSY in
 * qp->s_flags makes the sender single: its owner works on iroce_qp.batch without
 * a lock.
 */
#ifndef IROCE_ROCE_H
#define IROCE_ROCE_H

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_vt.h>
#include <rdma/rdmavt_cq.h>
#include <rdma/rdmavt_qp.h>
#include <rdma/uverbs_ioctl.h>

#include "compat/compat.h"
#include "core/icrc.h"
#include "core/lag.h"
#include "core/roce.h"
#include "fabric/fabric.h"
#include "iroce.h"

#define IROCE_RDMA_PORT		1	/* verbs port number of every function */
#define IROCE_NO_VLAN		0xffff	/* as rdma_read_gid_l2_fields() says it */
#define IROCE_BAD_VLAN		0xfffe	/* a tag that no GID has: 802.1ad */

/*
 * A packet's payload may lie in IROCE_FRAME_PIECES places at most. An SGE of up
 * to 4096 bytes crosses at most one page boundary, so half as many SGEs fit always.
 */
#define IROCE_MAX_SEND_SGE	(IROCE_FRAME_PIECES / 2)
#define IROCE_MAX_RECV_SGE	16

/* rdmavt counts a region's maps in 16 bits (struct rvt_sge). */
#define IROCE_MAX_MAPS		(U16_MAX + 1)

#define IROCE_BATCH		16	/* packets planned and sent at a time */
#define IROCE_WINDOW_MAX	128	/* packets of a QP sent and not acknowledged */
#define IROCE_WINDOW_ALL	1024	/* the same of all QPs of a device, roughly */
#define IROCE_WINDOW_MIN	16
#define IROCE_TX_HIGH		192	/* frames of a QP below us: stop ... */
#define IROCE_TX_LOW		64	/* ... and go on */
#define IROCE_BUDGET		32	/* packets per run of the sender: then another QP's turn */
#define IROCE_MAX_MSG		(1U << 30)
#define IROCE_MSG_LIMIT		(1U << 31)	/* of any RDMA message, IBTA 9.7.7 */

struct iroce_qp;

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
 * @stats: what the engine counts: those of @func, or a bond's own
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

/*
 * struct iroce_flow - how packets of a QP (UD: to one address) leave the host
 *
 * Immutable once published, read under RCU. @hdr is the header from Ethernet to
 * UDP of a packet without payload length; see packet.c for what is patched.
 */
struct iroce_flow {
	struct rcu_head rcu;
	struct iroce_func *func;	/* they leave through this one; good while the flow is */
	int gen;			/* roce->gen and func->flow_gen it was resolved at */
	int func_gen;
	enum iroce_verdict verdict;
	enum iroce_stat why;		/* counter of drops if IROCE_CLOSED */
	bool is_provisional;		/* ask again after @expires */
	bool is_v6;
	u8 l2_len;
	u8 l3_len;
	u8 hdr_len;
	u32 payload_max;		/* what the path's MTU leaves of a packet */
	unsigned long expires;		/* jiffies */
	struct iroce_sa *sa;
	struct dst_entry *dst;
	u32 dst_cookie;
	struct iroce_ah_key *ah_key;	/* UD: the address this is for */
	u8 hdr[ETH_HLEN + VLAN_HLEN + 40 + 8] __aligned(4);
};

/* What a UD flow depends on besides the QP. Compared as memory: no holes. */
struct iroce_ah_key {
	union ib_gid dgid;
	const struct ib_gid_attr *sgid;
	u32 flow_label;
	u32 qpn;
	u8 dmac[ETH_ALEN];
	u8 hop_limit;
	u8 traffic_class;
	u8 sl;
	u8 zero[7];
};

#define IROCE_UD_FLOWS	8		/* direct mapped cache of a UD QP */
#define IROCE_PEERS	32		/* hash buckets of protected peers of a UD QP */

/* struct iroce_peers - addresses a QP has once been protected towards; flow_lock */
struct iroce_peers {
	struct hlist_head bucket[IROCE_PEERS];
	unsigned int n;
	bool is_full;			/* cannot remember more: all count as protected */
};

/* One kind of packets to send: see send.c. */
enum iroce_plan {
	IROCE_PLAN_IDLE,	/* nothing to do, or must wait */
	IROCE_PLAN_SEND,	/* iroce_qp.batch is filled */
	IROCE_PLAN_FLUSH,	/* QP is in error: complete the send queue */
};

/*
 * struct iroce_batch - packets of one message to build and send without a lock
 *
 * Holds a reference on each memory region in @mr. @ss walks over @sge, never
 * over the WQE: the WQE may be completed and reused meanwhile.
 */
struct iroce_batch {
	const struct iroce_send_op *op;
	u32 psn;			/* of the first packet */
	u32 n;				/* packets */
	u32 index;			/* of the first packet in its message */
	u32 n_msg;			/* packets of the message */
	u32 len;			/* payload bytes in this batch */
	u32 pmtu;
	u32 dqpn;
	u64 va;				/* RETH */
	u32 rkey;
	u32 dma_len;
	__be32 imm;
	__be32 aeth;
	u32 qkey;			/* DETH */
	u32 inv_rkey;			/* IETH */
	bool is_solicited;
	bool is_response;
	bool is_ackreq;			/* on the last packet */
	struct rdma_ah_attr *ah;	/* UD: belongs to the WQE, stable while BUSY */
	struct rvt_sge_state ss;
	struct rvt_sge sge[IROCE_MAX_SEND_SGE];
	struct rvt_mregion *mr[IROCE_MAX_SEND_SGE];
	u8 n_mr;
};

/* struct iroce_send_op - opcodes of one kind of message, by place in the message */
struct iroce_send_op {
	u8 first;
	u8 middle;
	u8 last;
	u8 only;
	u8 flags;
};

#define IROCE_SOP_READ		0x01	/* one packet asks for many */
#define IROCE_SOP_CREDIT	0x02	/* consumes a receive WQE of the peer */
#define IROCE_SOP_SE		0x04	/* solicited event bit has a meaning */

/*
 * struct iroce_flight - the frames of a QP that are below us
 *
 * All that a frame knows of its QP. It outlives QP and device: a cable's driver may hold
 * frames for as long as it likes, and nobody who destroys something waits for that.
 *
 * @refs: one of the QP, one per frame that carries our destructor
 * @wants_room: the sender stopped at IROCE_TX_HIGH
 * @lock: @qp, which is NULL once the QP is gone; hard irq
 */
struct iroce_flight {
	refcount_t refs;
	bool wants_room;
	spinlock_t lock;
	struct rvt_qp *qp;
};

/* struct iroce_qp - the engine's part of a QP (rvt_qp.priv) */
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

/* A received packet on its way through the engine; no reference is taken. */
struct iroce_rx_pkt {
	struct iroce_roce_pkt roce;
	struct iroce_func *func;	/* it came to this one */
	struct iroce_roce *roce_dev;
	struct iroce_qp *iqp;
	struct iroce_sa *sa;
	struct sk_buff *skb;
	u8 *payload;
	bool is_v6;
	u16 vlan;			/* IROCE_NO_VLAN: none */
	struct in6_addr saddr;		/* IPv4 mapped */
	struct in6_addr daddr;
};

/* ---- budget.c: what one user may hold --------------------------------- */
enum iroce_object {
	IROCE_OBJECT_PD,
	IROCE_OBJECT_AH,
	IROCE_OBJECT_MR,
	IROCE_OBJECT_CQ,
	IROCE_OBJECT_SRQ,
	IROCE_OBJECT_QP,
	IROCE_OBJECTS,
};

/* struct iroce_charge - what an object counts for; @share NULL: nothing */
struct iroce_charge {
	struct iroce_share *share;
	struct iroce_roce *roce;
	enum iroce_object object;
	u64 bytes;
};

int iroce_charge(struct iroce_charge *charge, struct iroce_roce *roce, enum iroce_object object,
		 u64 bytes, struct ib_udata *udata);
void iroce_uncharge(struct iroce_charge *charge);
/* Memory that comes and goes while the object is there. Any context. 0, -EDQUOT. */
int iroce_charge_more(struct iroce_charge *charge, u64 bytes);
void iroce_charge_less(struct iroce_charge *charge, u64 bytes);

/* ---- ring.c: rings in memory of the process ---------------------------- */

/* struct iroce_ring - pinned pages as the kernel sees them; @addr NULL: none */
struct iroce_ring {
	struct ib_umem *umem;
	void *addr;
};

int iroce_ring_map(struct iroce_ring *ring, struct ib_device *ibdev, struct ib_udata *udata,
		   size_t need);
void iroce_ring_unmap(struct iroce_ring *ring);
int iroce_ring_open(struct iroce_ring *ring, struct rvt_mmap_info **mark,
		    struct ib_device *ibdev, struct ib_udata *udata, size_t need);

/* ---- objects.c, memory.c: what user space makes ----------------------------- */

/* struct iroce_qp_user - a QP that works on regions of a PD; iroce_pd.lock */
struct iroce_qp_user {
	struct list_head entry;		/* iroce_pd.users */
	struct rvt_qp *qp;
};

/* struct iroce_pd - @lock is taken outside of all locks of a QP */
struct iroce_pd {
	struct rvt_pd rvt;
	struct iroce_charge charge;
	struct mutex lock;
	struct list_head users;
};

struct iroce_ah {
	struct rvt_ah rvt;
	struct iroce_charge charge;
};

/*
 * struct iroce_cq
 * @ring: none if it is the kernel's
 * @event_handler: the core's; @has_failed: it has been told of
 */
struct iroce_cq {
	struct rvt_cq rvt;
	void (*event_handler)(struct ib_event *ev, void *context);
	int has_failed;
	struct iroce_charge charge;
	struct iroce_ring ring;
	struct mutex resize_lock;
};

struct iroce_srq {
	struct rvt_srq rvt;
	struct iroce_charge charge;
	struct iroce_ring ring;
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

static inline struct iroce_pd *iroce_pd(struct ib_pd *ibpd)
{
	return container_of(ibpd, struct iroce_pd, rvt.ibpd);
}

static inline struct iroce_ah *iroce_ah(struct ib_ah *ibah)
{
	return container_of(ibah, struct iroce_ah, rvt.ibah);
}

static inline struct iroce_cq *iroce_cq(struct ib_cq *ibcq)
{
	return container_of(ibcq, struct iroce_cq, rvt.ibcq);
}

static inline struct iroce_srq *iroce_srq(struct ib_srq *ibsrq)
{
	return container_of(ibsrq, struct iroce_srq, rvt.ibsrq);
}

static inline struct iroce_verbs_qp *iroce_verbs_qp(struct ib_qp *ibqp)
{
	return container_of(ibqp, struct iroce_verbs_qp, rvt.ibqp);
}

/* Verbs: see struct ib_device_ops. */
int iroce_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int iroce_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata);
int iroce_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *attr, struct ib_udata *udata);
int iroce_destroy_ah(struct ib_ah *ibah, u32 flags);
int iroce_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr,
		    struct uverbs_attr_bundle *attrs);
int iroce_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata);
int iroce_resize_cq(struct ib_cq *ibcq, iroce_cqe_t cqe, struct ib_udata *udata);
int iroce_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *attr, struct ib_udata *udata);
int iroce_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		     struct ib_udata *udata);
int iroce_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata);
int iroce_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *attr, struct ib_udata *udata);
int iroce_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_udata *udata);
int iroce_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata);
int iroce_post_send(struct ib_qp *ibqp, const struct ib_send_wr *list,
		    const struct ib_send_wr **bad);
struct ib_mr *iroce_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
				IROCE_DMAH_PARAM struct ib_udata *udata);
struct ib_mr *iroce_alloc_mr(struct ib_pd *pd, enum ib_mr_type type, u32 max_num_sg);
int iroce_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);

/* ---- device.c ---------------------------------------------------------- */

/*
 * Registers a device of @f alone, or of @bond with no path yet. Process context, no
 * RTNL. ERR_PTR.
 */
struct iroce_roce *iroce_roce_create(struct iroce_func *f, struct net_device *bond);
/* No function has it as its iroce_func.roce any more. Process context, no RTNL. */
void iroce_roce_destroy(struct iroce_roce *roce);
/* Its netdev went up, down, ...; RTNL. */
void iroce_roce_netdev_event(struct iroce_roce *roce, unsigned long event);

/* ---- paths.c: the paths of a device ------------------------------------- */
/* @f, which has no device, becomes a path of the bond's device. RTNL. */
void iroce_lag_add(struct iroce_roce *roce, struct iroce_func *f);
/*
 * No packet goes through @f any more, if it was a path; those that are on their way are
 * waited for by whoever frees it. RTNL.
 */
void iroce_lag_del(struct iroce_func *f);
/* @f can send, or cannot any more; if it is a path. RTNL. */
void iroce_lag_update(struct iroce_func *f);
/* The function that a flow leaves by; NULL: no port can send. RCU read side. */
struct iroce_func *iroce_lag_func(struct iroce_roce *roce, const struct iroce_flow_key *key);
/*
 * I1, I2: what is protected at one port of a bond is protected at all of them, so that
 * a flow is not in the clear where a port came without policies. False for a device
 * that is no bond's. RCU read side.
 */
bool iroce_lag_protects(struct iroce_roce *roce, bool is_out, const struct iroce_flow_key *key);
/* The least MTU of the netdev and the paths. Any context. */
int iroce_lag_mtu(struct iroce_roce *roce);
/* A counter of the device over all its paths. */
u64 iroce_lag_stat(struct iroce_roce *roce, enum iroce_stat stat);

/* ---- rvt.c: what rdmavt calls ------------------------------------------ */
extern const struct rvt_driver_provided iroce_rvt_driver;
extern const struct rvt_operation_params iroce_post_parms[RVT_OPERATION_MAX];
extern const enum ib_wc_opcode iroce_wc_opcode[];
/* To the error state; r_lock and s_lock held. */
void iroce_qp_error(struct rvt_qp *qp, enum ib_wc_status status);
void iroce_qp_event(struct rvt_qp *qp, enum ib_event_type type);
void iroce_qp_check_drained(struct iroce_qp *iqp);
enum ib_mtu iroce_port_active_mtu(struct iroce_roce *roce);

/* ---- rwqe.c: receive WQEs, which user space can write at any time ------- */
/*
 * 1 one taken, 0 none posted, -1 it is malformed (completed in error). r_lock held. Unless
 * @wr_id_only: qp->r_sge has r_len bytes; the entry names iroce_qp.rwqe_len, and what is
 * between the two is not memory that may be written.
 */
int iroce_rwqe_get(struct rvt_qp *qp, bool wr_id_only);

/* ---- send.c: the sender ------------------------------------------------ */
int iroce_send_module_init(void);
void iroce_send_module_exit(void);
bool iroce_send_schedule(struct rvt_qp *qp);
bool iroce_send_kick(struct rvt_qp *qp);
void iroce_send(struct rvt_qp *qp);
void iroce_send_work(struct work_struct *work);
/* Frames of a new QP; NULL: no memory. Process context. */
struct iroce_flight *iroce_flight_create(struct rvt_qp *qp);
/* The QP is going: no frame wakes it any more. Those below us keep the object. */
void iroce_flight_leave(struct iroce_flight *flight);
/* How many frames are below us; they may get fewer at any time. */
static inline unsigned int iroce_flight_n(const struct iroce_flight *flight)
{
	return refcount_read(&flight->refs) - 1;
}

/* ---- packet.c: one packet ---------------------------------------------- */
struct sk_buff *iroce_packet_build(struct iroce_qp *iqp, struct iroce_flow *flow,
				   struct iroce_frame *frame, struct iroce_batch *batch,
				   u32 i);
bool iroce_packet_icrc_ok(const struct iroce_rx_pkt *pkt);
void iroce_packet_drop(struct iroce_qp *iqp, const struct iroce_flow *flow, u32 n, u32 bytes);
/* The same for packets with a payload of @len that the path of an open flow cannot carry. */
void iroce_packet_drop_long(struct iroce_qp *iqp, const struct iroce_flow *flow, u32 n, u32 len);
void iroce_packet_lost(const struct iroce_flow *flow, int err, u32 n, u32 bytes);
/* Sends an ACK or NAK at once; softirq or BH disabled. @aeth as on the wire. */
void iroce_packet_send_ack(struct iroce_qp *iqp, u32 psn, __be32 aeth);

/* ---- rc_req.c: requester, sending ----------------------------------------- */
enum iroce_plan iroce_req_plan(struct iroce_qp *iqp);
void iroce_req_done(struct iroce_qp *iqp);
void iroce_req_restart(struct iroce_qp *iqp, u32 psn);
void iroce_req_timeout(struct rvt_qp *qp, u32 psn, int wait);
void iroce_req_arm_timer(struct rvt_qp *qp);
void iroce_req_heard(struct iroce_qp *iqp);
bool iroce_wqe_is_read(const struct rvt_swqe *wqe);
void iroce_batch_sges(struct iroce_batch *batch, const struct rvt_sge_state *ss);
void iroce_batch_put(struct iroce_batch *batch);

/* ---- rc_ack.c: requester, receiving --------------------------------------- */
void iroce_ack_rx(struct iroce_rx_pkt *pkt);

/* ---- rc_resp.c, rc_answer.c: responder ------------------------------------ */
void iroce_resp_rx(struct iroce_rx_pkt *pkt);
enum iroce_plan iroce_resp_plan(struct iroce_qp *iqp);
int iroce_resp_read(struct iroce_rx_pkt *pkt);
void iroce_resp_duplicate(struct iroce_rx_pkt *pkt);
void iroce_resp_reply(struct iroce_qp *iqp, u32 psn, u8 nak);
bool iroce_resp_map(struct rvt_qp *qp, struct rvt_sge *sge, const struct iroce_reth *reth,
		    int access);

/* One more of a port's violations: from all CPUs, and it stays at its end (IBTA 14.2.5.6). */
static inline void iroce_roce_violation(u16 *count)
{
	u16 old = READ_ONCE(*count);

	while (old != U16_MAX && !try_cmpxchg(count, &old, old + 1))
		;
}

/* ---- ud.c ---------------------------------------------------------------- */
enum iroce_plan iroce_ud_plan(struct iroce_qp *iqp);
void iroce_ud_done(struct iroce_qp *iqp);
void iroce_ud_rx(struct iroce_rx_pkt *pkt);

/* ---- flow.c --------------------------------------------------------------- */
/*
 * The flow of a connected QP, or of a UD QP to @ah; ERR_PTR: no way to send now, and with
 * -ENOMEM nobody knows whether it is protected.
 * Under rcu_read_lock(), BH disabled; what is returned is good until its end. Takes s_lock.
 */
struct iroce_flow *iroce_flow_rc(struct iroce_qp *iqp);
struct iroce_flow *iroce_flow_ud(struct iroce_qp *iqp, const struct rdma_ah_attr *ah, u32 qpn);
/* Says in the log, once in a while, that packets of @len bytes do not fit the path. */
void iroce_flow_tell_mtu(const struct iroce_qp *iqp, const struct iroce_flow *flow, u32 len);
/* I5: does this QP take cleartext from @saddr? */
bool iroce_flow_takes_plain(struct iroce_qp *iqp, const struct in6_addr *saddr);
/* @forget: also that it was ever protected (reset, destruction) */
void iroce_flow_flush(struct iroce_qp *iqp, bool forget);
/* Lets go of flows whose SA is deleted. */
void iroce_flow_drop_dead(struct iroce_qp *iqp);

/* ---- gid.c ----------------------------------------------------------------- */
int iroce_gid_module_init(void);
void iroce_gid_module_exit(void);
void iroce_gid_add_device(struct iroce_roce *roce);
void iroce_gid_del_device(struct iroce_roce *roce);
int iroce_gid_add(const struct ib_gid_attr *attr, void **context);
int iroce_gid_del(const struct ib_gid_attr *attr, void **context);
/* Is @addr an address of the device, on that VLAN (IROCE_NO_VLAN: on none)? RCU read side. */
bool iroce_gid_is_ours(struct iroce_roce *roce, const struct in6_addr *addr, u16 vlan);

/* ---- pma.c ----------------------------------------------------------------------- */
int iroce_process_mad(struct ib_device *ibdev, int flags, u32 port_num, const struct ib_wc *in_wc,
		      const struct ib_grh *in_grh, const struct ib_mad *in, struct ib_mad *out,
		      size_t *out_size, u16 *out_pkey_index);

/* ---- hwstats.c ----------------------------------------------------------------- */
struct rdma_hw_stats *iroce_hwstats_alloc(struct ib_device *ibdev, u32 port_num);
int iroce_hwstats_get(struct ib_device *ibdev, struct rdma_hw_stats *stats, u32 port_num,
		      int index);

#endif /* IROCE_ROCE_H */
