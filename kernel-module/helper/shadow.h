/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shadow states: an SA at a port, as the driver of the port sees it.
 */
#ifndef IPSEC_ROCE_SHADOW_H
#define IPSEC_ROCE_SHADOW_H

#include <net/xfrm.h>

#include "core/repl.h"

struct ipsec_roce_port;
struct ipsec_roce_sa;

/*
 * struct ipsec_roce_shadow - an SA at a port
 * @x: what the driver of the port sees
 * @start: numbers up to it were used when the driver got it
 * @is_on: the driver has it; @is_stopped: and was told that it is deleted
 * @is_quiet: and no packet is on its way through it any more; bond.lock
 */
struct ipsec_roce_shadow {
	struct ipsec_roce_port *port;
	struct xfrm_state *x;
	u64 start;
	bool is_on;
	bool is_stopped;
	bool is_quiet;
};

void ipsec_roce_shadow_exit(void);
/* Memory alone. ERR_PTR. bond.lock. */
struct ipsec_roce_shadow *ipsec_roce_shadow_create(const struct ipsec_roce_sa *sa,
						   struct ipsec_roce_port *port);
/* Takes it from @sa, sums it up, wipes the key. It is with no driver. bond.lock. */
void ipsec_roce_shadow_destroy(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow);
/* Hands it to the driver, numbers up to @start used. bond.lock. */
int ipsec_roce_shadow_start(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow, u64 start,
			    struct netlink_ext_ack *extack);
/* A stop has to wait for packets on their way. bond.lock. */
bool ipsec_roce_shadow_is_busy(const struct ipsec_roce_sa *sa,
			       const struct ipsec_roce_shadow *shadow);
/*
 * Takes it from the driver. @answer: STOPPED with the last number it has used, or GONE if
 * the driver cannot say. bond.lock.
 */
void ipsec_roce_shadow_stop(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow,
			    struct iroce_repl_event *answer);
/* Tells the driver that it is deleted, once; sa->lock. */
void ipsec_roce_shadow_delete(struct ipsec_roce_shadow *shadow);
/* Asks the driver for its counters; sa->lock. */
void ipsec_roce_shadow_update(struct ipsec_roce_sa *sa, struct ipsec_roce_shadow *shadow);
/* Last number used: sent, or the window's top; as x has it. */
u64 ipsec_roce_shadow_last(const struct xfrm_state *x, u8 dir);
/* Which port will send it is not known yet: does it suit each? Of xfrm. */
bool ipsec_roce_shadow_offload_ok(struct sk_buff *skb, struct xfrm_state *x);

#endif /* IPSEC_ROCE_SHADOW_H */
