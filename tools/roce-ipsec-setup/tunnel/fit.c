// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Is the device fit for a tunnel? What is not is refused before anything is changed,
 * with the cause and with what to type instead.
 */
#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "device.h"
#include "fit.h"
#include "owner.h"

int fit_check_kind(struct setup *s)
{
	struct ipsec_roce_link link = { .size = sizeof(link) }, below;
	struct ipsec_roce_route route = { .size = sizeof(route), .source = s->opt->local };
	char local[IPSEC_ROCE_ADDR_TEXT];
	int err = ipsec_roce_link_get(s->h, s->opt->dev, &link);

	if (err)
		return library_fail(s, err);
	if (!owner_is_stacked(&link))
		return 0;
	err = owner_below(s, &link, &below);
	if (err)
		return err;
	if (!below.ifindex)
		return setup_fail(s, -EOPNOTSUPP,
				  "%s is a %s device on a device of another network namespace: that function seals, run `up` where it is",
				  link.name, link.kind);
	if (!route.source.family)
		ipsec_roce_route_get(s->h, &s->opt->peer, NULL, link.ifindex, &route);
	return setup_fail(s, -EOPNOTSUPP,
			  "%s is a %s device on %s, and the function below is what seals: use --dev %s --local %s",
			  link.name, link.kind, below.name, below.name,
			  route.source.family ? ipsec_roce_addr_text(&route.source, local) : "ADDR");
}

/* What another function sends passes this one's policies by: it would go on in clear. */
static int check_address(struct setup *s, const struct tunnel *t,
			 const struct ipsec_roce_link *link)
{
	char local[IPSEC_ROCE_ADDR_TEXT];
	struct ipsec_roce_link owner;
	enum owner_kind kind;
	int err = owner_judge(s, &t->local, link, &owner, &kind);

	if (err)
		return err;
	ipsec_roce_addr_text(&t->local, local);
	switch (kind) {
	case OWNER_SELF:
		break;
	case OWNER_ABOVE:
		say("note: %s is on %s, above %s: RoCE is sealed; of host traffic, newer kernels drop what is protected there%s",
		    local, owner.name, t->dev,
		    strcmp(owner.kind, "vlan") ? "" : "; the RoCE fence does not see into VLANs");
		break;
	case OWNER_OTHER_FUNCTION:
		return setup_fail(s, -EINVAL,
				  "%s is an address of %s: policies on %s do nothing for it; use --dev %s",
				  local, owner.name, t->dev, owner.name);
	case OWNER_ELSEWHERE:
		say("note: the local address is not on %s itself", t->dev);
		break;
	}
	return 0;
}

static int check_closed(struct setup *s, const struct tunnel *t)
{
	int err = 0;

	for (unsigned int i = 0; !err && t->starts_closed && i < t->func_now; i++)
		err = step_closed_check(s, &t->func[i]);
	return err;
}

int fit_check(struct setup *s, const struct tunnel *t)
{
	struct ipsec_roce_link link = { .size = sizeof(link) };
	bool is_on = false;
	int err;

	err = ipsec_roce_link_get(s->h, t->dev, &link);
	if (err)
		return library_fail(s, err);
	if (!link.is_up)
		return setup_fail(s, -ENETDOWN, "%s is down: bring it up first (ip link set %s up)",
				  t->dev, t->dev);
	/* A bond's is switched on, once its ports are seen to fit. */
	err = t->is_bond ? 0 : ipsec_roce_feature_get(s->h, t->dev, ESP_FEATURE, &is_on, NULL);
	if (!t->is_bond && (err || !is_on))
		return setup_fail(s, -EOPNOTSUPP,
				  "%s offers no ESP offload (%s is off); a VF may need it from its PF: devlink port function set DEV/PORT ipsec_packet enable",
				  t->dev, ESP_FEATURE);
	if (!link.has_carrier)
		say("note: %s has no carrier", t->dev);
	return check_address(s, t, &link) ?: check_closed(s, t);
}
