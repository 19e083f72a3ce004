// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records of tunnels: /run/roce-ipsec/<netns>.<local>.<peer>, one JSON object
 * each, written before the kernel is asked for anything, so that a crash leaves
 * nothing that `down` does not know. Like the SAs, they do not outlive a boot.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/options.h"
#include "base/report.h"
#include "record.h"

#define RECORD_MAX	16384
#define NAME_SIZE	(2 * IPSEC_ROCE_ADDR_TEXT + 32)

static unsigned long long netns_id(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static const char *record_name(const struct ipsec_roce_addr *local,
			       const struct ipsec_roce_addr *peer, char *name)
{
	char a[IPSEC_ROCE_ADDR_TEXT], b[IPSEC_ROCE_ADDR_TEXT];

	snprintf(name, NAME_SIZE, "%llu.%s.%s", netns_id(), ipsec_roce_addr_text(local, a),
		 ipsec_roce_addr_text(peer, b));
	return name;
}

/* A reader makes nothing: where there is no folder, there are no tunnels (run_fd stays -1). */
int record_open(struct setup *s, bool is_reader)
{
	const char *dir = s->opt->run_dir;

	if (!is_reader && mkdir(dir, 0700) && errno != EEXIST)
		return setup_fail(s, -errno, "%s: create: %s", dir, strerror(errno));
	s->run_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_fd < 0)
		return is_reader && errno == ENOENT ?
			       0 : setup_fail(s, -errno, "%s: %s", dir, strerror(errno));
	if (flock(s->run_fd, is_reader ? LOCK_SH : LOCK_EX))
		return setup_fail(s, -errno, "%s: lock: %s", dir, strerror(errno));
	return 0;
}

/* ---- to text ---- */

static void add_addr(struct json_object *o, const char *key, const struct ipsec_roce_addr *a)
{
	char text[IPSEC_ROCE_ADDR_TEXT];

	json_object_object_add(o, key, json_object_new_string(ipsec_roce_addr_text(a, text)));
}

static void add_spis(struct json_object *o, const char *key, const struct generation *g, int side)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < g->count[side]; i++)
		json_object_array_add(list, json_object_new_int64(g->spi[side][i]));
	json_object_object_add(o, key, list);
}

static void add_generation(struct json_object *o, const char *key, const struct generation *g)
{
	struct json_object *child = json_object_new_object();
	char fp[2 * IPSEC_ROCE_FP_LEN + 1];

	for (int i = 0; i < IPSEC_ROCE_FP_LEN; i++)
		snprintf(fp + 2 * i, 3, "%02x", g->fp[i]);
	json_add_number(child, "number", g->number);
	json_object_object_add(child, "key", json_object_new_string(fp));
	add_spis(child, "spi_out", g, 0);
	add_spis(child, "spi_in", g, 1);
	json_add_bool(child, "has_in", g->has_in);
	json_add_bool(child, "has_out", g->has_out);
	json_object_object_add(o, key, child);
}

static void add_functions(struct json_object *o, const char *key, const struct tunnel *t)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < t->func_count; i++) {
		struct json_object *child = json_object_new_object();

		json_add_text(child, "dev", t->func[i].dev);
		json_add_bool(child, "did_tc_feature", t->func[i].did_tc_feature);
		json_add_bool(child, "did_clsact", t->func[i].did_clsact);
		json_add_bool(child, "did_open", t->func[i].did_open);
		json_add_bool(child, "did_closed", t->func[i].did_closed);
		json_object_array_add(list, child);
	}
	json_object_object_add(o, key, list);
}

char *record_text(const struct tunnel *t)
{
	struct json_object *o = json_object_new_object();
	char *text;

	json_add_text(o, "dev", t->dev);
	add_addr(o, "local", &t->local);
	add_addr(o, "peer", &t->peer);
	json_add_number(o, "proto", t->proto);
	json_add_number(o, "priority", t->priority);
	json_add_number(o, "replay_window", t->replay_window);
	json_add_number(o, "key_bits", t->key_bits);
	json_add_number(o, "soft_packets", t->soft_packets);
	json_add_number(o, "hard_packets", t->hard_packets);
	json_add_bool(o, "has_host_fence", t->has_host_fence);
	json_add_bool(o, "has_roce_fence", t->has_roce_fence);
	json_add_bool(o, "starts_closed", t->starts_closed);
	json_add_bool(o, "is_bond", t->is_bond);
	json_add_bool(o, "did_esp", t->did_esp);
	add_functions(o, "functions", t);
	json_add_number(o, "pairs", t->pairs);
	json_add_number(o, "reqid_in", t->reqid_in);
	add_generation(o, "now", &t->now);
	add_generation(o, "other", &t->other);
	json_add_bool(o, "other_is_next", t->other_is_next);
	text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
	return text;
}

