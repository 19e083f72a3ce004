// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ICRC: known answers, and that exactly the fields which routers change don't count.
 * The CRC here is written bit by bit: the tests trust no library of either world.
 */
#include "unit.h"
#include "core/icrc.h"

/*
 * A congestion notification captured from a ConnectX-4 Lx (published with scapy's test suite):
 * hardware's own ICRC, over TOS 0x45.., UDP source port and checksum 0.
 */
static const u8 cnp4[] = {
	0x45, 0xc2, 0x00, 0x3c, 0x71, 0x8c, 0x40, 0x00, 0x40, 0x11, 0x91, 0x61, 0x0a, 0x00, 0x11,
	0x01, 0x0a, 0x00, 0x12, 0x01, 0x00, 0x00, 0x12, 0xb7, 0x00, 0x28, 0x00, 0x00, 0x81, 0x00,
	0xff, 0xff, 0x40, 0x00, 0x01, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x82, 0xfd, 0x00, 0x2a,
};

/* A UC send of 18 bytes and pad, from the same suite. */
static const u8 uc4[] = {
	0x45, 0x01, 0x00, 0x40, 0x04, 0x78, 0x40, 0x00, 0x40, 0x11, 0xb4, 0xd5, 0xc0, 0xa8, 0x00,
	0x07, 0xc0, 0xa8, 0x00, 0x07, 0xc0, 0x00, 0x12, 0xb7, 0x00, 0x2c, 0xac, 0xa2, 0x24, 0x60,
	0xff, 0xff, 0x00, 0x00, 0x00, 0xd3, 0x00, 0xcf, 0x17, 0x10, 0x46, 0x30, 0x81, 0x8b, 0xe2,
	0x89, 0x35, 0xd9, 0x0e, 0x9a, 0x95, 0x50, 0x54, 0x01, 0xbe, 0x88, 0x5e, 0x50, 0x00, 0x00,
	0x78, 0xf3, 0x53, 0xf3,
};

/*
 * IPv6, traffic class 0x2b, flow label 0x54321, hop limit 63, BECN set; the answer was computed
 * by hand from annex A17 with zlib, independently of core.
 */
static const u8 rc6[] = {
	0x62, 0xb5, 0x43, 0x21, 0x00, 0x24, 0x11, 0x3f, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xc1, 0x23, 0x12, 0xb7, 0x00,
	0x24, 0xab, 0xcd, 0x04, 0x50, 0xff, 0xff, 0x40, 0x12, 0x34, 0x56, 0x80, 0xfe, 0xdc, 0xba,
	0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0x77, 0x6f, 0x72, 0x6c, 0x64, 0x00, 0x54, 0xd7, 0xed,
	0x7a,
};

static u32 crc32_bits(u32 crc, const u8 *p, size_t len)
{
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

/* The ICRC that a frame from its IP header to its ICRC should have. */
static __le32 icrc_of(const u8 *frame, size_t len, bool is_v6)
{
	const u8 *udp = frame + (is_v6 ? 40 : 20);
	u8 hdr[IROCE_ICRC_HDR_MAX];
	size_t n = iroce_icrc_header(hdr, frame, is_v6, udp, udp + 8);
	u32 crc;

	assert_int_equal(n, is_v6 ? IROCE_ICRC_HDR6_LEN : IROCE_ICRC_HDR4_LEN);
	crc = crc32_bits(IROCE_ICRC_SEED, hdr, n);
	crc = crc32_bits(crc, udp + 20, frame + len - 4 - (udp + 20));
	return iroce_icrc_wire(crc);
}

static void check_answer(const u8 *frame, size_t len, bool is_v6)
{
	__le32 icrc = icrc_of(frame, len, is_v6);

	assert_memory_equal(&icrc, frame + len - 4, 4);
}

static void hardware_and_published_frames_have_the_icrc_we_compute(void **state)
{
	(void)state;
	check_answer(cnp4, sizeof(cnp4), false);
	check_answer(uc4, sizeof(uc4), false);
	check_answer(rc6, sizeof(rc6), true);
}

static void seed_after_the_leading_ones_equals_starting_before_them(void **state)
{
	static const u8 ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };

	(void)state;
	assert_int_equal(crc32_bits(IROCE_ICRC_SEED, ones, 8), IROCE_ICRC_SEED_AFTER_LRH);
}

/* Flip every single bit; the ICRC changes unless the bit is in @variant (bit masks per byte). */
static void check_every_bit(const u8 *frame, size_t len, bool is_v6, const u8 *variant)
{
	__le32 want = icrc_of(frame, len, is_v6);
	u8 copy[128];
	size_t i;
	int bit;

	for (i = 0; i < len - 4; i++) {
		for (bit = 0; bit < 8; bit++) {
			/* Version and header length decide whether there is an ICRC at all. */
			if (!i && (!is_v6 || bit >= 4))
				continue;
			memcpy(copy, frame, len);
			copy[i] ^= 1 << bit;
			if (variant[i] >> bit & 1)
				assert_int_equal(icrc_of(copy, len, is_v6), want);
			else
				assert_int_not_equal(icrc_of(copy, len, is_v6), want);
		}
	}
}

static void only_the_fields_routers_change_are_masked_in_ipv4(void **state)
{
	u8 variant[sizeof(uc4)] = {
		[1] = 0xff, [8] = 0xff, [10] = 0xff, [11] = 0xff, /* TOS, TTL, checksum */
		[26] = 0xff, [27] = 0xff, /* UDP checksum */
		[32] = 0xff, /* FECN, BECN, resv6 */
	};

	(void)state;
	check_every_bit(uc4, sizeof(uc4), false, variant);
}

static void only_the_fields_routers_change_are_masked_in_ipv6(void **state)
{
	u8 variant[sizeof(rc6)] = {
		[0] = 0x0f, [1] = 0xff, [2] = 0xff, [3] = 0xff, [7] = 0xff,
		[46] = 0xff, [47] = 0xff,
		[52] = 0xff,
	};

	(void)state;
	check_every_bit(rc6, sizeof(rc6), true, variant);
}

static void other_versions_and_ipv4_options_have_no_icrc(void **state)
{
	u8 out[IROCE_ICRC_HDR_MAX];
	u8 ip[40] = { 0 };
	int first;

	(void)state;
	for (first = 0; first < 256; first++) {
		ip[0] = first;
		assert_int_equal(iroce_icrc_header(out, ip, false, uc4 + 20, uc4 + 28),
				 first == 0x45 ? IROCE_ICRC_HDR4_LEN : 0);
		assert_int_equal(iroce_icrc_header(out, ip, true, uc4 + 20, uc4 + 28),
				 first >> 4 == 6 ? IROCE_ICRC_HDR6_LEN : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hardware_and_published_frames_have_the_icrc_we_compute),
		cmocka_unit_test(seed_after_the_leading_ones_equals_starting_before_them),
		cmocka_unit_test(only_the_fields_routers_change_are_masked_in_ipv4),
		cmocka_unit_test(only_the_fields_routers_change_are_masked_in_ipv6),
		cmocka_unit_test(other_versions_and_ipv4_options_have_no_icrc),
	};

	return cmocka_run_group_tests_name("icrc", tests, rand_setup, NULL);
}
