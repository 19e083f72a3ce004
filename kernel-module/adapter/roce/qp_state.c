// SPDX-License-Identifier: GPL-2.0
/*
 * What changes with the state of a queue pair, and who is told.
 */
#include "qp_state.h"

void iroce_qp_event(struct rvt_qp *qp, enum ib_event_type type)
{
	struct ib_event ev = {
		.device = qp->ibqp.device,
		.element.qp = &qp->ibqp,
		.event = type,
	};

	if (qp->ibqp.event_handler)
		qp->ibqp.event_handler(&ev, qp->ibqp.qp_context);
}

void iroce_qp_error(struct rvt_qp *qp, enum ib_wc_status status)
{
	if (rvt_error_qp(qp, status))
		iroce_qp_event(qp, IB_EVENT_QP_LAST_WQE_REACHED);
}

/*
 * In SQD: is what had begun done? rdmavt compares with s_cur, which goes back when
 * packets are sent again, and tells nobody. s_lock held, after each completion.
 */
void iroce_qp_check_drained(struct iroce_qp *iqp)
{
	struct rvt_qp *qp = iqp->qp;

	lockdep_assert_held(&qp->s_lock);
	if (likely(qp->state != IB_QPS_SQD))
		return;
	qp->s_draining = qp->s_last != qp->s_tail;
	if (!qp->s_draining && iqp->wants_drained) {
		iqp->wants_drained = false;
		iroce_qp_event(qp, IB_EVENT_SQ_DRAINED);
	}
}
