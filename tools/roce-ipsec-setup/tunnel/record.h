/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records of tunnels, under /run.
 */
#ifndef SETUP_RECORD_H
#define SETUP_RECORD_H

#include "base/setup.h"
#include "tunnel.h"

int record_open(struct setup *s, bool is_reader);
int record_load(struct setup *s, const struct ipsec_roce_addr *local,
		const struct ipsec_roce_addr *peer, struct tunnel *t);	/* -ENOENT: none */
int record_save(struct setup *s, const struct tunnel *t);
int record_remove(struct setup *s, const struct tunnel *t);
typedef int (*record_fn)(struct setup *s, const struct tunnel *t, void *arg);
/* Each tunnel of this network namespace that fits --dev, --local and --peer. */
int record_each(struct setup *s, record_fn fn, void *arg);
/* The same, whatever those options say. */
int record_each_of_all(struct setup *s, record_fn fn, void *arg);
int record_parse(const char *text, struct tunnel *t);
char *record_text(const struct tunnel *t);	/* to be freed */

#endif
