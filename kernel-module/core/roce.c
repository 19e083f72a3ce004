// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * RoCEv2 transport headers: the opcode table, the validating parser and the builders.
 * The table is the only place that knows what an opcode consists of.
 */
#include "roce.h"

#define BTH_LEN sizeof(struct iroce_bth)
#define DETH_LEN sizeof(struct iroce_deth)
#define RETH_LEN sizeof(struct iroce_reth)
#define ATOMICETH_LEN sizeof(struct iroce_atomiceth)
#define AETH_LEN sizeof(struct iroce_aeth)
#define ATOMICACKETH_LEN sizeof(struct iroce_atomicacketh)
#define IMMDT_LEN sizeof(struct iroce_immdt)
#define IETH_LEN sizeof(struct iroce_ieth)

#define CNP_PAYLOAD 16

/* The header length follows from the extended headers: stated once, computed by the compiler. */
#define EXT_LEN(ext)                                                \
	((((ext) & IROCE_EXT_DETH) ? DETH_LEN : 0) +                \
	 (((ext) & IROCE_EXT_RETH) ? RETH_LEN : 0) +                \
	 (((ext) & IROCE_EXT_ATOMICETH) ? ATOMICETH_LEN : 0) +      \
	 (((ext) & IROCE_EXT_AETH) ? AETH_LEN : 0) +                \
	 (((ext) & IROCE_EXT_ATOMICACKETH) ? ATOMICACKETH_LEN : 0) + \
	 (((ext) & IROCE_EXT_IMMDT) ? IMMDT_LEN : 0) +              \
	 (((ext) & IROCE_EXT_IETH) ? IETH_LEN : 0))

#define OP(name, flags_, ext_)                                 \
	[IROCE_OP_##name] = {                                  \
		.flags = IROCE_OPF_VALID | (flags_),           \
		.ext = (ext_),                                 \
		.hdr_len = BTH_LEN + EXT_LEN(ext_),            \
	}

#define F_FIRST IROCE_OPF_FIRST
#define F_MIDDLE IROCE_OPF_MIDDLE
#define F_LAST IROCE_OPF_LAST
#define F_ONLY IROCE_OPF_ONLY
#define F_SEND (IROCE_OPF_SEND | IROCE_OPF_REQUEST | IROCE_OPF_PAYLOAD)
#define F_WRITE (IROCE_OPF_WRITE | IROCE_OPF_REQUEST | IROCE_OPF_PAYLOAD)
#define F_RESP (IROCE_OPF_READ | IROCE_OPF_RESPONSE | IROCE_OPF_PAYLOAD)
#define F_RWQE IROCE_OPF_RECV_WQE
#define F_ACK (IROCE_OPF_ACK | IROCE_OPF_RESPONSE)
#define F_ATOMIC IROCE_OPF_ATOMIC
#define F_REQUEST IROCE_OPF_REQUEST

#define X_DETH IROCE_EXT_DETH
#define X_RETH IROCE_EXT_RETH
#define X_ATOMICETH IROCE_EXT_ATOMICETH
#define X_AETH IROCE_EXT_AETH
#define X_ATOMICACKETH IROCE_EXT_ATOMICACKETH
#define X_IMMDT IROCE_EXT_IMMDT
#define X_IETH IROCE_EXT_IETH

