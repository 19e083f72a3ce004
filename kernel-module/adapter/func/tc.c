// SPDX-License-Identifier: GPL-2.0
/*
 * The RoCE fence: tc flower rules that drop cleartext RoCEv2 in the adapter.
 *
 *	tc qdisc add dev VF clsact
 *	tc filter add dev VF egress protocol ip flower skip_sw \
 *		ip_proto udp dst_port 4791 action drop
 *
 * The host's own tc never sees RoCE. Egress rules look at what leaves the
 * function after IPsec, ingress rules at what arrives before it: a sealed packet
 * is ESP there and passes. What is not this kind of rule is refused.
 */
#include <linux/if_vlan.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "core/flow.h"
#include "iroce.h"
#include "netdev.h"
#include "tc.h"

#define MAX_RULES 64	/* per direction; they are walked one by one */

struct hits {
	u64 packets;
	u64 bytes;
};

/*
 * struct rule - one flower rule; all match fields are constant once published
 * @family: AF_INET, AF_INET6; @is_tagged: wants exactly one VLAN tag, else none
 * @reported: what tc was told already; RTNL
 */
struct rule {
	struct list_head node;
	struct rcu_head rcu;
	unsigned long cookie;
	u16 family;
	bool is_tagged;
	__be16 vlan_tci;
	__be16 vlan_mask;
	union iroce_addr src, src_mask;
	union iroce_addr dst, dst_mask;
	struct hits __percpu *hits;
	struct hits reported;
	unsigned long last_used;	/* jiffies */
};

/* Rules of one direction. Written under RTNL, read under RCU. */
struct iroce_tc_table {
	struct net_device *netdev;
	struct list_head rules;
	unsigned int n_rules;
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

static bool matches(const struct rule *rule, const struct iroce_flow_key *key,
		    const struct vlan_hdr *tag)
{
	if (rule->family != key->family || rule->is_tagged != !!tag)
		return false;
	if (tag && ((tag->h_vlan_TCI ^ rule->vlan_tci) & rule->vlan_mask))
		return false;
	return is_in(&key->saddr, &rule->src, &rule->src_mask) &&
	       is_in(&key->daddr, &rule->dst, &rule->dst_mask);
}

static void count_hit(struct rule *rule, const struct sk_buff *skb)
{
	this_cpu_inc(rule->hits->packets);
	this_cpu_add(rule->hits->bytes, skb->len);
	if (READ_ONCE(rule->last_used) != jiffies)
		WRITE_ONCE(rule->last_used, jiffies);
}

bool iroce_tc_drops(struct iroce_func *f, const struct sk_buff *skb, enum iroce_tc_dir dir)
{
	const struct iroce_tc_table *table = f->host->tc[dir];
	const struct vlan_hdr *tag = NULL;
	struct iroce_flow_key key;
	size_t off = ETH_HLEN;
	struct rule *rule;
	u32 l4;

	if (likely(list_empty(&table->rules)))
		return false;
	/* Frames here carry their tag inside; a second one is no RoCE that anybody takes. */
	if (skb_headlen(skb) < ETH_HLEN + VLAN_HLEN)
		return false;
	if (eth_type_vlan(((const struct ethhdr *)skb->data)->h_proto)) {
		tag = (const struct vlan_hdr *)(skb->data + ETH_HLEN);
		off += VLAN_HLEN;
	}
	if (iroce_flow_from_ip(skb->data + off, skb_headlen(skb) - off, &key, &l4) ||
	    key.proto != IPPROTO_UDP || key.dport != htons(IROCE_ROCE_PORT))
		return false;

	list_for_each_entry_rcu(rule, &table->rules, node) {
		if (matches(rule, &key, tag)) {
			count_hit(rule, skb);
			return true;
		}
	}
	return false;
}

/* ---- rules from tc ---------------------------------------------------- */

#define KNOWN_KEYS (BIT_ULL(FLOW_DISSECTOR_KEY_CONTROL) |	\
		    BIT_ULL(FLOW_DISSECTOR_KEY_BASIC) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_PORTS) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_VLAN) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_IPV4_ADDRS) |	\
		    BIT_ULL(FLOW_DISSECTOR_KEY_IPV6_ADDRS))

static int parse_protocol(struct rule *rule, struct flow_rule *flow,
			  struct netlink_ext_ack *extack)
{
	struct flow_match_basic basic;

