// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `verify` by probes: a few packets are sent, and what the SAs, the devices and the kernel
 * have counted meanwhile is looked at: configuration alone proves nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "verify.h"

#define PROBE_ROUNDS	8	/* at most, of a bond */

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

int check_probe(struct verify *vf)
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