static const struct iroce_opcode_info opcodes[256] = {
	OP(RC_SEND_FIRST, F_SEND | F_FIRST, 0),
	OP(RC_SEND_MIDDLE, F_SEND | F_MIDDLE, 0),
	OP(RC_SEND_LAST, F_SEND | F_LAST | F_RWQE, 0),
	OP(RC_SEND_LAST_IMM, F_SEND | F_LAST | F_RWQE, X_IMMDT),
	OP(RC_SEND_ONLY, F_SEND | F_ONLY | F_RWQE, 0),
	OP(RC_SEND_ONLY_IMM, F_SEND | F_ONLY | F_RWQE, X_IMMDT),
	OP(RC_WRITE_FIRST, F_WRITE | F_FIRST, X_RETH),
	OP(RC_WRITE_MIDDLE, F_WRITE | F_MIDDLE, 0),
	OP(RC_WRITE_LAST, F_WRITE | F_LAST, 0),
	OP(RC_WRITE_LAST_IMM, F_WRITE | F_LAST | F_RWQE, X_IMMDT),
	OP(RC_WRITE_ONLY, F_WRITE | F_ONLY, X_RETH),
	OP(RC_WRITE_ONLY_IMM, F_WRITE | F_ONLY | F_RWQE, X_RETH | X_IMMDT),
	OP(RC_READ_REQUEST, IROCE_OPF_READ | F_REQUEST | F_ONLY, X_RETH),
	OP(RC_READ_RESP_FIRST, F_RESP | F_FIRST, X_AETH),
	OP(RC_READ_RESP_MIDDLE, F_RESP | F_MIDDLE, 0),
	OP(RC_READ_RESP_LAST, F_RESP | F_LAST, X_AETH),
	OP(RC_READ_RESP_ONLY, F_RESP | F_ONLY, X_AETH),
	OP(RC_ACK, F_ACK | F_ONLY, X_AETH),
	OP(RC_ATOMIC_ACK, F_ACK | F_ATOMIC | F_ONLY, X_AETH | X_ATOMICACKETH),
	OP(RC_CMP_SWAP, F_ATOMIC | F_REQUEST | F_ONLY, X_ATOMICETH),
	OP(RC_FETCH_ADD, F_ATOMIC | F_REQUEST | F_ONLY, X_ATOMICETH),
	OP(RC_SEND_LAST_INV, F_SEND | F_LAST | F_RWQE, X_IETH),
	OP(RC_SEND_ONLY_INV, F_SEND | F_ONLY | F_RWQE, X_IETH),

	OP(UC_SEND_FIRST, F_SEND | F_FIRST, 0),
	OP(UC_SEND_MIDDLE, F_SEND | F_MIDDLE, 0),
	OP(UC_SEND_LAST, F_SEND | F_LAST | F_RWQE, 0),
	OP(UC_SEND_LAST_IMM, F_SEND | F_LAST | F_RWQE, X_IMMDT),
	OP(UC_SEND_ONLY, F_SEND | F_ONLY | F_RWQE, 0),
	OP(UC_SEND_ONLY_IMM, F_SEND | F_ONLY | F_RWQE, X_IMMDT),
	OP(UC_WRITE_FIRST, F_WRITE | F_FIRST, X_RETH),
	OP(UC_WRITE_MIDDLE, F_WRITE | F_MIDDLE, 0),
	OP(UC_WRITE_LAST, F_WRITE | F_LAST, 0),
	OP(UC_WRITE_LAST_IMM, F_WRITE | F_LAST | F_RWQE, X_IMMDT),
	OP(UC_WRITE_ONLY, F_WRITE | F_ONLY, X_RETH),
	OP(UC_WRITE_ONLY_IMM, F_WRITE | F_ONLY | F_RWQE, X_RETH | X_IMMDT),

	OP(UD_SEND_ONLY, F_SEND | F_ONLY | F_RWQE, X_DETH),
	OP(UD_SEND_ONLY_IMM, F_SEND | F_ONLY | F_RWQE, X_DETH | X_IMMDT),

	OP(CNP, F_ONLY | IROCE_OPF_PAYLOAD, 0),
};

static_assert(BTH_LEN + EXT_LEN(X_ATOMICETH) == IROCE_ROCE_HDR_MAX, "the longest chain");

const struct iroce_opcode_info *iroce_opcode_info(u8 opcode)
{
	return &opcodes[opcode];
}

