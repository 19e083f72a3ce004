/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters and lifetimes, summed up over the ports.
 */
#ifndef IPSEC_ROCE_STATS_H
#define IPSEC_ROCE_STATS_H

#include <linux/param.h>

struct work_struct;
struct xfrm_state;

#define IPSEC_ROCE_POLL_INTERVAL HZ

/* Lifetimes of all ports together: lets xfrm look. Work item. */
void ipsec_roce_stats_poll(struct work_struct *work);

void ipsec_roce_stats_update(struct xfrm_state *x);

#endif /* IPSEC_ROCE_STATS_H */
