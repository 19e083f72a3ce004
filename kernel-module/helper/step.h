/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state machine of core/repl.h carried out.
 */
#ifndef IPSEC_ROCE_STEP_H
#define IPSEC_ROCE_STEP_H

#include <linux/netlink.h>

#include "core/repl.h"

struct ipsec_roce_bond;
struct ipsec_roce_port;
struct ipsec_roce_sa;

/* An event for one SA, and all that follows from it. bond.lock. */
void ipsec_roce_step(struct ipsec_roce_sa *sa, const struct iroce_repl_event *ev,
		     struct netlink_ext_ack *extack);
/* What this event is about to stop, stopped; one wait for all SAs of the bond. bond.lock. */
void ipsec_roce_step_quiesce(struct ipsec_roce_bond *bond, const struct iroce_repl_event *ev);
/* The same event for each SA whose placement is walked; bond.lock. */
void ipsec_roce_step_all(struct ipsec_roce_bond *bond, u8 type, u8 port);
/* Puts an SA at a port that joined. -EXXX: the port refused. bond.lock. */
int ipsec_roce_step_join(struct ipsec_roce_sa *sa, const struct ipsec_roce_port *port,
			 struct netlink_ext_ack *extack);

#endif /* IPSEC_ROCE_STEP_H */
