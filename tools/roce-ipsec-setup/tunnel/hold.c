// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Holds: traffic that a device drops by itself, because the policies that protected
 * it are gone (the gauge ipsec_fences), or because nothing protects the device yet
 * (the private flag ipsec-closed-until-protected). Nothing else shows them, so
 * status, verify and down name them, and how they are opened. A driver without
 * these flags has no holds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "device.h"
#include "hold.h"

#define FENCES_COUNTER	"ipsec_fences"

/* 0, with @has false, where the driver knows no such flag, or the device went meanwhile. */
static int read_flag(struct setup *s, const char *dev, const char *flag, bool *has, bool *is_on)
{
	int err = ipsec_roce_privflag_get(s->h, dev, flag, is_on);

	*has = !err;
	if (err == -EOPNOTSUPP || err == -ENODEV)
		return 0;
	return err ? library_fail(s, err) : 0;
}

struct policy_count {
	const struct ipsec_roce_link *link;
	struct hold *hold;
};

/* What is offloaded to a bond is at its ports. */
static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	const struct policy_count *c = arg;

	if (p->ifindex && (p->ifindex == c->link->ifindex || p->ifindex == c->link->master) &&
	    (p->is_block || p->kind == IPSEC_ROCE_POLICY_PROTECT))
		c->hold->n_policies[SIDE(p->dir)]++;
	return 0;
}

int hold_read(struct setup *s, const struct ipsec_roce_link *link, struct hold *hold)
{
	struct policy_count c = { link, hold };
	bool has_flag, has_closed;
	int err;

	*hold = (struct hold){ 0 };
	snprintf(hold->dev, sizeof(hold->dev), "%s", link->name);
	err = read_flag(s, link->name, FAIL_CLOSED_FLAG, &has_flag, &hold->is_fail_closed);
	if (err || !has_flag || !hold->is_fail_closed)
		return err;
	err = ipsec_roce_counter_get(s->h, link->name, FENCES_COUNTER, &hold->n_fences);
	if (err && err != -ENOENT && err != -ENODEV && err != -EOPNOTSUPP)
		return library_fail(s, err);
	err = read_flag(s, link->name, CLOSED_FLAG, &has_closed, &hold->starts_closed);
	if (!err && hold->starts_closed) {
		err = ipsec_roce_policy_list(s->h, on_policy, &c);
		if (err)
			library_fail(s, err);
	}
	return err;
}

bool hold_waits(const struct hold *hold, enum ipsec_roce_dir dir)
{
	return hold->is_fail_closed && hold->starts_closed && !hold->n_policies[SIDE(dir)];
}

bool hold_is_shut(const struct hold *hold)
{
	return hold->n_fences || hold_waits(hold, IPSEC_ROCE_OUT) ||
	       hold_waits(hold, IPSEC_ROCE_IN);
}

const char *hold_what(const struct hold *hold, char *buf, size_t size)
{
	bool out = hold_waits(hold, IPSEC_ROCE_OUT), in = hold_waits(hold, IPSEC_ROCE_IN);
	size_t len = 0;

	*buf = 0;
	if (hold->n_fences)
		len = snprintf(buf, size, "drops what %llu polic%s protected, gone since",
			       (unsigned long long)hold->n_fences,
			       hold->n_fences == 1 ? "y" : "ies");
	if ((out || in) && len < size)
		snprintf(buf + len, size - len, "%sdrops all IP %s", len ? "; " : "",
			 out && in ? "out and in" : out ? "out" : "in");
	return buf;
}

const char *hold_why(const struct hold *hold)
{
	bool waits = hold_waits(hold, IPSEC_ROCE_OUT) || hold_waits(hold, IPSEC_ROCE_IN);

	if (!waits)
		return FAIL_CLOSED_FLAG ": what was protected once never goes on in clear";
	return hold->n_fences ?
		       FAIL_CLOSED_FLAG " and " CLOSED_FLAG ": nothing protects it any more" :
		       CLOSED_FLAG ": no offloaded policy protects it yet";
}

const char *hold_how(const struct hold *hold, const char *down_dev, char *buf, size_t size)
{
	bool waits = hold_waits(hold, IPSEC_ROCE_OUT) || hold_waits(hold, IPSEC_ROCE_IN);
	size_t len = 0;

	*buf = 0;
	if (hold->n_fences)
		len = snprintf(buf, size,
			       "roce-ipsec-setup down --dev %s --all (or ethtool --set-priv-flags %s "
			       FAIL_CLOSED_FLAG " off)", down_dev, hold->dev);
	if (waits && len < size)
		snprintf(buf + len, size - len, "%sethtool --set-priv-flags %s " CLOSED_FLAG " off",
			 len ? ", and " : "", hold->dev);
	return buf;
}

/* ---- all devices ---- */

struct link_list {
	struct ipsec_roce_link *link;
	size_t count, room;
};

static int on_link(const struct ipsec_roce_link *link, void *arg)
{
	struct link_list *l = arg;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		void *more = realloc(l->link, room * sizeof(*l->link));

		if (!more)
			return -ENOMEM;
		l->link = more;
		l->room = room;
	}
	l->link[l->count++] = *link;
	return 0;
}

static const struct ipsec_roce_link *link_above(const struct link_list *l,
						const struct ipsec_roce_link *link)
{
	for (size_t i = 0; link->master && i < l->count; i++)
		if (l->link[i].ifindex == link->master && !strcmp(l->link[i].kind, "bond"))
			return &l->link[i];
	return NULL;
}

int hold_each(struct setup *s, const char *dev, hold_fn fn, void *arg)
{
	struct link_list l = { .link = NULL };
	int err = ipsec_roce_link_list(s->h, on_link, &l);

	if (err)
		library_fail(s, err);
	for (size_t i = 0; !err && i < l.count; i++) {
		const struct ipsec_roce_link *bond = link_above(&l, &l.link[i]);
		struct hold hold;

		if (dev && strcmp(l.link[i].name, dev) && !(bond && !strcmp(bond->name, dev)))
			continue;
		err = hold_read(s, &l.link[i], &hold);
		if (!err && hold_is_shut(&hold))
			err = fn(s, &hold, bond ? bond->name : l.link[i].name, arg);
	}
	free(l.link);
	return err;
}
