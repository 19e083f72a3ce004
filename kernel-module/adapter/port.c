// SPDX-License-Identifier: GPL-2.0
/*
 * A port and its cable: an ordinary netdev whose frames are all ours.
 *
 * In: the cable's rx_handler. Out: straight to the cable's driver, past its
 * qdisc, so that a batch rings one doorbell and nothing is dropped or reordered
 * on the way: each flow has one queue here, a queue has one sender at a time,
 * and what the driver can't take waits its turn (retry timer).
 */
#define pr_fmt(fmt) "iroce: " fmt

#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/gso.h>

#include "compat.h"
#include "platform.h"

#define TX_QUEUES	16
#define TX_LIMIT	4096	/* frames waiting in one queue */
#define TX_BUDGET	1024	/* frames one sender sends for all, before the timer goes on */
#define TX_RETRY_NS	(50 * NSEC_PER_USEC)	/* a ring of 256 lasts longer */

struct uplink;

/*
 * struct tx_queue - frames in order, on their way to one queue of the cable
 * @frames: its lock guards the queue and @is_sending
 * @is_sending: somebody hands frames to the driver; others only append
 */
struct tx_queue {
	struct sk_buff_head frames;
	bool is_sending;
	unsigned int index;
	struct hrtimer retry;
	struct uplink *uplink;
} ____cacheline_aligned_in_smp;

/*
 * struct uplink - what only this file knows of a port
 * @mac: the cable's address, from which those of the functions are derived
 * @had_gro: GRO was on, see set_gro()
 * @is_opened: we brought the cable up; @had_addrconf: it may have IPv6 addresses
 */
struct uplink {
	struct iroce_port port;
	struct list_head node;
	u8 mac[ETH_ALEN];
	bool had_gro;
	bool is_opened;
	bool is_addrconf_off;
	struct iroce_uplink_stats __percpu *stats;
	struct tx_queue queues[TX_QUEUES];
};

static LIST_HEAD(uplinks);	/* RTNL */

static struct uplink *to_uplink(const struct iroce_port *port)
{
	return container_of(port, struct uplink, port);
}

struct iroce_uplink_stats __percpu *iroce_port_stats(const struct iroce_port *port)
{
	return to_uplink(port)->stats;
}

u64 iroce_port_stat_sum(const struct iroce_port *port, enum iroce_uplink_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(to_uplink(port)->stats, cpu)->v[stat]);
	return sum;
}

static void count(struct uplink *up, enum iroce_uplink_stat stat, u64 n)
{
	this_cpu_add(up->stats->v[stat], n);
}

bool iroce_port_is_up(const struct iroce_port *port)
{
	struct net_device *cable;
	bool is_up;

	rcu_read_lock();
	cable = rcu_dereference(port->cable);
	is_up = cable && netif_running(cable) && netif_carrier_ok(cable);
	rcu_read_unlock();
	return is_up;
}

unsigned int iroce_port_max_mtu(const struct iroce_port *port)
{
	unsigned int mtu = IROCE_MAX_MTU;
	struct net_device *cable;

	rcu_read_lock();
	cable = rcu_dereference(port->cable);
	if (cable)
		mtu = clamp(READ_ONCE(cable->mtu), (unsigned int)ETH_MIN_MTU, mtu);
	rcu_read_unlock();
	return mtu;
}

/*
 * Locally administered, the same at each load as long as the cable keeps its
 * address, different for each cable and function: 02, hash of the cable's
 * address, function.
 */
void iroce_port_func_mac(const struct iroce_port *port, unsigned int vf, u8 *mac)
{
	u32 hash = jhash(to_uplink(port)->mac, ETH_ALEN, 0);

	mac[0] = 0x02;
	put_unaligned_be32(hash, mac + 1);
	mac[5] = vf == IROCE_PF ? 0 : vf + 1;
}

/* ---- out -------------------------------------------------------------- */

static void purge(struct uplink *up, struct sk_buff_head *frames)
{
	count(up, IROCE_uplink_tx_drop_link_down, skb_queue_len(frames));
	__skb_queue_purge(frames);
}

/* The cable's tx queue is locked. False: the ring is full, @skb is still ours. */
static bool send_one(struct uplink *up, struct net_device *cable, struct netdev_queue *txq,
		     struct sk_buff *skb, bool is_more)
{
	unsigned int len = skb->len;
	int rc;

