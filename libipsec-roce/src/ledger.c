// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The ledger: which generation of which key was last used between which two
 * addresses on this host. A sequence counter dies with its SA, so a key that
 * was installed once must never be installed again (a nonce would repeat, I3;
 * a fresh replay window would take old frames, I4). The number is therefore on
 * stable storage before the kernel hears of the key.
 *
 *   roce-ipsec ledger 1
 *   <fingerprint, 32 hex digits> <local> <peer> <highest generation spent>
 *   end <number of lines>
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"

#define HEAD_LINE	"roce-ipsec ledger 1\n"
#define FILE_NAME	"ledger"
#define NEW_NAME	"ledger.new"

struct entry {
	unsigned char fp[IPSEC_ROCE_FP_LEN];
	struct ipsec_roce_addr local, peer;
	uint32_t generation;
};

struct ipsec_roce_ledger {
	struct ipsec_roce *h;
	char *dir;
	int dirfd;		/* holds the lock */
	struct entry *entries;
	size_t count;
	size_t undo_index;	/* entry of the last spend */
	uint32_t undo_generation;
	bool has_undo;
};

static bool parse_fp(const char *text, unsigned char *fp)
{
	unsigned int byte;

	if (strlen(text) != 2 * IPSEC_ROCE_FP_LEN)
		return false;
	for (int i = 0; i < IPSEC_ROCE_FP_LEN; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		fp[i] = byte;
	}
	return true;
}

static int append(struct ipsec_roce_ledger *l, const struct entry *e)
{
	struct entry *grown = reallocarray(l->entries, l->count + 1, sizeof(*grown));

	if (!grown)
		return fail(l->h, -ENOMEM, "out of memory");
	l->entries = grown;
	l->entries[l->count++] = *e;
	return 0;
}

static bool parse_entry(char *line, struct entry *e)
{
	char fp[64], local[64], peer[64], rest;
	unsigned long long generation;

	if (sscanf(line, "%63s %63s %63s %llu %c", fp, local, peer, &generation, &rest) != 4)
		return false;
	e->generation = generation;
	return parse_fp(fp, e->fp) && !ipsec_roce_addr_parse(local, &e->local) &&
	       !ipsec_roce_addr_parse(peer, &e->peer) && generation && generation <= UINT32_MAX;
}

/* A ledger that does not read back whole is an error: taking it as empty would spend twice. */
static int load(struct ipsec_roce_ledger *l, FILE *f)
{
	bool has_head = false, has_end = false;
	unsigned long long count;
	size_t room = 0;
	char *line = NULL;
	int err = 0;

	while (!err && getline(&line, &room, f) > 0) {
		struct entry e;

		if (line[strlen(line) - 1] != '\n')
			has_head = has_end = false;
		else if (!has_head)
			has_head = !strcmp(line, HEAD_LINE);
		else if (!has_end && sscanf(line, "end %llu\n", &count) == 1)
			has_end = count == l->count;
		else if (!has_end && parse_entry(line, &e))
			err = append(l, &e);
		else
			has_head = false;
		if (!has_head)
			break;
	}
	free(line);
	if (!err && (ferror(f) || !has_head || !has_end))
		err = fail(l->h, -EBADMSG,
			   "%s/" FILE_NAME ": damaged; use a fresh key file, then move it away",
			   l->dir);
	return err;
}

static int open_dir(struct ipsec_roce_ledger *l)
{
	struct stat st;

	if (mkdir(l->dir, 0700) && errno != EEXIST)
		return fail(l->h, -errno, "%s: create: %s", l->dir, strerror(errno));
	l->dirfd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd < 0)
		return fail(l->h, -errno, "%s: %s", l->dir, strerror(errno));
	if (fstat(l->dirfd, &st))
		return fail(l->h, -errno, "%s: %s", l->dir, strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return fail(l->h, -EPERM,
			    "%s: must be the caller's and not writable by others", l->dir);
	if (flock(l->dirfd, LOCK_EX))
		return fail(l->h, -errno, "%s: lock: %s", l->dir, strerror(errno));
	return 0;
}

int ipsec_roce_ledger_open(struct ipsec_roce *h, const char *dir, struct ipsec_roce_ledger **out)
{
	struct ipsec_roce_ledger *l = calloc(1, sizeof(*l));
	FILE *f;
	int fd, err;

	if (!l)
		return fail(h, -ENOMEM, "out of memory");
	l->h = h;
	l->dirfd = -1;
	l->dir = strdup(dir);
	if (!l->dir) {
		err = fail(h, -ENOMEM, "out of memory");
		goto err_close;
	}
	err = open_dir(l);
	if (err)
		goto err_close;

	fd = openat(l->dirfd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		*out = l;
		return 0;
	}
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		err = fail(h, -errno, "%s/" FILE_NAME ": %s", dir, strerror(errno));
		if (fd >= 0)
			close(fd);
		goto err_close;
	}
	err = load(l, f);
	fclose(f);
	if (err)
		goto err_close;
	*out = l;
	return 0;

