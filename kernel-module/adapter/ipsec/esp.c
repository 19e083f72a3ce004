// SPDX-License-Identifier: GPL-2.0
/*
 * ESP with AES-GCM (RFC 4303, RFC 4106) by the kernel's rfc4106(gcm(aes)).
 *
 * Sealing is one AEAD pass from where the plaintext is (user pages, an skb's
 * fragments) into a fresh linear skb; opening is one pass in place, or into a
 * fresh skb where the frame is shared or in fragments. Per packet: one
 * allocation (the skb), no lock, four atomic operations on the SA.
 *
 *	source   | AAD | transport header | piece | piece | .. | pad, len, next |
 *	         | c   | c->hdr           | in place            | c->tail         |
 *	target   | AAD | skb: ciphertext ........................................ | ICV |
 *
 * The kernel's rfc4106() wants the IV behind the AAD and counted as such. The
 * AAD is never in the frame itself, because with ESN it has bytes that the wire
 * does not have.
 *
 * I3, a nonce is used once. salt | IV, IV = iv_base + seq modulo 2^64. Within an
 * SA seq never repeats (iroce_esp_seq_take), so IV does not. iv_base is random:
 * should a key live on in a second SA (added again after a flush, a reload, a
 * reboot), runs of n and m packets overlap with probability (n + m) / 2^64: for
 * 2^32 packets each 2^-31. That is a net below the rope: keys must be fresh.
 */
#include <linux/ip.h>

#include "esp.h"
#include "packet.h"

/* I3: take the next number; -EOVERFLOW rather than one that was used. */
static int sa_next_seq(struct iroce_sa *sa, u64 *seq)
{
	s64 last = atomic64_read(&sa->num->oseq);
	int err;

	do {
		err = iroce_esp_seq_take(last, 1, sa->is_esn, seq);
		if (err) {
			iroce_sa_numbers_used(sa, sa->hard_seq);
			return err;
		}
	} while (!atomic64_try_cmpxchg(&sa->num->oseq, &last, *seq));
	if (unlikely(*seq >= sa->soft_seq) && (!READ_ONCE(sa->are_low) || *seq >= sa->hard_seq))
		iroce_sa_numbers_used(sa, *seq);
	return 0;
}

/* May this packet use the SA? Takes its sequence number. */
static int seal_admit(struct iroce_sa *sa, unsigned int plain_len, u64 *seq)
{
	if (!iroce_sa_is_live(sa))
		return -ESTALE;
	if (sa_next_seq(sa, seq))
		return -EOVERFLOW;
	return iroce_sa_charge(sa, plain_len) ? 0 : -EKEYEXPIRED;
}

/* Room for the end of the plaintext: right behind it if that was copied, so that it merges. */
static u8 *crypt_tail(struct iroce_cipher *c)
{
	unsigned int used = c->end - c->flat;

	if (c->end >= c->flat && used <= sizeof(c->flat) - sizeof(c->tail))
		return c->flat + used;
	return c->tail;
}

/* Everything before the ciphertext; returns where that begins. */
static u8 *seal_headers(struct sk_buff *skb, const struct iroce_sa *sa,
			const struct iroce_seal *s, u64 seq)
{
	u8 *p = skb->data;

	memcpy(p, s->hdr, s->hdr_len);
	iroce_pkt_fix_ip(p + s->l3, p + s->proto_off, IPPROTO_ESP, skb->len - s->l3);
	p = iroce_esp_hdr_put(p + s->hdr_len, sa->node.spi, seq);
	return iroce_esp_iv_put(p, sa->num->iv_base + seq);
}

struct sk_buff *iroce_seal_frame(struct iroce_func *f, struct iroce_sa *sa,
				 struct iroce_cipher *c, const struct iroce_seal *s)
{
	unsigned int len = s->hdr_len + s->plain_len + iroce_esp_overhead(s->plain_len);
	struct sk_buff *skb;
	u8 *body, *tail, *end;
	u64 seq;
	int err;

	if (len - s->l3 > IP_MAX_MTU)
		return ERR_PTR(-EMSGSIZE);
	skb = iroce_frame_alloc(f, len, s->l3);
	if (!skb)
		return ERR_PTR(-ENOMEM);
	err = seal_admit(sa, s->plain_len, &seq);
	if (err)
		goto err_free;
	body = seal_headers(skb, sa, s, seq);

	tail = crypt_tail(c);
	memcpy(tail, s->tail, s->tail_len);
	end = iroce_esp_trailer_put(tail + s->tail_len, s->plain_len, s->hdr[s->proto_off]);
	err = iroce_cipher_add(c, tail, end - tail);
	if (err)
		goto err_free;

	sg_set_buf(&c->dst[1], body, skb_tail_pointer(skb) - body);
	sg_mark_end(&c->dst[1]);
	sg_set_buf(&c->dst[0], c->aad, sizeof(c->aad) - (sa->is_esn ? 0 : 4));
	err = iroce_cipher_run(sa, c, seq, c->dst,
			       s->plain_len + iroce_esp_trailer_len(s->plain_len),
			       body - IROCE_ESP_IV_LEN, true);
	sg_unmark_end(&c->dst[1]);
	if (err) {
		err = -EIO;
		goto err_free;
	}

