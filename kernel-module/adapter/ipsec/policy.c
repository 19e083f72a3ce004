// SPDX-License-Identifier: GPL-2.0
/*
 * Security policies of a function, and the fences that outlive them.
 *
 * The core flushes offloaded policies on NETDEV_DOWN, daemons crash, operators
 * delete: what was protected must not become cleartext by that (I1, I2). Each
 * direction has two databases:
 *
 *	spd	the policies the kernel has now
 *	fence	every protecting policy (template or block) that it has or had
 *
 * A policy enters both at once and leaves only spd, so nothing must be allocated
 * and no gap opens when it goes. spd decides; where it would let a packet pass in
 * the clear, a match in fence closes the flow, unless a bypass policy with a
 * strictly better priority had opened it before.
 *
 *   spd says        fence          outbound          in, cleartext   in, through an SA
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
 * A fence goes when a policy with the very same selector and direction is added,
 * when fail-closed is switched off, with the function, or when the netdev moves to
 * another network namespace: it was its owner's there, and the next one gets defaults.
 *
 * Not asked for a policy, as nothing of them is cleartext that a policy protects:
 * frames without IP (ARP, LLDP), and ESP that is not ours: outbound it was sealed
 * by the stack, inbound the stack needs it for SAs of its own and judges the
 * result by the same policies. IKE needs bypass policies, as xfrm's own sockets
 * have them; so does IPv6 neighbour discovery between protected addresses.
 */
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "ipsec.h"

#define FENCES_MAX 4096
#define ROCE_SOURCE_FIRST 0xc000

static const struct iroce_spd_size spd_size_min = { .n_buckets = 16, .n_tuples = 8 };

static struct iroce_policy *policy_of(struct iroce_spd_node *node)
{
	return node ? container_of(node, struct iroce_policy, spd) : NULL;
}

static struct iroce_policy *fence_of(struct iroce_spd_node *node)
{
	return node ? container_of(node, struct iroce_policy, fence) : NULL;
}

static bool is_protecting(const struct iroce_policy *policy)
{
	return policy->kind != IROCE_POLICY_BYPASS;
}

/* ---- readers ---------------------------------------------------------- */

/*
 * To be asked before the databases: whoever finds the first policy counted here finds it
 * there. Asked after them, it would open a gap between the two closed states.
 */
static bool is_waiting(const struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	return READ_ONCE(ipsec->starts_closed) && !smp_load_acquire(&ipsec->n_protecting[dir]);
}

bool iroce_spd_is_open(const struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	return !is_waiting(ipsec, dir) && iroce_spd_is_empty(&ipsec->spd[dir]) &&
	       iroce_spd_is_empty(&ipsec->fence[dir]) && !READ_ONCE(ipsec->is_closed[dir]);
}

enum iroce_policy_kind iroce_spd_decide(const struct iroce_ipsec *ipsec, enum iroce_dir dir,
					const struct iroce_flow_key *key,
					struct iroce_policy **policy)
{
	bool waits = is_waiting(ipsec, dir);
	struct iroce_policy *now, *was;

	*policy = NULL;
	now = policy_of(iroce_spd_lookup(&ipsec->spd[dir], key));
	if (now && is_protecting(now)) {
		*policy = now;
		return now->kind;
	}

	if (READ_ONCE(ipsec->is_fail_closed)) {
		/* A policy missed above had its fence before it went: pairs with policy_unlink(). */
		smp_rmb();
		was = fence_of(iroce_spd_lookup(&ipsec->fence[dir], key));
		if ((was || READ_ONCE(ipsec->is_closed[dir])) &&
		    !(now && was && now->spd.priority < was->fence.priority)) {
			*policy = was;
			return IROCE_POLICY_FENCED;
		}
		if (!now && waits)
			return IROCE_POLICY_FENCED;
	}
	return now ? IROCE_POLICY_BYPASS : IROCE_POLICY_NONE;
}

/* ---- writers, under ipsec->lock --------------------------------------- */

static void policy_release(struct iroce_policy *policy)
{
	if (!policy->is_owned && !policy->fence.is_linked)
		kfree_rcu(policy, rcu);
}

static void fence_remove(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
	policy_release(policy);
}

static bool is_fence_only(const struct iroce_policy *policy)
{
	return !policy->spd.is_linked && !policy->is_pending;
}

