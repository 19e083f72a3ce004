// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Choice of placement. The order of the questions is the order in which an operator can act on
 * the answers: the bond's shape first, then its ports, then the SA.
 */
#include "placement.h"

static const char *const names[IROCE_PLACE_N] = {
	[IROCE_PLACE_ANY] = "any",
	[IROCE_PLACE_SHARED] = "shared",
	[IROCE_PLACE_PER_PORT] = "per-port",
	[IROCE_PLACE_OWNER] = "owner",
};

static const char *const texts[IROCE_PLACE_N_REASONS] = {
	[IROCE_PLACE_OK] = "the placement is sound",
	[IROCE_PLACE_NO_PORT] = "the bond has no port: add ports first",
	[IROCE_PLACE_NO_OFFLOAD] =
		"a port of the bond cannot offload IPsec packets: replace it, or switch "
		"esp-hw-offload off",
	[IROCE_PLACE_MODE] =
		"this bond mode gives a flow no port of its own: use 802.3ad, balance-xor or "
		"active-backup",
	[IROCE_PLACE_HASH] = "this hash policy is not supported: use layer3+4",
	[IROCE_PLACE_KEY_TWICE] =
		"another SA has this key and nonces would repeat: use an own key for each",
	[IROCE_PLACE_NOT_ONE_ENGINE] =
		"the ports count sequence numbers separately, a shared SA would repeat nonces: "
		"use per-port SAs, or ports of one adapter",
	[IROCE_PLACE_TWO_SENDERS] =
		"all ports of this bond send, an SA with one owner is for active-backup: use "
		"per-port SAs, or ports of one adapter",
	[IROCE_PLACE_NO_HOME] =
		"the ports count sequence numbers separately, one key on all of them would repeat "
		"nonces: use an SA with own SPI and key per port, or active-backup, or ports of "
		"one adapter",
	[IROCE_PLACE_BAD] = "no such bond mode, direction or placement",
};

const char *iroce_place_text(enum iroce_place_reason reason)
{
	if ((u32)reason >= IROCE_PLACE_N_REASONS)
		reason = IROCE_PLACE_BAD;
	return texts[reason];
}

const char *iroce_placement_name(enum iroce_placement placement)
{
	return (u32)placement < IROCE_PLACE_N ? names[placement] : NULL;
}

static enum iroce_place_reason check_bond(const struct iroce_place_facts *f)
{
	if (f->mode >= IROCE_BOND_N || f->dir > IROCE_DIR_OUT || f->wish >= IROCE_PLACE_N)
		return IROCE_PLACE_BAD;
	if (f->mode == IROCE_BOND_OTHER)
		return IROCE_PLACE_MODE;
	if (f->mode != IROCE_BOND_ACTIVE_BACKUP && !f->is_layer34)
		return IROCE_PLACE_HASH;
	if (!f->n_ports)
		return IROCE_PLACE_NO_PORT;
	if (!f->has_offload)
		return IROCE_PLACE_NO_OFFLOAD;
	/* The nonce is salt and IV: another SPI does not make it another nonce. */
	if (f->dir == IROCE_DIR_OUT && f->is_key_taken)
		return IROCE_PLACE_KEY_TWICE;
	return IROCE_PLACE_OK;
}

static enum iroce_place_reason check_wish(const struct iroce_place_facts *f,
					  enum iroce_placement wish)
{
	switch (wish) {
	case IROCE_PLACE_SHARED:
		return f->is_one_engine ? IROCE_PLACE_OK : IROCE_PLACE_NOT_ONE_ENGINE;
	case IROCE_PLACE_OWNER:
		return f->mode == IROCE_BOND_ACTIVE_BACKUP ? IROCE_PLACE_OK :
							     IROCE_PLACE_TWO_SENDERS;
	case IROCE_PLACE_PER_PORT:
		/* Inbound there is one live window, wherever it is: sound for any SA. */
		return f->dir == IROCE_DIR_IN || f->has_home ? IROCE_PLACE_OK : IROCE_PLACE_NO_HOME;
	default:
		return IROCE_PLACE_BAD;
	}
}

enum iroce_place_reason iroce_place(const struct iroce_place_facts *f,
				    enum iroce_placement *placement)
{
	enum iroce_placement choice = f->wish;
	enum iroce_place_reason reason = check_bond(f);

	if (reason)
		return reason;
	if (choice == IROCE_PLACE_ANY) {
		/* An SA that names its port is meant for that port, whatever the engines are. */
		if (f->dir == IROCE_DIR_OUT && f->has_home)
			choice = IROCE_PLACE_PER_PORT;
		else if (f->is_one_engine)
			choice = IROCE_PLACE_SHARED;
		else if (f->mode == IROCE_BOND_ACTIVE_BACKUP)
			choice = IROCE_PLACE_OWNER;
		else
			choice = IROCE_PLACE_PER_PORT;
	}
	reason = check_wish(f, choice);
	if (reason)
		return reason;
	*placement = choice;
	return IROCE_PLACE_OK;
}
