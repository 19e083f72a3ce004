/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets of one message that are built and sent together.
 */
#ifndef IROCE_ROCE_BATCH_H
#define IROCE_ROCE_BATCH_H

#include "device.h"

#define IROCE_BATCH		16	/* packets planned and sent at a time */

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

void iroce_batch_sges(struct iroce_batch *batch, const struct rvt_sge_state *ss);
void iroce_batch_put(struct iroce_batch *batch);

#endif /* IROCE_ROCE_BATCH_H */
