/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The SAs of a function, as the data path finds them.
 */
#ifndef IROCE_IPSEC_SADB_H
#define IROCE_IPSEC_SADB_H

#include "room.h"
#include "sa.h"

int iroce_sadb_init(struct iroce_ipsec *ipsec);
void iroce_sadb_fini(struct iroce_ipsec *ipsec);
/*
 * Publishes @sa, or has it wait where (direction, daddr, SPI) is taken: see sadb.c. An SA that
 * waits for the one with its key has the numbers of that.
 */
int iroce_sadb_insert(struct iroce_ipsec *ipsec, struct iroce_sa *sa);
/* Atomic. After it no packet begins to use the SA, and the one that waited for it is live. */
void iroce_sadb_kill(struct iroce_ipsec *ipsec, struct iroce_sa *sa);
/* An inbound SA for a packet; NULL for none. RCU read side. */
struct iroce_sa *iroce_sadb_lookup_in(const struct iroce_ipsec *ipsec,
				      const struct iroce_flow_key *key, __be32 spi);

#endif /* IROCE_IPSEC_SADB_H */
