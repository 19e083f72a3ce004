// SPDX-License-Identifier: GPL-2.0
/*
 * The headers of an skb: core reads memory, here it is made readable.
 */
#include "headers.h"

int iroce_headers_of(struct sk_buff *skb, struct iroce_headers *h)
{
	int err;

	if (!pskb_may_pull(skb, min_t(unsigned int, skb->len, IROCE_HEADERS_LEN)))
		return -EBADMSG;
	err = iroce_headers_read(h, skb->data, skb_headlen(skb));
	/* What was not seen may be there, only not in the linear part. */
	if (unlikely((err == -EMSGSIZE || (!err && h->is_cut)) && skb_is_nonlinear(skb))) {
		if (skb_linearize(skb))
			return -EBADMSG;
		err = iroce_headers_read(h, skb->data, skb_headlen(skb));
	}
	return err == -EMSGSIZE ? -EBADMSG : err;
}
