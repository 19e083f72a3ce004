/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ESP framing (RFC 4303) for AES-GCM with a 16-byte ICV (RFC 4106): lengths, trailer, nonce,
 * additional data and the rule that hands out sequence numbers. No cipher in here.
 * Pure functions on caller's memory: callable from any context, no locks.
 *
 *   | SPI 4 | seq low 4 | IV 8 | payload | pad 0-3 | pad len 1 | next header 1 | ICV 16 |
 *   |<----- AAD ------->|      |<---------------- ciphertext ------------------>|
 */
#ifndef IROCE_CORE_ESP_H
#define IROCE_CORE_ESP_H

#include "env.h"

struct iroce_esp_hdr {
	__be32 spi;
	__be32 seq; /* low half */
} __packed;

static_assert(sizeof(struct iroce_esp_hdr) == 8, "ESP header is 8 bytes");

#define IROCE_ESP_HDR_LEN 8
#define IROCE_ESP_IV_LEN 8
#define IROCE_ESP_ICV_LEN 16
#define IROCE_ESP_SALT_LEN 4
#define IROCE_ESP_NONCE_LEN (IROCE_ESP_SALT_LEN + IROCE_ESP_IV_LEN)
#define IROCE_ESP_ALIGN 4
#define IROCE_ESP_TAIL_LEN 2 /* pad length, next header */
#define IROCE_ESP_AAD_LEN 8
#define IROCE_ESP_AAD_ESN_LEN 12
#define IROCE_ESP_PREFIX_LEN (IROCE_ESP_HDR_LEN + IROCE_ESP_IV_LEN)
/* The shortest frame: an empty payload still needs two bytes of pad. */
#define IROCE_ESP_MIN_LEN (IROCE_ESP_PREFIX_LEN + IROCE_ESP_ALIGN + IROCE_ESP_ICV_LEN)
/* The most that sealing adds to a payload we send; the MTU headroom to leave. */
#define IROCE_ESP_OVERHEAD_MAX (8 + 8 + 3 + 2 + 16)
/* The longest trailer without ICV that a peer may send: 255 bytes of pad. */
#define IROCE_ESP_TRAILER_MAX (255 + IROCE_ESP_TAIL_LEN)

/* Pad bytes between a payload and the two tail bytes, 0..3. */
static inline u8 iroce_esp_pad_len(size_t payload_len)
{
	return -(payload_len + IROCE_ESP_TAIL_LEN) & (IROCE_ESP_ALIGN - 1);
}

/* Pad, pad length and next header: what iroce_esp_trailer_put() writes. */
static inline size_t iroce_esp_trailer_len(size_t payload_len)
{
	return iroce_esp_pad_len(payload_len) + IROCE_ESP_TAIL_LEN;
}

/* Bytes that sealing adds to a payload of this length, all told. */
static inline size_t iroce_esp_overhead(size_t payload_len)
{
	return IROCE_ESP_PREFIX_LEN + iroce_esp_trailer_len(payload_len) + IROCE_ESP_ICV_LEN;
}

/**
 * iroce_esp_payload_max - the longest payload whose sealed form fits
 * @room: bytes from the ESP header to the end of the ICV that the path MTU leaves
 *
 * Return: payload bytes, 0 if not even an empty payload fits.
 */
size_t iroce_esp_payload_max(size_t room);

/* Write SPI and the low half of the sequence number; returns the first byte behind (the IV). */
void *iroce_esp_hdr_put(void *p, __be32 spi, u64 seq);

/**
 * iroce_esp_iv_put - write the explicit IV: the 64-bit sequence number, big-endian
 * @p: room for IROCE_ESP_IV_LEN bytes, any alignment
 * @seq: all 64 bits of the sequence number, host order
 *
 * A sequence number is given out once per key (iroce_esp_seq_take), so is the IV (I3).
 *
 * Return: the first byte behind the IV.
 */
void *iroce_esp_iv_put(void *p, u64 seq);

/* Nonce as GCM sees it: salt | IV (RFC 4106 section 4). The kernel's rfc4106() does it itself. */
void iroce_esp_nonce_put(u8 nonce[IROCE_ESP_NONCE_LEN], const u8 salt[IROCE_ESP_SALT_LEN],
			 const u8 iv[IROCE_ESP_IV_LEN]);

