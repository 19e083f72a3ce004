// SPDX-License-Identifier: GPL-2.0
/*
 * The headers of an skb: core reads memory, here it is made readable.
 */
#include "headers.h"

/* What most frames need first, then all of the frame. */
static int pull_and_read(struct sk_buff *skb, struct iroce_headers *h)
{
	int err;

	if (!pskb_may_pull(skb, min_t(unsigned int, skb->len, IROCE_HEADERS_LEN)))
		return -EBADMSG;
	err = iroce_headers_read(h, skb->data, skb_headlen(skb));
	if (err != -EMSGSIZE && (err || !h->is_cut))
		return err;
	if (skb_linearize(skb))
		return -EBADMSG;
	return iroce_headers_read(h, skb->data, skb_headlen(skb));
}

int iroce_skb_headers_go_on(struct sk_buff *skb, struct iroce_headers *h, int err)
{
	if (!err)
		err = iroce_headers_read_ip(h, skb->data, skb_headlen(skb));
	/* What was not seen may be there, only not in the linear part. */
	if (unlikely((err == -EMSGSIZE || (!err && h->is_cut)) && skb_is_nonlinear(skb)))
		err = pull_and_read(skb, h);
	return err == -EMSGSIZE ? -EBADMSG : err;
}
