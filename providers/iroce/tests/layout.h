/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What must have the same size and place here and in rdma-core: compiled twice, once
 * with our header, once with rdma-core's.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stddef.h>

struct layout {
	const char *what;
	size_t value;
};

extern const struct layout layout_ours[], layout_theirs[];

#define SIZE(_type)		{ "sizeof " #_type, sizeof(struct _type) },
#define FIELD(_type, _field)	{ #_type "." #_field, offsetof(struct _type, _field) },

#define LAYOUT \
	SIZE(verbs_match_ent) \
	FIELD(verbs_match_ent, u.driver_id) \
	FIELD(verbs_match_ent, kind) \
	SIZE(verbs_device_ops) \
	FIELD(verbs_device_ops, match_min_abi_version) \
	FIELD(verbs_device_ops, match_max_abi_version) \
	FIELD(verbs_device_ops, match_table) \
	FIELD(verbs_device_ops, alloc_context) \
	FIELD(verbs_device_ops, import_context) \
	FIELD(verbs_device_ops, alloc_device) \
	FIELD(verbs_device_ops, uninit_device) \
	SIZE(verbs_device) \
	FIELD(verbs_device, ops) \
	FIELD(verbs_device, sysfs) \
	FIELD(verbs_device, core_support) \
	SIZE(verbs_mr) \
	SIZE(verbs_qp) \
	FIELD(verbs_qp, comp_mask) \
	FIELD(verbs_qp, xrcd) \
	SIZE(verbs_cq) \
	SIZE(ibv_alloc_pd) \
	SIZE(ibv_create_cq) \
	SIZE(ibv_create_qp) \
	SIZE(ibv_create_srq) \
	SIZE(ibv_get_context) \
	SIZE(ibv_modify_qp) \
	SIZE(ibv_modify_srq) \
	SIZE(ibv_query_port) \
	SIZE(ibv_query_qp) \
	SIZE(ibv_query_srq) \
	SIZE(ibv_reg_mr) \
	SIZE(ibv_resize_cq) \
	SIZE(verbs_context_ops) \
	FIELD(verbs_context_ops, alloc_pd) \
	FIELD(verbs_context_ops, attach_mcast) \
	FIELD(verbs_context_ops, create_ah) \
	FIELD(verbs_context_ops, create_cq) \
	FIELD(verbs_context_ops, create_cq_ex) \
	FIELD(verbs_context_ops, create_qp) \
	FIELD(verbs_context_ops, create_qp_ex) \
	FIELD(verbs_context_ops, create_srq) \
	FIELD(verbs_context_ops, dealloc_pd) \
	FIELD(verbs_context_ops, dereg_mr) \
	FIELD(verbs_context_ops, destroy_ah) \
	FIELD(verbs_context_ops, destroy_cq) \
	FIELD(verbs_context_ops, destroy_qp) \
	FIELD(verbs_context_ops, destroy_srq) \
	FIELD(verbs_context_ops, detach_mcast) \
	FIELD(verbs_context_ops, free_context) \
	FIELD(verbs_context_ops, modify_qp) \
	FIELD(verbs_context_ops, modify_srq) \
	FIELD(verbs_context_ops, poll_cq) \
	FIELD(verbs_context_ops, post_recv) \
	FIELD(verbs_context_ops, post_send) \
	FIELD(verbs_context_ops, post_srq_recv) \
	FIELD(verbs_context_ops, query_device_ex) \
	FIELD(verbs_context_ops, query_port) \
	FIELD(verbs_context_ops, query_qp) \
	FIELD(verbs_context_ops, query_srq) \
	FIELD(verbs_context_ops, reg_mr) \
	FIELD(verbs_context_ops, req_notify_cq) \
	FIELD(verbs_context_ops, resize_cq) \
	{ "VERBS_MATCH_DRIVER_ID", VERBS_MATCH_DRIVER_ID }, \
	{ "VERBS_QP_EX", VERBS_QP_EX }, \
	{ NULL, 0 }

#endif /* LAYOUT_H */
