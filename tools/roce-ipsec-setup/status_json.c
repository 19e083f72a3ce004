// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status --json`: a tunnel as the kernel has it, for programs.
 */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "tunnel/bond.h"
#include "status.h"

/* What is left of a lifetime; absent where there is no limit. */
static void add_left(struct json_object *o, const char *key, uint64_t limit, uint64_t used)
{
	if (limit != IPSEC_ROCE_INFINITE)
		json_add_number(o, key, used < limit ? limit - used : 0);
}

static struct json_object *sa_json(const struct sa_view *sa, uint32_t spi)
{
	struct json_object *o = json_object_new_object();
	char text[16];

	snprintf(text, sizeof(text), "0x%08x", spi);
	json_add_text(o, "spi", text);
	json_add_bool(o, "present", sa->is_there);
	if (!sa->is_there)
		return o;
	json_add_number(o, "reqid", sa->info.reqid);
	json_add_text(o, "offload", view_offload_text(sa->info.offload));
	json_add_text(o, "cipher", sa->info.cipher);
	json_add_number(o, "key_bits", sa->info.key_bits);
	json_add_bool(o, "esn", sa->info.has_esn);
	json_add_number(o, "replay_window", sa->info.replay_window);
	json_add_number(o, "packets", sa->info.packets);
	json_add_number(o, "bytes", sa->info.bytes);
	json_add_number(o, "added", sa->info.add_time);
	json_add_number(o, "replay_drops", sa->info.replay_drops);
	json_add_number(o, "window_drops", sa->info.window_drops);
	json_add_number(o, "auth_fails", sa->info.auth_fails);
	add_left(o, "soft_packets_left", sa->info.soft_packets, sa->info.packets);
	add_left(o, "hard_packets_left", sa->info.hard_packets, sa->info.packets);
	return o;
}

static struct json_object *policy_json(const struct tunnel *t, const struct view *v,
				       enum ipsec_roce_dir dir)
{
	struct json_object *o = json_object_new_object();
	const char *why;
	bool is_good = view_policy_good(t, v, dir, &why);

	json_add_bool(o, "present", v->protect[SIDE(dir)].is_there);
	json_add_bool(o, "good", is_good);
	if (v->protect[SIDE(dir)].is_there)
		json_add_number(o, "reqid", v->protect[SIDE(dir)].policy.reqid);
	return o;
}

static struct json_object *fence_json(const struct fence_view *f)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "present", f->is_there);
	json_add_bool(o, "in_hardware", f->is_there && f->info.is_in_hw);
	json_add_number(o, "drops", f->info.drops);
	return o;
}

static struct json_object *port_json(const struct tunnel *t, const struct view *v,
				     const struct ipsec_roce_port *port)
{
	const struct function *f = function_find(t, port->name);
	const struct func_view *fv = f ? &v->func[f - t->func] : NULL;
	static const struct fence_view none;
	struct json_object *o = json_object_new_object(), *sas = json_object_new_array();
	struct port_sa list[PORT_SAS_MAX];
	int count = view_port_sas(t, v, port, list);

	json_add_text(o, "dev", port->name);
	json_add_number(o, "index", port->index);
	json_add_number(o, "engine", port->engine);
	json_add_bool(o, "can_offload", port->can_offload);
	json_add_bool(o, "running", port->is_running);
	json_add_bool(o, "active", port->is_active);
	json_add_bool(o, "carries", view_port_carries(&v->bond, port));
	if (fv && fv->has_flag)
		json_add_bool(o, "fail_closed", fv->is_closed);
	json_object_object_add(o, "roce_fence_out", fence_json(fv ? &fv->roce_fence[0] : &none));
	json_object_object_add(o, "roce_fence_in", fence_json(fv ? &fv->roce_fence[1] : &none));
	for (int i = 0; i < count; i++) {
		struct json_object *sa = json_object_new_object();
		char spi[16];

		snprintf(spi, sizeof(spi), "0x%08x", list[i].spi);
		json_add_text(sa, "spi", spi);
		json_add_text(sa, "dir", list[i].dir == IPSEC_ROCE_OUT ? "out" : "in");
		json_add_number(sa, "generation", list[i].generation);
		json_add_text(sa, "state", list[i].at->state);
		json_add_number(sa, "packets", list[i].at->packets);
		json_add_number(sa, "bytes", list[i].at->bytes);
		json_add_number(sa, "last", list[i].at->last);
		json_object_array_add(sas, sa);
	}
	json_object_object_add(o, "sas", sas);
	return o;
}

