/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Private: linux/xfrm.h, with what kernel headers before 6.10 lack, and the
 * conversions that states and policies share.
 */
#ifndef IPSEC_ROCE_XFRM_ABI_H
#define IPSEC_ROCE_XFRM_ABI_H

#include <linux/xfrm.h>
#include <string.h>

#include "ipsec_roce.h"

/* Attribute numbers are kernel ABI; enum xfrm_attr_type_t of older headers ends before. */
#define ATTR_SA_DIR	33
#define SA_DIR_IN	1
#define SA_DIR_OUT	2
#define ATTR_XFRM_MAX	40

static inline void addr_to_xfrm(xfrm_address_t *to, const struct ipsec_roce_addr *from)
{
	memset(to, 0, sizeof(*to));
	if (from->family == AF_INET)
		memcpy(&to->a4, &from->v4, sizeof(from->v4));
	else
		memcpy(to->a6, &from->v6, sizeof(from->v6));
}

static inline void addr_from_xfrm(struct ipsec_roce_addr *to, const xfrm_address_t *from,
				  int family)
{
	memset(to, 0, sizeof(*to));
	to->family = family;
	if (family == AF_INET)
		memcpy(&to->v4, &from->a4, sizeof(to->v4));
	else
		memcpy(&to->v6, from->a6, sizeof(to->v6));
}

/* Prefix lengths of 0 stand for all of the address. */
static inline void selector_to_xfrm(struct xfrm_selector *to, const struct ipsec_roce_addr *src,
				    uint8_t src_bits, const struct ipsec_roce_addr *dst,
				    uint8_t dst_bits, uint8_t proto)
{
	uint8_t all = src->family == AF_INET ? 32 : 128;

	to->family = src->family;
	addr_to_xfrm(&to->saddr, src);
	addr_to_xfrm(&to->daddr, dst);
	to->prefixlen_s = src_bits ?: all;
	to->prefixlen_d = dst_bits ?: all;
	to->proto = proto;
}

#endif
