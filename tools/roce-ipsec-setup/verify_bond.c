// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `verify` of a bond's ports: what each must have by the placement, and what each
 * has sealed while probes were sent.
 */
#include <stdio.h>
#include <string.h>

#include "tunnel/bond.h"
#include "tunnel/device.h"
#include "verify.h"

/* What is wrong with the SA at the port; NULL: nothing. */
static const char *sa_at_port_fault(const struct verify *vf, const struct sa_view *sa, int side,
				    const struct ipsec_roce_port *port)
{
	const struct ipsec_roce_sa_port *at = view_sa_at(sa, port->ifindex);
	bool is_live = at && !strcmp(at->state, "live");
	bool is_home = sa->home == port->ifindex;

	/* Outbound it is at its own port alone. */
	if (sa->place == IPSEC_ROCE_PLACE_PER_PORT && !side && !is_home)
		return NULL;
	if (!at)
		return "is not there";
	if (is_live)
		return NULL;
	if (!strcmp(at->state, "failed") || !strcmp(at->state, "lost"))
		return at->state;
	/* Elsewhere it is at one port at a time, and waits at the others. */
	if (sa->place == IPSEC_ROCE_PLACE_SHARED ||
	    (sa->place == IPSEC_ROCE_PLACE_PER_PORT && !side) ||
	    (sa->place == IPSEC_ROCE_PLACE_OWNER && view_port_carries(&vf->view.bond, port)))
		return at->state;
	return NULL;
}

/* A port that sends needs an SA of its own, or all that is hashed to it is dropped. */
static bool has_own_sa(const struct verify *vf, const struct ipsec_roce_port *port)
{
	const struct sa_view *out = vf->view.now[0];

	if (out[0].place != IPSEC_ROCE_PLACE_PER_PORT)
		return true;
	for (unsigned int i = 0; i < vf->t->now.count[0]; i++)
		if (out[i].home == port->ifindex)
			return true;
	return false;
}

static void check_port_sas(struct verify *vf, const struct ipsec_roce_port *port, const char *name)
{
	const struct view *v = &vf->view;
	const struct generation *g = &vf->t->now;
	int faults = vf->faults;

	for (int side = 0; side < SIDES; side++)
		for (unsigned int i = 0; i < g->count[side]; i++) {
			const char *fault = sa_at_port_fault(vf, &v->now[side][i], side, port);

			if (fault && v->now[side][i].is_there)
				check(vf, RESULT_FAULT, name, "SA %s 0x%08x: %s",
				      side ? "in" : "out", g->spi[side][i], fault);
		}
	if (!has_own_sa(vf, port))
		check(vf, RESULT_FAULT, name,
		      "has no SA of its own, what is to leave through it is dropped: rekey on both hosts");
	if (vf->faults == faults)
		check(vf, RESULT_OK, name, "runs%s, SAs and policies are there, counts SAs %s",
		      port->is_active ? " and is active" : "",
		      view_engine_text(&v->bond, port));
}

static void check_port(struct verify *vf, const struct ipsec_roce_port *port)
{
	const struct function *f = function_find(vf->t, port->name);
	char name[32];

	snprintf(name, sizeof(name), "port %s", port->name);
	if (!port->can_offload)
		check(vf, RESULT_FAULT, name, "cannot offload IPsec packets (" ESP_FEATURE " is off?)");
	else if (!port->is_running)
		check(vf, RESULT_NOTE, name, "does not run (no carrier?): the others carry the traffic");
	else
		check_port_sas(vf, port, name);
	snprintf(name, sizeof(name), "fence %s", port->name);
	if (!f)
		check(vf, vf->t->has_roce_fence ? RESULT_FAULT : RESULT_NOTE, name,
		      "none: the port joined after `up`; run `up` again");
	else
		check_roce_fence(vf, &vf->view.func[f - vf->t->func], name);
}

void check_bond(struct verify *vf)
{
	const struct bond_view *b = &vf->view.bond;
	const struct sa_view *out = &vf->view.now[0][0];
	unsigned int running = 0;

	if (!b->is_known) {
		check(vf, RESULT_FAULT, "bond", "%s", b->why);
		return;
	}
	for (unsigned int i = 0; i < b->port_count; i++)
		running += b->port[i].is_running;
	/* Each policy of a bond is at all of its ports, or the helper has not taken it. */
	if (b->info.n_policies < SIDES)
		check(vf, RESULT_FAULT, "bond", "its ports have %u policies", b->info.n_policies);
	else
		check(vf, running ? RESULT_OK : RESULT_FAULT, "bond",
		      "placement %s, %u of %u ports run, %llu hand-overs",
		      out->place ? place_name(out->place) : "none", running, b->port_count,
		      (unsigned long long)b->info.n_handovers);
	for (unsigned int i = 0; i < b->port_count; i++)
		check_port(vf, &b->port[i]);
}

bool have_ports_moved(const struct moment *a, const struct moment *b)
{
	for (unsigned int i = 0; i < b->port_count && i < a->port_count; i++)
		if (b->port[i].carries && b->port[i].sa[0] <= a->port[i].sa[0])
			return false;
	return true;
}

void check_ports_moved(struct verify *vf, const struct probe *p, const struct moment *a,
			      const struct moment *b)
{
	char name[32];

	for (unsigned int i = 0; i < b->port_count; i++) {
		uint64_t out = b->port[i].sa[0] - a->port[i].sa[0];
		uint64_t in = b->port[i].sa[1] - a->port[i].sa[1];

		if (a->port[i].ifindex != b->port[i].ifindex) {
			check(vf, RESULT_NOTE, "ports", "came or went while probing: verify again");
			return;
		}
		snprintf(name, sizeof(name), "sealed %s", vf->view.bond.port[i].name);
		if (b->port[i].carries && !out)
			check(vf, RESULT_FAULT, name, "sealed none of %d %s", p->sent, p->kind);
		else
			/* Through which port answers come, the peer and the fabric decide. */
			check(vf, RESULT_OK, name, "out +%llu packets, in +%llu packets",
			      (unsigned long long)out, (unsigned long long)in);
	}
}
