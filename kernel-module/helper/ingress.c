// SPDX-License-Identifier: GPL-2.0
/*
 * What comes in unopened: ESP of an SA at a port that does not have it.
 *
 *	cable -> port's engine: has the SA? -> opened, with its secpath
 *	           | no
 *	           v
 *	         GRO -> esp_gro_receive -> xfrm_input -> x->type->input: closed() \
 *	           | or                                                            > dropped,
 *	           v                                                              /  counted,
 *	         netfilter ingress: look_at_frame() ------------------------------   noted
 *	           |
 *	           v
 *	         bond -> IP -> xfrm_input -> closed(): dropped
 *
 * The fence. The kernel has the key as well, and would open such a frame in software with
 * a replay window of its own, beside the live one (I4). A state has its ESP code in
 * x->type; ours has a copy with an input of our own, which opens nothing, wherever the
 * frame came from.
 *
 * The eye. An inbound SA per port follows its traffic: a frame at the wrong port is
 * noted on its SA, see follow.c.
 */
#include <linux/if_vlan.h>
#include <linux/netfilter_netdev.h>
#include <linux/slab.h>
#include <linux/udp.h>

#include "core/headers.h"
#include "engine/ipsec_roce_engine.h"
#include "bond.h"
#include "ingress.h"
#include "port.h"
#include "sa.h"

/* ---- notes ------------------------------------------------------------ */

/* Softirq, RCU read side. */
static void note_missed(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port)
{
	struct ipsec_roce_bond *bond = sa->bond;

	spin_lock_bh(&bond->seen_lock);
	sa->missed[port->index]++;
	sa->seen_port = port->index;
	if (!sa->is_unlinked && list_empty(&sa->seen_link)) {
		list_add_tail(&sa->seen_link, &bond->seen);
		/* Under the lock: once no SA is linked, nobody queues it any more. */
		queue_delayed_work(ipsec_roce_wq, &bond->seen_work, IPSEC_ROCE_SEEN_INTERVAL);
	}
	spin_unlock_bh(&bond->seen_lock);
}

void ipsec_roce_ingress_left(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port)
{
	spin_lock_bh(&sa->bond->seen_lock);
	sa->missed[port->index] = 0;
	spin_unlock_bh(&sa->bond->seen_lock);
}

void ipsec_roce_ingress_forget(struct ipsec_roce_sa *sa)
{
	spin_lock_bh(&sa->bond->seen_lock);
	sa->is_unlinked = true;
	list_del_init(&sa->seen_link);
	spin_unlock_bh(&sa->bond->seen_lock);
}

/* ---- the fence -------------------------------------------------------- */

static const struct ipsec_roce_port *port_of(const struct ipsec_roce_bond *bond,
					     const struct net_device *dev)
{
	u32 i;

	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++) {
		const struct ipsec_roce_port *port = READ_ONCE(bond->ports[i]);

		if (port && port->dev == dev)
			return port;
	}
	return NULL;
}

void ipsec_roce_ingress_missed(struct xfrm_state *x, struct sk_buff *skb)
{
	struct ipsec_roce_sa *sa = ipsec_roce_sa_of(x);
	const struct ipsec_roce_port *port;

	/* GRO runs before netfilter sees the frame: then it is a port's. */
	port = sa && !READ_ONCE(sa->is_twin) ? port_of(sa->bond, skb->dev) : NULL;
	if (port)
		note_missed(sa, port);
}

static void reopen_rcu(struct rcu_head *rcu)
{
	struct ipsec_roce_sa *sa = container_of(rcu, struct ipsec_roce_sa, rcu);

	ipsec_roce_state_reopen(sa->x);
	xfrm_state_put(sa->x);
	kfree(sa);
}

/*
 * The state may outlive us, dead, and its type is xfrm's again then. Not at once: who has
 * found it alive just now is about to call x->type->input.
 */
void ipsec_roce_ingress_reopen(struct ipsec_roce_sa *sa)
{
	bool is_closed = ipsec_roce_state_is_closed(sa->x);

	if (is_closed && refcount_inc_not_zero(&sa->x->refcnt)) {
		call_rcu(&sa->rcu, reopen_rcu);
		return;
	}
	/* Nobody else has it: xfrm is about to free it. */
	if (is_closed)
		ipsec_roce_state_reopen(sa->x);
	kfree_rcu(sa, rcu);
}

/* ---- the eye ---------------------------------------------------------- */

/*
 * ESP, or perhaps ESP in UDP: to which SA? @encap: the UDP port, or 0. What cannot be told from
 * here goes on to the fence.
 */
static bool find_esp(const struct sk_buff *skb, struct ipsec_roce_sa_id *id, __be16 *encap)
{
	/* The first tag is out of the frame already. */
	struct iroce_headers h = { .n_tags = skb_vlan_tag_present(skb) };
	int off = skb_network_offset(skb);
	u8 copy[IROCE_HEADERS_LEN];
	u32 len, spi_off;
	const u8 *view;

	/* Behind the first fragment there is no SPI, and nothing is opened without it. */
	len = min_t(u32, skb->len - off, sizeof(copy));
	view = skb_header_pointer(skb, off, len, copy);
	if (!view || iroce_headers_find_ip_at(&h, view, len, ntohs(skb->protocol)) ||
	    iroce_headers_read_ip(&h, view, len) || h.fragment == IROCE_FRAGMENT_LATER)
		return false;
	if (h.key.proto != IPPROTO_ESP && h.key.proto != IPPROTO_UDP)
		return false;
	spi_off = h.l4 + (h.key.proto == IPPROTO_UDP ? sizeof(struct udphdr) : 0);
	if (len < spi_off + sizeof(id->spi))
		return false;
	memcpy(&id->spi, view + spi_off, sizeof(id->spi));
	memcpy(&id->daddr, &h.key.daddr, sizeof(id->daddr));
	id->family = h.key.family;
	*encap = h.udp_dport;
	return true;
}

/* Softirq, RCU read side. */
static unsigned int look_at_frame(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	const struct ipsec_roce_port *port = priv;
	struct ipsec_roce_sa_id id = {};
	struct ipsec_roce_sa *sa;
	__be16 encap;

	if (list_empty(&port->bond->sas) || !find_esp(skb, &id, &encap))
		return NF_ACCEPT;
	sa = ipsec_roce_bond_find_sa(port->bond, &id, IROCE_DIR_IN);
	if (!sa || sa->encap != encap)
		return NF_ACCEPT;
	note_missed(sa, port);
	return NF_DROP;
}

int ipsec_roce_ingress_watch(struct ipsec_roce_port *port, struct netlink_ext_ack *extack)
{
	int err;

	port->nf = (struct nf_hook_ops) {
		.hook = look_at_frame,
		.priv = port,
		.dev = port->dev,
		.pf = NFPROTO_NETDEV,
		.hooknum = NF_NETDEV_INGRESS,
		.priority = INT_MIN,
	};
	err = nf_register_net_hook(dev_net(port->dev), &port->nf);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "No netfilter hook at the port: the kernel needs CONFIG_NETFILTER_INGRESS");
	return err;
}

void ipsec_roce_ingress_unwatch(struct ipsec_roce_port *port)
{
	nf_unregister_net_hook(dev_net(port->dev), &port->nf);
}
