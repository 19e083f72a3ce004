/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One packet, built or lost.
 */
#ifndef IROCE_ROCE_PACKET_H
#define IROCE_ROCE_PACKET_H

#include "core/icrc.h"
#include "qp.h"
#include "receive.h"

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

#endif /* IROCE_ROCE_PACKET_H */
