// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A tunnel, as `up` makes it and its record keeps it.
 */
#include <string.h>

#include "tunnel.h"

bool tunnel_is_same(const struct tunnel *a, const struct tunnel *b)
{
	return ipsec_roce_addr_equal(&a->local, &b->local) &&
	       ipsec_roce_addr_equal(&a->peer, &b->peer);
}

const struct function *function_find(const struct tunnel *t, const char *dev)
{
	for (unsigned int i = 0; i < t->func_count; i++)
		if (!strcmp(t->func[i].dev, dev))
			return &t->func[i];
	return NULL;
}
