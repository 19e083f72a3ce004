/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Is the device fit for a tunnel?
 */
#ifndef SETUP_FIT_H
#define SETUP_FIT_H

#include "base/setup.h"
#include "tunnel.h"

/* A VLAN or macvlan device seals nothing: fails with the function that does. */
int fit_check_kind(struct setup *s);
int fit_check(struct setup *s, const struct tunnel *t);

#endif
