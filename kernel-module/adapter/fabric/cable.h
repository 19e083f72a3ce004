/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A port and its cable: its life (cable.c), the frames that leave (cable_tx.c) and come
 * (cable_rx.c).
 */
#ifndef IROCE_FABRIC_CABLE_H
#define IROCE_FABRIC_CABLE_H

#include <linux/hrtimer.h>
#include <linux/workqueue.h>

#include "fabric.h"

#define IROCE_TX_QUEUES	16

struct iroce_uplink;

/*
 * struct iroce_tx_queue - frames in order, on their way to one queue of the cable
 * @frames: its lock guards the queue and @is_sending
 * @is_sending: somebody hands frames to the driver; others only append
 * @wait_ns: until the next try when the driver's ring is full
 */
struct iroce_tx_queue {
	struct sk_buff_head frames;
	bool is_sending;
	unsigned int index;
	u32 wait_ns;
	struct hrtimer retry;
	struct iroce_uplink *uplink;
} ____cacheline_aligned_in_smp;

/*
 * struct iroce_uplink - a port with what concerns its cable
 * All but @stats and @queues: RTNL.
 *
 * @name: of the cable; by it the cable is found again when it comes back
 * @replug: attaches a cable that came back
 * @mac: the first cable's address, from which those of the functions are derived
 * @had_gro: GRO was on before we took the cable
 * @is_opened: we brought the cable up
 * @is_addrconf_off: we told IPv6 to leave the cable alone
 */
struct iroce_uplink {
	struct iroce_port port;
	struct list_head node;
	char name[IFNAMSIZ];
	struct work_struct replug;
	u8 mac[ETH_ALEN];
	bool had_gro;
	bool is_opened;
	bool is_addrconf_off;
	struct iroce_uplink_stats __percpu *stats;
	struct iroce_tx_queue queues[IROCE_TX_QUEUES];
};

static inline struct iroce_uplink *iroce_uplink(const struct iroce_port *port)
{
	return container_of(port, struct iroce_uplink, port);
}

static inline void iroce_uplink_count(struct iroce_uplink *up, enum iroce_uplink_stat stat, u64 n)
{
	this_cpu_add(up->stats->v[stat], n);
}

/* ---- port.c ------------------------------------------------------------- */

/* Carrier of a function: its port's cable is up and running. Any context. */
bool iroce_port_is_up(const struct iroce_port *port);

/* ---- cable_tx.c --------------------------------------------------------- */

void iroce_uplink_init(struct iroce_uplink *up);
/* Drops what waits for the cable. */
void iroce_uplink_purge(struct iroce_uplink *up);
/* The cable is taken away and nobody sends any more: timers off, queues empty. */
void iroce_uplink_stop(struct iroce_uplink *up);
/* Consumes @frames, in order; bounded. Counts what it can't queue to @f. BH disabled. */
void iroce_port_xmit(struct iroce_port *port, struct iroce_func *f, struct sk_buff_head *frames);

/* ---- cable_rx.c --------------------------------------------------------- */

rx_handler_result_t iroce_uplink_handle_frame(struct sk_buff **pskb);

#endif /* IROCE_FABRIC_CABLE_H */
