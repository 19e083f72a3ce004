/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The headers of a frame, from Ethernet to the ports: the one way to the IP header, with one limit
 * of VLAN tags, for all who have to agree on whose packet a frame is.
 *
 *   Ethernet | tag (802.1Q, 802.1ad) x 0..2 | IPv4 + options        | UDP, ESP, ...
 *            |                              | IPv6 + extensions     |
 *            find_ip() ->                   l3  read_ip() ->        l4
 *
 * Three answers, never two: a frame is IP (0), is not IP (-EPROTONOSUPPORT), or cannot be told
 * (-EMSGSIZE: the bytes that can be read end too early; -EBADMSG: more bytes would not help).
 * Who guards something treats a frame that cannot be told as one of those it guards.
 * Pure functions on caller's memory: callable from any context, no locks.
 */
#ifndef IROCE_CORE_HEADERS_H
#define IROCE_CORE_HEADERS_H

#include "flow.h"

#define IROCE_HEADERS_TAGS 2 /* VLAN tags that are looked behind */
#define IROCE_HEADERS_ETH_LEN 14
#define IROCE_HEADERS_TAG_LEN 4
#define IROCE_HEADERS_IP4_LEN 20 /* without options */
#define IROCE_HEADERS_IP6_LEN 40 /* without extension headers */

/* Ethertypes and protocols; the two worlds have them in different headers. */
#define IROCE_ETHERTYPE_IP4 0x0800
#define IROCE_ETHERTYPE_IP6 0x86dd
#define IROCE_ETHERTYPE_8021Q 0x8100
#define IROCE_ETHERTYPE_8021AD 0x88a8
#define IROCE_PROTO_FRAGMENT 44
#define IROCE_PROTO_ESP 50

/* As far as find_ip() ever looks. */
#define IROCE_HEADERS_IP_LEN                                                 \
	(IROCE_HEADERS_ETH_LEN + IROCE_HEADERS_TAGS * IROCE_HEADERS_TAG_LEN + \
	 IROCE_HEADERS_IP6_LEN)
/* Bytes that suffice to read most frames as far as their ports. */
#define IROCE_HEADERS_LEN (IROCE_HEADERS_IP_LEN + 16)

enum iroce_fragment {
	IROCE_FRAGMENT_NONE, /* a whole packet */
	IROCE_FRAGMENT_FIRST, /* has the transport header */
	IROCE_FRAGMENT_LATER, /* is nothing without the first one */
};

/**
 * struct iroce_headers - where the headers of a frame are, and what they say
 * @key: the flow; find_ip() sets @key.family alone
 * @l3: offset of the IP header
 * @l4: offset of what follows the IP headers; meaningless with IROCE_FLOW_PROTO_UNKNOWN
 * @proto_off: offset of the byte that names what is at @l4
 * @tci: of the outermost tag, if @n_tags
 * @udp_dport: of UDP, in a first fragment too, whose key has no ports; 0: not seen
 * @n_tags: tags before the IP header
 * @next: protocol that the IP header itself names: of the payload or of an IPv6 extension header
 * @fragment: enum iroce_fragment, as far as the extension headers could be walked
 * @is_cut: the view ends before protocol and ports are known; more of the frame may tell
 */
struct iroce_headers {
	struct iroce_flow_key key;
	u32 l3;
	u32 l4;
	u32 proto_off;
	__be16 tci;
	__be16 udp_dport;
	u8 n_tags;
	u8 next;
	u8 fragment;
	bool is_cut;
};

/* The big-endian number at @p, any alignment. */
static inline u16 iroce_get_be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

/**
 * iroce_headers_find_ip_at - find the IP header behind tags
 * @h: @l3 and @n_tags say how far the caller has come
 * @frame: first byte that @l3 counts from, any alignment
 * @linear: bytes that may be read there
 * @ethertype: of what is at @l3, host order
 *
 * Return: 0 and @l3, @n_tags, @tci, @next, @key.family: all of the IP header but options and
 * extension headers can be read; -EPROTONOSUPPORT it is not IP; -EMSGSIZE the view ends before
 * that; -EBADMSG it is IP of another version than the Ethertype says, or there are more tags than
 * are looked behind: Linux takes any number of priority tags off, so it may be IP to a receiver.
 */
