/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AES-GCM: a CPU's scratch for one request, and the ciphers of an SA.
 */
#ifndef IROCE_IPSEC_CIPHER_H
#define IROCE_IPSEC_CIPHER_H

#include <linux/scatterlist.h>

#include "core/esp.h"
#include "sa.h"

/* Source pieces: AAD, payload split at pages, trailer. */
#define IROCE_CRYPT_SG		(2 * IROCE_FRAME_PIECES + MAX_SKB_FRAGS + 6)
#define IROCE_CRYPT_REQ		2048
#define IROCE_CRYPT_FLAT	256

/*
 * struct iroce_crypt - a CPU's scratch: one AEAD request and its lists
 *
 * Used with BH disabled from begin to end, so nothing on the same CPU can get
 * in between (hard irq context never seals or opens). Kmalloc'ed: the cipher
 * wants page-backed addresses, a vmapped stack is none.
 *
 * @src[0], @dst[0]: the AAD; @n_src: entries used, @end: behind the last one
 */
struct iroce_crypt {
	struct scatterlist src[IROCE_CRYPT_SG];
	struct scatterlist dst[3];
	unsigned int n_src;
	const u8 *end;
	u8 aad[IROCE_ESP_AAD_ESN_LEN + IROCE_ESP_IV_LEN];
	u8 tail[8 + IROCE_ESP_ALIGN - 1 + IROCE_ESP_TAIL_LEN];
	u8 hdr[IROCE_FRAME_HDR_MAX];
	u8 flat[IROCE_CRYPT_FLAT];
	u8 req[IROCE_CRYPT_REQ] CRYPTO_MINALIGN_ATTR;
};

int iroce_crypt_init(void);
void iroce_crypt_exit(void);
/* Disables BH; begins an empty list. */
struct iroce_crypt *iroce_crypt_get(void);
void iroce_crypt_put(struct iroce_crypt *c);
/* Appends plaintext at a kernel address (direct map or vmalloc). -EMSGSIZE: list full. */
int iroce_crypt_add(struct iroce_crypt *c, const void *p, size_t len);

/* Ciphers of an SA; process context. */
int iroce_sa_set_key(struct iroce_sa *sa, const u8 *key, unsigned int len,
		     struct netlink_ext_ack *extack);
void iroce_sa_drop_key(struct iroce_sa *sa);

/*
 * Runs @c's request over its lists; @dst: where to, @cryptlen: bytes behind the AAD. BH disabled. 0 or
 * what the cipher says.
 */
int iroce_crypt_run(struct iroce_sa *sa, struct iroce_crypt *c, u64 seq, struct scatterlist *dst,
		    unsigned int cryptlen, const u8 *iv, bool is_seal);

#endif /* IROCE_IPSEC_CIPHER_H */
