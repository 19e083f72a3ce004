/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one user may hold.
 */
#ifndef IROCE_ROCE_BUDGET_H
#define IROCE_ROCE_BUDGET_H

#include "device.h"

struct iroce_share;

enum iroce_object {
	IROCE_OBJECT_PD,
	IROCE_OBJECT_AH,
	IROCE_OBJECT_MR,
	IROCE_OBJECT_CQ,
	IROCE_OBJECT_SRQ,
	IROCE_OBJECT_QP,
	IROCE_OBJECTS,
};

/* struct iroce_charge - what an object counts for; @share NULL: nothing */
struct iroce_charge {
	struct iroce_share *share;
	struct iroce_roce *roce;
	enum iroce_object object;
	u64 bytes;
};

int iroce_charge(struct iroce_charge *charge, struct iroce_roce *roce, enum iroce_object object,
		 u64 bytes, struct ib_udata *udata);
void iroce_uncharge(struct iroce_charge *charge);
/* Memory that comes and goes while the object is there. Any context. 0, -EDQUOT. */
int iroce_charge_more(struct iroce_charge *charge, u64 bytes);
void iroce_charge_less(struct iroce_charge *charge, u64 bytes);

#endif /* IROCE_ROCE_BUDGET_H */
