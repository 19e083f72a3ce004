// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `verify`: is traffic to the peer sealed now? Each check is one line with its
 * evidence. What is configured is looked at here, then around it, then what moves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/options.h"
#include "base/report.h"
#include "tunnel/owner.h"
#include "tunnel/record.h"
#include "commands.h"
#include "verify.h"

static void check_link(struct verify *vf)
{
	const struct view *v = &vf->view;
	const char *dev = vf->t->dev;

	if (!v->has_link)
		check(vf, RESULT_FAULT, "device", "%s does not exist", dev);
	else if (!v->link.is_up)
		check(vf, RESULT_FAULT, "device", "%s is down: the kernel flushed its SAs and policies",
		      dev);
	else if (!v->link.has_carrier)
		check(vf, RESULT_FAULT, "device", "%s has no carrier", dev);
	else
		check(vf, RESULT_OK, "device", "%s is up and has carrier", dev);
}

static void check_sa(struct verify *vf, enum ipsec_roce_dir dir, unsigned int n)
{
	const struct tunnel *t = vf->t;
	const struct sa_view *sa = &vf->view.now[SIDE(dir)][n];
	bool is_out = dir == IPSEC_ROCE_OUT;
	const char *name = is_out ? "SA out" : "SA in", *why;
	uint32_t spi = t->now.spi[SIDE(dir)][n];
	const struct ipsec_roce_sa_info *i = &sa->info;

	if (!view_sa_good(t, &vf->view, sa, is_out ? t->now.spi[0][0] : t->reqid_in, dir, &why)) {
		check(vf, RESULT_FAULT, name, "0x%08x (generation %u) %s", spi, t->now.number, why);
		return;
	}
	if (sa->is_dead) {
		check(vf, RESULT_FAULT, name, "0x%08x (generation %u) is never used again: rekey",
		      spi, t->now.number);
		return;
	}
	check(vf, RESULT_OK, name, "0x%08x (generation %u) packet-offloaded to %s, %s, ESN, window %u",
	      spi, t->now.number, t->dev, i->cipher, i->replay_window);
	if (i->auth_fails || i->replay_drops || i->window_drops)
		check(vf, RESULT_NOTE, name, "dropped so far: %u forged, %u replayed, %u behind the window",
		      i->auth_fails, i->replay_drops, i->window_drops);
}

static void check_sas(struct verify *vf)
{
	for (unsigned int i = 0; i < vf->t->now.count[0]; i++)
		check_sa(vf, IPSEC_ROCE_OUT, i);
	for (unsigned int i = 0; i < vf->t->now.count[1]; i++)
		check_sa(vf, IPSEC_ROCE_IN, i);
}

static void check_policy(struct verify *vf, enum ipsec_roce_dir dir)
{
	const struct policy_view *p = &vf->view.protect[SIDE(dir)];
	const char *name = dir == IPSEC_ROCE_OUT ? "policy out" : "policy in", *why;
	struct ipsec_roce_link on = { .size = sizeof(on) };

	if (!view_policy_good(vf->t, &vf->view, dir, &why))
		check(vf, RESULT_FAULT, name, "%s", why);
	else if (p->is_shadowed)
		check(vf, RESULT_FAULT, name,
		      "another offloaded policy (on %s, priority %u) covers the same traffic and may go first: delete it",
		      ipsec_roce_link_by_index(vf->s->h, p->shadow.ifindex, &on) ? "?" : on.name,
		      p->shadow.priority);
	else
		check(vf, RESULT_OK, name, "offloaded to %s, reqid %u (0x%08x)", vf->t->dev,
		      p->policy.reqid, p->policy.reqid);
}

static void check_host_fence(struct verify *vf)
{
	const struct view *v = &vf->view;

	if (!vf->t->has_host_fence)
		check(vf, RESULT_NOTE, "fence host",
		      "none (--no-fence): when the policies are flushed, host traffic leaves clear");
	else if (!v->host_fence[0].is_there || !v->host_fence[1].is_there)
		check(vf, RESULT_FAULT, "fence host", "%s policy missing",
		      v->host_fence[0].is_there ? "inbound" : "outbound");
	else
		check(vf, RESULT_OK, "fence host", "block policies out and in, behind the others");
}

/* Then what leaves through it leaves through the tunnel's device: probes, too. */
static bool is_above(struct verify *vf, const struct ipsec_roce_link *link)
{
	struct ipsec_roce_link below;

	if (!owner_is_stacked(link) || owner_below(vf->s, link, &below) ||
	    below.ifindex != vf->view.link.ifindex)
		return false;
	snprintf(vf->probe_dev, sizeof(vf->probe_dev), "%s", link->name);
	return true;
}

