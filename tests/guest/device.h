/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the programs that tests and bench run in hosts share (see tools/lab/guestbuild.py). */
#ifndef DEVICE_H
#define DEVICE_H

#include <string.h>

#include <infiniband/verbs.h>

/* NULL, with errno as it is: no device of that name, or it cannot be opened. */
static inline struct ibv_context *device_open(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;

	for (int i = 0; list && list[i] && !ctx; i++) {
		if (!strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	}
	if (list)
		ibv_free_device_list(list);
	return ctx;
}

#endif /* DEVICE_H */
