// SPDX-License-Identifier: GPL-2.0
/*
 * The numbers of an SA: sequence counter, IVs, replay window, and who may share
 * them. A bond of two functions has an SA on both; the adapter counts it once, as
 * an adapter with one crypto engine does. ipsec_roce_engine.ko carries the word.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "engine/ipsec_roce_engine.h"
#include "ipsec.h"

struct iroce_numbers *iroce_numbers_create(void)
{
	struct iroce_numbers *num;

	num = kzalloc(sizeof(*num), GFP_KERNEL);
	if (!num)
		return NULL;
	refcount_set(&num->ref, 1);
	spin_lock_init(&num->lock);
	get_random_bytes(&num->iv_base, sizeof(num->iv_base));
	return num;
}

void iroce_numbers_put(struct iroce_numbers *num)
{
	if (refcount_dec_and_test(&num->ref))
		kfree(num);
}

static const void *engine_of(const struct net_device *dev)
{
	return iroce_is_func(dev) ? iroce_func(dev)->port->adapter : NULL;
}

static struct ipsec_roce_engine engine = {
	.engine_of = engine_of,
	.state_add_shared = iroce_state_add_shared,
};

void iroce_numbers_module_init(void)
{
	ipsec_roce_engine_register(&engine);
}

void iroce_numbers_module_exit(void)
{
	ipsec_roce_engine_unregister(&engine);
}
