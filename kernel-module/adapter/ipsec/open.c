// SPDX-License-Identifier: GPL-2.0
/*
 * A frame comes out of the switch: open it if it is ours, ask the policies, and say for
 * whom it is: RoCE, or the host stack.
 *
 *	ESP of an SA of ours:  replay look -> open -> trailer -> replay commit
 *	                       -> SA selector -> policy -> said, with its SA
 *	ESP of another SA:     to the stack, if it has it in software, or our bond has it, or
 *	                       nobody and no policy of ours asks for it: see is_orphan()
 *	cleartext:             policy (I2) -> said
 *
 * The table of policy verdicts is in decide.c. The core does not check cleartext
 * against offloaded policies, and does not check templates of what we opened: it
 * trusts the device, so both are done here.
 *
 * Fragments. ESP in fragments could be reassembled only by the stack, which then
 * would open it with a replay window of its own beside ours (I4): the first
 * fragment, the one with the SPI, is dropped if the SA is ours. A cleartext
 * fragment has no ports; core/spd.h matches it against protecting policies by all
 * the rest, so that none slips by. First fragments of RoCE are dropped: a message
 * that needs IP fragments was made by nobody who speaks RoCE.
 */
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/ipv6.h>

#include "engine/ipsec_roce_engine.h"
#include "decide.h"
#include "drops.h"
#include "esp.h"
#include "packet.h"
#include "sadb.h"

/* ---- for whom it is --------------------------------------------------- */

/* RoCE's, which wants it linear, trimmed, its lengths checked. */
static enum iroce_arrival to_roce(struct iroce_func *f, struct sk_buff *skb,
				  struct iroce_headers *pkt)
{
	const struct udphdr *udp;
	unsigned int len;

	/* No QP is behind two tags, and no rule of the fence is for them (fabric/fence.c). */
	if (pkt->n_tags > 1)
		goto drop;
	if (pkt->fragment || skb_is_gso(skb) || iroce_pkt_trim(skb, pkt) ||
	    skb_linearize(skb))
		goto drop;
	if (skb->len < pkt->l4 + sizeof(*udp))
		goto drop;
	udp = (const struct udphdr *)(skb->data + pkt->l4);
	len = ntohs(udp->len);
	if (len < sizeof(*udp) || pkt->l4 + len > skb->len)
		goto drop;
	__skb_trim(skb, pkt->l4 + len);
	skb_set_network_header(skb, pkt->l3);
	skb_set_transport_header(skb, pkt->l4);
	return IROCE_TO_ROCE;

drop:
	iroce_count(f, IROCE_STAT_rx_drop_malformed);
	kfree_skb(skb);
	return IROCE_CONSUMED;
}

/* The first fragment shows its port. */
static bool is_roce(const struct iroce_headers *pkt)
{
	return iroce_headers_is_roce(pkt) == IROCE_YES;
}

/* What tells the stack that the packet came through @sa: as mlx5 does. */
static int attach_secpath(struct sk_buff *skb, struct iroce_sa *sa)
{
	struct xfrm_state *x = READ_ONCE(sa->x);
	struct xfrm_offload *xo;
	struct sec_path *sp;

	/* x is good for us: we found its SA in the SAD in this RCU section. */
	if (!x || !refcount_inc_not_zero(&x->refcnt))
		return -ENOENT;
	sp = secpath_set(skb);
	if (!sp) {
		xfrm_state_put(x);
		return -ENOMEM;
	}
	sp->xvec[sp->len++] = x;
	sp->olen++;
	xo = xfrm_offload(skb);
	xo->flags = CRYPTO_DONE;
	xo->status = CRYPTO_SUCCESS;
	return 0;
}

static enum iroce_arrival to_opened(struct iroce_func *f, struct sk_buff *skb,
				    struct iroce_headers *pkt, struct iroce_sa *sa)
{
	int err;

