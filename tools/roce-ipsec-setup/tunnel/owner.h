/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Whose an address is, and what lies below a device.
 */
#ifndef SETUP_OWNER_H
#define SETUP_OWNER_H

#include "base/setup.h"

enum owner_kind {
	OWNER_SELF,
	OWNER_ABOVE,		/* a VLAN or macvlan device that lies on it */
	OWNER_OTHER_FUNCTION,	/* which seals for itself, or not at all */
	OWNER_ELSEWHERE,	/* lo, a bridge, no device */
};

bool owner_is_stacked(const struct ipsec_roce_link *link);
/* Of what is not stacked: itself. ifindex 0: it is in another network namespace. */
int owner_below(struct setup *s, const struct ipsec_roce_link *link,
		struct ipsec_roce_link *below);
/* ifindex 0: nobody's here. Of several devices the preferred one. */
int owner_find(struct setup *s, const struct ipsec_roce_addr *addr, unsigned int preferred,
	       struct ipsec_roce_link *owner);
/* Whose the address is, as @link sees it. */
int owner_judge(struct setup *s, const struct ipsec_roce_addr *addr,
		const struct ipsec_roce_link *link, struct ipsec_roce_link *owner,
		enum owner_kind *kind);

#endif
