/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A tunnel on a bond.
 */
#ifndef SETUP_BOND_H
#define SETUP_BOND_H

#include "base/setup.h"
#include "tunnel.h"

/* Which devices the tunnel stands on; a bond's helper must be there. May wait for it. */
int bond_find_functions(struct setup *s, struct tunnel *t);
/* The same for a tunnel that is to go, as far as it can be told. */
int bond_find_remains(struct setup *s, struct tunnel *t);
/*
 * How many outbound SAs the tunnel's device needs, and why, in words. Fails with the rule that
 * the bond's shape breaks; nothing was changed then.
 */
int bond_choose(struct setup *s, const struct tunnel *t, unsigned int *count);
/* Of a generation with more outbound SAs than one: the port of the n-th SA of a direction. */
int bond_home(struct setup *s, const struct tunnel *t, unsigned int n, unsigned int *ifindex);
const char *place_name(enum ipsec_roce_place place);

#endif