static void check_route(struct verify *vf)
{
	struct ipsec_roce_route route = { .size = sizeof(route) };
	struct ipsec_roce_link other = { .size = sizeof(other) };
	struct setup *s = vf->s;
	const struct ipsec_roce_addr *to = &vf->t->peer;
	char peer[IPSEC_ROCE_ADDR_TEXT];
	unsigned int oif = 0;

	ipsec_roce_addr_text(to, peer);
	/* A link-local address is reached through whichever device one names. */
	if (to->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&to->v6))
		oif = vf->view.link.ifindex;
	if (ipsec_roce_route_get(s->h, to, &vf->t->local, oif, &route))
		check(vf, RESULT_FAULT, "route", "%s", ipsec_roce_message(s->h));
	else if (vf->view.has_link && route.ifindex == vf->view.link.ifindex)
		check(vf, RESULT_OK, "route", "%s is reached through %s", peer, vf->t->dev);
	else if (!ipsec_roce_link_by_index(s->h, route.ifindex, &other) && is_above(vf, &other))
		check(vf, RESULT_OK, "route", "%s is reached through %s, which lies on %s", peer,
		      other.name, vf->t->dev);
	else if (other.ifindex)
		check(vf, RESULT_FAULT, "route", "%s is reached through %s, not %s", peer,
		      other.name, vf->t->dev);
	else
		check(vf, RESULT_FAULT, "route", "%s is not reached through %s", peer, vf->t->dev);
}

static void check_rdma(struct verify *vf)
{
	struct ipsec_roce_rdma rdma = { .size = sizeof(rdma) };
	int err = ipsec_roce_rdma_get(vf->s->h, vf->t->dev, &vf->t->local, &rdma);

	if (err)
		check(vf, RESULT_NOTE, "RDMA", "%s", ipsec_roce_message(vf->s->h));
	else if (rdma.gid_index < 0)
		check(vf, RESULT_NOTE, "RDMA", "%s port %u has no RoCEv2 GID for the local address",
		      rdma.name, rdma.port);
	else
		check(vf, RESULT_OK, "RDMA", "%s port %u, GID index %d (-d %s -g %d)", rdma.name,
		      rdma.port, rdma.gid_index, rdma.name, rdma.gid_index);
}

/* What puts the most of it back. Of what is not missing but wrong, each check says what to do. */
static void find_next(struct verify *vf)
{
	const struct tunnel *t = vf->t;
	const struct view *v = &vf->view;
	char peer[IPSEC_ROCE_ADDR_TEXT];
	const char *why, *up = "";
	bool is_live = view_is_live(t, v);

	if (!vf->faults || !v->has_link)
		return;
	if (!v->link.is_up)
		up = "bring the device up, then, on both hosts: ";
	else if (!is_live)
		up = "on both hosts: ";
	else if (view_policy_good(t, v, IPSEC_ROCE_OUT, &why) &&
		 view_policy_good(t, v, IPSEC_ROCE_IN, &why) &&
		 (!t->has_host_fence || (v->host_fence[0].is_there && v->host_fence[1].is_there)))
		return;
	snprintf(vf->next, sizeof(vf->next),
		 "%sroce-ipsec-setup up --dev %s --peer %s --key-file FILE%s", up, t->dev,
		 ipsec_roce_addr_text(&t->peer, peer), is_live ? "" : " --generation next");
}

static int on_tunnel(struct setup *s, const struct tunnel *recorded, void *arg)
{
	struct tunnel now = *recorded, *t = &now;
	struct verify *vf = arg;
	int err;

	vf->t = t;
	err = view_read(s, t, &vf->view);
	if (err)
		return err;
	check_link(vf);
	if (view_settle(t, &vf->view))
		check(vf, RESULT_NOTE, "rekey",
		      "to generation %u was cut short, generation %u is in use: rekey to another one",
		      t->other.number, t->now.number);
	check_sas(vf);
	check_policy(vf, IPSEC_ROCE_OUT);
	check_policy(vf, IPSEC_ROCE_IN);
	check_host_fence(vf);
	if (t->is_bond)
		check_bond(vf);
	else
		check_roce_fence(vf, &vf->view.func[0], "fence RoCE");
	check_route(vf);
	check_rdma(vf);
	err = check_around(vf);
	if (err)
		return err;
	find_next(vf);
	return s->opt->no_probe || !vf->view.has_link ? 0 : check_probe(vf);
}

static void conclude(struct verify *vf)
{
	struct json_object *o;

	if (!vf->checks) {
		if (vf->faults)
			say("NOT SEALED, or not known to be: %d fault%s", vf->faults,
			    vf->faults == 1 ? "" : "s");
		else
			say("sealed");
		if (*vf->next)
			say("next: %s", vf->next);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "sealed", json_object_new_boolean(!vf->faults));
	json_object_object_add(o, "checks", vf->checks);
	if (*vf->next)
		json_object_object_add(o, "next", json_object_new_string(vf->next));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

/* No tunnel: why traffic may be in clear, or dropped, all the same. */
static int check_none(struct verify *vf)
{
	const struct options *opt = vf->s->opt;
	char peer[IPSEC_ROCE_ADDR_TEXT];

	ipsec_roce_addr_text(&opt->peer, peer);
	check(vf, RESULT_FAULT, "tunnel", "nothing is up towards %s on %s", peer, opt->dev);
	snprintf(vf->next, sizeof(vf->next),
		 "on both hosts: roce-ipsec-setup up --dev %s --peer %s --key-file FILE", opt->dev,
		 peer);
	return check_around(vf);
}

int cmd_verify(struct setup *s)
{
	struct verify vf = { .s = s };
	int err;

	if (s->opt->has_json)
		vf.checks = json_object_new_array();
	err = record_open(s, true) ?: record_each(s, on_tunnel, &vf);
	if (err) {
		json_object_put(vf.checks);
		return err;
	}
	if (!vf.t)
		err = check_none(&vf);
	if (err) {
		json_object_put(vf.checks);
		return err;
	}
	conclude(&vf);
	return vf.faults ? EXIT_FAULT : EXIT_DONE;
}
