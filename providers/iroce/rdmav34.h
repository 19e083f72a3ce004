/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libibverbs' private provider ABI, number 34, as rdma-core v36 to v56 export it
 * (symbol version IBVERBS_PRIVATE_34). Distributions do not install it, so what
 * this provider needs of it is declared here, and its layout asserted below.
 *
 * Only pointers and fixed-width integers cross this boundary; the structures that
 * the library reads must have its layout to the byte. tests/layout_test.c compares
 * them with a real driver.h wherever a configured rdma-core is at hand.
 */
#ifndef IROCE_RDMAV34_H
#define IROCE_RDMAV34_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#define IROCE_RDMAV_ABI		34

/* ---- what a provider is ---- */

struct verbs_sysfs_dev;
struct verbs_device;
struct verbs_xrcd;

enum verbs_match_kind {
	VERBS_MATCH_SENTINEL,
	VERBS_MATCH_PCI,
	VERBS_MATCH_MODALIAS,
	VERBS_MATCH_DRIVER_ID,
};

struct verbs_match_ent {
	void *driver_data;
	union {
		const char *modalias;
		uint64_t driver_id;
	} u;
	uint16_t vendor;
	uint16_t device;
	uint8_t kind;
};

struct verbs_device_ops {
	const char *name;

	uint32_t match_min_abi_version;
	uint32_t match_max_abi_version;
	const struct verbs_match_ent *match_table;
	const struct verbs_device_ops **static_providers;

	bool (*match_device)(struct verbs_sysfs_dev *sysfs_dev);

	struct verbs_context *(*alloc_context)(struct ibv_device *device, int cmd_fd,
					       void *private_data);
	struct verbs_context *(*import_context)(struct ibv_device *device, int cmd_fd);

	struct verbs_device *(*alloc_device)(struct verbs_sysfs_dev *sysfs_dev);
	void (*uninit_device)(struct verbs_device *device);
};

struct verbs_device {
	struct ibv_device device;
	const struct verbs_device_ops *ops;
	atomic_int refcount;
	struct {
		void *next, *prev;
	} entry;
	struct verbs_sysfs_dev *sysfs;
	uint64_t core_support;
};

/* ---- objects that the library embeds its own fields in ---- */

struct verbs_mr {
	struct ibv_mr ibv_mr;
	unsigned int mr_type;
	int access;
};

enum verbs_qp_mask {
	VERBS_QP_XRCD	= 1 << 0,
	VERBS_QP_EX	= 1 << 1,	/* qp_ex's operations are set */
};

struct verbs_qp {
	union {
		struct ibv_qp qp;
		struct ibv_qp_ex qp_ex;
	};
	uint32_t comp_mask;
	struct verbs_xrcd *xrcd;
};

struct verbs_cq {
	union {
		struct ibv_cq cq;
		struct ibv_cq_ex cq_ex;
	};
};

/* ---- the verbs a provider may implement ---- */

typedef void (*verbs_unused_op)(void);