	if (!flow_rule_match_key(flow, FLOW_DISSECTOR_KEY_BASIC))
		goto err;
	flow_rule_match_basic(flow, &basic);
	if (basic.mask->n_proto != htons(0xffff) || basic.mask->ip_proto != 0xff ||
	    basic.key->ip_proto != IPPROTO_UDP)
		goto err;
	if (basic.key->n_proto == htons(ETH_P_IP))
		rule->family = AF_INET;
	else if (basic.key->n_proto == htons(ETH_P_IPV6))
		rule->family = AF_INET6;
	else
		goto err;
	return 0;
err:
	NL_SET_ERR_MSG(extack, "the adapter matches only protocol ip or ipv6 with ip_proto udp");
	return -EOPNOTSUPP;
}

static int parse_ports(struct flow_rule *flow, struct netlink_ext_ack *extack)
{
	struct flow_match_ports ports;

	if (!flow_rule_match_key(flow, FLOW_DISSECTOR_KEY_PORTS))
		goto err;
	flow_rule_match_ports(flow, &ports);
	if (ports.mask->src) {
		NL_SET_ERR_MSG(extack, "the adapter does not match src_port");
		return -EOPNOTSUPP;
	}
	if (ports.mask->dst != htons(0xffff) || ports.key->dst != htons(IROCE_ROCE_PORT))
		goto err;
	return 0;
err:
	NL_SET_ERR_MSG(extack, "the adapter matches only dst_port 4791 (RoCEv2)");
	return -EOPNOTSUPP;
}

static int parse_vlan(struct rule *rule, struct flow_rule *flow, struct netlink_ext_ack *extack)
{
	struct flow_match_vlan vlan;

	if (!flow_rule_match_key(flow, FLOW_DISSECTOR_KEY_VLAN))
		return 0;
	flow_rule_match_vlan(flow, &vlan);
	if (vlan.mask->vlan_priority || vlan.mask->vlan_dei ||
	    (vlan.mask->vlan_id && vlan.mask->vlan_id != VLAN_VID_MASK)) {
		NL_SET_ERR_MSG(extack, "of a VLAN tag the adapter matches only the whole vlan_id");
		return -EOPNOTSUPP;
	}
	rule->is_tagged = true;
	rule->vlan_tci = htons(vlan.key->vlan_id);
	rule->vlan_mask = htons(vlan.mask->vlan_id);
	return 0;
}

static void parse_addresses(struct rule *rule, struct flow_rule *flow)
{
	struct flow_match_ipv4_addrs v4;
	struct flow_match_ipv6_addrs v6;

	if (rule->family == AF_INET && flow_rule_match_key(flow, FLOW_DISSECTOR_KEY_IPV4_ADDRS)) {
		flow_rule_match_ipv4_addrs(flow, &v4);
		rule->src = iroce_addr_v4(v4.key->src);
		rule->src_mask = iroce_addr_v4(v4.mask->src);
		rule->dst = iroce_addr_v4(v4.key->dst);
		rule->dst_mask = iroce_addr_v4(v4.mask->dst);
	}
	if (rule->family == AF_INET6 && flow_rule_match_key(flow, FLOW_DISSECTOR_KEY_IPV6_ADDRS)) {
		flow_rule_match_ipv6_addrs(flow, &v6);
		rule->src = iroce_addr_v6(&v6.key->src);
		rule->src_mask = iroce_addr_v6(&v6.mask->src);
		rule->dst = iroce_addr_v6(&v6.key->dst);
		rule->dst_mask = iroce_addr_v6(&v6.mask->dst);
	}
}

static int parse_rule(struct rule *rule, struct flow_cls_offload *cls)
{
	struct flow_rule *flow = flow_cls_offload_flow_rule(cls);
	struct netlink_ext_ack *extack = cls->common.extack;
	int err;

	if (flow->match.dissector->used_keys & ~KNOWN_KEYS) {
		NL_SET_ERR_MSG(extack, "the adapter matches only ip_proto udp, dst_port, src_ip, dst_ip and vlan_id");
		return -EOPNOTSUPP;
	}
	if (flow_rule_match_has_control_flags(flow, extack))
		return -EOPNOTSUPP;
	err = parse_protocol(rule, flow, extack);
	if (!err)
		err = parse_ports(flow, extack);
	if (!err)
		err = parse_vlan(rule, flow, extack);
	if (err)
		return err;
	parse_addresses(rule, flow);

	if (!flow_offload_has_one_action(&flow->action) ||
	    flow->action.entries[0].id != FLOW_ACTION_DROP) {
		NL_SET_ERR_MSG(extack, "the only action of the adapter is drop");
		return -EOPNOTSUPP;
	}
	if (!flow_action_basic_hw_stats_check(&flow->action, extack))
		return -EOPNOTSUPP;
	return 0;
}

static struct rule *find_rule(struct iroce_tc_table *table, unsigned long cookie)
{
	struct rule *rule;

