// SPDX-License-Identifier: GPL-2.0
/*
 * A PF's say over its VFs, `ip link set PF vf N ...`, and what it sees of them. The PF's
 * word (struct iroce_vf) is kept while a VF has no driver, and ends with its VFs.
 *
 * None of these calls has an extack: what is refused is told in the kernel's log.
 *
 * GUIDs. `node_guid` and `port_guid` are refused by the core for all PFs that are not
 * InfiniBand's (handle_vf_guid()). As on mlx5 the GUID of a VF's RDMA device comes from its
 * address: what the PF gives as `mac` decides it when the VF's driver binds.
 */
#include <linux/etherdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>

#include "compat/compat.h"
#include "fabric/fabric.h"
#include "vf.h"

static struct iroce_vf *find_vf(const struct iroce_func *pf, int vf)
{
	if (pf->vf != IROCE_PF || vf < 0 || vf >= pci_num_vf(pf->pdev))
		return NULL;
	return iroce_port_vf(pf->port, vf);
}

/* ---- what is shown ---------------------------------------------------- */

int iroce_vf_get_config(struct net_device *pf, int index, struct ifla_vf_info *out)
{
	const struct iroce_vf *vf = find_vf(iroce_func(pf), index);

	if (!vf)
		return -EINVAL;
	out->vf = index;
	ether_addr_copy(out->mac, vf->mac);
	out->vlan = vf->vlan_tci & VLAN_VID_MASK;
	out->qos = vf->vlan_tci >> VLAN_PRIO_SHIFT;
	out->vlan_proto = htons(ETH_P_8021Q);
	out->min_tx_rate = 0;
	out->max_tx_rate = vf->max_tx_rate;
	out->spoofchk = vf->is_spoofchk;
	out->rss_query_en = vf->may_query_rss;
	out->trusted = vf->is_trusted;
	out->linkstate = vf->link_state;
	return 0;
}

/* Of the driver that is bound now. RTNL. */
static void add_stats(const struct iroce_func *f, struct ifla_vf_stats *sum)
{
	struct rtnl_link_stats64 host;

	/* What its host has, and what the host never sees. */
	dev_get_stats(f->netdev, &host);
	sum->rx_packets += host.rx_packets + iroce_stat_sum(f->stats, IROCE_STAT_rcvd_pkts);
	sum->tx_packets += host.tx_packets + iroce_stat_sum(f->stats, IROCE_STAT_sent_pkts);
	sum->rx_bytes += host.rx_bytes + iroce_stat_sum(f->stats, IROCE_STAT_rcvd_bytes);
	sum->tx_bytes += host.tx_bytes + iroce_stat_sum(f->stats, IROCE_STAT_sent_bytes);
	sum->broadcast += iroce_stat_sum(f->stats, IROCE_STAT_rx_broadcast);
	sum->multicast += host.multicast;
	sum->rx_dropped += host.rx_dropped;
	sum->tx_dropped += host.tx_dropped;
}

int iroce_vf_get_stats(struct net_device *pf, int index, struct ifla_vf_stats *out)
{
	const struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	const struct iroce_func *f;

	if (!vf)
		return -EINVAL;
	*out = vf->gone;
	f = iroce_port_func(iroce_func(pf)->port, index);
	if (f)
		add_stats(f, out);
	return 0;
}

void iroce_vf_keep_stats(struct iroce_func *f)
{
	struct iroce_vf *vf = iroce_port_vf(f->port, f->vf);

	ASSERT_RTNL();
	/* A netdev that could not be registered has none. */
	if (vf && f->netdev->reg_state == NETREG_UNREGISTERING)
		add_stats(f, &vf->gone);
}

void iroce_vf_address(const struct iroce_port *port, unsigned int vf, u8 *mac)
{
	const struct iroce_vf *said = iroce_port_vf(port, vf);

	iroce_port_func_mac(port, vf, mac);
	if (said && is_valid_ether_addr(said->mac))
		ether_addr_copy(mac, said->mac);
}

int iroce_vf_get_guid(struct net_device *pf, int index, struct ifla_vf_guid *node,
		      struct ifla_vf_guid *port)
{
	const struct iroce_func *f;
	u8 mac[ETH_ALEN], guid[8];

	if (!find_vf(iroce_func(pf), index))
		return -EINVAL;
	f = iroce_port_func(iroce_func(pf)->port, index);
	if (f)
		ether_addr_copy(mac, f->netdev->perm_addr);
	else
		iroce_vf_address(iroce_func(pf)->port, index, mac);
	addrconf_addr_eui48(guid, mac);
	node->guid = get_unaligned_be64(guid);
	port->guid = node->guid;
	return 0;
}

