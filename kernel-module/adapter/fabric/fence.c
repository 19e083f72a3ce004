// SPDX-License-Identifier: GPL-2.0
/*
 * The RoCE fence: rules that drop cleartext RoCEv2 (func/tc.c takes them from tc).
 *
 * Rules for what leaves look at a frame as it leaves the function, after IPsec; rules for what
 * arrives, before IPsec: a sealed packet is ESP there and passes.
 *
 * What cannot be told is dropped: a frame whose IP header cannot be read, where its direction has
 * a rule at all; a packet between the addresses of a rule that hides whether it is RoCE, by that
 * rule. A first fragment shows its port; later fragments pass, as nobody can do without the first.
 */
#include <linux/if_vlan.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "vport.h"

#define MAX_RULES 64	/* per direction; they are walked one by one */

/*
 * struct rule - @match is constant once the rule is published
 * @reported: what has been taken of the hits; RTNL
 */
struct rule {
	struct list_head node;
	struct rcu_head rcu;
	unsigned long cookie;
	struct iroce_fence_match match;
	struct iroce_fence_hits __percpu *hits;
	struct iroce_fence_hits reported;
	unsigned long last_used;	/* jiffies */
};

/* ---- the data path ---------------------------------------------------- */

static bool is_in(const union iroce_addr *addr, const union iroce_addr *net,
		  const union iroce_addr *mask)
{
	unsigned int i;
	__be32 diff = 0;

	for (i = 0; i < ARRAY_SIZE(addr->v6); i++)
		diff |= (addr->v6[i] ^ net->v6[i]) & mask->v6[i];
	return !diff;
}

/* A tag of VLAN 0 is a priority alone: stack and QPs take the frame as one without a tag. */
static bool has_priority_alone(const struct iroce_headers *h)
{
	return h->n_tags == 1 && !(h->tci & htons(VLAN_VID_MASK));
}

/* As in tc, no rule is for frames with two tags: no QP is behind them either. */
static bool matches_frame(const struct iroce_fence_match *rule, const struct iroce_headers *h)
{
	if (rule->family != h->key.family || h->n_tags > 1)
		return false;
	if (rule->is_tagged ? !h->n_tags : h->n_tags && !has_priority_alone(h))
		return false;
	if (rule->is_tagged && ((h->tci ^ rule->vlan_tci) & rule->vlan_mask))
		return false;
	return is_in(&h->key.saddr, &rule->src, &rule->src_mask) &&
	       is_in(&h->key.daddr, &rule->dst, &rule->dst_mask);
}

static void count_hit(struct rule *rule, const struct sk_buff *skb)
{
	this_cpu_inc(rule->hits->packets);
	this_cpu_add(rule->hits->bytes, skb->len);
	if (READ_ONCE(rule->last_used) != jiffies)
		WRITE_ONCE(rule->last_used, jiffies);
}

bool iroce_fence_drops(struct iroce_func *f, struct sk_buff *skb, enum iroce_fence_dir dir)
{
	const struct iroce_fence *fence = &f->vport->fence[dir];
	struct iroce_headers h;
	struct rule *rule;
	int err;

	if (likely(list_empty(&fence->rules)))
		return false;
	err = iroce_headers_find_ip(&h, skb->data, skb_headlen(skb));
	/* A sealed frame is told from its IP header alone. */
	if (!err && iroce_headers_is_esp(&h))
		return false;
	err = iroce_skb_headers_go_on(skb, &h, err);
	if (err)
		return err != -EPROTONOSUPPORT;	/* cannot be told: it may be what a rule is for */
	if (iroce_headers_is_roce(&h) == IROCE_NO)
		return false;

	list_for_each_entry_rcu(rule, &fence->rules, node) {
		if (matches_frame(&rule->match, &h)) {
			count_hit(rule, skb);
			return true;
		}
	}
	return false;
}

bool iroce_vport_admits(struct iroce_func *f, struct sk_buff *skb)
{
	if (likely(!iroce_fence_drops(f, skb, IROCE_FENCE_IN)))
		return true;
	iroce_count(f, IROCE_STAT_tc_drop_ingress);
	kfree_skb(skb);
	return false;
}

/* ---- rules, RTNL ------------------------------------------------------ */

static struct rule *find_rule(struct iroce_fence *fence, unsigned long cookie)
{
	struct rule *rule;

	list_for_each_entry(rule, &fence->rules, node)
		if (rule->cookie == cookie)
			return rule;
	return NULL;
}

static void free_rule(struct rcu_head *rcu)
{
	struct rule *rule = container_of(rcu, struct rule, rcu);

	free_percpu(rule->hits);
	kfree(rule);
}

int iroce_fence_add(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie,
		    const struct iroce_fence_match *match)
{
	struct iroce_fence *fence = &f->vport->fence[dir];
	struct rule *rule;

	if (find_rule(fence, cookie))
		return -EEXIST;
	if (fence->n_rules == MAX_RULES)
		return -ENOSPC;
	rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	rule->hits = alloc_percpu(struct iroce_fence_hits);
	if (!rule->hits) {
		kfree(rule);
		return -ENOMEM;
	}
	rule->cookie = cookie;
	rule->last_used = jiffies;
	rule->match = *match;
	fence->n_rules++;
	list_add_tail_rcu(&rule->node, &fence->rules);
	return 0;
}

static void unlink_rule(struct iroce_fence *fence, struct rule *rule)
{
	list_del_rcu(&rule->node);
	fence->n_rules--;
	call_rcu_hurry(&rule->rcu, free_rule);
}

int iroce_fence_del(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie)
{
	struct iroce_fence *fence = &f->vport->fence[dir];
	struct rule *rule = find_rule(fence, cookie);

	if (!rule)
		return -ENOENT;
	unlink_rule(fence, rule);
	return 0;
}

int iroce_fence_take_hits(struct iroce_func *f, enum iroce_fence_dir dir, unsigned long cookie,
			  struct iroce_fence_hits *news, unsigned long *last_used)
{
	struct rule *rule = find_rule(&f->vport->fence[dir], cookie);
	struct iroce_fence_hits sum = {};
	int cpu;

	if (!rule)
		return -ENOENT;
	for_each_possible_cpu(cpu) {
		sum.packets += READ_ONCE(per_cpu_ptr(rule->hits, cpu)->packets);
		sum.bytes += READ_ONCE(per_cpu_ptr(rule->hits, cpu)->bytes);
	}
	news->packets = sum.packets - rule->reported.packets;
	news->bytes = sum.bytes - rule->reported.bytes;
	*last_used = READ_ONCE(rule->last_used);
	rule->reported = sum;
	return 0;
}

bool iroce_fence_has_rules(const struct iroce_func *f)
{
	return f->vport->fence[IROCE_FENCE_IN].n_rules || f->vport->fence[IROCE_FENCE_OUT].n_rules;
}

/* ---- life ------------------------------------------------------------- */

void iroce_fence_init(struct iroce_fence *fence)
{
	INIT_LIST_HEAD(&fence->rules);
}

void iroce_fence_clear(struct iroce_fence *fence)
{
	struct rule *rule, *next;

	list_for_each_entry_safe(rule, next, &fence->rules, node)
		unlink_rule(fence, rule);
}