/* ---- from text ---- */

static bool get_number(struct json_object *o, const char *key, uint64_t high, uint64_t *value)
{
	struct json_object *child;
	int64_t number;

	if (!json_object_object_get_ex(o, key, &child) ||
	    !json_object_is_type(child, json_type_int))
		return false;
	number = json_object_get_int64(child);
	*value = number;
	return number >= 0 && *value <= high;
}

static bool get_u32(struct json_object *o, const char *key, uint32_t *value)
{
	uint64_t wide;

	if (!get_number(o, key, UINT32_MAX, &wide))
		return false;
	*value = wide;
	return true;
}

static bool get_bool(struct json_object *o, const char *key, bool *value)
{
	struct json_object *child;

	if (!json_object_object_get_ex(o, key, &child) ||
	    !json_object_is_type(child, json_type_boolean))
		return false;
	*value = json_object_get_boolean(child);
	return true;
}

/* What records have not had from the first version on: not there means false. */
static bool get_later_bool(struct json_object *o, const char *key, bool *value)
{
	*value = false;
	return !json_object_object_get_ex(o, key, NULL) || get_bool(o, key, value);
}

static const char *get_text(struct json_object *o, const char *key)
{
	struct json_object *child;

	if (!json_object_object_get_ex(o, key, &child) ||
	    !json_object_is_type(child, json_type_string))
		return "";
	return json_object_get_string(child);
}

/* NULL: not there, no list, or longer than max. */
static struct json_object *get_list(struct json_object *o, const char *key, size_t max)
{
	struct json_object *child;

	if (!json_object_object_get_ex(o, key, &child) ||
	    !json_object_is_type(child, json_type_array) || json_object_array_length(child) > max)
		return NULL;
	return child;
}

static bool get_spis(struct json_object *o, const char *key, struct generation *g, int side)
{
	struct json_object *list = get_list(o, key, PAIRS_MAX);

	if (!list)
		return false;
	g->count[side] = json_object_array_length(list);
	for (unsigned int i = 0; i < g->count[side]; i++) {
		struct json_object *child = json_object_array_get_idx(list, i);
		int64_t spi = json_object_get_int64(child);

		if (!json_object_is_type(child, json_type_int) || spi <= 0 || spi > UINT32_MAX)
			return false;
		g->spi[side][i] = spi;
	}
	return true;
}

static bool get_generation(struct json_object *o, const char *key, struct generation *g)
{
	struct json_object *child;
	const char *fp;

	if (!json_object_object_get_ex(o, key, &child))
		return false;
	fp = get_text(child, "key");
	if (strlen(fp) != 2 * IPSEC_ROCE_FP_LEN)
		return false;
	for (int i = 0; i < IPSEC_ROCE_FP_LEN; i++)
		if (sscanf(fp + 2 * i, "%2hhx", &g->fp[i]) != 1)
			return false;
	return get_u32(child, "number", &g->number) && get_spis(child, "spi_out", g, 0) &&
	       get_spis(child, "spi_in", g, 1) && get_bool(child, "has_in", &g->has_in) &&
	       get_bool(child, "has_out", &g->has_out) &&
	       (!g->number || (g->count[0] && g->count[1]));
}

static bool get_functions(struct json_object *o, const char *key, struct tunnel *t)
{
	struct json_object *list = get_list(o, key, PORTS_MAX);

	if (!list)
		return false;
	t->func_count = json_object_array_length(list);
	for (unsigned int i = 0; i < t->func_count; i++) {
		struct json_object *child = json_object_array_get_idx(list, i);
		struct function *f = &t->func[i];

		snprintf(f->dev, sizeof(f->dev), "%s", get_text(child, "dev"));
		if (!*f->dev || !get_bool(child, "did_tc_feature", &f->did_tc_feature) ||
		    !get_bool(child, "did_clsact", &f->did_clsact) ||
		    !get_bool(child, "did_open", &f->did_open) ||
		    !get_later_bool(child, "did_closed", &f->did_closed))
			return false;
	}
	return true;
}

