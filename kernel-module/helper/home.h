/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Homes: the port that an SA with an SPI and key of its own belongs to. bond.lock.
 */
#ifndef IPSEC_ROCE_HOME_H
#define IPSEC_ROCE_HOME_H

#include <linux/netlink.h>

struct ipsec_roce_bond;
struct ipsec_roce_port;
struct ipsec_roce_sa;
struct ipsec_roce_sa_id;
struct xfrm_state;

/*
 * The next SA of this identity belongs to @port; NULL: forget what was said before. Sets
 * extack.
 */
int ipsec_roce_home_set(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id,
			const struct ipsec_roce_port *port, struct netlink_ext_ack *extack);
/* The port that was named for it; IROCE_REPL_NO_PORT: none. */
u8 ipsec_roce_home_named(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id);
/* The SA has come: what was said is used up. */
void ipsec_roce_home_use(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id);
/* The port leaves: what names it is forgotten. */
void ipsec_roce_home_drop(struct ipsec_roce_bond *bond, u8 port);
/* The port with the fewest SAs of @sa's kind. The bond has a port. */
u8 ipsec_roce_home_choose(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa *sa);
/* In @bond->by_flow. */
u32 ipsec_roce_home_hash(const struct xfrm_state *x);

#endif /* IPSEC_ROCE_HOME_H */
