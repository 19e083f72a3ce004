// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The view: what the kernel has of a tunnel at this moment. Commands decide by
 * it, not by what the record says should be there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "device.h"
#include "ends.h"
#include "view.h"

static int read_link(struct setup *s, const struct tunnel *t, struct view *v)
{
	int err;

	v->link.size = sizeof(v->link);
	err = ipsec_roce_link_get(s->h, t->dev, &v->link);
	if (err == -ENODEV)
		return 0;
	v->has_link = !err;
	return err ? library_fail(s, err) : 0;
}

static int read_sa(struct setup *s, const struct tunnel *t, uint32_t spi, enum ipsec_roce_dir dir,
		   struct sa_view *sa)
{
	struct ipsec_roce_sa_id id = { .size = sizeof(id), .spi = spi };
	int err;

	ends_set(t, dir, &id.src, &id.dst);
	sa->info.size = sizeof(sa->info);
	err = ipsec_roce_sa_get(s->h, &id, &sa->info);
	if (err == -ENOENT)
		return 0;
	sa->is_there = !err;
	return err ? library_fail(s, err) : 0;
}

static int read_sas(struct setup *s, const struct tunnel *t, const struct generation *g,
		    struct sa_view sa[SIDES][PAIRS_MAX])
{
	int err = 0;

	for (unsigned int i = 0; !err && i < g->count[0]; i++)
		err = read_sa(s, t, g->spi[0][i], IPSEC_ROCE_OUT, &sa[0][i]);
	for (unsigned int i = 0; !err && i < g->count[1]; i++)
		err = read_sa(s, t, g->spi[1][i], IPSEC_ROCE_IN, &sa[1][i]);
	return err;
}

struct policy_walk {
	const struct tunnel *t;
	struct view *v;
};

static bool prefix_covers(const struct ipsec_roce_addr *net, unsigned int bits,
			  const struct ipsec_roce_addr *addr)
{
	const unsigned char *a = (const unsigned char *)&net->v6;
	const unsigned char *b = (const unsigned char *)&addr->v6;

	if (net->family != addr->family)
		return false;
	if (memcmp(a, b, bits / 8))
		return false;
	return !(bits % 8) || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8));
}

bool view_policy_covers(const struct ipsec_roce_policy *p, const struct ipsec_roce_addr *local,
			const struct ipsec_roce_addr *peer)
{
	bool is_out = p->dir == IPSEC_ROCE_OUT;

	return prefix_covers(&p->src, p->src_bits, is_out ? local : peer) &&
	       prefix_covers(&p->dst, p->dst_bits, is_out ? peer : local);
}

static bool is_exact(const struct ipsec_roce_policy *p, const struct ipsec_roce_addr *src,
		     const struct ipsec_roce_addr *dst)
{
	uint8_t all = src->family == AF_INET ? 32 : 128;

	return p->src_bits == all && p->dst_bits == all && ipsec_roce_addr_equal(&p->src, src) &&
	       ipsec_roce_addr_equal(&p->dst, dst);
}

/*
 * The kernel puts offloaded policies before all others that it has, so an offloaded one
 * can go before ours; which of two, only the order of their arrival tells. What software
 * policies can do is looked at by `verify` (check_software()).
 */
static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	const struct policy_walk *w = arg;
	const struct ipsec_roce_addr *src, *dst;
	int side = SIDE(p->dir);

	src = p->dir == IPSEC_ROCE_OUT ? &w->t->local : &w->t->peer;
	dst = p->dir == IPSEC_ROCE_OUT ? &w->t->peer : &w->t->local;
	if (p->proto == w->t->proto && is_exact(p, src, dst) &&
	    p->kind == IPSEC_ROCE_POLICY_PROTECT) {
		w->v->protect[side].is_there = true;
		w->v->protect[side].policy = *p;
	} else if (p->proto == w->t->proto && is_exact(p, src, dst) &&
		   p->kind == IPSEC_ROCE_POLICY_FENCE) {
		w->v->host_fence[side].is_there = true;
		w->v->host_fence[side].policy = *p;
	} else if (p->kind != IPSEC_ROCE_POLICY_FENCE && p->ifindex &&
		   view_policy_covers(p, &w->t->local, &w->t->peer) &&
		   (!p->proto || !w->t->proto || p->proto == w->t->proto)) {
		w->v->protect[side].is_shadowed = true;
		w->v->protect[side].shadow = *p;
	}
	return 0;
}

static int read_roce_fence(struct setup *s, const struct tunnel *t, const struct function *func,
			   enum ipsec_roce_dir dir, struct fence_view *f)
{
	struct ipsec_roce_fence fence = { .size = sizeof(fence), .dev = func->dev, .dir = dir };
	int err;

