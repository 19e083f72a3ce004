// SPDX-License-Identifier: GPL-2.0
/*
 * The RoCE fence: tc flower rules that drop cleartext RoCEv2 in the adapter.
 *
 *	tc qdisc add dev VF clsact
 *	tc filter add dev VF egress protocol ip flower skip_sw \
 *		ip_proto udp dst_port 4791 action drop
 *
 * The host's own tc never sees RoCE: the switch keeps to these rules (fabric/fence.c).
 * What is not this kind of rule is refused.
 */
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "fabric/fabric.h"
#include "netdev.h"
#include "tc.h"

#define KNOWN_KEYS (BIT_ULL(FLOW_DISSECTOR_KEY_CONTROL) |	\
		    BIT_ULL(FLOW_DISSECTOR_KEY_BASIC) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_PORTS) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_VLAN) |		\
		    BIT_ULL(FLOW_DISSECTOR_KEY_IPV4_ADDRS) |	\
		    BIT_ULL(FLOW_DISSECTOR_KEY_IPV6_ADDRS))

static int parse_protocol(struct iroce_fence_match *rule, struct flow_rule *flow,
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

static int parse_vlan(struct iroce_fence_match *rule, struct flow_rule *flow, struct netlink_ext_ack *extack)
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

static void parse_addresses(struct iroce_fence_match *rule, struct flow_rule *flow)
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

static int parse_rule(struct iroce_fence_match *rule, struct flow_cls_offload *cls)
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

static int add_rule(struct iroce_tc *tc, struct flow_cls_offload *cls)
{
	struct iroce_fence_match match = {};
	int err;

	err = parse_rule(&match, cls);
	if (err)
		return err;
	err = iroce_fence_add(tc->f, tc->dir, cls->cookie, &match);
	if (err == -ENOSPC)
		NL_SET_ERR_MSG(cls->common.extack, "the adapter has no room for another rule");
	return err;
}

static int get_stats(struct iroce_tc *tc, struct flow_cls_offload *cls)
{
	struct iroce_fence_hits news;
	unsigned long last_used;
	int err;

	err = iroce_fence_take_hits(tc->f, tc->dir, cls->cookie, &news, &last_used);
	if (err)
		return err;
	flow_stats_update(&cls->stats, news.bytes, news.packets, news.packets, last_used,
			  FLOW_ACTION_HW_STATS_IMMEDIATE);
	return 0;
}

/* RTNL: the driver does not declare unlocked callbacks. */
static int block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *cls = type_data;
	struct iroce_tc *tc = cb_priv;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (cls->command) {
	case FLOW_CLS_REPLACE:
		if (!tc_cls_can_offload_and_chain0(tc->f->netdev, &cls->common))
			return -EOPNOTSUPP;
		return add_rule(tc, cls);
	case FLOW_CLS_DESTROY:
		return iroce_fence_del(tc->f, tc->dir, cls->cookie);
	case FLOW_CLS_STATS:
		return get_stats(tc, cls);
	default:
		return -EOPNOTSUPP;
	}
}

int iroce_tc_setup(struct net_device *netdev, enum tc_setup_type type, void *type_data)
{
	struct iroce_host *host = iroce_func(netdev)->host;
	struct flow_block_offload *block = type_data;
	struct iroce_tc *tc;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	switch (block->binder_type) {
	case FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS:
		tc = &host->tc[IROCE_FENCE_IN];
		break;
	case FLOW_BLOCK_BINDER_TYPE_CLSACT_EGRESS:
		tc = &host->tc[IROCE_FENCE_OUT];
		break;
	default:
		return -EOPNOTSUPP;
	}
	return flow_block_cb_setup_simple(block, &host->tc_blocks, block_cb, tc, tc, false);
}

void iroce_tc_init(struct iroce_func *f)
{
	unsigned int dir;

	INIT_LIST_HEAD(&f->host->tc_blocks);
	for (dir = IROCE_FENCE_IN; dir <= IROCE_FENCE_OUT; dir++)
		f->host->tc[dir] = (struct iroce_tc){ .f = f, .dir = dir };
}
