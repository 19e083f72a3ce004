// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Any bytes as an IP packet. What hides stays hidden, what is shown is in the packet; and the more
 * of a packet is linear, the more is seen, never something else.
 */
#include "fuzz.h"
#include "core/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iroce_flow_key f, less;
	u32 off, less_off;
	uint8_t *copy;
	size_t n;

	if (!size)
		return 0;
	/* The first byte cuts; an own allocation lets ASan see the end. */
	n = data[0] < size - 1 ? data[0] : size - 1;
	copy = malloc(n ? n : 1);
	MUST(copy);
	memcpy(copy, data + 1, n);

	if (!iroce_flow_from_ip(copy, n, &less, &less_off)) {
		MUST(!iroce_flow_from_ip(data + 1, size - 1, &f, &off));
		MUST(iroce_addr_equal(&f.saddr, &less.saddr));
		MUST(iroce_addr_equal(&f.daddr, &less.daddr));
		MUST(f.family == less.family);
		MUST(!(f.flags & ~less.flags));
		if (!(less.flags & IROCE_FLOW_PROTO_UNKNOWN))
			MUST(f.proto == less.proto && off == less_off);
		else
			MUST(!less.proto && less.flags & IROCE_FLOW_PORTS_UNKNOWN);
		if (!(less.flags & IROCE_FLOW_PORTS_UNKNOWN))
			MUST(f.sport == less.sport && f.dport == less.dport && off <= n);
		else
			MUST(!less.sport && !less.dport);
	}
	free(copy);
	return 0;
}
