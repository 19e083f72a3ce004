/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * RoCEv2 transport headers (IBTA volume 1, chapter 9 and annex A17): layout, opcodes, a
 * validating parser, builders, PSN arithmetic and AETH syndromes.
 * Pure functions on caller's memory: callable from any context, no locks.
 *
 *   UDP (4791) | BTH | extended headers | payload | pad (0-3) | ICRC (4)
 *              |<------------------- "len" of the parser ------------>|
 */
#ifndef IROCE_CORE_ROCE_H
#define IROCE_CORE_ROCE_H

#include "env.h"

#define IROCE_ROCE_PORT 4791 /* UDP destination port, host order */
#define IROCE_ICRC_LEN 4
#define IROCE_MTU_MAX 4096 /* the largest path MTU, payload bytes of one packet */
#define IROCE_PSN_MASK 0xffffffU
#define IROCE_QPN_MASK 0xffffffU
#define IROCE_QPN_GSI 1U
#define IROCE_QPN_MULTICAST 0xffffffU
#define IROCE_QKEY_GSI 0x80010000U
#define IROCE_PKEY_DEFAULT 0xffffU
#define IROCE_GRH_LEN 40 /* what UD puts in front of the payload in the receive buffer */

/* Wire structures. Packed: a frame behind a 14-byte Ethernet header is only 2-byte aligned. */

struct iroce_bth {
	u8 opcode;
	u8 flags; /* SE:1 M:1 PadCnt:2 TVer:4 */
	__be16 pkey;
	__be32 qpn; /* FECN:1 BECN:1 resv6:6 DestQP:24 */
	__be32 apsn; /* A:1 resv7:7 PSN:24 */
} __packed;

struct iroce_reth {
	__be64 va;
	__be32 rkey;
	__be32 len;
} __packed;

struct iroce_aeth {
	__be32 smsn; /* syndrome:8 MSN:24 */
} __packed;

struct iroce_immdt {
	__be32 imm;
} __packed;

struct iroce_ieth {
	__be32 rkey;
} __packed;

struct iroce_deth {
	__be32 qkey;
	__be32 sqp; /* resv8:8 SrcQP:24 */
} __packed;

struct iroce_atomiceth {
	__be64 va;
	__be32 rkey;
	__be64 swap_add;
	__be64 compare;
} __packed;

struct iroce_atomicacketh {
	__be64 orig;
} __packed;

static_assert(sizeof(struct iroce_bth) == 12, "BTH is 12 bytes");
static_assert(sizeof(struct iroce_reth) == 16, "RETH is 16 bytes");
static_assert(sizeof(struct iroce_aeth) == 4, "AETH is 4 bytes");
static_assert(sizeof(struct iroce_immdt) == 4, "ImmDt is 4 bytes");
static_assert(sizeof(struct iroce_ieth) == 4, "IETH is 4 bytes");
static_assert(sizeof(struct iroce_deth) == 8, "DETH is 8 bytes");
static_assert(sizeof(struct iroce_atomiceth) == 28, "AtomicETH is 28 bytes");
static_assert(sizeof(struct iroce_atomicacketh) == 8, "AtomicAckETH is 8 bytes");

/* BTH plus the longest chain of extended headers, AtomicETH: linear room a parser needs. */
#define IROCE_ROCE_HDR_MAX 40

#define IROCE_BTH_SE 0x80
#define IROCE_BTH_MIGREQ 0x40
#define IROCE_BTH_PAD_SHIFT 4
#define IROCE_BTH_PAD_MASK 0x30
#define IROCE_BTH_TVER_MASK 0x0f
#define IROCE_BTH_FECN 0x80000000U /* in bth.qpn */
#define IROCE_BTH_BECN 0x40000000U
#define IROCE_BTH_ACKREQ 0x80000000U /* in bth.apsn */

/* Opcode = service (upper three bits) | operation (lower five), IBTA table 38. */
#define IROCE_SVC_MASK 0xe0
#define IROCE_SVC_RC 0x00
#define IROCE_SVC_UC 0x20
#define IROCE_SVC_UD 0x60
#define IROCE_SVC_CNP 0x80