	ends_set(t, dir, &fence.src, &fence.dst);
	f->info.size = sizeof(f->info);
	err = ipsec_roce_fence_get(s->h, &fence, &f->info);
	if (err == -ENOENT || err == -ENODEV)
		return 0;
	f->is_there = !err;
	return err ? library_fail(s, err) : 0;
}

static int read_functions(struct setup *s, const struct tunnel *t, struct view *v)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < t->func_count; i++) {
		const struct function *f = &t->func[i];
		struct func_view *fv = &v->func[i];

		/* Of ports, which one does not look at one by one. */
		fv->has_flag = t->is_bond &&
			       !ipsec_roce_privflag_get(s->h, f->dev, FAIL_CLOSED_FLAG,
							&fv->is_closed);
		if (!t->has_roce_fence)
			continue;
		err = read_roce_fence(s, t, f, IPSEC_ROCE_OUT, &fv->roce_fence[0]);
		if (!err)
			err = read_roce_fence(s, t, f, IPSEC_ROCE_IN, &fv->roce_fence[1]);
	}
	return err;
}

/* ---- bonds ---- */

static int on_port(const struct ipsec_roce_port *port, void *arg)
{
	struct bond_view *b = arg;

	if (b->port_count < PORTS_MAX)
		b->port[b->port_count++] = *port;
	return 0;
}

void view_read_bond(struct setup *s, const char *dev, struct bond_view *b)
{
	*b = (struct bond_view){ .info = { .size = sizeof(b->info) } };
	b->is_known = !ipsec_roce_bond_get(s->h, dev, &b->info) &&
		      !ipsec_roce_port_list(s->h, dev, on_port, b);
	if (!b->is_known)
		snprintf(b->why, sizeof(b->why), "%s", ipsec_roce_message(s->h));
}

struct sa_walk {
	const struct tunnel *t;
	struct view *v;
};

static struct sa_view *sa_find(const struct generation *g, struct sa_view sa[SIDES][PAIRS_MAX],
			       int side, uint32_t spi)
{
	for (unsigned int i = 0; g->number && i < g->count[side]; i++)
		if (g->spi[side][i] == spi)
			return &sa[side][i];
	return NULL;
}

static int on_sa_port(const struct ipsec_roce_bond_sa *sa, const struct ipsec_roce_sa_port *port,
		      void *arg)
{
	const struct sa_walk *w = arg;
	const struct tunnel *t = w->t;
	int side = SIDE(sa->dir);
	struct sa_view *to;

	if (!ipsec_roce_addr_equal(&sa->dst, side ? &t->local : &t->peer))
		return 0;
	to = sa_find(&t->now, w->v->now, side, sa->spi) ?:
	     sa_find(&t->other, w->v->other, side, sa->spi);
	if (!to)
		return 0;
	to->is_dead = sa->is_dead;
	to->place = sa->placement;
	to->home = sa->home_ifindex;
	if (port && to->at_count < PORTS_MAX)
		to->at[to->at_count++] = *port;
	return 0;
}

static int read_bond(struct setup *s, const struct tunnel *t, struct view *v)
{
	struct sa_walk w = { t, v };
	int err;

	view_read_bond(s, t->dev, &v->bond);
	if (!v->bond.is_known)
		return 0;
	err = ipsec_roce_bond_sa_list(s->h, t->dev, on_sa_port, &w);
	/* The helper may be going: then the bond is as good as unknown. */
	v->bond.is_known = !err;
	if (err)
		snprintf(v->bond.why, sizeof(v->bond.why), "%s", ipsec_roce_message(s->h));
	return 0;
}

int view_read(struct setup *s, const struct tunnel *t, struct view *v)
{
	struct policy_walk w = { t, v };
	int err;

	*v = (struct view){ 0 };
	err = read_link(s, t, v);
	if (!err)
		err = read_sas(s, t, &t->now, v->now);
	if (!err && t->other.number)
		err = read_sas(s, t, &t->other, v->other);
	if (!err)
		err = ipsec_roce_policy_list(s->h, on_policy, &w) ? library_fail(s, -EIO) : 0;
	if (!err)
		err = read_functions(s, t, v);
	if (!err && t->is_bond)
		err = read_bond(s, t, v);
	return err;
}

const struct ipsec_roce_sa_port *view_sa_at(const struct sa_view *sa, unsigned int ifindex)
{
	for (unsigned int i = 0; i < sa->at_count; i++)
		if (sa->at[i].ifindex == ifindex)
			return &sa->at[i];
	return NULL;
}

bool view_port_carries(const struct bond_view *b, const struct ipsec_roce_port *port)
{
	bool has_active = false;

	for (unsigned int i = 0; i < b->port_count; i++)
		has_active |= b->port[i].is_active;
	return port->is_running && (port->is_active || !has_active);
}

