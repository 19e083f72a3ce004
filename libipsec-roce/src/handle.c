// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The handle: sockets, the last message, and the import of growable structs.
 * Sockets are opened at first use, so a caller that only derives keys needs none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#ifndef IPSEC_ROCE_VERSION
#error "the build sets IPSEC_ROCE_VERSION"
#endif

int ipsec_roce_open(struct ipsec_roce **out)
{
	struct ipsec_roce *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->reply = malloc(REPLY_SIZE);
	if (!h->reply) {
		free(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void ipsec_roce_close(struct ipsec_roce *h)
{
	if (!h)
		return;
	for (int i = 0; i < FAMILY_COUNT; i++)
		nl_socket_free(h->sock[i]);
	explicit_bzero(h->reply, REPLY_SIZE);
	free(h->reply);
	free(h);
}

const char *ipsec_roce_message(const struct ipsec_roce *h)
{
	return h->message;
}

const char *ipsec_roce_version(void)
{
	return IPSEC_ROCE_VERSION;
}

int fail(struct ipsec_roce *h, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->message, sizeof(h->message), fmt, ap);
	va_end(ap);
	return err;
}

void request_name(struct ipsec_roce *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->what, sizeof(h->what), fmt, ap);
	va_end(ap);
}

int opts_import(struct ipsec_roce *h, void *to, size_t size, const void *from)
{
	const unsigned char *bytes = from;
	size_t given;

	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given))
		return fail(h, -EINVAL, "a struct was passed without its size");
	for (size_t i = size; i < given; i++)
		if (bytes[i])
			return fail(h, -E2BIG, "this library is too old for an option that was set");
	memset(to, 0, size);
	memcpy(to, from, given < size ? given : size);
	return 0;
}

int opts_export(struct ipsec_roce *h, void *to, const void *from, size_t size)
{
	size_t given;

	memcpy(&given, to, sizeof(given));
	if (given < sizeof(given))
		return fail(h, -EINVAL, "a struct was passed without its size");
	if (given > size) {
		memset(to, 0, given);
		given = size;
	}
	memcpy((unsigned char *)to + sizeof(given), (const unsigned char *)from + sizeof(given),
	       given - sizeof(given));
	memcpy(to, &given, sizeof(given));
	return 0;
}
