/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Addresses and a flow of RoCE, for tests that ask what a packet's flow is and who selects it. */
#ifndef IROCE_UNIT_FLOWS_H
#define IROCE_UNIT_FLOWS_H

#include <arpa/inet.h>

#include "unit.h"
#include "core/flow.h"

static inline union iroce_addr ip4(const char *s)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, s, &a), 1);
	return iroce_addr_v4(a.s_addr);
}

static inline union iroce_addr ip6(const char *s)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return iroce_addr_v6(&a);
}

static inline struct iroce_flow_key flow4(void)
{
	struct iroce_flow_key f = {
		.family = AF_INET,
		.saddr = ip4("10.1.2.3"),
		.daddr = ip4("10.1.2.4"),
		.proto = IPPROTO_UDP,
		.sport = htons(50000),
		.dport = htons(4791),
	};

	return f;
}

#endif /* IROCE_UNIT_FLOWS_H */
