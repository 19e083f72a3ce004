// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Parsing of the command line. One table names each option, which commands
 * take it and how its value is read; what a command needs is checked at the end.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define STATE_DIR	"/var/lib/roce-ipsec"
#define RUN_DIR		"/run/roce-ipsec"

struct parser {
	struct options *opt;
	char *fault;
	size_t size;
};

#define FOR(c)		(1u << (c))
#define FOR_KEYED	(FOR(CMD_UP) | FOR(CMD_REKEY))
#define FOR_TUNNEL	(FOR_KEYED | FOR(CMD_STATUS) | FOR(CMD_VERIFY) | FOR(CMD_DOWN))

static int fault(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fault(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->fault, p->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int number(struct parser *p, const char *name, const char *text, uint64_t low,
		  uint64_t high, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	/* strtoull takes blanks and a minus sign; a number starts with a digit. */
	if (errno || *end || *text < '0' || *text > '9' || *value < low || *value > high)
		return fault(p, "--%s %s: not a number from %llu to %llu", name, text,
			     (unsigned long long)low, (unsigned long long)high);
	return 0;
}

static int number32(struct parser *p, const char *name, const char *text, uint32_t low,
		    uint32_t high, uint32_t *value)
{
	uint64_t wide;
	int err = number(p, name, text, low, high, &wide);

	if (!err)
		*value = wide;
	return err;
}

static int address(struct parser *p, const char *name, const char *text,
		   struct ipsec_roce_addr *out)
{
	static const unsigned char none[16];

	if (ipsec_roce_addr_parse(text, out))
		return fault(p, "--%s %s: not an IPv4 or IPv6 address", name, text);
	if (!memcmp(&out->v6, none, out->family == AF_INET ? 4 : 16))
		return fault(p, "--%s %s: no host has this address", name, text);
	return 0;
}

static int set_dev(struct parser *p, const char *text)
{
	if (!*text || strlen(text) > 15)
		return fault(p, "--dev %s: not the name of a device", text);
	p->opt->dev = text;
	return 0;
}

static int set_peer(struct parser *p, const char *text)
{
	return address(p, "peer", text, &p->opt->peer);
}

static int set_local(struct parser *p, const char *text)
{
	return address(p, "local", text, &p->opt->local);
}

static int set_key_file(struct parser *p, const char *text)
{
	p->opt->key_file = text;
	return 0;
}

static int set_generation(struct parser *p, const char *text)
{
	if (!strcmp(text, "next")) {
		p->opt->generation = GENERATION_NEXT;
		return 0;
	}
	return number(p, "generation", text, 1, UINT32_MAX, &p->opt->generation);
}

static int set_window(struct parser *p, const char *text)
{
	int err = number32(p, "replay-window", text, 32, 4096, &p->opt->replay_window);

	if (!err && p->opt->replay_window % 32)
		err = fault(p, "--replay-window %s: not a multiple of 32", text);
	return err;
}

static int set_key_bits(struct parser *p, const char *text)
{
	if (strcmp(text, "128") && strcmp(text, "256"))
		return fault(p, "--key-bits %s: 128 or 256", text);
	p->opt->key_bits = atoi(text);
	return 0;
}

static int set_proto(struct parser *p, const char *text)
{
	if (!strcmp(text, "any"))
		p->opt->proto = 0;
	else if (!strcmp(text, "udp"))
		p->opt->proto = IPPROTO_UDP;
	else
		return fault(p, "--proto %s: any or udp", text);
	return 0;
}

static int set_spi_in(struct parser *p, const char *text)
{
	return number32(p, "spi-in", text, 256, UINT32_MAX, &p->opt->spi_in);
}

static int set_spi_out(struct parser *p, const char *text)
{
	return number32(p, "spi-out", text, 256, UINT32_MAX, &p->opt->spi_out);
}

static int set_ports(struct parser *p, const char *text)
{
	return number32(p, "ports", text, 1, PORTS_MAX, &p->opt->ports);
}

static int set_priority(struct parser *p, const char *text)
{
	/* The fence takes the next one. */
	return number32(p, "priority", text, 0, UINT32_MAX - 2, &p->opt->priority);
}

static int set_soft(struct parser *p, const char *text)
{
	return number(p, "soft-packets", text, 1, INT64_MAX, &p->opt->soft_packets);
}

static int set_hard(struct parser *p, const char *text)
{
	return number(p, "hard-packets", text, 1, INT64_MAX, &p->opt->hard_packets);
}

static int set_step(struct parser *p, const char *text)
{
	if (!strcmp(text, "listen"))
		p->opt->step = STEP_LISTEN;
	else if (!strcmp(text, "send"))
		p->opt->step = STEP_SEND;
	else if (!strcmp(text, "finish"))
		p->opt->step = STEP_FINISH;
	else
		return fault(p, "--step %s: listen, send or finish", text);
	return 0;
}

static int set_state_dir(struct parser *p, const char *text)
{
	p->opt->state_dir = text;
	return 0;
}

static int set_run_dir(struct parser *p, const char *text)
{
	p->opt->run_dir = text;
	return 0;
}

#define VALUE(set)	set, 0
#define FLAG(member)	NULL, offsetof(struct options, member)

static const struct known {
	const char *name;
	unsigned int commands;
	int (*set)(struct parser *p, const char *text);	/* NULL: a flag, without a value */
	size_t flag;	/* where it is in struct options */
} known[] = {
	{ "dev", FOR_TUNNEL, VALUE(set_dev) },
	{ "peer", FOR_TUNNEL, VALUE(set_peer) },
	{ "local", FOR_TUNNEL, VALUE(set_local) },
	{ "key-file", FOR_KEYED, VALUE(set_key_file) },
	{ "key-stdin", FOR_KEYED, FLAG(has_key_stdin) },
	{ "generation", FOR_KEYED | FOR(CMD_GENKEY), VALUE(set_generation) },
	{ "replay-window", FOR(CMD_UP), VALUE(set_window) },
	{ "key-bits", FOR(CMD_UP), VALUE(set_key_bits) },
	{ "proto", FOR(CMD_UP), VALUE(set_proto) },
	{ "spi-in", FOR_KEYED, VALUE(set_spi_in) },
	{ "spi-out", FOR_KEYED, VALUE(set_spi_out) },
	{ "ports", FOR_KEYED, VALUE(set_ports) },
	{ "priority", FOR(CMD_UP), VALUE(set_priority) },
	{ "soft-packets", FOR(CMD_UP), VALUE(set_soft) },
	{ "hard-packets", FOR(CMD_UP), VALUE(set_hard) },
	{ "no-fence", FOR(CMD_UP), FLAG(no_fence) },
	{ "no-roce-fence", FOR(CMD_UP), FLAG(no_roce_fence) },
	{ "closed-until-protected", FOR(CMD_UP), FLAG(starts_closed) },
	{ "json", FOR(CMD_STATUS) | FOR(CMD_VERIFY), FLAG(has_json) },
	{ "no-probe", FOR(CMD_VERIFY), FLAG(no_probe) },
	{ "all", FOR(CMD_DOWN), FLAG(has_all) },
	{ "step", FOR(CMD_REKEY), VALUE(set_step) },
	{ "state-dir", FOR_TUNNEL, VALUE(set_state_dir) },
	{ "run-dir", FOR_TUNNEL, VALUE(set_run_dir) },
};

#define KNOWN_COUNT	(sizeof(known) / sizeof(known[0]))

static const char *const command_names[] = {
	[CMD_GENKEY] = "genkey", [CMD_UP] = "up",	  [CMD_REKEY] = "rekey",
	[CMD_STATUS] = "status", [CMD_VERIFY] = "verify", [CMD_DOWN] = "down",
	[CMD_HELP] = "--help",	 [CMD_VERSION] = "--version",
};

static enum command command_find(const char *word)
{
	if (!strcmp(word, "help") || !strcmp(word, "-h"))
		return CMD_HELP;
	if (!strcmp(word, "version") || !strcmp(word, "-V"))
		return CMD_VERSION;
	for (int c = CMD_GENKEY; c <= CMD_VERSION; c++)
		if (!strcmp(word, command_names[c]))
			return c;
	return CMD_NONE;
}

static int options_take(struct parser *p, int argc, char **argv)
{
	struct option table[KNOWN_COUNT + 2] = { 0 };
	int c;

	for (size_t i = 0; i < KNOWN_COUNT; i++)
		table[i] = (struct option){ known[i].name,
					    known[i].set ? required_argument : no_argument,
					    NULL, (int)i + 1 };
	table[KNOWN_COUNT] = (struct option){ "help", no_argument, NULL, KNOWN_COUNT + 1 };
	optind = 0;	/* glibc: start afresh; tests parse many times */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		const struct known *k;
		int err;

		if (c == 'h' || c == KNOWN_COUNT + 1) {
			p->opt->command = CMD_HELP;
			return 0;
		}
		if (c == ':')
			return fault(p, "%s needs a value", argv[optind - 1]);
		if (c == '?')
			return fault(p, "unknown or ambiguous option %s", argv[optind - 1]);
		k = &known[c - 1];
		if (!(k->commands & FOR(p->opt->command)))
			return fault(p, "%s does not take --%s",
				     command_names[p->opt->command], k->name);
		err = k->set ? k->set(p, optarg) : 0;
		if (err)
			return err;
		if (!k->set)
			*(bool *)((char *)p->opt + k->flag) = true;
	}
	return 0;
}

static int check_needs(struct parser *p)
{
	const struct options *opt = p->opt;
	const char *name = command_names[opt->command];
	unsigned int bit = FOR(opt->command);

	if ((bit & (FOR_KEYED | FOR(CMD_VERIFY) | FOR(CMD_DOWN))) && !opt->dev)
		return fault(p, "%s needs --dev", name);
	if ((bit & (FOR_KEYED | FOR(CMD_VERIFY))) && !opt->peer.family)
		return fault(p, "%s needs --peer", name);
	if (opt->command == CMD_DOWN && !opt->peer.family && !opt->has_all)
		return fault(p, "down needs --peer, or --all for every peer of the device");
	if (opt->command == CMD_DOWN && opt->peer.family && opt->has_all)
		return fault(p, "down takes --peer or --all, not both");
	if (opt->local.family && opt->peer.family && opt->local.family != opt->peer.family)
		return fault(p, "--local and --peer are of different families");
	if (opt->local.family && opt->peer.family &&
	    ipsec_roce_addr_equal(&opt->local, &opt->peer))
		return fault(p, "--local and --peer are the same address");
	if (opt->key_file && opt->has_key_stdin)
		return fault(p, "--key-file or --key-stdin, not both");
	if ((bit & FOR_KEYED) && opt->step != STEP_FINISH && !opt->key_file &&
	    !opt->has_key_stdin)
		return fault(p, "%s needs --key-file FILE or --key-stdin", name);
	if (opt->command == CMD_REKEY && opt->step != STEP_FINISH &&
	    opt->generation == GENERATION_FILE)
		return fault(p, "rekey needs --generation N (or next)");
	if (opt->command == CMD_GENKEY && opt->generation == GENERATION_NEXT)
		return fault(p, "genkey --generation takes a number");
	if ((opt->spi_in || opt->spi_out) && opt->ports > 1)
		return fault(p, "--spi-in and --spi-out name one SA, --ports asks for more");
	if (opt->soft_packets && opt->hard_packets && opt->soft_packets >= opt->hard_packets)
		return fault(p, "--soft-packets must be below --hard-packets");
	return 0;
}

int options_parse(int argc, char **argv, struct options *opt, char *text, size_t size)
{
	struct parser p = { opt, text, size };
	int err;

	*opt = (struct options){
		.key_bits = 128,
		.state_dir = STATE_DIR,
		.run_dir = RUN_DIR,
	};
	if (argc < 2)
		return fault(&p, "a command is needed: genkey, up, rekey, status, verify or down");
	opt->command = command_find(argv[1]);
	if (opt->command == CMD_NONE)
		return fault(&p, "unknown command %s", argv[1]);
	if (opt->command == CMD_HELP || opt->command == CMD_VERSION)
		return 0;
	err = options_take(&p, argc - 1, argv + 1);
	if (err || opt->command == CMD_HELP)
		return err;
	argc -= optind + 1;
	argv += optind + 1;
	if (opt->command == CMD_GENKEY) {
		if (argc != 1)
			return fault(&p, "genkey takes the name of the new file");
		opt->key_file = argv[0];
		argc--;
	}
	if (argc)
		return fault(&p, "unexpected argument %s", argv[0]);
	return check_needs(&p);
}

void options_usage(void)
{
	puts("Usage: roce-ipsec-setup COMMAND [OPTIONS]\n"
	     "Protects RoCE and host traffic of a network function towards a peer with IPsec\n"
	     "that the device itself does (xfrm packet offload).\n"
	     "\n"
	     "  genkey FILE              write a fresh key file, for both hosts\n"
	     "  up     --dev D --peer A --key-file F    protect; the same on both hosts\n"
	     "  rekey  --dev D --peer A --key-file F --generation N [--step STEP]\n"
	     "  status [--dev D] [--peer A] [--json]    what is installed\n"
	     "  verify --dev D --peer A [--json]        is the traffic sealed now?\n"
	     "  down   --dev D (--peer A | --all)       remove what up made\n"
	     "\n"
	     "  --dev DEV                network device that seals and opens: PF, VF, or a bond of them\n"
	     "  --peer ADDR              the other host's address, IPv4 or IPv6\n"
	     "  --local ADDR             own address; default: the route's source\n"
	     "  --key-file FILE          mode 0600, owned by the caller\n"
	     "  --key-stdin              read the key file from standard input\n"
	     "  --generation N|next      keys of this generation; same on both hosts\n"
	     "  --replay-window N        32 to 4096, default 128; 2048 where ports share an SA\n"
	     "  --key-bits 128|256       AES key size, default 128\n"
	     "  --proto any|udp          what is protected, default any\n"
	     "  --spi-in N, --spi-out N  default: derived from the key\n"
	     "  --ports N                SA pairs, where a bond here or there has an SA per port\n"
	     "  --priority N             of the policies, default 0\n"
	     "  --soft-packets N, --hard-packets N  lifetime of each SA\n"
	     "  --no-fence               no fence at all\n"
	     "  --no-roce-fence          no tc filter against cleartext RoCE\n"
	     "  --closed-until-protected a device that loses its driver comes back closed for IP\n"
	     "  --step listen|send|finish  one step of a rekey, for both hosts in turn\n"
	     "  --no-probe               verify: send nothing\n"
	     "  --json                   for programs\n"
	     "  --state-dir DIR          default " STATE_DIR "\n"
	     "  --run-dir DIR            default " RUN_DIR "\n"
	     "\n"
	     "Exit status: 0 done, 1 failed, 2 usage, 3 verify found a fault.");
}