/* ---- what is set ------------------------------------------------------ */

/* A VF in use takes the address at once, another when its driver binds. */
int iroce_vf_set_mac(struct net_device *pf, int index, u8 *mac)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	struct iroce_func *f;
	struct sockaddr_storage ss = { .ss_family = pf->type };
	u8 old[ETH_ALEN];
	int err;

	if (!vf || is_multicast_ether_addr(mac))
		return -EINVAL;
	ether_addr_copy(old, vf->mac);
	ether_addr_copy(vf->mac, mac);
	iroce_macs_judge(iroce_func(pf)->port);
	f = is_zero_ether_addr(mac) ? NULL : iroce_port_func(iroce_func(pf)->port, index);
	if (!f)
		return 0;
	memcpy(((struct sockaddr *)&ss)->sa_data, mac, ETH_ALEN);
	err = iroce_compat_set_mac_address(f->netdev, &ss);
	if (err)
		ether_addr_copy(vf->mac, old);
	iroce_macs_resync(f);
	return err;
}

/* @vid 0: the VF is in no port VLAN, and tags as it likes. */
int iroce_vf_set_vlan(struct net_device *pf, int index, u16 vid, u8 qos, __be16 proto)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	struct iroce_func *f;

	if (!vf)
		return -EINVAL;
	if (proto != htons(ETH_P_8021Q)) {
		netdev_err(pf, "vf %d vlan: protocol 802.1Q only\n", index);
		return -EPROTONOSUPPORT;
	}
	if (vid >= VLAN_VID_MASK || qos > VLAN_PRIO_MASK >> VLAN_PRIO_SHIFT) {
		netdev_err(pf, "vf %d vlan: 1 to 4094, or 0 for none; qos: 0 to 7\n", index);
		return -EINVAL;
	}
	if (!vid && qos) {
		netdev_err(pf, "vf %d vlan: no qos without a VLAN\n", index);
		return -EINVAL;
	}
	WRITE_ONCE(vf->vlan_tci, qos << VLAN_PRIO_SHIFT | vid);
	/* Frames that wait for their turn have the old tag. */
	f = iroce_port_func(iroce_func(pf)->port, index);
	if (f && netif_running(f->netdev))
		iroce_shaper_purge(f, IROCE_STAT_tx_drop_port_vlan);
	return 0;
}

int iroce_vf_set_rate(struct net_device *pf, int index, int min, int max)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	struct iroce_func *f;

	if (!vf || min < 0 || max < 0)
		return -EINVAL;
	if (min) {
		netdev_err(pf, "vf %d min_tx_rate: the switch keeps no share of the port for a VF\n",
			   index);
		return -EOPNOTSUPP;
	}
	vf->max_tx_rate = max;
	f = iroce_port_func(iroce_func(pf)->port, index);
	if (f && netif_running(f->netdev))
		iroce_shaper_set_rate(f, max);
	return 0;
}

int iroce_vf_set_spoofchk(struct net_device *pf, int index, bool is_on)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);

	if (!vf)
		return -EINVAL;
	WRITE_ONCE(vf->is_spoofchk, is_on);
	return 0;
}

/* A word that is kept and shown: no VF has a hash key or table that it could be shown. */
int iroce_vf_set_rss_query_en(struct net_device *pf, int index, bool is_on)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);

	if (!vf)
		return -EINVAL;
	vf->may_query_rss = is_on;
	return 0;
}

int iroce_vf_set_trust(struct net_device *pf, int index, bool is_on)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	struct iroce_func *f;

	if (!vf)
		return -EINVAL;
	WRITE_ONCE(vf->is_trusted, is_on);
	f = iroce_port_func(iroce_func(pf)->port, index);
	/* Promiscuous mode and, under an address of the PF's, others are for the trusted. */
	if (f)
		iroce_macs_resync(f);
	return 0;
}

int iroce_vf_set_link_state(struct net_device *pf, int index, int state)
{
	struct iroce_vf *vf = find_vf(iroce_func(pf), index);
	struct iroce_func *f;

	if (!vf)
		return -EINVAL;
	switch (state) {
	case IFLA_VF_LINK_STATE_AUTO:
	case IFLA_VF_LINK_STATE_ENABLE:
	case IFLA_VF_LINK_STATE_DISABLE:
		break;
	default:
		return -EINVAL;
	}
	WRITE_ONCE(vf->link_state, state);
	f = iroce_port_func(iroce_func(pf)->port, index);
	if (f)
		iroce_vport_update_carrier(f);
	if (f && state == IFLA_VF_LINK_STATE_DISABLE && netif_running(f->netdev))
		iroce_shaper_purge(f, IROCE_STAT_tx_drop_link_down);
	return 0;
}
