// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status`: each tunnel as the kernel has it, as text or JSON. It judges little:
 * `verify` does that.
 */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "setup.h"

static const char *offload_text(enum ipsec_roce_offload offload)
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

/* ---- JSON ---- */

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

/* What is left of a lifetime; absent where there is no limit. */
static void add_left(struct json_object *o, const char *key, uint64_t limit, uint64_t used)
{
	if (limit != IPSEC_ROCE_INFINITE)
		add_number(o, key, used < limit ? limit - used : 0);
}

static struct json_object *sa_json(const struct sa_view *sa, uint32_t spi)
{
	struct json_object *o = json_object_new_object();
	char text[16];

	snprintf(text, sizeof(text), "0x%08x", spi);
	add_text(o, "spi", text);
	add_bool(o, "present", sa->is_there);
	if (!sa->is_there)
		return o;
	add_number(o, "reqid", sa->info.reqid);
	add_text(o, "offload", offload_text(sa->info.offload));
	add_text(o, "cipher", sa->info.cipher);
	add_number(o, "key_bits", sa->info.key_bits);
	add_bool(o, "esn", sa->info.has_esn);
	add_number(o, "replay_window", sa->info.replay_window);
	add_number(o, "packets", sa->info.packets);
	add_number(o, "bytes", sa->info.bytes);
	add_number(o, "added", sa->info.add_time);
	add_number(o, "replay_drops", sa->info.replay_drops);
	add_number(o, "window_drops", sa->info.window_drops);
	add_number(o, "auth_fails", sa->info.auth_fails);
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

	add_bool(o, "present", v->protect[SIDE(dir)].is_there);
	add_bool(o, "good", is_good);
	if (v->protect[SIDE(dir)].is_there)
		add_number(o, "reqid", v->protect[SIDE(dir)].policy.reqid);
	return o;
}

static struct json_object *fence_json(const struct fence_view *f)
{
	struct json_object *o = json_object_new_object();

	add_bool(o, "present", f->is_there);
	add_bool(o, "in_hardware", f->is_there && f->info.is_in_hw);
	add_number(o, "drops", f->info.drops);
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

	add_text(o, "dev", port->name);
	add_number(o, "index", port->index);
	add_number(o, "engine", port->engine);
	add_bool(o, "can_offload", port->can_offload);
	add_bool(o, "running", port->is_running);
	add_bool(o, "active", port->is_active);
	add_bool(o, "carries", view_port_carries(&v->bond, port));
	if (fv && fv->has_flag)
		add_bool(o, "fail_closed", fv->is_closed);
	json_object_object_add(o, "roce_fence_out", fence_json(fv ? &fv->roce_fence[0] : &none));
	json_object_object_add(o, "roce_fence_in", fence_json(fv ? &fv->roce_fence[1] : &none));
	for (int i = 0; i < count; i++) {
		struct json_object *sa = json_object_new_object();
		char spi[16];

		snprintf(spi, sizeof(spi), "0x%08x", list[i].spi);
		add_text(sa, "spi", spi);
		add_text(sa, "dir", list[i].dir == IPSEC_ROCE_OUT ? "out" : "in");
		add_number(sa, "generation", list[i].generation);
		add_text(sa, "state", list[i].at->state);
		add_number(sa, "packets", list[i].at->packets);
		add_number(sa, "bytes", list[i].at->bytes);
		add_number(sa, "last", list[i].at->last);
		json_object_array_add(sas, sa);
	}
	json_object_object_add(o, "sas", sas);
	return o;
}

static struct json_object *bond_json(const struct tunnel *t, const struct view *v)
{
	struct json_object *o = json_object_new_object(), *ports = json_object_new_array();

	add_bool(o, "known", v->bond.is_known);
	if (!v->bond.is_known)
		add_text(o, "why", v->bond.why);
	add_text(o, "placement", v->now[0][0].place ? place_name(v->now[0][0].place) : "none");
	add_number(o, "handovers", v->bond.info.n_handovers);
	for (unsigned int i = 0; i < v->bond.port_count; i++)
		json_object_array_add(ports, port_json(t, v, &v->bond.port[i]));
	json_object_object_add(o, "ports", ports);
	return o;
}

