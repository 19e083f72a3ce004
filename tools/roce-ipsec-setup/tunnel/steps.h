/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The steps: one kernel object each, put in place or taken away.
 */
#ifndef SETUP_STEPS_H
#define SETUP_STEPS_H

#include "base/setup.h"
#include "tunnel.h"

/* All SAs of a direction, or none; *has_taken: the kernel took one of them, if for a moment. */
int step_sas_add(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir, bool *has_taken);
int step_sas_del(struct setup *s, const struct tunnel *t, const struct generation *g,
		 enum ipsec_roce_dir dir);
int step_policy_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_move(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_policy_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_add(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
int step_host_fence_del(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir);
/* SAs and policies of the tunnel, whichever are there. */
int steps_take_down(struct setup *s, const struct tunnel *t);

#endif
