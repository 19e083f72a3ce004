// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The key file: its grammar, and who may own and read it.
 */
#include <sys/stat.h>

#include "test.h"

#include "../src/key.h"

#define HEX64	"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static const char *parse(const char *text, struct ipsec_roce_key *key, unsigned int *line)
{
	return key_parse(text, strlen(text), key, line);
}

static void good_files_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t generation;
	} good[] = {
		{ HEX64, 1 },
		{ HEX64 "\n", 1 },
		{ "key = " HEX64 "\ngeneration = 7\n", 7 },
		{ "# a comment\n\n  generation=4294967295 \r\n\tkey=" HEX64 "\r\n", UINT32_MAX },
	};
	struct ipsec_roce_key key;
	unsigned int line;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(parse(good[i].text, &key, &line));
		assert_int_equal(key.len, 32);
		assert_int_equal(key.psk[1], 0x11);
		assert_int_equal(key.psk[31], 0xff);
		assert_int_equal(key.generation, good[i].generation);
	}
}

static void bad_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
	} bad[] = {
		{ "", 1 },
		{ "\n# nothing\n", 3 },
		{ "key = 0011\n", 1 },				/* short */
		{ "\nkey = " HEX64 "0\n", 2 },			/* odd */
		{ "key = " HEX64 "0x\n", 1 },			/* no hex */
		{ "key = " HEX64 "\nkey = " HEX64 "\n", 2 },	/* twice */
		{ HEX64 "\n" HEX64 "\n", 2 },
		{ "key = " HEX64 HEX64 HEX64 HEX64 "00\n", 1 },	/* long */
		{ "keys = " HEX64 "\n", 1 },
		{ "key = \n", 1 },
		{ "generation = 0\n", 1 },
		{ "generation = 4294967296\n", 1 },
		{ "generation = -1\n", 1 },
		{ "generation = 1\ngeneration = 1\n", 2 },
		{ "0000000000000000000000000000000000000000000000000000000000000000", 1 },
	};
	struct ipsec_roce_key key;
	unsigned int line;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_non_null(parse(bad[i].text, &key, &line));
		assert_int_equal(line, bad[i].line);
		assert_int_equal(key.len, 0);
	}
	assert_non_null(key_parse("a\0b\n", 4, &key, &line));
}

static void refused_file_leaves_no_key_behind(void **state)
{
	static const struct ipsec_roce_key none;
	struct ipsec_roce_key key;
	unsigned int line;

	(void)state;
	assert_non_null(parse("key = " HEX64 "\nwhat = is this\n", &key, &line));
	assert_memory_equal(&key, &none, sizeof(key));
}

static void error_text_never_quotes_the_file(void **state)
{
	struct ipsec_roce_key *key;
	char dir[128], path[160];

	snprintf(path, sizeof(path), "%s/k", folder_make(dir, sizeof(dir)));
	file_write(path, "secret-" HEX64 "\n", 72);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &key), -EINVAL);
	assert_null(strstr(ipsec_roce_message(*state), "secret"));
	assert_null(strstr(ipsec_roce_message(*state), "0011"));
	unlink(path);
	rmdir(dir);
}

static void file_that_others_can_read_is_refused(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0601, 0666, 0677 };
	struct ipsec_roce_key *key;
	char dir[128], path[160];

	snprintf(path, sizeof(path), "%s/k", folder_make(dir, sizeof(dir)));
	file_write(path, HEX64, 64);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(chmod(path, bad[i]), 0);
		assert_int_equal(ipsec_roce_key_read_file(*state, path, &key), -EPERM);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &key), 0);
	ipsec_roce_key_free(key);
	unlink(path);
	rmdir(dir);
}

static void link_is_judged_by_what_it_leads_to(void **state)
{
	char dir[128], path[160], link[160];
	struct ipsec_roce_key *key;

	folder_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/k", dir);
	snprintf(link, sizeof(link), "%s/l", dir);
	file_write(path, HEX64, 64);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, link, &key), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, link, &key), 0);
	ipsec_roce_key_free(key);
	unlink(link);
	unlink(path);
	rmdir(dir);
}

static void neither_folder_nor_fifo_is_a_key_file(void **state)
{
	struct ipsec_roce_key *key;
	char dir[128], path[160];

	snprintf(path, sizeof(path), "%s/f", folder_make(dir, sizeof(dir)));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &key), -EINVAL);
	assert_int_equal(ipsec_roce_key_read_file(*state, dir, &key), -EINVAL);
	unlink(path);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &key), -ENOENT);
	rmdir(dir);
}

static void endless_input_is_refused(void **state)
{
	FILE *zero = fopen("/dev/zero", "r");
	struct ipsec_roce_key *key;

	assert_non_null(zero);
	assert_int_equal(ipsec_roce_key_read_fd(*state, fileno(zero), &key), -EFBIG);
	fclose(zero);
}

static void generated_file_reads_back_and_is_never_overwritten(void **state)
{
	struct ipsec_roce_key *a, *b;
	char dir[128], path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/k", folder_make(dir, sizeof(dir)));
	assert_int_equal(ipsec_roce_key_generate(*state, path, 9), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &a), 0);
	assert_int_equal(ipsec_roce_key_generation(a), 9);
	assert_int_equal(ipsec_roce_key_generate(*state, path, 1), -EEXIST);
	unlink(path);
	assert_int_equal(ipsec_roce_key_generate(*state, path, 1), 0);
	assert_int_equal(ipsec_roce_key_read_file(*state, path, &b), 0);
	assert_memory_not_equal(a->psk, b->psk, 32);
	ipsec_roce_key_free(a);
	ipsec_roce_key_free(b);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_are_read),
		cmocka_unit_test(bad_files_are_refused_with_their_line),
		cmocka_unit_test(refused_file_leaves_no_key_behind),
		cmocka_unit_test(error_text_never_quotes_the_file),
		cmocka_unit_test(file_that_others_can_read_is_refused),
		cmocka_unit_test(link_is_judged_by_what_it_leads_to),
		cmocka_unit_test(neither_folder_nor_fifo_is_a_key_file),
		cmocka_unit_test(endless_input_is_refused),
		cmocka_unit_test(generated_file_reads_back_and_is_never_overwritten),
	};

	return cmocka_run_group_tests(tests, handle_open, handle_close);
}