	if (netif_xmit_frozen_or_drv_stopped(txq))
		return false;
	if (dev_nit_active(cable))
		dev_queue_xmit_nit(skb, cable);
	rc = netdev_start_xmit(skb, cable, txq, is_more);
	if (!dev_xmit_complete(rc))
		return false;
	if (rc == NETDEV_TX_OK) {
		count(up, IROCE_uplink_tx_pkts, 1);
		count(up, IROCE_uplink_tx_bytes, len);
	} else {
		count(up, IROCE_uplink_tx_drop_refused, 1);
	}
	return true;
}

/*
 * Hands @batch to the driver; what it can't take now stays in @batch.
 * BH disabled, which is also the read side for @cable: dev_close() waits.
 */
static void send_batch(struct tx_queue *q, struct sk_buff_head *batch)
{
	struct uplink *up = q->uplink;
	struct netdev_queue *txq;
	struct net_device *cable;
	struct sk_buff *skb;

	rcu_read_lock();
	cable = rcu_dereference(up->port.cable);
	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		purge(up, batch);
		goto out;
	}
	txq = netdev_get_tx_queue(cable, q->index % READ_ONCE(cable->real_num_tx_queues));
	HARD_TX_LOCK(cable, txq, smp_processor_id());
	while ((skb = __skb_dequeue(batch))) {
		if (!send_one(up, cable, txq, skb, !skb_queue_empty(batch))) {
			__skb_queue_head(batch, skb);
			break;
		}
	}
	HARD_TX_UNLOCK(cable, txq);
out:
	rcu_read_unlock();
}

/*
 * Sends what is queued unless somebody is at it. No lock is held while the
 * driver runs: a cable that leads back to us only appends. BH disabled.
 */
static void run_queue(struct tx_queue *q)
{
	unsigned int sent = 0;
	struct sk_buff_head batch;

	__skb_queue_head_init(&batch);
	spin_lock(&q->frames.lock);
	if (q->is_sending)
		goto out;
	q->is_sending = true;
	while (!skb_queue_empty(&q->frames) && sent < TX_BUDGET) {
		skb_queue_splice_init(&q->frames, &batch);
		sent += skb_queue_len(&batch);
		spin_unlock(&q->frames.lock);
		send_batch(q, &batch);
		spin_lock(&q->frames.lock);
		if (!skb_queue_empty(&batch)) {
			skb_queue_splice(&batch, &q->frames);
			break;
		}
	}
	q->is_sending = false;
	if (!skb_queue_empty(&q->frames))
		hrtimer_start(&q->retry, ns_to_ktime(TX_RETRY_NS), HRTIMER_MODE_REL_SOFT);
out:
	spin_unlock(&q->frames.lock);
}

static enum hrtimer_restart retry(struct hrtimer *timer)
{
	run_queue(container_of(timer, struct tx_queue, retry));
	return HRTIMER_NORESTART;
}

/* As the cable's features want it: linear, checksummed. NULL if it was dropped. */
static struct sk_buff *prepare(struct net_device *cable, struct sk_buff *skb)
{
	bool again = false;

	skb->dev = cable;
	return validate_xmit_skb_list(skb, cable, &again);
}

void iroce_port_xmit(struct iroce_port *port, struct iroce_func *f, struct sk_buff_head *frames)
{
	struct uplink *up = to_uplink(port);
	struct net_device *cable = rcu_dereference(port->cable);
	struct tx_queue *q = NULL, *next;
	struct sk_buff *skb;

	if (!cable || !netif_running(cable) || !netif_carrier_ok(cable)) {
		iroce_stat_add(f->stats, IROCE_STAT_tx_drop_link_down, skb_queue_len(frames));
		__skb_queue_purge(frames);
		return;
	}
	while ((skb = __skb_dequeue(frames))) {
		next = &up->queues[iroce_eswitch_flow_hash(skb) % TX_QUEUES];
		skb = prepare(cable, skb);
		if (!skb) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			continue;
		}
		if (q && q != next)
			run_queue(q);
		q = next;
		skb_set_queue_mapping(skb, q->index % READ_ONCE(cable->real_num_tx_queues));
		spin_lock(&q->frames.lock);
		if (likely(skb_queue_len(&q->frames) < TX_LIMIT)) {
			__skb_queue_tail(&q->frames, skb);
			skb = NULL;
		}
		spin_unlock(&q->frames.lock);
		if (unlikely(skb)) {
			iroce_count(f, IROCE_STAT_tx_drop_uplink);
			kfree_skb(skb);
		}
	}
	if (q)
		run_queue(q);
}