/* The one SA that there mostly is, or a list where ports have SAs of their own. */
static void add_sas(struct json_object *o, const char *key, const struct generation *g,
		    struct sa_view sa[SIDES][PAIRS_MAX], int side)
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

/* What `-d` and `-g` of RDMA programs want; -ENOENT: the device has no RDMA. */
static int read_rdma(struct setup *s, const struct tunnel *t, struct ipsec_roce_rdma *rdma)
{
	*rdma = (struct ipsec_roce_rdma){ .size = sizeof(*rdma), .gid_index = -1 };
	return ipsec_roce_rdma_get(s->h, t->dev, &t->local, rdma);
}

static struct json_object *rdma_json(struct setup *s, const struct tunnel *t)
{
	struct json_object *o;
	struct ipsec_roce_rdma rdma;

	if (read_rdma(s, t, &rdma))
		return NULL;
	o = json_object_new_object();
	add_text(o, "dev", rdma.name);
	add_number(o, "port", rdma.port);
	if (rdma.gid_index >= 0)
		add_number(o, "gid_index", rdma.gid_index);
	return o;
}

static struct json_object *tunnel_json(struct setup *s, const struct tunnel *t, struct view *v)
{
	struct json_object *o = json_object_new_object();
	char text[IPSEC_ROCE_ADDR_TEXT];

	add_text(o, "dev", t->dev);
	add_text(o, "local", ipsec_roce_addr_text(&t->local, text));
	add_text(o, "peer", ipsec_roce_addr_text(&t->peer, text));
	add_text(o, "proto", t->proto ? "udp" : "any");
	add_number(o, "generation", t->now.number);
	add_bool(o, "device_up", v->has_link && v->link.is_up);
	add_bool(o, "carrier", v->has_link && v->link.has_carrier);
	add_bool(o, "live", view_is_live(t, v));
	add_sas(o, "sa_out", &t->now, v->now, 0);
	add_sas(o, "sa_in", &t->now, v->now, 1);
	if (t->other.number) {
		add_number(o, t->other_is_next ? "next_generation" : "last_generation",
			   t->other.number);
		add_sas(o, t->other_is_next ? "sa_in_next" : "sa_in_last", &t->other, v->other, 1);
	}
	json_object_object_add(o, "policy_out", policy_json(t, v, IPSEC_ROCE_OUT));
	json_object_object_add(o, "policy_in", policy_json(t, v, IPSEC_ROCE_IN));
	add_bool(o, "host_fence_out", v->host_fence[0].is_there);
	add_bool(o, "host_fence_in", v->host_fence[1].is_there);
	add_bool(o, "closed_until_protected", t->starts_closed);
	json_object_object_add(o, "rdma", rdma_json(s, t));
	if (t->is_bond) {
		json_object_object_add(o, "bond", bond_json(t, v));
		return o;
	}
	json_object_object_add(o, "roce_fence_out", fence_json(&v->func[0].roce_fence[0]));
	json_object_object_add(o, "roce_fence_in", fence_json(&v->func[0].roce_fence[1]));
	return o;
}

/* ---- text ---- */

static void show_left(uint64_t limit, uint64_t used, const char *what)
{
	if (limit != IPSEC_ROCE_INFINITE)
		printf(", %llu packets to the %s limit",
		       (unsigned long long)(used < limit ? limit - used : 0), what);
}

static void show_sa(const char *name, const struct sa_view *sa, uint32_t spi, uint32_t number)
{
	const struct ipsec_roce_sa_info *i = &sa->info;

	printf("  %-12s 0x%08x generation %u: ", name, spi, number);
	if (!sa->is_there) {
		puts("not there");
		return;
	}
	printf("offload %s, AES-%u, %s, window %u, %llu packets, %llu bytes",
	       offload_text(i->offload), i->key_bits, i->has_esn ? "ESN" : "no ESN",
	       i->replay_window, (unsigned long long)i->packets, (unsigned long long)i->bytes);
	show_left(i->soft_packets, i->packets, "soft");
	show_left(i->hard_packets, i->packets, "hard");
	if (i->replay_drops || i->window_drops || i->auth_fails)
		printf(", dropped: %u replayed, %u behind the window, %u forged",
		       i->replay_drops, i->window_drops, i->auth_fails);
	putchar('\n');
}

