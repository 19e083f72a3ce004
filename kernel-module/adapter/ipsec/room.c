// SPDX-License-Identifier: GPL-2.0
/*
 * The IPsec half of a function, and of the module: set up and torn down.
 */
#include <linux/kmod.h>
#include <linux/slab.h>

#include "acquire.h"
#include "cipher.h"
#include "policy.h"
#include "sadb.h"
#include "xfrm.h"

int iroce_ipsec_init(struct iroce_func *f, const struct iroce_ipsec_events *events,
		     bool starts_closed)
{
	struct iroce_ipsec *ipsec;
	int err;

	ipsec = kzalloc(sizeof(*ipsec), GFP_KERNEL);
	if (!ipsec)
		return -ENOMEM;
	ipsec->f = f;
	ipsec->events = events;
	ipsec->is_fail_closed = true;
	ipsec->starts_closed = starts_closed;
	spin_lock_init(&ipsec->lock);
	mutex_init(&ipsec->resize_lock);
	INIT_LIST_HEAD(&ipsec->pending);

	err = iroce_acquire_init(ipsec);
	if (err)
		goto err_free;
	err = iroce_sadb_init(ipsec);
	if (err)
		goto err_acquire;
	err = iroce_policy_init(ipsec);
	if (err)
		goto err_sad;

	f->ipsec = ipsec;
	f->netdev->xfrmdev_ops = &iroce_xfrmdev_ops;
	/* Not in hw_features: it can't be switched off under a loaded SA. */
	f->netdev->features |= NETIF_F_HW_ESP;
	f->netdev->hw_enc_features |= NETIF_F_HW_ESP;
	return 0;

err_sad:
	iroce_sadb_fini(ipsec);
err_acquire:
	iroce_acquire_fini(ipsec);
err_free:
	mutex_destroy(&ipsec->resize_lock);
	kfree(ipsec);
	return err;
}

void iroce_ipsec_fini(struct iroce_func *f)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	cancel_work_sync(&ipsec->resize_work);
	/* The tables have no RCU head of their own. */
	synchronize_rcu();
	iroce_acquire_fini(ipsec);
	iroce_policy_fini(ipsec);
	iroce_sadb_fini(ipsec);
	f->ipsec = NULL;
	mutex_destroy(&ipsec->resize_lock);
	kfree(ipsec);
}

int iroce_ipsec_module_init(void)
{
	int err;

	iroce_ipsec_wq = alloc_workqueue("iroce_ipsec", WQ_UNBOUND, 0);
	if (!iroce_ipsec_wq)
		return -ENOMEM;
	/*
	 * Nothing asks for the fast AES-GCM by a name that modprobe knows; udev loads
	 * it by CPU type where there is udev. Without it the slow one does.
	 */
	if (IS_ENABLED(CONFIG_CRYPTO_AES_NI_INTEL))
		request_module("aesni_intel");
	err = iroce_cipher_module_init();
	if (err)
		goto err_wq;
	return 0;

err_wq:
	destroy_workqueue(iroce_ipsec_wq);
	return err;
}

void iroce_ipsec_module_exit(void)
{
	/* Queues what waits for its grace period, then runs it: the last SAs free their keys. */
	rcu_barrier();
	destroy_workqueue(iroce_ipsec_wq);
	iroce_cipher_module_exit();
}
