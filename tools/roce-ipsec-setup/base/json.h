/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * JSON objects, written a member at a time.
 */
#ifndef SETUP_JSON_H
#define SETUP_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, uint64_t value);
void json_add_bool(struct json_object *o, const char *key, bool value);

#endif
