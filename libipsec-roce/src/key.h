/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Private: the key's bytes, the key file's grammar, and what is derived.
 */
#ifndef IPSEC_ROCE_KEY_H
#define IPSEC_ROCE_KEY_H

#include "ipsec_roce.h"

#define KEY_MIN		32	/* bytes: as strong as the strongest cipher */
#define KEY_MAX		128
#define KEY_FILE_MAX	4096
#define SALT_LEN	4	/* RFC 4106 section 4 */
#define AEAD_KEY_MAX	(32 + SALT_LEN)

struct ipsec_roce_key {
	unsigned char psk[KEY_MAX];
	size_t len;
	uint32_t generation;
};

/* Reads text of len bytes; *line is the line of the first fault. NULL or what is wrong. */
const char *key_parse(const char *text, size_t len, struct ipsec_roce_key *key,
		      unsigned int *line);

/* RFC 5869 with SHA-256. */
int hkdf_sha256(const unsigned char *salt, size_t salt_len, const unsigned char *ikm,
		size_t ikm_len, const unsigned char *info, size_t info_len, unsigned char *out,
		size_t out_len);

/* Cipher key followed by the salt, as xfrm takes it; returns its length or -errno. */
int flow_key(struct ipsec_roce *h, const struct ipsec_roce_key *key,
	     const struct ipsec_roce_flow *flow, unsigned char out[AEAD_KEY_MAX]);

#endif
