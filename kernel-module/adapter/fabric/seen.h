/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses that have been seen behind a cable of late.
 */
#ifndef IROCE_FABRIC_SEEN_H
#define IROCE_FABRIC_SEEN_H

#include <linux/types.h>

struct iroce_seen;

/* Process context. NULL: no memory. */
struct iroce_seen *iroce_seen_create(void);
/* Any context; RCU readers may be there yet. */
void iroce_seen_destroy(struct iroce_seen *seen);
/* BH disabled, as in the two below. Noted within the last second? For one that has been noted the answer may be no. */
bool iroce_seen_just_now(struct iroce_seen *seen, const u8 *mac);
void iroce_seen_note(struct iroce_seen *seen, const u8 *mac);
/* Noted within the last five minutes, at least? For one that has not the answer may be yes. */
bool iroce_seen_has(struct iroce_seen *seen, const u8 *mac);

#endif /* IROCE_FABRIC_SEEN_H */
