/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * `verify` in its parts: what stands around the tunnel (verify_around.c), a bond's ports
 * (verify_bond.c), and what moves while probes are sent (verify_probe.c).
 */
#ifndef SETUP_VERIFY_H
#define SETUP_VERIFY_H

#include "evidence.h"
#include "probe.h"

#define DROP_COUNT	14	/* names in /proc/net/xfrm_stat that mean a fault */

/* What had been counted at a moment. */
struct moment {
	uint64_t sa[SIDES];
	uint64_t dev[SIDES];
	bool has_dev;	/* the driver has the ipsec counters by mlx5's names */
	uint64_t drops[DROP_COUNT];
	struct {
		unsigned int ifindex;
		bool carries;
		uint64_t sa[SIDES];
	} port[PORTS_MAX];	/* of a bond, as its helper counts */
	unsigned int port_count;
};

/* ---- verify_around.c ---- */
int check_around(struct verify *vf);

/* ---- verify_bond.c ---- */
void check_bond(struct verify *vf);
/* Has each port that carries traffic sealed some of it in between? */
bool have_ports_moved(const struct moment *a, const struct moment *b);
void check_ports_moved(struct verify *vf, const struct probe *p, const struct moment *a,
		       const struct moment *b);

/* ---- verify_probe.c ---- */
/* Sends probes, and says what they moved. */
int check_probe(struct verify *vf);

#endif
