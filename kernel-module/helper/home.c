// SPDX-License-Identifier: GPL-2.0
/*
 * Homes: the port that an SA with an SPI and key of its own belongs to (RFC 9611). An outbound
 * SA stays there; an inbound one is expected there first, and follows its traffic.
 *
 * xfrm cannot say which port is meant, so whoever adds an SA may say it to us before: a
 * note under the SA's identity, used up when the SA comes. For an SA without one the
 * helper chooses, so that SAs typed one after the other spread over the ports.
 */
#include <linux/jhash.h>
#include <linux/slab.h>

#include "bond.h"
#include "home.h"
#include "port.h"
#include "sa.h"
#include "say.h"

/* Notes of one bond for SAs that have not come yet. */
#define HOMES_MAX 256

struct ipsec_roce_home {
	struct list_head link;
	struct ipsec_roce_sa_id id;
	u8 port;
};

/* ---- notes ------------------------------------------------------------ */

static struct ipsec_roce_home *find_note(const struct ipsec_roce_bond *bond,
					 const struct ipsec_roce_sa_id *id)
{
	struct ipsec_roce_home *home;

	list_for_each_entry(home, &bond->homes, link)
		if (ipsec_roce_id_equal(&home->id, id))
			return home;
	return NULL;
}

static void drop_note(struct ipsec_roce_bond *bond, struct ipsec_roce_home *home)
{
	list_del(&home->link);
	bond->n_homes--;
	kfree(home);
}

/* Would an SA that names its port live there? */
static int check_placement(const struct ipsec_roce_bond *bond, struct netlink_ext_ack *extack)
{
	struct iroce_place_facts facts = { .dir = IROCE_DIR_OUT, .has_home = true };
	enum iroce_place_reason reason;
	enum iroce_placement placement;

	ipsec_roce_bond_facts(bond, &facts);
	reason = iroce_place(&facts, &placement);
	if (reason) {
		ipsec_roce_say(extack, iroce_place_text(reason));
		return -EOPNOTSUPP;
	}
	if (placement != IROCE_PLACE_PER_PORT) {
		NL_SET_ERR_MSG_MOD(extack, "The bond's placement is set to another than per-port");
		return -EOPNOTSUPP;
	}
	return 0;
}

int ipsec_roce_home_set(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id,
			const struct ipsec_roce_port *port, struct netlink_ext_ack *extack)
{
	struct ipsec_roce_home *home = find_note(bond, id);
	int err;

	if (!port) {
		if (home)
			drop_note(bond, home);
		return 0;
	}
	err = check_placement(bond, extack);
	if (err)
		return err;
	if (home) {
		home->port = port->index;
		return 0;
	}
	if (bond->n_homes == HOMES_MAX) {
		NL_SET_ERR_MSG_MOD(extack, "Too many SAs were announced for this bond and never added: add them, or take it back");
		return -ENOSPC;
	}
	home = kzalloc(sizeof(*home), GFP_KERNEL);
	if (!home)
		return -ENOMEM;
	home->id = *id;
	home->port = port->index;
	list_add_tail(&home->link, &bond->homes);
	bond->n_homes++;
	return 0;
}

u8 ipsec_roce_home_named(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id)
{
	const struct ipsec_roce_home *home = find_note(bond, id);

	return home ? home->port : IROCE_REPL_NO_PORT;
}

void ipsec_roce_home_use(struct ipsec_roce_bond *bond, const struct ipsec_roce_sa_id *id)
{
	struct ipsec_roce_home *home = find_note(bond, id);

	if (home)
		drop_note(bond, home);
}

void ipsec_roce_home_drop(struct ipsec_roce_bond *bond, u8 port)
{
	struct ipsec_roce_home *home, *next;

	list_for_each_entry_safe(home, next, &bond->homes, link)
		if (home->port == port)
			drop_note(bond, home);
}

/* ---- choice ----------------------------------------------------------- */

u32 ipsec_roce_home_hash(const struct xfrm_state *x)
{
	u32 seed = x->props.reqid ^ x->xso.dir;

	if (x->props.family == AF_INET)
		return jhash_3words((__force u32)x->props.saddr.a4, (__force u32)x->id.daddr.a4,
				    x->if_id, seed);
	return jhash2((const u32 *)x->props.saddr.a6, 4,
		      jhash2((const u32 *)x->id.daddr.a6, 4, seed));
}

/* Would xfrm, or a port, take either for the same traffic? */
static bool is_same_kind(const struct xfrm_state *x, const struct xfrm_state *y)
{
	return x->xso.dir == y->xso.dir && x->props.family == y->props.family &&
	       x->props.reqid == y->props.reqid && x->if_id == y->if_id &&
	       x->mark.v == y->mark.v && x->mark.m == y->mark.m &&
	       xfrm_addr_equal(&x->id.daddr, &y->id.daddr, x->props.family) &&
	       xfrm_addr_equal(&x->props.saddr, &y->props.saddr, x->props.family);
}

/* One that is about to be replaced counts for nothing: its successor is to be where it was. */
static bool is_lasting(const struct ipsec_roce_sa *sa)
{
	return !READ_ONCE(sa->is_deleted) && !sa->repl.is_dead && !READ_ONCE(sa->x->km.dying);
}

u8 ipsec_roce_home_choose(const struct ipsec_roce_bond *bond, const struct ipsec_roce_sa *sa)
{
	u32 n_sas[IROCE_REPL_PORTS_MAX] = {};
	const struct ipsec_roce_sa *other;
	u8 best = IROCE_REPL_NO_PORT;
	u8 i;

	hash_for_each_possible(bond->by_flow, other, flow_link, ipsec_roce_home_hash(sa->x))
		if (is_lasting(other) && is_same_kind(other->x, sa->x))
			n_sas[other->repl.target]++;
	for (i = 0; i < IROCE_REPL_PORTS_MAX; i++)
		if (bond->ports[i] && (best == IROCE_REPL_NO_PORT || n_sas[i] < n_sas[best]))
			best = i;
	return best;
}