static struct json_object *bond_json(const struct tunnel *t, const struct view *v)
{
	struct json_object *o = json_object_new_object(), *ports = json_object_new_array();

	json_add_bool(o, "known", v->bond.is_known);
	if (!v->bond.is_known)
		json_add_text(o, "why", v->bond.why);
	json_add_text(o, "placement", v->now[0][0].place ? place_name(v->now[0][0].place) : "none");
	json_add_number(o, "handovers", v->bond.info.n_handovers);
	for (unsigned int i = 0; i < v->bond.port_count; i++)
		json_object_array_add(ports, port_json(t, v, &v->bond.port[i]));
	json_object_object_add(o, "ports", ports);
	return o;
}

/* The one SA that there mostly is, or a list where ports have SAs of their own. */
static void add_sas(struct json_object *o, const char *key, const struct generation *g,
		    const struct sa_view sa[SIDES][PAIRS_MAX], int side)
{
	struct json_object *list;

	if (g->count[side] == 1) {
		json_object_object_add(o, key, sa_json(&sa[side][0], g->spi[side][0]));
		return;
	}
	list = json_object_new_array();
	for (unsigned int i = 0; i < g->count[side]; i++)
		json_object_array_add(list, sa_json(&sa[side][i], g->spi[side][i]));
	json_object_object_add(o, key, list);
}

static struct json_object *rdma_json(struct setup *s, const struct tunnel *t)
{
	struct json_object *o;
	struct ipsec_roce_rdma rdma;

	if (view_read_rdma(s, t, &rdma))
		return NULL;
	o = json_object_new_object();
	json_add_text(o, "dev", rdma.name);
	json_add_number(o, "port", rdma.port);
	if (rdma.gid_index >= 0)
		json_add_number(o, "gid_index", rdma.gid_index);
	return o;
}

struct json_object *tunnel_json(struct setup *s, const struct tunnel *t, const struct view *v)
{
	struct json_object *o = json_object_new_object();
	char text[IPSEC_ROCE_ADDR_TEXT];

	json_add_text(o, "dev", t->dev);
	json_add_text(o, "local", ipsec_roce_addr_text(&t->local, text));
	json_add_text(o, "peer", ipsec_roce_addr_text(&t->peer, text));
	json_add_text(o, "proto", t->proto ? "udp" : "any");
	json_add_number(o, "generation", t->now.number);
	json_add_bool(o, "device_up", v->has_link && v->link.is_up);
	json_add_bool(o, "carrier", v->has_link && v->link.has_carrier);
	json_add_bool(o, "live", view_is_live(t, v));
	add_sas(o, "sa_out", &t->now, v->now, 0);
	add_sas(o, "sa_in", &t->now, v->now, 1);
	if (t->other.number) {
		json_add_number(o, t->other_is_next ? "next_generation" : "last_generation",
			   t->other.number);
		add_sas(o, t->other_is_next ? "sa_in_next" : "sa_in_last", &t->other, v->other, 1);
	}
	json_object_object_add(o, "policy_out", policy_json(t, v, IPSEC_ROCE_OUT));
	json_object_object_add(o, "policy_in", policy_json(t, v, IPSEC_ROCE_IN));
	json_add_bool(o, "host_fence_out", v->host_fence[0].is_there);
	json_add_bool(o, "host_fence_in", v->host_fence[1].is_there);
	json_add_bool(o, "closed_until_protected", t->starts_closed);
	json_object_object_add(o, "rdma", rdma_json(s, t));
	if (t->is_bond) {
		json_object_object_add(o, "bond", bond_json(t, v));
		return o;
	}
	json_object_object_add(o, "roce_fence_out", fence_json(&v->func[0].roce_fence[0]));
	json_object_object_add(o, "roce_fence_in", fence_json(&v->func[0].roce_fence[1]));
	return o;
}