static bool get_tunnel(struct json_object *o, struct tunnel *t)
{
	uint64_t proto;

	snprintf(t->dev, sizeof(t->dev), "%s", get_text(o, "dev"));
	if (!*t->dev || ipsec_roce_addr_parse(get_text(o, "local"), &t->local) ||
	    ipsec_roce_addr_parse(get_text(o, "peer"), &t->peer) ||
	    !get_number(o, "proto", 255, &proto))
		return false;
	t->proto = proto;
	return get_u32(o, "priority", &t->priority) &&
	       get_u32(o, "replay_window", &t->replay_window) &&
	       get_u32(o, "key_bits", &t->key_bits) &&
	       get_number(o, "soft_packets", INT64_MAX, &t->soft_packets) &&
	       get_number(o, "hard_packets", INT64_MAX, &t->hard_packets) &&
	       get_bool(o, "has_host_fence", &t->has_host_fence) &&
	       get_bool(o, "has_roce_fence", &t->has_roce_fence) &&
	       get_later_bool(o, "starts_closed", &t->starts_closed) &&
	       get_bool(o, "is_bond", &t->is_bond) && get_bool(o, "did_esp", &t->did_esp) &&
	       get_functions(o, "functions", t) && get_u32(o, "pairs", &t->pairs) &&
	       get_u32(o, "reqid_in", &t->reqid_in) && get_generation(o, "now", &t->now) &&
	       get_generation(o, "other", &t->other) &&
	       get_bool(o, "other_is_next", &t->other_is_next);
}

int record_parse(const char *text, struct tunnel *t)
{
	struct json_object *o = json_tokener_parse(text);
	bool is_good;

	*t = (struct tunnel){ 0 };
	is_good = o && json_object_is_type(o, json_type_object) && get_tunnel(o, t);
	json_object_put(o);
	return is_good ? 0 : -EBADMSG;
}

/* ---- files ---- */

static int record_read(struct setup *s, const char *name, struct tunnel *t)
{
	char text[RECORD_MAX];
	ssize_t n;
	int fd;

	fd = s->run_fd < 0 ? -1 : openat(s->run_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->run_fd < 0 || (fd < 0 && errno == ENOENT))
		return -ENOENT;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return setup_fail(s, -EIO, "%s/%s: cannot be read", s->opt->run_dir, name);
	text[n] = 0;
	if (record_parse(text, t))
		return setup_fail(s, -EBADMSG,
				  "%s/%s: damaged; remove it, then `down` finds the tunnel by its fence",
				  s->opt->run_dir, name);
	return 0;
}

int record_load(struct setup *s, const struct ipsec_roce_addr *local,
		const struct ipsec_roce_addr *peer, struct tunnel *t)
{
	char name[NAME_SIZE];

	return record_read(s, record_name(local, peer, name), t);
}

int record_save(struct setup *s, const struct tunnel *t)
{
	char name[NAME_SIZE], *text = record_text(t);
	int fd = -1, err = 0;
	size_t len;

	if (!text)
		return setup_fail(s, -ENOMEM, "out of memory");
	len = strlen(text);
	record_name(&t->local, &t->peer, name);
	fd = openat(s->run_fd, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	errno = fd < 0 ? errno : EIO;
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) ||
	    renameat(s->run_fd, "new", s->run_fd, name))
		err = setup_fail(s, -errno, "%s/%s: write: %s", s->opt->run_dir, name,
				 strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
	return err;
}

int record_remove(struct setup *s, const struct tunnel *t)
{
	char name[NAME_SIZE];

	if (unlinkat(s->run_fd, record_name(&t->local, &t->peer, name), 0) && errno != ENOENT)
		return setup_fail(s, -errno, "%s/%s: remove: %s", s->opt->run_dir, name,
				  strerror(errno));
	return 0;
}

static bool is_wanted(const struct options *opt, const struct tunnel *t)
{
	return (!opt->dev || !strcmp(opt->dev, t->dev)) &&
	       (!opt->peer.family || ipsec_roce_addr_equal(&opt->peer, &t->peer)) &&
	       (!opt->local.family || ipsec_roce_addr_equal(&opt->local, &t->local));
}

int record_each(struct setup *s, record_fn fn, void *arg)
{
	struct dirent **list = NULL;
	char prefix[32];
	int count, err = 0;

	if (s->run_fd < 0)
		return 0;
	snprintf(prefix, sizeof(prefix), "%llu.", netns_id());
	count = scandirat(s->run_fd, ".", &list, NULL, alphasort);
	if (count < 0)
		return setup_fail(s, -errno, "%s: %s", s->opt->run_dir, strerror(errno));
	for (int i = 0; i < count; i++) {
		struct tunnel t;

		if (!err && !strncmp(list[i]->d_name, prefix, strlen(prefix))) {
			err = record_read(s, list[i]->d_name, &t);
			if (!err && is_wanted(s->opt, &t))
				err = fn(s, &t, arg);
		}
		free(list[i]);
	}
	free(list);
	return err;
}

int record_each_of_all(struct setup *s, record_fn fn, void *arg)
{
	struct options all = { .run_dir = s->opt->run_dir };
	const struct options *opt = s->opt;
	int err;

	s->opt = &all;
	err = record_each(s, fn, arg);
	s->opt = opt;
	return err;
}
