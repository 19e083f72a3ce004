// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The lines of `verify`: what was checked, what came of it, and by which evidence.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/report.h"
#include "tunnel/device.h"
#include "evidence.h"

static const char *const result_names[] = {
	[RESULT_OK] = "ok",
	[RESULT_NOTE] = "note",
	[RESULT_FAULT] = "FAULT",
};

void check(struct verify *vf, enum result result, const char *name, const char *fmt, ...)
{
	char evidence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(evidence, sizeof(evidence), fmt, ap);
	va_end(ap);
	vf->faults += result == RESULT_FAULT;
	if (vf->checks) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "check", json_object_new_string(name));
		json_object_object_add(o, "result", json_object_new_string(result_names[result]));
		json_object_object_add(o, "evidence", json_object_new_string(evidence));
		json_object_array_add(vf->checks, o);
	} else {
		say("%-5s  %-16s %s", result_names[result], name, evidence);
	}
}

void check_roce_fence(struct verify *vf, const struct func_view *func, const char *name)
{
	const struct fence_view *f = func->roce_fence;

	if (!vf->t->has_roce_fence)
		check(vf, RESULT_NOTE, name,
		      "none: when the policies are flushed, RoCE relies on the device to stay shut");
	else if (!f[0].is_there || !f[1].is_there)
		check(vf, RESULT_FAULT, name, "%s filter missing: `up` again puts it back",
		      f[0].is_there ? "ingress" : "egress");
	else if (!f[0].info.is_in_hw || !f[1].info.is_in_hw)
		check(vf, RESULT_FAULT, name, "%s filter is not in hardware",
		      f[0].info.is_in_hw ? "ingress" : "egress");
	else
		check(vf, RESULT_OK, name,
		      "filters in hardware, cleartext dropped so far: %llu out, %llu in",
		      (unsigned long long)f[0].info.drops, (unsigned long long)f[1].info.drops);
	/* With the fence in hardware a device that opens by itself opens nothing. */
	if (func->has_flag && !func->is_closed)
		check(vf, view_fence_good(func) ? RESULT_NOTE : RESULT_FAULT, name,
		      FAIL_CLOSED_FLAG " is off: the device itself keeps nothing shut");
}
