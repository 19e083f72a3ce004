// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `verify` of what stands around a tunnel, or in its place: policies that protect
 * nothing here (software ones, those of another function or for other ports), whose the local
 * address is, and what devices hold closed.
 */
#include <errno.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "tunnel/device.h"
#include "tunnel/hold.h"
#include "tunnel/owner.h"
#include "verify.h"

/* ---- policies ---- */

struct around {
	const struct ipsec_roce_addr *local, *peer;
	struct {
		struct policy_view software, offloaded;	/* to whichever device */
		struct policy_view source_bound;	/* offloaded, but not for all RoCE */
	} found[SIDES];
};

static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	struct around *w = arg;
	struct policy_view *v;

	if (p->kind == IPSEC_ROCE_POLICY_FENCE || !p->covers_roce || !p->has_esp ||
	    !view_policy_covers(p, w->local, w->peer))
		return 0;
	v = !p->ifindex ? &w->found[SIDE(p->dir)].software :
	    p->is_source_bound ? &w->found[SIDE(p->dir)].source_bound :
				 &w->found[SIDE(p->dir)].offloaded;
	v->is_there = true;
	v->policy = *p;
	return 0;
}

static const char *dir_text(int side)
{
	return side ? "policy in" : "policy out";
}

/*
 * The kernel puts an offloaded policy at the head of its list (xfrm_policy_insert_list()), and
 * skips prefixes where it found one there. A software policy of better priority that comes
 * later is put at the head in turn, if its addresses are exact as well.
 */
static void check_software(struct verify *vf, const struct policy_view *p, int side)
{
	unsigned int all = p->policy.src.family == AF_INET ? 32 : 128;
	bool is_exact = p->policy.src_bits == all && p->policy.dst_bits == all;

	if (vf->t && is_exact && p->policy.priority < vf->t->priority)
		check(vf, RESULT_FAULT, dir_text(side),
		      "a software policy (priority %u) covers the same traffic: it never protects RoCE, and host traffic may ask it first; delete it (ip xfrm policy)",
		      p->policy.priority);
	else if (vf->t)
		check(vf, RESULT_NOTE, dir_text(side),
		      "a software policy (priority %u) covers the same traffic: it never protects RoCE, and the offloaded one goes first",
		      p->policy.priority);
	else
		check(vf, RESULT_FAULT, dir_text(side),
		      "a software policy (priority %u) covers this traffic: software policies never protect RoCE, only `offload packet` does",
		      p->policy.priority);
}

/* By hand, or of an IKE daemon. */
static void check_offloaded(struct verify *vf, const struct policy_view *p, int side,
			    const struct ipsec_roce_link *link)
{
	struct ipsec_roce_link on = { .size = sizeof(on) };

	if (p->policy.ifindex == link->ifindex || p->policy.ifindex == link->master)
		check(vf, RESULT_NOTE, dir_text(side),
		      "one is offloaded to %s, which `up` has not made: its SAs are not looked at",
		      link->name);
	else if (!ipsec_roce_link_by_index(vf->s->h, p->policy.ifindex, &on) &&
		 on.master != link->ifindex)
		check(vf, RESULT_FAULT, dir_text(side),
		      "one is offloaded to %s: it does nothing for what %s sends and receives, which passes %s by",
		      on.name, link->name, on.name);
}

/* What IKE daemons make of `udp/4791` at both ends: all RoCE is in clear, and their SAs look well. */
static void check_source_bound(struct verify *vf, int side)
{
	check(vf, RESULT_FAULT, dir_text(side),
	      "one is for some UDP source ports only: RoCE comes from any of 49152 to 65535, and what the policy does not name passes it by in clear; leave the source port open (strongSwan: local_ts = remote_ts = dynamic[udp])");
}

/* Without a tunnel: from the route, if there is one. */
static bool find_ends(struct verify *vf, const struct ipsec_roce_link *link,
		      struct ipsec_roce_addr *local)
{
	struct ipsec_roce_route route = { .size = sizeof(route) };
	const struct options *opt = vf->s->opt;

	*local = opt->local;
	if (!local->family &&
	    !ipsec_roce_route_get(vf->s->h, &opt->peer, NULL, link->ifindex, &route))
		*local = route.source;
	return local->family == opt->peer.family;
}

