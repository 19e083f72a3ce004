// SPDX-License-Identifier: GPL-2.0
/*
 * The RDMA device of a function, or of a bond of functions: registration with rdmavt
 * and the core, limits, events. What user space makes on it is in qp.c, cq.c and memory.c.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>

#include "counters.h"
#include "cq.h"
#include "gid.h"
#include "memory.h"
#include "paths.h"
#include "qp_state.h"
#include "rvt.h"
#include "send.h"
#include "uapi/iroce-abi.h"
#include "verbs.h"

#define LKEY_BITS	14	/* memory regions per device */
#define QP_TABLE	1024	/* hash buckets */
#define QPN_START_MIN	16
#define QPN_START_MAX	(RVT_KDETH_QP_BASE / 2)
#define RD_ATOMIC	16	/* reads outstanding per QP */
/*
 * Reads in flight as requester: nothing here grows with it. rdma_rxe answers as many,
 * and perftest asks of us what the peer answers.
 */
#define INIT_RD_ATOMIC	128

/*
 * The core calls this between filling in rdmavt's verbs and letting anyone use them,
 * and again when the device has moved to another network namespace.
 */
static int enable_driver(struct ib_device *ibdev)
{
	struct iroce_roce *roce = iroce_roce(ibdev);

	if (roce->rvt.create_qp)
		return 0;
	roce->rvt = ibdev->ops;
	ibdev->ops.alloc_mr = iroce_alloc_mr;
	/* rdmavt's would refuse a group with ENOMEM (max_mcast_grp 0): without, it is EOPNOTSUPP. */
	ibdev->ops.attach_mcast = NULL;
	ibdev->ops.detach_mcast = NULL;
	ibdev->ops.alloc_pd = iroce_alloc_pd;
	ibdev->ops.create_ah = iroce_create_ah;
	ibdev->ops.create_cq = iroce_create_cq;
	ibdev->ops.create_qp = iroce_create_qp;
	ibdev->ops.create_srq = iroce_create_srq;
	ibdev->ops.create_user_ah = iroce_create_ah;
	ibdev->ops.dealloc_pd = iroce_dealloc_pd;
	ibdev->ops.dereg_mr = iroce_dereg_mr;
	ibdev->ops.destroy_ah = iroce_destroy_ah;
	ibdev->ops.destroy_cq = iroce_destroy_cq;
	ibdev->ops.destroy_qp = iroce_destroy_qp;
	ibdev->ops.destroy_srq = iroce_destroy_srq;
	ibdev->ops.modify_qp = iroce_modify_qp;
	ibdev->ops.modify_srq = iroce_modify_srq;
	ibdev->ops.post_send = iroce_post_send;
	ibdev->ops.reg_user_mr = iroce_reg_user_mr;
	iroce_compat_resize_cq(&ibdev->ops) = iroce_resize_cq;
	return 0;
}

/* ---- our own verbs ------------------------------------------------------------- */

static int alloc_ucontext(struct ib_ucontext *uctx, struct ib_udata *udata)
{
	struct iroce_alloc_ucontext_resp resp = { .abi_version = IROCE_ABI_VERSION };

	if (!udata->outlen)
		return 0;
	return ib_copy_to_udata(udata, &resp, min(sizeof(resp), udata->outlen));
}

/*
 * A process may hold the device open while it is removed: uverbs has destroyed the
 * objects, their rings are the process's own. Having this call is the point: uverbs
 * takes no reference on our module.
 */
static void disassociate_ucontext(struct ib_ucontext *uctx)
{
}

static enum rdma_link_layer get_link_layer(struct ib_device *ibdev, u32 port_num)
{
	return IB_LINK_LAYER_ETHERNET;
}

static int modify_device(struct ib_device *ibdev, int mask, struct ib_device_modify *modify)
{
	if (mask & ~IB_DEVICE_MODIFY_NODE_DESC)
		return -EOPNOTSUPP;
	if (mask & IB_DEVICE_MODIFY_NODE_DESC)
		memcpy(ibdev->node_desc, modify->node_desc, sizeof(ibdev->node_desc));
	return 0;
}