/* A policy for the very same traffic is here again: it decides from now on. */
static void fences_supersede(struct iroce_ipsec *ipsec, const struct iroce_policy *by)
{
	struct iroce_spd *fence = &ipsec->fence[by->dir];
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_find(fence, &by->spd.sel, NULL); node; node = next) {
		struct iroce_policy *was = fence_of(node);

		next = iroce_spd_find(fence, &by->spd.sel, node);
		if (!is_fence_only(was))
			continue;
		ipsec->n_fences--;
		fence_remove(ipsec, was);
	}
}

/* @policy is out of spd: keep its fence? */
static void fence_keep(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	if (!policy->fence.is_linked)
		return;
	if (!ipsec->is_fail_closed) {
		fence_remove(ipsec, policy);
		return;
	}
	WRITE_ONCE(ipsec->has_told, false);
	if (ipsec->n_fences < FENCES_MAX) {
		ipsec->n_fences++;
		return;
	}
	if (!ipsec->is_closed[policy->dir])
		netdev_warn(ipsec->f->netdev,
			    "more than %d policies were removed: closed for all traffic without policy until ipsec-fail-closed is switched off\n",
			    FENCES_MAX);
	/* Before the fence goes: who misses it sees this. */
	WRITE_ONCE(ipsec->is_closed[policy->dir], true);
	smp_wmb();
	fence_remove(ipsec, policy);
}

/* The policy that waits for @old to go, if any. */
static struct iroce_policy *pending_find(struct iroce_ipsec *ipsec,
					 const struct iroce_policy *old)
{
	struct iroce_policy *policy;

	list_for_each_entry(policy, &ipsec->pending, link)
		if (policy->dir == old->dir &&
		    iroce_selector_equal(&policy->spd.sel, &old->spd.sel))
			return policy;
	return NULL;
}

static int policy_link(struct iroce_ipsec *ipsec, struct iroce_policy *policy,
		       struct iroce_policy *old)
{
	struct iroce_spd_node *before = NULL;
	int err;

	/* As xfrm: at the same priority the new one takes the old one's place. */
	if (old && old->spd.priority == policy->spd.priority)
		before = &old->spd;
	err = iroce_spd_add(&ipsec->spd[policy->dir], &policy->spd, before);
	if (err)
		return err;
	policy->is_pending = false;
	fences_supersede(ipsec, policy);
	if (is_protecting(policy))
		smp_store_release(&ipsec->n_protecting[policy->dir],
				  ipsec->n_protecting[policy->dir] + 1);
	return 0;
}

static void policy_unlink(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	struct iroce_policy *next;

	if (policy->is_pending) {
		list_del(&policy->link);
		policy->is_pending = false;
		if (policy->fence.is_linked)
			iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
		return;
	}
	next = pending_find(ipsec, policy);
	if (next) {
		list_del(&next->link);
		if (WARN_ON_ONCE(policy_link(ipsec, next, policy)))
			next = NULL;
	}
	/* Its fence is up since it was added; readers that miss it here must see that. */
	smp_wmb();
	iroce_spd_remove(&ipsec->spd[policy->dir], &policy->spd);
	if (is_protecting(policy))
		WRITE_ONCE(ipsec->n_protecting[policy->dir],
			   ipsec->n_protecting[policy->dir] - 1);
	if (!next)
		fence_keep(ipsec, policy);
	else if (policy->fence.is_linked)
		iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
}

static int policy_insert(struct iroce_ipsec *ipsec, struct iroce_policy *policy)
{
	int err;

	if (is_protecting(policy)) {
		err = iroce_spd_add(&ipsec->fence[policy->dir], &policy->fence, NULL);
		if (err)
			return err;
	}
	/*
	 * xfrm adds the new policy before it knows whether it may replace the old
	 * one, and takes it back if not. Until the old one goes, the old one holds.
	 */
	if (iroce_spd_find(&ipsec->spd[policy->dir], &policy->spd.sel, NULL)) {
		policy->is_pending = true;
		list_add_tail(&policy->link, &ipsec->pending);
		return 0;
	}
	err = policy_link(ipsec, policy, NULL);
	if (err && policy->fence.is_linked)
		iroce_spd_remove(&ipsec->fence[policy->dir], &policy->fence);
	return err;
}

/* ---- growth ----------------------------------------------------------- */

