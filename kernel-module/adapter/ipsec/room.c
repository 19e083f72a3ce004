// SPDX-License-Identifier: GPL-2.0
/*
 * The IPsec half of a function: set up and torn down with its netdev, its
 * counters, its tables' growth, and the question the engine asks: what becomes
 * of this flow.
 */
#include <linux/kmod.h>
#include <linux/slab.h>

#include "ipsec.h"

struct workqueue_struct *iroce_ipsec_wq;

/* ---- drops ------------------------------------------------------------ */

/* How /proc/net/xfrm_stat calls it; the first three as mlx5 folds them. */
static int mib_of(enum iroce_stat why)
{
	switch (why) {
	case IROCE_STAT_ipsec_rx_drop_auth:
	case IROCE_STAT_ipsec_rx_drop_crypto:
		return LINUX_MIB_XFRMINSTATEPROTOERROR;
	case IROCE_STAT_ipsec_rx_drop_trailer:
	case IROCE_STAT_ipsec_rx_drop_short:
		return LINUX_MIB_XFRMINHDRERROR;
	case IROCE_STAT_ipsec_rx_drop_replay:
		return LINUX_MIB_XFRMINSTATESEQERROR;
	case IROCE_STAT_ipsec_rx_drop_mismatch_sa_sel:
		return LINUX_MIB_XFRMINSTATEMISMATCH;
	case IROCE_STAT_ipsec_rx_drop_sp_alloc:
		return LINUX_MIB_XFRMINERROR;
	case IROCE_STAT_ipsec_rx_drop_sadb_miss:
		return LINUX_MIB_XFRMINNOSTATES;
	case IROCE_STAT_ipsec_rx_drop_plain:
	case IROCE_STAT_ipsec_rx_drop_policy:
		return LINUX_MIB_XFRMINTMPLMISMATCH;
	case IROCE_STAT_ipsec_rx_drop_fenced:
		return LINUX_MIB_XFRMINNOPOLS;
	case IROCE_STAT_ipsec_rx_drop_blocked:
		return LINUX_MIB_XFRMINPOLBLOCK;
	case IROCE_STAT_ipsec_rx_drop_expired:
		return LINUX_MIB_XFRMINSTATEEXPIRED;
	case IROCE_STAT_ipsec_tx_drop_no_state:
		return LINUX_MIB_XFRMOUTNOSTATES;
	case IROCE_STAT_ipsec_tx_drop_fenced:
		return LINUX_MIB_XFRMOUTPOLERROR;
	case IROCE_STAT_ipsec_tx_drop_blocked:
		return LINUX_MIB_XFRMOUTPOLBLOCK;
	case IROCE_STAT_ipsec_tx_drop_seq_overflow:
		return LINUX_MIB_XFRMOUTSTATESEQERROR;
	case IROCE_STAT_ipsec_tx_drop_expired:
		return LINUX_MIB_XFRMOUTSTATEEXPIRED;
	case IROCE_STAT_ipsec_tx_drop_crypto:
		return LINUX_MIB_XFRMOUTSTATEPROTOERROR;
	default:
		return LINUX_MIB_XFRMOUTERROR;
	}
}

void iroce_ipsec_rx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why)
{
	if (unlikely(why == IROCE_STAT_ipsec_rx_drop_fenced))
		iroce_ipsec_tell_fenced(f, "in");
	iroce_count(f, why);
	iroce_count(f, IROCE_STAT_ipsec_rx_drop_pkts);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_rx_drop_bytes, skb->len);
	XFRM_INC_STATS(dev_net(f->netdev), mib_of(why));
	kfree_skb(skb);
}

void iroce_ipsec_tx_count_drops(struct iroce_func *f, u32 n, u32 bytes, enum iroce_stat why)
{
	if (unlikely(why == IROCE_STAT_ipsec_tx_drop_fenced))
		iroce_ipsec_tell_fenced(f, "out");
	iroce_stat_add(f->stats, why, n);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_tx_drop_pkts, n);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_tx_drop_bytes, bytes);
	XFRM_ADD_STATS(dev_net(f->netdev), mib_of(why), n);
}

void iroce_ipsec_tx_drop(struct iroce_func *f, struct sk_buff *skb, enum iroce_stat why)
{
	iroce_ipsec_tx_count_drops(f, 1, skb->len, why);
	kfree_skb(skb);
}

enum iroce_stat iroce_ipsec_seal_drop(int err)
{
	switch (err) {
	case -ESTALE:
		return IROCE_STAT_ipsec_tx_drop_no_state;
	case -EOVERFLOW:
		return IROCE_STAT_ipsec_tx_drop_seq_overflow;
	case -EKEYEXPIRED:
		return IROCE_STAT_ipsec_tx_drop_expired;
	case -ENOMEM:
		return IROCE_STAT_ipsec_tx_drop_no_mem;
	case -EMSGSIZE:
		return IROCE_STAT_ipsec_tx_drop_malformed;
	default:
		return IROCE_STAT_ipsec_tx_drop_crypto;
	}
}

/* ---- what becomes of a flow ------------------------------------------- */

/* As xfrm: transport mode takes the packet's addresses, the template says the rest. */
static struct iroce_sa *find_out(const struct iroce_ipsec *ipsec,
				 const struct iroce_policy *policy,
				 const struct iroce_flow_key *key)
{
	const struct iroce_sad_out_key out = {
		.saddr = key->saddr,
		.daddr = key->daddr,
		.reqid = policy->reqid,
		.spi = policy->spi,
		.family = key->family,
	};
	struct iroce_sad_node *node = iroce_sad_find_out(&ipsec->sad, &out, key);

	return node ? iroce_sa_of(node) : NULL;
}

