// SPDX-License-Identifier: GPL-2.0
/*
 * One RoCE packet becomes one frame: cleartext copied, or sealed by an AEAD that
 * reads the user's memory and writes the frame (the copy is the encryption).
 *
 * Passes over the payload: one. Allocations: the skb. Locks: none. Small packets
 * (acknowledgements, short messages) are gathered first: the cipher begins anew
 * at each piece, which costs more than copying that little.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "esp.h"

/* What stands before the payload in the plaintext: UDP and RoCE headers. */
static int frame_gather(struct iroce_cipher *c, const struct iroce_frame *frame,
			unsigned int plain_len)
{
	unsigned int l4 = frame->l2_len + frame->l3_len;
	bool is_small = plain_len <= sizeof(c->flat) - sizeof(c->tail);
	u8 *p = is_small ? c->flat : c->hdr;
	unsigned int i;
	int err;

	/* A copy either way: the caller's header may be on a vmapped stack. */
	memcpy(p, frame->hdr + l4, frame->hdr_len - l4);
	err = iroce_cipher_add(c, p, frame->hdr_len - l4);
	p += frame->hdr_len - l4;
	for (i = 0; i < frame->n_payload && !err; i++) {
		const struct kvec *v = &frame->payload[i];

		if (is_small) {
			memcpy(p, v->iov_base, v->iov_len);
			err = iroce_cipher_add(c, p, v->iov_len);
			p += v->iov_len;
		} else {
			err = iroce_cipher_add(c, v->iov_base, v->iov_len);
		}
	}
	return err;
}

struct sk_buff *iroce_ipsec_seal_roce(struct iroce_func *f, struct iroce_sa *sa,
				      const struct iroce_frame *frame)
{
	bool is_v6 = frame->l3_len == sizeof(struct ipv6hdr);
	unsigned int l4 = frame->l2_len + frame->l3_len;
	struct iroce_seal seal = {
		.hdr = frame->hdr,
		.hdr_len = l4,
		.l3 = frame->l2_len,
		.proto_off = frame->l2_len + (is_v6 ? offsetof(struct ipv6hdr, nexthdr) :
						      offsetof(struct iphdr, protocol)),
		.plain_len = frame->hdr_len - l4 + frame->payload_len + frame->tail_len,
		.tail = frame->tail,
		.tail_len = frame->tail_len,
	};
	struct iroce_cipher *c;
	struct sk_buff *skb;

	if (!sa)
		return iroce_frame_plain(f, frame);

	c = iroce_cipher_get();
	skb = frame_gather(c, frame, seal.plain_len) ? ERR_PTR(-EMSGSIZE) :
						       iroce_seal_frame(f, sa, c, &seal);
	iroce_cipher_put(c);
	return skb;
}
