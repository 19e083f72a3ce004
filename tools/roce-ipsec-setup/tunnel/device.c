// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The devices that a tunnel stands on (one, or each port of a bond): the RoCE fence
 * and what it needs, the bond's offload, and the drop rules that a fail-closed
 * device keeps. What was switched on is put back by the last tunnel that needs it.
 */
#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "device.h"
#include "ends.h"
#include "record.h"

/* ---- the RoCE fence ---- */

static int refused(struct setup *s, int err)
{
	return setup_fail(s, err,
			  "%s; without a fence in hardware cleartext RoCE can leave when no policy is loaded: --no-roce-fence accepts that",
			  ipsec_roce_message(s->h));
}

int step_roce_fence_plan(struct setup *s, struct function *f)
{
	bool has_feature, has_qdisc;
	int err;

	err = ipsec_roce_feature_get(s->h, f->dev, TC_FEATURE, &has_feature, NULL);
	if (!err)
		err = ipsec_roce_fence_ready(s->h, f->dev, &has_qdisc);
	if (err)
		return refused(s, err);
	f->did_tc_feature |= !has_feature;
	f->did_clsact |= !has_qdisc;
	return 0;
}

int step_roce_fence_prepare(struct setup *s, const struct function *f)
{
	int err = 0;

	if (f->did_tc_feature)
		err = ipsec_roce_feature_set(s->h, f->dev, TC_FEATURE, true);
	if (!err && f->did_clsact)
		err = ipsec_roce_fence_prepare(s->h, f->dev);
	return err ? refused(s, err) : 0;
}

struct heritage {
	const struct tunnel *t;
	struct function *f;
};

/* Whoever is left on the device inherits what is to be put back. */
static int inherit(struct setup *s, const struct tunnel *other, void *arg)
{
	const struct heritage *from = arg;
	const struct function *found = function_find(other, from->f->dev);
	struct function *f = from->f, *to;
	struct tunnel heir = *other;
	int err;

	if (!found || !other->has_roce_fence || tunnel_is_same(other, from->t) ||
	    !(f->did_tc_feature || f->did_clsact))
		return 0;
	to = &heir.func[found - other->func];
	to->did_tc_feature |= f->did_tc_feature;
	to->did_clsact |= f->did_clsact;
	err = record_save(s, &heir);
	if (!err)
		f->did_tc_feature = f->did_clsact = false;
	return err;
}

int step_roce_fence_release(struct setup *s, struct tunnel *t, struct function *f)
{
	struct heritage from = { t, f };
	int err = record_each_of_all(s, inherit, &from);

	if (!err && f->did_clsact)
		err = gone_is_good(s, ipsec_roce_fence_release(s->h, f->dev));
	if (!err && f->did_tc_feature)
		err = gone_is_good(s, ipsec_roce_feature_set(s->h, f->dev, TC_FEATURE, false));
	if (!err)
		f->did_clsact = f->did_tc_feature = false;
	return err;
}

static void roce_fence_set(const struct tunnel *t, const struct function *f,
			   enum ipsec_roce_dir dir, struct ipsec_roce_fence *fence)
{
	*fence = (struct ipsec_roce_fence){ .size = sizeof(*fence), .dev = f->dev, .dir = dir };
	ends_set(t, dir, &fence->src, &fence->dst);
}

int step_roce_fence_add(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir)
{
	struct ipsec_roce_fence fence;
	int err;

	roce_fence_set(t, f, dir, &fence);
	err = ipsec_roce_fence_add(s->h, &fence);
	return err ? refused(s, err) : 0;
}

int step_roce_fence_del(struct setup *s, const struct tunnel *t, const struct function *f,
			enum ipsec_roce_dir dir)
{
	struct ipsec_roce_fence fence;

	roce_fence_set(t, f, dir, &fence);
	return gone_is_good(s, ipsec_roce_fence_del(s->h, &fence));
}

/* ---- closed until protected ---- */

int step_closed_check(struct setup *s, const struct function *f)
{
	bool is_on;
	int err = ipsec_roce_privflag_get(s->h, f->dev, CLOSED_FLAG, &is_on);

	if (err == -EOPNOTSUPP)
		return setup_fail(s, err,
				  "%s has no private flag " CLOSED_FLAG ": its driver cannot do it; leave --closed-until-protected out",
				  f->dev);
	return err ? library_fail(s, err) : 0;
}

int step_closed_plan(struct setup *s, struct function *f)
{
	bool is_on;
	int err = ipsec_roce_privflag_get(s->h, f->dev, CLOSED_FLAG, &is_on);

	if (err)
		return library_fail(s, err);
	f->did_closed |= !is_on;
	return 0;
}

int step_closed_prepare(struct setup *s, const struct function *f)
{
	int err = f->did_closed ? ipsec_roce_privflag_set(s->h, f->dev, CLOSED_FLAG, true) : 0;

	return err ? library_fail(s, err) : 0;
}

/* Another tunnel of the device that wants it closed takes the flag over. */
static int inherit_closed(struct setup *s, const struct tunnel *other, void *arg)
{
	const struct heritage *from = arg;
	const struct function *found = function_find(other, from->f->dev);
	struct tunnel heir = *other;
	int err;

	if (!found || !other->starts_closed || tunnel_is_same(other, from->t) ||
	    !from->f->did_closed)
		return 0;
	heir.func[found - other->func].did_closed = true;
	err = record_save(s, &heir);
	if (!err)
		from->f->did_closed = false;
	return err;
}