static void get_dev_fw_str(struct ib_device *ibdev, char *str)
{
	snprintf(str, IB_FW_VERSION_NAME_MAX, "software");
}

/* rdmavt insists on a list, we have nothing to show there. */
static const struct attribute_group *port_groups[] = { NULL };

static const struct ib_device_ops roce_ops = {
	.owner = THIS_MODULE,
	.driver_id = IROCE_DRIVER_ID,
	.port_groups = port_groups,

	.add_gid = iroce_gid_add,
	.alloc_hw_port_stats = iroce_hwstats_alloc,
	.alloc_ucontext = alloc_ucontext,
	.del_gid = iroce_gid_del,
	.disassociate_ucontext = disassociate_ucontext,
	.enable_driver = enable_driver,
	.get_dev_fw_str = get_dev_fw_str,
	.get_hw_stats = iroce_hwstats_get,
	.get_link_layer = get_link_layer,
	.modify_device = modify_device,
	.process_mad = iroce_process_mad,

	INIT_RDMA_OBJ_SIZE(ib_ah, iroce_ah, rvt.ibah),
	INIT_RDMA_OBJ_SIZE(ib_cq, iroce_cq, rvt.ibcq),
	INIT_RDMA_OBJ_SIZE(ib_pd, iroce_pd, rvt.ibpd),
	INIT_RDMA_OBJ_SIZE(ib_qp, iroce_verbs_qp, rvt.ibqp),
	INIT_RDMA_OBJ_SIZE(ib_srq, iroce_srq, rvt.ibsrq),
};

static const struct ib_device_attr limits = {
	.vendor_id = 0xffffff,		/* no OUI */
	.max_mr_size = (u64)IROCE_MAX_MAPS * RVT_SEGSZ * PAGE_SIZE,
	.page_size_cap = PAGE_SIZE,
	.max_qp = 16384,
	.max_qp_wr = 16384,
	.max_send_sge = IROCE_MAX_SEND_SGE,
	.max_recv_sge = IROCE_MAX_RECV_SGE,
	.max_sge_rd = IROCE_MAX_SEND_SGE,
	.max_cq = 16384,
	/* The ring is memory of who asks; middleware asks for a queue pair's depth times its peers. */
	.max_cqe = (1 << 22) - 1,
	.max_mr = 1 << LKEY_BITS,
	.max_pd = 16384,
	.max_ah = 65535,
	.max_srq = 4096,
	.max_srq_wr = 16384,
	.max_srq_sge = IROCE_MAX_RECV_SGE,
	.max_qp_rd_atom = RD_ATOMIC,
	.max_qp_init_rd_atom = INIT_RD_ATOMIC,
	.max_res_rd_atom = RD_ATOMIC * 16384,
	.max_pkeys = 1,
	.local_ca_ack_delay = 15,
	.atomic_cap = IB_ATOMIC_NONE,
	.device_cap_flags = IB_DEVICE_BAD_PKEY_CNTR | IB_DEVICE_BAD_QKEY_CNTR |
			    IB_DEVICE_RC_RNR_NAK_GEN | IB_DEVICE_SYS_IMAGE_GUID |
			    IB_DEVICE_PORT_ACTIVE_EVENT,
};

