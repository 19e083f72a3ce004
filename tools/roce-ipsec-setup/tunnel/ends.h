/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The two ends of a tunnel: this host's address and the peer's.
 */
#ifndef SETUP_ENDS_H
#define SETUP_ENDS_H

#include "base/setup.h"
#include "tunnel.h"

#define ENDS_TEXT	(2 * IPSEC_ROCE_ADDR_TEXT + 8)

const char *ends_text(const struct tunnel *t, char *buf, size_t size);
/* Which of them is the source in this direction. */
void ends_set(const struct tunnel *t, enum ipsec_roce_dir dir, struct ipsec_roce_addr *src,
	      struct ipsec_roce_addr *dst);
/* This host's, as --local says or as the route to the peer has it. */
int ends_find_local(struct setup *s, struct ipsec_roce_addr *local);

#endif
