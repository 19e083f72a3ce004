/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One RoCE packet before it is a frame, and the skb that it becomes.
 */
#ifndef IROCE_BASE_FRAME_H
#define IROCE_BASE_FRAME_H

#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/skbuff.h>
#include <linux/uio.h>

struct iroce_func;

/*
 * struct iroce_frame - one RoCE packet before it is a frame
 * @hdr: Ethernet .. last RoCE extended header, exactly as in cleartext: IP
 *	total/payload length, protocol UDP, IPv4 header checksum all for the
 *	cleartext packet. Sealing rewrites a copy.
 * @l2_len: Ethernet and VLAN tag; @l3_len: IP header; @hdr_len: all of @hdr
 * @payload, @n_payload, @payload_len: what goes between @hdr and @tail, in
 *	place (user memory by its kernel mapping); may be empty
 * @tail: pad bytes (0..3) and the ICRC, ready to send
 */
#define IROCE_FRAME_HDR_MAX	(ETH_HLEN + VLAN_HLEN + 40 + 8 + 12 + 28 + 16)
#define IROCE_FRAME_PIECES	24
struct iroce_frame {
	u8 hdr[IROCE_FRAME_HDR_MAX] __aligned(4);
	u8 l2_len;
	u8 l3_len;
	u8 tail_len;
	u16 hdr_len;
	u16 n_payload;
	u32 payload_len;
	u8 tail[8];
	struct kvec payload[IROCE_FRAME_PIECES];
};

/* As cleartext. */
static inline unsigned int iroce_frame_len(const struct iroce_frame *frame)
{
	return frame->hdr_len + frame->payload_len + frame->tail_len;
}

/* An skb of @len bytes, headroom for the cable, data at the Ethernet header; NULL. */
struct sk_buff *iroce_frame_alloc(struct iroce_func *f, unsigned int len, unsigned int l3);
/* The packet as it is, in one copy; ERR_PTR(-ENOMEM). */
struct sk_buff *iroce_frame_plain(struct iroce_func *f, const struct iroce_frame *frame);

#endif /* IROCE_BASE_FRAME_H */
