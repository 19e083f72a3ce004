// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Bonds: what a tunnel on one stands on, and which placement of its SAs is sound. The
 * library has the helper's own rules: what they refuse is refused before anything changed.
 */
#include <errno.h>
#include <linux/if_bonding.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/options.h"
#include "base/report.h"
#include "bond.h"
#include "device.h"
#include "view.h"

#define WINDOW		128	/* packets, by default */
#define WINDOW_SHARED	2048	/* one window for several cables, one of which may lag behind */
#define WAIT_STEPS	20
#define WAIT_STEP_NS	(50 * 1000 * 1000)

const char *place_name(enum ipsec_roce_place place)
{
	return ipsec_roce_place_name(place) ?: "unknown";
}

/* ---- what the tunnel stands on ---- */

static int function_add(struct setup *s, struct tunnel *t, const char *dev)
{
	if (t->func_count == PORTS_MAX)
		return setup_fail(s, -E2BIG, "%s has more than %d ports", t->dev, PORTS_MAX);
	/* Names end within 16 bytes, here and there. */
	strcpy(t->func[t->func_count++].dev, dev);
	return 0;
}

/* It takes a bond a moment after the bond has appeared. */
static int wait_for_helper(struct setup *s, const struct tunnel *t, struct ipsec_roce_bond *bond)
{
	static const struct timespec step = { 0, WAIT_STEP_NS };
	int err;

	for (int i = 0; i < WAIT_STEPS; i++) {
		err = ipsec_roce_bond_get(s->h, t->dev, bond);
		if (err != -ENODEV)
			break;
		nanosleep(&step, NULL);
	}
	return err ? library_fail(s, err) : 0;
}

static bool is_one_engine(const struct bond_view *b)
{
	bool is_one = true;

	for (unsigned int i = 0; i < b->port_count; i++)
		is_one &= b->port[i].engine == b->port[0].engine;
	return is_one;
}

int bond_find_functions(struct setup *s, struct tunnel *t)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	struct bond_view b = { .info = { .size = sizeof(b.info) } };
	int err = ipsec_roce_link_get(s->h, t->dev, &link);

	if (err)
		return library_fail(s, err);
	t->is_bond = !strcmp(link.kind, "bond");
	if (!t->is_bond) {
		t->replay_window = t->replay_window ?: WINDOW;
		t->func_now = 1;
		return function_add(s, t, t->dev);
	}
	err = wait_for_helper(s, t, &b.info);
	if (err)
		return err;
	view_read_bond(s, t->dev, &b);
	if (!b.is_known)
		return setup_fail(s, -EIO, "%s", b.why);
	if (b.info.n_ports > PORTS_MAX)
		return setup_fail(s, -E2BIG, "%s has %u ports, more than %d", t->dev,
				  b.info.n_ports, PORTS_MAX);
	for (unsigned int i = 0; !err && i < b.port_count; i++)
		err = function_add(s, t, b.port[i].name);
	t->func_now = t->func_count;
	if (!t->replay_window)
		t->replay_window = b.port_count > 1 && is_one_engine(&b) ? WINDOW_SHARED : WINDOW;
	return err;
}

struct remains {
	struct tunnel *t;
	unsigned int bond;
};

static int on_link(const struct ipsec_roce_link *link, void *arg)
{
	const struct remains *r = arg;
	struct tunnel *t = r->t;

	if (link->master == r->bond && t->func_count < PORTS_MAX)
		snprintf(t->func[t->func_count++].dev, sizeof(t->func[0].dev), "%s", link->name);
	return 0;
}

int bond_find_remains(struct setup *s, struct tunnel *t)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	struct remains r = { .t = t };
	int err = ipsec_roce_link_get(s->h, t->dev, &link);

	t->is_bond = !err && !strcmp(link.kind, "bond");
	if (!t->is_bond)
		return function_add(s, t, t->dev);
	r.bond = link.ifindex;
	err = ipsec_roce_link_list(s->h, on_link, &r);
	return err ? library_fail(s, err) : 0;
}

/* ---- placement ---- */

