// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a flow, by the policies and tombstones of a function (policy.c).
 *
 *   spd says        tombstone      outbound          in, cleartext   in, through an SA
 *   ------------    -----------    --------------    -------------   -------------------
 *   template        not asked      seal, or drop     drop            its SA: accept,
 *                                                                    other SA: drop
 *   block           not asked      drop              drop            drop
 *   bypass, none    no match       cleartext         accept          accept (as xfrm)
 *   bypass          match, worse   cleartext         accept          accept
 *                   priority
 *   bypass, none    match, was     drop (fenced)     drop (fenced)   its SA: accept, it
 *                   a template                                       is not cleartext;
 *                                                                    other SA: drop
 *   bypass, none    match, was     drop (fenced)     drop (fenced)   drop (fenced)
 *                   a block
 *   bypass, none    too many to    drop (fenced)     drop (fenced)   drop (fenced)
 *                   remember
 *   none            waiting        drop (fenced)     drop (fenced)   drop (fenced)
 *
 * Waiting: the function is closed until it is protected (ethtool's private flag
 * ipsec-closed-until-protected, which the port keeps while the driver is not bound), and
 * spd has no protecting policy in this direction.
 *
 * Not asked for a policy, as nothing of them is cleartext that a policy protects:
 * frames without IP (ARP, LLDP), and ESP that is not ours: outbound it was sealed
 * by the stack, inbound the stack needs it for SAs of its own and judges the
 * result by the same policies. IKE needs bypass policies, as xfrm's own sockets
 * have them; so does IPv6 neighbour discovery between protected addresses.
 */
#include "acquire.h"
#include "decide.h"
#include "sadb.h"

/*
 * To be asked before the databases: whoever finds the first policy counted here finds it
 * there (pairs with policy_link(), policy.c). Asked after them, it would open a gap between the two
 * closed states.
 */
static bool is_waiting(const struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	return READ_ONCE(ipsec->starts_closed) && !smp_load_acquire(&ipsec->n_protecting[dir]);
}

bool iroce_policy_is_open(const struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	return !is_waiting(ipsec, dir) && iroce_spd_is_empty(&ipsec->spd[dir]) &&
	       iroce_spd_is_empty(&ipsec->tombs[dir]) && !READ_ONCE(ipsec->is_closed[dir]);
}

enum iroce_policy_kind iroce_policy_decide(const struct iroce_ipsec *ipsec, enum iroce_dir dir,
					   const struct iroce_flow_key *key,
					   struct iroce_policy **policy)
{
	bool waits = is_waiting(ipsec, dir);
	struct iroce_policy *now, *was;

	*policy = NULL;
	now = iroce_policy_of(iroce_spd_lookup(&ipsec->spd[dir], key));
	if (now && iroce_policy_is_protecting(now)) {
		*policy = now;
		return now->kind;
	}

	if (READ_ONCE(ipsec->is_fail_closed)) {
		/*
		 * A policy missed above had its tombstone before it went: pairs with
		 * iroce_policy_unlink() and keep_tomb(), policy.c.
		 */
		smp_rmb();
		was = iroce_policy_of_tomb(iroce_spd_lookup(&ipsec->tombs[dir], key));
		if ((was || READ_ONCE(ipsec->is_closed[dir])) &&
		    !(now && was && now->spd.priority < was->tomb.priority)) {
			*policy = was;
			return IROCE_POLICY_BURIED;
		}
		if (!now && waits)
			return IROCE_POLICY_BURIED;
	}
	return now ? IROCE_POLICY_BYPASS : IROCE_POLICY_NONE;
}

/* ---- outbound: with which SA ------------------------------------------ */

/* As xfrm: transport mode takes the packet's addresses, the template says the rest. */
static struct iroce_sa *find_out(const struct iroce_ipsec *ipsec,
				 const struct iroce_policy *policy,
				 const struct iroce_flow_key *key)
{
	const struct iroce_sad_out_key out = {
		.saddr = key->saddr,
		.daddr = key->daddr,
		.reqid = policy->reqid,
		.spi = policy->spi,
		.family = key->family,
	};
	struct iroce_sad_node *node = iroce_sad_find_out(&ipsec->sad, &out, key);

	return node ? iroce_sa_of(node) : NULL;
}

bool iroce_ipsec_protects(const struct iroce_func *f, bool is_out,
			  const struct iroce_flow_key *key)
{
	enum iroce_dir dir = is_out ? IROCE_DIR_OUT : IROCE_DIR_IN;
	struct iroce_policy *policy;

	if (iroce_policy_is_open(f->ipsec, dir))
		return false;
	switch (iroce_policy_decide(f->ipsec, dir, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		return false;
	default:
		return true;
	}
}

enum iroce_verdict iroce_ipsec_out(struct iroce_func *f, const struct iroce_flow_key *key,
				   struct iroce_sa **sa, enum iroce_stat *why)
{
	enum iroce_verdict verdict = IROCE_CLOSED;
	struct iroce_ipsec *ipsec = f->ipsec;
	struct iroce_policy *policy;

	*sa = NULL;
	rcu_read_lock();
	switch (iroce_policy_decide(ipsec, IROCE_DIR_OUT, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		verdict = IROCE_PLAIN;
		break;
	case IROCE_POLICY_SEAL:
		*sa = find_out(ipsec, policy, key);
		/* Its last reference may just have gone. */
		if (*sa && refcount_inc_not_zero(&(*sa)->ref)) {
			verdict = IROCE_SEAL;
			break;
		}
		*sa = NULL;
		*why = IROCE_STAT_ipsec_tx_drop_no_state;
		iroce_acquire(ipsec, policy, key);
		break;
	case IROCE_POLICY_BLOCK:
		*why = IROCE_STAT_ipsec_tx_drop_blocked;
		break;
	case IROCE_POLICY_BURIED:
		*why = IROCE_STAT_ipsec_tx_drop_fenced;
		break;
	}
	rcu_read_unlock();
	return verdict;
}
