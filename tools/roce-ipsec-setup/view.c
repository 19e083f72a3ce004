// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The view: what the kernel has of a tunnel at this moment. Commands decide by
 * it, not by what the record says should be there.
 */
#include <errno.h>
#include <string.h>

#include "setup.h"

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
	bool is_out = dir == IPSEC_ROCE_OUT;
	int err;

	id.src = is_out ? t->local : t->peer;
	id.dst = is_out ? t->peer : t->local;
	sa->info.size = sizeof(sa->info);
	err = ipsec_roce_sa_get(s->h, &id, &sa->info);
	if (err == -ENOENT)
		return 0;
	sa->is_there = !err;
	return err ? library_fail(s, err) : 0;
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

static bool is_exact(const struct ipsec_roce_policy *p, const struct ipsec_roce_addr *src,
		     const struct ipsec_roce_addr *dst)
{
	uint8_t all = src->family == AF_INET ? 32 : 128;

	return p->src_bits == all && p->dst_bits == all && ipsec_roce_addr_equal(&p->src, src) &&
	       ipsec_roce_addr_equal(&p->dst, dst);
}

/*
 * The kernel puts offloaded policies before all others, so only an offloaded
 * one can go before ours; which of two, only the order of their arrival tells.
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
		   prefix_covers(&p->src, p->src_bits, src) &&
		   prefix_covers(&p->dst, p->dst_bits, dst) &&
		   (!p->proto || !w->t->proto || p->proto == w->t->proto)) {
		w->v->protect[side].is_shadowed = true;
	}
	return 0;
}

static int read_roce_fence(struct setup *s, const struct tunnel *t, enum ipsec_roce_dir dir,
			   struct fence_view *f)
{
	struct ipsec_roce_fence fence = { .size = sizeof(fence), .dev = t->dev, .dir = dir };
	int err;

	fence.src = dir == IPSEC_ROCE_OUT ? t->local : t->peer;
	fence.dst = dir == IPSEC_ROCE_OUT ? t->peer : t->local;
	f->info.size = sizeof(f->info);
	err = ipsec_roce_fence_get(s->h, &fence, &f->info);
	if (err == -ENOENT || err == -ENODEV)
		return 0;
	f->is_there = !err;
	return err ? library_fail(s, err) : 0;
}

int view_read(struct setup *s, const struct tunnel *t, struct view *v)
{
	struct policy_walk w = { t, v };
	int err;

	*v = (struct view){ 0 };
	err = read_link(s, t, v);
	if (!err)
		err = read_sa(s, t, t->now.spi_out, IPSEC_ROCE_OUT, &v->now[0]);
	if (!err)
		err = read_sa(s, t, t->now.spi_in, IPSEC_ROCE_IN, &v->now[1]);
	if (!err && t->other.number)
		err = read_sa(s, t, t->other.spi_out, IPSEC_ROCE_OUT, &v->other[0]);
	if (!err && t->other.number)
		err = read_sa(s, t, t->other.spi_in, IPSEC_ROCE_IN, &v->other[1]);
	if (!err)
		err = ipsec_roce_policy_list(s->h, on_policy, &w) ? library_fail(s, -EIO) : 0;
	if (!err && v->has_link && t->has_roce_fence)
		err = read_roce_fence(s, t, IPSEC_ROCE_OUT, &v->roce_fence[0]);
	if (!err && v->has_link && t->has_roce_fence)
		err = read_roce_fence(s, t, IPSEC_ROCE_IN, &v->roce_fence[1]);
	return err;
}

bool view_settle(struct tunnel *t, struct view *v)
{
	struct generation now = t->now;
	struct sa_view sa[SIDES];

	if (!t->other.number || t->other_is_next || !v->protect[0].is_there ||
	    v->protect[0].policy.reqid != t->other.spi_out)
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
	const char *why;

	return v->has_link &&
	       view_sa_good(t, v, &v->now[0], t->now.spi_out, IPSEC_ROCE_OUT, &why) &&
	       view_sa_good(t, v, &v->now[1], t->reqid_in, IPSEC_ROCE_IN, &why);
}

bool view_policy_good(const struct tunnel *t, const struct view *v, enum ipsec_roce_dir dir,
		      const char **why)
{
	const struct policy_view *p = &v->protect[SIDE(dir)];
	uint32_t reqid = dir == IPSEC_ROCE_OUT ? t->now.spi_out : t->reqid_in;

	*why = NULL;
	if (!p->is_there)
		*why = "is not there";
	else if (p->policy.ifindex != v->link.ifindex)
		*why = "is offloaded to another device";
	else if (p->policy.reqid != reqid)
		*why = "asks for another reqid than the SA has";
	return !*why;
}
