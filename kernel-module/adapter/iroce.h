/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rooms of the adapter still call by name although it is above or beside them.
 */
#ifndef IROCE_H
#define IROCE_H

#include <linux/refcount.h>

#include "base/base.h"
#include "fabric/fabric.h"
#include "ipsec/ipsec.h"
#include "roce/roce.h"

/* Whether functions that nobody has decided about are closed until they are protected. */
bool iroce_starts_closed(void);

#endif /* IROCE_H */