enum iroce_opcode {
	IROCE_OP_RC_SEND_FIRST = 0x00,
	IROCE_OP_RC_SEND_MIDDLE = 0x01,
	IROCE_OP_RC_SEND_LAST = 0x02,
	IROCE_OP_RC_SEND_LAST_IMM = 0x03,
	IROCE_OP_RC_SEND_ONLY = 0x04,
	IROCE_OP_RC_SEND_ONLY_IMM = 0x05,
	IROCE_OP_RC_WRITE_FIRST = 0x06,
	IROCE_OP_RC_WRITE_MIDDLE = 0x07,
	IROCE_OP_RC_WRITE_LAST = 0x08,
	IROCE_OP_RC_WRITE_LAST_IMM = 0x09,
	IROCE_OP_RC_WRITE_ONLY = 0x0a,
	IROCE_OP_RC_WRITE_ONLY_IMM = 0x0b,
	IROCE_OP_RC_READ_REQUEST = 0x0c,
	IROCE_OP_RC_READ_RESP_FIRST = 0x0d,
	IROCE_OP_RC_READ_RESP_MIDDLE = 0x0e,
	IROCE_OP_RC_READ_RESP_LAST = 0x0f,
	IROCE_OP_RC_READ_RESP_ONLY = 0x10,
	IROCE_OP_RC_ACK = 0x11,
	IROCE_OP_RC_ATOMIC_ACK = 0x12,
	IROCE_OP_RC_CMP_SWAP = 0x13,
	IROCE_OP_RC_FETCH_ADD = 0x14,
	IROCE_OP_RC_SEND_LAST_INV = 0x16,
	IROCE_OP_RC_SEND_ONLY_INV = 0x17,

	IROCE_OP_UC_SEND_FIRST = 0x20,
	IROCE_OP_UC_SEND_MIDDLE = 0x21,
	IROCE_OP_UC_SEND_LAST = 0x22,
	IROCE_OP_UC_SEND_LAST_IMM = 0x23,
	IROCE_OP_UC_SEND_ONLY = 0x24,
	IROCE_OP_UC_SEND_ONLY_IMM = 0x25,
	IROCE_OP_UC_WRITE_FIRST = 0x26,
	IROCE_OP_UC_WRITE_MIDDLE = 0x27,
	IROCE_OP_UC_WRITE_LAST = 0x28,
	IROCE_OP_UC_WRITE_LAST_IMM = 0x29,
	IROCE_OP_UC_WRITE_ONLY = 0x2a,
	IROCE_OP_UC_WRITE_ONLY_IMM = 0x2b,

	IROCE_OP_UD_SEND_ONLY = 0x64,
	IROCE_OP_UD_SEND_ONLY_IMM = 0x65,

	IROCE_OP_CNP = 0x81, /* congestion notification, annex A17.9.3: 16 reserved bytes */
};

/* What an opcode is: struct iroce_opcode_info.flags */
#define IROCE_OPF_VALID 0x0001
#define IROCE_OPF_FIRST 0x0002 /* begins a message of more packets; "only" has FIRST|LAST */
#define IROCE_OPF_MIDDLE 0x0004
#define IROCE_OPF_LAST 0x0008
#define IROCE_OPF_ONLY (IROCE_OPF_FIRST | IROCE_OPF_LAST)
#define IROCE_OPF_PAYLOAD 0x0010 /* may carry payload */
#define IROCE_OPF_REQUEST 0x0020 /* goes to the responder */
#define IROCE_OPF_RESPONSE 0x0040 /* goes to the requester: read responses, acks */
#define IROCE_OPF_ACK 0x0080 /* ACK, atomic ACK */
#define IROCE_OPF_SEND 0x0100
#define IROCE_OPF_WRITE 0x0200
#define IROCE_OPF_READ 0x0400 /* read request and responses */
#define IROCE_OPF_ATOMIC 0x0800
#define IROCE_OPF_RECV_WQE 0x1000 /* completes a receive WQE: last or only of send, write + imm */
#define IROCE_OPF_SOLICITED IROCE_OPF_RECV_WQE /* and for just these the SE bit means something */

/* Which extended headers follow the BTH: struct iroce_opcode_info.ext */
#define IROCE_EXT_DETH 0x01
#define IROCE_EXT_RETH 0x02
#define IROCE_EXT_ATOMICETH 0x04
#define IROCE_EXT_AETH 0x08
#define IROCE_EXT_ATOMICACKETH 0x10
#define IROCE_EXT_IMMDT 0x20
#define IROCE_EXT_IETH 0x40

struct iroce_opcode_info {
	u16 flags; /* IROCE_OPF_*, 0 for an opcode that does not exist */
	u8 ext; /* IROCE_EXT_*, in the order of the bits on the wire */
	u8 hdr_len; /* BTH and extended headers, bytes */
};

