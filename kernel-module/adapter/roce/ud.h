/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Datagrams.
 */
#ifndef IROCE_ROCE_UD_H
#define IROCE_ROCE_UD_H

#include "qp.h"
#include "receive.h"

enum iroce_plan iroce_ud_plan(struct iroce_qp *iqp);
void iroce_ud_done(struct iroce_qp *iqp);
void iroce_ud_rx(struct iroce_rx_pkt *pkt);

#endif /* IROCE_ROCE_UD_H */