static void purge_queues(struct uplink *up)
{
	struct sk_buff_head old;
	unsigned int i;

	__skb_queue_head_init(&old);
	for (i = 0; i < TX_QUEUES; i++) {
		spin_lock_bh(&up->queues[i].frames.lock);
		skb_queue_splice_tail_init(&up->queues[i].frames, &old);
		spin_unlock_bh(&up->queues[i].frames.lock);
	}
	purge(up, &old);
}

/* ---- in --------------------------------------------------------------- */

/*
 * Makes of a received frame what iroce_rx() is promised: unshared, linear, data
 * at the Ethernet header, VLAN tag in the frame, checksums on the frame and not
 * beside it. Consumes @skb; NULL and counted if memory is short.
 */
static struct sk_buff *normalise(struct uplink *up, struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		goto err_free;
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	skb = skb_unshare(skb, GFP_ATOMIC);
	if (!skb)
		goto err;
	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			goto err;
	}
	if (skb_linearize(skb))
		goto err_free;
	skb_orphan(skb);
	skb_ext_reset(skb);
	skb->pkt_type = PACKET_HOST;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	return skb;

err_free:
	kfree_skb(skb);
err:
	count(up, IROCE_uplink_rx_drop_no_mem, 1);
	return NULL;
}

static void receive(struct uplink *up, struct sk_buff *skb)
{
	skb = normalise(up, skb);
	if (!skb)
		return;
	count(up, IROCE_uplink_rx_pkts, 1);
	count(up, IROCE_uplink_rx_bytes, skb->len);
	iroce_eswitch_uplink_rx(&up->port, skb);
}

/* A veth's peer, or GRO on the cable, gives us what never was one frame. */
static void receive_segments(struct uplink *up, struct sk_buff *skb)
{
	struct sk_buff *segs, *next;

	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		count(up, IROCE_uplink_rx_drop_no_mem, 1);
		kfree_skb(skb);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		receive(up, skb);
	}
}

/* Softirq, RCU read side; data is behind the Ethernet header. */
static rx_handler_result_t handle_frame(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct uplink *up = rcu_dereference(skb->dev->rx_handler_data);

	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb) {
		count(up, IROCE_uplink_rx_drop_no_mem, 1);
		return RX_HANDLER_CONSUMED;
	}
	if (unlikely(!skb_mac_header_was_set(skb) ||
		     skb->data - skb_mac_header(skb) != ETH_HLEN)) {
		count(up, IROCE_uplink_rx_drop_runt, 1);
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	__skb_push(skb, ETH_HLEN);
	if (unlikely(skb_is_gso(skb)))
		receive_segments(up, skb);
	else
		receive(up, skb);
	return RX_HANDLER_CONSUMED;
}

/* ---- the cable comes, changes, goes ----------------------------------- */

static struct uplink *find_uplink(const struct net_device *cable)
{
	struct uplink *up;

	ASSERT_RTNL();
	list_for_each_entry(up, &uplinks, node)
		if (rtnl_dereference(up->port.cable) == cable)
			return up;
	return NULL;
}

static void update_carriers(struct uplink *up)
{
	struct iroce_host *host;
	bool was_up;

	list_for_each_entry(host, &up->port.eswitch->all, all_node) {
		was_up = netif_carrier_ok(host->func->netdev);
		iroce_eswitch_update_carrier(host->func);
		if (host->is_roce_up && was_up != netif_carrier_ok(host->func->netdev))
			iroce_roce_netdev_event(host->func, NETDEV_CHANGE);
	}
}

/* No function may send what the cable can't carry. */
static void update_mtus(struct uplink *up)
{
	unsigned int max = iroce_port_max_mtu(&up->port);
	struct net_device *netdev;
	struct iroce_host *host;

	list_for_each_entry(host, &up->port.eswitch->all, all_node) {
		netdev = host->func->netdev;
		WRITE_ONCE(netdev->max_mtu, max);
		if (netdev->mtu <= max)
			continue;
		if (netdev->reg_state != NETREG_REGISTERED) {
			WRITE_ONCE(netdev->mtu, max);
			continue;
		}
		netdev_warn(netdev, "cable's MTU is %u: MTU lowered from %u\n", max,
			    netdev->mtu);
		if (dev_set_mtu(netdev, max))
			netdev_err(netdev, "cannot lower the MTU\n");
	}
}

