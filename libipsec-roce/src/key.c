// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The pre-shared key: where it comes from and where it stays. It lives in one
 * locked page that core files leave out; every buffer it passes through is
 * cleared; no error text quotes what was read.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "key.h"

/* Whole pages, so that locking and MADV_DONTDUMP touch nothing else. */
struct key_page {
	struct ipsec_roce_key key;
	char text[KEY_FILE_MAX + 1];
};

static struct key_page *page_alloc(void)
{
	struct key_page *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Both can fail for want of rights; the caller's limits are then its own choice. */
	mlock(p, sizeof(*p));
	madvise(p, sizeof(*p), MADV_DONTDUMP);
	return p;
}

static void page_free(struct key_page *p)
{
	explicit_bzero(p, sizeof(*p));
	munmap(p, sizeof(*p));
}

void ipsec_roce_key_free(struct ipsec_roce_key *key)
{
	/* The key is the first member of its page. */
	if (key)
		page_free((struct key_page *)key);
}

uint32_t ipsec_roce_key_generation(const struct ipsec_roce_key *key)
{
	return key->generation;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static const char *parse_psk(const char *text, size_t len, struct ipsec_roce_key *key)
{
	if (key->len)
		return "a second key";
	if (len % 2)
		return "the key has an odd number of hex digits";
	if (len / 2 < KEY_MIN)
		return "the key is shorter than 32 bytes (64 hex digits)";
	if (len / 2 > KEY_MAX)
		return "the key is longer than 128 bytes";
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return "the key is not hexadecimal";
		key->psk[i / 2] = high << 4 | low;
	}
	key->len = len / 2;
	for (size_t i = 1; i < key->len; i++)
		if (key->psk[i] != key->psk[0])
			return NULL;
	return "the key is one byte repeated, not a random key";
}

static const char *parse_generation(const char *text, size_t len, struct ipsec_roce_key *key)
{
	uint64_t value = 0;

	if (key->generation)
		return "a second generation";
	if (!len || len > 10)
		return "the generation is not a number from 1 to 4294967295";
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return "the generation is not a number from 1 to 4294967295";
		value = value * 10 + (text[i] - '0');
	}
	if (!value || value > UINT32_MAX)
		return "the generation is not a number from 1 to 4294967295";
	key->generation = value;
	return NULL;
}

static bool word_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(text, word, len);
}

