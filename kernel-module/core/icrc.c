// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The masked pseudo header that the ICRC begins with (IBTA annex A17.3.3).
 * Every field that a router may change on the way counts as all ones.
 */
#include "icrc.h"

#define IP4_LEN 20
#define IP6_LEN 40
#define UDP_LEN 8
#define BTH_LEN 12

size_t iroce_icrc_header(u8 out[IROCE_ICRC_HDR_MAX], const void *ip, bool is_v6,
			 const void *udp, const void *bth)
{
	const u8 first = *(const u8 *)ip;
	u8 *p = out;

	if (first >> 4 != (is_v6 ? 6 : 4) || (!is_v6 && (first & 0xf) != IP4_LEN / 4))
		return 0;

	/* Stands for InfiniBand's local route header, which RoCEv2 has not. */
	memset(p, 0xff, IROCE_ICRC_LRH_LEN);
	p += IROCE_ICRC_LRH_LEN;

	if (is_v6) {
		memcpy(p, ip, IP6_LEN);
		p[0] |= 0x0f; /* traffic class, flow label */
		p[1] = 0xff;
		p[2] = 0xff;
		p[3] = 0xff;
		p[7] = 0xff; /* hop limit */
		p += IP6_LEN;
	} else {
		memcpy(p, ip, IP4_LEN);
		p[1] = 0xff; /* TOS */
		p[8] = 0xff; /* TTL */
		p[10] = 0xff; /* header checksum */
		p[11] = 0xff;
		p += IP4_LEN;
	}

	memcpy(p, udp, UDP_LEN);
	p[6] = 0xff; /* checksum */
	p[7] = 0xff;
	p += UDP_LEN;

	memcpy(p, bth, BTH_LEN);
	p[4] = 0xff; /* FECN, BECN, resv6 */
	p += BTH_LEN;

	return p - out;
}
