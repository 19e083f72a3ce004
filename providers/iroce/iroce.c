// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * iroce provider: how libibverbs finds the adapter and opens it. The device is
 * matched by its driver id, which neither udev's renaming nor another software
 * device can take away from it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernel-module/uapi/iroce-abi.h"
#include "iroce.h"

struct get_context_resp {
	struct ib_uverbs_get_context_resp core;
	struct iroce_alloc_ucontext_resp iroce;
};

static bool env_is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value && strcmp(value, "0");
}

static struct verbs_context *alloc_context(struct ibv_device *device, int cmd_fd,
					   void *private_data)
{
	struct ibv_get_context cmd = {};
	struct get_context_resp resp = {};
	struct iroce_context *ctx;
	int err;

	(void)private_data;
	ctx = _verbs_init_and_alloc_context(device, cmd_fd, sizeof(*ctx),
					    &((struct iroce_context *)NULL)->vctx,
					    IROCE_DRIVER_ID);
	if (!ctx)
		return NULL;

	err = ibv_cmd_get_context(&ctx->vctx, &cmd, sizeof(cmd), &resp.core, sizeof(resp));
	if (err)
		goto err_free;
	if (resp.iroce.abi_version != IROCE_ABI_VERSION) {
		fprintf(stderr,
			"iroce: kernel module speaks ABI %u, this provider %u: update the %s\n",
			resp.iroce.abi_version, IROCE_ABI_VERSION,
			resp.iroce.abi_version > IROCE_ABI_VERSION ? "provider" : "kernel module");
		err = EPROTONOSUPPORT;
		goto err_free;
	}
	ctx->features = resp.iroce.features;
	ctx->is_single_threaded = env_is_set("IROCE_SINGLE_THREADED");
	verbs_set_ops(&ctx->vctx, &iroce_context_ops);
	return &ctx->vctx;

err_free:
	verbs_uninit_context(&ctx->vctx);
	free(ctx);
	errno = err;
	return NULL;
}

static struct verbs_device *alloc_device(struct verbs_sysfs_dev *sysfs_dev)
{
	struct iroce_device *dev = calloc(1, sizeof(*dev));

	(void)sysfs_dev;
	return dev ? &dev->vdev : NULL;
}

static void uninit_device(struct verbs_device *vdev)
{
	free(iroce_container_of(vdev, struct iroce_device, vdev));
}

static const struct verbs_match_ent match_table[] = {
	{ .u.driver_id = IROCE_DRIVER_ID, .kind = VERBS_MATCH_DRIVER_ID },
	{},
};

static const struct verbs_device_ops device_ops = {
	.name = "iroce",
	.match_min_abi_version = IROCE_UVERBS_ABI_VERSION,
	.match_max_abi_version = IROCE_UVERBS_ABI_VERSION,
	.match_table = match_table,
	.alloc_context = alloc_context,
	.alloc_device = alloc_device,
	.uninit_device = uninit_device,
};

static __attribute__((constructor)) void register_driver(void)
{
	verbs_register_driver_34(&device_ops);
}
