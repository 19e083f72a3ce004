// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What both hosts derive from the pre-shared key without talking: one cipher
 * key, salt and SPI per direction and generation, by HKDF-SHA256 (RFC 5869).
 * Different inputs never share output: each label, address pair (ordered),
 * generation, key size and port has an info string of its own.
 *
 *   info = label NUL | family 1 | source 16 | destination 16 |
 *          generation 8 | key bits 2 | try 1 [ | port 2 ]    (integers big-endian)
 *
 * port is there, and not 0, in a set of SAs with one for each port of a bond.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "handle.h"
#include "key.h"

#define LABEL_MAX	16
#define INFO_MAX	(LABEL_MAX + 1 + 16 + 16 + 8 + 2 + 1 + 2)
#define PORT_MAX	0xffff

static const unsigned char hkdf_salt[] = "roce-ipsec key schedule 1";

int hkdf_sha256(const unsigned char *salt, size_t salt_len, const unsigned char *ikm,
		size_t ikm_len, const unsigned char *info, size_t info_len, unsigned char *out,
		size_t out_len)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm, ikm_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int err = -EIO;

	if (ctx && EVP_KDF_derive(ctx, out, out_len, params) == 1)
		err = 0;
	EVP_KDF_CTX_free(ctx);	/* OpenSSL clears what it copied of the key */
	EVP_KDF_free(kdf);
	return err;
}

static size_t put_addr16(unsigned char *to, const struct ipsec_roce_addr *a)
{
	memset(to, 0, 16);
	if (a->family == AF_INET)
		memcpy(to, &a->v4, sizeof(a->v4));
	else
		memcpy(to, &a->v6, sizeof(a->v6));
	return 16;
}

static size_t info_build(unsigned char info[INFO_MAX], const char *label,
			 const struct ipsec_roce_flow *flow, unsigned int try)
{
	size_t n = strlen(label) + 1;

	memcpy(info, label, n);
	info[n++] = flow->src.family == AF_INET ? 4 : 6;
	n += put_addr16(info + n, &flow->src);
	n += put_addr16(info + n, &flow->dst);
	for (int shift = 56; shift >= 0; shift -= 8)
		info[n++] = (uint64_t)flow->generation >> shift;
	info[n++] = flow->key_bits >> 8;
	info[n++] = flow->key_bits;
	info[n++] = try;
	if (flow->port) {
		info[n++] = flow->port >> 8;
		info[n++] = flow->port;
	}
	return n;
}

static int expand(struct ipsec_roce *h, const struct ipsec_roce_key *key,
		  const unsigned char *info, size_t info_len, unsigned char *out, size_t len)
{
	int err = hkdf_sha256(hkdf_salt, sizeof(hkdf_salt) - 1, key->psk, key->len, info, info_len,
			      out, len);

	return err ? fail(h, err, "key derivation (HKDF-SHA256 of libcrypto) failed") : 0;
}

static int flow_check(struct ipsec_roce *h, const struct ipsec_roce_flow *flow)
{
	if (flow->src.family != flow->dst.family)
		return fail(h, -EINVAL, "source and destination are of different families");
	if (flow->src.family != AF_INET && flow->src.family != AF_INET6)
		return fail(h, -EAFNOSUPPORT, "neither an IPv4 nor an IPv6 address");
	if (ipsec_roce_addr_equal(&flow->src, &flow->dst))
		/* Both directions would get one key and count it separately (I3). */
		return fail(h, -EINVAL, "source and destination are the same address");
	if (!flow->generation)
		return fail(h, -EINVAL, "generations count from 1");
	if (flow->key_bits != 128 && flow->key_bits != 256)
		return fail(h, -EINVAL, "a key has 128 or 256 bits, not %u", flow->key_bits);
	if (flow->port > PORT_MAX)
		return fail(h, -EINVAL, "no bond has a port %u", flow->port);
	return 0;
}

int flow_key(struct ipsec_roce *h, const struct ipsec_roce_key *key,
	     const struct ipsec_roce_flow *flow, unsigned char out[AEAD_KEY_MAX])
{
	unsigned char info[INFO_MAX];
	int err, len;

	err = flow_check(h, flow);
	if (err)
		return err;
	len = flow->key_bits / 8 + SALT_LEN;
	err = expand(h, key, info, info_build(info, "sa key", flow, 0), out, len);
	return err ? err : len;
}

int ipsec_roce_flow_spi(struct ipsec_roce *h, const struct ipsec_roce_key *key,
			const struct ipsec_roce_flow *caller_flow, uint32_t *spi)
{
	unsigned char info[INFO_MAX], raw[4];
	struct ipsec_roce_flow flow;
	int err;

	err = OPTS_IMPORT(h, &flow, caller_flow);
	if (!err)
		err = flow_check(h, &flow);
	/* 0 to 255 are reserved (RFC 4303 section 2.1): one in 16 million tries again. */
	for (unsigned int try = 0; !err && try < 256; try++) {
		err = expand(h, key, info, info_build(info, "spi", &flow, try), raw, sizeof(raw));
		*spi = (uint32_t)raw[0] << 24 | raw[1] << 16 | raw[2] << 8 | raw[3];
		if (*spi > 255)
			break;
	}
	return err;
}

int ipsec_roce_key_fingerprint(struct ipsec_roce *h, const struct ipsec_roce_key *key,
			       unsigned char fp[IPSEC_ROCE_FP_LEN])
{
	static const unsigned char info[] = "fingerprint";

	return expand(h, key, info, sizeof(info), fp, IPSEC_ROCE_FP_LEN);
}
