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
#include <asm/simd.h>
#include <crypto/internal/simd.h>
#include <linux/ip.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "ipsec.h"

#define AEAD_NAME "rfc4106(gcm(aes))"

static DEFINE_PER_CPU(struct iroce_crypt *, crypts);

/* ---- scratch ---------------------------------------------------------- */

int iroce_crypt_init(void)
{
	struct iroce_crypt *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = kzalloc_node(sizeof(*c), GFP_KERNEL, cpu_to_node(cpu));
		if (!c) {
			iroce_crypt_exit();
			return -ENOMEM;
		}
		sg_init_table(c->src, ARRAY_SIZE(c->src));
		sg_init_table(c->dst, ARRAY_SIZE(c->dst));
		per_cpu(crypts, cpu) = c;
	}
	return 0;
}

void iroce_crypt_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		/* Has held plaintext and cipher state (I6). */
		kfree_sensitive(per_cpu(crypts, cpu));
		per_cpu(crypts, cpu) = NULL;
	}
}

struct iroce_crypt *iroce_crypt_get(void)
{
	struct iroce_crypt *c;

	local_bh_disable();
	c = this_cpu_read(crypts);
	c->n_src = 1;
	c->end = NULL;
	return c;
}

void iroce_crypt_put(struct iroce_crypt *c)
{
	local_bh_enable();
}

static int crypt_add_page(struct iroce_crypt *c, struct page *page, unsigned int off,
			  unsigned int len)
{
	if (c->n_src == ARRAY_SIZE(c->src))
		return -EMSGSIZE;
	sg_set_page(&c->src[c->n_src++], page, len, off);
	return 0;
}

int iroce_crypt_add(struct iroce_crypt *c, const void *p, size_t len)
{
	int err = 0;

	if (!len)
		return 0;
	if (p == c->end) {
		/* Each entry is a walk of its own in the cipher: few are fast. */
		c->src[c->n_src - 1].length += len;
		c->end += len;
		return 0;
	}
	if (!is_vmalloc_addr(p)) {
		err = crypt_add_page(c, virt_to_page(p), offset_in_page(p), len);
		c->end = p + len;
		return err;
	}
	c->end = NULL;
	while (len && !err) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(p));

		err = crypt_add_page(c, vmalloc_to_page(p), offset_in_page(p), n);
		p += n;
		len -= n;
	}
	return err;
}

/* ---- ciphers ---------------------------------------------------------- */

static struct crypto_aead *tfm_alloc(u32 mask, const u8 *key, unsigned int len,
				     struct netlink_ext_ack *extack)
{
	struct crypto_aead *tfm;
	int err;

	tfm = crypto_alloc_aead(AEAD_NAME, 0, mask);
	if (IS_ERR(tfm)) {
		NL_SET_ERR_MSG_MOD(extack, "The kernel has no " AEAD_NAME);
		return tfm;
	}
	err = crypto_aead_setkey(tfm, key, len);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "The cipher refuses the key");
		goto err_free;
	}
	err = crypto_aead_setauthsize(tfm, IROCE_ESP_ICV_LEN);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "The cipher refuses a 128-bit ICV");
		goto err_free;
	}
	if (sizeof(struct aead_request) + crypto_aead_reqsize(tfm) > IROCE_CRYPT_REQ) {
		NL_SET_ERR_MSG_MOD(extack, "The cipher's requests are larger than supported");
		err = -EOPNOTSUPP;
		goto err_free;
	}
	return tfm;

err_free:
	crypto_free_aead(tfm);
	return ERR_PTR(err);
}

/*
 * The kernel's wrapper around SIMD code (crypto/simd.c) says it is asynchronous,
 * and is only while SIMD can't be used. It is known by the internal algorithm it
 * wraps, which has its name with two underscores. Anything else that calls
 * itself asynchronous may well be, and would be left with our pages in flight.
 */
static bool tfm_is_simd(struct crypto_aead *tfm)
{
	char name[CRYPTO_MAX_ALG_NAME];

	if (snprintf(name, sizeof(name), "__%s",
		     crypto_tfm_alg_driver_name(crypto_aead_tfm(tfm))) >= sizeof(name))
		return false;
	return crypto_has_alg(name, CRYPTO_ALG_TYPE_AEAD | CRYPTO_ALG_INTERNAL,
			      CRYPTO_ALG_TYPE_MASK | CRYPTO_ALG_INTERNAL);
}

static bool tfm_is_async(struct crypto_aead *tfm)
{
	return crypto_aead_alg(tfm)->base.cra_flags & CRYPTO_ALG_ASYNC;
}

