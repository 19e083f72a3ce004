/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Holds: what devices drop by themselves.
 */
#ifndef SETUP_HOLD_H
#define SETUP_HOLD_H

#include "base/setup.h"
#include "tunnel.h"

/* What a device drops by itself, with no policy behind it. */
struct hold {
	char dev[16];
	bool is_fail_closed;
	uint64_t n_fences;	/* policies that are gone and whose traffic is dropped */
	bool starts_closed;	/* where no policy protects a direction, its IP is dropped */
	unsigned int n_policies[SIDES];	/* counted only with starts_closed */
};

#define HOLD_TEXT	256
int hold_read(struct setup *s, const struct ipsec_roce_link *link, struct hold *hold);
bool hold_is_shut(const struct hold *hold);
bool hold_waits(const struct hold *hold, enum ipsec_roce_dir dir);
/* In words: what it drops, why, and how it is opened. */
const char *hold_what(const struct hold *hold, char *buf, size_t size);
const char *hold_why(const struct hold *hold);
const char *hold_how(const struct hold *hold, const char *down_dev, char *buf, size_t size);
/* down_dev: what `down` wants for it, a port's bond or the device itself. */
typedef int (*hold_fn)(struct setup *s, const struct hold *hold, const char *down_dev, void *arg);
/* Each device that holds something: of all, or of one and its ports. */
int hold_each(struct setup *s, const char *dev, hold_fn fn, void *arg);

#endif
