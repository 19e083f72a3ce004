// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Any bytes as a frame. What hides stays hidden, what is shown is in the frame; and the more of a
 * frame is in view, the more is told, never something else.
 */
#include "fuzz.h"
#include "core/headers.h"

/* What @less tells, @more tells too. */
static void check_flow(const struct iroce_headers *less, const struct iroce_headers *more, size_t n)
{
	MUST(iroce_addr_equal(&more->key.saddr, &less->key.saddr));
	MUST(iroce_addr_equal(&more->key.daddr, &less->key.daddr));
	MUST(more->key.family == less->key.family);
	MUST(!(more->key.flags & ~less->key.flags));
	if (!(less->key.flags & IROCE_FLOW_PROTO_UNKNOWN))
		MUST(more->key.proto == less->key.proto && more->l4 == less->l4 &&
		     more->proto_off == less->proto_off && less->proto_off < n);
	else
		MUST(!less->key.proto && less->key.flags & IROCE_FLOW_PORTS_UNKNOWN);
	if (!(less->key.flags & IROCE_FLOW_PORTS_UNKNOWN))
		MUST(more->key.sport == less->key.sport && more->key.dport == less->key.dport &&
		     less->l4 <= n && !less->fragment);
	else
		MUST(!less->key.sport && !less->key.dport);
}

static void check_cut(const struct iroce_headers *less, const struct iroce_headers *more)
{
	enum iroce_answer seen = iroce_headers_is_roce(less);

	if (!less->is_cut) {
		MUST(!more->is_cut && more->fragment == less->fragment);
		MUST(more->key.flags == less->key.flags && more->udp_dport == less->udp_dport);
		MUST(iroce_headers_is_roce(more) == seen);
	} else {
		MUST(less->key.flags && !less->udp_dport && seen != IROCE_YES);
	}
	if (seen != IROCE_PERHAPS)
		MUST(iroce_headers_is_roce(more) == seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iroce_headers more, less;
	uint8_t *view;
	uint32_t word;
	size_t n;
	int err;

	if (!size)
		return 0;
	/* The first byte cuts; an own allocation lets ASan see the end. */
	n = data[0] < size - 1 ? data[0] : size - 1;
	view = malloc(n ? n : 1);
	MUST(view);
	memcpy(view, data + 1, n);

	err = iroce_headers_read(&less, view, n);
	if (!err) {
		MUST(!iroce_headers_read(&more, data + 1, size - 1));
		MUST(more.l3 == less.l3 && more.n_tags == less.n_tags && more.next == less.next);
		MUST(less.n_tags <= IROCE_HEADERS_TAGS && less.l3 == 14 + 4U * less.n_tags);
		MUST(!less.n_tags || more.tci == less.tci);
		check_flow(&less, &more, n);
		check_cut(&less, &more);
		word = iroce_headers_flow_word(&less, view, n);
		MUST(!word || word == iroce_headers_flow_word(&more, data + 1, size - 1));
	} else if (err != -EMSGSIZE) {
		MUST(iroce_headers_read(&more, data + 1, size - 1) == err);
	} else {
		MUST(n < IROCE_HEADERS_IP_LEN);
	}
	free(view);
	return 0;
}
