/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What iroce.ko and the iroce provider of libibverbs say to each other.
 * The rings have rdmavt's layout (rdma/rvt-abi.h) and lie in memory of the process;
 * here are the identity of the device, the version of the contract and what travels in
 * uverbs' udata.
 *
 *	verb		to the kernel			from the kernel
 *	get_context	-				iroce_alloc_ucontext_resp
 *	create_cq	iroce_ring_req: rvt_cq_wc	-
 *	resize_cq	iroce_ring_req: rvt_cq_wc	-
 *	create_qp	iroce_ring_req: rvt_rwq		-	(not read for a QP with an SRQ)
 *	create_srq	iroce_ring_req: rvt_rwq		-
 *
 * All integers are in the host's byte order.
 */
#ifndef IROCE_ABI_H
#define IROCE_ABI_H

#include <linux/types.h>

/*
 * ib_device_ops.driver_id, and what the provider matches: a name would be lost
 * to udev's renaming. 'IROC'; far away from enum rdma_driver_id's small numbers.
 */
#define IROCE_DRIVER_ID		0x49524f43

/*
 * ib_device.ops.uverbs_abi_ver. rvt_register_device() sets it to rdmavt's own
 * number, so this counts rdmavt's ring layout and nothing of ours.
 */
#define IROCE_UVERBS_ABI_VERSION	2

/*
 * Our part of the contract. It is raised when a kernel needs a provider that
 * understands something new; what can be ignored becomes a feature bit instead.
 */
#define IROCE_ABI_VERSION	2	/* rings are the process's own memory */

/*
 * Answer to get_context, by the adapter's alloc_ucontext (set before
 * rvt_register_device(), whose own is a stub that writes nothing). Copy
 * min(sizeof, udata->outlen). A kernel that writes nothing leaves zeros: version 0
 * is rdmavt's ABI with no feature.
 */
struct iroce_alloc_ucontext_resp {
	__u32 abi_version;	/* IROCE_ABI_VERSION */
	__u32 reserved;		/* 0 */
	__aligned_u64 features;	/* IROCE_FEATURE_*, none yet */
};

/*
 * The memory of a new ring: whole pages of the process, writable, as many as the ring
 * needs. The kernel pins them (RLIMIT_MEMLOCK) as long as the object uses the ring,
 * and empties it; what the process does to them afterwards harms only itself.
 */
struct iroce_ring_req {
	__aligned_u64 addr;
	__aligned_u64 len;
};

#endif /* IROCE_ABI_H */
