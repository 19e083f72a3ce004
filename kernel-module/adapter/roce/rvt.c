// SPDX-License-Identifier: GPL-2.0
/*
 * QPs as rdmavt wants them from a driver: private part, state changes, what may
 * be posted. rdmavt keeps the queues; what is done with them is in send.c ff.
 */
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/wait_bit.h>

#include "paths.h"
#include "qp_state.h"
#include "rc.h"
#include "rvt.h"
#include "send.h"

/* What goes from a work request into the send queue, and for which services. */
const struct rvt_operation_params iroce_post_parms[RVT_OPERATION_MAX] = {
	[IB_WR_SEND] = {
		.length = sizeof(struct ib_send_wr),
		.qpt_support = BIT(IB_QPT_RC) | BIT(IB_QPT_UD) | BIT(IB_QPT_GSI),
	},
	[IB_WR_SEND_WITH_IMM] = {
		.length = sizeof(struct ib_send_wr),
		.qpt_support = BIT(IB_QPT_RC) | BIT(IB_QPT_UD) | BIT(IB_QPT_GSI),
	},
	[IB_WR_RDMA_WRITE] = {
		.length = sizeof(struct ib_rdma_wr),
		.qpt_support = BIT(IB_QPT_RC),
	},
	[IB_WR_RDMA_WRITE_WITH_IMM] = {
		.length = sizeof(struct ib_rdma_wr),
		.qpt_support = BIT(IB_QPT_RC),
	},
	[IB_WR_RDMA_READ] = {
		.length = sizeof(struct ib_rdma_wr),
		.qpt_support = BIT(IB_QPT_RC),
		.flags = RVT_OPERATION_ATOMIC,	/* counts against max_rd_atomic */
	},
};

const enum ib_wc_opcode iroce_wc_opcode[] = {
	[IB_WR_SEND] = IB_WC_SEND,
	[IB_WR_SEND_WITH_IMM] = IB_WC_SEND,
	[IB_WR_RDMA_WRITE] = IB_WC_RDMA_WRITE,
	[IB_WR_RDMA_WRITE_WITH_IMM] = IB_WC_RDMA_WRITE,
	[IB_WR_RDMA_READ] = IB_WC_RDMA_READ,
};

/* ---- life ------------------------------------------------------------------ */

static void *qp_priv_alloc(struct rvt_dev_info *rdi, struct rvt_qp *qp)
{
	struct iroce_roce *roce = container_of(rdi, struct iroce_roce, rdi);
	struct iroce_qp *iqp = kzalloc(sizeof(*iqp), GFP_KERNEL);

	if (!iqp)
		return ERR_PTR(-ENOMEM);
	iqp->flight = iroce_flight_create(qp);
	if (!iqp->flight) {
		kfree(iqp);
		return ERR_PTR(-ENOMEM);
	}
	iqp->qp = qp;
	iqp->roce = roce;
	INIT_WORK(&iqp->work, iroce_send_work);
	mutex_init(&iqp->modify_lock);
	spin_lock_init(&iqp->flow_lock);
	iqp->window = IROCE_WINDOW_MAX;
	mutex_lock(&roce->qps_lock);
	list_add_tail(&iqp->entry, &roce->qps);
	mutex_unlock(&roce->qps_lock);
	return iqp;
}

static void qp_priv_free(struct rvt_dev_info *rdi, struct rvt_qp *qp)
{
	struct iroce_qp *iqp = iroce_qp(qp);

	mutex_lock(&iqp->roce->qps_lock);
	list_del(&iqp->entry);
	mutex_unlock(&iqp->roce->qps_lock);
	iroce_flight_leave(iqp->flight);
	cancel_work_sync(&iqp->work);
	iroce_flow_flush(iqp, true);
	kfree(iqp);
}

/*
 * ---- reset and error. In the order rdmavt calls them: flush_qp_waiters (locks
 * held, state is RESET), stop_send_queue and quiesce_qp (may sleep), then the
 * QP leaves the table and a grace period passes, then notify_qp_reset (locks held).
 */
static void flush_qp_waiters(struct rvt_qp *qp)
{
	WRITE_ONCE(iroce_qp(qp)->flight->wants_room, false);
}

static void stop_send_queue(struct rvt_qp *qp)
{
	cancel_work_sync(&iroce_qp(qp)->work);
}

static void quiesce_qp(struct rvt_qp *qp)
{
	/* The sender may be in post_send's caller; it sees RESET and stops. */
	wait_var_event(&qp->s_flags, !(READ_ONCE(qp->s_flags) & RVT_S_BUSY));
	cancel_work_sync(&iroce_qp(qp)->work);
	iroce_flow_flush(iroce_qp(qp), false);
}

