/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters as RDMA tools ask for them.
 */
#ifndef IROCE_ROCE_COUNTERS_H
#define IROCE_ROCE_COUNTERS_H

#include "device.h"

/* ---- pma.c ---------------------------------------------------------------- */
int iroce_process_mad(struct ib_device *ibdev, int flags, u32 port_num, const struct ib_wc *in_wc,
		      const struct ib_grh *in_grh, const struct ib_mad *in, struct ib_mad *out,
		      size_t *out_size, u16 *out_pkey_index);

/* ---- hwstats.c ------------------------------------------------------------ */
struct rdma_hw_stats *iroce_hwstats_alloc(struct ib_device *ibdev, u32 port_num);
int iroce_hwstats_get(struct ib_device *ibdev, struct rdma_hw_stats *stats, u32 port_num,
		      int index);

#endif /* IROCE_ROCE_COUNTERS_H */