err_close:
	ipsec_roce_ledger_close(l);
	return err;
}

void ipsec_roce_ledger_close(struct ipsec_roce_ledger *l)
{
	if (!l)
		return;
	if (l->dirfd >= 0)
		close(l->dirfd);
	free(l->entries);
	free(l->dir);
	free(l);
}

static bool write_text(const struct ipsec_roce_ledger *l, FILE *f)
{
	char local[IPSEC_ROCE_ADDR_TEXT], peer[IPSEC_ROCE_ADDR_TEXT];
	bool is_good = fputs(HEAD_LINE, f) >= 0;

	for (size_t i = 0; is_good && i < l->count; i++) {
		const struct entry *e = &l->entries[i];

		for (int b = 0; is_good && b < IPSEC_ROCE_FP_LEN; b++)
			is_good = fprintf(f, "%02x", e->fp[b]) > 0;
		is_good = is_good && fprintf(f, " %s %s %u\n",
					     ipsec_roce_addr_text(&e->local, local),
					     ipsec_roce_addr_text(&e->peer, peer),
					     e->generation) > 0;
	}
	return is_good && fprintf(f, "end %zu\n", l->count) > 0;
}

/* Write beside, sync, rename, sync the folder: at each instant one whole ledger is there. */
static int save(struct ipsec_roce_ledger *l)
{
	int fd = openat(l->dirfd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int err = 0;

	if (!f) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		goto out;
	}
	errno = 0;
	if (!write_text(l, f) || fflush(f) || fsync(fd))
		err = errno ? -errno : -EIO;
	if (fclose(f) && !err)
		err = -errno;
	if (!err && (renameat(l->dirfd, NEW_NAME, l->dirfd, FILE_NAME) || fsync(l->dirfd)))
		err = -errno;
	if (err)
		unlinkat(l->dirfd, NEW_NAME, 0);
out:
	return err ? fail(l->h, err, "%s/" FILE_NAME ": write: %s", l->dir, strerror(-err)) : 0;
}

static struct entry *find(struct ipsec_roce_ledger *l, const unsigned char *fp,
			  const struct ipsec_roce_addr *local, const struct ipsec_roce_addr *peer)
{
	for (size_t i = 0; i < l->count; i++) {
		struct entry *e = &l->entries[i];

		if (!memcmp(e->fp, fp, IPSEC_ROCE_FP_LEN) &&
		    ipsec_roce_addr_equal(&e->local, local) &&
		    ipsec_roce_addr_equal(&e->peer, peer))
			return e;
	}
	return NULL;
}

int ipsec_roce_ledger_last(struct ipsec_roce_ledger *l, const unsigned char fp[IPSEC_ROCE_FP_LEN],
			   const struct ipsec_roce_addr *local,
			   const struct ipsec_roce_addr *peer, uint32_t *generation)
{
	const struct entry *e = find(l, fp, local, peer);

	*generation = e ? e->generation : 0;
	return 0;
}

int ipsec_roce_ledger_spend(struct ipsec_roce_ledger *l,
			    const unsigned char fp[IPSEC_ROCE_FP_LEN],
			    const struct ipsec_roce_addr *local,
			    const struct ipsec_roce_addr *peer, uint32_t generation)
{
	struct entry fresh = { .local = *local, .peer = *peer };
	struct entry *e = find(l, fp, local, peer);
	int err;

	if (!generation)
		return fail(l->h, -EINVAL, "generations count from 1");
	if (e && generation <= e->generation)
		return fail(l->h, -EALREADY,
			    "generation %u of this key is spent on this host (the last was %u): its nonces and replay window died with its SAs",
			    generation, e->generation);
	if (!e) {
		memcpy(fresh.fp, fp, sizeof(fresh.fp));
		err = append(l, &fresh);
		if (err)
			return err;
		e = &l->entries[l->count - 1];
	}
	l->has_undo = true;
	l->undo_index = e - l->entries;
	l->undo_generation = e->generation;
	e->generation = generation;
	err = save(l);
	/* Written or not, who can tell: in memory it stays spent. */
	if (err)
		l->has_undo = false;
	return err;
}

int ipsec_roce_ledger_unspend(struct ipsec_roce_ledger *l)
{
	if (!l->has_undo)
		return fail(l->h, -EINVAL, "nothing was spent");
	l->has_undo = false;
	if (l->undo_generation) {
		l->entries[l->undo_index].generation = l->undo_generation;
	} else {
		/* Only a spend appends, and only the last one is taken back. */
		l->count--;
	}
	return save(l);
}