	if (is_roce(pkt))
		return to_roce(f, skb, pkt);
	err = attach_secpath(skb, sa);
	if (!err)
		return IROCE_TO_HOST;
	iroce_ipsec_rx_drop(f, skb, err == -ENOMEM ? IROCE_STAT_ipsec_rx_drop_sp_alloc :
						     IROCE_STAT_ipsec_rx_drop_sadb_miss);
	return IROCE_CONSUMED;
}

/* ---- through an SA ---------------------------------------------------- */

/* May what @sa opened come in? 0 or the counter of the drop. */
static int judge_opened(struct iroce_func *f, const struct iroce_sa *sa,
			const struct iroce_flow_key *key, enum iroce_stat *why)
{
	struct iroce_policy *policy;

	/* The peer the key was agreed with, and the traffic it was agreed for. */
	if ((!iroce_addr_is_any(&sa->node.saddr) &&
	     !iroce_addr_equal(&sa->node.saddr, &key->saddr)) ||
	    !iroce_selector_match(&sa->node.sel, key)) {
		*why = IROCE_STAT_ipsec_rx_drop_mismatch_sa_sel;
		return -EACCES;
	}
	switch (iroce_policy_decide(f->ipsec, IROCE_DIR_IN, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		return 0;
	case IROCE_POLICY_SEAL:
		*why = IROCE_STAT_ipsec_rx_drop_policy;
		return iroce_policy_wants(policy, sa) ? 0 : -EACCES;
	case IROCE_POLICY_BLOCK:
		*why = IROCE_STAT_ipsec_rx_drop_blocked;
		return -EACCES;
	case IROCE_POLICY_BURIED:
		*why = IROCE_STAT_ipsec_rx_drop_fenced;
		if (policy && policy->kind == IROCE_POLICY_SEAL &&
		    iroce_policy_wants(policy, sa))
			return 0;
		return -EACCES;
	}
	return -EACCES;
}

/* The number behind the 32 bits on the wire, if it is worth the cipher. Takes no lock. */
static int replay_look(struct iroce_sa *sa, __be32 wire, u64 *seq)
{
	if (!sa->has_replay) {
		*seq = be32_to_cpu(wire);
		return 0;
	}
	return iroce_replay_infer(&sa->num->replay, wire, seq) ?:
	       iroce_replay_check(&sa->num->replay, *seq);
}

static void count_replay(struct iroce_sa *sa, int err)
{
	spin_lock(&sa->lock);
	if (err == -EALREADY)
		sa->n_replayed++;
	else
		sa->n_stale++;
	spin_unlock(&sa->lock);
}

/*
 * Commit: authentic now, but another CPU may have had the same number, or the SA
 * may have been deleted, while the cipher ran.
 */
static int replay_commit(struct iroce_sa *sa, u64 seq)
{
	int err;

	if (!sa->has_replay)
		return 0;
	spin_lock(&sa->num->lock);
	/* Under the lock: who reads the window of a dead SA has seen the last of it (I4). */
	err = READ_ONCE(sa->is_dead) ? -ESTALE : iroce_replay_accept(&sa->num->replay, seq);
	spin_unlock(&sa->num->lock);
	if (err)
		count_replay(sa, err);
	return err;
}

static enum iroce_stat open_reason(struct iroce_sa *sa, int err)
{
	switch (err) {
	case -EBADMSG:
		spin_lock(&sa->lock);
		sa->n_forged++;
		spin_unlock(&sa->lock);
		return IROCE_STAT_ipsec_rx_drop_auth;
	case -EPROTO:
		return IROCE_STAT_ipsec_rx_drop_trailer;
	default:
		return IROCE_STAT_ipsec_rx_drop_crypto;
	}
}

/*
 * Protocols whose handler in the stack would take our secpath for its own: nobody
 * nests them in transport mode.
 */
static bool is_nested(u8 proto)
{
	return proto == IPPROTO_ESP || proto == IPPROTO_AH || proto == IPPROTO_COMP;
}

/* Opened: the IP header gets its cleartext form back, then who may have it? */
static enum iroce_arrival rx_opened(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff *skb,
				    struct iroce_headers *pkt, u8 next_hdr, unsigned int wire_len)
{
	enum iroce_stat why = IROCE_STAT_ipsec_rx_drop_trailer;

	if (!iroce_sa_charge(sa, skb->len - pkt->l4)) {
		iroce_ipsec_rx_drop(f, skb, IROCE_STAT_ipsec_rx_drop_expired);
		return IROCE_CONSUMED;
	}
	/* Traffic flow confidentiality: a packet that says nothing (RFC 4303 section 2.6). */
	if (next_hdr == IPPROTO_NONE) {
		iroce_count(f, IROCE_STAT_ipsec_rx_pkts);
		iroce_stat_add(f->stats, IROCE_STAT_ipsec_rx_bytes, wire_len);
		consume_skb(skb);
		return IROCE_CONSUMED;
	}
	iroce_pkt_fix_ip(skb->data + pkt->l3, skb->data + pkt->proto_off, next_hdr,
			 skb->len - pkt->l3);
	skb_reset_mac_header(skb);

	if (is_nested(next_hdr) || iroce_pkt_parse(skb, pkt) || is_nested(pkt->key.proto) ||
	    judge_opened(f, sa, &pkt->key, &why)) {
		iroce_ipsec_rx_drop(f, skb, why);
		return IROCE_CONSUMED;
	}
	iroce_count(f, IROCE_STAT_ipsec_rx_pkts);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_rx_bytes, wire_len);
	return to_opened(f, skb, pkt, sa);
}

