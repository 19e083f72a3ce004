// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Whose an address is, and which function seals for a device that lies on another:
 * a VLAN or macvlan device leaves by the function below it; another function's
 * traffic passes this one's policies by.
 */
#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "device.h"
#include "owner.h"

#define DEPTH_MAX	8	/* the kernel stacks no more */

bool owner_is_stacked(const struct ipsec_roce_link *link)
{
	static const char *const kinds[] = { "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(link->kind, kinds[i]))
			return true;
	return false;
}

int owner_below(struct setup *s, const struct ipsec_roce_link *link, struct ipsec_roce_link *below)
{
	*below = *link;
	for (int depth = 0; owner_is_stacked(below) && depth < DEPTH_MAX; depth++) {
		unsigned int lower = below->lower;
		int err;

		*below = (struct ipsec_roce_link){ .size = sizeof(*below) };
		if (!lower)
			return 0;
		err = ipsec_roce_link_by_index(s->h, lower, below);
		if (err)
			return library_fail(s, err);
	}
	return 0;
}

struct search {
	const struct ipsec_roce_addr *addr;
	unsigned int preferred, found;
};

static int on_addr(const struct ipsec_roce_addr *addr, unsigned int ifindex, void *arg)
{
	struct search *w = arg;

	/* A link-local address is on many devices. */
	if (ipsec_roce_addr_equal(addr, w->addr) && w->found != w->preferred)
		w->found = ifindex;
	return 0;
}

int owner_find(struct setup *s, const struct ipsec_roce_addr *addr, unsigned int preferred,
	       struct ipsec_roce_link *owner)
{
	struct search w = { .addr = addr, .preferred = preferred };
	int err = ipsec_roce_addr_list(s->h, on_addr, &w);

	*owner = (struct ipsec_roce_link){ .size = sizeof(*owner) };
	if (!err && w.found)
		err = ipsec_roce_link_by_index(s->h, w.found, owner);
	/* It may have gone in between. */
	return err && err != -ENODEV ? library_fail(s, err) : 0;
}

int owner_judge(struct setup *s, const struct ipsec_roce_addr *addr,
		const struct ipsec_roce_link *link, struct ipsec_roce_link *owner,
		enum owner_kind *kind)
{
	struct ipsec_roce_link below;
	bool is_on = false;
	int err;

	*kind = OWNER_ELSEWHERE;
	err = owner_find(s, addr, link->ifindex, owner) ?: owner_below(s, owner, &below);
	if (err)
		return err;
	if (owner->ifindex == link->ifindex)
		*kind = OWNER_SELF;
	else if (owner->ifindex && below.ifindex == link->ifindex)
		*kind = OWNER_ABOVE;
	/* A bond and its ports are one way out. */
	else if (below.ifindex && !*below.kind && below.master != link->ifindex &&
		 !ipsec_roce_feature_get(s->h, below.name, ESP_FEATURE, &is_on, NULL) && is_on)
		*kind = OWNER_OTHER_FUNCTION;
	return 0;
}
