// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The command line: what is taken, what is refused, and that a refusal names
 * the option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/options.h"

#define ARGS_MAX	32

static char text[256];

/* Words parted by blanks, as a shell would pass them. */
static int parse(const char *line, struct options *opt)
{
	static char copy[512];
	char *argv[ARGS_MAX + 1] = { "roce-ipsec-setup" };
	int argc = 1;

	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word && argc < ARGS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	*text = 0;
	return options_parse(argc, argv, opt, text, sizeof(text));
}

static void up_takes_its_options(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(parse("up --dev vf0 --peer 10.0.0.2 --local 10.0.0.1 --key-file k "
			       "--generation 5 --replay-window 256 --key-bits 256 --proto udp "
			       "--spi-in 0x1000 --spi-out 4097 --priority 7 --ports 1 "
			       "--closed-until-protected", &opt), 0);
	assert_true(opt.starts_closed);
	assert_int_equal(opt.command, CMD_UP);
	assert_string_equal(opt.dev, "vf0");
	assert_string_equal(opt.key_file, "k");
	assert_int_equal(opt.generation, 5);
	assert_int_equal(opt.replay_window, 256);
	assert_int_equal(opt.key_bits, 256);
	assert_int_equal(opt.proto, IPPROTO_UDP);
	assert_int_equal(opt.spi_in, 0x1000);
	assert_int_equal(opt.spi_out, 4097);
	assert_int_equal(opt.priority, 7);
	assert_int_equal(opt.ports, 1);
	assert_false(opt.no_fence);
}

static void defaults_are_the_safe_ones(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(parse("up --dev vf0 --peer 2001:db8::2 --key-stdin", &opt), 0);
	assert_int_equal(opt.generation, GENERATION_FILE);
	assert_int_equal(opt.replay_window, 0);
	assert_int_equal(opt.key_bits, 128);
	assert_int_equal(opt.proto, 0);
	assert_int_equal(opt.spi_in, 0);
	assert_false(opt.no_fence || opt.no_roce_fence);
	assert_true(opt.has_key_stdin);
	assert_string_equal(opt.state_dir, "/var/lib/roce-ipsec");
}

static void commands_and_help_are_found(void **state)
{
	static const struct {
		const char *line;
		enum command command;
	} good[] = {
		{ "--help", CMD_HELP },
		{ "-h", CMD_HELP },
		{ "help", CMD_HELP },
		{ "up --help", CMD_HELP },
		{ "--version", CMD_VERSION },
		{ "genkey /tmp/k", CMD_GENKEY },
		{ "genkey --generation 3 /tmp/k", CMD_GENKEY },
		{ "genkey /tmp/k --generation 3", CMD_GENKEY },
		{ "status", CMD_STATUS },
		{ "status --json --dev vf0 --peer 10.0.0.2", CMD_STATUS },
		{ "verify --dev vf0 --peer 10.0.0.2 --no-probe", CMD_VERIFY },
		{ "down --dev vf0 --all", CMD_DOWN },
		{ "down --dev vf0 --peer 10.0.0.2", CMD_DOWN },
		{ "rekey --dev v --peer 10.0.0.2 --key-file k --generation next", CMD_REKEY },
		{ "rekey --dev v --peer 10.0.0.2 --step finish", CMD_REKEY },
	};
	struct options opt;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(good[i].line, &opt), 0);
		assert_int_equal(opt.command, good[i].command);
	}
}

static void bad_lines_are_refused_by_name(void **state)
{
	static const struct {
		const char *line, *named;
	} bad[] = {
		{ "", "command" },
		{ "upp", "upp" },
		{ "up", "--dev" },
		{ "up --dev v", "--peer" },
		{ "up --dev v --peer 10.0.0.2", "--key-file" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --key-stdin", "not both" },
		{ "up --dev v --peer host --key-file k", "--peer host" },
		{ "up --dev v --peer 0.0.0.0 --key-file k", "--peer 0.0.0.0" },
		{ "up --dev v --peer :: --key-file k", "--peer ::" },
		{ "up --dev v --peer 10.0.0.2 --local 10.0.0.2 --key-file k", "same" },
		{ "up --dev v --peer 10.0.0.2 --local fe80::1 --key-file k", "families" },
		{ "up --dev sixteen-letters- --peer 10.0.0.2 --key-file k", "sixteen" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --generation 0", "--generation 0" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --generation -1", "--generation" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --generation 4294967296", "--gen" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --generation 1x", "--generation" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --replay-window 0", "--replay" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --replay-window 33", "--replay" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --replay-window 8192", "--replay" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --key-bits 192", "--key-bits" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --proto tcp", "--proto" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --spi-in 255", "--spi-in" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --priority 4294967295", "--prio" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --ports 0", "--ports" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --ports 9", "--ports" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --ports 2 --spi-in 256", "--ports" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --json", "--json" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --nonsense", "--nonsense" },
		{ "up --dev v --peer 10.0.0.2 --key-file", "--key-file" },
		{ "up --dev v --peer 10.0.0.2 --key-file k more", "more" },
		{ "up --dev v --peer 10.0.0.2 --key-file k --soft-packets 9 --hard-packets 9",
		  "--soft-packets" },
		{ "genkey", "genkey" },
		{ "genkey a b", "genkey" },
		{ "genkey --generation next a", "genkey" },
		{ "rekey --dev v --peer 10.0.0.2 --key-file k", "--generation" },
		{ "rekey --dev v --peer 10.0.0.2 --generation 2", "--key-file" },
		{ "rekey --dev v --peer 10.0.0.2 --step sing", "--step" },
		{ "rekey --dev v --peer 10.0.0.2 --key-file k --generation 2 --replay-window 64",
		  "--replay-window" },
		{ "status --key-file k", "--key-file" },
		{ "verify --dev v", "--peer" },
		{ "down", "--dev" },
		{ "down --dev v", "--peer" },
		{ "down --dev v --peer 10.0.0.2 --all", "not both" },
	};
	struct options opt;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int err = parse(bad[i].line, &opt);

		if (err >= 0 || !strstr(text, bad[i].named))
			print_error("`%s` gave %d `%s`\n", bad[i].line, err, text);
		assert_true(err < 0);
		assert_non_null(strstr(text, bad[i].named));
	}
}

static void long_argument_does_not_overflow(void **state)
{
	char big[9000], *argv[] = { "x", "up", "--peer", big, NULL };
	struct options opt;

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	assert_true(options_parse(4, argv, &opt, text, sizeof(text)) < 0);
	assert_true(strlen(text) < sizeof(text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_takes_its_options),
		cmocka_unit_test(defaults_are_the_safe_ones),
		cmocka_unit_test(commands_and_help_are_found),
		cmocka_unit_test(bad_lines_are_refused_by_name),
		cmocka_unit_test(long_argument_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
