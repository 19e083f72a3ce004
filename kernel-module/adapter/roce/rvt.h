/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rdmavt calls.
 */
#ifndef IROCE_ROCE_RVT_H
#define IROCE_ROCE_RVT_H

#include "qp.h"

extern const struct rvt_driver_provided iroce_rvt_driver;
extern const struct rvt_operation_params iroce_post_parms[RVT_OPERATION_MAX];
extern const enum ib_wc_opcode iroce_wc_opcode[];

#endif /* IROCE_ROCE_RVT_H */
