/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A few packets to the peer, so that counters have something to count.
 */
#ifndef SETUP_PROBE_H
#define SETUP_PROBE_H

#include "ipsec_roce.h"

#define PROBE_COUNT	4
#define PROBE_SPREAD	8	/* that many flows over a bond's ports at a time */

struct probe {
	const char *dev;
	const struct ipsec_roce_addr *local, *peer;
	uint8_t proto;		/* as in the tunnel: 0: ICMP echo, IPPROTO_UDP: datagrams */
	bool is_spread;		/* each a flow of its own, as a bond's hash sees it */
	/* what came of it */
	int sent, answered;
	int rounds, full_rounds;	/* full: all that was sent was answered */
	bool expects_answer;	/* an echo request does, a datagram to a closed port does not */
	const char *kind;
};

/* One round more; the counts add up. 0 or -errno. */
int probe_run(struct probe *p);

#endif
