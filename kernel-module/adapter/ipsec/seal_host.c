// SPDX-License-Identifier: GPL-2.0
/*
 * What the host stack sends through a function: policy, seal.
 *
 * The stack does not mark packets it leaves to packet offload, so each frame is
 * matched against the function's own policies here (as the hardware does). A
 * frame is sealed into a fresh skb: the one from the stack may be shared with
 * TCP's retransmit queue.
 */
#include <linux/ip.h>
#include <net/sock.h>

#include "decide.h"
#include "drops.h"
#include "esp.h"
#include "packet.h"

/* Reads the frame where it is, without linearising it. */
static int gather_frame(struct iroce_cipher *c, const struct sk_buff *skb, unsigned int off)
{
	int n;

	if (skb->len == off)
		return 0;
	n = skb_to_sgvec((struct sk_buff *)skb, &c->src[c->n_src], off, skb->len - off);
	if (n < 0)
		return n;
	sg_unmark_end(&c->src[c->n_src + n - 1]);
	c->n_src += n;
	return 0;
}

static struct sk_buff *seal_frame(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff *skb,
				  const struct iroce_headers *pkt)
{
	const struct iroce_seal s = {
		.hdr = skb->data,
		.hdr_len = pkt->l4,
		.l3 = pkt->l3,
		.proto_off = pkt->proto_off,
		.plain_len = skb->len - pkt->l4,
	};
	struct iroce_cipher *c = iroce_cipher_get();
	struct sk_buff *out;

	out = gather_frame(c, skb, pkt->l4) ? ERR_PTR(-EMSGSIZE) : iroce_seal_frame(f, sa, c, &s);
	iroce_cipher_put(c);
	if (IS_ERR(out))
		return out;

	out->priority = skb->priority;
	__vlan_hwaccel_copy_tag(out, skb);
	skb_copy_queue_mapping(out, skb);
	/* Who sends datagrams waits for those that wait for the cable. TCP paces itself. */
	if (skb->destructor == sock_wfree)
		skb_set_owner_w(out, skb->sk);
	return out;
}

/*
 * Transport mode is for whole packets (RFC 4301 section 4.1), and the transport
 * header must be complete: the checksum can't be filled in behind the cipher.
 */
static bool make_sealable(struct sk_buff *skb, struct iroce_headers *pkt)
{
	if (pkt->fragment || pkt->is_cut || skb_is_gso(skb) || pkt->l4 > skb_headlen(skb))
		return false;
	if (iroce_pkt_trim(skb, pkt))
		return false;
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return false;
	return !skb_has_frag_list(skb) || !skb_linearize(skb);
}

/* The sealed frame instead of @skb; NULL: dropped. */
static struct sk_buff *replace_sealed(struct iroce_func *f, struct iroce_sa *sa,
				      struct sk_buff *skb, struct iroce_headers *pkt)
{
	struct sk_buff *out;

	if (!make_sealable(skb, pkt)) {
		iroce_ipsec_tx_drop(f, skb, IROCE_STAT_ipsec_tx_drop_malformed);
		return NULL;
	}
	out = seal_frame(f, sa, skb, pkt);
	/* An SA deleted in this very moment: the sender's next packet finds what is now. */
	if (IS_ERR(out)) {
		iroce_ipsec_tx_drop(f, skb, iroce_ipsec_seal_drop(PTR_ERR(out)));
		return NULL;
	}
	consume_skb(skb);
	return out;
}

struct sk_buff *iroce_ipsec_seal_host(struct iroce_func *f, struct sk_buff *skb)
{
	enum iroce_verdict verdict;
	enum iroce_stat why;
	struct iroce_headers pkt;
	struct iroce_sa *sa;
	int err;

	if (iroce_policy_is_open(f->ipsec, IROCE_DIR_OUT))
		return skb;
	err = iroce_pkt_parse(skb, &pkt);
	if (err == -EPROTONOSUPPORT)
		return skb;
	if (err) {
		iroce_ipsec_tx_drop(f, skb, IROCE_STAT_ipsec_tx_drop_malformed);
		return NULL;
	}
	/* Sealed, and perhaps then fragmented, by the stack with an SA of its own: see decide.c. */
	if (pkt.key.proto == IPPROTO_ESP)
		return skb;

	verdict = iroce_ipsec_out(f, &pkt.key, &sa, &why);
	switch (verdict) {
	case IROCE_PLAIN:
		break;
	case IROCE_SEAL:
		skb = replace_sealed(f, sa, skb, &pkt);
		iroce_sa_put(sa);
		break;
	case IROCE_CLOSED:
		iroce_ipsec_tx_drop(f, skb, why);
		return NULL;
	}
	return skb;
}
