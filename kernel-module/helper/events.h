/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the helper tells without being asked; events sleep.
 */
#ifndef IPSEC_ROCE_EVENTS_H
#define IPSEC_ROCE_EVENTS_H

#include <linux/types.h>

struct genl_family;
struct ipsec_roce_bond;
struct ipsec_roce_port;
struct ipsec_roce_sa;

/* Before it none is told. */
void ipsec_roce_event_init(const struct genl_family *family);
void ipsec_roce_event_bond(const struct ipsec_roce_bond *bond, bool is_there);
void ipsec_roce_event_port(const struct ipsec_roce_bond *bond, const struct ipsec_roce_port *port,
			   bool is_there);
void ipsec_roce_event_handover(const struct ipsec_roce_sa *sa, u8 port, u64 start);
void ipsec_roce_event_trouble(const struct ipsec_roce_sa *sa, u8 port, u8 reason);

#endif /* IPSEC_ROCE_EVENTS_H */