static void set_params(struct iroce_roce *roce)
{
	struct rvt_driver_params *p = &roce->rdi.dparms;

	p->props = limits;
	p->props.sys_image_guid = roce->rdi.ibdev.node_guid;
	p->lkey_table_size = LKEY_BITS;
	p->qp_table_size = QP_TABLE;
	/*
	 * Not the same on all hosts: UDP source ports come from both ends' numbers, and
	 * those of two that count in step hash to one port of a bond. Nor to be guessed.
	 */
	p->qpn_start = get_random_u32_inclusive(QPN_START_MIN, QPN_START_MAX);
	p->qpn_inc = 1;
	/* rdmavt wants a range that is not for verbs; this is the smallest. */
	p->qpn_res_start = RVT_KDETH_QP_BASE;
	p->qpn_res_end = RVT_KDETH_QP_BASE;
	p->nports = 1;
	p->npkeys = 1;
	p->node = first_online_node;
	p->psn_mask = IROCE_PSN_MASK;
	p->psn_modify_mask = IROCE_PSN_MASK;
	p->psn_shift = 8;
	p->core_cap_flags = RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP;
	p->max_mad_size = IB_MGMT_MAD_SIZE;
	p->max_rdma_atomic = RD_ATOMIC;
	/* As many again stay known after they were answered, for duplicates. */
	p->extra_rdma_atomic = RD_ATOMIC;
}

static void set_identity(struct iroce_roce *roce)
{
	struct ib_device *ibdev = &roce->rdi.ibdev;
	u8 *guid = (u8 *)&ibdev->node_guid;

	/* Not its address of now: the ports of a bond have the same one. */
	addrconf_addr_eui48(guid, roce->func->netdev->perm_addr);
	/* The function may have a device of its own again, or another bond's, while this is there. */
	if (roce->bond) {
		guid[3] = 0xe0 | (roce->bond->ifindex >> 8 & 0x0f);
		guid[4] = roce->bond->ifindex;
	}
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = num_online_cpus();
	ibdev->dev.parent = &roce->func->pdev->dev;
	strscpy(ibdev->node_desc, "iroce", sizeof(ibdev->node_desc));
	/* The core replaces %d when it registers the device. */
	dev_set_name(&ibdev->dev, "%s", roce->bond ? "iroce_bond_%d" : "iroce%d");
}

/* ---- events ----------------------------------------------------------------------- */

static void port_event(struct iroce_roce *roce, enum ib_event_type type)
{
	struct ib_event ev = {
		.device = &roce->rdi.ibdev,
		.element.port_num = IROCE_RDMA_PORT,
		.event = type,
	};

	ib_dispatch_event(&ev);
}

static void read_speed(struct work_struct *work)
{
	struct iroce_roce *roce = container_of(work, struct iroce_roce, speed_work);
	u16 speed;
	u8 width;

	if (ib_get_eth_speed(&roce->rdi.ibdev, IROCE_RDMA_PORT, &speed, &width))
		return;
	WRITE_ONCE(roce->speed, speed);
	WRITE_ONCE(roce->width, width);
}

/* Where bonds come in the core leaves them to us. */
static bool core_sends_port_events(const struct iroce_roce *roce)
{
	return IROCE_CORE_SENDS_PORT_EVENTS && !netif_is_lag_master(roce->netdev) &&
	       !netif_is_lag_port(roce->netdev);
}

void iroce_roce_netdev_event(struct iroce_roce *roce, unsigned long event)
{
	struct net_device *ndev = roce->netdev;
	bool is_active;

	ASSERT_RTNL();
	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		is_active = netif_running(ndev) && netif_carrier_ok(ndev);
		if (is_active == roce->is_port_active)
			break;
		roce->is_port_active = is_active;
		if (!is_active)
			iroce_roce_count(roce, IROCE_STAT_link_downed);
		if (!core_sends_port_events(roce))
			port_event(roce, is_active ? IB_EVENT_PORT_ACTIVE : IB_EVENT_PORT_ERR);
		schedule_work(&roce->speed_work);
		break;
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
		break;
	default:
		return;
	}
	iroce_roce_changed(roce);
}

/* ---- paths of a bond's device, RTNL --------------------------------------------- */