bool iroce_ipsec_protects(const struct iroce_func *f, bool is_out,
			  const struct iroce_flow_key *key)
{
	enum iroce_dir dir = is_out ? IROCE_DIR_OUT : IROCE_DIR_IN;
	struct iroce_policy *policy;

	if (iroce_spd_is_open(f->ipsec, dir))
		return false;
	switch (iroce_spd_decide(f->ipsec, dir, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		return false;
	default:
		return true;
	}
}

enum iroce_verdict iroce_ipsec_out(struct iroce_func *f, const struct iroce_flow_key *key,
				   struct iroce_sa **sa, enum iroce_stat *why)
{
	enum iroce_verdict verdict = IROCE_CLOSED;
	struct iroce_ipsec *ipsec = f->ipsec;
	struct iroce_policy *policy;

	*sa = NULL;
	rcu_read_lock();
	switch (iroce_spd_decide(ipsec, IROCE_DIR_OUT, key, &policy)) {
	case IROCE_POLICY_NONE:
	case IROCE_POLICY_BYPASS:
		verdict = IROCE_PLAIN;
		break;
	case IROCE_POLICY_SEAL:
		*sa = find_out(ipsec, policy, key);
		/* Its last reference may just have gone. */
		if (*sa && refcount_inc_not_zero(&(*sa)->ref)) {
			verdict = IROCE_SEAL;
			break;
		}
		*sa = NULL;
		*why = IROCE_STAT_ipsec_tx_drop_no_state;
		iroce_acquire(ipsec, policy, key);
		break;
	case IROCE_POLICY_BLOCK:
		*why = IROCE_STAT_ipsec_tx_drop_blocked;
		break;
	case IROCE_POLICY_FENCED:
		*why = IROCE_STAT_ipsec_tx_drop_fenced;
		break;
	}
	rcu_read_unlock();
	return verdict;
}

/* ---- growth ----------------------------------------------------------- */

/* @mem is the new table; returns what to free after a grace period. */
static void *sad_swap(struct iroce_ipsec *ipsec, void *mem, u32 n_buckets)
{
	void *old = mem;

	spin_lock_bh(&ipsec->lock);
	if (iroce_sad_rehash(&ipsec->sad, mem, n_buckets, &old))
		old = mem;
	spin_unlock_bh(&ipsec->lock);
	return old;
}

static void sad_resize(struct iroce_ipsec *ipsec)
{
	u32 n_buckets;
	void *mem, *old;

	spin_lock_bh(&ipsec->lock);
	n_buckets = iroce_sad_wants_resize(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
	if (!n_buckets)
		return;
	/* Without memory it goes on as it is, only slower. */
	mem = kvmalloc(iroce_sad_mem_size(n_buckets), GFP_KERNEL | __GFP_NOWARN);
	if (!mem)
		return;
	old = sad_swap(ipsec, mem, n_buckets);
	synchronize_rcu();
	kvfree(old);
	spin_lock_bh(&ipsec->lock);
	iroce_sad_rehash_done(&ipsec->sad);
	spin_unlock_bh(&ipsec->lock);
}

static void resize_work(struct work_struct *work)
{
	struct iroce_ipsec *ipsec = container_of(work, struct iroce_ipsec, resize_work);

	mutex_lock(&ipsec->resize_lock);
	sad_resize(ipsec);
	mutex_unlock(&ipsec->resize_lock);
}

/* ---- life ------------------------------------------------------------- */

int iroce_ipsec_init(struct iroce_func *f)
{
	struct iroce_ipsec *ipsec;
	int err;

	ipsec = kzalloc(sizeof(*ipsec), GFP_KERNEL);
	if (!ipsec)
		return -ENOMEM;
	ipsec->f = f;
	ipsec->is_fail_closed = true;
	ipsec->starts_closed = iroce_vport_starts_closed(f);
	spin_lock_init(&ipsec->lock);
	mutex_init(&ipsec->resize_lock);
	INIT_WORK(&ipsec->resize_work, resize_work);
	INIT_LIST_HEAD(&ipsec->pending);

	err = iroce_acquire_setup(ipsec);
	if (err)
		goto err_free;
	err = iroce_sad_setup(ipsec);
	if (err)
		goto err_acquire;
	err = iroce_spd_setup(ipsec);
	if (err)
		goto err_sad;

	f->ipsec = ipsec;
	f->netdev->xfrmdev_ops = &iroce_xfrmdev_ops;
	/* Not in hw_features: it can't be switched off under a loaded SA. */
	f->netdev->features |= NETIF_F_HW_ESP;
	f->netdev->hw_enc_features |= NETIF_F_HW_ESP;
	return 0;

err_sad:
	iroce_sad_teardown(ipsec);
err_acquire:
	iroce_acquire_teardown(ipsec);
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
	iroce_acquire_teardown(ipsec);
	iroce_spd_teardown(ipsec);
	iroce_sad_teardown(ipsec);
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
	err = iroce_crypt_init();
	if (err)
		goto err_wq;
	iroce_numbers_module_init();
	return 0;

err_wq:
	destroy_workqueue(iroce_ipsec_wq);
	return err;
}

void iroce_ipsec_module_exit(void)
{
	iroce_numbers_module_exit();
	/* Queues what waits for its grace period, then runs it: the last SAs free their keys. */
	rcu_barrier();
	destroy_workqueue(iroce_ipsec_wq);
	iroce_crypt_exit();
}
