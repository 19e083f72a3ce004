// SPDX-License-Identifier: GPL-2.0
/*
 * One RoCEv2 packet: from a batch, a flow and the user's memory to the skb.
 *
 *   flow->hdr                 | built here                      | in place | built
 *   Eth [VLAN] IPv4/6 UDP     | BTH [DETH][RETH][AETH][Imm]     | payload  | pad ICRC
 *   lengths, checksum patched |                                 | kvecs    |
 *
 * The payload is read twice where it lies: by the ICRC here, by the copy or the
 * AEAD in iroce_ipsec_seal_roce(). A process that changes it in between has sent a
 * packet with a bad ICRC and will send it again: its own loss.
 */
#include <linux/crc32.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/checksum.h>

#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "packet.h"

/* Takes @len bytes off @ss as pieces of the frame; neighbours in memory become one. */
static int put_payload(struct iroce_frame *frame, struct rvt_sge_state *ss, u32 len)
{
	struct kvec *last = NULL;
	u32 n;

	frame->n_payload = 0;
	frame->payload_len = len;
	while (len) {
		n = rvt_get_sge_length(&ss->sge, len);
		if (WARN_ON_ONCE(!n))
			return -EIO;
		if (last && last->iov_base + last->iov_len == ss->sge.vaddr) {
			last->iov_len += n;
		} else {
			if (WARN_ON_ONCE(frame->n_payload == IROCE_FRAME_PIECES))
				return -EIO;
			last = &frame->payload[frame->n_payload++];
			last->iov_base = ss->sge.vaddr;
			last->iov_len = n;
		}
		rvt_update_sge(ss, n, false);
		len -= n;
	}
	return 0;
}

/* The header's template and the BTH; returns where the extended headers begin. */
static u8 *put_header(struct iroce_frame *frame, const struct iroce_flow *flow,
		      const struct iroce_bth_cfg *bth)
{
	memcpy(frame->hdr, flow->hdr, sizeof(flow->hdr));
	frame->l2_len = flow->l2_len;
	frame->l3_len = flow->l3_len;
	frame->n_payload = 0;
	frame->payload_len = 0;
	return iroce_bth_put(frame->hdr + flow->hdr_len, bth);
}

static void put_tail(struct iroce_frame *frame, const struct iroce_flow *flow)
{
	u8 *ip = frame->hdr + frame->l2_len;
	u8 *udp = ip + frame->l3_len;
	u8 *bth = udp + sizeof(struct udphdr);
	u8 *ext = bth + sizeof(struct iroce_bth);
	u8 pad = iroce_roce_pad(frame->payload_len);
	u8 pseudo[IROCE_ICRC_HDR_MAX];
	__le32 icrc;
	size_t n;
	u32 crc;
	u16 i;

	n = iroce_icrc_header(pseudo, ip, flow->is_v6, udp, bth);
	crc = crc32_le(IROCE_ICRC_SEED, pseudo, n);
	crc = crc32_le(crc, ext, frame->hdr + frame->hdr_len - ext);
	for (i = 0; i < frame->n_payload; i++)
		crc = crc32_le(crc, frame->payload[i].iov_base, frame->payload[i].iov_len);
	memset(frame->tail, 0, pad);
	crc = crc32_le(crc, frame->tail, pad);
	icrc = iroce_icrc_wire(crc);
	memcpy(frame->tail + pad, &icrc, sizeof(icrc));
	frame->tail_len = pad + sizeof(icrc);
}

/* Everything but lengths, checksum and tail is in place. */
static struct sk_buff *finish_packet(const struct iroce_flow *flow, struct iroce_frame *frame,
				     const u8 *end)
{
	u8 *ip = frame->hdr + flow->l2_len;
	struct udphdr *udp = (struct udphdr *)(ip + flow->l3_len);
	u16 len;

	frame->hdr_len = end - frame->hdr;
	len = end - (u8 *)udp + frame->payload_len + iroce_roce_pad(frame->payload_len) +
	      IROCE_ICRC_LEN;
	put_unaligned_be16(len, &udp->len);
	if (flow->is_v6) {
		put_unaligned_be16(len, &((struct ipv6hdr *)ip)->payload_len);
	} else {
		__be16 total = cpu_to_be16(len + flow->l3_len);
		__sum16 check;

		memcpy(&check, ip + offsetof(struct iphdr, check), sizeof(check));
		csum_replace2(&check, 0, total);
		memcpy(ip + offsetof(struct iphdr, tot_len), &total, sizeof(total));
		memcpy(ip + offsetof(struct iphdr, check), &check, sizeof(check));
	}
	put_tail(frame, flow);
	return iroce_ipsec_seal_roce(flow->func, flow->sa, frame);
}

static u8 batch_opcode(const struct iroce_batch *batch, u32 index)
{
	bool is_first = !index;
	bool is_last = index + 1 == batch->n_msg;

	if (is_first)
		return is_last ? batch->op->only : batch->op->first;
	return is_last ? batch->op->last : batch->op->middle;
}

/*
 * iroce_packet_build - packet @i of @batch as skb, or ERR_PTR as iroce_ipsec_seal_roce
 *
 * Packets must be built in order: the batch's SGE state moves on. It does not if
 * an error is returned, the packet may be tried again.
 */