/* What the opcode demands of payload and pad; @total is both, known to hold the pad. */
static bool payload_is_legal(u8 opcode, u16 flags, size_t total, u8 pad)
{
	/* The pad brings the payload to a multiple of 4, the rest is as long as it says. */
	if (total & 3)
		return false;
	if (total - pad > IROCE_MTU_MAX)
		return false;
	if (!(flags & IROCE_OPF_PAYLOAD))
		return !total;
	if (opcode == IROCE_OP_CNP)
		return total == CNP_PAYLOAD && !pad;
	if ((flags & IROCE_OPF_ONLY) == IROCE_OPF_ONLY)
		return true;
	/* First and middle are a full path MTU, which needs no pad; last carries the rest. */
	if (!(flags & IROCE_OPF_LAST) && pad)
		return false;
	return total;
}

/* Point at the extended headers; returns the first byte behind them. */
static const u8 *ext_find(const u8 *p, u8 ext, struct iroce_roce_pkt *out)
{
	if (ext & IROCE_EXT_DETH) {
		out->deth = (const void *)p;
		p += DETH_LEN;
	}
	if (ext & IROCE_EXT_RETH) {
		out->reth = (const void *)p;
		p += RETH_LEN;
	}
	if (ext & IROCE_EXT_ATOMICETH) {
		out->atomiceth = (const void *)p;
		p += ATOMICETH_LEN;
	}
	if (ext & IROCE_EXT_AETH) {
		out->aeth = (const void *)p;
		p += AETH_LEN;
	}
	if (ext & IROCE_EXT_ATOMICACKETH) {
		out->atomicacketh = (const void *)p;
		p += ATOMICACKETH_LEN;
	}
	if (ext & IROCE_EXT_IMMDT) {
		out->immdt = (const void *)p;
		p += IMMDT_LEN;
	}
	if (ext & IROCE_EXT_IETH) {
		out->ieth = (const void *)p;
		p += IETH_LEN;
	}
	return p;
}

int iroce_bth_parse(const void *buf, size_t linear, size_t len, struct iroce_roce_pkt *out)
{
	const struct iroce_opcode_info *info;
	const struct iroce_bth *bth = buf;
	u32 qpn, apsn;
	size_t total;
	u8 pad;

	/* A UDP datagram is shorter: keeps all the offsets in 32 bits. */
	if (len > 0xffff || linear < BTH_LEN || len < BTH_LEN + IROCE_ICRC_LEN)
		return -EMSGSIZE;
	if (bth->flags & IROCE_BTH_TVER_MASK)
		return -EPROTONOSUPPORT;
	info = &opcodes[bth->opcode];
	if (!(info->flags & IROCE_OPF_VALID))
		return -EOPNOTSUPP;

	pad = (bth->flags & IROCE_BTH_PAD_MASK) >> IROCE_BTH_PAD_SHIFT;
	if (linear < info->hdr_len || len < (size_t)info->hdr_len + pad + IROCE_ICRC_LEN)
		return -EMSGSIZE;
	total = len - info->hdr_len - IROCE_ICRC_LEN;
	if (!payload_is_legal(bth->opcode, info->flags, total, pad))
		return -EBADMSG;

	qpn = be32_to_cpu(bth->qpn);
	apsn = be32_to_cpu(bth->apsn);
	memset(out, 0, sizeof(*out));
	out->bth = bth;
	ext_find((const u8 *)buf + BTH_LEN, info->ext, out);
	out->qpn = qpn & IROCE_QPN_MASK;
	out->psn = apsn & IROCE_PSN_MASK;
	out->payload_off = info->hdr_len;
	out->payload_len = total - pad;
	out->icrc_off = len - IROCE_ICRC_LEN;
	out->flags = info->flags;
	out->pkey = be16_to_cpu(bth->pkey);
	out->opcode = bth->opcode;
	out->pad = pad;
	out->is_solicited = (bth->flags & IROCE_BTH_SE) && (info->flags & IROCE_OPF_SOLICITED);
	out->is_ackreq = apsn & IROCE_BTH_ACKREQ;
	out->is_migreq = bth->flags & IROCE_BTH_MIGREQ;
	out->has_fecn = qpn & IROCE_BTH_FECN;
	out->has_becn = qpn & IROCE_BTH_BECN;
	return 0;
}

