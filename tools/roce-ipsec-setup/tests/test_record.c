// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records: what is written reads back the same, and no damage passes for a
 * tunnel.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/record.h"

static struct tunnel tunnel(void)
{
	struct tunnel t = {
		.dev = "vf0", .proto = 17, .priority = 3, .replay_window = 128, .key_bits = 256,
		.soft_packets = INT64_MAX, .has_host_fence = true, .starts_closed = true, .is_bond = true,
		.did_esp = true, .pairs = 2, .reqid_in = UINT32_MAX, .other_is_next = true,
		.func_count = 2,
		.func = { { .dev = "vf0", .did_clsact = true, .did_closed = true },
			  { .dev = "vf1", .did_open = true } },
		.now = { .number = 4, .fp = { 1, 2, 0xff }, .count = { 1, 2 },
			 .spi = { { UINT32_MAX }, { 256, 257 } }, .has_in = true, .has_out = true },
		.other = { .number = 5, .count = { 1, 1 }, .spi = { { 9001 }, { 9000 } },
			   .has_in = true },
	};

	ipsec_roce_addr_parse("2001:db8::1", &t.local);
	ipsec_roce_addr_parse("2001:db8::2", &t.peer);
	return t;
}

static void record_reads_back_the_same(void **state)
{
	struct tunnel t = tunnel(), back;
	char *text = record_text(&t), *again;

	(void)state;
	assert_non_null(text);
	assert_int_equal(record_parse(text, &back), 0);
	again = record_text(&back);
	assert_string_equal(text, again);
	assert_int_equal(back.soft_packets, INT64_MAX);
	assert_true(back.starts_closed && back.func[0].did_closed && !back.func[1].did_closed);
	assert_memory_equal(back.now.fp, t.now.fp, sizeof(t.now.fp));
	free(text);
	free(again);
}

static void cut_record_is_refused_at_every_length(void **state)
{
	struct tunnel t = tunnel(), back;
	char *text = record_text(&t);

	(void)state;
	for (size_t len = strlen(text); len--;) {
		text[len] = 0;
		assert_int_equal(record_parse(text, &back), -EBADMSG);
	}
	free(text);
}

/* What the first version did not write is false if it is not there. */
static bool is_of_a_later_version(const char *name)
{
	return !strncmp(name, "did_closed\"", 11) || !strncmp(name, "starts_closed\"", 14);
}

/* Each member of the first version is needed: with its name spoilt the record is none. */
static void record_without_a_member_is_refused(void **state)
{
	struct tunnel t = tunnel(), back;
	char *text = record_text(&t);
	int members = 0, later = 0;
	bool is_later;

	(void)state;
	for (char *at = text; (at = strstr(at, "\":")); at++, members++) {
		char *name = at;

		while (name[-1] != '"')
			name--;
		is_later = is_of_a_later_version(name);
		later += is_later;
		*name ^= 1;
		assert_int_equal(record_parse(text, &back), is_later ? 0 : -EBADMSG);
		*name ^= 1;
	}
	assert_true(members > 20);
	assert_int_equal(later, 3);	/* one of the tunnel, one of each of its functions */
	assert_int_equal(record_parse(text, &back), 0);
	free(text);
}

static void numbers_out_of_range_are_refused(void **state)
{
	struct tunnel t = tunnel(), back;
	char *text = record_text(&t), *at = strstr(text, "\"reqid_in\":4294967295");
	char *longer;

	(void)state;
	assert_non_null(at);
	assert_true(asprintf(&longer, "%.*s\"reqid_in\":4294967296%s", (int)(at - text), text,
			     at + strlen("\"reqid_in\":4294967295")) > 0);
	assert_int_equal(record_parse(longer, &back), -EBADMSG);
	free(longer);
	memcpy(at, "\"reqid_in\":-294967295", strlen("\"reqid_in\":-294967295"));
	assert_int_equal(record_parse(text, &back), -EBADMSG);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_reads_back_the_same),
		cmocka_unit_test(cut_record_is_refused_at_every_length),
		cmocka_unit_test(record_without_a_member_is_refused),
		cmocka_unit_test(numbers_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
