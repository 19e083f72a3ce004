/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What changes with the state of a queue pair, and who is told.
 */
#ifndef IROCE_ROCE_QP_STATE_H
#define IROCE_ROCE_QP_STATE_H

#include "qp.h"

/* To the error state; r_lock and s_lock held. */
void iroce_qp_error(struct rvt_qp *qp, enum ib_wc_status status);
void iroce_qp_event(struct rvt_qp *qp, enum ib_event_type type);
void iroce_qp_check_drained(struct iroce_qp *iqp);

#endif /* IROCE_ROCE_QP_STATE_H */