static enum iroce_arrival rx_sealed(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff **skb,
				    struct iroce_headers *pkt, const struct iroce_esp_frame *esp)
{
	unsigned int wire_len = (*skb)->len;
	enum iroce_stat why;
	u8 next_hdr;
	u64 seq;
	int err;

	why = IROCE_STAT_ipsec_rx_drop_expired;
	if (iroce_sa_is_spent(sa))
		goto drop;
	why = IROCE_STAT_ipsec_rx_drop_replay;
	err = replay_look(sa, esp->seq, &seq);
	if (err) {
		count_replay(sa, err);
		goto drop;
	}
	err = iroce_open_frame(f, sa, skb, pkt->l4, seq, &next_hdr);
	if (err) {
		why = open_reason(sa, err);
		goto drop;
	}
	if (READ_ONCE(sa->is_dead)) {
		why = IROCE_STAT_ipsec_rx_drop_sadb_miss;
		goto drop;
	}
	if (replay_commit(sa, seq))
		goto drop;
	return rx_opened(f, sa, *skb, pkt, next_hdr, wire_len);

drop:
	iroce_ipsec_rx_drop(f, *skb, why);
	return IROCE_CONSUMED;
}

/* A policy of ours seals, or did, something between these addresses. */
static bool is_sealed_pair(const struct iroce_func *f, const struct iroce_flow_key *key)
{
	struct iroce_flow_key inner = *key;
	struct iroce_policy *policy;

	inner.proto = 0;
	inner.flags = IROCE_FLOW_PORTS_UNKNOWN | IROCE_FLOW_PROTO_UNKNOWN;
	switch (iroce_policy_decide(f->ipsec, IROCE_DIR_IN, &inner, &policy)) {
	case IROCE_POLICY_SEAL:
	case IROCE_POLICY_BURIED:
		return true;
	default:
		return false;
	}
}

/* An SA of the bond that we are a port of: its helper wants to see it, and lets nobody open it. */
static bool is_bonds(const struct iroce_func *f, const struct xfrm_state *x)
{
	const struct net_device *dev = READ_ONCE(x->xso.dev);

	return dev && dev == netdev_master_upper_dev_get_rcu(f->netdev) &&
	       ipsec_roce_engine_is_helped(dev);
}

/*
 * ESP of an SPI that we don't have. The stack may have it in software. Where it has
 * not, and a policy of ours seals something between these addresses, this is traffic
 * of an SA that was ours: dropped here, so that the function counts it. If another
 * device has the SA, that one has the window, and the stack would take a replay
 * with a window of its own (I4).
 */
