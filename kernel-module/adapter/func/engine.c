// SPDX-License-Identifier: GPL-2.0
/*
 * Which functions may share an SA's numbers: those of one adapter. A bond of two
 * functions has an SA on both; the adapter counts it once, as an adapter with one
 * crypto engine does. ipsec_roce_engine.ko carries the word.
 */
#include "engine/ipsec_roce_engine.h"
#include "engine.h"
#include "ipsec/ipsec.h"

static const void *engine_of(const struct net_device *dev)
{
	return iroce_is_func(dev) ? iroce_func(dev)->port->adapter : NULL;
}

static struct ipsec_roce_engine engine = {
	.engine_of = engine_of,
	.state_add_shared = iroce_state_add_shared,
};

void iroce_engine_module_init(void)
{
	ipsec_roce_engine_register(&engine);
}

void iroce_engine_module_exit(void)
{
	ipsec_roce_engine_unregister(&engine);
}