static inline int __must_check iroce_headers_find_ip_at(struct iroce_headers *h, const void *frame,
							size_t linear, u16 ethertype)
{
	const u8 *p = (const u8 *)frame + h->l3;

	while (unlikely(ethertype == IROCE_ETHERTYPE_8021Q ||
			ethertype == IROCE_ETHERTYPE_8021AD)) {
		if (h->n_tags >= IROCE_HEADERS_TAGS)
			return -EBADMSG;
		if (linear < h->l3 + IROCE_HEADERS_TAG_LEN)
			return -EMSGSIZE;
		if (!h->n_tags++)
			h->tci = cpu_to_be16(iroce_get_be16(p));
		ethertype = iroce_get_be16(p + 2);
		h->l3 += IROCE_HEADERS_TAG_LEN;
		p += IROCE_HEADERS_TAG_LEN;
	}
	switch (ethertype) {
	case IROCE_ETHERTYPE_IP4:
		if (linear < h->l3 + IROCE_HEADERS_IP4_LEN)
			return -EMSGSIZE;
		h->key.family = AF_INET;
		h->next = p[9];
		return p[0] >> 4 == 4 ? 0 : -EBADMSG;
	case IROCE_ETHERTYPE_IP6:
		if (linear < h->l3 + IROCE_HEADERS_IP6_LEN)
			return -EMSGSIZE;
		h->key.family = AF_INET6;
		h->next = p[6];
		return p[0] >> 4 == 6 ? 0 : -EBADMSG;
	default:
		return -EPROTONOSUPPORT;
	}
}

/* The same from the Ethernet header at @frame. */
static inline int __must_check iroce_headers_find_ip(struct iroce_headers *h, const void *frame,
						     size_t linear)
{
	h->l3 = IROCE_HEADERS_ETH_LEN;
	h->n_tags = 0;
	if (unlikely(linear < IROCE_HEADERS_ETH_LEN))
		return -EMSGSIZE;
	return iroce_headers_find_ip_at(h, frame, linear, iroce_get_be16((const u8 *)frame + 12));
}

/**
 * iroce_headers_read_ip - walk the IP headers and read the flow
 * @h: as find_ip() has left it
 * @frame: the same as for find_ip()
 * @linear: the same
 *
 * A fragment, also the first, has no ports in its key, as the key says by
 * IROCE_FLOW_PORTS_UNKNOWN: all fragments of a packet are judged alike. What is cut has
 * IROCE_FLOW_PORTS_UNKNOWN as well, and IROCE_FLOW_PROTO_UNKNOWN if not even the protocol was
 * to be seen. Read more and try again, or let the lookup fail closed.
 *
 * Return: 0; -EBADMSG IPv4 header length below 5 words.
 */
int __must_check iroce_headers_read_ip(struct iroce_headers *h, const void *frame, size_t linear);

/* All of the above, from the Ethernet header on. */
static inline int __must_check iroce_headers_read(struct iroce_headers *h, const void *frame,
						  size_t linear)
{
	int err = iroce_headers_find_ip(h, frame, linear);

	return err ? err : iroce_headers_read_ip(h, frame, linear);
}

/* The IP header itself says ESP; behind IPv6 extension headers there may be ESP as well. */
static inline bool iroce_headers_is_esp(const struct iroce_headers *h)
{
	return h->next == IROCE_PROTO_ESP;
}

/**
 * iroce_headers_flow_word - first word behind the IP header: ports of UDP and TCP, SPI of ESP
 * @h: as find_ip() has left it
 * @frame: the same as for find_ip()
 * @linear: the same
 *
 * Tells flows between two hosts apart. For a hash, not for a judgement.
 *
 * Return: the word as it is in memory; 0 for fragments and where the view ends before it.
 */
static inline u32 iroce_headers_flow_word(const struct iroce_headers *h, const void *frame,
					  size_t linear)
{
	const u8 *ip = (const u8 *)frame + h->l3;
	size_t l4 = h->l3 + IROCE_HEADERS_IP6_LEN;
	u32 word;

	if (h->key.family == AF_INET) {
		if (iroce_get_be16(ip + 6) & 0x3fff) /* more fragments, offset */
			return 0;
		l4 = h->l3 + (ip[0] & 0xf) * 4U;
	} else if (h->next == IROCE_PROTO_FRAGMENT) {
		return 0;
	}
	if (linear < l4 + sizeof(word))
		return 0;
	memcpy(&word, (const u8 *)frame + l4, sizeof(word));
	return word;
}

enum iroce_answer {
	IROCE_NO,
	IROCE_YES,
	IROCE_PERHAPS, /* cannot be told */
};

/**
 * iroce_headers_is_roce - is it RoCEv2 in clear?
 * @h: as read_ip() has left it
 *
 * A later fragment is none: without the first one, which shows its port, nobody can make a packet
 * of it.
 *
 * Return: yes, no, or IROCE_PERHAPS, which guards take for yes.
 */
enum iroce_answer iroce_headers_is_roce(const struct iroce_headers *h);

#endif /* IROCE_CORE_HEADERS_H */
