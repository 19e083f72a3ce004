// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Addresses: one type for IPv4 and IPv6, from and to text.
 */
#include <arpa/inet.h>
#include <string.h>

#include "handle.h"

int ipsec_roce_addr_parse(const char *text, struct ipsec_roce_addr *out)
{
	struct ipsec_roce_addr a = { 0 };

	if (inet_pton(AF_INET, text, &a.v4) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.v6) == 1)
		a.family = AF_INET6;
	else
		return -EINVAL;
	*out = a;
	return 0;
}

const char *ipsec_roce_addr_text(const struct ipsec_roce_addr *a, char *buf)
{
	if (!inet_ntop(a->family, a->family == AF_INET ? (const void *)&a->v4 : &a->v6, buf,
		       IPSEC_ROCE_ADDR_TEXT))
		strcpy(buf, "?");
	return buf;
}

bool ipsec_roce_addr_equal(const struct ipsec_roce_addr *a, const struct ipsec_roce_addr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}
