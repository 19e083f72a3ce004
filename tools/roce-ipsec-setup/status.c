// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status`: each tunnel as the kernel has it, as text or JSON. It judges little:
 * `verify` does that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/json.h"
#include "tunnel/hold.h"
#include "tunnel/record.h"
#include "commands.h"
#include "status.h"

static int on_tunnel(struct setup *s, const struct tunnel *recorded, void *arg)
{
	struct tunnel now = *recorded, *t = &now;
	struct status *st = arg;
	struct view v;
	int err;

	err = view_read(s, t, &v);
	if (err)
		return err;
	view_settle(t, &v);
	st->count++;
	if (st->tunnels)
		json_object_array_add(st->tunnels, tunnel_json(s, t, &v));
	else
		show_tunnel(s, t, &v);
	return 0;
}

/* ---- what devices hold closed ---- */

static int on_hold(struct setup *s, const struct hold *hold, const char *down_dev, void *arg)
{
	char what[HOLD_TEXT], how[HOLD_TEXT];
	struct status *st = arg;
	struct json_object *o;

	(void)s;
	hold_what(hold, what, sizeof(what));
	hold_how(hold, down_dev, how, sizeof(how));
	if (!st->closed) {
		printf("%s is closed\n  what         %s\n  why          %s\n  to open      %s; or protect it (up)\n",
		       hold->dev, what, hold_why(hold), how);
		return 0;
	}
	o = json_object_new_object();
	json_add_text(o, "dev", hold->dev);
	json_add_number(o, "fences", hold->n_fences);
	json_add_bool(o, "waits_out", hold_waits(hold, IPSEC_ROCE_OUT));
	json_add_bool(o, "waits_in", hold_waits(hold, IPSEC_ROCE_IN));
	json_add_text(o, "what", what);
	json_add_text(o, "why", hold_why(hold));
	json_add_text(o, "how", how);
	json_object_array_add(st->closed, o);
	return 0;
}

int cmd_status(struct setup *s)
{
	struct status st = { .count = 0 };
	struct json_object *all = NULL;
	int err;

	if (s->opt->has_json) {
		all = json_object_new_object();
		st.tunnels = json_object_new_array();
		st.closed = json_object_new_array();
		st.software = json_object_new_array();
		json_object_object_add(all, "tunnels", st.tunnels);
		json_object_object_add(all, "closed", st.closed);
		json_object_object_add(all, "software_policies", st.software);
	}
	err = record_open(s, true) ?: record_each(s, on_tunnel, &st);
	if (!err && !all && !st.count)
		puts("nothing is up");
	err = err ?: hold_each(s, s->opt->dev, on_hold, &st);
	err = err ?: show_softwares(s, &st);
	if (!err && all)
		puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
	return err;
}
