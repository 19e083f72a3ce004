// SPDX-License-Identifier: GPL-2.0
/*
 * The netdev of a function: what the host stack, iproute2 and udev see.
 *
 * No checksum, segmentation or VLAN offload is advertised: each frame is final
 * when it gets here, so sealing sees exactly what would be on the wire. Frames
 * inside the adapter carry their VLAN tag in the frame, never accelerated. With
 * scatter-gather (ethtool -K DEV sg on) a frame may be in pages: who looks at its
 * headers pulls them.
 */
#include <linux/etherdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/gro_cells.h>

#include "compat/compat.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "lag.h"
#include "netdev.h"
#include "roce/roce.h"
#include "vf.h"

/* ---- receive ---------------------------------------------------------- */

/* A cleartext or opened frame goes to the host stack. Data is at the Ethernet header. Softirq. */
static void receive_host(struct iroce_func *f, struct sk_buff *skb)
{
	struct net_device *netdev = f->netdev;

	dev_sw_netstats_rx_add(netdev, skb->len);
	skb->protocol = eth_type_trans(skb, netdev);
	if (skb->pkt_type == PACKET_MULTICAST)
		iroce_count(f, IROCE_STAT_rx_multicast);
	else if (skb->pkt_type == PACKET_BROADCAST)
		iroce_count(f, IROCE_STAT_rx_broadcast);
	gro_cells_receive(&f->host->gro, skb);
}

static void receive_frame(struct iroce_func *f, struct sk_buff *skb)
{
	struct iroce_sa *sa;

	switch (iroce_ipsec_open(f, &skb, &sa)) {
	case IROCE_TO_HOST:
		receive_host(f, skb);
		break;
	case IROCE_TO_ROCE:
		iroce_roce_rx(f, skb, sa);
		break;
	case IROCE_CONSUMED:
		break;
	}
}

static void queue_frame(struct iroce_func *f, struct sk_buff *skb)
{
	struct iroce_host *host = f->host;
	struct iroce_rxq *q;
	bool is_queued;

	q = &host->queues[reciprocal_scale(iroce_switch_flow_hash(skb), host->n_queues)];
	spin_lock(&q->frames.lock);
	is_queued = q->is_open && skb_queue_len(&q->frames) < IROCE_RXQ_LIMIT;
	if (is_queued)
		__skb_queue_tail(&q->frames, skb);
	spin_unlock(&q->frames.lock);

	if (is_queued) {
		napi_schedule(&q->napi);
	} else {
		iroce_count(f, IROCE_STAT_rx_drop_queue);
		kfree_skb(skb);
	}
}

static int poll_queue(struct napi_struct *napi, int budget)
{
	struct iroce_rxq *q = container_of(napi, struct iroce_rxq, napi);
	struct sk_buff *skb;
	int done = 0;

	rcu_read_lock();
	while (done < budget) {
		skb = skb_dequeue(&q->frames);
		if (!skb)
			break;
		if (iroce_vport_admits(q->func, skb))
			receive_frame(q->func, skb);
		done++;
	}
	rcu_read_unlock();

	if (done < budget && napi_complete_done(napi, done) && !skb_queue_empty_lockless(&q->frames))
		napi_schedule(napi);
	return done;
}

static void open_queues(struct iroce_host *host)
{
	struct iroce_rxq *q;
	unsigned int i;

	for (i = 0; i < host->n_queues; i++) {
		q = &host->queues[i];
		napi_enable(&q->napi);
		spin_lock_bh(&q->frames.lock);
		q->is_open = true;
		spin_unlock_bh(&q->frames.lock);
	}
}

static void close_queues(struct iroce_host *host)
{
	struct iroce_rxq *q;
	unsigned int i;

	for (i = 0; i < host->n_queues; i++) {
		q = &host->queues[i];
		spin_lock_bh(&q->frames.lock);
		q->is_open = false;
		spin_unlock_bh(&q->frames.lock);
		/* A sender may still be between its unlock and napi_schedule(). */
		napi_disable(&q->napi);
		skb_queue_purge(&q->frames);
	}
}

/* ---- net_device_ops --------------------------------------------------- */

static int ndo_open(struct net_device *netdev)
{
	struct iroce_func *f = iroce_func(netdev);
	int err;

	err = iroce_macs_attach(f);
	if (err)
		return err;
	open_queues(f->host);
	iroce_shaper_start(f);
	netif_tx_start_all_queues(netdev);
	iroce_vport_update_carrier(f);
	return 0;
}

static int ndo_stop(struct net_device *netdev)
{
	struct iroce_func *f = iroce_func(netdev);

	netif_tx_stop_all_queues(netdev);
	netif_carrier_off(netdev);
	iroce_macs_detach(f);
	iroce_shaper_stop(f);
	close_queues(f->host);
	return 0;
}

