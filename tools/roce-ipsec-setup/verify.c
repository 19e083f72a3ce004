// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `verify`: is traffic to the peer sealed now? Each check is one line with its
 * evidence. What is configured is looked at first, then a few probes are sent
 * and what moved is looked at: configuration alone proves nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <json-c/json.h>

#include "verify.h"

#define PROBE_ROUNDS	8	/* at most, of a bond */

static const char *const result_names[] = {
	[RESULT_OK] = "ok",
	[RESULT_NOTE] = "note",
	[RESULT_FAULT] = "FAULT",
};

void check(struct verify *vf, enum result result, const char *name, const char *fmt, ...)
{
	char evidence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(evidence, sizeof(evidence), fmt, ap);
	va_end(ap);
	vf->faults += result == RESULT_FAULT;
	if (vf->checks) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "check", json_object_new_string(name));
		json_object_object_add(o, "result", json_object_new_string(result_names[result]));
		json_object_object_add(o, "evidence", json_object_new_string(evidence));
		json_object_array_add(vf->checks, o);
	} else {
		say("%-5s  %-16s %s", result_names[result], name, evidence);
	}
}

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

void check_roce_fence(struct verify *vf, const struct func_view *func, const char *name)
{
	const struct fence_view *f = func->roce_fence;

	if (!vf->t->has_roce_fence)
		check(vf, RESULT_NOTE, name,
		      "none: when the policies are flushed, RoCE relies on the device to stay shut");
	else if (!f[0].is_there || !f[1].is_there)
		check(vf, RESULT_FAULT, name, "%s filter missing: `up` again puts it back",
		      f[0].is_there ? "ingress" : "egress");
	else if (!f[0].info.is_in_hw || !f[1].info.is_in_hw)
		check(vf, RESULT_FAULT, name, "%s filter is not in hardware",
		      f[0].info.is_in_hw ? "ingress" : "egress");
	else
		check(vf, RESULT_OK, name,
		      "filters in hardware, cleartext dropped so far: %llu out, %llu in",
		      (unsigned long long)f[0].info.drops, (unsigned long long)f[1].info.drops);
	/* With the fence in hardware a device that opens by itself opens nothing. */
	if (func->has_flag && !func->is_closed)
		check(vf, view_fence_good(func) ? RESULT_NOTE : RESULT_FAULT, name,
		      FAIL_CLOSED_FLAG " is off: the device itself keeps nothing shut");
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

/* ---- what moves ---- */

static const char *const drop_names[DROP_COUNT] = {
	"XfrmInError", "XfrmInNoStates", "XfrmInStateProtoError", "XfrmInStateSeqError",
	"XfrmInStateMismatch", "XfrmInTmplMismatch", "XfrmInNoPols", "XfrmInPolBlock",
	"XfrmOutError", "XfrmOutNoStates", "XfrmOutStateProtoError", "XfrmOutStateExpired",
	"XfrmOutPolBlock", "XfrmOutPolError",
};

static void drops_read(uint64_t *drops)
{
	FILE *f = fopen("/proc/net/xfrm_stat", "re");
	unsigned long long value;
	char name[64];

	memset(drops, 0, DROP_COUNT * sizeof(*drops));
	while (f && fscanf(f, "%63s %llu", name, &value) == 2)
		for (size_t i = 0; i < DROP_COUNT; i++)
			if (!strcmp(name, drop_names[i]))
				drops[i] = value;
	if (f)
		fclose(f);
}

static void ports_count(const struct tunnel *t, const struct view *v, struct moment *m)
{
	m->port_count = v->bond.is_known ? v->bond.port_count : 0;
	for (unsigned int p = 0; p < m->port_count; p++) {
		const struct ipsec_roce_port *port = &v->bond.port[p];
		struct port_sa list[PORT_SAS_MAX];
		int count = view_port_sas(t, v, port, list);

		m->port[p].ifindex = port->ifindex;
		m->port[p].carries = view_port_carries(&v->bond, port);
		m->port[p].sa[0] = m->port[p].sa[1] = 0;
		for (int i = 0; i < count; i++)
			m->port[p].sa[SIDE(list[i].dir)] += list[i].at->packets;
	}
}

static void devices_count(struct verify *vf, struct moment *m)
{
	const struct tunnel *t = vf->t;

	m->has_dev = t->func_count;
	for (unsigned int i = 0; i < t->func_count; i++) {
		uint64_t tx = 0, rx = 0;

		m->has_dev = m->has_dev &&
			     !ipsec_roce_counter_get(vf->s->h, t->func[i].dev, "ipsec_tx_pkts", &tx) &&
			     !ipsec_roce_counter_get(vf->s->h, t->func[i].dev, "ipsec_rx_pkts", &rx);
		m->dev[0] += tx;
		m->dev[1] += rx;
	}
}

static int moment_take(struct verify *vf, struct moment *m)
{
	const struct tunnel *t = vf->t;
	struct view v;
	int err;

	*m = (struct moment){ 0 };
	err = view_read(vf->s, t, &v);
	if (err)
		return err;
	for (unsigned int i = 0; i < t->now.count[0]; i++)
		m->sa[0] += v.now[0][i].info.packets;
	/* A peer that has not moved on yet answers under the last generation. */
	for (unsigned int i = 0; i < PAIRS_MAX; i++)
		m->sa[1] += v.now[1][i].info.packets + v.other[1][i].info.packets;
	ports_count(t, &v, m);
	devices_count(vf, m);
	drops_read(m->drops);
	return 0;
}

static void check_out_moved(struct verify *vf, const struct probe *p, const struct moment *a,
			    const struct moment *b)
{
	uint64_t sa = b->sa[0] - a->sa[0], dev = b->dev[0] - a->dev[0];

	if (sa < (uint64_t)p->sent)
		check(vf, RESULT_FAULT, "sealed out",
		      "%d %s were sent, the outbound SA counted %llu packets", p->sent, p->kind,
		      (unsigned long long)sa);
	else if (a->has_dev && dev < (uint64_t)p->sent)
		check(vf, RESULT_FAULT, "sealed out",
		      "%d %s were sent, %s counted %llu under ipsec_tx_pkts", p->sent, p->kind,
		      vf->t->dev, (unsigned long long)dev);
	else
		check(vf, RESULT_OK, "sealed out",
		      "%d %s were sent: outbound SA +%llu packets, ipsec_tx_pkts %s%llu", p->sent,
		      p->kind, (unsigned long long)sa, a->has_dev ? "+" : "unknown to the driver, ",
		      (unsigned long long)dev);
}

static void check_in_moved(struct verify *vf, const struct probe *p, const struct moment *a,
			   const struct moment *b)
{
	uint64_t sa = b->sa[1] - a->sa[1], dev = b->dev[1] - a->dev[1];

	if (!p->expects_answer)
		check(vf, RESULT_NOTE, "sealed in",
		      "not probed: the peer's answers to UDP probes are not covered (--proto udp)");
	else if (!p->answered)
		check(vf, RESULT_FAULT, "sealed in",
		      "no answer: the peer is down, silent, or uses another key or generation");
	else if (sa < (uint64_t)p->answered)
		check(vf, RESULT_FAULT, "sealed in",
		      "%d answers came, the inbound SA counted %llu packets", p->answered,
		      (unsigned long long)sa);
	else if (p->is_spread && !p->full_rounds)
		check(vf, RESULT_FAULT, "sealed in",
		      "%d of %d flows were answered: a port, here or there, loses what it is given",
		      p->answered, p->sent);
	else
		check(vf, RESULT_OK, "sealed in",
		      "%d answers came: inbound SA +%llu packets, ipsec_rx_pkts %s%llu", p->answered,
		      (unsigned long long)sa, a->has_dev ? "+" : "unknown to the driver, ",
		      (unsigned long long)dev);
}

static void check_drops(struct verify *vf, const struct moment *a, const struct moment *b)
{
	char text[400] = "";
	size_t len = 0;

	for (size_t i = 0; i < DROP_COUNT; i++)
		if (b->drops[i] > a->drops[i] && len < sizeof(text))
			len += snprintf(text + len, sizeof(text) - len, " %s +%llu", drop_names[i],
					(unsigned long long)(b->drops[i] - a->drops[i]));
	/* Other tunnels of the host move them too: it points, it does not prove. */
	if (len)
		check(vf, RESULT_NOTE, "xfrm drops", "while probing:%s", text);
	else
		check(vf, RESULT_OK, "xfrm drops", "none while probing");
}

/* On a bond: until all ports that carry traffic were seen to, and all was answered once. */
static int probe_rounds(struct verify *vf, struct probe *p, const struct moment *before,
			struct moment *after)
{
	/* Where a fault was found already, one round shows what it does. */
	int err, rounds = vf->faults ? 1 : PROBE_ROUNDS;

	do {
		err = probe_run(p);
		/* Older kernels seal it, newer ones drop it: an SA's device has to be the route's. */
		if (err == -EHOSTUNREACH && *vf->probe_dev) {
			check(vf, RESULT_NOTE, "probe",
			      "this kernel seals no host traffic of %s on %s: RoCE alone passes",
			      p->dev, vf->t->dev);
			return err;
		}
		if (err) {
			check(vf, RESULT_FAULT, "probe", "nothing could be sent through %s: %s",
			      vf->t->dev, err == -EPERM ? "a policy blocks it" : strerror(-err));
			return err;
		}
		err = moment_take(vf, after);
	} while (!err && p->is_spread && p->rounds < rounds &&
		 /* A peer that is silent once stays so. */
		 (p->answered || !p->expects_answer) &&
		 ((p->expects_answer && !p->full_rounds) || !have_ports_moved(before, after)));
	return err;
}

static int check_probe(struct verify *vf)
{
	const struct tunnel *t = vf->t;
	struct probe p = { .dev = *vf->probe_dev ? vf->probe_dev : t->dev, .local = &t->local, .peer = &t->peer,
			   .proto = t->proto, .is_spread = t->is_bond };
	struct moment before, after;
	int err, faults = vf->faults;

	err = moment_take(vf, &before);
	if (err)
		return err;
	err = probe_rounds(vf, &p, &before, &after);
	if (err)
		return vf->faults > faults || *vf->probe_dev ? 0 : err;
	check_out_moved(vf, &p, &before, &after);
	check_in_moved(vf, &p, &before, &after);
	if (t->is_bond)
		check_ports_moved(vf, &p, &before, &after);
	check_drops(vf, &before, &after);
	return 0;
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
