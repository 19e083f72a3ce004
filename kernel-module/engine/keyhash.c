// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for a state's key where keys are compared or remembered: a hash, which nobody
 * without the secret can compare with. One secret for driver and helper alike.
 */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <net/xfrm.h>

#include "ipsec_roce_engine.h"
#include "own.h"

static siphash_key_t secret __read_mostly;

void ipsec_roce_key_hash_init(void)
{
	get_random_bytes(&secret, sizeof(secret));
}

void ipsec_roce_key_hash_exit(void)
{
	memzero_explicit(&secret, sizeof(secret));
}

u64 ipsec_roce_key_hash(const struct xfrm_state *x)
{
	return siphash(x->aead->alg_key, DIV_ROUND_UP(x->aead->alg_key_len, BITS_PER_BYTE),
		       &secret);
}
EXPORT_SYMBOL_GPL(ipsec_roce_key_hash);
