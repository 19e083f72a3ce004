/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SAs that follow their traffic.
 */
#ifndef IPSEC_ROCE_FOLLOW_H
#define IPSEC_ROCE_FOLLOW_H

struct work_struct;

/* SAs that were seen where they are not. Work item. */
void ipsec_roce_follow_seen(struct work_struct *work);

#endif /* IPSEC_ROCE_FOLLOW_H */
