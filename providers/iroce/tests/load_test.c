// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The built plugin in the libibverbs of this machine: every symbol that it needs
 * must resolve at once, and its constructor must register it. (libibverbs itself
 * loads plugins only where there is an RDMA device.)
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void plugin_loads_in_stock_libibverbs(void **state)
{
	void *plugin;

	(void)state;
	plugin = dlopen(PLUGIN, RTLD_NOW);
	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	assert_non_null(plugin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plugin_loads_in_stock_libibverbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