/* Room for at least one more policy in @spd. Process context. */
static int spd_grow(struct iroce_ipsec *ipsec, struct iroce_spd *spd)
{
	struct iroce_spd_size size;
	void *mem, *old;
	bool is_wanted;
	int err = 0;

	mutex_lock(&ipsec->resize_lock);
	spin_lock_bh(&ipsec->lock);
	is_wanted = iroce_spd_wants_resize(spd, &size);
	spin_unlock_bh(&ipsec->lock);
	if (!is_wanted)
		goto out;

	mem = kvmalloc(iroce_spd_mem_size(&size), GFP_KERNEL);
	if (!mem) {
		err = -ENOMEM;
		goto out;
	}
	spin_lock_bh(&ipsec->lock);
	err = iroce_spd_rehash(spd, mem, &size, &old);
	spin_unlock_bh(&ipsec->lock);
	if (err) {
		kvfree(mem);
		goto out;
	}
	synchronize_rcu();
	kvfree(old);
	spin_lock_bh(&ipsec->lock);
	iroce_spd_rehash_done(spd);
	spin_unlock_bh(&ipsec->lock);
out:
	mutex_unlock(&ipsec->resize_lock);
	return err;
}

/* ---- xfrm ------------------------------------------------------------- */

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
	if (sel->ifindex && sel->ifindex != xp->xdo.dev->ifindex) {
		NL_SET_ERR_MSG_MOD(extack, "The selector names another device");
		return -EOPNOTSUPP;
	}
	if (sel->user) {
		NL_SET_ERR_MSG_MOD(extack, "Selectors with a user cannot be offloaded");
		return -EOPNOTSUPP;
	}
	return 0;
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
	const struct xfrm_selector *sel = &xp->selector;

	policy->spd.sel = (struct iroce_selector) {
		.saddr = iroce_addr_get(xp->family, &sel->saddr),
		.daddr = iroce_addr_get(xp->family, &sel->daddr),
		.sport = sel->sport,
		.sport_mask = sel->sport_mask,
		.dport = sel->dport,
		.dport_mask = sel->dport_mask,
		.family = xp->family,
		.prefixlen_s = sel->prefixlen_s,
		.prefixlen_d = sel->prefixlen_d,
		.proto = sel->proto,
	};
	policy->spd.priority = xp->priority;
	policy->fence.sel = policy->spd.sel;
	policy->fence.priority = xp->priority;
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

/*
 * Is it for RoCE, but not for all of it? A queue pair's source port is any of 0xc000..0xffff
 * (rdma_flow_label_to_udp_sport()). IKE daemons make such policies of `udp/4791` at both ends.
 */
static bool is_source_bound(const struct iroce_policy *policy)
{
	const struct iroce_selector *sel = &policy->spd.sel;
	__be16 first = htons(ROCE_SOURCE_FIRST);

	return is_protecting(policy) && sel->proto == IPPROTO_UDP &&
	       sel->dport_mask == htons(0xffff) && sel->dport == htons(IROCE_ROCE_PORT) &&
	       ((sel->sport_mask & ~first) || ((sel->sport ^ first) & sel->sport_mask));
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

	err = spd_grow(ipsec, &ipsec->spd[policy->dir]) ?:
	      spd_grow(ipsec, &ipsec->fence[policy->dir]);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "No room for another policy");
		goto err_free;
	}
	spin_lock_bh(&ipsec->lock);
	err = policy_insert(ipsec, policy);
	spin_unlock_bh(&ipsec->lock);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "The policy database refuses this selector");
		goto err_free;
	}
	xp->xdo.offload_handle = (unsigned long)policy;
	iroce_flow_changed(f);
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
	policy_unlink(f->ipsec, policy);
	spin_unlock_bh(&f->ipsec->lock);
	iroce_flow_changed(f);
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
	policy_release(policy);
	spin_unlock_bh(&f->ipsec->lock);
}

/* ---- fail closed ------------------------------------------------------ */

static void fences_clear(struct iroce_ipsec *ipsec, enum iroce_dir dir)
{
	struct iroce_spd_node *node, *next;

	for (node = iroce_spd_first(&ipsec->fence[dir]); node; node = next) {
		struct iroce_policy *policy = fence_of(node);

		next = iroce_spd_next(node);
		if (!is_fence_only(policy))
			continue;
		ipsec->n_fences--;
		fence_remove(ipsec, policy);
	}
	WRITE_ONCE(ipsec->is_closed[dir], false);
	WRITE_ONCE(ipsec->has_told, false);
}