static netdev_tx_t ndo_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct iroce_func *f = iroce_func(netdev);

	dev_sw_netstats_tx_add(netdev, 1, skb->len);
	skb_tx_timestamp(skb);
	skb = iroce_ipsec_seal_host(f, skb);
	if (skb)
		iroce_switch_xmit(f, skb);
	return NETDEV_TX_OK;
}

static int ndo_set_mac_address(struct net_device *netdev, void *addr)
{
	struct iroce_func *f = iroce_func(netdev);
	const struct iroce_vf *vf = iroce_port_vf(f->port, f->vf);
	const struct sockaddr *sa = addr;
	const u8 *mac = sa->sa_data;
	int err;

	if (!is_valid_ether_addr(mac))
		return -EADDRNOTAVAIL;
	/* An address that the PF gave to a VF is the PF's to change. */
	if (vf && !vf->is_trusted && is_valid_ether_addr(vf->mac) &&
	    !ether_addr_equal(vf->mac, mac))
		return -EPERM;
	err = iroce_macs_move(f, netdev->dev_addr, mac);
	if (err)
		return err;
	eth_hw_addr_set(netdev, mac);
	iroce_roce_func_changed(f);
	return 0;
}

static int ndo_change_mtu(struct net_device *netdev, int mtu)
{
	WRITE_ONCE(netdev->mtu, mtu);
	return 0;
}

static void ndo_set_rx_mode(struct net_device *netdev)
{
	iroce_macs_sync(iroce_func(netdev));
}

/* Drops on the way out and in, of host traffic and RoCE alike, by their reasons. */
static void ndo_get_stats64(struct net_device *netdev, struct rtnl_link_stats64 *out)
{
	static const enum iroce_stat rx[] = {
		IROCE_STAT_ipsec_rx_drop_pkts, IROCE_STAT_rx_drop_no_mem,
		IROCE_STAT_rx_drop_queue, IROCE_STAT_rx_drop_port_vlan,
		IROCE_STAT_tc_drop_ingress,
	};
	static const enum iroce_stat tx[] = {
		IROCE_STAT_ipsec_tx_drop_pkts, IROCE_STAT_tx_drop_link_down,
		IROCE_STAT_tx_drop_runt, IROCE_STAT_tx_drop_spoofed,
		IROCE_STAT_tx_drop_oversize, IROCE_STAT_tx_drop_port_vlan,
		IROCE_STAT_tx_drop_rate, IROCE_STAT_tx_drop_uplink,
		IROCE_STAT_tx_drop_no_mem, IROCE_STAT_tc_drop_egress,
	};
	struct iroce_func *f = iroce_func(netdev);
	unsigned int i;

	dev_fetch_sw_netstats(out, netdev->tstats);
	out->multicast = iroce_stat_sum(f->stats, IROCE_STAT_rx_multicast);
	for (i = 0; i < ARRAY_SIZE(rx); i++)
		out->rx_dropped += iroce_stat_sum(f->stats, rx[i]);
	for (i = 0; i < ARRAY_SIZE(tx); i++)
		out->tx_dropped += iroce_stat_sum(f->stats, tx[i]);
}

/* Its counters go next, and what they say of a VF is its PF's to see. RTNL. */
static void ndo_uninit(struct net_device *netdev)
{
	iroce_vf_keep_stats(iroce_func(netdev));
}

static int ndo_set_features(struct net_device *netdev, netdev_features_t features)
{
	netdev_features_t changed = netdev->features ^ features;

	if ((changed & NETIF_F_HW_TC) && !(features & NETIF_F_HW_TC) &&
	    iroce_fence_has_rules(iroce_func(netdev))) {
		netdev_err(netdev, "hw-tc-offload: remove the offloaded filters first\n");
		return -EBUSY;
	}
	return 0;
}

static int ndo_get_phys_port_name(struct net_device *netdev, char *name, size_t len)
{
	const struct iroce_func *f = iroce_func(netdev);

	/* A VF is named after its PF by udev ("...v3"); a port name would only blur it. */
	if (f->vf != IROCE_PF)
		return -EOPNOTSUPP;
	if (snprintf(name, len, "p%u", f->port->index) >= len)
		return -EINVAL;
	return 0;
}

/* ---- ops -------------------------------------------------------------- */

static const struct net_device_ops netdev_ops = {
	.ndo_open = ndo_open,
	.ndo_stop = ndo_stop,
	.ndo_start_xmit = ndo_start_xmit,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_mac_address = ndo_set_mac_address,
	.ndo_change_mtu = ndo_change_mtu,
	.ndo_set_rx_mode = ndo_set_rx_mode,
	.ndo_get_stats64 = ndo_get_stats64,
	.ndo_set_features = ndo_set_features,
	.ndo_setup_tc = iroce_tc_setup,
	.ndo_get_phys_port_name = ndo_get_phys_port_name,
	.ndo_uninit = ndo_uninit,
	IROCE_VF_NDOS
};

/* The core's own NETDEV_CHANGE may come a second later. */
static void link_changed(struct iroce_func *f)
{
	iroce_rdma_netdev_event(f, NETDEV_CHANGE);
}

