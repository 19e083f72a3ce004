/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sender.
 */
#ifndef IROCE_ROCE_SEND_H
#define IROCE_ROCE_SEND_H

#include "qp.h"

#define IROCE_BUDGET		32	/* packets per run of the sender: then another QP's turn */

bool iroce_send_kick(struct rvt_qp *qp);
void iroce_send(struct rvt_qp *qp);
void iroce_send_work(struct work_struct *work);

#endif /* IROCE_ROCE_SEND_H */
