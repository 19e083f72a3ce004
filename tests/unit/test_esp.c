// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ESP framing: lengths, trailer, nonce and additional data, and that no sequence number is ever
 * handed out twice.
 */
#include "unit.h"
#include "core/esp.h"

static void padding_aligns_payload_and_tail_to_four(void **state)
{
	size_t len;

	(void)state;
	for (len = 0; len < 10000; len++) {
		assert_true(iroce_esp_pad_len(len) < 4);
		assert_int_equal((len + iroce_esp_trailer_len(len)) % 4, 0);
		assert_int_equal(iroce_esp_overhead(len), 8 + 8 + iroce_esp_pad_len(len) + 2 + 16);
		assert_true(iroce_esp_overhead(len) <= IROCE_ESP_OVERHEAD_MAX);
	}
}

static void longest_payload_fits_and_one_more_byte_does_not(void **state)
{
	size_t room;

	(void)state;
	assert_int_equal(IROCE_ESP_MIN_LEN, iroce_esp_overhead(0));
	for (room = 0; room < 36; room++)
		assert_int_equal(iroce_esp_payload_max(room), 0);
	for (room = 36; room < 9100; room++) {
		size_t max = iroce_esp_payload_max(room);

		assert_true(max + iroce_esp_overhead(max) <= room);
		assert_true(max + 1 + iroce_esp_overhead(max + 1) > room);
	}
}

static void trailer_survives_writing_and_checking(void **state)
{
	struct iroce_esp_trailer t;
	u8 buf[128];
	size_t len;

	(void)state;
	for (len = 0; len < 100; len++) {
		size_t total = len + iroce_esp_trailer_len(len);

		memset(buf, 0xee, sizeof(buf));
		assert_ptr_equal(iroce_esp_trailer_put(buf + len, len, 17), buf + total);
		assert_int_equal(buf[total], 0xee);
		assert_int_equal(iroce_esp_trailer_check(buf, total, total, &t), 0);
		assert_int_equal(t.payload_len, len);
		assert_int_equal(t.pad_len, iroce_esp_pad_len(len));
		assert_int_equal(t.next_hdr, 17);
	}
}

static void trailer_is_written_as_the_standard_says(void **state)
{
	static const u8 want[5] = { 1, 2, 3, 3, 50 };
	u8 buf[5];

	(void)state;
	iroce_esp_trailer_put(buf, 3, 50); /* 3 + 3 + 2 = 8 */
	assert_memory_equal(buf, want, 5);
}

static void trailer_accepts_up_to_255_bytes_of_pad(void **state)
{
	struct iroce_esp_trailer t;
	u8 buf[10 + 255 + 2];
	int pad, i;

	(void)state;
	for (pad = 0; pad <= 255; pad++) {
		size_t total = 10 + pad + 2;

		for (i = 0; i < pad; i++)
			buf[10 + i] = i + 1;
		buf[10 + pad] = pad;
		buf[11 + pad] = 4;
		assert_int_equal(iroce_esp_trailer_check(buf, total, total, &t), 0);
		assert_int_equal(t.payload_len, 10);
		assert_int_equal(t.pad_len, pad);
	}
}

static void trailer_refuses_each_single_wrong_pad_byte(void **state)
{
	struct iroce_esp_trailer t;
	u8 buf[64];
	int i, good;

	(void)state;
	for (i = 0; i < 20; i++)
		buf[i] = i + 1;
	buf[20] = 20;
	buf[21] = 17;
	assert_int_equal(iroce_esp_trailer_check(buf, 22, 22, &t), 0);
	for (i = 0; i < 20; i++) {
		good = buf[i];
		buf[i] ^= 0x40;
		assert_int_equal(iroce_esp_trailer_check(buf, 22, 22, &t), -EBADMSG);
		buf[i] = good;
	}
}

