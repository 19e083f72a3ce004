/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receive WQEs, which user space can write at any time.
 */
#ifndef IROCE_ROCE_RWQE_H
#define IROCE_ROCE_RWQE_H

#include "qp.h"

/*
 * 1 one taken, 0 none posted, -1 it is malformed (completed in error). r_lock held. Unless
 * @wr_id_only: qp->r_sge has r_len bytes; the entry names iroce_qp.rwqe_len, and what is
 * between the two is not memory that may be written.
 */
int iroce_rwqe_get(struct rvt_qp *qp, bool wr_id_only);

#endif /* IROCE_ROCE_RWQE_H */
