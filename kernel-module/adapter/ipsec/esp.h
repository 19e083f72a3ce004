/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ESP: seal a packet, open a frame.
 */
#ifndef IROCE_IPSEC_ESP_H
#define IROCE_IPSEC_ESP_H

#include "cipher.h"

/*
 * struct iroce_seal - a packet to seal; its plaintext is in the iroce_cipher's list
 * @hdr: Ethernet .. last byte before the transport header, as in cleartext
 * @plain_len: bytes from the transport header to the end of the IP packet
 * @tail, @tail_len: last bytes of the plaintext, not in the list
 */
struct iroce_seal {
	const u8 *hdr;
	const u8 *tail;
	u32 plain_len;
	u16 hdr_len;
	u16 l3;
	u16 proto_off;
	u8 tail_len;
};

/*
 * ERR_PTR, which the caller counts by iroce_ipsec_seal_drop(): -ESTALE the SA is dead,
 * -EOVERFLOW its numbers are used up, -EKEYEXPIRED its lifetime is, -EMSGSIZE too large or in
 * too many pieces, -ENOMEM, -EIO the cipher. BH disabled.
 */
struct sk_buff *iroce_seal_frame(struct iroce_func *f, struct iroce_sa *sa,
				 struct iroce_cipher *c, const struct iroce_seal *seal);

/*
 * iroce_open_frame - authenticate and decrypt a frame
 * @esp: offset of the ESP header
 * @seq: full sequence number
 * @next_hdr: what the payload is
 *
 * On success *@skb (perhaps a new one, the old is consumed) is linear and has
 * the ESP header, trailer and ICV taken out; the IP header is still the outer.
 * On error *@skb is still the caller's, its content undefined: -ENOMEM,
 * -EBADMSG (ICV), -EPROTO (trailer), -EIO. BH disabled.
 */
int iroce_open_frame(struct iroce_func *f, struct iroce_sa *sa, struct sk_buff **skb,
		     unsigned int esp, u64 seq, u8 *next_hdr);

#endif /* IROCE_IPSEC_ESP_H */
