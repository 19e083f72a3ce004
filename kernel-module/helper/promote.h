/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Twins take over.
 */
#ifndef IPSEC_ROCE_PROMOTE_H
#define IPSEC_ROCE_PROMOTE_H

struct work_struct;

/* Twins take over from SAs that are deleted. Work item. */
void ipsec_roce_promote_twins(struct work_struct *work);

#endif /* IPSEC_ROCE_PROMOTE_H */
