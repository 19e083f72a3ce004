// SPDX-License-Identifier: GPL-2.0
/*
 * Datagrams: UD QPs and the GSI QP, on which the kernel's RDMA CM speaks. One
 * packet per work request, completed as soon as it is sent.
 *
 * A receive buffer begins with 40 bytes of GRH. For IPv6 it is the IP header;
 * for IPv4 the IP header is in the last 20 bytes (annex A17.4.5.2).
 *
 *   | IPv6 header (40)               | payload ...
 *   | unspecified (20) | IPv4 (20)   | payload ...
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "qp_state.h"
#include "rwqe.h"
#include "ud.h"

#define QKEY_FROM_QP	0x80000000	/* the QP's own Q_Key, not the WQE's (10.2.5) */

static const struct iroce_send_op send_op = { .only = IROCE_OP_UD_SEND_ONLY };
static const struct iroce_send_op send_imm_op = { .only = IROCE_OP_UD_SEND_ONLY_IMM };

/* iroce_ud_plan - the next datagram; s_lock held. Its WQE stays until it is sent. */
enum iroce_plan iroce_ud_plan(struct iroce_qp *iqp)
{
	struct iroce_batch *batch = &iqp->batch;
	struct rvt_qp *qp = iqp->qp;
	struct rvt_sge_state ss;
	struct rvt_swqe *wqe;
	u32 qkey;

	if (!(ib_rvt_state_ops[qp->state] & RVT_PROCESS_NEXT_SEND_OK))
		return IROCE_PLAN_IDLE;
	/* Pairs with the barrier in rvt_post_one_wr(). */
	if (qp->s_cur == smp_load_acquire(&qp->s_head))
		return IROCE_PLAN_IDLE;
	wqe = rvt_get_swqe_ptr(qp, qp->s_cur);
	qkey = rvt_get_swqe_remote_qkey(wqe);

	batch->op = wqe->wr.opcode == IB_WR_SEND_WITH_IMM ? &send_imm_op : &send_op;
	batch->psn = wqe->psn;
	batch->n = 1;
	batch->index = 0;
	batch->n_msg = 1;
	batch->len = wqe->length;
	batch->pmtu = max(wqe->length, 1U);
	batch->dqpn = rvt_get_swqe_remote_qpn(wqe);
	batch->imm = wqe->wr.ex.imm_data;
	batch->qkey = qkey & QKEY_FROM_QP ? qp->qkey : qkey;
	batch->is_solicited = wqe->wr.send_flags & IB_SEND_SOLICITED;
	batch->is_response = false;
	batch->is_ackreq = false;
	batch->ah = rvt_get_swqe_ah_attr(wqe);
	ss.sge = wqe->sg_list[0];
	ss.sg_list = wqe->sg_list + 1;
	ss.num_sge = wqe->wr.num_sge;
	ss.total_len = wqe->length;
	iroce_batch_sges(batch, &ss);

	qp->s_cur = rvt_qp_swqe_incr(qp, qp->s_cur);
	qp->s_tail = qp->s_cur;
	iroce_roce_count(iqp->roce, IROCE_STAT_rdma_sends);
	return IROCE_PLAN_SEND;
}

/*
 * The datagram is gone, one way or the other. Owner of RVT_S_BUSY, no lock held:
 * a completion that finds its CQ full puts the QP into error, and that lets go
 * what a datagram is being received into: both locks, as everywhere.
 */
void iroce_ud_done(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;

	spin_lock_irq(&qp->r_lock);
	spin_lock(&qp->s_lock);
	rvt_send_complete(qp, rvt_get_swqe_ptr(qp, qp->s_last), IB_WC_SUCCESS);
	iroce_qp_check_drained(iqp);
	spin_unlock(&qp->s_lock);
	spin_unlock_irq(&qp->r_lock);
}

/* What the receiver sees in front of the payload. */
static void put_grh(struct rvt_qp *qp, const struct iroce_rx_pkt *pkt)
{
	u8 grh[IROCE_GRH_LEN] = {};

	if (pkt->is_v6)
		memcpy(grh, skb_network_header(pkt->skb), sizeof(struct ipv6hdr));
	else
		memcpy(grh + IROCE_GRH_LEN - sizeof(struct iphdr), skb_network_header(pkt->skb),
		       sizeof(struct iphdr));
	rvt_copy_sge(qp, &qp->r_sge, grh, sizeof(grh), true, false);
}

