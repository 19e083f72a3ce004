// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool for a function: who it is, its link, all its counters, and the switch
 * that opens the adapter for cleartext of flows that a vanished policy protected.
 *
 * Rings, channels, coalescing and pause frames are as they are: shown, since tools ask
 * every NIC, and a change is refused. Where the call has no extack the log has the reason.
 */
#include <linux/ethtool.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>

#include "compat/compat.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "netdev.h"

/* Told where the cable knows none (virtio): RDMA and bonds want a number. */
#define DEFAULT_SPEED SPEED_10000

static const char *const uplink_names[] = {
#define NAME(name) [IROCE_##name] = #name,
	IROCE_UPLINK_STATS(NAME)
#undef NAME
};

enum { FLAG_FAIL_CLOSED, FLAG_STARTS_CLOSED, N_FLAGS };

static const char *const flag_names[N_FLAGS] = {
	[FLAG_FAIL_CLOSED] = "ipsec-fail-closed",
	[FLAG_STARTS_CLOSED] = "ipsec-closed-until-protected",
};

/* What is no count of packets: how many there are now. */
#define N_GAUGES 1

static void get_drvinfo(struct net_device *netdev, struct ethtool_drvinfo *info)
{
	const struct iroce_func *f = iroce_func(netdev);

	strscpy(info->driver, "iroce", sizeof(info->driver));
	strscpy(info->bus_info, pci_name(f->pdev), sizeof(info->bus_info));
	info->n_priv_flags = N_FLAGS;
}

static int get_link_ksettings(struct net_device *netdev, struct ethtool_link_ksettings *out)
{
	const struct iroce_func *f = iroce_func(netdev);
	struct net_device *cable = rtnl_dereference(f->port->cable);
	struct ethtool_link_ksettings lower;

	ethtool_link_ksettings_zero_link_mode(out, supported);
	ethtool_link_ksettings_zero_link_mode(out, advertising);
	out->base.port = PORT_OTHER;
	out->base.autoneg = AUTONEG_DISABLE;
	out->base.duplex = netif_carrier_ok(netdev) ? DUPLEX_FULL : DUPLEX_UNKNOWN;
	out->base.speed = SPEED_UNKNOWN;
	if (!netif_carrier_ok(netdev))
		return 0;
	out->base.speed = DEFAULT_SPEED;
	if (cable && !__ethtool_get_link_ksettings(cable, &lower) &&
	    lower.base.speed && lower.base.speed != SPEED_UNKNOWN)
		out->base.speed = lower.base.speed;
	return 0;
}

/* What belongs to the port is the PF's to see. */
static unsigned int n_uplink_stats(const struct iroce_func *f)
{
	return f->vf == IROCE_PF ? IROCE_UPLINK_STAT_MAX : 0;
}

static int get_sset_count(struct net_device *netdev, int sset)
{
	switch (sset) {
	case ETH_SS_STATS:
		return IROCE_STAT_MAX + N_GAUGES + n_uplink_stats(iroce_func(netdev));
	case ETH_SS_PRIV_FLAGS:
		return N_FLAGS;
	default:
		return -EOPNOTSUPP;
	}
}

static void get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	unsigned int i;

	switch (sset) {
	case ETH_SS_STATS:
		for (i = 0; i < IROCE_STAT_MAX; i++)
			ethtool_puts(&data, iroce_stat_name(i));
		ethtool_puts(&data, "ipsec_fences");
		for (i = 0; i < n_uplink_stats(iroce_func(netdev)); i++)
			ethtool_puts(&data, uplink_names[i]);
		break;
	case ETH_SS_PRIV_FLAGS:
		for (i = 0; i < N_FLAGS; i++)
			ethtool_puts(&data, flag_names[i]);
		break;
	}
}

static void get_ethtool_stats(struct net_device *netdev, struct ethtool_stats *stats, u64 *data)
{
	const struct iroce_func *f = iroce_func(netdev);
	unsigned int i;

	for (i = 0; i < IROCE_STAT_MAX; i++)
		*data++ = iroce_stat_sum(f->stats, i);
	*data++ = iroce_ipsec_n_tombs(f);
	for (i = 0; i < n_uplink_stats(f); i++)
		*data++ = iroce_port_stat_sum(f->port, i);
}

static u32 get_priv_flags(struct net_device *netdev)
{
	const struct iroce_func *f = iroce_func(netdev);

	return (iroce_ipsec_is_fail_closed(f) ? BIT(FLAG_FAIL_CLOSED) : 0) |
	       (iroce_vport_starts_closed(f) ? BIT(FLAG_STARTS_CLOSED) : 0);
}

