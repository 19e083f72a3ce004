/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family of the helper: what it tells. The tree of messages is in
 * uapi/ipsec_roce.h.
 */
#ifndef IPSEC_ROCE_NL_H
#define IPSEC_ROCE_NL_H

#include <linux/types.h>

struct ipsec_roce_bond;
struct ipsec_roce_port;
struct ipsec_roce_sa;

int ipsec_roce_nl_init(void);
void ipsec_roce_nl_exit(void);

/* Events; sleep, and are lost if there is no memory. */
void ipsec_roce_nl_bond(const struct ipsec_roce_bond *bond, bool is_there);
void ipsec_roce_nl_port(const struct ipsec_roce_bond *bond, const struct ipsec_roce_port *port,
			bool is_there);
void ipsec_roce_nl_handover(const struct ipsec_roce_sa *sa, u8 port, u64 start);
void ipsec_roce_nl_trouble(const struct ipsec_roce_sa *sa, u8 port, u8 reason);

#endif /* IPSEC_ROCE_NL_H */