const char *view_engine_text(const struct bond_view *b, const struct ipsec_roce_port *port)
{
	static char text[PORTS_MAX * 18];
	size_t len = 0;

	for (unsigned int i = 0; i < b->port_count; i++)
		if (b->port[i].engine == port->engine && b->port[i].index != port->index)
			len += snprintf(text + len, sizeof(text) - len, "%s%s",
					len ? ", " : "with ", b->port[i].name);
	return len ? text : "for itself";
}

static int sas_at(const struct generation *g, const struct sa_view sa[SIDES][PAIRS_MAX],
		  unsigned int ifindex, struct port_sa *list)
{
	int count = 0;

	for (int side = 0; g->number && side < SIDES; side++)
		for (unsigned int i = 0; i < g->count[side]; i++) {
			const struct ipsec_roce_sa_port *at = view_sa_at(&sa[side][i], ifindex);

			if (at)
				list[count++] = (struct port_sa){
					g->spi[side][i], g->number,
					side ? IPSEC_ROCE_IN : IPSEC_ROCE_OUT, at };
		}
	return count;
}

int view_port_sas(const struct tunnel *t, const struct view *v,
		  const struct ipsec_roce_port *port, struct port_sa list[PORT_SAS_MAX])
{
	int count = sas_at(&t->now, v->now, port->ifindex, list);

	return count + sas_at(&t->other, v->other, port->ifindex, list + count);
}

bool view_fence_good(const struct func_view *f)
{
	return f->roce_fence[0].is_there && f->roce_fence[0].info.is_in_hw &&
	       f->roce_fence[1].is_there && f->roce_fence[1].info.is_in_hw;
}

bool view_settle(struct tunnel *t, struct view *v)
{
	struct generation now = t->now;
	struct sa_view sa[SIDES][PAIRS_MAX];

	if (!t->other.number || t->other_is_next || !v->protect[0].is_there ||
	    v->protect[0].policy.reqid != t->other.spi[0][0])
		return false;
	t->now = t->other;
	t->other = now;
	t->other_is_next = true;
	memcpy(sa, v->now, sizeof(sa));
	memcpy(v->now, v->other, sizeof(sa));
	memcpy(v->other, sa, sizeof(sa));
	return true;
}

bool view_sa_good(const struct tunnel *t, const struct view *v, const struct sa_view *sa,
		  uint32_t reqid, enum ipsec_roce_dir dir, const char **why)
{
	const struct ipsec_roce_addr *src = dir == IPSEC_ROCE_OUT ? &t->local : &t->peer;

	*why = NULL;
	if (!sa->is_there)
		*why = "is not there";
	else if (sa->info.is_acquire)
		*why = "is larval: it has no key";
	else if (!ipsec_roce_addr_equal(&sa->info.src, src))
		*why = "has another source";
	else if (sa->info.offload != IPSEC_ROCE_OFFLOAD_PACKET)
		*why = "is not packet-offloaded";
	else if (sa->info.ifindex != v->link.ifindex)
		*why = "is offloaded to another device";
	else if (sa->info.reqid != reqid)
		*why = "has another reqid";
	else if (!sa->info.has_esn)
		*why = "has no extended sequence numbers";
	return !*why;
}

bool view_is_live(const struct tunnel *t, const struct view *v)
{
	bool is_live = v->has_link;
	const char *why;

	for (unsigned int i = 0; i < t->now.count[0]; i++)
		is_live = is_live && view_sa_good(t, v, &v->now[0][i], t->now.spi[0][0],
						  IPSEC_ROCE_OUT, &why);
	for (unsigned int i = 0; i < t->now.count[1]; i++)
		is_live = is_live && view_sa_good(t, v, &v->now[1][i], t->reqid_in,
						  IPSEC_ROCE_IN, &why);
	return is_live;
}

bool view_policy_good(const struct tunnel *t, const struct view *v, enum ipsec_roce_dir dir,
		      const char **why)
{
	const struct policy_view *p = &v->protect[SIDE(dir)];
	uint32_t reqid = dir == IPSEC_ROCE_OUT ? t->now.spi[0][0] : t->reqid_in;

	*why = NULL;
	if (!p->is_there)
		*why = "is not there";
	else if (p->policy.ifindex != v->link.ifindex)
		*why = "is offloaded to another device";
	else if (p->policy.reqid != reqid)
		*why = "asks for another reqid than the SA has";
	return !*why;
}

const char *view_offload_text(enum ipsec_roce_offload offload)
{
	switch (offload) {
	case IPSEC_ROCE_OFFLOAD_PACKET:
		return "packet";
	case IPSEC_ROCE_OFFLOAD_CRYPTO:
		return "crypto";
	case IPSEC_ROCE_OFFLOAD_NONE:
		break;
	}
	return "none";
}

int view_read_rdma(struct setup *s, const struct tunnel *t, struct ipsec_roce_rdma *rdma)
{
	*rdma = (struct ipsec_roce_rdma){ .size = sizeof(*rdma), .gid_index = -1 };
	return ipsec_roce_rdma_get(s->h, t->dev, &t->local, rdma);
}
