// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * roce-ipsec-setup: protects RoCE and host traffic of a network function
 * towards a peer. This file opens what commands share and turns their
 * result into an exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/process.h"
#include "base/report.h"
#include "commands.h"

int cmd_genkey(struct setup *s)
{
	uint32_t number = s->opt->generation ? s->opt->generation : 1;
	int err = ipsec_roce_key_generate(s->h, s->opt->key_file, number);

	if (err)
		return library_fail(s, err);
	say("%s: made; copy it to the other host over a safe way, mode 0600", s->opt->key_file);
	return 0;
}

static int run(struct setup *s)
{
	static int (*const commands[])(struct setup *) = {
		[CMD_GENKEY] = cmd_genkey, [CMD_UP] = cmd_up,	      [CMD_REKEY] = cmd_rekey,
		[CMD_STATUS] = cmd_status, [CMD_VERIFY] = cmd_verify, [CMD_DOWN] = cmd_down,
	};
	int err = ipsec_roce_open(&s->h);

	if (err)
		return setup_fail(s, err, "%s", strerror(-err));
	err = commands[s->opt->command](s);
	ipsec_roce_key_free(s->key);
	ipsec_roce_ledger_close(s->ledger);
	ipsec_roce_close(s->h);
	if (s->run_fd >= 0)
		close(s->run_fd);
	return err;
}

int main(int argc, char **argv)
{
	struct options opt;
	struct setup s = { .opt = &opt, .run_fd = -1 };
	char fault[256];
	int err;

	if (options_parse(argc, argv, &opt, fault, sizeof(fault))) {
		fprintf(stderr, "roce-ipsec-setup: %s\nTry `roce-ipsec-setup --help`.\n", fault);
		return EXIT_USAGE;
	}
	if (opt.command == CMD_HELP) {
		options_usage();
		return EXIT_DONE;
	}
	if (opt.command == CMD_VERSION) {
		printf("roce-ipsec-setup %s\n", ipsec_roce_version());
		return EXIT_DONE;
	}
	process_harden();
	/* A reader that went away must not stop `up` half-way. */
	signal(SIGPIPE, SIG_IGN);
	err = run(&s);
	if (err >= 0)
		return err;
	if (err == -EPERM && geteuid() != 0)
		fprintf(stderr, "roce-ipsec-setup: %s (it takes root, or CAP_NET_ADMIN)\n", s.fault);
	else
		fprintf(stderr, "roce-ipsec-setup: %s\n", *s.fault ? s.fault : strerror(-err));
	return EXIT_FAILED;
}