	list_for_each_entry(rule, &table->rules, node)
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

static int add_rule(struct iroce_tc_table *table, struct flow_cls_offload *cls)
{
	struct rule *rule;
	int err = -ENOMEM;

	if (find_rule(table, cls->cookie))
		return -EEXIST;
	if (table->n_rules == MAX_RULES) {
		NL_SET_ERR_MSG(cls->common.extack, "the adapter has no room for another rule");
		return -ENOSPC;
	}
	rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	rule->hits = alloc_percpu(struct hits);
	if (!rule->hits)
		goto err_free;
	rule->cookie = cls->cookie;
	rule->last_used = jiffies;
	err = parse_rule(rule, cls);
	if (err)
		goto err_hits;
	table->n_rules++;
	list_add_tail_rcu(&rule->node, &table->rules);
	return 0;

err_hits:
	free_percpu(rule->hits);
err_free:
	kfree(rule);
	return err;
}

static void unlink_rule(struct iroce_tc_table *table, struct rule *rule)
{
	list_del_rcu(&rule->node);
	table->n_rules--;
	call_rcu_hurry(&rule->rcu, free_rule);
}

static int del_rule(struct iroce_tc_table *table, struct flow_cls_offload *cls)
{
	struct rule *rule = find_rule(table, cls->cookie);

	if (!rule)
		return -ENOENT;
	unlink_rule(table, rule);
	return 0;
}

static int get_stats(struct iroce_tc_table *table, struct flow_cls_offload *cls)
{
	struct rule *rule = find_rule(table, cls->cookie);
	struct hits sum = {};
	int cpu;

	if (!rule)
		return -ENOENT;
	for_each_possible_cpu(cpu) {
		sum.packets += READ_ONCE(per_cpu_ptr(rule->hits, cpu)->packets);
		sum.bytes += READ_ONCE(per_cpu_ptr(rule->hits, cpu)->bytes);
	}
	flow_stats_update(&cls->stats, sum.bytes - rule->reported.bytes,
			  sum.packets - rule->reported.packets,
			  sum.packets - rule->reported.packets, READ_ONCE(rule->last_used),
			  FLOW_ACTION_HW_STATS_IMMEDIATE);
	rule->reported = sum;
	return 0;
}

/* RTNL: the driver does not declare unlocked callbacks. */
static int block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct iroce_tc_table *table = cb_priv;
	struct flow_cls_offload *cls = type_data;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (cls->command) {
	case FLOW_CLS_REPLACE:
		if (!tc_cls_can_offload_and_chain0(table->netdev, &cls->common))
			return -EOPNOTSUPP;
		return add_rule(table, cls);
	case FLOW_CLS_DESTROY:
		return del_rule(table, cls);
	case FLOW_CLS_STATS:
		return get_stats(table, cls);
	default:
		return -EOPNOTSUPP;
	}
}

int iroce_tc_setup(struct net_device *netdev, enum tc_setup_type type, void *type_data)
{
	struct iroce_host *host = iroce_func(netdev)->host;
	struct flow_block_offload *block = type_data;
	struct iroce_tc_table *table;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	switch (block->binder_type) {
	case FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS:
		table = host->tc[IROCE_TC_INGRESS];
		break;
	case FLOW_BLOCK_BINDER_TYPE_CLSACT_EGRESS:
		table = host->tc[IROCE_TC_EGRESS];
		break;
	default:
		return -EOPNOTSUPP;
	}
	return flow_block_cb_setup_simple(block, &host->tc_blocks, block_cb, table, table, false);
}

bool iroce_tc_has_rules(const struct iroce_func *f)
{
	return f->host->tc[IROCE_TC_INGRESS]->n_rules || f->host->tc[IROCE_TC_EGRESS]->n_rules;
}

/* ---- life ------------------------------------------------------------- */

int iroce_tc_init(struct iroce_func *f)
{
	struct iroce_tc_table *tables;
	unsigned int i;

	tables = kcalloc(2, sizeof(*tables), GFP_KERNEL);
	if (!tables)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		tables[i].netdev = f->netdev;
		INIT_LIST_HEAD(&tables[i].rules);
		f->host->tc[i] = &tables[i];
	}
	return 0;
}

/* After unregister_netdev(): tc has taken its rules back. */
void iroce_tc_fini(struct iroce_func *f)
{
	struct rule *rule, *next;
	unsigned int i;

	for (i = 0; i < 2; i++)
		list_for_each_entry_safe(rule, next, &f->host->tc[i]->rules, node)
			unlink_rule(f->host->tc[i], rule);
	kfree(f->host->tc[0]);
}