/**
 * iroce_opcode_info - what an opcode is made of
 * @opcode: enum iroce_opcode, or any other byte
 *
 * Return: constant memory, never NULL; its flags are 0 for an opcode that core does not know.
 */
const struct iroce_opcode_info *iroce_opcode_info(u8 opcode);

/**
 * struct iroce_roce_pkt - a validated packet
 * @bth: base transport header, never NULL
 * @deth: datagram header, of UD
 * @reth: RDMA header, of writes and read requests
 * @atomiceth: header of atomic requests
 * @aeth: header of acknowledgements, and of read responses but the middle ones
 * @atomicacketh: header of atomic ACKs
 * @immdt: immediate data
 * @ieth: the rkey to invalidate
 * @qpn: destination QP, host order
 * @psn: packet sequence number, host order
 * @payload_off: bytes from the first byte of the BTH
 * @payload_len: bytes without pad and ICRC
 * @icrc_off: bytes from the first byte of the BTH
 * @flags: IROCE_OPF_* of the opcode
 * @pkey: partition key, host order
 * @opcode: enum iroce_opcode
 * @pad: bytes of pad, 0..3
 * @is_solicited: SE is set, and the opcode completes a receive WQE
 * @is_ackreq: the requester asks for an acknowledgement
 * @is_migreq: M is set
 * @has_fecn: forward congestion notification
 * @has_becn: backward congestion notification
 *
 * Header pointers point into the parsed buffer and are NULL where the opcode has no such header.
 * Their fields are still in wire order. The payload is given by offset, because it need not
 * be in the linear part.
 */
struct iroce_roce_pkt {
	const struct iroce_bth *bth;
	const struct iroce_deth *deth;
	const struct iroce_reth *reth;
	const struct iroce_atomiceth *atomiceth;
	const struct iroce_aeth *aeth;
	const struct iroce_atomicacketh *atomicacketh;
	const struct iroce_immdt *immdt;
	const struct iroce_ieth *ieth;
	u32 qpn;
	u32 psn;
	u32 payload_off;
	u32 payload_len;
	u32 icrc_off;
	u16 flags;
	u16 pkey;
	u8 opcode;
	u8 pad;
	bool is_solicited;
	bool is_ackreq;
	bool is_migreq;
	bool has_fecn;
	bool has_becn;
};

/**
 * iroce_bth_parse - validate a RoCEv2 packet and find its parts
 * @buf: first byte of the BTH; any alignment
 * @linear: bytes that may be read at @buf
 * @len: bytes of the whole packet from the BTH to the end of the ICRC, that is UDP length - 8;
 *       what the frame has behind that (Ethernet padding) is the caller's to cut off
 * @out: written only on success
 *
 * Checks transport version, opcode, that headers, pad and ICRC fit, that the pad is what
 * alignment to 4 asks for, and what each opcode demands of its payload: none (ACK, read request,
 * atomics), some and unpadded (first, middle), some (last), exactly 16 (CNP), never above
 * IROCE_MTU_MAX.
 * The path MTU, the state of the QP, keys and the ICRC itself are the caller's to check.
 *
 * Return: 0; -EMSGSIZE shorter than its headers, pad and ICRC, or @linear does not cover
 * the headers; -EPROTONOSUPPORT transport version; -EOPNOTSUPP opcode; -EBADMSG pad or payload.
 */
int __must_check iroce_bth_parse(const void *buf, size_t linear, size_t len,
				 struct iroce_roce_pkt *out);

/* Builders. Each writes its whole structure at @p and returns the first byte behind it. */

/**
 * struct iroce_bth_cfg - what goes into a BTH, in host order
 * @qpn: destination QP; the lower 24 bits count
 * @psn: packet sequence number; the lower 24 bits count
 * @pkey: partition key
 * @opcode: enum iroce_opcode
 * @pad: iroce_roce_pad(payload length)
 * @is_solicited: set SE
 * @is_ackreq: ask for an acknowledgement
 * @is_migreq: set M; rxe and hardware send 1 ("migrated") on QPs without path migration
 */
struct iroce_bth_cfg {
	u32 qpn;
	u32 psn;
	u16 pkey;
	u8 opcode;
	u8 pad;
	bool is_solicited;
	bool is_ackreq;
	bool is_migreq;
};

