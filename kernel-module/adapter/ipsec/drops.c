// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that IPsec drops: which counter moves, here and in /proc/net/xfrm_stat, and when the
 * log has a line.
 */
#include <net/xfrm.h>

#include "drops.h"

/* Two CPUs may both say it. */
void iroce_ipsec_tell_buried(struct iroce_func *f, const char *way)
{
	struct iroce_ipsec *ipsec = f->ipsec;

	if (READ_ONCE(ipsec->has_told) || !net_ratelimit())
		return;
	WRITE_ONCE(ipsec->has_told, true);
	netdev_notice(f->netdev,
		      "drops cleartext %s that nothing protects any more, or yet (%u policies are gone): protect it, or `ethtool --set-priv-flags %s ipsec-fail-closed off` to open\n",
		      way, READ_ONCE(ipsec->n_tombs), f->netdev->name);
}

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
		iroce_ipsec_tell_buried(f, "in");
	iroce_count(f, why);
	iroce_count(f, IROCE_STAT_ipsec_rx_drop_pkts);
	iroce_stat_add(f->stats, IROCE_STAT_ipsec_rx_drop_bytes, skb->len);
	XFRM_INC_STATS(dev_net(f->netdev), mib_of(why));
	kfree_skb(skb);
}

void iroce_ipsec_tx_count_drops(struct iroce_func *f, u32 n, u32 bytes, enum iroce_stat why)
{
	if (unlikely(why == IROCE_STAT_ipsec_tx_drop_fenced))
		iroce_ipsec_tell_buried(f, "out");
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
