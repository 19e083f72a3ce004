// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `status`: each tunnel as the kernel has it, as text or JSON. It judges little:
 * `verify` does that.
 */
#include <errno.h>

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

static struct json_object *tunnel_json(const struct tunnel *t, const struct view *v)
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
	json_object_object_add(o, "sa_out", sa_json(&v->now[0], t->now.spi_out));
	json_object_object_add(o, "sa_in", sa_json(&v->now[1], t->now.spi_in));
	if (t->other.number) {
		add_number(o, t->other_is_next ? "next_generation" : "last_generation",
			   t->other.number);
		json_object_object_add(o, t->other_is_next ? "sa_in_next" : "sa_in_last",
				       sa_json(&v->other[1], t->other.spi_in));
	}
	json_object_object_add(o, "policy_out", policy_json(t, v, IPSEC_ROCE_OUT));
	json_object_object_add(o, "policy_in", policy_json(t, v, IPSEC_ROCE_IN));
	add_bool(o, "host_fence_out", v->host_fence[0].is_there);
	add_bool(o, "host_fence_in", v->host_fence[1].is_there);
	json_object_object_add(o, "roce_fence_out", fence_json(&v->roce_fence[0]));
	json_object_object_add(o, "roce_fence_in", fence_json(&v->roce_fence[1]));
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

static void show_fence(const struct tunnel *t, const struct view *v)
{
	if (t->has_host_fence)
		printf("  fence host   out %s, in %s\n",
		       v->host_fence[0].is_there ? "closed" : "missing",
		       v->host_fence[1].is_there ? "closed" : "missing");
	else
		puts("  fence host   none (--no-fence)");
	if (t->has_roce_fence)
		printf("  fence RoCE   out %s (%llu dropped), in %s (%llu dropped)\n",
		       fence_text(&v->roce_fence[0]),
		       (unsigned long long)v->roce_fence[0].info.drops,
		       fence_text(&v->roce_fence[1]),
		       (unsigned long long)v->roce_fence[1].info.drops);
	else
		puts("  fence RoCE   none (--no-roce-fence)");
}

static void show_tunnel(const struct tunnel *t, const struct view *v)
{
	char ends[ENDS_TEXT];

	printf("%s on %s (%s, %s)%s: generation %u%s\n", ends_text(t, ends, sizeof(ends)), t->dev,
	       !v->has_link ? "gone" : v->link.is_up ? "up" : "down",
	       v->has_link && v->link.has_carrier ? "carrier" : "no carrier",
	       t->proto ? " UDP only" : "", t->now.number,
	       view_is_live(t, v) ? "" : ", its SAs are gone");
	show_sa("SA out", &v->now[0], t->now.spi_out, t->now.number);
	show_sa("SA in", &v->now[1], t->now.spi_in, t->now.number);
	if (t->other.number)
		show_sa(t->other_is_next ? "SA in next" : "SA in last", &v->other[1],
			t->other.spi_in, t->other.number);
	show_policy(t, v, IPSEC_ROCE_OUT);
	show_policy(t, v, IPSEC_ROCE_IN);
	show_fence(t, v);
}

struct status {
	struct json_object *list;	/* NULL: text */
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
	if (st->list)
		json_object_array_add(st->list, tunnel_json(t, &v));
	else
		show_tunnel(t, &v);
	return 0;
}

int cmd_status(struct setup *s)
{
	struct status st = { .list = NULL };
	int err;

	if (s->opt->has_json)
		st.list = json_object_new_array();
	err = record_open(s, true) ?: record_each(s, on_tunnel, &st);
	if (!err && st.list)
		puts(json_object_to_json_string_ext(st.list, JSON_C_TO_STRING_PRETTY));
	else if (!err && !st.count)
		puts("nothing is up");
	json_object_put(st.list);
	return err;
}