/* Not rvt_qp_iter(): that may step on a QP that is destroyed meanwhile. May sleep. */
static void flush_flows(struct iroce_roce *roce)
{
	struct iroce_qp *iqp;

	mutex_lock(&roce->qps_lock);
	list_for_each_entry(iqp, &roce->qps, entry)
		iroce_flow_flush(iqp, false);
	mutex_unlock(&roce->qps_lock);
}

static void update_path(struct iroce_roce *roce, const struct iroce_func *f)
{
	u32 bit = BIT(f->rdma.slot);
	u32 usable = roce->usable & ~bit;

	if (f->rdma.may_send && netif_running(f->netdev) && netif_carrier_ok(f->netdev))
		usable |= bit;
	if (usable == roce->usable)
		return;
	WRITE_ONCE(roce->usable, usable);
	iroce_roce_changed(roce);
}

void iroce_roce_update_path(struct iroce_func *f)
{
	if (f->rdma.slot >= 0)
		update_path(f->roce, f);
}

void iroce_roce_add_path(struct iroce_roce *roce, struct iroce_func *f)
{
	int slot = ffz(roce->present);
	int i;

	/* func/lag.c counts the ports before it makes a device. */
	if (WARN_ON_ONCE(slot >= IROCE_LAG_SLOTS))
		return;
	for (i = 0; i < IROCE_STAT_MAX; i++)
		WRITE_ONCE(roce->paths[slot].base[i], iroce_stat_sum(f->stats, i));
	f->rdma.slot = slot;
	rcu_assign_pointer(roce->paths[slot].func, f);
	WRITE_ONCE(roce->present, roce->present | BIT(slot));
	update_path(roce, f);
	iroce_roce_changed(roce);
	/* Only now is there a table of QPs that a packet may be looked up in. */
	smp_store_release(&f->roce, roce);
}

void iroce_roce_del_path(struct iroce_func *f)
{
	struct iroce_roce *roce;
	int slot = f->rdma.slot;
	int i;

	if (slot < 0)
		return;
	roce = f->roce;
	f->rdma.slot = -1;
	WRITE_ONCE(f->roce, NULL);
	WRITE_ONCE(roce->usable, roce->usable & ~BIT(slot));
	WRITE_ONCE(roce->present, roce->present & ~BIT(slot));
	for (i = 0; i < IROCE_STAT_MAX; i++)
		WRITE_ONCE(roce->gone[i], roce->gone[i] + iroce_stat_sum(f->stats, i) -
						  roce->paths[slot].base[i]);
	RCU_INIT_POINTER(roce->paths[slot].func, NULL);
	iroce_roce_changed(roce);
	/* Flows hold SAs of @f, also those of QPs that send nothing. */
	flush_flows(roce);
}

void iroce_roce_drop_dead(struct iroce_roce *roce)
{
	struct iroce_qp *iqp;

	mutex_lock(&roce->qps_lock);
	list_for_each_entry(iqp, &roce->qps, entry)
		iroce_flow_drop_dead(iqp);
	mutex_unlock(&roce->qps_lock);
}

struct iroce_func *iroce_roce_func(const struct iroce_roce *roce)
{
	return roce->func;
}

/* ---- life ------------------------------------------------------------------------- */

struct iroce_roce *iroce_roce_create(struct iroce_func *f, struct net_device *bond)
{
	struct iroce_roce *roce;
	struct rvt_dev_info *rdi;
	int err = -ENOMEM;