static int set_priv_flags(struct net_device *netdev, u32 flags)
{
	struct iroce_func *f = iroce_func(netdev);
	u32 changed = flags ^ get_priv_flags(netdev);

	if (flags & ~(u32)(BIT(N_FLAGS) - 1))
		return -EINVAL;
	if (changed & BIT(FLAG_FAIL_CLOSED))
		iroce_ipsec_set_fail_closed(f, flags & BIT(FLAG_FAIL_CLOSED));
	if (changed & BIT(FLAG_STARTS_CLOSED)) {
		iroce_vport_set_starts_closed(f, flags & BIT(FLAG_STARTS_CLOSED));
		iroce_ipsec_set_starts_closed(f, flags & BIT(FLAG_STARTS_CLOSED));
	}
	return 0;
}

/* ---- what is fixed ---------------------------------------------------- */

/* In: frames that wait in one queue for what the switch delivers. Out: in one to the cable. */
static void get_ringparam(struct net_device *netdev, struct ethtool_ringparam *out,
			  struct kernel_ethtool_ringparam *more, struct netlink_ext_ack *extack)
{
	out->rx_max_pending = IROCE_RXQ_LIMIT;
	out->rx_pending = IROCE_RXQ_LIMIT;
	out->tx_max_pending = IROCE_UPLINK_LIMIT;
	out->tx_pending = IROCE_UPLINK_LIMIT;
}

static int set_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			 struct kernel_ethtool_ringparam *more, struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "iroce: queues in software, their length is fixed");
	return -EOPNOTSUPP;
}

static u32 get_rx_ring_count(struct net_device *netdev)
{
	return iroce_func(netdev)->host->n_queues;
}

static void get_channels(struct net_device *netdev, struct ethtool_channels *out)
{
	out->max_combined = get_rx_ring_count(netdev);
	out->combined_count = get_rx_ring_count(netdev);
}

static int set_channels(struct net_device *netdev, struct ethtool_channels *channels)
{
	netdev_err(netdev, "channels: as many as there were CPUs at probe, at most %u, and fixed\n",
		   IROCE_MAX_QUEUES);
	return -EOPNOTSUPP;
}

static int get_coalesce(struct net_device *netdev, struct ethtool_coalesce *out,
			struct kernel_ethtool_coalesce *more, struct netlink_ext_ack *extack)
{
	/* All zero: nothing is put off. */
	return 0;
}

static int set_coalesce(struct net_device *netdev, struct ethtool_coalesce *in,
			struct kernel_ethtool_coalesce *more, struct netlink_ext_ack *extack)
{
	if (!in->rx_coalesce_usecs && !in->tx_coalesce_usecs)
		return 0;
	NL_SET_ERR_MSG(extack, "iroce: no interrupts that could be put off, 0 only");
	return -EOPNOTSUPP;
}

/* A function neither sends pause frames nor heeds them; its cable's driver may. */
static void get_pauseparam(struct net_device *netdev, struct ethtool_pauseparam *out)
{
	out->autoneg = AUTONEG_DISABLE;
	out->rx_pause = 0;
	out->tx_pause = 0;
}

static int set_pauseparam(struct net_device *netdev, struct ethtool_pauseparam *in)
{
	if (!in->autoneg && !in->rx_pause && !in->tx_pause)
		return 0;
	netdev_err(netdev, "pause frames: a function has none, see the cable's\n");
	return -EOPNOTSUPP;
}

/* No rules, and no room for one: tc filters are what a function offloads. */
static int get_rxnfc(struct net_device *netdev, struct ethtool_rxnfc *out, u32 *rules)
{
	switch (out->cmd) {
	case ETHTOOL_GRXRINGS:
		out->data = get_rx_ring_count(netdev);
		return 0;
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
		out->rule_cnt = 0;
		out->data = 0;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

const struct ethtool_ops iroce_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_USECS,
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = get_link_ksettings,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_ethtool_stats,
	.get_priv_flags = get_priv_flags,
	.set_priv_flags = set_priv_flags,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_ringparam = get_ringparam,
	.set_ringparam = set_ringparam,
	.get_channels = get_channels,
	.set_channels = set_channels,
	.get_coalesce = get_coalesce,
	.set_coalesce = set_coalesce,
	.get_pauseparam = get_pauseparam,
	.set_pauseparam = set_pauseparam,
	.get_rxnfc = get_rxnfc,
	IROCE_COMPAT_RX_RING_COUNT(get_rx_ring_count)
};