int iroce_sa_set_key(struct iroce_sa *sa, const u8 *key, unsigned int len,
		     struct netlink_ext_ack *extack)
{
	struct crypto_aead *tfm;

	tfm = tfm_alloc(0, key, len, extack);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	if (!tfm_is_async(tfm)) {
		sa->fast = tfm;
		sa->safe = tfm;
		return 0;
	}
	if (tfm_is_simd(tfm))
		sa->fast = tfm;
	else
		crypto_free_aead(tfm);

	tfm = tfm_alloc(CRYPTO_ALG_ASYNC, key, len, extack);
	if (IS_ERR(tfm)) {
		iroce_sa_drop_key(sa);
		return PTR_ERR(tfm);
	}
	sa->safe = tfm;
	if (!sa->fast)
		sa->fast = tfm;
	return 0;
}

void iroce_sa_drop_key(struct iroce_sa *sa)
{
	if (sa->fast != sa->safe)
		crypto_free_aead(sa->fast);
	crypto_free_aead(sa->safe);
	sa->fast = NULL;
	sa->safe = NULL;
}

/* Runs the request on @c's lists. */
static int crypt_run(struct iroce_sa *sa, struct iroce_crypt *c, u64 seq,
		     struct scatterlist *dst, unsigned int cryptlen, const u8 *iv, bool is_seal)
{
	struct aead_request *req = (struct aead_request *)c->req;
	struct scatterlist *last = &c->src[c->n_src - 1];
	unsigned int aad_len;
	int err;

	aad_len = iroce_esp_aad_put(c->aad, sa->node.spi, seq, sa->is_esn);
	memcpy(c->aad + aad_len, iv, IROCE_ESP_IV_LEN);
	sg_set_buf(&c->src[0], c->aad, aad_len + IROCE_ESP_IV_LEN);
	sg_mark_end(last);

	aead_request_set_tfm(req, crypto_simd_usable() ? sa->fast : sa->safe);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, aad_len + IROCE_ESP_IV_LEN);
	aead_request_set_crypt(req, c->src, dst, cryptlen, c->aad + aad_len);
	err = is_seal ? crypto_aead_encrypt(req) : crypto_aead_decrypt(req);

	sg_unmark_end(last);
	WARN_ON_ONCE(err == -EINPROGRESS || err == -EBUSY);
	return err;
}

/* ---- frames ----------------------------------------------------------- */

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
static u8 *crypt_tail(struct iroce_crypt *c)
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

struct sk_buff *iroce_esp_seal(struct iroce_func *f, struct iroce_sa *sa,
			       struct iroce_crypt *c, const struct iroce_seal *s)
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
	err = iroce_crypt_add(c, tail, end - tail);
	if (err)
		goto err_free;

	sg_set_buf(&c->dst[1], body, skb_tail_pointer(skb) - body);
	sg_mark_end(&c->dst[1]);
	sg_set_buf(&c->dst[0], c->aad, sizeof(c->aad) - (sa->is_esn ? 0 : 4));
	err = crypt_run(sa, c, seq, c->dst,
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

static int open_run(struct iroce_sa *sa, struct iroce_crypt *c, u64 seq,
		    struct scatterlist *dst, unsigned int len, const u8 *iv)
{
	int err = crypt_run(sa, c, seq, dst, len, iv, false);

	return err && err != -EBADMSG ? -EIO : err;
}

/* Where nobody else sees the buffer: open in place, then close the gap. */
static int open_in_place(struct iroce_sa *sa, struct iroce_crypt *c, struct sk_buff *skb,
			 unsigned int esp, u64 seq, u8 *next_hdr)
{
	u8 *body = skb->data + esp + IROCE_ESP_PREFIX_LEN;
	unsigned int len = skb->len - esp - IROCE_ESP_PREFIX_LEN;
	struct iroce_esp_trailer t;
	int err;

	err = iroce_crypt_add(c, body, len) ?:
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
static int open_into(struct iroce_sa *sa, struct iroce_crypt *c, struct sk_buff *skb,
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

int iroce_esp_open(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff **skb,
		   unsigned int esp, u64 seq, u8 *next_hdr)
{
	struct sk_buff *in = *skb, *out = NULL;
	struct iroce_crypt *c;
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

	c = iroce_crypt_get();
	err = out ? open_into(sa, c, in, out, esp, seq, next_hdr) :
		    open_in_place(sa, c, in, esp, seq, next_hdr);
	iroce_crypt_put(c);
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
