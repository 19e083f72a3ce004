// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Any bytes as a RoCEv2 packet, of which an arbitrary part is linear. What the parser takes must
 * lie within the packet and add up; headers must come apart into what builds them again.
 */
#include "fuzz.h"
#include "core/roce.h"

static void check_inside(const void *hdr, size_t len, const uint8_t *buf, size_t linear)
{
	if (!hdr)
		return;
	MUST((const uint8_t *)hdr >= buf);
	MUST((const uint8_t *)hdr + len <= buf + linear);
}

static void check_rebuild(const struct iroce_roce_pkt *pkt)
{
	struct iroce_bth_cfg cfg = {
		.qpn = pkt->qpn,
		.psn = pkt->psn,
		.pkey = pkt->pkey,
		.opcode = pkt->opcode,
		.pad = pkt->pad,
		.is_solicited = pkt->bth->flags & IROCE_BTH_SE,
		.is_ackreq = pkt->is_ackreq,
		.is_migreq = pkt->is_migreq,
	};
	struct iroce_bth bth, have = *pkt->bth;

	have.qpn &= cpu_to_be32(IROCE_QPN_MASK);
	have.apsn &= cpu_to_be32(IROCE_BTH_ACKREQ | IROCE_PSN_MASK);
	iroce_bth_put(&bth, &cfg);
	MUST(!memcmp(&bth, &have, sizeof(bth)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iroce_roce_pkt pkt;
	size_t linear;
	uint8_t *buf;

	if (!size)
		return 0;
	/* The first byte says how much is linear; an own allocation lets ASan see its end. */
	linear = data[0] & 0x80 ? size - 1 : data[0] < size - 1 ? data[0] : size - 1;
	buf = malloc(linear ? linear : 1);
	MUST(buf);
	memcpy(buf, data + 1, linear);

	if (!iroce_bth_parse(buf, linear, size - 1, &pkt)) {
		MUST((size_t)pkt.icrc_off + IROCE_ICRC_LEN == size - 1);
		MUST(pkt.payload_off + pkt.payload_len + pkt.pad == pkt.icrc_off);
		MUST(pkt.payload_off <= linear && pkt.payload_off <= IROCE_ROCE_HDR_MAX);
		MUST((pkt.payload_len + pkt.pad) % 4 == 0 && pkt.pad < 4);
		MUST(pkt.payload_len <= IROCE_MTU_MAX);
		MUST(pkt.flags & IROCE_OPF_VALID);
		MUST((const uint8_t *)pkt.bth == buf);
		check_inside(pkt.deth, sizeof(*pkt.deth), buf, linear);
		check_inside(pkt.reth, sizeof(*pkt.reth), buf, linear);
		check_inside(pkt.atomiceth, sizeof(*pkt.atomiceth), buf, linear);
		check_inside(pkt.aeth, sizeof(*pkt.aeth), buf, linear);
		check_inside(pkt.atomicacketh, sizeof(*pkt.atomicacketh), buf, linear);
		check_inside(pkt.immdt, sizeof(*pkt.immdt), buf, linear);
		check_inside(pkt.ieth, sizeof(*pkt.ieth), buf, linear);
		check_rebuild(&pkt);
	}
	free(buf);
	return 0;
}