void *iroce_bth_put(void *p, const struct iroce_bth_cfg *cfg);
void *iroce_reth_put(void *p, u64 va, u32 rkey, u32 len);
void *iroce_aeth_put(void *p, u8 syndrome, u32 msn);
void *iroce_immdt_put(void *p, __be32 imm);
void *iroce_ieth_put(void *p, u32 rkey);
void *iroce_deth_put(void *p, u32 qkey, u32 src_qpn);
void *iroce_atomiceth_put(void *p, u64 va, u32 rkey, u64 swap_add, u64 compare);
void *iroce_atomicacketh_put(void *p, u64 orig);

/* Bytes of pad that bring @payload_len to a multiple of 4 (BTH PadCnt). */
static inline u8 iroce_roce_pad(u32 payload_len)
{
	return -payload_len & 3;
}

static inline u32 iroce_aeth_msn(const struct iroce_aeth *aeth)
{
	return be32_to_cpu(aeth->smsn) & 0xffffff;
}

static inline u8 iroce_aeth_syndrome(const struct iroce_aeth *aeth)
{
	return be32_to_cpu(aeth->smsn) >> 24;
}

static inline u32 iroce_deth_sqp(const struct iroce_deth *deth)
{
	return be32_to_cpu(deth->sqp) & IROCE_QPN_MASK;
}

/* PSN arithmetic, modulo 2^24. */

/* a - b as a signed distance in [-2^23, 2^23): negative when a comes before b. */
static inline s32 iroce_psn_diff(u32 a, u32 b)
{
	return (s32)((a - b) << 8) >> 8;
}

/* Like memcmp: < 0, 0, > 0 when a comes before, is, comes after b. */
static inline int iroce_psn_cmp(u32 a, u32 b)
{
	s32 diff = iroce_psn_diff(a, b);

	return (diff > 0) - (diff < 0);
}

static inline u32 iroce_psn_add(u32 psn, u32 n)
{
	return (psn + n) & IROCE_PSN_MASK;
}

/*
 * AETH syndrome (IBTA 9.7.5.1.2): 0 | type:2 | value:5.
 * ACK: value is an encoded credit count; RNR NAK: an encoded timer; NAK: an error code.
 */
enum iroce_aeth_type {
	IROCE_AETH_ACK = 0x00,
	IROCE_AETH_RNR_NAK = 0x20,
	IROCE_AETH_RESERVED = 0x40,
	IROCE_AETH_NAK = 0x60,
};

enum iroce_nak_code {
	IROCE_NAK_PSN_SEQ_ERR = 0,
	IROCE_NAK_INV_REQ = 1,
	IROCE_NAK_REM_ACCESS_ERR = 2,
	IROCE_NAK_REM_OP_ERR = 3,
	IROCE_NAK_INV_RD_REQ = 4,
};

#define IROCE_AETH_TYPE_MASK 0x60
#define IROCE_AETH_VALUE_MASK 0x1f
#define IROCE_AETH_CREDIT_NONE 0x1f /* "no end-to-end credits given" */

static inline enum iroce_aeth_type iroce_aeth_type(u8 syndrome)
{
	/* Bit 7 is reserved, sent as 0: a syndrome that has it set is none we know. */
	if (syndrome & 0x80)
		return IROCE_AETH_RESERVED;
	return (enum iroce_aeth_type)(syndrome & IROCE_AETH_TYPE_MASK);
}

static inline u8 iroce_aeth_value(u8 syndrome)
{
	return syndrome & IROCE_AETH_VALUE_MASK;
}

static inline u8 iroce_aeth_nak(enum iroce_nak_code code)
{
	return IROCE_AETH_NAK | code;
}

/* @timer: the responder QP's min_rnr_timer attribute, 0..31 */
static inline u8 iroce_aeth_rnr(u8 timer)
{
	return IROCE_AETH_RNR_NAK | (timer & IROCE_AETH_VALUE_MASK);
}

/**
 * iroce_aeth_ack - ACK syndrome that grants receive WQEs
 * @credits: how many at most
 *
 * Use IROCE_AETH_CREDIT_NONE as syndrome where no flow control is wanted (SRQ).
 *
 * Return: the syndrome of the largest grant of IBTA table 43 that is not above @credits.
 */
u8 iroce_aeth_ack(u32 credits);

/* Decoded credit count of an ACK's value 0..30; U32_MAX for IROCE_AETH_CREDIT_NONE. */
u32 iroce_aeth_credits(u8 value);

/* Microseconds of an RNR NAK's timer value (IBTA table 44); 0 stands for 655.36 ms. */
u32 iroce_rnr_timer_us(u8 value);

#endif /* IROCE_CORE_ROCE_H */