/* Which rule forbids @dev as a cable; NULL if none does. */
static const char *find_rule(const struct net_device *dev)
{
	if (find_uplink(dev))
		return "named twice";
	if (iroce_is_func(dev))
		return "is a function of an iroce adapter itself";
	if (dev->flags & IFF_LOOPBACK)
		return "is a loopback device";
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN)
		return "is not an Ethernet device";
	if (rcu_access_pointer(dev->rx_handler))
		return "is in use by a bridge, bond, macvlan or the like";
	if (dev->priv_flags & IFF_NO_RX_HANDLER)
		return "lets nobody take its frames";
	return NULL;
}

/*
 * GRO runs before our rx_handler and knows ESP: it would open, in software and
 * with a replay window of its own, what the functions are to open (I4). RTNL.
 */
static void set_gro(struct uplink *up, struct net_device *cable, bool is_on)
{
	if (!is_on)
		up->had_gro = cable->wanted_features & NETIF_F_GRO;
	if (!up->had_gro)
		return;
	if (is_on)
		cable->wanted_features |= NETIF_F_GRO;
	else
		cable->wanted_features &= ~NETIF_F_GRO;
	iroce_compat_update_features(cable);
}

static void detach(struct uplink *up)
{
	struct net_device *cable = rtnl_dereference(up->port.cable);
	unsigned int i;

	if (!cable)
		return;
	RCU_INIT_POINTER(up->port.cable, NULL);
	netdev_rx_handler_unregister(cable);	/* waits for senders and receivers */
	for (i = 0; i < TX_QUEUES; i++)
		hrtimer_cancel(&up->queues[i].retry);
	purge_queues(up);
	dev_set_promiscuity(cable, -1);
	if (up->is_opened && cable->reg_state == NETREG_REGISTERED)
		dev_close(cable);
	if (cable->reg_state == NETREG_REGISTERED)
		set_gro(up, cable, true);
	if (up->is_addrconf_off)
		cable->priv_flags &= ~IFF_NO_ADDRCONF;
	up->is_opened = false;
	up->is_addrconf_off = false;
	netdev_put(cable, &up->port.cable_tracker);
	update_carriers(up);
}

/* RTNL; @cable obeys the rules. */
static int attach(struct uplink *up, struct net_device *cable)
{
	int err;

	err = netdev_rx_handler_register(cable, handle_frame, up);
	if (err)
		return err;
	err = dev_set_promiscuity(cable, 1);
	if (err)
		goto err_handler;
	dev_disable_lro(cable);
	set_gro(up, cable, false);
	if (!netif_running(cable)) {
		/* The host itself has no business on the cable: no IPv6 address for it. */
		if (!(cable->priv_flags & IFF_NO_ADDRCONF)) {
			cable->priv_flags |= IFF_NO_ADDRCONF;
			up->is_addrconf_off = true;
		}
		err = dev_open(cable, NULL);
		if (err)
			goto err_promisc;
		up->is_opened = true;
	}
	ether_addr_copy(up->mac, cable->dev_addr);
	netdev_hold(cable, &up->port.cable_tracker, GFP_KERNEL);
	rcu_assign_pointer(up->port.cable, cable);
	return 0;

err_promisc:
	if (up->is_addrconf_off)
		cable->priv_flags &= ~IFF_NO_ADDRCONF;
	set_gro(up, cable, true);
	dev_set_promiscuity(cable, -1);
err_handler:
	netdev_rx_handler_unregister(cable);
	return err;
}

static void cable_event(struct uplink *up, unsigned long event)
{
	switch (event) {
	case NETDEV_DOWN:
		purge_queues(up);
		fallthrough;
	case NETDEV_UP:
	case NETDEV_CHANGE:
		update_carriers(up);
		break;
	case NETDEV_CHANGEMTU:
		update_mtus(up);
		break;
	case NETDEV_UNREGISTER:
		pr_warn("adapter %u port %u: the cable is gone\n", up->port.adapter->index,
			up->port.index);
		detach(up);
		break;
	}
}