static const struct iroce_vport_ops vport_ops = {
	.receive = receive_frame,
	.queue = queue_frame,
	.link_changed = link_changed,
};

/* ---- life ------------------------------------------------------------- */

static void set_address(struct iroce_func *f)
{
	u8 mac[ETH_ALEN];

	iroce_vf_address(f->port, f->vf, mac);
	eth_hw_addr_set(f->netdev, mac);
}

static void set_properties(struct iroce_func *f)
{
	struct net_device *netdev = f->netdev;

	SET_NETDEV_DEVTYPE(netdev, &iroce_func_type);
	netdev->netdev_ops = &netdev_ops;
	netdev->ethtool_ops = &iroce_ethtool_ops;
	netdev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	/* Senders on several CPUs meet only in the queue of the port. */
	netdev->lltx = true;
	netdev->priv_flags |= IFF_NO_QUEUE | IFF_UNICAST_FLT | IFF_LIVE_ADDR_CHANGE;
	/* netpoll sends from any context, also while this CPU is at a packet. */
	netdev->priv_flags |= IFF_DISABLE_NETPOLL;
	/* Frames are queued and written into: pktgen must not send one many times. */
	netdev->priv_flags &= ~IFF_TX_SKB_SHARING;
	netdev->hw_features = NETIF_F_HW_TC | NETIF_F_SG;
	netdev->features = NETIF_F_HW_TC | NETIF_F_HIGHDMA;
	netdev->needed_headroom = IROCE_ESP_OVERHEAD_MAX;
	netdev->needed_tailroom = IROCE_ESP_OVERHEAD_MAX;
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = iroce_port_max_mtu(f->port);
	netdev->mtu = min_t(unsigned int, ETH_DATA_LEN, netdev->max_mtu);
	netdev->dev_port = f->port->index;
	set_address(f);
	netif_carrier_off(netdev);
}

static int create_queues(struct iroce_func *f, unsigned int n)
{
	struct iroce_host *host = f->host;
	unsigned int i;

	host->queues = kcalloc(n, sizeof(*host->queues), GFP_KERNEL);
	if (!host->queues)
		return -ENOMEM;
	host->n_queues = n;
	for (i = 0; i < n; i++) {
		host->queues[i].func = f;
		skb_queue_head_init(&host->queues[i].frames);
		netif_napi_add(f->netdev, &host->queues[i].napi, poll_queue);
	}
	return 0;
}

static void destroy_queues(struct iroce_host *host)
{
	unsigned int i;

	for (i = 0; i < host->n_queues; i++)
		netif_napi_del(&host->queues[i].napi);
	kfree(host->queues);
}

struct net_device *iroce_netdev_create(struct iroce_port *port, struct pci_dev *pdev,
				       unsigned int vf)
{
	unsigned int n_queues = min_t(unsigned int, num_online_cpus(), IROCE_MAX_QUEUES);
	struct net_device *netdev;
	struct iroce_func *f;
	int err = -ENOMEM;

	netdev = alloc_etherdev_mqs(sizeof(*f), n_queues, n_queues);
	if (!netdev)
		return ERR_PTR(-ENOMEM);
	SET_NETDEV_DEV(netdev, &pdev->dev);
	f = iroce_func(netdev);
	f->port = port;
	f->pdev = pdev;
	f->netdev = netdev;
	f->vf = vf;
	atomic_set(&f->flow_gen, 0);
	iroce_rdma_prepare(f);

	f->stats = alloc_percpu(struct iroce_stats);
	if (!f->stats)
		goto err_free;
	f->host = kzalloc(sizeof(*f->host), GFP_KERNEL);
	if (!f->host)
		goto err_stats;
	iroce_tc_init(f);
	err = iroce_vport_create(f, &vport_ops);
	if (err)
		goto err_host;
	set_properties(f);

	err = gro_cells_init(&f->host->gro, netdev);
	if (err)
		goto err_vport;
	err = create_queues(f, n_queues);
	if (err)
		goto err_gro;
	rtnl_lock();
	iroce_vport_add(f);
	rtnl_unlock();
	return netdev;

err_gro:
	gro_cells_destroy(&f->host->gro);
err_vport:
	iroce_vport_destroy(f);
err_host:
	kfree(f->host);
err_stats:
	free_percpu(f->stats);
err_free:
	free_netdev(netdev);
	return ERR_PTR(err);
}

void iroce_netdev_destroy(struct net_device *netdev)
{
	struct iroce_func *f = iroce_func(netdev);

	rtnl_lock();
	iroce_vport_del(f);
	rtnl_unlock();
	/* The switch, the cable's softirq and QPs' last frames look at f under RCU. */
	synchronize_net();
	iroce_rdma_cleanup(f);
	destroy_queues(f->host);
	gro_cells_destroy(&f->host->gro);
	iroce_vport_destroy(f);
	kfree(f->host);
	free_percpu(f->stats);
	free_netdev(netdev);
}
