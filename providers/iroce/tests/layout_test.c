// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Our header of the private ABI against rdma-core's own, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "layout.h"

static void layout_is_that_of_rdma_core(void **state)
{
	int i, wrong = 0;

	(void)state;
	for (i = 0; layout_ours[i].what; i++) {
		assert_string_equal(layout_ours[i].what, layout_theirs[i].what);
		if (layout_ours[i].value == layout_theirs[i].value)
			continue;
		fprintf(stderr, "%s: %zu here, %zu there\n", layout_ours[i].what,
			layout_ours[i].value, layout_theirs[i].value);
		wrong++;
	}
	assert_null(layout_theirs[i].what);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_that_of_rdma_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