static void func_event(struct iroce_func *f, unsigned long event)
{
	if (!f->host->is_roce_up)
		return;
	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
		iroce_roce_netdev_event(f, event);
		break;
	}
}

static int is_func_step(struct net_device *dev, struct netdev_nested_priv *priv)
{
	return iroce_is_func(dev);
}

/* A function below a cable would send its own frames to itself, for ever. */
static bool makes_loop(struct net_device *lower, struct net_device *upper)
{
	struct netdev_nested_priv priv = {};
	struct net_device *cable;
	struct uplink *up;

	if (!iroce_is_func(lower) && !netdev_walk_all_lower_dev(lower, is_func_step, &priv))
		return false;
	list_for_each_entry(up, &uplinks, node) {
		cable = rtnl_dereference(up->port.cable);
		if (cable && (cable == upper || netdev_has_upper_dev(upper, cable)))
			return true;
	}
	return false;
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct netdev_notifier_changeupper_info *change = info;
	struct uplink *up;

	if (event == NETDEV_PRECHANGEUPPER) {
		if (change->linking && makes_loop(dev, change->upper_dev)) {
			NL_SET_ERR_MSG(change->info.extack,
				       "an iroce function can't be below its adapter's cable");
			return notifier_from_errno(-ELOOP);
		}
		return NOTIFY_DONE;
	}
	if (iroce_is_func(dev)) {
		func_event(iroce_func(dev), event);
		return NOTIFY_DONE;
	}
	up = find_uplink(dev);
	if (up)
		cable_event(up, event);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_notifier = {
	.notifier_call = netdev_event,
};

/* ---- life ------------------------------------------------------------- */

static int plug(struct uplink *up, const char *name)
{
	struct net_device *cable;
	const char *rule;
	int err;

	if (!*name) {
		pr_err("cables: adapter %u port %u: empty name\n", up->port.adapter->index,
		       up->port.index);
		return -EINVAL;
	}
	rtnl_lock();
	cable = __dev_get_by_name(&init_net, name);
	if (!cable) {
		pr_err("cables: %s: no such netdev\n", name);
		err = -ENODEV;
		goto out;
	}
	rule = find_rule(cable);
	if (rule) {
		pr_err("cables: %s: %s\n", name, rule);
		err = -EINVAL;
		goto out;
	}
	err = attach(up, cable);
	if (err) {
		pr_err("cables: %s: cannot take it: %d\n", name, err);
		goto out;
	}
	list_add_tail(&up->node, &uplinks);
out:
	rtnl_unlock();
	return err;
}

struct iroce_port *iroce_port_create(struct iroce_adapter *adapter, unsigned int index,
				     const char *cable)
{
	struct uplink *up;
	unsigned int i;
	int err = -ENOMEM;

	up = kzalloc(sizeof(*up), GFP_KERNEL);
	if (!up)
		return ERR_PTR(-ENOMEM);
	up->port.adapter = adapter;
	up->port.index = index;
	for (i = 0; i < TX_QUEUES; i++) {
		skb_queue_head_init(&up->queues[i].frames);
		up->queues[i].index = i;
		up->queues[i].uplink = up;
		iroce_compat_hrtimer_setup(&up->queues[i].retry, retry, CLOCK_MONOTONIC,
					   HRTIMER_MODE_REL_SOFT);
	}
	up->stats = alloc_percpu(struct iroce_uplink_stats);
	if (!up->stats)
		goto err_free;
	up->port.eswitch = iroce_eswitch_create();
	if (!up->port.eswitch)
		goto err_stats;
	err = plug(up, cable);
	if (err)
		goto err_eswitch;
	return &up->port;

err_eswitch:
	iroce_eswitch_destroy(up->port.eswitch);
err_stats:
	free_percpu(up->stats);
err_free:
	kfree(up);
	return ERR_PTR(err);
}

/* No function is left. */
void iroce_port_destroy(struct iroce_port *port)
{
	struct uplink *up = to_uplink(port);

	rtnl_lock();
	detach(up);
	list_del(&up->node);
	rtnl_unlock();
	iroce_eswitch_destroy(port->eswitch);
	free_percpu(up->stats);
	kfree(up);
}

int iroce_port_module_init(void)
{
	return register_netdevice_notifier(&netdev_notifier);
}

void iroce_port_module_exit(void)
{
	unregister_netdevice_notifier(&netdev_notifier);
}
