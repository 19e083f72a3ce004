// SPDX-License-Identifier: GPL-2.0
/*
 * Names and sums of a function's counters: what ethtool and rdma print comes
 * from the lists in stats.h and nowhere else.
 */
#include <linux/cpumask.h>

#include "stats.h"

static const char *const names[IROCE_STAT_MAX] = {
#define NAME(name) [IROCE_STAT_##name] = #name,
	IROCE_IPSEC_STATS(NAME)
	IROCE_ROCE_STATS(NAME)
	IROCE_PORT_STATS(NAME)
#undef NAME
};

const char *iroce_stat_name(enum iroce_stat stat)
{
	return names[stat];
}

u64 iroce_stat_sum(struct iroce_stats __percpu *stats, enum iroce_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats, cpu)->v[stat]);
	return sum;
}
