/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * RoCEv2 invariant CRC (IBTA annex A17.3.3): the masked pseudo header it begins with.
 * Core has no CRC of its own; the caller runs the world's CRC-32 over what is built here.
 *
 * The ICRC is CRC-32 (IEEE 802.3, reflected, polynomial 0xedb88320) over
 *
 *   8 x 0xff | IP header | UDP header | BTH | extended headers | payload | pad
 *   |<----- iroce_icrc_header() ----------->|<---- as on the wire, the caller's -->|
 *
 * with every field that routers may change set to ones. It starts from IROCE_ICRC_SEED, ends
 * inverted and is sent little-endian:
 *
 *   kernel:  crc = crc32_le(IROCE_ICRC_SEED, out, n); crc = crc32_le(crc, rest, len);
 *            wire = iroce_icrc_wire(crc);
 *   zlib:    crc = crc32(0, out, n); crc = crc32(crc, rest, len);   (inverts by itself)
 *            wire = cpu_to_le32(crc);
 *
 * Under ESP transport mode the IP header is the inner one: protocol UDP, length without ESP.
 */
#ifndef IROCE_CORE_ICRC_H
#define IROCE_CORE_ICRC_H

#include "env.h"

#define IROCE_ICRC_SEED 0xffffffffU
/* CRC state after the eight leading bytes of ones, for callers that skip them. */
#define IROCE_ICRC_SEED_AFTER_LRH 0xdebb20e3U

#define IROCE_ICRC_LRH_LEN 8
#define IROCE_ICRC_HDR4_LEN (IROCE_ICRC_LRH_LEN + 20 + 8 + 12)
#define IROCE_ICRC_HDR6_LEN (IROCE_ICRC_LRH_LEN + 40 + 8 + 12)
#define IROCE_ICRC_HDR_MAX IROCE_ICRC_HDR6_LEN

/**
 * iroce_icrc_header - build the masked pseudo header
 * @out: IROCE_ICRC_HDR_MAX bytes of room
 * @ip: IP header, 20 (no options: RoCEv2 has none) or 40 bytes
 * @is_v6: which of the two
 * @udp: UDP header, 8 bytes
 * @bth: BTH, 12 bytes; extended headers are not masked and stay with the caller
 *
 * Any alignment, any context. Inputs may be contiguous or not.
 *
 * Return: bytes written; 0 if @ip is not the version that @is_v6 says, or an IPv4 header with
 * options, for which the annex defines no ICRC.
 */
size_t iroce_icrc_header(u8 out[IROCE_ICRC_HDR_MAX], const void *ip, bool is_v6,
			 const void *udp, const void *bth);

/* CRC state (not yet inverted) to the four bytes on the wire. */
static inline __le32 iroce_icrc_wire(u32 crc)
{
	return cpu_to_le32(~crc);
}

#endif /* IROCE_CORE_ICRC_H */