static bool is_orphan(struct iroce_func *f, const struct iroce_flow_key *key, __be32 spi)
{
	struct xfrm_state *x;
	bool is_offloaded;

	x = xfrm_state_lookup(dev_net(f->netdev), 0, (const xfrm_address_t *)&key->daddr, spi,
			      IPPROTO_ESP, key->family);
	if (!x)
		return is_sealed_pair(f, key);
	is_offloaded = x->xso.type == XFRM_DEV_OFFLOAD_PACKET && !is_bonds(f, x);
	xfrm_state_put(x);
	return is_offloaded;
}

static enum iroce_arrival rx_esp(struct iroce_func *f, struct sk_buff **skb,
				 struct iroce_headers *pkt, struct iroce_sa **through)
{
	enum iroce_stat why = IROCE_STAT_ipsec_rx_drop_short;
	struct iroce_esp_frame esp;
	struct iroce_sa *sa;
	__be32 spi;
	int err;

	/* They have no SPI and are nothing without the first one. */
	if (pkt->fragment == IROCE_FRAGMENT_LATER)
		return IROCE_TO_HOST;
	if (skb_copy_bits(*skb, pkt->l4, &spi, sizeof(spi)))
		return IROCE_TO_HOST;
	sa = iroce_sadb_lookup_in(f->ipsec, &pkt->key, spi);
	if (!sa) {
		if (!is_orphan(f, &pkt->key, spi))
			return IROCE_TO_HOST;
		why = IROCE_STAT_ipsec_rx_drop_sadb_miss;
		goto drop;
	}

	if (pkt->fragment || skb_is_gso(*skb) || iroce_pkt_trim(*skb, pkt) ||
	    !pskb_may_pull(*skb, min((*skb)->len, pkt->l4 + IROCE_ESP_PREFIX_LEN)))
		goto drop;
	err = iroce_esp_frame_check((*skb)->data + pkt->l4, (*skb)->len - pkt->l4, &esp);
	if (err) {
		if (err == -EBADMSG)
			why = IROCE_STAT_ipsec_rx_drop_trailer;
		goto drop;
	}
	*through = sa;
	return rx_sealed(f, sa, skb, pkt, &esp);

drop:
	iroce_ipsec_rx_drop(f, *skb, why);
	return IROCE_CONSUMED;
}

/* ---- in the clear ----------------------------------------------------- */

static int judge_plain(struct iroce_func *f, const struct iroce_flow_key *key,
		       enum iroce_stat *why)
{
	struct iroce_policy *policy;

	switch (iroce_policy_decide(f->ipsec, IROCE_DIR_IN, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		return 0;
	case IROCE_POLICY_SEAL:
		*why = IROCE_STAT_ipsec_rx_drop_plain;
		break;
	case IROCE_POLICY_BLOCK:
		*why = IROCE_STAT_ipsec_rx_drop_blocked;
		break;
	case IROCE_POLICY_BURIED:
		*why = IROCE_STAT_ipsec_rx_drop_fenced;
		break;
	}
	return -EACCES;
}

enum iroce_arrival iroce_ipsec_open(struct iroce_func *f, struct sk_buff **skb,
				    struct iroce_sa **sa)
{
	enum iroce_stat why;
	struct iroce_headers pkt;
	int err;

	*sa = NULL;
	err = iroce_pkt_parse(*skb, &pkt);
	if (err == -EBADMSG && !iroce_policy_is_open(f->ipsec, IROCE_DIR_IN)) {
		/* Whose flow it is can't be told: not even the stack's to guess. */
		iroce_ipsec_rx_drop(f, *skb, IROCE_STAT_ipsec_rx_drop_plain);
		return IROCE_CONSUMED;
	}
	if (err)
		return IROCE_TO_HOST;
	if (pkt.key.proto == IPPROTO_ESP)
		return rx_esp(f, skb, &pkt, sa);
	if (!iroce_policy_is_open(f->ipsec, IROCE_DIR_IN) && judge_plain(f, &pkt.key, &why)) {
		iroce_ipsec_rx_drop(f, *skb, why);
		return IROCE_CONSUMED;
	}
	return is_roce(&pkt) ? to_roce(f, *skb, &pkt) : IROCE_TO_HOST;
}