static void notify_qp_reset(struct rvt_qp *qp)
{
	struct iroce_qp *iqp = iroce_qp(qp);
	int i;

	iqp->has_sge = false;
	iqp->has_read_sge = false;
	iqp->is_read_restarted = false;
	iqp->window = IROCE_WINDOW_MAX;
	iqp->n_patient = 0;
	iqp->gap = 0;
	iqp->is_resp_active = false;
	iqp->is_responding = false;
	iqp->is_replay = false;
	iqp->peer.is_set = false;
	for (i = 0; qp->s_ack_queue && i < rvt_max_atomic(&iqp->roce->rdi); i++)
		qp->s_ack_queue[i].opcode = 0;
	iroce_flow_flush(iqp, true);
}

static void notify_error_qp(struct rvt_qp *qp)
{
	iroce_qp(qp)->is_resp_active = false;
}

static unsigned int free_all_qps(struct rvt_dev_info *rdi)
{
	return 0;
}

/* ---- attributes ------------------------------------------------------------- */

/* What fits the netdev with all headers (the core knows them) and sealed: 1500 -> 1024. */
static enum ib_mtu port_active_mtu(struct iroce_roce *roce)
{
	int mtu = iroce_paths_mtu(roce) - IROCE_ESP_OVERHEAD_MAX;

	return iboe_get_mtu(mtu) ?: IB_MTU_256;
}

static int get_pmtu_from_attr(struct rvt_dev_info *rdi, struct rvt_qp *qp,
			      struct ib_qp_attr *attr)
{
	struct iroce_roce *roce = container_of(rdi, struct iroce_roce, rdi);

	if (attr->path_mtu < IB_MTU_256 || attr->path_mtu > port_active_mtu(roce))
		return -EINVAL;
	return attr->path_mtu;
}

static u32 mtu_from_qp(struct rvt_dev_info *rdi, struct rvt_qp *qp, u32 pmtu)
{
	return ib_mtu_enum_to_int(pmtu);
}

static int mtu_to_path_mtu(u32 mtu)
{
	return mtu ? ib_mtu_int_to_enum(mtu) : 0;
}

static int check_ah(struct ib_device *ibdev, struct rdma_ah_attr *attr)
{
	/* RoCE is always routed. */
	if (!(rdma_ah_get_ah_flags(attr) & IB_AH_GRH) || !rdma_ah_read_grh(attr)->sgid_attr)
		return -EINVAL;
	if (rdma_ah_read_grh(attr)->sgid_attr->gid_type != IB_GID_TYPE_ROCE_UDP_ENCAP)
		return -EINVAL;
	return 0;
}

static void notify_new_ah(struct ib_device *ibdev, struct rdma_ah_attr *attr, struct rvt_ah *ah)
{
	ah->log_pmtu = ilog2(ib_mtu_enum_to_int(port_active_mtu(iroce_roce(ibdev))));
}

/* r_lock, s_hlock and s_lock held: what rdmavt takes the caller's word for. */
static int check_modify_qp(struct rvt_qp *qp, struct ib_qp_attr *attr, int mask,
			   struct ib_udata *udata)
{
	/* From a state it is not in, a QP in use would get new PSNs, one in error a new life. */
	if ((mask & IB_QP_CUR_STATE) && attr->cur_qp_state != qp->state)
		return -EINVAL;
	if ((mask & IB_QP_MAX_QP_RD_ATOMIC) &&
	    attr->max_rd_atomic > ib_to_rvt(qp->ibqp.device)->dparms.props.max_qp_init_rd_atom)
		return -EINVAL;
	return 0;
}

/* r_lock and s_lock held. */
static void set_peer(struct iroce_qp *iqp)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(&iqp->qp->remote_ah_attr);
	const struct ib_gid_attr *sgid = grh->sgid_attr;
	struct net_device *ndev;

	memcpy(&iqp->peer.saddr, sgid->gid.raw, sizeof(iqp->peer.saddr));
	memcpy(&iqp->peer.daddr, grh->dgid.raw, sizeof(iqp->peer.daddr));
	iqp->peer.ifindex = 0;
	iqp->peer.vlan = IROCE_NO_VLAN;
	rcu_read_lock();
	ndev = rdma_read_gid_attr_ndev_rcu(sgid);
	if (!IS_ERR(ndev) && !rdma_read_gid_l2_fields(sgid, &iqp->peer.vlan, NULL)) {
		iqp->peer.ifindex = ndev->ifindex;
		iqp->peer.net = dev_net(ndev);
	}
	rcu_read_unlock();
	iqp->peer.is_set = true;
}

/* r_lock, s_hlock and s_lock held: after the core of rdmavt took the attributes over. */
static void modify_qp(struct rvt_qp *qp, struct ib_qp_attr *attr, int mask,
		      struct ib_udata *udata)
{
	struct iroce_qp *iqp = iroce_qp(qp);

