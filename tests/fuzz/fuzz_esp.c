// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Any bytes as an inbound ESP frame and, as if they had been opened, as a plaintext with trailer,
 * looked at whole and from its end. What the check takes must add up and be what we would write.
 */
#include "fuzz.h"
#include "core/esp.h"

static void check_trailer(const uint8_t *plain, size_t size)
{
	size_t tail = size < IROCE_ESP_TRAILER_MAX ? size : IROCE_ESP_TRAILER_MAX;
	struct iroce_esp_trailer whole, end;
	uint8_t *copy = malloc(tail ? tail : 1);
	uint8_t again[5];
	size_t i;
	int err;

	MUST(copy);
	memcpy(copy, plain + size - tail, tail);
	err = iroce_esp_trailer_check(plain, size, size, &whole);
	MUST(iroce_esp_trailer_check(copy, tail, size, &end) == err);
	if (!err) {
		MUST(whole.payload_len == end.payload_len && whole.pad_len == end.pad_len &&
		     whole.next_hdr == end.next_hdr);
		MUST(whole.payload_len + whole.pad_len + IROCE_ESP_TAIL_LEN == size);
		for (i = 0; i < whole.pad_len; i++)
			MUST(plain[whole.payload_len + i] == i + 1);
		if (whole.pad_len == iroce_esp_pad_len(whole.payload_len)) {
			iroce_esp_trailer_put(again, whole.payload_len, whole.next_hdr);
			MUST(!memcmp(again, plain + whole.payload_len,
				     iroce_esp_trailer_len(whole.payload_len)));
		}
	} else {
		MUST(err == -EMSGSIZE || err == -EBADMSG);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iroce_esp_frame f;

	if (!iroce_esp_frame_check(data, size, &f)) {
		MUST(size >= IROCE_ESP_MIN_LEN);
		MUST(f.plain_len + IROCE_ESP_PREFIX_LEN + IROCE_ESP_ICV_LEN == size);
		MUST(f.plain_len % 4 == 0 && f.spi);
		check_trailer(data + IROCE_ESP_PREFIX_LEN, f.plain_len);
	}
	check_trailer(data, size);
	return 0;
}
