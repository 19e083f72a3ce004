// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Lifting a device's drop rules is off and on of its fail-closed flag: whatever
 * fails in between, the next attempt leaves the device closed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel/device.h"
#include "tunnel/record.h"

/* The device; the linker puts these in the place of the library's calls. */
static bool is_closed;
static int calls, failing_call;

static int next_call(void)
{
	return ++calls == failing_call ? -ENOBUFS : 0;
}

int __wrap_ipsec_roce_privflag_get(struct ipsec_roce *h, const char *dev, const char *flag,
				   bool *is_on);
int __wrap_ipsec_roce_privflag_set(struct ipsec_roce *h, const char *dev, const char *flag,
				   bool on);

const char *__wrap_ipsec_roce_message(const struct ipsec_roce *h);

const char *__wrap_ipsec_roce_message(const struct ipsec_roce *h)
{
	(void)h;
	return "no buffer";
}

int __wrap_ipsec_roce_privflag_get(struct ipsec_roce *h, const char *dev, const char *flag,
				   bool *is_on)
{
	(void)h;
	(void)dev;
	assert_string_equal(flag, FAIL_CLOSED_FLAG);
	*is_on = is_closed;
	return next_call();
}

int __wrap_ipsec_roce_privflag_set(struct ipsec_roce *h, const char *dev, const char *flag,
				   bool on)
{
	int err = next_call();

	(void)h;
	(void)dev;
	assert_string_equal(flag, FAIL_CLOSED_FLAG);
	if (!err)
		is_closed = on;
	return err;
}

static struct tunnel tunnel(void)
{
	return (struct tunnel){
		.dev = "vf0", .func_count = 1, .func = { { .dev = "vf0" } },
		.now = { .number = 1, .count = { 1, 1 }, .spi = { { 256 }, { 257 } } },
	};
}

static void device_is_closed_again_whatever_call_failed(void **state)
{
	struct setup *s = *state;
	struct tunnel t = tunnel(), kept;

	ipsec_roce_addr_parse("192.0.2.1", &t.local);
	ipsec_roce_addr_parse("192.0.2.2", &t.peer);
	/* get, off, on */
	for (failing_call = 1; failing_call <= 3; failing_call++) {
		is_closed = true;
		t.func[0].did_open = false;
		assert_int_equal(record_save(s, &t), 0);
		calls = 0;
		assert_int_equal(step_lift_drops(s, &t), -ENOBUFS);
		/* The next command knows only what the record tells. */
		assert_int_equal(record_load(s, &t.local, &t.peer, &kept), 0);
		assert_true(is_closed || kept.func[0].did_open);
		assert_int_equal(step_lift_drops(s, &kept), 0);
		assert_true(is_closed);
		assert_int_equal(record_load(s, &t.local, &t.peer, &kept), 0);
		assert_false(kept.func[0].did_open);
	}
	assert_int_equal(record_remove(s, &t), 0);
}

static void device_that_was_open_stays_open(void **state)
{
	struct tunnel t = tunnel();

	failing_call = 0;
	is_closed = false;
	assert_int_equal(step_lift_drops(*state, &t), 0);
	assert_false(is_closed);
}

static struct setup *shared;

static int share(void **state)
{
	*state = shared;
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_is_closed_again_whatever_call_failed),
		cmocka_unit_test(device_that_was_open_stays_open),
	};
	char dir[] = "/tmp/roce-ipsec-setup-test.XXXXXX";
	struct options opt = { .run_dir = mkdtemp(dir) };
	struct setup s = { .opt = &opt, .run_fd = -1 };
	int failed;

	if (!opt.run_dir || record_open(&s, false))
		return 1;
	shared = &s;
	failed = cmocka_run_group_tests(tests, share, NULL);
	close(s.run_fd);
	rmdir(dir);
	return failed;
}
