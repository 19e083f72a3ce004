/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the module's parts begin and end.
 */
#ifndef IPSEC_ROCE_OWN_H
#define IPSEC_ROCE_OWN_H

void ipsec_roce_policy_exit(void);
void ipsec_roce_key_hash_init(void);
void ipsec_roce_key_hash_exit(void);

#endif /* IPSEC_ROCE_OWN_H */
