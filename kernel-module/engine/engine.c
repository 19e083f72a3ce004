// SPDX-License-Identifier: GPL-2.0
/*
 * Module ipsec_roce_engine: where drivers say which of their devices share an
 * SA's numbers, and where the helper of bonds asks for it. See the header.
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <net/xfrm.h>

#include "ipsec_roce_engine.h"
#include "own.h"

static LIST_HEAD(engines);
/* Held for reading while a driver is called, so that it does not go meanwhile. */
static DECLARE_RWSEM(engines_sem);

void ipsec_roce_engine_register(struct ipsec_roce_engine *engine)
{
	down_write(&engines_sem);
	list_add_tail(&engine->link, &engines);
	up_write(&engines_sem);
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_register);

void ipsec_roce_engine_unregister(struct ipsec_roce_engine *engine)
{
	down_write(&engines_sem);
	list_del(&engine->link);
	up_write(&engines_sem);
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_unregister);

const void *ipsec_roce_engine_of(const struct net_device *dev)
{
	const struct ipsec_roce_engine *engine;
	const void *id = NULL;

	down_read(&engines_sem);
	list_for_each_entry(engine, &engines, link) {
		id = engine->engine_of(dev);
		if (id)
			break;
	}
	up_read(&engines_sem);
	return id;
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_of);

int ipsec_roce_engine_state_add(struct net_device *dev, struct xfrm_state *x,
				const struct xfrm_state *first, struct netlink_ext_ack *extack)
{
	const struct ipsec_roce_engine *engine;
	int err = -EOPNOTSUPP;

	down_read(&engines_sem);
	list_for_each_entry(engine, &engines, link) {
		if (!engine->engine_of(dev))
			continue;
		err = engine->state_add_shared(dev, x, first, extack);
		break;
	}
	up_read(&engines_sem);
	if (err == -EOPNOTSUPP)
		NL_SET_ERR_MSG_WEAK(extack, "The device shares SAs with no other");
	return err;
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_state_add);

static const struct ipsec_roce_helper __rcu *helper;

void ipsec_roce_engine_set_helper(const struct ipsec_roce_helper *new)
{
	rcu_assign_pointer(helper, new);
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_set_helper);

/* RCU read side. */
static const struct ipsec_roce_helper *helper_of(const struct net_device *dev)
{
	const struct ipsec_roce_helper *h = rcu_dereference(helper);

	return h && READ_ONCE(dev->xfrmdev_ops) == h->ops ? h : NULL;
}

bool ipsec_roce_engine_is_helped(const struct net_device *dev)
{
	return helper_of(dev);
}
EXPORT_SYMBOL_GPL(ipsec_roce_engine_is_helped);

void ipsec_roce_engine_missed(struct xfrm_state *x, struct sk_buff *skb)
{
	const struct ipsec_roce_helper *h;
	const struct net_device *dev;

	rcu_read_lock();
	dev = READ_ONCE(x->xso.dev);
	h = dev ? helper_of(dev) : NULL;
	if (h)
		h->missed(x, skb);
	rcu_read_unlock();
}

static int __init engine_init(void)
{
	ipsec_roce_key_hash_init();
	return 0;
}

static void __exit engine_exit(void)
{
	/* Packets that were about to be refused by a closed state, see closed.c. */
	synchronize_rcu();
	ipsec_roce_policy_exit();
	ipsec_roce_key_hash_exit();
}

module_init(engine_init);
module_exit(engine_exit);

MODULE_DESCRIPTION("Which network devices share the sequence numbers of IPsec SAs");
MODULE_AUTHOR("roce-ipsec");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
