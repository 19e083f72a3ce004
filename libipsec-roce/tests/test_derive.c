// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Key derivation: HKDF-SHA256 against the vectors of RFC 5869 appendix A, and
 * that both hosts agree while no two flows ever share a key.
 */
#include "test.h"

#include "../src/key.h"

static size_t unhex(const char *text, unsigned char *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(text + 2 * i, "%2hhx", &out[i]), 1);
	return n;
}

static void check_vector(const char *ikm, const char *salt, const char *info, const char *okm)
{
	unsigned char k[128], s[128], i[128], want[128], got[128];
	size_t k_len = unhex(ikm, k), s_len = unhex(salt, s), i_len = unhex(info, i);
	size_t len = unhex(okm, want);

	assert_int_equal(hkdf_sha256(s, s_len, k, k_len, i, i_len, got, len), 0);
	assert_memory_equal(got, want, len);
}

static void hkdf_gives_the_vectors_of_rfc_5869(void **state)
{
	(void)state;
	check_vector("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		     "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	check_vector("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
		     "404142434445464748494a4b4c4d4e4f",
		     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
		     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
		     "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
		     "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
		     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
		     "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
		     "cc30c58179ec3e87c14c01d5c1f3434f1d87");
	check_vector("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

static struct ipsec_roce_key key = { .len = KEY_MIN, .generation = 1 };

static struct ipsec_roce_flow flow_of(const char *src, const char *dst, uint32_t generation,
				      unsigned int bits)
{
	struct ipsec_roce_flow f = { .size = sizeof(f), .generation = generation,
				     .key_bits = bits };

	assert_int_equal(ipsec_roce_addr_parse(src, &f.src), 0);
	assert_int_equal(ipsec_roce_addr_parse(dst, &f.dst), 0);
	return f;
}

static void derivation_never_changes_between_releases(void **state)
{
	/*
	 * Two hosts of different releases must agree: these bytes are the protocol. They
	 * were computed by another implementation of RFC 5869 than the library's.
	 */
	static const unsigned char want[20] = {
		0xa1, 0x25, 0x13, 0xea, 0x74, 0x2f, 0xb7, 0xe4, 0xe2, 0x05,
		0x43, 0x83, 0x19, 0x7e, 0x0c, 0x97, 0x4c, 0xf5, 0xd1, 0xd0,
	};
	struct ipsec_roce_flow f = flow_of("192.0.2.1", "192.0.2.2", 7, 128);
	unsigned char got[AEAD_KEY_MAX];
	uint32_t spi;

	assert_int_equal(flow_key(*state, &key, &f, got), 20);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &f, &spi), 0);
	assert_int_equal(spi, 0x7706d3e7);
}

static void derivation_for_a_port_never_changes_either(void **state)
{
	/* Computed by another implementation, as above. */
	static const unsigned char want[20] = {
		0x35, 0xb8, 0x91, 0x86, 0xf4, 0xc1, 0x2f, 0xef, 0x99, 0x7c,
		0x7b, 0x0e, 0x52, 0x3a, 0x53, 0xfe, 0x6a, 0x4c, 0x24, 0x55,
	};
	struct ipsec_roce_flow f = flow_of("192.0.2.1", "192.0.2.2", 7, 128);
	unsigned char got[AEAD_KEY_MAX];
	uint32_t spi;

	f.port = 2;
	assert_int_equal(flow_key(*state, &key, &f, got), 20);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &f, &spi), 0);
	assert_int_equal(spi, 0x246b77f2);
	f.port = 0x10000;
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &f, &spi), -EINVAL);
}

static void flows_that_differ_in_anything_share_no_key(void **state)
{
	struct ipsec_roce_flow flows[] = {
		flow_of("192.0.2.1", "192.0.2.2", 1, 128),
		flow_of("192.0.2.2", "192.0.2.1", 1, 128),	/* the other direction */
		flow_of("192.0.2.1", "192.0.2.2", 2, 128),	/* the next generation */
		flow_of("192.0.2.1", "192.0.2.2", 1, 256),	/* another size */
		flow_of("192.0.2.1", "192.0.2.3", 1, 128),	/* another peer */
		flow_of("c000:201::", "c000:202::", 1, 128),	/* the same leading bytes */
		flow_of("192.0.2.1", "192.0.2.2", 1, 128),	/* another port: below */
		flow_of("192.0.2.1", "192.0.2.2", 1, 128),
		flow_of("192.0.2.1", "192.0.2.2", 1, 128),
	};
	enum { N = sizeof(flows) / sizeof(flows[0]) };
	unsigned char keys[N][AEAD_KEY_MAX];

	flows[N - 3].port = 1;
	flows[N - 2].port = 2;
	flows[N - 1].port = 256;
	for (int i = 0; i < N; i++)
		assert_int_equal(flow_key(*state, &key, &flows[i], keys[i]),
				 (int)flows[i].key_bits / 8 + SALT_LEN);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(keys[i], keys[j], 16);
}

static void spi_is_never_a_reserved_one(void **state)
{
	uint32_t spi;

	for (uint32_t g = 1; g < 2000; g++) {
		struct ipsec_roce_flow f = flow_of("2001:db8::1", "2001:db8::2", g, 256);

		assert_int_equal(ipsec_roce_flow_spi(*state, &key, &f, &spi), 0);
		assert_true(spi > 255);
	}
}

static void flow_without_sense_is_refused(void **state)
{
	struct ipsec_roce_flow mixed = flow_of("192.0.2.1", "2001:db8::2", 1, 128);
	struct ipsec_roce_flow same = flow_of("192.0.2.1", "192.0.2.1", 1, 128);
	struct ipsec_roce_flow zero = flow_of("192.0.2.1", "192.0.2.2", 0, 128);
	struct ipsec_roce_flow odd = flow_of("192.0.2.1", "192.0.2.2", 1, 192);
	struct ipsec_roce_flow sizeless = flow_of("192.0.2.1", "192.0.2.2", 1, 128);
	uint32_t spi;

	sizeless.size = 0;
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &mixed, &spi), -EINVAL);
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &same, &spi), -EINVAL);
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &zero, &spi), -EINVAL);
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &odd, &spi), -EINVAL);
	assert_int_equal(ipsec_roce_flow_spi(*state, &key, &sizeless, &spi), -EINVAL);
}

static void fingerprint_is_not_a_key(void **state)
{
	struct ipsec_roce_key other = key;
	unsigned char a[IPSEC_ROCE_FP_LEN], b[IPSEC_ROCE_FP_LEN];

	other.psk[31] ^= 1;
	assert_int_equal(ipsec_roce_key_fingerprint(*state, &key, a), 0);
	assert_int_equal(ipsec_roce_key_fingerprint(*state, &other, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, key.psk, sizeof(a));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hkdf_gives_the_vectors_of_rfc_5869),
		cmocka_unit_test(derivation_never_changes_between_releases),
		cmocka_unit_test(derivation_for_a_port_never_changes_either),
		cmocka_unit_test(flows_that_differ_in_anything_share_no_key),
		cmocka_unit_test(spi_is_never_a_reserved_one),
		cmocka_unit_test(flow_without_sense_is_refused),
		cmocka_unit_test(fingerprint_is_not_a_key),
	};

	for (size_t i = 0; i < key.len; i++)
		key.psk[i] = i;
	return cmocka_run_group_tests(tests, handle_open, handle_close);
}