struct sk_buff *iroce_packet_build(struct iroce_qp *iqp, struct iroce_flow *flow,
				   struct iroce_frame *frame, struct iroce_batch *batch,
				   u32 i)
{
	u32 len = min(batch->len - min(batch->len, i * batch->pmtu), batch->pmtu);
	u8 opcode = batch_opcode(batch, batch->index + i);
	const struct iroce_opcode_info *info = iroce_opcode_info(opcode);
	struct iroce_bth_cfg bth = {
		.qpn = batch->dqpn,
		.psn = (batch->psn + i) & IROCE_PSN_MASK,
		.pkey = iqp->roce->pkeys[0],
		.opcode = opcode,
		.pad = iroce_roce_pad(len),
		.is_solicited = batch->is_solicited && (info->flags & IROCE_OPF_SOLICITED),
		.is_ackreq = batch->is_ackreq && i + 1 == batch->n,
		.is_migreq = true,
	};
	struct rvt_sge_state ss;
	struct sk_buff *skb;
	u8 *p;

	p = put_header(frame, flow, &bth);
	if (info->ext & IROCE_EXT_DETH)
		p = iroce_deth_put(p, batch->qkey, iqp->qp->ibqp.qp_num);
	if (info->ext & IROCE_EXT_RETH)
		p = iroce_reth_put(p, batch->va, batch->rkey, batch->dma_len);
	if (info->ext & IROCE_EXT_AETH) {
		memcpy(p, &batch->aeth, sizeof(batch->aeth));
		p += sizeof(batch->aeth);
	}
	if (info->ext & IROCE_EXT_IMMDT)
		p = iroce_immdt_put(p, batch->imm);
	if (info->ext & IROCE_EXT_IETH)
		p = iroce_ieth_put(p, batch->inv_rkey);

	if (!len)
		return finish_packet(flow, frame, p);
	ss = batch->ss;
	if (put_payload(frame, &batch->ss, len))
		return ERR_PTR(-EFAULT);
	skb = finish_packet(flow, frame, p);
	if (IS_ERR(skb))
		batch->ss = ss;
	return skb;
}

/* r_lock or not, softirq or BH disabled. Lost acks are asked for again by the peer. */
void iroce_packet_send_ack(struct iroce_qp *iqp, u32 psn, __be32 aeth)
{
	struct iroce_bth_cfg bth = {
		.qpn = iqp->qp->remote_qpn,
		.psn = psn & IROCE_PSN_MASK,
		.pkey = iqp->roce->pkeys[0],
		.opcode = IROCE_OP_RC_ACK,
		.is_migreq = true,
	};
	struct iroce_frame frame;
	struct iroce_flow *flow;
	struct sk_buff *skb;
	int tries = 2;
	u8 *p;

	do {
		flow = iroce_flow_rc(iqp);
		if (IS_ERR(flow) || flow->verdict == IROCE_CLOSED) {
			iroce_packet_drop(iqp, flow, 1, 0);
			return;
		}
		p = put_header(&frame, flow, &bth);
		memcpy(p, &aeth, sizeof(aeth));
		skb = finish_packet(flow, &frame, p + sizeof(aeth));
	} while (skb == ERR_PTR(-ESTALE) && --tries);
	if (IS_ERR(skb)) {
		iroce_packet_lost(flow, PTR_ERR(skb), 1, frame.hdr_len);
		return;
	}
	iroce_count(flow->func, IROCE_STAT_sent_pkts);
	iroce_stat_add(flow->func->stats, IROCE_STAT_sent_bytes, iroce_frame_len(&frame));
	iroce_switch_xmit(flow->func, skb);
}

static void count_drops(struct iroce_func *func, enum iroce_stat why, u32 n, u32 bytes)
{
	if (why < IROCE_STAT_ROCE_FIRST)
		iroce_ipsec_tx_count_drops(func, n, bytes, why);
	else
		iroce_stat_add(func->stats, why, n);
}

/* Counts @n packets of @bytes together that were not built: the flow is closed, or there is none. */
void iroce_packet_drop(struct iroce_qp *iqp, const struct iroce_flow *flow, u32 n, u32 bytes)
{
	if (flow == ERR_PTR(-ENOMEM))
		iroce_stat_add(iqp->roce->stats, IROCE_STAT_tx_drop_no_mem, n);
	else if (IS_ERR(flow))
		iroce_stat_add(iqp->roce->stats, IROCE_STAT_tx_drop_no_route, n);
	else
		count_drops(flow->func, flow->why, n, bytes);
}

/* Counts @n packets that are not sent, because building the first of them failed with @err. */
void iroce_packet_lost(const struct iroce_flow *flow, int err, u32 n, u32 bytes)
{
	enum iroce_stat why = IROCE_STAT_send_err;

	/* -EFAULT: the payload is not what it was, with or without a seal. */
	if (flow->sa && err != -EFAULT)
		why = iroce_ipsec_seal_drop(err);
	else if (err == -ENOMEM)
		why = IROCE_STAT_tx_drop_no_mem;
	count_drops(flow->func, why, n, bytes);
}

void iroce_packet_drop_long(struct iroce_qp *iqp, const struct iroce_flow *flow, u32 n, u32 len)
{
	iroce_flow_tell_mtu(iqp, flow, len);
	iroce_stat_add(flow->func->stats, IROCE_STAT_tx_drop_path_mtu, n);
}

/* The ICRC of a received packet, over what the core's parser found. */
bool iroce_packet_icrc_ok(const struct iroce_rx_pkt *pkt)
{
	const u8 *bth = (const u8 *)pkt->roce.bth;
	u8 pseudo[IROCE_ICRC_HDR_MAX];
	size_t n;
	u32 crc;

	n = iroce_icrc_header(pseudo, skb_network_header(pkt->skb), pkt->is_v6,
			      skb_transport_header(pkt->skb), bth);
	if (!n)
		return false;
	crc = crc32_le(IROCE_ICRC_SEED, pseudo, n);
	crc = crc32_le(crc, bth + sizeof(struct iroce_bth),
		       pkt->roce.icrc_off - sizeof(struct iroce_bth));
	return get_unaligned_le32(bth + pkt->roce.icrc_off) ==
	       le32_to_cpu(iroce_icrc_wire(crc));
}
