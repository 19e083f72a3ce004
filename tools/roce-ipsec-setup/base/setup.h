/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One run of the command: what its parts share.
 */
#ifndef SETUP_H
#define SETUP_H

#include "ipsec_roce.h"
#include "options.h"

#define EXIT_DONE	0
#define EXIT_FAILED	1
#define EXIT_USAGE	2
#define EXIT_FAULT	3

struct setup {
	const struct options *opt;
	struct ipsec_roce *h;
	struct ipsec_roce_key *key;		/* NULL until read */
	struct ipsec_roce_ledger *ledger;	/* NULL until opened */
	int run_fd;				/* the run folder; holds its lock */
	char fault[640];			/* the first failure, for the last line */
};

#endif