	rdi = rvt_alloc_device(sizeof(*roce), 1);
	if (!rdi)
		return ERR_PTR(-ENOMEM);
	roce = container_of(rdi, struct iroce_roce, rdi);
	roce->func = f;
	roce->bond = bond;
	roce->netdev = bond ?: f->netdev;
	roce->stats = bond ? alloc_percpu(struct iroce_stats) : f->stats;
	if (!roce->stats)
		goto err_dealloc;
	INIT_LIST_HEAD(&roce->shares);
	spin_lock_init(&roce->gids_lock);
	roce->pkeys[0] = IROCE_PKEY_DEFAULT;
	roce->speed = IB_SPEED_SDR;
	roce->width = IB_WIDTH_1X;
	INIT_WORK(&roce->speed_work, read_speed);
	spin_lock_init(&roce->port.lock);
	mutex_init(&roce->qps_lock);
	INIT_LIST_HEAD(&roce->qps);
	set_identity(roce);
	set_params(roce);
	rdi->driver_f = iroce_rvt_driver;
	rdi->post_parms = iroce_post_parms;
	rdi->wc_opcode = iroce_wc_opcode;
	rvt_init_port(rdi, &roce->port, 0, roce->pkeys);
	ib_set_device_ops(&rdi->ibdev, &roce_ops);
	err = ib_device_set_netdev(&rdi->ibdev, roce->netdev, IROCE_RDMA_PORT);
	if (err)
		goto err_stats;
	err = rvt_register_device(rdi);
	if (err)
		goto err_stats;
	iroce_gid_add_device(roce);
	read_speed(&roce->speed_work);
	return roce;

err_stats:
	if (bond)
		free_percpu(roce->stats);
err_dealloc:
	rvt_dealloc_device(rdi);
	return ERR_PTR(err);
}

static void end_qp(struct rvt_qp *qp)
{
	iroce_qp_lock(qp);
	iroce_qp_error(qp, IB_WC_WR_FLUSH_ERR);
	iroce_qp_unlock(qp);
}

/*
 * The sender flushes some of the send queue at a time, and queues itself again. A program
 * that goes on posting is not waited for: so many turns empty the longest queue.
 */
static void wait_flushed(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;
	int turns;

	for (turns = 0; turns < 1000 && READ_ONCE(qp->state) == IB_QPS_ERR &&
			READ_ONCE(qp->s_last) != READ_ONCE(qp->s_head); turns++) {
		if (!flush_work(&iqp->work))
			usleep_range(100, 1000);
		cond_resched();
	}
}

/*
 * The device goes while programs use it: uverbs tells them (IB_EVENT_DEVICE_FATAL) and
 * destroys their QPs, and their rings, which are their own, stay. What was posted is
 * flushed there before, for whoever polls and looks at no event.
 */
static void flush_users(struct iroce_roce *roce)
{
	struct iroce_qp *iqp;

	mutex_lock(&roce->qps_lock);
	list_for_each_entry(iqp, &roce->qps, entry)
		if (rvt_is_user_qp(iqp->qp)) {
			end_qp(iqp->qp);
			cond_resched();
		}
	list_for_each_entry(iqp, &roce->qps, entry)
		wait_flushed(iqp);
	mutex_unlock(&roce->qps_lock);
}

void iroce_roce_destroy(struct iroce_roce *roce)
{
	struct iroce_stats __percpu *stats = roce->bond ? roce->stats : NULL;

	flush_users(roce);
	/*
	 * No packet comes any more, and after this grace period none is in the transport:
	 * the table of QPs is freed by what comes next.
	 */
	iroce_gid_del_device(roce);
	/* Destroys user space's objects, waits for kernel users to let go. */
	rvt_unregister_device(&roce->rdi);
	cancel_work_sync(&roce->speed_work);
	rvt_dealloc_device(&roce->rdi);
	free_percpu(stats);
}

int iroce_roce_module_init(void)
{
	int err;

	/*
	 * For verbs in user space. Not a soft dependency: modprobe -r would want to remove
	 * it with us, and say that it is in use (by rdma_ucm).
	 */
	request_module("ib_uverbs");
	err = iroce_sched_module_init();
	if (err)
		return err;
	err = iroce_gid_module_init();
	if (err)
		goto err_send;
	return 0;

err_send:
	iroce_sched_module_exit();
	return err;
}

void iroce_roce_module_exit(void)
{
	iroce_gid_module_exit();
	iroce_sched_module_exit();
	/* Flows and their SAs are let go after a grace period. */
	rcu_barrier();
}