/* Sorted by name, one pointer each; NULL keeps the library's EOPNOTSUPP stub. */
struct verbs_context_ops {
	verbs_unused_op advise_mr;
	verbs_unused_op alloc_dm;
	verbs_unused_op alloc_mw;
	verbs_unused_op alloc_null_mr;
	verbs_unused_op alloc_parent_domain;
	struct ibv_pd *(*alloc_pd)(struct ibv_context *context);
	verbs_unused_op alloc_td;
	verbs_unused_op async_event;
	verbs_unused_op attach_counters_point_flow;
	int (*attach_mcast)(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
	verbs_unused_op bind_mw;
	verbs_unused_op close_xrcd;
	verbs_unused_op cq_event;
	struct ibv_ah *(*create_ah)(struct ibv_pd *pd, struct ibv_ah_attr *attr);
	verbs_unused_op create_counters;
	struct ibv_cq *(*create_cq)(struct ibv_context *context, int cqe,
				    struct ibv_comp_channel *channel, int comp_vector);
	struct ibv_cq_ex *(*create_cq_ex)(struct ibv_context *context,
					  struct ibv_cq_init_attr_ex *attr);
	verbs_unused_op create_flow;
	verbs_unused_op create_flow_action_esp;
	struct ibv_qp *(*create_qp)(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
	struct ibv_qp *(*create_qp_ex)(struct ibv_context *context,
				       struct ibv_qp_init_attr_ex *attr);
	verbs_unused_op create_rwq_ind_table;
	struct ibv_srq *(*create_srq)(struct ibv_pd *pd, struct ibv_srq_init_attr *attr);
	verbs_unused_op create_srq_ex;
	verbs_unused_op create_wq;
	verbs_unused_op dealloc_mw;
	int (*dealloc_pd)(struct ibv_pd *pd);
	verbs_unused_op dealloc_td;
	int (*dereg_mr)(struct verbs_mr *vmr);
	int (*destroy_ah)(struct ibv_ah *ah);
	verbs_unused_op destroy_counters;
	int (*destroy_cq)(struct ibv_cq *cq);
	verbs_unused_op destroy_flow;
	verbs_unused_op destroy_flow_action;
	int (*destroy_qp)(struct ibv_qp *qp);
	verbs_unused_op destroy_rwq_ind_table;
	int (*destroy_srq)(struct ibv_srq *srq);
	verbs_unused_op destroy_wq;
	int (*detach_mcast)(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
	void (*free_context)(struct ibv_context *context);
	verbs_unused_op free_dm;
	verbs_unused_op get_srq_num;
	verbs_unused_op import_dm;
	verbs_unused_op import_mr;
	verbs_unused_op import_pd;
	verbs_unused_op modify_cq;
	verbs_unused_op modify_flow_action_esp;
	int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask);
	verbs_unused_op modify_qp_rate_limit;
	int (*modify_srq)(struct ibv_srq *srq, struct ibv_srq_attr *attr, int attr_mask);
	verbs_unused_op modify_wq;
	verbs_unused_op open_qp;
	verbs_unused_op open_xrcd;
	int (*poll_cq)(struct ibv_cq *cq, int num_entries, struct ibv_wc *wc);
	int (*post_recv)(struct ibv_qp *qp, struct ibv_recv_wr *wr,
			 struct ibv_recv_wr **bad_wr);
	int (*post_send)(struct ibv_qp *qp, struct ibv_send_wr *wr,
			 struct ibv_send_wr **bad_wr);
	verbs_unused_op post_srq_ops;
	int (*post_srq_recv)(struct ibv_srq *srq, struct ibv_recv_wr *wr,
			     struct ibv_recv_wr **bad_wr);
	int (*query_device_ex)(struct ibv_context *context,
			       const struct ibv_query_device_ex_input *input,
			       struct ibv_device_attr_ex *attr, size_t attr_size);
	verbs_unused_op query_ece;
	int (*query_port)(struct ibv_context *context, uint8_t port_num,
			  struct ibv_port_attr *attr);
	int (*query_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask,
			struct ibv_qp_init_attr *init_attr);
	verbs_unused_op query_qp_data_in_order;
	verbs_unused_op query_rt_values;
	int (*query_srq)(struct ibv_srq *srq, struct ibv_srq_attr *attr);
	verbs_unused_op read_counters;
	verbs_unused_op reg_dm_mr;
	verbs_unused_op reg_dmabuf_mr;
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length,
				 uint64_t hca_va, int access);
	int (*req_notify_cq)(struct ibv_cq *cq, int solicited_only);
	verbs_unused_op rereg_mr;
	int (*resize_cq)(struct ibv_cq *cq, int cqe);
	verbs_unused_op set_ece;
	verbs_unused_op unimport_dm;
	verbs_unused_op unimport_mr;
	verbs_unused_op unimport_pd;
};

/* LP64 machines; v36 to v56 agree. */
#if __SIZEOF_POINTER__ == 8
static_assert(sizeof(struct verbs_match_ent) == 24, "verbs_match_ent");
static_assert(offsetof(struct verbs_match_ent, kind) == 20, "verbs_match_ent.kind");
static_assert(sizeof(struct verbs_device_ops) == 72, "verbs_device_ops");
static_assert(sizeof(struct verbs_device) == 712, "verbs_device");
static_assert(offsetof(struct verbs_device, ops) == 664, "verbs_device.ops");
static_assert(sizeof(struct verbs_mr) == 56, "verbs_mr");
static_assert(sizeof(struct verbs_cq) == 288, "verbs_cq");
#endif
static_assert(sizeof(struct verbs_context_ops) == 76 * sizeof(verbs_unused_op),
	      "verbs_context_ops");
static_assert(offsetof(struct verbs_qp, qp) == 0, "verbs_qp.qp");
/*
 * Follows the public ibv_qp_ex, which grows (368 bytes in v44, 376 in v56): ibv_wr_*
 * needs a provider built with the verbs.h of the library that loads it.
 */
static_assert(sizeof(struct verbs_qp) == sizeof(struct ibv_qp_ex) + 8 + sizeof(void *),
	      "verbs_qp");
static_assert(offsetof(struct verbs_cq, cq) == 0, "verbs_cq.cq");

/* ---- the commands of the write() interface: a header, then the kernel's struct ---- */

#define VERBS_CMD(_name)                                                       \
	struct ibv_##_name {                                                   \
		struct ib_uverbs_cmd_hdr hdr;                                  \
		struct ib_uverbs_##_name core;                                 \
	}
VERBS_CMD(alloc_pd);
VERBS_CMD(create_cq);
VERBS_CMD(create_qp);
VERBS_CMD(create_srq);
VERBS_CMD(get_context);
VERBS_CMD(modify_qp);
VERBS_CMD(modify_srq);
VERBS_CMD(query_port);
VERBS_CMD(query_qp);
VERBS_CMD(query_srq);
VERBS_CMD(reg_mr);
VERBS_CMD(resize_cq);

#include "rdmav34_calls.h"

#endif /* IROCE_RDMAV34_H */
