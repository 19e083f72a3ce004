// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * rdma-core's idea of the private ABI (see layout.h), from the header that it does
 * not install. A declaration of ours that differs from theirs does not compile here.
 */
#include <infiniband/driver.h>

#include "layout.h"
#include "rdmav34_calls.h"

const struct layout layout_theirs[] = { LAYOUT };