int step_closed_release(struct setup *s, struct tunnel *t, struct function *f)
{
	struct heritage from = { t, f };
	int err = record_each_of_all(s, inherit_closed, &from);

	if (err || !f->did_closed)
		return err;
	err = ipsec_roce_privflag_set(s->h, f->dev, CLOSED_FLAG, false);
	/* Its port keeps the flag for the driver that comes back. */
	if (err == -ENODEV)
		say("%s is not there: if it comes back closed, open it with ethtool --set-priv-flags %s " CLOSED_FLAG " off",
		    f->dev, f->dev);
	else if (err && err != -EOPNOTSUPP)
		return library_fail(s, err);
	f->did_closed = false;
	return 0;
}

/* ---- the bond's offload ---- */

int step_esp_plan(struct setup *s, struct tunnel *t)
{
	bool is_on;
	int err = ipsec_roce_feature_get(s->h, t->dev, ESP_FEATURE, &is_on, NULL);

	if (err)
		return library_fail(s, err);
	t->did_esp |= !is_on;
	return 0;
}

int step_esp_prepare(struct setup *s, const struct tunnel *t)
{
	int err = t->did_esp ? ipsec_roce_feature_set(s->h, t->dev, ESP_FEATURE, true) : 0;

	if (err)
		return setup_fail(s, err, "%s; the kernel log says which port cannot do it",
				  ipsec_roce_message(s->h));
	return 0;
}

static int inherit_esp(struct setup *s, const struct tunnel *other, void *arg)
{
	struct tunnel *t = arg, heir = *other;
	int err;

	if (strcmp(other->dev, t->dev) || tunnel_is_same(other, t) || !t->did_esp)
		return 0;
	heir.did_esp = true;
	err = record_save(s, &heir);
	if (!err)
		t->did_esp = false;
	return err;
}

static int on_sa(const struct ipsec_roce_sa_info *sa, void *arg)
{
	return sa->ifindex == *(unsigned int *)arg;
}

static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	return p->ifindex == *(unsigned int *)arg;
}

/* With the switch go all SAs of the bond: somebody else's are a reason to leave it on. */
int step_esp_release(struct setup *s, struct tunnel *t)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	int err = record_each_of_all(s, inherit_esp, t), in_use;

	if (err || !t->did_esp)
		return err;
	err = ipsec_roce_link_get(s->h, t->dev, &link);
	if (err)
		return gone_is_good(s, err);
	in_use = ipsec_roce_sa_list(s->h, on_sa, &link.ifindex);
	if (!in_use)
		in_use = ipsec_roce_policy_list(s->h, on_policy, &link.ifindex);
	if (in_use < 0)
		return library_fail(s, in_use);
	if (in_use)
		say("%s: left %s on: there are SAs or policies on it that are not ours", t->dev,
		    ESP_FEATURE);
	else
		err = ipsec_roce_feature_set(s->h, t->dev, ESP_FEATURE, false);
	/* Without its helper the bond has no such switch. */
	if (err == -EOPNOTSUPP)
		err = 0;
	if (!err)
		t->did_esp = false;
	return gone_is_good(s, err);
}

/* ---- drop rules of fail-closed devices ---- */

struct dependence {
	const struct tunnel *t;
	const struct function *f;
};

/* Another tunnel of the device whose traffic nothing but the device's rule may be holding. */
static int on_dependant(struct setup *s, const struct tunnel *other, void *arg)
{
	const struct dependence *d = arg;
	char ends[ENDS_TEXT];

	(void)s;
	if (!function_find(other, d->f->dev) || tunnel_is_same(other, d->t) ||
	    (other->has_host_fence && other->has_roce_fence))
		return 0;
	say("%s: left the device's own drop rules in place: %s has no fence of its own", d->f->dev,
	    ends_text(other, ends, sizeof(ends)));
	return 1;
}

static int set_fail_closed(struct setup *s, const struct function *f, bool is_on)
{
	int err = ipsec_roce_privflag_set(s->h, f->dev, FAIL_CLOSED_FLAG, is_on);

	if (err && err != -ENODEV && is_on)
		return setup_fail(s, err, "%s: close the device again with ethtool --set-priv-flags %s "
				  FAIL_CLOSED_FLAG " on", ipsec_roce_message(s->h), f->dev);
	return err == -ENODEV ? 0 : err ? library_fail(s, err) : 0;
}

/* So that a device is not left open by a failure or crash in between; a lost record stays lost. */
static int remember_open(struct setup *s, struct tunnel *t, struct function *f, bool did_open)
{
	f->did_open = did_open;
	return t->now.number ? record_save(s, t) : 0;
}

static int lift_one(struct setup *s, struct tunnel *t, struct function *f)
{
	struct dependence d = { t, f };
	bool is_on;
	int err;

	if (!f->did_open) {
		err = ipsec_roce_privflag_get(s->h, f->dev, FAIL_CLOSED_FLAG, &is_on);
		/* No such flag, no such device, or off: no such rules. */
		if (err == -EOPNOTSUPP || err == -ENODEV || (!err && !is_on))
			return 0;
		if (err)
			return library_fail(s, err);
		err = record_each_of_all(s, on_dependant, &d);
		if (err)
			return err < 0 ? err : 0;
		err = remember_open(s, t, f, true) ?: set_fail_closed(s, f, false);
		if (err)
			return err;
	}
	return set_fail_closed(s, f, true) ?: remember_open(s, t, f, false);
}

int step_lift_drops(struct setup *s, struct tunnel *t)
{
	int err = 0;

	/* One failure does not keep the others from being closed again. */
	for (unsigned int i = 0; i < t->func_count; i++)
		err = lift_one(s, t, &t->func[i]) ?: err;
	return err;
}