static void show_policy(const struct tunnel *t, const struct view *v, enum ipsec_roce_dir dir)
{
	const char *why;

	printf("  policy %-5s ", dir == IPSEC_ROCE_OUT ? "out" : "in");
	if (view_policy_good(t, v, dir, &why))
		printf("offloaded to %s, reqid %u\n", t->dev,
		       v->protect[SIDE(dir)].policy.reqid);
	else
		printf("%s\n", why);
}

static const char *fence_text(const struct fence_view *f)
{
	return !f->is_there ? "missing" : f->info.is_in_hw ? "in hardware" : "not in hardware";
}

static void show_host_fence(const struct tunnel *t, const struct view *v)
{
	if (t->has_host_fence)
		printf("  fence host   out %s, in %s\n",
		       v->host_fence[0].is_there ? "closed" : "missing",
		       v->host_fence[1].is_there ? "closed" : "missing");
	else
		puts("  fence host   none (--no-fence)");
}

static void show_roce_fence(const struct tunnel *t, const struct func_view *f, const char *indent)
{
	if (t->has_roce_fence)
		printf("%sfence RoCE   out %s (%llu dropped), in %s (%llu dropped)\n", indent,
		       fence_text(&f->roce_fence[0]),
		       (unsigned long long)f->roce_fence[0].info.drops,
		       fence_text(&f->roce_fence[1]),
		       (unsigned long long)f->roce_fence[1].info.drops);
	else
		printf("%sfence RoCE   none (--no-roce-fence)\n", indent);
}

static void show_port(const struct tunnel *t, const struct view *v,
		      const struct ipsec_roce_port *port)
{
	const struct function *f = function_find(t, port->name);
	static const struct func_view none;
	struct port_sa list[PORT_SAS_MAX];
	int count = view_port_sas(t, v, port, list);

	printf("  port %-7s %s%s, counts SAs %s%s\n", port->name,
	       port->is_running ? "running" : "NOT running", port->is_active ? ", active" : "",
	       view_engine_text(&v->bond, port),
	       port->can_offload ? "" : ", CANNOT offload");
	for (int i = 0; i < count; i++)
		printf("    SA %-9s 0x%08x %s, %llu packets, %llu bytes, last %llu\n",
		       list[i].dir == IPSEC_ROCE_OUT ? "out" : "in", list[i].spi,
		       list[i].at->state, (unsigned long long)list[i].at->packets,
		       (unsigned long long)list[i].at->bytes,
		       (unsigned long long)list[i].at->last);
	show_roce_fence(t, f ? &v->func[f - t->func] : &none, "    ");
}

static void show_bond(const struct tunnel *t, const struct view *v)
{
	if (!v->bond.is_known) {
		printf("  bond         unknown to the helper: %s\n", v->bond.why);
		return;
	}
	printf("  bond         placement %s, %u ports, %llu hand-overs\n",
	       v->now[0][0].place ? place_name(v->now[0][0].place) : "none", v->bond.port_count,
	       (unsigned long long)v->bond.info.n_handovers);
	for (unsigned int i = 0; i < v->bond.port_count; i++)
		show_port(t, v, &v->bond.port[i]);
}

static void show_rdma(struct setup *s, const struct tunnel *t)
{
	struct ipsec_roce_rdma rdma;

	if (read_rdma(s, t, &rdma))
		printf("  RDMA         %s\n", ipsec_roce_message(s->h));
	else if (rdma.gid_index < 0)
		printf("  RDMA         %s port %u, no RoCEv2 GID of the local address\n", rdma.name,
		       rdma.port);
	else
		printf("  RDMA         %s port %u, GID index %d (-d %s -g %d)\n", rdma.name,
		       rdma.port, rdma.gid_index, rdma.name, rdma.gid_index);
}