	if (mask & IB_QP_SQ_PSN)
		iqp->sent_psn = qp->s_next_psn;
	if (mask & IB_QP_AV) {
		set_peer(iqp);
		iroce_flow_flush(iqp, false);
	}
	if (mask & IB_QP_STATE) {
		iqp->wants_drained = attr->qp_state == IB_QPS_SQD &&
				     (mask & IB_QP_EN_SQD_ASYNC_NOTIFY) &&
				     attr->en_sqd_async_notify;
		iroce_qp_check_drained(iqp);
	}
	/* Posted while the queue was drained or not yet ready. */
	if ((mask & IB_QP_STATE) && attr->qp_state == IB_QPS_RTS &&
	    qp->s_last != READ_ONCE(qp->s_head))
		iroce_sched_send(qp);
}

/* post_send: s_hlock held. What rdmavt does not check. */
static int setup_wqe(struct rvt_qp *qp, struct rvt_swqe *wqe, bool *call_send)
{
	u64 len = 0;
	int i;

	/* wqe->length is the sum in 32 bits; a hostile list of SGEs wraps it. */
	for (i = 0; i < wqe->wr.num_sge; i++)
		len += wqe->sg_list[i].sge_length;
	if (len > IROCE_MAX_MSG)
		return -EINVAL;
	if (iroce_qp_is_ud(qp)) {
		if (len > 1U << rvt_get_swqe_ah(wqe)->log_pmtu)
			return -EINVAL;
		/* The AH belongs to another device's PD? rdmavt compared it; the GID is ours. */
		if (!rdma_ah_read_grh(rvt_get_swqe_ah_attr(wqe))->sgid_attr)
			return -EINVAL;
	}
	*call_send = true;
	return 0;
}

/* ---- port --------------------------------------------------------------------- */

/* rdmavt asks on every modify_qp, with interrupts off: must not sleep. */
static int query_port_state(struct rvt_dev_info *rdi, u32 port_num, struct ib_port_attr *props)
{
	struct iroce_roce *roce = container_of(rdi, struct iroce_roce, rdi);
	struct net_device *ndev = roce->netdev;
	bool is_up = netif_running(ndev) && netif_carrier_ok(ndev);

	props->state = is_up ? IB_PORT_ACTIVE : IB_PORT_DOWN;
	props->phys_state = is_up ? IB_PORT_PHYS_STATE_LINK_UP : IB_PORT_PHYS_STATE_DISABLED;
	props->gid_tbl_len = 256;
	props->max_msg_sz = IROCE_MAX_MSG;
	props->max_mtu = IB_MTU_4096;
	props->active_mtu = port_active_mtu(roce);
	props->ip_gids = true;
	props->port_cap_flags |= IB_PORT_CM_SUP;
	props->active_speed = READ_ONCE(roce->speed);
	props->active_width = READ_ONCE(roce->width);
	return 0;
}

static int shut_down_port(struct rvt_dev_info *rdi, u32 port_num)
{
	return -EOPNOTSUPP;
}

static void cap_mask_chg(struct rvt_dev_info *rdi, u32 port_num)
{
}

static int get_guid_be(struct rvt_dev_info *rdi, struct rvt_ibport *rvp, int index, __be64 *guid)
{
	*guid = rdi->ibdev.node_guid;
	return 0;
}

static struct pci_dev *get_pci_dev(struct rvt_dev_info *rdi)
{
	return container_of(rdi, struct iroce_roce, rdi)->func->pdev;
}

static int comp_vect_cpu_lookup(struct rvt_dev_info *rdi, int vector)
{
	return cpumask_local_spread(vector, rdi->dparms.node);
}

const struct rvt_driver_provided iroce_rvt_driver = {
	.schedule_send = iroce_sched_send,
	.schedule_send_no_lock = iroce_send_kick,
	.do_send = iroce_send,
	.setup_wqe = setup_wqe,
	.get_pci_dev = get_pci_dev,
	.qp_priv_alloc = qp_priv_alloc,
	.qp_priv_free = qp_priv_free,
	.notify_qp_reset = notify_qp_reset,
	.get_pmtu_from_attr = get_pmtu_from_attr,
	.flush_qp_waiters = flush_qp_waiters,
	.stop_send_queue = stop_send_queue,
	.quiesce_qp = quiesce_qp,
	.notify_error_qp = notify_error_qp,
	.mtu_from_qp = mtu_from_qp,
	.mtu_to_path_mtu = mtu_to_path_mtu,
	.get_guid_be = get_guid_be,
	.query_port_state = query_port_state,
	.shut_down_port = shut_down_port,
	.cap_mask_chg = cap_mask_chg,
	.free_all_qps = free_all_qps,
	.check_ah = check_ah,
	.check_modify_qp = check_modify_qp,
	.notify_new_ah = notify_new_ah,
	.modify_qp = modify_qp,
	.notify_restart_rc = iroce_req_timeout,
	.comp_vect_cpu_lookup = comp_vect_cpu_lookup,
};
