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
#define IROCE_CIPHER_SG		(2 * IROCE_FRAME_PIECES + MAX_SKB_FRAGS + 6)
#define IROCE_CIPHER_REQ		2048
#define IROCE_CIPHER_FLAT	256

/*
 * struct iroce_cipher - a CPU's scratch: one AEAD request and its lists
 *
 * Used with BH disabled from begin to end, so nothing on the same CPU can get
 * in between (hard irq context never seals or opens). Kmalloc'ed: the cipher
 * wants page-backed addresses, a vmapped stack is none.
 *
 * @src[0], @dst[0]: the AAD; @n_src: entries used, @end: behind the last one
 */
struct iroce_cipher {
	struct scatterlist src[IROCE_CIPHER_SG];
	struct scatterlist dst[3];
	unsigned int n_src;
	const u8 *end;
	u8 aad[IROCE_ESP_AAD_ESN_LEN + IROCE_ESP_IV_LEN];
	u8 tail[8 + IROCE_ESP_ALIGN - 1 + IROCE_ESP_TAIL_LEN];
	u8 hdr[IROCE_FRAME_HDR_MAX];
	u8 flat[IROCE_CIPHER_FLAT];
	u8 req[IROCE_CIPHER_REQ] CRYPTO_MINALIGN_ATTR;
};

int iroce_cipher_module_init(void);
void iroce_cipher_module_exit(void);
/* Disables BH; begins an empty list. */
struct iroce_cipher *iroce_cipher_get(void);
void iroce_cipher_put(struct iroce_cipher *c);
/* Appends plaintext at a kernel address (direct map or vmalloc). -EMSGSIZE: list full. */
int iroce_cipher_add(struct iroce_cipher *c, const void *p, size_t len);

/* Ciphers of an SA; process context. */
int iroce_sa_set_key(struct iroce_sa *sa, const u8 *key, unsigned int len,
		     struct netlink_ext_ack *extack);
void iroce_sa_drop_key(struct iroce_sa *sa);

/*
 * Runs @c's request over its lists; @dst: where to, @cryptlen: bytes behind the AAD. BH disabled. 0 or
 * what the cipher says.
 */
int iroce_cipher_run(struct iroce_sa *sa, struct iroce_cipher *c, u64 seq, struct scatterlist *dst,
		     unsigned int cryptlen, const u8 *iv, bool is_seal);

#endif /* IROCE_IPSEC_CIPHER_H */
