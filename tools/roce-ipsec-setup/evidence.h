/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The lines of `verify`: what was checked, what came of it, and by which evidence.
 */
#ifndef SETUP_EVIDENCE_H
#define SETUP_EVIDENCE_H

#include <json-c/json.h>
#include "base/setup.h"
#include "tunnel/tunnel.h"
#include "tunnel/view.h"

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

void check(struct verify *vf, enum result result, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void check_roce_fence(struct verify *vf, const struct func_view *func, const char *name);

#endif