static void trailer_refuses_pad_longer_than_the_plaintext(void **state)
{
	struct iroce_esp_trailer t = { .payload_len = 77 };
	u8 buf[4] = { 1, 2, 3, 17 };

	(void)state;
	assert_int_equal(iroce_esp_trailer_check(buf, 4, 4, &t), -EMSGSIZE);
	buf[2] = 2;
	assert_int_equal(iroce_esp_trailer_check(buf, 4, 4, &t), 0);
	assert_int_equal(t.payload_len, 0);
	assert_int_equal(iroce_esp_trailer_check(buf, 1, 1, &t), -EMSGSIZE);
	assert_int_equal(iroce_esp_trailer_check(buf, 0, 0, &t), -EMSGSIZE);
}

static void trailer_can_be_checked_from_the_end_of_a_long_packet(void **state)
{
	struct iroce_esp_trailer t;
	u8 buf[IROCE_ESP_TRAILER_MAX];
	int i;

	(void)state;
	for (i = 0; i < 255; i++)
		buf[i] = i + 1;
	buf[255] = 255;
	buf[256] = 6;
	assert_int_equal(iroce_esp_trailer_check(buf, 257, 9000, &t), 0);
	assert_int_equal(t.payload_len, 9000 - 257);
	/* Less than the trailer may need is the caller's mistake, not the peer's. */
	assert_int_equal(iroce_esp_trailer_check(buf + 1, 256, 9000, &t), -EINVAL);
	assert_int_equal(iroce_esp_trailer_check(buf, 257, 256, &t), -EINVAL);
}

static void header_iv_nonce_and_aad_are_those_of_the_gcm_test_vectors(void **state)
{
	/* draft-mcgrew-gcm-test-01, section 3: the layouts of its first cases. */
	static const u8 salt[4] = { 0x2e, 0x44, 0x3b, 0x68 };
	static const u8 iv[8] = { 0x49, 0x56, 0xed, 0x7e, 0x3b, 0x24, 0x4c, 0xfe };
	static const u8 nonce[12] = { 0x2e, 0x44, 0x3b, 0x68, 0x49, 0x56,
				      0xed, 0x7e, 0x3b, 0x24, 0x4c, 0xfe };
	static const u8 aad_esn[12] = { 0x00, 0x00, 0x43, 0x21, 0x87, 0x65,
					0x43, 0x21, 0x00, 0x00, 0x00, 0x00 };
	static const u8 aad[8] = { 0x00, 0x00, 0xa5, 0xf8, 0x00, 0x00, 0x00, 0x0a };
	u8 out[12];

	(void)state;
	iroce_esp_nonce_put(out, salt, iv);
	assert_memory_equal(out, nonce, 12);
	assert_int_equal(iroce_esp_aad_put(out, cpu_to_be32(0x4321), 0x8765432100000000, true), 12);
	assert_memory_equal(out, aad_esn, 12);
	memset(out, 0xee, sizeof(out));
	assert_int_equal(iroce_esp_aad_put(out, cpu_to_be32(0xa5f8), 10, false), 8);
	assert_memory_equal(out, aad, 8);
	assert_int_equal(out[8], 0xee);
}

