/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of a flow, by the policies and tombstones of a function.
 */
#ifndef IROCE_IPSEC_DECIDE_H
#define IROCE_IPSEC_DECIDE_H

#include "policy.h"
#include "sa.h"

/* All of this direction is plain, nobody need look closer. RCU read side. */
bool iroce_policy_is_open(const struct iroce_ipsec *ipsec, enum iroce_dir dir);
/*
 * What becomes of a flow. @policy: set for SEAL; for BURIED what protected it
 * once, or NULL. RCU read side; the policy is good until its end.
 */
enum iroce_policy_kind iroce_policy_decide(const struct iroce_ipsec *ipsec, enum iroce_dir dir,
					   const struct iroce_flow_key *key,
					   struct iroce_policy **policy);
/* The SA a template asks for is @sa. */
static inline bool iroce_policy_wants(const struct iroce_policy *policy,
				      const struct iroce_sa *sa)
{
	return (!policy->reqid || policy->reqid == sa->node.reqid) &&
	       (!policy->spi || policy->spi == sa->node.spi);
}

#endif /* IROCE_IPSEC_DECIDE_H */
