/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The command line, parsed: a pure function of argv, so that tests step it.
 */
#ifndef SETUP_OPTIONS_H
#define SETUP_OPTIONS_H

#include "ipsec_roce.h"

enum command {
	CMD_NONE,
	CMD_GENKEY,
	CMD_UP,
	CMD_REKEY,
	CMD_STATUS,
	CMD_VERIFY,
	CMD_DOWN,
	CMD_HELP,
	CMD_VERSION,
};

enum rekey_step {
	STEP_ALL,	/* listen and send */
	STEP_LISTEN,
	STEP_SEND,
	STEP_FINISH,
};

#define PORTS_MAX	8	/* of a bond; LACP has no more in use at a time */
#define GENERATION_FILE	0	/* what the key file says */
#define GENERATION_NEXT	UINT64_MAX

struct options {
	enum command command;
	const char *dev;
	struct ipsec_roce_addr peer, local;	/* family 0: not given */
	const char *key_file;
	bool has_key_stdin;
	uint64_t generation;
	unsigned int replay_window;		/* 0: what suits the device */
	unsigned int key_bits;
	uint8_t proto;
	uint32_t spi_in, spi_out;		/* 0: derived */
	uint32_t ports;				/* of the host that has more; 0: as the bond needs */
	uint32_t priority;
	uint64_t soft_packets, hard_packets;	/* 0: no limit */
	bool no_fence, no_roce_fence;
	bool starts_closed;			/* --closed-until-protected */
	bool has_json, no_probe, has_all;
	enum rekey_step step;
	const char *state_dir, *run_dir;
};

/* 0, or -EINVAL with the reason in fault. */
int options_parse(int argc, char **argv, struct options *opt, char *fault, size_t size);
void options_usage(void);

#endif
