/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Generations: which number, which SPIs, and that no number is used twice.
 */
#ifndef SETUP_GENERATION_H
#define SETUP_GENERATION_H

#include "base/setup.h"
#include "tunnel.h"

/* Reads the key, and takes the ledger of what it was used for. */
int key_open(struct setup *s);
/* As --generation asks, or as the key file or the ledger says. */
int generation_make(struct setup *s, const struct tunnel *t, struct generation *g);
/* From here on its keys count as used. */
int generation_spend(struct setup *s, const struct tunnel *t, const struct generation *g);
/* What the keys of the n-th SA of a direction are derived for: 0 where there is but one. */
unsigned int generation_port(const struct generation *g, unsigned int n);
bool generation_same(const struct generation *a, const struct generation *b);

#endif
