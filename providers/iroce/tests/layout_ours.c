// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Our idea of the private ABI (see layout.h). */
#include "layout.h"
#include "rdmav34.h"

const struct layout layout_ours[] = { LAYOUT };