static int facts_read(struct setup *s, const struct tunnel *t, const struct bond_view *b,
		      struct ipsec_roce_place_facts *facts)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	int err = ipsec_roce_link_get(s->h, t->dev, &link);

	if (err)
		return library_fail(s, err);
	*facts = (struct ipsec_roce_place_facts){
		.size = sizeof(*facts),
		.bond_mode = link.bond_mode,
		.bond_hash = link.bond_hash,
		.wish = b->info.placement,
		.n_ports = b->port_count,
		.is_one_engine = is_one_engine(b),
		.has_offload = true,
	};
	/*
	 * A peer that has an SA per port hears each SA at one of its ports at a time: it must not
	 * be sent on all of ours.
	 */
	facts->wants_home = t->pairs > 1 && b->port_count > 1 && facts->is_one_engine &&
			    link.bond_mode != BOND_MODE_ACTIVEBACKUP;
	return 0;
}

static int refuse_port(struct setup *s, const struct tunnel *t,
		       const struct ipsec_roce_place_facts *facts, const char *port)
{
	struct ipsec_roce_place_facts without = *facts;
	enum ipsec_roce_place placement;

	without.has_offload = false;
	ipsec_roce_place_choose(s->h, t->dev, &without, &placement);
	return setup_fail(s, -EOPNOTSUPP,
			  "%s (port %s; a VF may need it from its PF: devlink port function set DEV/PORT ipsec_packet enable)",
			  ipsec_roce_message(s->h), port);
}

/* One whose offload is off is switched on along with the bond's. */
static int check_ports(struct setup *s, const struct tunnel *t, const struct bond_view *b,
		       const struct ipsec_roce_place_facts *facts)
{
	for (unsigned int i = 0; i < b->port_count; i++) {
		bool is_on, is_fixed;
		int err = ipsec_roce_feature_get(s->h, b->port[i].name, ESP_FEATURE, &is_on,
						 &is_fixed);

		if (err && err != -EOPNOTSUPP)
			return library_fail(s, err);
		if (err || (!is_on && is_fixed))
			return refuse_port(s, t, facts, b->port[i].name);
	}
	return 0;
}

static void say_choice(const struct tunnel *t, const struct bond_view *b,
		       enum ipsec_roce_place placement, bool is_asked)
{
	static const char *const why[] = {
		[IPSEC_ROCE_PLACE_ANY] = "",
		[IPSEC_ROCE_PLACE_SHARED] = "are functions of one adapter, which counts an SA once for all of them",
		[IPSEC_ROCE_PLACE_PER_PORT] = "count for themselves and all send: an SA pair, with SPI and key of its own, for each",
		[IPSEC_ROCE_PLACE_OWNER] = "count for themselves and one sends: the active port has the SAs and hands them over",
	};
	char ports[PORTS_MAX * 18] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < b->port_count; i++)
		len += snprintf(ports + len, sizeof(ports) - len, "%s%s", i ? ", " : "",
				b->port[i].name);
	if (b->port_count == 1)
		say("%s: one port, %s: one SA pair", t->dev, ports);
	else
		say("%s: placement %s: the ports %s %s", t->dev, place_name(placement), ports,
		    is_asked ? "have an SA pair each, as --ports asks" : why[placement]);
}

int bond_choose(struct setup *s, const struct tunnel *t, unsigned int *count)
{
	enum ipsec_roce_place placement = IPSEC_ROCE_PLACE_ANY;
	struct ipsec_roce_place_facts facts;
	struct bond_view b;
	int err;

	*count = 1;
	if (!t->is_bond)
		return 0;
	view_read_bond(s, t->dev, &b);
	if (!b.is_known)
		return setup_fail(s, -EIO, "%s", b.why);
	err = facts_read(s, t, &b, &facts);
	if (err)
		return err;
	err = ipsec_roce_place_choose(s->h, t->dev, &facts, &placement);
	if (err)
		return library_fail(s, err);
	err = check_ports(s, t, &b, &facts);
	if (err)
		return err;
	if (placement == IPSEC_ROCE_PLACE_PER_PORT)
		*count = b.port_count;
	say_choice(t, &b, placement, facts.wants_home);
	return 0;
}

int bond_home(struct setup *s, const struct tunnel *t, unsigned int n, unsigned int *ifindex)
{
	struct bond_view b;

	view_read_bond(s, t->dev, &b);
	if (!b.is_known || !b.port_count)
		return setup_fail(s, -EIO, "%s",
				  b.is_known ? "the bond has lost its ports" : b.why);
	/* More SAs than ports: the peer has more. They are heard, wherever they come. */
	*ifindex = b.port[n % b.port_count].ifindex;
	return 0;
}
