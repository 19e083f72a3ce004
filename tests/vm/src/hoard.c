// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * hoard - takes as many objects of a device as it can get, and holds them.
 *
 *	hoard -d DEV [-m MEMLOCK_BYTES] cq|qp|mr|pd|srq N
 *
 * Large ones (cq: 131071 completions; srq: all there is), or the smallest (qp, mr). Prints
 * "got N ERRNO", the number and what refused the next one (0: nothing did), and waits for
 * the end of its standard input. Then it ends without destroying anything: that is the
 * kernel's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "device.h"

static struct ibv_context *ctx;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static char page[4096] __attribute__((aligned(4096)));

static void *take(const char *kind, const struct ibv_device_attr *device)
{
	struct ibv_qp_init_attr qp = {
		.qp_type = IBV_QPT_RC, .send_cq = cq, .recv_cq = cq, .cap = { 1, 1, 1, 1, 0 },
	};
	struct ibv_srq_init_attr srq = {
		.attr = { .max_wr = device->max_srq_wr, .max_sge = device->max_srq_sge },
	};

	if (!strcmp(kind, "cq"))
		return ibv_create_cq(ctx, 131071, NULL, NULL, 0);
	if (!strcmp(kind, "qp"))
		return ibv_create_qp(pd, &qp);
	if (!strcmp(kind, "mr"))
		return ibv_reg_mr(pd, page, sizeof(page), IBV_ACCESS_LOCAL_WRITE);
	if (!strcmp(kind, "pd"))
		return ibv_alloc_pd(ctx);
	if (!strcmp(kind, "srq"))
		return ibv_create_srq(pd, &srq);
	exit(2);
}

int main(int argc, char **argv)
{
	struct ibv_device_attr device;
	struct rlimit memlock = {};
	const char *name = "";
	int opt, n, err = 0;

	while ((opt = getopt(argc, argv, "d:m:")) != -1) {
		if (opt == 'd')
			name = optarg;
		if (opt == 'm') {
			memlock.rlim_cur = memlock.rlim_max = strtoul(optarg, NULL, 0);
			if (setrlimit(RLIMIT_MEMLOCK, &memlock))
				return 2;
		}
	}
	if (argc - optind != 2)
		return 2;
	ctx = device_open(name);
	if (!ctx || ibv_query_device(ctx, &device))
		return 2;
	pd = ibv_alloc_pd(ctx);
	/* Of no use without a page to pin: then it is a CQ that is asked for. */
	cq = ibv_create_cq(ctx, 4, NULL, NULL, 0);
	for (n = 0; n < atoi(argv[optind + 1]); n++) {
		errno = 0;
		if (!take(argv[optind], &device)) {
			err = errno;
			break;
		}
	}
	printf("got %d %s\n", n, err ? strerrorname_np(err) : "0");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
