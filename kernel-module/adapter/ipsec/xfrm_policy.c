// SPDX-License-Identifier: GPL-2.0
/*
 * xfrm's packet offload API, policies: what can be offloaded, and what of it goes into a
 * function's database.
 */
#include <linux/slab.h>
#include <net/xfrm.h>

#include "policy.h"
#include "xfrm.h"
#include "xfrm_selector.h"

static int validate_template(const struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	const struct xfrm_tmpl *t = &xp->xfrm_vec[0];

	if (xp->xfrm_nr > 1) {
		NL_SET_ERR_MSG_MOD(extack, "Cannot offload a policy with more than one template");
		return -EOPNOTSUPP;
	}
	if (t->id.proto != IPPROTO_ESP) {
		NL_SET_ERR_MSG_MOD(extack, "Only ESP templates can be offloaded");
		return -EOPNOTSUPP;
	}
	if (t->mode != XFRM_MODE_TRANSPORT) {
		NL_SET_ERR_MSG_MOD(extack, "Only transport mode templates can be offloaded");
		return -EOPNOTSUPP;
	}
	if (t->encap_family && t->encap_family != xp->family) {
		NL_SET_ERR_MSG_MOD(extack, "Template and policy are of different address families");
		return -EOPNOTSUPP;
	}
	if (t->optional) {
		NL_SET_ERR_MSG_MOD(extack, "An optional template (level use) would let cleartext pass");
		return -EOPNOTSUPP;
	}
	if (!t->allalgs) {
		NL_SET_ERR_MSG_MOD(extack, "Templates that restrict algorithms cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int validate_selector(const struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	const struct xfrm_selector *sel = &xp->selector;

	if (xp->family != AF_INET && xp->family != AF_INET6) {
		NL_SET_ERR_MSG_MOD(extack, "Only IPv4 and IPv6 policies can be offloaded");
		return -EOPNOTSUPP;
	}
	if (sel->family != xp->family) {
		NL_SET_ERR_MSG_MOD(extack, "Selector and policy are of different address families");
		return -EINVAL;
	}
	return iroce_xfrm_selector_check(xp->xdo.dev, sel, extack);
}

static int validate_policy(const struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	if (xp->xdo.type != XFRM_DEV_OFFLOAD_PACKET) {
		NL_SET_ERR_MSG_MOD(extack, "Only packet offload is supported for policies");
		return -EOPNOTSUPP;
	}
	if (xp->type != XFRM_POLICY_TYPE_MAIN) {
		NL_SET_ERR_MSG_MOD(extack, "Only policies of type main can be offloaded");
		return -EOPNOTSUPP;
	}
	if (xp->xdo.dir != XFRM_DEV_OFFLOAD_IN && xp->xdo.dir != XFRM_DEV_OFFLOAD_OUT) {
		NL_SET_ERR_MSG_MOD(extack, "Forward policies cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (xp->mark.m || xp->mark.v) {
		NL_SET_ERR_MSG_MOD(extack, "The adapter sees no marks: policies with a mark cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (xp->if_id) {
		NL_SET_ERR_MSG_MOD(extack, "Policies of an xfrm interface (if_id) cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (xp->security) {
		NL_SET_ERR_MSG_MOD(extack, "Policies with a security context cannot be offloaded");
		return -EOPNOTSUPP;
	}
	/* icmp is for lookups of the stack, and it honours it. */
	if (xp->flags & ~XFRM_POLICY_ICMP) {
		NL_SET_ERR_MSG_MOD(extack, "Policy flags other than icmp cannot be offloaded");
		return -EOPNOTSUPP;
	}
	if (xp->action != XFRM_POLICY_ALLOW && xp->action != XFRM_POLICY_BLOCK) {
		NL_SET_ERR_MSG_MOD(extack, "Unknown policy action");
		return -EINVAL;
	}
	return validate_selector(xp, extack);
}

static void policy_fill(struct iroce_policy *policy, const struct xfrm_policy *xp)
{
	policy->spd.sel = iroce_xfrm_selector(&xp->selector, xp->family);
	policy->spd.priority = xp->priority;
	policy->tomb.sel = policy->spd.sel;
	policy->tomb.priority = xp->priority;
	policy->dir = xp->xdo.dir == XFRM_DEV_OFFLOAD_IN ? IROCE_DIR_IN : IROCE_DIR_OUT;

	if (xp->action == XFRM_POLICY_BLOCK) {
		policy->kind = IROCE_POLICY_BLOCK;
	} else if (xp->xfrm_nr) {
		policy->kind = IROCE_POLICY_SEAL;
		policy->reqid = xp->xfrm_vec[0].reqid;
		policy->spi = xp->xfrm_vec[0].id.spi;
	} else {
		policy->kind = IROCE_POLICY_BYPASS;
		policy->spd.is_bypass = true;
	}
}

/* Is it for RoCE, but not for all of it? IKE daemons make such policies of `udp/4791` at both ends. */
static bool is_source_bound(const struct iroce_policy *policy)
{
	const struct iroce_selector *sel = &policy->spd.sel;

	return iroce_policy_is_protecting(policy) && sel->proto == IPPROTO_UDP &&
	       sel->dport_mask == htons(0xffff) && sel->dport == htons(IROCE_ROCE_PORT) &&
	       iroce_selector_is_source_bound(sel->sport, sel->sport_mask);
}

int iroce_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	struct iroce_func *f = iroce_func(xp->xdo.dev);
	struct iroce_ipsec *ipsec = f->ipsec;
	struct iroce_policy *policy;
	int err;

	err = validate_policy(xp, extack);
	if (!err && xp->action == XFRM_POLICY_ALLOW && xp->xfrm_nr)
		err = validate_template(xp, extack);
	if (err)
		return err;

	policy = kzalloc(sizeof(*policy), GFP_KERNEL);
	if (!policy)
		return -ENOMEM;
	policy_fill(policy, xp);
	policy->is_owned = true;
	INIT_LIST_HEAD(&policy->kept.link);

	err = iroce_policy_make_room(ipsec, policy);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "No room for another policy");
		goto err_free;
	}
	spin_lock_bh(&ipsec->lock);
	err = iroce_policy_insert(ipsec, policy);
	spin_unlock_bh(&ipsec->lock);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "The policy database refuses this selector");
		goto err_free;
	}
	xp->xdo.offload_handle = (unsigned long)policy;
	iroce_ipsec_changed(f->ipsec);
	/* Senders that found no policy are through when the caller hears that there is one (I1). */
	synchronize_rcu_expedited();
	if (is_source_bound(policy))
		NL_SET_ERR_MSG_MOD(extack, "Not all RoCE matches this policy, and what does not is not protected by it: RoCE has source ports 49152 to 65535");
	return 0;

err_free:
	kfree_rcu(policy, rcu);
	return err;
}

/* Softirq (policy timer) or process context. */
void iroce_policy_delete(struct xfrm_policy *xp)
{
	struct iroce_policy *policy = (struct iroce_policy *)xp->xdo.offload_handle;
	struct iroce_func *f = iroce_func(xp->xdo.dev);

	spin_lock_bh(&f->ipsec->lock);
	iroce_policy_unlink(f->ipsec, policy);
	spin_unlock_bh(&f->ipsec->lock);
	iroce_ipsec_changed(f->ipsec);
	ipsec_roce_policy_deleted(&policy->kept, xp);
}

/* With the last reference of @xp, in any context, or from a work item: see engine/policy.c. */
void iroce_policy_free(struct xfrm_policy *xp)
{
	struct iroce_policy *policy = (struct iroce_policy *)xp->xdo.offload_handle;
	struct iroce_func *f = iroce_func(xp->xdo.dev);

	xp->xdo.offload_handle = 0;
	ipsec_roce_policy_freed(&policy->kept);
	spin_lock_bh(&f->ipsec->lock);
	policy->is_owned = false;
	iroce_policy_release(policy);
	spin_unlock_bh(&f->ipsec->lock);
}