void *iroce_bth_put(void *p, const struct iroce_bth_cfg *cfg)
{
	struct iroce_bth *bth = p;

	bth->opcode = cfg->opcode;
	bth->flags = (cfg->is_solicited ? IROCE_BTH_SE : 0) |
		     (cfg->is_migreq ? IROCE_BTH_MIGREQ : 0) |
		     ((cfg->pad << IROCE_BTH_PAD_SHIFT) & IROCE_BTH_PAD_MASK);
	bth->pkey = cpu_to_be16(cfg->pkey);
	bth->qpn = cpu_to_be32(cfg->qpn & IROCE_QPN_MASK);
	bth->apsn = cpu_to_be32((cfg->is_ackreq ? IROCE_BTH_ACKREQ : 0) |
				(cfg->psn & IROCE_PSN_MASK));
	return bth + 1;
}

void *iroce_reth_put(void *p, u64 va, u32 rkey, u32 len)
{
	struct iroce_reth *reth = p;

	reth->va = cpu_to_be64(va);
	reth->rkey = cpu_to_be32(rkey);
	reth->len = cpu_to_be32(len);
	return reth + 1;
}

void *iroce_aeth_put(void *p, u8 syndrome, u32 msn)
{
	struct iroce_aeth *aeth = p;

	aeth->smsn = cpu_to_be32((u32)syndrome << 24 | (msn & 0xffffff));
	return aeth + 1;
}

void *iroce_immdt_put(void *p, __be32 imm)
{
	struct iroce_immdt *immdt = p;

	immdt->imm = imm;
	return immdt + 1;
}

void *iroce_ieth_put(void *p, u32 rkey)
{
	struct iroce_ieth *ieth = p;

	ieth->rkey = cpu_to_be32(rkey);
	return ieth + 1;
}

void *iroce_deth_put(void *p, u32 qkey, u32 src_qpn)
{
	struct iroce_deth *deth = p;

	deth->qkey = cpu_to_be32(qkey);
	deth->sqp = cpu_to_be32(src_qpn & IROCE_QPN_MASK);
	return deth + 1;
}

void *iroce_atomiceth_put(void *p, u64 va, u32 rkey, u64 swap_add, u64 compare)
{
	struct iroce_atomiceth *atomic = p;

	atomic->va = cpu_to_be64(va);
	atomic->rkey = cpu_to_be32(rkey);
	atomic->swap_add = cpu_to_be64(swap_add);
	atomic->compare = cpu_to_be64(compare);
	return atomic + 1;
}

void *iroce_atomicacketh_put(void *p, u64 orig)
{
	struct iroce_atomicacketh *ack = p;

	ack->orig = cpu_to_be64(orig);
	return ack + 1;
}

/* IBTA table 43, value 0..30; 31 is IROCE_AETH_CREDIT_NONE. */
static const u16 credits_of[31] = {
	0,   1,	  2,   3,   4,	  6,	8,    12,   16,	  24,	32,
	48,  64,  96,  128, 192,  256,	384,  512,  768,  1024, 1536,
	2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768,
};

u8 iroce_aeth_ack(u32 credits)
{
	u8 value = 30;

	while (credits_of[value] > credits)
		value--;
	return IROCE_AETH_ACK | value;
}

u32 iroce_aeth_credits(u8 value)
{
	value &= IROCE_AETH_VALUE_MASK;
	return value == IROCE_AETH_CREDIT_NONE ? U32_MAX : credits_of[value];
}

/* IBTA table 44, microseconds. */
static const u32 rnr_us_of[32] = {
	655360, 10,    20,    30,    40,    60,	    80,	    120,
	160,	240,   320,   480,   640,   960,    1280,   1920,
	2560,	3840,  5120,  7680,  10240, 15360,  20480,  30720,
	40960,	61440, 81920, 122880, 163840, 245760, 327680, 491520,
};

u32 iroce_rnr_timer_us(u8 value)
{
	return rnr_us_of[value & IROCE_AETH_VALUE_MASK];
}