/**
 * iroce_esp_aad_put - additional authenticated data (RFC 4106 section 5)
 * @out: room for IROCE_ESP_AAD_ESN_LEN bytes
 * @spi: SPI of the SA
 * @seq: the sequence number in host order; its high half counts with ESN alone
 * @is_esn: the SA has 64-bit sequence numbers
 *
 * SPI | seq, or with ESN SPI | seq high | seq low. The kernel's rfc4106() wants the IV
 * behind it and counted in assoclen: add IROCE_ESP_IV_LEN.
 *
 * Return: bytes written, IROCE_ESP_AAD_LEN or IROCE_ESP_AAD_ESN_LEN.
 */
size_t iroce_esp_aad_put(u8 out[IROCE_ESP_AAD_ESN_LEN], __be32 spi, u64 seq, bool is_esn);

/**
 * iroce_esp_trailer_put - write pad (1, 2, 3), pad length and next header
 * @p: first byte behind the payload, with room for iroce_esp_trailer_len(@payload_len) bytes
 * @payload_len: bytes of payload
 * @next_hdr: protocol of the payload
 *
 * Return: the first byte behind the trailer, where the ICV goes.
 */
void *iroce_esp_trailer_put(void *p, size_t payload_len, u8 next_hdr);

struct iroce_esp_trailer {
	size_t payload_len;
	u8 pad_len;
	u8 next_hdr; /* 59: a dummy packet, drop it without a complaint (RFC 4303 section 2.6) */
};

/**
 * iroce_esp_trailer_check - read the trailer of an opened packet
 * @tail: the last @tail_len bytes of the plaintext (ICV already cut off)
 * @tail_len: at least min(@plain_len, IROCE_ESP_TRAILER_MAX)
 * @plain_len: length of the whole plaintext
 * @out: written only on success
 *
 * Return: 0; -EMSGSIZE the trailer does not fit the plaintext; -EBADMSG pad is not 1, 2, 3, ..;
 * -EINVAL @tail_len breaks the rule above.
 */
int __must_check iroce_esp_trailer_check(const void *tail, size_t tail_len, size_t plain_len,
					 struct iroce_esp_trailer *out);

struct iroce_esp_frame {
	__be32 spi;
	__be32 seq; /* low half as sent, see iroce_replay_infer() */
	size_t plain_len; /* ciphertext without the ICV */
};

/**
 * iroce_esp_frame_check - what can be said of an inbound frame before its SA is known
 * @esp: first byte of the ESP header; IROCE_ESP_PREFIX_LEN bytes are read if @len allows; any
 *       alignment
 * @len: bytes from the ESP header to the end of the ICV
 * @out: written only on success
 *
 * Return: 0; -EMSGSIZE shorter than IROCE_ESP_MIN_LEN; -EBADMSG ciphertext not a multiple of 4;
 * -EINVAL SPI 0, which must never be sent (RFC 4303 section 2.1).
 */
int __must_check iroce_esp_frame_check(const void *esp, size_t len, struct iroce_esp_frame *out);

/**
 * iroce_esp_seq_take - the rule that hands out sequence numbers
 * @last: the last number given out, 0 for a fresh SA (xfrm's oseq, oseq_hi)
 * @n: how many are wanted, at least 1
 * @is_esn: 64-bit numbers
 * @new_last: on success @last + @n; the caller now owns @last + 1 .. @last + @n
 *
 * Pure: the caller runs it in a compare-and-exchange loop or under the SA's lock.
 * Wrapping would repeat a nonce (I3): the last usable number is 2^32 - 1, with ESN 2^64 - 1,
 * and behind it the SA refuses for good. All or nothing: a batch that does not fit takes none.
 *
 * Return: 0; -EOVERFLOW used up, ask for a rekey; -EINVAL @n is 0.
 */
int __must_check iroce_esp_seq_take(u64 last, u32 n, bool is_esn, u64 *new_last);

#endif /* IROCE_CORE_ESP_H */
