/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the key daemons for an SA.
 */
#ifndef IROCE_IPSEC_ACQUIRE_H
#define IROCE_IPSEC_ACQUIRE_H

#include "policy.h"

int iroce_acquire_init(struct iroce_ipsec *ipsec);
/* No packet finds @ipsec any more. */
void iroce_acquire_fini(struct iroce_ipsec *ipsec);
/*
 * Any context but hard irq: asks the key daemons for an SA, at most once a second for a
 * policy and pair of addresses. RCU read side, for @policy.
 */
void iroce_acquire(struct iroce_ipsec *ipsec, const struct iroce_policy *policy,
		   const struct iroce_flow_key *key);

#endif /* IROCE_IPSEC_ACQUIRE_H */
