// SPDX-License-Identifier: GPL-2.0
/*
 * Port counters in InfiniBand's form: what the RDMA core shows as
 * /sys/class/infiniband/DEV/ports/1/counters, and perftest -W and monitoring read.
 *
 * They count RDMA alone, as on mlx5: frames from the Ethernet header to the ICRC, as they
 * are before sealing and after opening, in units of four bytes (IBA volume 1, 16.1.3.5).
 */
#include <rdma/ib_mad.h>
#include <rdma/ib_pma.h>

#include "counters.h"
#include "paths.h"

#define WORD	4	/* bytes that one of port_{xmit,rcv}_data stands for */

static u64 sum_stats(struct iroce_roce *roce, const enum iroce_stat *stats, unsigned int n)
{
	u64 all = 0;

	while (n--)
		all += iroce_paths_stat(roce, stats[n]);
	return all;
}

/* What arrived damaged. */
static const enum iroce_stat rcv_errors[] = {
	IROCE_STAT_rx_drop_malformed, IROCE_STAT_rx_drop_icrc,
};

/* What arrived whole, and may not come in. */
static const enum iroce_stat rcv_constraint_errors[] = {
	IROCE_STAT_rx_drop_pkey, IROCE_STAT_rx_drop_vlan, IROCE_STAT_rx_drop_unsealed,
};

/* There was no way out. */
static const enum iroce_stat xmit_discards[] = {
	IROCE_STAT_tx_drop_no_route, IROCE_STAT_tx_drop_no_mem,
};

/* The way out was closed (I1). */
static const enum iroce_stat xmit_constraint_errors[] = {
	IROCE_STAT_tx_drop_closed,
};

#define SUM(roce, stats) sum_stats(roce, stats, ARRAY_SIZE(stats))

static u64 count_words(struct iroce_roce *roce, enum iroce_stat bytes)
{
	return iroce_paths_stat(roce, bytes) / WORD;
}

/* The old form: its counters stop at their largest value. */
static void fill_counters(struct iroce_roce *roce, struct ib_pma_portcounters *out)
{
	u64 sent = iroce_paths_stat(roce, IROCE_STAT_sent_pkts);
	u64 rcvd = iroce_paths_stat(roce, IROCE_STAT_rcvd_pkts);

	out->link_downed_counter = min(iroce_paths_stat(roce, IROCE_STAT_link_downed), U8_MAX);
	out->port_rcv_errors = cpu_to_be16(min(SUM(roce, rcv_errors), U16_MAX));
	out->port_xmit_discards = cpu_to_be16(min(SUM(roce, xmit_discards), U16_MAX));
	out->port_xmit_constraint_errors = min(SUM(roce, xmit_constraint_errors), U8_MAX);
	out->port_rcv_constraint_errors = min(SUM(roce, rcv_constraint_errors), U8_MAX);
	out->port_xmit_data = cpu_to_be32(min(count_words(roce, IROCE_STAT_sent_bytes), U32_MAX));
	out->port_rcv_data = cpu_to_be32(min(count_words(roce, IROCE_STAT_rcvd_bytes), U32_MAX));
	out->port_xmit_packets = cpu_to_be32(min(sent, U32_MAX));
	out->port_rcv_packets = cpu_to_be32(min(rcvd, U32_MAX));
}

/* No multicast group can be joined. */
static void fill_counters_ext(struct iroce_roce *roce, struct ib_pma_portcounters_ext *out)
{
	out->port_xmit_data = cpu_to_be64(count_words(roce, IROCE_STAT_sent_bytes));
	out->port_rcv_data = cpu_to_be64(count_words(roce, IROCE_STAT_rcvd_bytes));
	out->port_xmit_packets = cpu_to_be64(iroce_paths_stat(roce, IROCE_STAT_sent_pkts));
	out->port_rcv_packets = cpu_to_be64(iroce_paths_stat(roce, IROCE_STAT_rcvd_pkts));
	out->port_unicast_xmit_packets = out->port_xmit_packets;
	out->port_unicast_rcv_packets = out->port_rcv_packets;
}

/*
 * iroce_process_mad - the RDMA core asks for counters on behalf of sysfs
 *
 * Management packets from the network come here, too, with a completion: no peer is told
 * of counters, its packets go to the core's agents as if this call were not there.
 */
int iroce_process_mad(struct ib_device *ibdev, int flags, u32 port_num, const struct ib_wc *in_wc,
		      const struct ib_grh *in_grh, const struct ib_mad *in, struct ib_mad *out,
		      size_t *out_size, u16 *out_pkey_index)
{
	struct iroce_roce *roce = iroce_roce(ibdev);
	struct ib_class_port_info info = { .capability_mask = IB_PMA_CLASS_CAP_EXT_WIDTH };
	void *data = out->data + 40;	/* behind the reserved part of a performance packet */

	if (in_wc)
		return IB_MAD_RESULT_SUCCESS;
	if (in->mad_hdr.mgmt_class != IB_MGMT_CLASS_PERF_MGMT ||
	    in->mad_hdr.method != IB_MGMT_METHOD_GET)
		return IB_MAD_RESULT_FAILURE;
	memset(out, 0, sizeof(*out));
	switch (in->mad_hdr.attr_id) {
	case IB_PMA_CLASS_PORT_INFO:
		memcpy(data, &info, sizeof(info));
		break;
	case IB_PMA_PORT_COUNTERS:
		fill_counters(roce, data);
		break;
	case IB_PMA_PORT_COUNTERS_EXT:
		fill_counters_ext(roce, data);
		break;
	default:
		return IB_MAD_RESULT_FAILURE;
	}
	return IB_MAD_RESULT_SUCCESS | IB_MAD_RESULT_REPLY;
}
