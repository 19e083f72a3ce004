/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `status` in its parts: tunnels as JSON or text, and software policies.
 */
#ifndef SETUP_STATUS_H
#define SETUP_STATUS_H

#include <json-c/json.h>
#include "base/setup.h"
#include "tunnel/tunnel.h"
#include "tunnel/view.h"

struct status {
	/* Lists of them, or NULL: text. */
	struct json_object *tunnels, *closed, *software;
	int count;
};

/* ---- status_json.c ---- */
struct json_object *tunnel_json(struct setup *s, const struct tunnel *t, const struct view *v);

/* ---- status_text.c ---- */
void show_tunnel(struct setup *s, const struct tunnel *t, const struct view *v);

/* ---- status_software.c ---- */
int show_softwares(struct setup *s, struct status *st);

#endif