/* What only kernel users are told: who it came from on the wire. */
static void put_l2(struct ib_wc *wc, const struct iroce_rx_pkt *pkt)
{
	const struct vlan_ethhdr *eth = (const struct vlan_ethhdr *)skb_mac_header(pkt->skb);
	u16 tci;

	wc->network_hdr_type = pkt->is_v6 ? RDMA_NETWORK_IPV6 : RDMA_NETWORK_IPV4;
	memcpy(wc->smac, eth->h_source, ETH_ALEN);
	wc->wc_flags |= IB_WC_WITH_NETWORK_HDR_TYPE | IB_WC_WITH_SMAC;
	if (skb_vlan_tag_present(pkt->skb))
		tci = skb_vlan_tag_get(pkt->skb);
	else if (eth->h_vlan_proto == htons(ETH_P_8021Q))
		tci = get_unaligned_be16(&eth->h_vlan_TCI);
	else
		return;
	wc->vlan_id = tci & VLAN_VID_MASK;
	wc->sl = (tci & VLAN_PRIO_MASK) >> VLAN_PRIO_SHIFT;
	wc->wc_flags |= IB_WC_WITH_VLAN;
}

static void put_wc(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	struct ib_wc wc = {
		.wr_id = qp->r_wr_id,
		.status = IB_WC_SUCCESS,
		.opcode = IB_WC_RECV,
		.byte_len = pkt->roce.payload_len + IROCE_GRH_LEN,
		.qp = &qp->ibqp,
		.src_qp = iroce_deth_sqp(pkt->roce.deth),
		.wc_flags = IB_WC_GRH,
		.port_num = qp->port_num,
	};

	if (pkt->roce.immdt) {
		wc.wc_flags |= IB_WC_WITH_IMM;
		wc.ex.imm_data = pkt->roce.immdt->imm;
	}
	/* User space has other meanings for the flags that put_l2() sets. */
	if (!rvt_is_user_qp(qp))
		put_l2(&wc, pkt);
	if (unlikely(!rvt_cq_enter(ibcq_to_rvtcq(qp->ibqp.recv_cq), &wc, pkt->roce.is_solicited)))
		rvt_rc_error(qp, IB_WC_LOC_QP_OP_ERR);
}

/* iroce_ud_rx - a datagram for a UD or GSI QP; r_lock held, softirq */
void iroce_ud_rx(struct iroce_rx_pkt *pkt)
{
	struct rvt_qp *qp = pkt->iqp->qp;
	u32 qkey = qp->ibqp.qp_num == IROCE_QPN_GSI ? IROCE_QKEY_GSI : qp->qkey;

	if (be32_to_cpu(pkt->roce.deth->qkey) != qkey) {
		iroce_roce_violation(&pkt->roce_dev->port.qkey_violations);
		iroce_roce_count(pkt->roce_dev, IROCE_STAT_rx_drop_qkey);
		return;
	}
	/* A WQE that was too small for the last datagram waits for one that fits. */
	if (qp->r_flags & RVT_R_REUSE_SGE) {
		qp->r_flags &= ~RVT_R_REUSE_SGE;
	} else {
		int ret = iroce_rwqe_get(qp, false);

		if (ret < 0) {
			rvt_rc_error(qp, IB_WC_LOC_QP_OP_ERR);
			return;
		}
		if (!ret) {
			iroce_roce_count(pkt->roce_dev, IROCE_STAT_rx_drop_no_rwqe);
			return;
		}
	}
	if (pkt->roce.payload_len + IROCE_GRH_LEN > pkt->iqp->rwqe_len) {
		qp->r_flags |= RVT_R_REUSE_SGE;
		iroce_roce_count(pkt->roce_dev, IROCE_STAT_rx_drop_no_rwqe);
		return;
	}
	if (pkt->roce.payload_len + IROCE_GRH_LEN > qp->r_len) {
		iroce_roce_count(pkt->roce_dev, IROCE_STAT_rx_drop_no_rwqe);
		rvt_rc_error(qp, IB_WC_LOC_PROT_ERR);
		return;
	}
	put_grh(qp, pkt);
	rvt_copy_sge(qp, &qp->r_sge, pkt->payload, pkt->roce.payload_len, true, false);
	rvt_put_ss(&qp->r_sge);
	if (!test_and_clear_bit(RVT_R_WRID_VALID, &qp->r_aflags))
		return;
	iroce_roce_count(pkt->roce_dev, IROCE_STAT_rdma_recvs);
	put_wc(pkt);
}
