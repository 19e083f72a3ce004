// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The two ends of a tunnel: this host's address and the peer's.
 */
#include <errno.h>
#include <stdio.h>

#include "base/options.h"
#include "base/report.h"
#include "ends.h"

const char *ends_text(const struct tunnel *t, char *buf, size_t size)
{
	char local[IPSEC_ROCE_ADDR_TEXT], peer[IPSEC_ROCE_ADDR_TEXT];

	snprintf(buf, size, "%s <-> %s", ipsec_roce_addr_text(&t->local, local),
		 ipsec_roce_addr_text(&t->peer, peer));
	return buf;
}

void ends_set(const struct tunnel *t, enum ipsec_roce_dir dir, struct ipsec_roce_addr *src,
	      struct ipsec_roce_addr *dst)
{
	*src = dir == IPSEC_ROCE_OUT ? t->local : t->peer;
	*dst = dir == IPSEC_ROCE_OUT ? t->peer : t->local;
}

int ends_find_local(struct setup *s, struct ipsec_roce_addr *local)
{
	const struct options *opt = s->opt;
	struct ipsec_roce_link link = { .size = sizeof(link) };
	struct ipsec_roce_route route = { .size = sizeof(route) };
	char peer[IPSEC_ROCE_ADDR_TEXT];
	int err;

	if (opt->local.family) {
		*local = opt->local;
		return 0;
	}
	err = ipsec_roce_link_get(s->h, opt->dev, &link);
	if (!err)
		err = ipsec_roce_route_get(s->h, &opt->peer, NULL, link.ifindex, &route);
	if (err)
		return library_fail(s, err);
	if (!route.source.family)
		return setup_fail(s, -EADDRNOTAVAIL,
				  "%s has no source address towards %s; give one with --local",
				  opt->dev, ipsec_roce_addr_text(&opt->peer, peer));
	if (ipsec_roce_addr_equal(&route.source, &opt->peer))
		return setup_fail(s, -EINVAL, "%s is an address of this host",
				  ipsec_roce_addr_text(&opt->peer, peer));
	*local = route.source;
	return 0;
}