static void header_carries_the_low_half_and_the_iv_the_whole_number(void **state)
{
	static const u8 want[16] = { 0, 0, 1, 1, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	u8 buf[17];
	u8 *p = buf + 1; /* unaligned on purpose */

	(void)state;
	p = iroce_esp_hdr_put(p, cpu_to_be32(0x101), 0x0102030405060708);
	p = iroce_esp_iv_put(p, 0x0102030405060708);
	assert_ptr_equal(p, buf + 17);
	assert_memory_equal(buf + 1, want, 16);
}

static void inbound_frame_is_refused_when_short_or_unaligned_or_without_spi(void **state)
{
	struct iroce_esp_frame f;
	u8 buf[256] = { 0, 0, 1, 1, 0, 0, 0, 9 };
	size_t len;

	(void)state;
	for (len = 0; len < 36; len++)
		assert_int_equal(iroce_esp_frame_check(buf, len, &f), -EMSGSIZE);
	for (len = 36; len < 256; len++) {
		int err = iroce_esp_frame_check(buf, len, &f);

		assert_int_equal(err, len % 4 ? -EBADMSG : 0);
		if (err)
			continue;
		assert_int_equal(be32_to_cpu(f.spi), 0x101);
		assert_int_equal(be32_to_cpu(f.seq), 9);
		assert_int_equal(f.plain_len, len - 32);
	}
	memset(buf, 0, 4);
	assert_int_equal(iroce_esp_frame_check(buf, 64, &f), -EINVAL);
}

static void sequence_starts_at_one_and_counts_up(void **state)
{
	u64 last = 0;

	(void)state;
	assert_int_equal(iroce_esp_seq_take(last, 1, false, &last), 0);
	assert_int_equal(last, 1);
	assert_int_equal(iroce_esp_seq_take(last, 64, true, &last), 0);
	assert_int_equal(last, 65);
	assert_int_equal(iroce_esp_seq_take(last, 0, true, &last), -EINVAL);
	assert_int_equal(last, 65);
}

static void sequence_without_esn_ends_at_its_last_number_and_stays_there(void **state)
{
	u64 last = U32_MAX - 1;

	(void)state;
	assert_int_equal(iroce_esp_seq_take(last, 2, false, &last), -EOVERFLOW);
	assert_int_equal(iroce_esp_seq_take(last, 1, false, &last), 0);
	assert_true(last == U32_MAX);
	assert_int_equal(iroce_esp_seq_take(last, 1, false, &last), -EOVERFLOW);
	assert_int_equal(iroce_esp_seq_take(last, U32_MAX, false, &last), -EOVERFLOW);
	assert_true(last == U32_MAX);
	/* A state that should not be: refuse, don't wrap out of it. */
	assert_int_equal(iroce_esp_seq_take((u64)U32_MAX + 1, 1, false, &last), -EOVERFLOW);
	assert_int_equal(iroce_esp_seq_take(U64_MAX, 1, false, &last), -EOVERFLOW);
}

static void sequence_with_esn_crosses_32_bits_and_ends_at_64(void **state)
{
	u64 last = U32_MAX;

	(void)state;
	assert_int_equal(iroce_esp_seq_take(last, 1, true, &last), 0);
	assert_true(last == 1ULL << 32);
	last = U64_MAX - 3;
	assert_int_equal(iroce_esp_seq_take(last, 4, true, &last), -EOVERFLOW);
	assert_int_equal(iroce_esp_seq_take(last, 3, true, &last), 0);
	assert_true(last == U64_MAX);
	assert_int_equal(iroce_esp_seq_take(last, 1, true, &last), -EOVERFLOW);
	assert_true(last == U64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding_aligns_payload_and_tail_to_four),
		cmocka_unit_test(longest_payload_fits_and_one_more_byte_does_not),
		cmocka_unit_test(trailer_survives_writing_and_checking),
		cmocka_unit_test(trailer_is_written_as_the_standard_says),
		cmocka_unit_test(trailer_accepts_up_to_255_bytes_of_pad),
		cmocka_unit_test(trailer_refuses_each_single_wrong_pad_byte),
		cmocka_unit_test(trailer_refuses_pad_longer_than_the_plaintext),
		cmocka_unit_test(trailer_can_be_checked_from_the_end_of_a_long_packet),
		cmocka_unit_test(header_iv_nonce_and_aad_are_those_of_the_gcm_test_vectors),
		cmocka_unit_test(header_carries_the_low_half_and_the_iv_the_whole_number),
		cmocka_unit_test(inbound_frame_is_refused_when_short_or_unaligned_or_without_spi),
		cmocka_unit_test(sequence_starts_at_one_and_counts_up),
		cmocka_unit_test(sequence_without_esn_ends_at_its_last_number_and_stays_there),
		cmocka_unit_test(sequence_with_esn_crosses_32_bits_and_ends_at_64),
	};

	return cmocka_run_group_tests_name("esp", tests, rand_setup, NULL);
}
