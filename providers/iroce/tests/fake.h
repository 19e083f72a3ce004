/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A kernel behind libibverbs' private functions, as far as the provider can tell
 * the difference: it counts objects, looks at the rings it is given and keeps a
 * send queue of limited size whose data it reads only at completion.
 */
#ifndef FAKE_H
#define FAKE_H

#include "../../kernel-module/uapi/iroce-abi.h"
#include "iroce.h"

#define FAKE_SQ_MAX	4096
#define FAKE_WR_ID_DATA	0xffu	/* inline data repeats this byte of wr_id */

struct fake_send {
	struct ibv_send_wr wr;
	struct ibv_sge sge[8];
};

struct fake {
	struct iroce_context ctx;
	struct iroce_pd pd;
	/* objects alive */
	int cqs, qps, srqs, mrs;
	/* the ring that came with the last object; addr 0: none */
	struct iroce_ring_req ring;
	/* what the device can do */
	enum ibv_atomic_cap atomic_cap;
	unsigned int device_cap_flags;
	/* next command fails with this errno */
	int fail;
	/* send queue */
	struct fake_send sq[FAKE_SQ_MAX];
	unsigned int sq_size, sq_head, sq_tail;
	unsigned int calls, longest;	/* of ibv_cmd_post_send: number, longest chain */
	uint64_t refuse_wr_id;		/* this request is refused with EINVAL */
	/* receives flushed through the kernel */
	uint64_t flushed[16];
	unsigned int n_flushed;
};

extern struct fake fake;

int fake_setup(void **state);
int fake_teardown(void **state);

/* Complete the oldest request; false if there is none or its data has changed. */
bool fake_complete(uint64_t *wr_id);
unsigned int fake_outstanding(void);

#endif /* FAKE_H */
