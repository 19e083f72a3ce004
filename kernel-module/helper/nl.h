/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family of the helper. The tree of messages is in uapi/ipsec_roce.h.
 */
#ifndef IPSEC_ROCE_NL_H
#define IPSEC_ROCE_NL_H

int ipsec_roce_nl_init(void);
void ipsec_roce_nl_exit(void);

#endif /* IPSEC_ROCE_NL_H */
