/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys that SAs of bonds send with, and how far.
 */
#ifndef IPSEC_ROCE_KEY_H
#define IPSEC_ROCE_KEY_H

#include <linux/types.h>

void ipsec_roce_key_exit(void);
/*
 * For an SA that sends behind number @start. -EBUSY: another SA has the key; -EKEYREJECTED: one
 * that is gone has used it beyond @start. bond.lock.
 */
int ipsec_roce_key_claim(u64 hash, u64 start);
/* Numbers up to @last have been used. bond.lock. */
void ipsec_roce_key_release(u64 hash, u64 last);

#endif /* IPSEC_ROCE_KEY_H */
