// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Placement of a bond's SAs. The rules are the helper's own (core/placement.c is compiled in):
 * what is chosen here is not refused there, unless another SA has the key, and what is refused is
 * refused before anything has changed.
 */
#include <linux/if_bonding.h>

#include "core/placement.h"
#include "handle.h"

_Static_assert((int)IPSEC_ROCE_PLACE_ANY == IROCE_PLACE_ANY &&
	       (int)IPSEC_ROCE_PLACE_OWNER == IROCE_PLACE_OWNER &&
	       (int)IPSEC_ROCE_PLACE_PER_PORT == IROCE_PLACE_PER_PORT &&
	       (int)IPSEC_ROCE_PLACE_SHARED == IROCE_PLACE_SHARED, "placements are numbered alike");

const char *ipsec_roce_place_name(enum ipsec_roce_place placement)
{
	return iroce_placement_name((enum iroce_placement)placement);
}

static struct iroce_place_facts facts_to_core(const struct ipsec_roce_place_facts *f)
{
	return (struct iroce_place_facts){
		.mode = iroce_bond_mode(f->bond_mode),
		.dir = IROCE_DIR_OUT,
		.wish = f->wish < IPSEC_ROCE_PLACE_ANY || f->wish > IPSEC_ROCE_PLACE_OWNER ?
				IROCE_PLACE_N : (u8)f->wish,
		.n_ports = f->n_ports < UINT8_MAX ? f->n_ports : UINT8_MAX,
		.is_layer34 = f->bond_hash == BOND_XMIT_POLICY_LAYER34,
		.is_one_engine = f->is_one_engine,
		.has_offload = f->has_offload,
		.has_home = f->wants_home,
	};
}

int ipsec_roce_place_choose(struct ipsec_roce *h, const char *dev,
			    const struct ipsec_roce_place_facts *caller_facts,
			    enum ipsec_roce_place *placement)
{
	enum iroce_placement found = IROCE_PLACE_ANY;
	struct ipsec_roce_place_facts f;
	struct iroce_place_facts facts;
	enum iroce_place_reason reason;
	int err = OPTS_IMPORT(h, &f, caller_facts);

	if (err)
		return err;
	facts = facts_to_core(&f);
	reason = iroce_place(&facts, &found);
	/* An SA per port is what is left where one key for all would repeat nonces. */
	if (reason == IROCE_PLACE_NO_HOME) {
		facts.has_home = true;
		reason = iroce_place(&facts, &found);
	}
	if (reason)
		return fail(h, -EOPNOTSUPP, "%s: %s", dev, iroce_place_text(reason));
	*placement = (enum ipsec_roce_place)found;
	return 0;
}
