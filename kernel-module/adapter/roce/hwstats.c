// SPDX-License-Identifier: GPL-2.0
/*
 * `rdma statistic` and sysfs hw_counters: rdma_rxe's names, ours, and those of
 * IPsec, all from the lists in stats.h.
 */
#include "counters.h"
#include "paths.h"

static const enum iroce_stat stats_shown[] = {
#define STAT(name) IROCE_STAT_##name,
	IROCE_ROCE_STATS(STAT)
	IROCE_IPSEC_STATS(STAT)
#undef STAT
};

static const struct rdma_stat_desc descs[] = {
#define DESC(counter) { .name = #counter },
	IROCE_ROCE_STATS(DESC)
	IROCE_IPSEC_STATS(DESC)
#undef DESC
};

static_assert(ARRAY_SIZE(descs) == ARRAY_SIZE(stats_shown));

struct rdma_hw_stats *iroce_hwstats_alloc(struct ib_device *ibdev, u32 port_num)
{
	return rdma_alloc_hw_stats_struct(descs, ARRAY_SIZE(descs),
					  RDMA_HW_STATS_DEFAULT_LIFESPAN);
}

int iroce_hwstats_get(struct ib_device *ibdev, struct rdma_hw_stats *stats, u32 port_num,
		      int index)
{
	struct iroce_roce *roce = iroce_roce(ibdev);
	int i;

	if (!port_num || !stats)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(stats_shown); i++)
		stats->value[i] = iroce_paths_stat(roce, stats_shown[i]);
	return ARRAY_SIZE(stats_shown);
}
