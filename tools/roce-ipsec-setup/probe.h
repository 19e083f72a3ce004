/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A few packets to the peer, so that counters have something to count.
 */
#ifndef SETUP_PROBE_H
#define SETUP_PROBE_H

#include "ipsec_roce.h"

#define PROBE_COUNT	4

struct probe {
	int sent;
	int answered;
	bool expects_answer;	/* an echo request does, a datagram to a closed port does not */
	const char *kind;
};

/* proto as in the tunnel: 0 probes with ICMP echo, IPPROTO_UDP with datagrams. 0 or -errno. */
int probe_run(const char *dev, const struct ipsec_roce_addr *local,
	      const struct ipsec_roce_addr *peer, uint8_t proto, struct probe *p);

#endif
