// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ESP framing (RFC 4303, RFC 4106): what is written around a payload and what is checked when
 * it comes back. Sealing and opening are the caller's.
 */
#include "esp.h"

size_t iroce_esp_payload_max(size_t room)
{
	if (room < IROCE_ESP_MIN_LEN)
		return 0;
	room -= IROCE_ESP_PREFIX_LEN + IROCE_ESP_ICV_LEN;
	return (room & ~(size_t)(IROCE_ESP_ALIGN - 1)) - IROCE_ESP_TAIL_LEN;
}

void *iroce_esp_hdr_put(void *p, __be32 spi, u64 seq)
{
	struct iroce_esp_hdr *hdr = p;

	hdr->spi = spi;
	hdr->seq = cpu_to_be32((u32)seq);
	return hdr + 1;
}

void *iroce_esp_iv_put(void *p, u64 seq)
{
	__be64 iv = cpu_to_be64(seq);

	memcpy(p, &iv, sizeof(iv));
	return (u8 *)p + sizeof(iv);
}

void iroce_esp_nonce_put(u8 nonce[IROCE_ESP_NONCE_LEN], const u8 salt[IROCE_ESP_SALT_LEN],
			 const u8 iv[IROCE_ESP_IV_LEN])
{
	memcpy(nonce, salt, IROCE_ESP_SALT_LEN);
	memcpy(nonce + IROCE_ESP_SALT_LEN, iv, IROCE_ESP_IV_LEN);
}

size_t iroce_esp_aad_put(u8 out[IROCE_ESP_AAD_ESN_LEN], __be32 spi, u64 seq, bool is_esn)
{
	__be32 hi = cpu_to_be32((u32)(seq >> 32));
	__be32 lo = cpu_to_be32((u32)seq);
	u8 *p = out;

	memcpy(p, &spi, sizeof(spi));
	p += sizeof(spi);
	if (is_esn) {
		memcpy(p, &hi, sizeof(hi));
		p += sizeof(hi);
	}
	memcpy(p, &lo, sizeof(lo));
	p += sizeof(lo);
	return p - out;
}

void *iroce_esp_trailer_put(void *p, size_t payload_len, u8 next_hdr)
{
	u8 pad_len = iroce_esp_pad_len(payload_len);
	u8 *tail = p;
	u8 i;

	for (i = 1; i <= pad_len; i++)
		*tail++ = i;
	*tail++ = pad_len;
	*tail++ = next_hdr;
	return tail;
}

int iroce_esp_trailer_check(const void *tail, size_t tail_len, size_t plain_len,
			    struct iroce_esp_trailer *out)
{
	const u8 *end = (const u8 *)tail + tail_len;
	const u8 *pad;
	size_t need;
	u8 pad_len;
	size_t i;

	if (plain_len < IROCE_ESP_TAIL_LEN)
		return -EMSGSIZE;
	if (tail_len > plain_len)
		return -EINVAL;
	if (tail_len < plain_len && tail_len < IROCE_ESP_TRAILER_MAX)
		return -EINVAL;

	pad_len = end[-2];
	need = (size_t)pad_len + IROCE_ESP_TAIL_LEN;
	if (need > plain_len)
		return -EMSGSIZE;

	/* RFC 4303 section 2.4: what is not 1, 2, 3, .. was tampered with or opened wrongly. */
	pad = end - need;
	for (i = 0; i < pad_len; i++)
		if (pad[i] != i + 1)
			return -EBADMSG;

	out->payload_len = plain_len - need;
	out->pad_len = pad_len;
	out->next_hdr = end[-1];
	return 0;
}

int iroce_esp_frame_check(const void *esp, size_t len, struct iroce_esp_frame *out)
{
	const struct iroce_esp_hdr *hdr = esp;
	size_t plain_len;

	if (len < IROCE_ESP_MIN_LEN)
		return -EMSGSIZE;
	plain_len = len - IROCE_ESP_PREFIX_LEN - IROCE_ESP_ICV_LEN;
	if (plain_len & (IROCE_ESP_ALIGN - 1))
		return -EBADMSG;
	if (!hdr->spi)
		return -EINVAL;

	out->spi = hdr->spi;
	out->seq = hdr->seq;
	out->plain_len = plain_len;
	return 0;
}

int iroce_esp_seq_take(u64 last, u32 n, bool is_esn, u64 *new_last)
{
	const u64 limit = is_esn ? U64_MAX : U32_MAX;

	if (!n)
		return -EINVAL;
	/* Wrapping would repeat a nonce: refuse, ask for a rekey. */
	if (last > limit || limit - last < n)
		return -EOVERFLOW;
	*new_last = last + n;
	return 0;
}
