/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where an SA of a bond may live, from the facts alone: which ports, how they count, how the bond
 * spreads traffic. The kernel helper refuses by it, the operator's tool chooses by it.
 *
 *   placement  wire                      where                            out        in
 *   shared     one SPI and key           ports of one engine (adapter)    all ports  all ports
 *   per port   one SPI and key per port  independent engines, all active  home port  one port
 *   owner      one SPI and key           independent engines, one active  one port   one port
 *
 * An engine is what counts an SA's sequence numbers and holds its replay window. Two engines that
 * send under one key repeat nonces (I3); two windows of one SPI accept a packet twice (I4).
 */
#ifndef IROCE_CORE_PLACEMENT_H
#define IROCE_CORE_PLACEMENT_H

#include <linux/if_bonding.h>
#include "sad.h"

enum iroce_placement {
	IROCE_PLACE_ANY, /* as a wish: choose; never an answer */
	IROCE_PLACE_SHARED,
	IROCE_PLACE_PER_PORT,
	IROCE_PLACE_OWNER,
	IROCE_PLACE_N
};

enum iroce_bond_mode {
	IROCE_BOND_OTHER, /* round robin, broadcast, tlb, alb: a flow has no port of its own */
	IROCE_BOND_ACTIVE_BACKUP,
	IROCE_BOND_8023AD,
	IROCE_BOND_XOR,
	IROCE_BOND_N
};

/* enum iroce_bond_mode of a BOND_MODE_*. */
static inline u8 iroce_bond_mode(unsigned int mode)
{
	switch (mode) {
	case BOND_MODE_ACTIVEBACKUP:
		return IROCE_BOND_ACTIVE_BACKUP;
	case BOND_MODE_8023AD:
		return IROCE_BOND_8023AD;
	case BOND_MODE_XOR:
		return IROCE_BOND_XOR;
	default:
		return IROCE_BOND_OTHER;
	}
}

/* Has a flow a port of its own? @mode and @xmit_policy: BOND_MODE_*, BOND_XMIT_POLICY_*. */
static inline bool iroce_bond_has_shape(unsigned int mode, unsigned int xmit_policy)
{
	u8 kind = iroce_bond_mode(mode);

	return kind == IROCE_BOND_ACTIVE_BACKUP ||
	       (kind != IROCE_BOND_OTHER && xmit_policy == BOND_XMIT_POLICY_LAYER34);
}

enum iroce_place_reason {
	IROCE_PLACE_OK,
	IROCE_PLACE_NO_PORT,
	IROCE_PLACE_NO_OFFLOAD,
	IROCE_PLACE_MODE,
	IROCE_PLACE_HASH,
	IROCE_PLACE_KEY_TWICE,
	IROCE_PLACE_NOT_ONE_ENGINE,
	IROCE_PLACE_TWO_SENDERS,
	IROCE_PLACE_NO_HOME,
	IROCE_PLACE_BAD, /* the facts themselves make no sense */
	IROCE_PLACE_N_REASONS
};

/**
 * struct iroce_place_facts - what the choice depends on; all zero is refused
 * @mode: enum iroce_bond_mode
 * @dir: enum iroce_dir
 * @wish: enum iroce_placement
 * @n_ports: ports that the bond has
 * @is_layer34: the bond's hash policy is layer3+4; this does not matter in active-backup
 * @is_one_engine: the driver says that all ports share an SA's numbers and window. A lone port of a
 *	driver that does not say so is false as well: a second one may join
 * @has_offload: every port can offload the SA
 * @has_home: outbound: the SA belongs to one named port (RFC 9611), with an SPI and key of its own
 * @is_key_taken: another outbound SA has this very key
 */
struct iroce_place_facts {
	u8 mode;
	u8 dir;
	u8 wish;
	u8 n_ports;
	bool is_layer34;
	bool is_one_engine;
	bool has_offload;
	bool has_home;
	bool is_key_taken;
};

/**
 * iroce_place - choose, or refuse
 * @facts: of the SA and its bond
 * @placement: written only on success
 *
 * Return: IROCE_PLACE_OK, or why not; iroce_place_text() has the words.
 */
enum iroce_place_reason __must_check iroce_place(const struct iroce_place_facts *facts,
						 enum iroce_placement *placement);

/* For extack and the tool: the rule, and what to use instead. Never NULL. */
const char *iroce_place_text(enum iroce_place_reason reason);

/* "shared", "per-port", "owner", "any"; NULL for no placement. */
const char *iroce_placement_name(enum iroce_placement placement);

#endif /* IROCE_CORE_PLACEMENT_H */