	/*
	 * Deleted meanwhile: nothing leaves that was sealed after the deletion (I1).
	 * A lifetime that ended with this very packet is another matter.
	 */
	if (READ_ONCE(sa->is_dead)) {
		err = -ESTALE;
		goto err_free;
	}
	skb_set_transport_header(skb, s->hdr_len);
	skb->protocol = skb->data[s->l3] >> 4 == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	iroce_count(f, IROCE_STAT_ipsec_tx_pkts);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_tx_bytes, len);
	return skb;

err_free:
	kfree_skb(skb);
	return ERR_PTR(err);
}

/* Trailer of @plain_len opened bytes at @plain. */
static int open_trailer(const u8 *plain, unsigned int plain_len, struct iroce_esp_trailer *t)
{
	unsigned int n = min_t(unsigned int, plain_len, IROCE_ESP_TRAILER_MAX);

	return iroce_esp_trailer_check(plain + plain_len - n, n, plain_len, t) ? -EPROTO : 0;
}

static int open_run(struct iroce_sa *sa, struct iroce_cipher *c, u64 seq,
		    struct scatterlist *dst, unsigned int len, const u8 *iv)
{
	int err = iroce_cipher_run(sa, c, seq, dst, len, iv, false);

	return err && err != -EBADMSG ? -EIO : err;
}

/* Where nobody else sees the buffer: open in place, then close the gap. */
static int open_in_place(struct iroce_sa *sa, struct iroce_cipher *c, struct sk_buff *skb,
			 unsigned int esp, u64 seq, u8 *next_hdr)
{
	u8 *body = skb->data + esp + IROCE_ESP_PREFIX_LEN;
	unsigned int len = skb->len - esp - IROCE_ESP_PREFIX_LEN;
	struct iroce_esp_trailer t;
	int err;

	err = iroce_cipher_add(c, body, len) ?:
	      open_run(sa, c, seq, c->src, len, body - IROCE_ESP_IV_LEN) ?:
	      open_trailer(body, len - IROCE_ESP_ICV_LEN, &t);
	if (err)
		return err;

	memmove(skb->data + IROCE_ESP_PREFIX_LEN, skb->data, esp);
	__skb_pull(skb, IROCE_ESP_PREFIX_LEN);
	__skb_trim(skb, esp + t.payload_len);
	*next_hdr = t.next_hdr;
	return 0;
}

/* The copy is the decryption. */
static int open_into(struct iroce_sa *sa, struct iroce_cipher *c, struct sk_buff *skb,
		     struct sk_buff *out, unsigned int esp, u64 seq, u8 *next_hdr)
{
	unsigned int len = skb->len - esp - IROCE_ESP_PREFIX_LEN;
	struct iroce_esp_trailer t;
	u8 iv[IROCE_ESP_IV_LEN];
	int err;

	if (skb_copy_bits(skb, 0, out->data, esp) ||
	    skb_copy_bits(skb, esp + IROCE_ESP_HDR_LEN, iv, sizeof(iv)))
		return -EIO;
	err = skb_to_sgvec(skb, &c->src[1], esp + IROCE_ESP_PREFIX_LEN, len);
	if (err < 0)
		return -EIO;
	c->n_src += err;

	sg_set_buf(&c->dst[1], out->data + esp, len - IROCE_ESP_ICV_LEN);
	sg_mark_end(&c->dst[1]);
	sg_set_buf(&c->dst[0], c->aad, sizeof(c->aad) - (sa->is_esn ? 0 : 4));
	err = open_run(sa, c, seq, c->dst, len, iv) ?:
	      open_trailer(out->data + esp, len - IROCE_ESP_ICV_LEN, &t);
	sg_unmark_end(&c->dst[1]);
	if (err)
		return err;
	__skb_trim(out, esp + t.payload_len);
	*next_hdr = t.next_hdr;
	return 0;
}

int iroce_open_frame(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff **skb,
		     unsigned int esp, u64 seq, u8 *next_hdr)
{
	struct sk_buff *in = *skb, *out = NULL;
	struct iroce_cipher *c;
	int err;

	if (skb_has_frag_list(in) && skb_linearize(in))
		return -ENOMEM;
	if (skb_cloned(in) || skb_is_nonlinear(in)) {
		unsigned int l3 = skb_network_offset(in);

		out = iroce_frame_alloc(f, in->len - IROCE_ESP_PREFIX_LEN - IROCE_ESP_ICV_LEN,
					l3);
		if (!out)
			return -ENOMEM;
	}

	c = iroce_cipher_get();
	err = out ? open_into(sa, c, in, out, esp, seq, next_hdr) :
		    open_in_place(sa, c, in, esp, seq, next_hdr);
	iroce_cipher_put(c);
	if (err) {
		kfree_skb(out);
		return err;
	}
	if (out) {
		out->dev = in->dev;
		out->protocol = in->protocol;
		out->pkt_type = in->pkt_type;
		out->tstamp = in->tstamp;
		__vlan_hwaccel_copy_tag(out, in);
		out->queue_mapping = in->queue_mapping;
		consume_skb(in);
		*skb = out;
	}
	(*skb)->ip_summed = CHECKSUM_NONE;
	return 0;
}