static void show_tunnel(struct setup *s, const struct tunnel *t, const struct view *v)
{
	char ends[ENDS_TEXT];

	printf("%s on %s (%s, %s)%s: generation %u%s\n", ends_text(t, ends, sizeof(ends)), t->dev,
	       !v->has_link ? "gone" : v->link.is_up ? "up" : "down",
	       v->has_link && v->link.has_carrier ? "carrier" : "no carrier",
	       t->proto ? " UDP only" : "", t->now.number,
	       view_is_live(t, v) ? "" : ", its SAs are gone");
	for (unsigned int i = 0; i < t->now.count[0]; i++)
		show_sa("SA out", &v->now[0][i], t->now.spi[0][i], t->now.number);
	for (unsigned int i = 0; i < t->now.count[1]; i++)
		show_sa("SA in", &v->now[1][i], t->now.spi[1][i], t->now.number);
	for (unsigned int i = 0; t->other.number && i < t->other.count[1]; i++)
		show_sa(t->other_is_next ? "SA in next" : "SA in last", &v->other[1][i],
			t->other.spi[1][i], t->other.number);
	show_policy(t, v, IPSEC_ROCE_OUT);
	show_policy(t, v, IPSEC_ROCE_IN);
	show_host_fence(t, v);
	if (t->starts_closed)
		puts("  fence device closed until protected, also when its driver comes back");
	show_rdma(s, t);
	if (t->is_bond)
		show_bond(t, v);
	else
		show_roce_fence(t, &v->func[0], "  ");
}

struct status {
	/* Lists of them, or NULL: text. */
	struct json_object *tunnels, *closed, *software;
	int count;
};

static int on_tunnel(struct setup *s, const struct tunnel *recorded, void *arg)
{
	struct tunnel now = *recorded, *t = &now;
	struct status *st = arg;
	struct view v;
	int err;

	err = view_read(s, t, &v);
	if (err)
		return err;
	view_settle(t, &v);
	st->count++;
	if (st->tunnels)
		json_object_array_add(st->tunnels, tunnel_json(s, t, &v));
	else
		show_tunnel(s, t, &v);
	return 0;
}

/* ---- what devices hold closed ---- */

static int on_hold(struct setup *s, const struct hold *hold, const char *down_dev, void *arg)
{
	char what[HOLD_TEXT], how[HOLD_TEXT];
	struct status *st = arg;
	struct json_object *o;

	(void)s;
	hold_what(hold, what, sizeof(what));
	hold_how(hold, down_dev, how, sizeof(how));
	if (!st->closed) {
		printf("%s is closed\n  what         %s\n  why          %s\n  to open      %s; or protect it (up)\n",
		       hold->dev, what, hold_why(hold), how);
		return 0;
	}
	o = json_object_new_object();
	add_text(o, "dev", hold->dev);
	add_number(o, "fences", hold->n_fences);
	add_bool(o, "waits_out", hold_waits(hold, IPSEC_ROCE_OUT));
	add_bool(o, "waits_in", hold_waits(hold, IPSEC_ROCE_IN));
	add_text(o, "what", what);
	add_text(o, "why", hold_why(hold));
	add_text(o, "how", how);
	json_object_array_add(st->closed, o);
	return 0;
}

/* ---- software policies that an operator may take for protection ---- */

#define SOFTWARE_MAX	16	/* shown: each further one says the same */
#define ADDRS_MAX	64

struct software {
	struct ipsec_roce_policy policy[SOFTWARE_MAX];
	int count;
};

static int on_policy(const struct ipsec_roce_policy *p, void *arg)
{
	struct software *sw = arg;

	if (!p->ifindex && p->has_esp && p->covers_roce && sw->count < SOFTWARE_MAX)
		sw->policy[sw->count++] = *p;
	return 0;
}

struct addrs {
	struct {
		struct ipsec_roce_addr addr;
		unsigned int ifindex;
	} list[ADDRS_MAX];
	int count;
};

static int on_addr(const struct ipsec_roce_addr *addr, unsigned int ifindex, void *arg)
{
	struct addrs *a = arg;

	if (a->count < ADDRS_MAX) {
		a->list[a->count].addr = *addr;
		a->list[a->count++].ifindex = ifindex;
	}
	return 0;
}

