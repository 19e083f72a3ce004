/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What iroce.ko and the iroce provider of libibverbs say to each other.
 * The rings themselves are rdmavt's (rdma/rvt-abi.h); here are the identity of
 * the device, the version of the contract and what travels in uverbs' udata.
 *
 *	verb		to the kernel			from the kernel
 *	get_context	-				iroce_alloc_ucontext_resp
 *	create_cq	-				iroce_mmap_resp -> rvt_cq_wc
 *	resize_cq	-				iroce_mmap_resp -> rvt_cq_wc
 *	create_qp	-				iroce_mmap_resp -> rvt_rwq (0: QP has an SRQ)
 *	create_srq	-				iroce_mmap_resp -> rvt_rwq
 *	modify_srq	iroce_modify_srq_req		__u64 offset written to offset_addr
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
#define IROCE_ABI_VERSION	1

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

/* Where to mmap the ring of the object just made; 0 when it has no ring. */
struct iroce_mmap_resp {
	__aligned_u64 offset;
};

/*
 * modify_srq cannot answer through udata: the kernel writes the __u64 offset of
 * the resized ring to this user address.
 */
struct iroce_modify_srq_req {
	__aligned_u64 offset_addr;
};

#endif /* IROCE_ABI_H */
