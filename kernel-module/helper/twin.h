/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Twins: SAs that wait for another one of their identity to leave.
 */
#ifndef IPSEC_ROCE_TWIN_H
#define IPSEC_ROCE_TWIN_H

#include <linux/types.h>

struct ipsec_roce_bond;
struct ipsec_roce_sa;

/* An SA was deleted: who waits for it? Atomic. */
void ipsec_roce_twin_kick(struct ipsec_roce_bond *bond);
/* Does a twin wait that goes on with the numbers of @sa? bond.lock. */
bool ipsec_roce_twin_waits(const struct ipsec_roce_sa *sa);
/* @sa is at no port any more, and about to be forgotten. bond.lock. */
void ipsec_roce_twin_bequeath(const struct ipsec_roce_sa *sa);
/* bond.lock. */
bool ipsec_roce_twin_is_same_id(const struct ipsec_roce_sa *a, const struct ipsec_roce_sa *b);
/* @twin goes on behind what @sa has used. bond.lock. */
void ipsec_roce_twin_inherit(struct ipsec_roce_sa *twin, const struct ipsec_roce_sa *sa);

#endif /* IPSEC_ROCE_TWIN_H */
