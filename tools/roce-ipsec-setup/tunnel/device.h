/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is done to the devices that a tunnel stands on.
 */
#ifndef SETUP_DEVICE_H
#define SETUP_DEVICE_H

#include "base/setup.h"
#include "tunnel.h"

#define FAIL_CLOSED_FLAG	"ipsec-fail-closed"
#define CLOSED_FLAG		"ipsec-closed-until-protected"
#define TC_FEATURE		"hw-tc-offload"
#define ESP_FEATURE		"esp-hw-offload"

/* First what will have to be put back, then doing it. */
int step_roce_fence_plan(struct setup *s, struct function *f);
int step_roce_fence_prepare(struct setup *s, const struct function *f);
int step_roce_fence_release(struct setup *s, struct tunnel *t, struct function *f);
int step_roce_fence_add(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir);
int step_roce_fence_del(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir);
/* Closed until protected: refused where the driver cannot; likewise. */
int step_closed_check(struct setup *s, const struct function *f);
int step_closed_plan(struct setup *s, struct function *f);
int step_closed_prepare(struct setup *s, const struct function *f);
int step_closed_release(struct setup *s, struct tunnel *t, struct function *f);
/* The bond's own switch, likewise. */
int step_esp_plan(struct setup *s, struct tunnel *t);
int step_esp_prepare(struct setup *s, const struct tunnel *t);
int step_esp_release(struct setup *s, struct tunnel *t);
/* Lifts the drop rules that fail-closed devices left behind for deleted policies. */
int step_lift_drops(struct setup *s, struct tunnel *t);

#endif