void iroce_ipsec_set_starts_closed(struct iroce_func *f, bool is_closed)
{
	iroce_vport_set_starts_closed(f, is_closed);
	WRITE_ONCE(f->ipsec->starts_closed, is_closed);
	WRITE_ONCE(f->ipsec->has_told, false);
	iroce_flow_changed(f);
	/* Senders that found it open are through when the caller hears that it is closed. */
	synchronize_rcu_expedited();
}

unsigned int iroce_ipsec_n_fences(const struct iroce_func *f)
{
	return READ_ONCE(f->ipsec->n_fences);
}

/* Two CPUs may both say it. */
void iroce_ipsec_tell_fenced(struct iroce_func *f, const char *way)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	if (READ_ONCE(ipsec->has_told) || !net_ratelimit())
		return;
	WRITE_ONCE(ipsec->has_told, true);
	netdev_notice(f->netdev,
		      "drops cleartext %s that nothing protects any more, or yet (%u policies are gone): protect it, or `ethtool --set-priv-flags %s ipsec-fail-closed off` to open\n",
		      way, READ_ONCE(ipsec->n_fences), f->netdev->name);
}

void iroce_ipsec_set_fail_closed(struct iroce_func *f, bool is_closed)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	spin_lock_bh(&ipsec->lock);
	WRITE_ONCE(ipsec->is_fail_closed, is_closed);
	if (!is_closed) {
		fences_clear(ipsec, IROCE_DIR_IN);
		fences_clear(ipsec, IROCE_DIR_OUT);
	}
	spin_unlock_bh(&ipsec->lock);
	iroce_flow_changed(f);
}

/*
 * The netdev is registered, in a namespace: the first time, or moved from another, whose
 * owner had the fences. It is down, and xfrm has taken all policies away.
 */
void iroce_ipsec_net_changed(struct iroce_func *f)
{
	struct iroce_ipsec *ipsec = f->ipsec;
	const struct net *net = dev_net(f->netdev);

	ASSERT_RTNL();
	if (ipsec->net == net)
		return;
	ipsec->net = net;
	spin_lock_bh(&ipsec->lock);
	fences_clear(ipsec, IROCE_DIR_IN);
	fences_clear(ipsec, IROCE_DIR_OUT);
	WRITE_ONCE(ipsec->is_fail_closed, true);
	spin_unlock_bh(&ipsec->lock);
	iroce_flow_changed(f);
}

bool iroce_ipsec_is_fail_closed(const struct iroce_func *f)
{
	return READ_ONCE(f->ipsec->is_fail_closed);
}

/* ---- life ------------------------------------------------------------- */

static int spd_init_one(struct iroce_spd *spd)
{
	void *mem = kvmalloc(iroce_spd_mem_size(&spd_size_min), GFP_KERNEL);
	int err;

	if (!mem)
		return -ENOMEM;
	err = iroce_spd_init(spd, mem, &spd_size_min, get_random_u32());
	if (err)
		kvfree(mem);
	return err;
}

static void spd_free_all(struct iroce_ipsec *ipsec)
{
	int dir;

	for (dir = 0; dir < 2; dir++) {
		kvfree(ipsec->spd[dir].table);
		kvfree(ipsec->fence[dir].table);
	}
}

int iroce_spd_setup(struct iroce_ipsec *ipsec)
{
	int dir, err;

	for (dir = 0; dir < 2; dir++) {
		err = spd_init_one(&ipsec->spd[dir]) ?: spd_init_one(&ipsec->fence[dir]);
		if (err) {
			spd_free_all(ipsec);
			return err;
		}
	}
	return 0;
}

void iroce_spd_teardown(struct iroce_ipsec *ipsec)
{
	int dir;

	spin_lock_bh(&ipsec->lock);
	for (dir = 0; dir < 2; dir++) {
		/* xfrm flushed the netdev's policies when it was unregistered. */
		WARN_ON_ONCE(!iroce_spd_is_empty(&ipsec->spd[dir]));
		fences_clear(ipsec, dir);
	}
	spin_unlock_bh(&ipsec->lock);
	spd_free_all(ipsec);
}
