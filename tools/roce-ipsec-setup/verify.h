/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `verify` in two parts: what every tunnel has (verify.c), and a bond's ports
 * (verify_bond.c).
 */
#ifndef SETUP_VERIFY_H
#define SETUP_VERIFY_H

#include <json-c/json.h>

#include "probe.h"
#include "setup.h"

enum result {
	RESULT_OK,
	RESULT_NOTE,	/* worth knowing, not a fault */
	RESULT_FAULT,
};

struct verify {
	struct setup *s;
	const struct tunnel *t;
	struct view view;
	struct json_object *checks;	/* NULL: text */
	int faults;
	char probe_dev[16];	/* lies on the tunnel's device, and has the route; "": the device itself */
	char next[256];		/* the command that puts back what is missing; "": nothing is */
};

#define DROP_COUNT	14	/* names in /proc/net/xfrm_stat that mean a fault */

/* What had been counted at a moment. */
struct moment {
	uint64_t sa[SIDES];
	uint64_t dev[SIDES];
	bool has_dev;	/* the driver has the ipsec counters by mlx5's names */
	uint64_t drops[DROP_COUNT];
	struct {
		unsigned int ifindex;
		bool carries;
		uint64_t sa[SIDES];
	} port[PORTS_MAX];	/* of a bond, as its helper counts */
	unsigned int port_count;
};

/* ---- verify.c ---- */
void check(struct verify *vf, enum result result, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void check_roce_fence(struct verify *vf, const struct func_view *func, const char *name);

/* ---- verify_around.c ---- */
int check_around(struct verify *vf);

/* ---- verify_bond.c ---- */
void check_bond(struct verify *vf);
/* Has each port that carries traffic sealed some of it in between? */
bool have_ports_moved(const struct moment *a, const struct moment *b);
void check_ports_moved(struct verify *vf, const struct probe *p, const struct moment *a,
		       const struct moment *b);

#endif
