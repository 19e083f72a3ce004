// SPDX-License-Identifier: GPL-2.0
/*
 * AES-GCM by the kernel's rfc4106(gcm(aes)) (RFC 4106): the ciphers of an SA, and a CPU's scratch
 * for one request.
 */
#include <asm/simd.h>
#include <crypto/internal/simd.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "cipher.h"

#define AEAD_NAME "rfc4106(gcm(aes))"

/* ---- scratch ---------------------------------------------------------- */

static DEFINE_PER_CPU(struct iroce_cipher *, crypts);

int iroce_cipher_module_init(void)
{
	struct iroce_cipher *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = kzalloc_node(sizeof(*c), GFP_KERNEL, cpu_to_node(cpu));
		if (!c) {
			iroce_cipher_module_exit();
			return -ENOMEM;
		}
		sg_init_table(c->src, ARRAY_SIZE(c->src));
		sg_init_table(c->dst, ARRAY_SIZE(c->dst));
		per_cpu(crypts, cpu) = c;
	}
	return 0;
}

void iroce_cipher_module_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		/* Has held plaintext and cipher state (I6). */
		kfree_sensitive(per_cpu(crypts, cpu));
		per_cpu(crypts, cpu) = NULL;
	}
}

struct iroce_cipher *iroce_cipher_get(void)
{
	struct iroce_cipher *c;

	local_bh_disable();
	c = this_cpu_read(crypts);
	c->n_src = 1;
	c->end = NULL;
	return c;
}

void iroce_cipher_put(struct iroce_cipher *c)
{
	local_bh_enable();
}

static int crypt_add_page(struct iroce_cipher *c, struct page *page, unsigned int off,
			  unsigned int len)
{
	if (c->n_src == ARRAY_SIZE(c->src))
		return -EMSGSIZE;
	sg_set_page(&c->src[c->n_src++], page, len, off);
	return 0;
}

int iroce_cipher_add(struct iroce_cipher *c, const void *p, size_t len)
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
	if (sizeof(struct aead_request) + crypto_aead_reqsize(tfm) > IROCE_CIPHER_REQ) {
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

int iroce_cipher_run(struct iroce_sa *sa, struct iroce_cipher *c, u64 seq, struct scatterlist *dst,
		     unsigned int cryptlen, const u8 *iv, bool is_seal)
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
