/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reliable connection: requester (rc_req.c sends, rc_ack.c receives) and responder (rc_resp.c
 * receives, rc_answer.c sends what takes more than a moment).
 */
#ifndef IROCE_ROCE_RC_H
#define IROCE_ROCE_RC_H

#include "qp.h"
#include "receive.h"

/* ---- rc_req.c ------------------------------------------------------------- */
enum iroce_plan iroce_req_plan(struct iroce_qp *iqp);
void iroce_req_done(struct iroce_qp *iqp);
void iroce_req_restart(struct iroce_qp *iqp, u32 psn);
void iroce_req_timeout(struct rvt_qp *qp, u32 psn, int wait);
void iroce_req_arm_timer(struct rvt_qp *qp);
void iroce_req_heard(struct iroce_qp *iqp);
bool iroce_wqe_is_read(const struct rvt_swqe *wqe);

/* ---- rc_ack.c ------------------------------------------------------------- */
void iroce_ack_rx(struct iroce_rx_pkt *pkt);

/* ---- rc_resp.c, rc_answer.c ------------------------------------------------ */
void iroce_resp_rx(struct iroce_rx_pkt *pkt);
enum iroce_plan iroce_resp_plan(struct iroce_qp *iqp);
int iroce_resp_read(struct iroce_rx_pkt *pkt);
void iroce_resp_duplicate(struct iroce_rx_pkt *pkt);
void iroce_resp_reply(struct iroce_qp *iqp, u32 psn, u8 nak);

#endif /* IROCE_ROCE_RC_H */