static void trim(const char **text, size_t *len)
{
	while (*len && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* A line is empty, a comment, `key = HEX`, `generation = N`, or HEX alone. */
static const char *parse_line(const char *text, size_t len, struct ipsec_roce_key *key)
{
	const char *eq, *value;
	size_t name_len, value_len;

	trim(&text, &len);
	if (!len || *text == '#')
		return NULL;
	eq = memchr(text, '=', len);
	if (!eq)
		return parse_psk(text, len, key);
	name_len = eq - text;
	value = eq + 1;
	value_len = len - name_len - 1;
	trim(&text, &name_len);
	trim(&value, &value_len);
	if (word_is(text, name_len, "key"))
		return parse_psk(value, value_len, key);
	if (word_is(text, name_len, "generation"))
		return parse_generation(value, value_len, key);
	return "neither `key = HEX` nor `generation = N`";
}

const char *key_parse(const char *text, size_t len, struct ipsec_roce_key *key,
		      unsigned int *line)
{
	const char *end = text + len, *fault;

	explicit_bzero(key, sizeof(*key));
	for (*line = 1; text < end; (*line)++) {
		const char *stop = memchr(text, '\n', end - text);
		size_t n = (stop ? stop : end) - text;

		fault = memchr(text, 0, n) ? "a NUL byte" : parse_line(text, n, key);
		if (fault)
			goto err_clear;
		text += n + 1;
	}
	if (!key->len) {
		fault = "there is no key in it";
		goto err_clear;
	}
	if (!key->generation)
		key->generation = 1;
	return NULL;

err_clear:
	explicit_bzero(key, sizeof(*key));
	return fault;
}

static int read_all(struct ipsec_roce *h, int fd, const char *name, struct ipsec_roce_key **out)
{
	struct key_page *p = page_alloc();
	const char *fault;
	unsigned int line;
	size_t len = 0;
	int err;

	if (!p)
		return fail(h, -ENOMEM, "%s: out of memory", name);
	for (;;) {
		ssize_t n = read(fd, p->text + len, sizeof(p->text) - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = fail(h, -errno, "%s: read: %s", name, strerror(errno));
			goto err_free;
		}
		if (!n)
			break;
		len += n;
		if (len > KEY_FILE_MAX) {
			err = fail(h, -EFBIG, "%s: longer than %d bytes: not a key file", name,
				   KEY_FILE_MAX);
			goto err_free;
		}
	}
	fault = key_parse(p->text, len, &p->key, &line);
	if (fault) {
		err = fail(h, -EINVAL, "%s: line %u: %s", name, line, fault);
		goto err_free;
	}
	explicit_bzero(p->text, sizeof(p->text));
	*out = &p->key;
	return 0;

err_free:
	page_free(p);
	return err;
}

int ipsec_roce_key_read_fd(struct ipsec_roce *h, int fd, struct ipsec_roce_key **out)
{
	return read_all(h, fd, fd == STDIN_FILENO ? "standard input" : "key", out);
}

/*
 * A symbolic link is followed (secrets are often mounted as links): what counts
 * is the file that was opened, so it is that one which is looked at.
 */
static int check_file(struct ipsec_roce *h, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail(h, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(h, -EINVAL, "%s: not a regular file", path);
	if (st.st_uid != geteuid())
		return fail(h, -EPERM, "%s: owned by user %u, not by the caller (user %u)", path,
			    st.st_uid, geteuid());
	if (st.st_mode & 077)
		return fail(h, -EPERM,
			    "%s: mode %04o lets others at the key; it must be 0600 (and the key is to be taken as known)",
			    path, st.st_mode & 07777);
	return 0;
}

int ipsec_roce_key_read_file(struct ipsec_roce *h, const char *path, struct ipsec_roce_key **out)
{
	/* O_NONBLOCK: a FIFO is to be refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err;

	if (fd < 0)
		return fail(h, -errno, "%s: %s", path, strerror(errno));
	err = check_file(h, fd, path);
	if (!err)
		err = read_all(h, fd, path, out);
	close(fd);
	return err;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return fsync(fd) ? -errno : 0;
}

int ipsec_roce_key_generate(struct ipsec_roce *h, const char *path, uint32_t generation)
{
	static const char digits[] = "0123456789abcdef";
	struct key_page *p;
	int fd, err, len;

	if (!generation)
		return fail(h, -EINVAL, "generations count from 1");
	p = page_alloc();
	if (!p)
		return fail(h, -ENOMEM, "%s: out of memory", path);
	if (getrandom(p->key.psk, KEY_MIN, 0) != KEY_MIN) {
		err = fail(h, -EIO, "%s: no random bytes: %s", path, strerror(errno));
		goto out_free;
	}
	len = snprintf(p->text, sizeof(p->text), "# roce-ipsec key: mode 0600, same on both hosts\nkey = ");
	for (int i = 0; i < KEY_MIN; i++) {
		p->text[len++] = digits[p->key.psk[i] >> 4];
		p->text[len++] = digits[p->key.psk[i] & 15];
	}
	len += snprintf(p->text + len, sizeof(p->text) - len, "\ngeneration = %u\n", generation);

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = fail(h, -errno, "%s: create: %s", path, strerror(errno));
		goto out_free;
	}
	err = fchmod(fd, 0600) ? -errno : write_all(fd, p->text, len);
	close(fd);
	if (err) {
		unlink(path);
		fail(h, err, "%s: write: %s", path, strerror(-err));
	}
out_free:
	page_free(p);
	return err;
}
