// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status` for people: a tunnel as the kernel has it, a line for each thing.
 */
#include <stdio.h>

#include "tunnel/bond.h"
#include "tunnel/ends.h"
#include "status.h"

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
	       view_offload_text(i->offload), i->key_bits, i->has_esn ? "ESN" : "no ESN",
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

	if (view_read_rdma(s, t, &rdma))
		printf("  RDMA         %s\n", ipsec_roce_message(s->h));
	else if (rdma.gid_index < 0)
		printf("  RDMA         %s port %u, no RoCEv2 GID of the local address\n", rdma.name,
		       rdma.port);
	else
		printf("  RDMA         %s port %u, GID index %d (-d %s -g %d)\n", rdma.name,
		       rdma.port, rdma.gid_index, rdma.name, rdma.gid_index);
}

void show_tunnel(struct setup *s, const struct tunnel *t, const struct view *v)
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