/* Has an RDMA device a RoCEv2 GID of it, and through which function does it speak? */
static bool is_roce_addr(struct setup *s, const struct ipsec_roce_addr *addr, unsigned int ifindex,
			 struct ipsec_roce_link *function)
{
	struct ipsec_roce_rdma rdma = { .size = sizeof(rdma) };
	struct ipsec_roce_link link = { .size = sizeof(link) };

	return !ipsec_roce_link_by_index(s->h, ifindex, &link) && !owner_below(s, &link, function) &&
	       function->ifindex && !ipsec_roce_rdma_get(s->h, function->name, addr, &rdma) &&
	       rdma.gid_index >= 0;
}

static void show_software(struct status *st, const struct ipsec_roce_policy *p, const char *dev)
{
	char src[IPSEC_ROCE_ADDR_TEXT], dst[IPSEC_ROCE_ADDR_TEXT];
	const char *dir = p->dir == IPSEC_ROCE_OUT ? "out" : "in";
	struct json_object *o;

	ipsec_roce_addr_text(&p->src, src);
	ipsec_roce_addr_text(&p->dst, dst);
	if (!st->software) {
		printf("software policy %s, %s/%u -> %s/%u: does not protect the RoCE of %s; software policies never do\n"
		       "  instead      roce-ipsec-setup up --dev %s, or by hand `offload packet dev %s`\n",
		       dir, src, p->src_bits, dst, p->dst_bits, dev, dev, dev);
		return;
	}
	o = json_object_new_object();
	add_text(o, "dir", dir);
	add_text(o, "src", src);
	add_number(o, "src_bits", p->src_bits);
	add_text(o, "dst", dst);
	add_number(o, "dst_bits", p->dst_bits);
	add_number(o, "priority", p->priority);
	add_text(o, "dev", dev);
	json_object_array_add(st->software, o);
}

static bool is_wanted(const struct options *opt, const struct ipsec_roce_policy *p,
		      const struct ipsec_roce_addr *local, const char *dev)
{
	if (opt->dev && strcmp(opt->dev, dev))
		return false;
	return view_policy_covers(p, opt->local.family ? &opt->local : local,
				  opt->peer.family ? &opt->peer :
				  p->dir == IPSEC_ROCE_OUT ? &p->dst : &p->src);
}

static int show_softwares(struct setup *s, struct status *st)
{
	struct software sw = { .count = 0 };
	struct addrs a = { .count = 0 };
	int err = ipsec_roce_policy_list(s->h, on_policy, &sw);

	if (!err && sw.count)
		err = ipsec_roce_addr_list(s->h, on_addr, &a);
	if (err)
		return library_fail(s, err);
	for (int i = 0; i < a.count && sw.count; i++) {
		struct ipsec_roce_link function;

		if (!is_roce_addr(s, &a.list[i].addr, a.list[i].ifindex, &function))
			continue;
		for (int j = 0; j < sw.count; j++) {
			struct ipsec_roce_policy *p = &sw.policy[j];

			if (!p->has_esp || !is_wanted(s->opt, p, &a.list[i].addr, function.name))
				continue;
			show_software(st, p, function.name);
			p->has_esp = false;	/* once */
		}
	}
	return 0;
}

int cmd_status(struct setup *s)
{
	struct status st = { .count = 0 };
	struct json_object *all = NULL;
	int err;

	if (s->opt->has_json) {
		all = json_object_new_object();
		st.tunnels = json_object_new_array();
		st.closed = json_object_new_array();
		st.software = json_object_new_array();
		json_object_object_add(all, "tunnels", st.tunnels);
		json_object_object_add(all, "closed", st.closed);
		json_object_object_add(all, "software_policies", st.software);
	}
	err = record_open(s, true) ?: record_each(s, on_tunnel, &st);
	if (!err && !all && !st.count)
		puts("nothing is up");
	err = err ?: hold_each(s, s->opt->dev, on_hold, &st);
	err = err ?: show_softwares(s, &st);
	if (!err && all)
		puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
	return err;
}