static int check_policies(struct verify *vf, const struct ipsec_roce_link *link)
{
	struct around w = { 0 };
	struct ipsec_roce_addr local;
	int err;

	if (vf->t) {
		w.local = &vf->t->local;
		w.peer = &vf->t->peer;
	} else if (find_ends(vf, link, &local)) {
		w.local = &local;
		w.peer = &vf->s->opt->peer;
	} else {
		return 0;
	}
	err = ipsec_roce_policy_list(vf->s->h, on_policy, &w);
	if (err)
		return library_fail(vf->s, err);
	for (int side = 0; side < SIDES; side++) {
		if (w.found[side].software.is_there)
			check_software(vf, &w.found[side].software, side);
		if (!vf->t && w.found[side].offloaded.is_there)
			check_offloaded(vf, &w.found[side].offloaded, side, link);
		else if (!vf->t && w.found[side].source_bound.is_there)
			check_source_bound(vf, side);
	}
	return 0;
}

/* ---- the local address ---- */

static int check_owner(struct verify *vf)
{
	char local[IPSEC_ROCE_ADDR_TEXT];
	const char *dev = vf->t->dev;
	struct ipsec_roce_link owner;
	enum owner_kind kind;
	int err;

	err = owner_judge(vf->s, &vf->t->local, &vf->view.link, &owner, &kind);
	if (err)
		return err;
	ipsec_roce_addr_text(&vf->t->local, local);
	if (kind == OWNER_OTHER_FUNCTION)
		check(vf, RESULT_FAULT, "address",
		      "%s is an address of %s: policies on %s do nothing for it (`down` here, then `up --dev %s`)",
		      local, owner.name, dev, owner.name);
	else if (kind == OWNER_ELSEWHERE)
		check(vf, RESULT_NOTE, "address", "%s is not on %s itself%s%s", local, dev,
		      owner.ifindex ? ", but on " : ", nor on another device here", owner.name);
	return 0;
}

/* ---- holds ---- */

static bool has_policies(const struct verify *vf)
{
	const char *why;

	return vf->t && view_policy_good(vf->t, &vf->view, IPSEC_ROCE_OUT, &why) &&
	       view_policy_good(vf->t, &vf->view, IPSEC_ROCE_IN, &why);
}

static int on_hold(struct setup *s, const struct hold *hold, const char *down_dev, void *arg)
{
	char what[HOLD_TEXT], how[HOLD_TEXT];
	struct verify *vf = arg;
	/* With its own policies there, the tunnel's traffic is not what is held. */
	bool is_other = has_policies(vf);

	(void)s;
	check(vf, is_other ? RESULT_NOTE : RESULT_FAULT, "closed", "%s %s%s (%s); to open it: %s", hold->dev,
	      hold_what(hold, what, sizeof(what)),
	      is_other ? ", of other traffic than this tunnel's" : "", hold_why(hold),
	      hold_how(hold, down_dev, how, sizeof(how)));
	return 0;
}

/* What `up --closed-until-protected` switched on, somebody may have switched off. */
static void check_closed(struct verify *vf)
{
	const struct tunnel *t = vf->t;

	for (unsigned int i = 0; t->starts_closed && i < t->func_count; i++) {
		bool is_on = false;

		if (!ipsec_roce_privflag_get(vf->s->h, t->func[i].dev, CLOSED_FLAG, &is_on) &&
		    !is_on)
			check(vf, RESULT_NOTE, "closed",
			      "%s: " CLOSED_FLAG " is off, which `up` had switched on; `up` again puts it back",
			      t->func[i].dev);
	}
}

int check_around(struct verify *vf)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	const char *dev = vf->t ? vf->t->dev : vf->s->opt->dev;
	int err = ipsec_roce_link_get(vf->s->h, dev, &link);

	if (err)
		return err == -ENODEV ? 0 : library_fail(vf->s, err);
	err = check_policies(vf, &link);
	if (!err && vf->t) {
		err = check_owner(vf);
		check_closed(vf);
	}
	return err ?: hold_each(vf->s, dev, on_hold, vf);
}
