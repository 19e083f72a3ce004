/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words for extack.
 */
#ifndef IPSEC_ROCE_SAY_H
#define IPSEC_ROCE_SAY_H

#include <linux/netlink.h>

/* Text that is not a literal, and longer than NL_SET_ERR_MSG_FMT can carry. @extack may be NULL. */
static inline void ipsec_roce_say(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
}

#endif /* IPSEC_ROCE_SAY_H */
