// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * RoCEv2 headers: every opcode's parts, what the parser must refuse, builders against parser,
 * PSN arithmetic around the wrap, AETH syndromes.
 */
#include "unit.h"
#include "core/roce.h"

/* From IBTA table 38 by hand, independent of the table in core. */
struct expect {
	u8 opcode;
	u8 hdr_len;
	const char *ext; /* D: DETH R: RETH A: AETH T: AtomicETH K: AtomicAckETH I: imm V: IETH */
	char place; /* f m l o */
	bool has_payload;
	bool is_request;
	bool has_recv_wqe;
};

static const struct expect expects[] = {
	{ 0x00, 12, "", 'f', true, true, false }, /* RC SEND first */
	{ 0x01, 12, "", 'm', true, true, false },
	{ 0x02, 12, "", 'l', true, true, true },
	{ 0x03, 16, "I", 'l', true, true, true },
	{ 0x04, 12, "", 'o', true, true, true },
	{ 0x05, 16, "I", 'o', true, true, true },
	{ 0x06, 28, "R", 'f', true, true, false }, /* RC WRITE first */
	{ 0x07, 12, "", 'm', true, true, false },
	{ 0x08, 12, "", 'l', true, true, false },
	{ 0x09, 16, "I", 'l', true, true, true },
	{ 0x0a, 28, "R", 'o', true, true, false },
	{ 0x0b, 32, "RI", 'o', true, true, true },
	{ 0x0c, 28, "R", 'o', false, true, false }, /* RC READ request */
	{ 0x0d, 16, "A", 'f', true, false, false },
	{ 0x0e, 12, "", 'm', true, false, false },
	{ 0x0f, 16, "A", 'l', true, false, false },
	{ 0x10, 16, "A", 'o', true, false, false },
	{ 0x11, 16, "A", 'o', false, false, false }, /* ACK */
	{ 0x12, 24, "AK", 'o', false, false, false },
	{ 0x13, 40, "T", 'o', false, true, false },
	{ 0x14, 40, "T", 'o', false, true, false },
	{ 0x16, 16, "V", 'l', true, true, true },
	{ 0x17, 16, "V", 'o', true, true, true },
	{ 0x20, 12, "", 'f', true, true, false }, /* UC */
	{ 0x21, 12, "", 'm', true, true, false },
	{ 0x22, 12, "", 'l', true, true, true },
	{ 0x23, 16, "I", 'l', true, true, true },
	{ 0x24, 12, "", 'o', true, true, true },
	{ 0x25, 16, "I", 'o', true, true, true },
	{ 0x26, 28, "R", 'f', true, true, false },
	{ 0x27, 12, "", 'm', true, true, false },
	{ 0x28, 12, "", 'l', true, true, false },
	{ 0x29, 16, "I", 'l', true, true, true },
	{ 0x2a, 28, "R", 'o', true, true, false },
	{ 0x2b, 32, "RI", 'o', true, true, true },
	{ 0x64, 20, "D", 'o', true, true, true }, /* UD */
	{ 0x65, 24, "DI", 'o', true, true, true },
	{ 0x81, 12, "", 'o', true, false, false }, /* CNP */
};

static const struct expect *expect_find(u8 opcode)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(expects); i++)
		if (expects[i].opcode == opcode)
			return &expects[i];
	return NULL;
}

/* A legal packet of this opcode with @payload bytes and right pad; returns its length. */
static size_t packet_make(u8 *buf, u8 opcode, size_t payload)
{
	struct iroce_bth_cfg cfg = {
		.opcode = opcode,
		.pad = iroce_roce_pad(payload),
		.pkey = 0xffff,
		.qpn = 0x123456,
		.psn = 0xabcdef,
	};

	memset(buf, 0, IROCE_ROCE_HDR_MAX);
	iroce_bth_put(buf, &cfg);
	return expect_find(opcode)->hdr_len + payload + cfg.pad + IROCE_ICRC_LEN;
}

static size_t payload_legal(const struct expect *e)
{
	if (e->opcode == IROCE_OP_CNP)
		return 16;
	return e->has_payload ? 256 : 0;
}

static void table_lists_every_opcode_of_the_standard_and_no_other(void **state)
{
	int op;

	(void)state;
	for (op = 0; op < 256; op++) {
		const struct iroce_opcode_info *info = iroce_opcode_info(op);
		const struct expect *e = expect_find(op);

		if (!e) {
			assert_int_equal(info->flags, 0);
			continue;
		}
		assert_true(info->flags & IROCE_OPF_VALID);
		assert_int_equal(info->hdr_len, e->hdr_len);
		assert_int_equal(!!(info->flags & IROCE_OPF_PAYLOAD), e->has_payload);
		assert_int_equal(!!(info->flags & IROCE_OPF_REQUEST), e->is_request);
		assert_int_equal(!!(info->flags & IROCE_OPF_RECV_WQE), e->has_recv_wqe);
		assert_int_equal(!!(info->flags & IROCE_OPF_FIRST),
				 e->place == 'f' || e->place == 'o');
		assert_int_equal(!!(info->flags & IROCE_OPF_MIDDLE), e->place == 'm');
		assert_int_equal(!!(info->flags & IROCE_OPF_LAST),
				 e->place == 'l' || e->place == 'o');
		assert_int_equal(!!(info->flags & IROCE_OPF_RESPONSE), op >= 0x0d && op <= 0x12);
		assert_int_equal(!!(info->flags & IROCE_OPF_ACK), op == 0x11 || op == 0x12);
		assert_int_equal(!!(info->flags & IROCE_OPF_READ), op >= 0x0c && op <= 0x10);
		assert_int_equal(!!(info->flags & IROCE_OPF_ATOMIC), op >= 0x12 && op <= 0x14);
		assert_int_equal(!!(info->flags & IROCE_OPF_WRITE),
				 (op >= 0x06 && op <= 0x0b) || (op >= 0x26 && op <= 0x2b));
		assert_int_equal(!!(info->flags & IROCE_OPF_SEND),
				 op <= 0x05 || op == 0x16 || op == 0x17 ||
					 (op >= 0x20 && op <= 0x25) || op == 0x64 || op == 0x65);
	}
}

static void check_ext(const void *ptr, bool is_wanted, const u8 *at)
{
	if (is_wanted)
		assert_ptr_equal(ptr, at);
	else
		assert_null(ptr);
}

static void parser_points_at_each_extended_header_of_each_opcode(void **state)
{
	u8 buf[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		const struct expect *e = &expects[i];
		size_t payload = payload_legal(e);
		size_t len = packet_make(buf, e->opcode, payload);
		const u8 *first = buf + 12;
		struct iroce_roce_pkt pkt;
		const u8 *second;

		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), 0);
		assert_ptr_equal(pkt.bth, buf);
		check_ext(pkt.deth, strchr(e->ext, 'D'), first);
		check_ext(pkt.reth, strchr(e->ext, 'R'), first);
		check_ext(pkt.atomiceth, strchr(e->ext, 'T'), first);
		check_ext(pkt.aeth, strchr(e->ext, 'A'), first);
		check_ext(pkt.ieth, strchr(e->ext, 'V'), first);
		second = first + (e->ext[0] == 'D' ? 8 : e->ext[0] == 'R' ? 16 :
				  e->ext[0] == 'A' ? 4 : 0);
		check_ext(pkt.immdt, strchr(e->ext, 'I'), second);
		check_ext(pkt.atomicacketh, strchr(e->ext, 'K'), second);
		assert_int_equal(pkt.payload_off, e->hdr_len);
		assert_int_equal(pkt.payload_len, payload);
		assert_int_equal(pkt.icrc_off, len - 4);
		assert_int_equal(pkt.opcode, e->opcode);
		assert_int_equal(pkt.flags, iroce_opcode_info(e->opcode)->flags);
		assert_int_equal(pkt.qpn, 0x123456);
		assert_int_equal(pkt.psn, 0xabcdef);
		assert_int_equal(pkt.pkey, 0xffff);
	}
}

static void parser_leaves_pad_and_icrc_out_of_the_payload(void **state)
{
	u8 buf[512];
	size_t payload;

	(void)state;
	for (payload = 1; payload < 300; payload++) {
		size_t len = packet_make(buf, IROCE_OP_RC_SEND_ONLY, payload);
		struct iroce_roce_pkt pkt;

		assert_int_equal(len % 4, 0);
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), 0);
		assert_int_equal(pkt.payload_len, payload);
		assert_int_equal(pkt.pad, -payload & 3);
		assert_int_equal(pkt.payload_off + payload + pkt.pad, pkt.icrc_off);
	}
}

static void parser_refuses_what_is_shorter_than_its_headers(void **state)
{
	u8 buf[512];
	size_t i, len;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		struct iroce_roce_pkt pkt;
		size_t min = expects[i].hdr_len + IROCE_ICRC_LEN;

		packet_make(buf, expects[i].opcode, 0);
		for (len = 0; len < min; len++)
			assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), -EMSGSIZE);
	}
}

static void parser_refuses_a_linear_part_that_ends_inside_the_headers(void **state)
{
	u8 buf[512];
	struct iroce_roce_pkt pkt;
	size_t i, linear;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		const struct expect *e = &expects[i];
		size_t len = packet_make(buf, e->opcode, payload_legal(e));

		for (linear = 0; linear < e->hdr_len; linear++)
			assert_int_equal(iroce_bth_parse(buf, linear, len, &pkt), -EMSGSIZE);
		assert_int_equal(iroce_bth_parse(buf, e->hdr_len, len, &pkt), 0);
	}
}

static void parser_refuses_pad_that_eats_into_headers_or_icrc(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[64];
	u8 pad;

	(void)state;
	for (pad = 1; pad < 4; pad++) {
		packet_make(buf, IROCE_OP_RC_SEND_ONLY, 0);
		buf[1] = pad << 4;
		assert_int_equal(iroce_bth_parse(buf, 16, 16, &pkt), -EMSGSIZE);
	}
}

static void parser_refuses_payload_and_pad_that_miss_the_alignment(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[512];
	size_t len = packet_make(buf, IROCE_OP_RC_SEND_ONLY, 64);
	size_t extra;

	(void)state;
	for (extra = 1; extra < 4; extra++)
		assert_int_equal(iroce_bth_parse(buf, len + extra, len + extra, &pkt), -EBADMSG);
	assert_int_equal(iroce_bth_parse(buf, len + 4, len + 4, &pkt), 0);
}

static void parser_refuses_payload_behind_opcodes_that_have_none(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		size_t len = packet_make(buf, expects[i].opcode, 4);

		if (expects[i].has_payload)
			continue;
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), -EBADMSG);
	}
}

static void parser_refuses_empty_or_padded_first_and_middle_and_empty_last(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[512];
	size_t i, len;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		const struct expect *e = &expects[i];

		if (!e->has_payload || e->opcode == IROCE_OP_CNP)
			continue;
		len = packet_make(buf, e->opcode, 0);
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt),
				 e->place == 'o' ? 0 : -EBADMSG);
		len = packet_make(buf, e->opcode, 255);
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt),
				 e->place == 'o' || e->place == 'l' ? 0 : -EBADMSG);
	}
}

static void parser_refuses_payload_above_the_largest_mtu(void **state)
{
	static u8 buf[8192];
	struct iroce_roce_pkt pkt;
	size_t len;

	(void)state;
	len = packet_make(buf, IROCE_OP_RC_WRITE_MIDDLE, 4096);
	assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), 0);
	len = packet_make(buf, IROCE_OP_RC_WRITE_MIDDLE, 4100);
	assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), -EBADMSG);
	/* Lengths that do not fit a datagram must not get as far as 32-bit arithmetic. */
	assert_int_equal(iroce_bth_parse(buf, 100, 0x10000, &pkt), -EMSGSIZE);
	assert_int_equal(iroce_bth_parse(buf, 100, (size_t)1 << 32 | 64, &pkt), -EMSGSIZE);
}

static void parser_takes_a_congestion_notification_of_sixteen_bytes_only(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[64];
	size_t payload, len;

	(void)state;
	for (payload = 0; payload < 40; payload++) {
		len = packet_make(buf, IROCE_OP_CNP, payload);
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt),
				 payload == 16 ? 0 : -EBADMSG);
	}
}

static void parser_refuses_other_transport_versions_and_unknown_opcodes(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[512];
	size_t len = packet_make(buf, IROCE_OP_RC_SEND_ONLY, 64);
	int i;

	(void)state;
	for (i = 1; i < 16; i++) {
		buf[1] = i;
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), -EPROTONOSUPPORT);
	}
	buf[1] = 0;
	for (i = 0; i < 256; i++) {
		buf[0] = i;
		if (!expect_find(i))
			assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), -EOPNOTSUPP);
	}
}

static void parser_leaves_the_result_alone_when_it_refuses(void **state)
{
	struct iroce_roce_pkt pkt, before;
	u8 buf[64];
	size_t len = packet_make(buf, IROCE_OP_RC_SEND_MIDDLE, 0);

	(void)state;
	memset(&pkt, 0x5a, sizeof(pkt));
	before = pkt;
	assert_int_not_equal(iroce_bth_parse(buf, len, len, &pkt), 0);
	assert_memory_equal(&pkt, &before, sizeof(pkt));
}

static void flags_of_the_base_header_survive_building_and_parsing(void **state)
{
	struct iroce_bth_cfg cfg = { .opcode = IROCE_OP_RC_SEND_ONLY, .pkey = 0x1234,
				     .qpn = 0xffffff, .psn = 0xffffff };
	struct iroce_roce_pkt pkt;
	u8 buf[64];
	int bits;

	(void)state;
	for (bits = 0; bits < 32; bits++) {
		memset(buf, 0, sizeof(buf));
		cfg.is_solicited = bits & 1;
		cfg.is_ackreq = bits & 2;
		cfg.is_migreq = bits & 4;
		assert_ptr_equal(iroce_bth_put(buf, &cfg), buf + 12);
		buf[4] |= (bits & 8 ? 0x80 : 0) | (bits & 16 ? 0x40 : 0);
		assert_int_equal(iroce_bth_parse(buf, 16, 16, &pkt), 0);
		assert_int_equal(pkt.is_solicited, !!(bits & 1));
		assert_int_equal(pkt.is_ackreq, !!(bits & 2));
		assert_int_equal(pkt.is_migreq, !!(bits & 4));
		assert_int_equal(pkt.has_fecn, !!(bits & 8));
		assert_int_equal(pkt.has_becn, !!(bits & 16));
		assert_int_equal(pkt.qpn, 0xffffff);
		assert_int_equal(pkt.psn, 0xffffff);
		assert_int_equal(pkt.pkey, 0x1234);
	}
}

static void solicited_bit_counts_only_where_a_receive_completes(void **state)
{
	struct iroce_roce_pkt pkt;
	u8 buf[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(expects); i++) {
		const struct expect *e = &expects[i];
		size_t len = packet_make(buf, e->opcode, payload_legal(e));

		buf[1] |= 0x80;
		assert_int_equal(iroce_bth_parse(buf, len, len, &pkt), 0);
		assert_int_equal(pkt.is_solicited, e->has_recv_wqe);
	}
}

static void builder_cuts_fields_to_their_width(void **state)
{
	struct iroce_bth_cfg cfg = { .opcode = 0x04, .qpn = 0xff123456, .psn = 0xff654321,
				     .pad = 0xff };
	static const u8 want[12] = { 0x04, 0x30, 0, 0, 0, 0x12, 0x34, 0x56, 0, 0x65, 0x43, 0x21 };
	static const u8 want_aeth[4] = { 0x1f, 0x00, 0x00, 0x01 };
	static const u8 want_deth[8] = { 0x80, 0x01, 0, 0, 0, 0, 0, 1 };
	u8 buf[12];

	(void)state;
	iroce_bth_put(buf, &cfg);
	assert_memory_equal(buf, want, 12);
	assert_ptr_equal(iroce_aeth_put(buf, 0x1f, 0xff000001), buf + 4);
	assert_memory_equal(buf, want_aeth, 4);
	assert_ptr_equal(iroce_deth_put(buf, IROCE_QKEY_GSI, 0xff000001), buf + 8);
	assert_memory_equal(buf, want_deth, 8);
}

static void builders_write_wire_order_at_any_alignment(void **state)
{
	static const u8 reth[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd, 0, 1, 0, 0 };
	static const u8 atomic[28] = { 1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd,
				       0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7 };
	static const u8 orig[8] = { 0xf1, 2, 3, 4, 5, 6, 7, 8 };
	static const u8 rkey[4] = { 0xde, 0xad, 0xbe, 0xef };
	u8 raw[40];
	int off;

	(void)state;
	for (off = 0; off < 8; off++) {
		u8 *p = raw + off;

		assert_ptr_equal(iroce_reth_put(p, 0x0102030405060708, 0x0a0b0c0d, 65536), p + 16);
		assert_memory_equal(p, reth, 16);
		assert_ptr_equal(iroce_atomiceth_put(p, 0x0102030405060708, 0x0a0b0c0d, 9, 7),
				 p + 28);
		assert_memory_equal(p, atomic, 28);
		assert_ptr_equal(iroce_atomicacketh_put(p, 0xf102030405060708), p + 8);
		assert_memory_equal(p, orig, 8);
		assert_ptr_equal(iroce_ieth_put(p, 0xdeadbeef), p + 4);
		assert_memory_equal(p, rkey, 4);
		assert_ptr_equal(iroce_immdt_put(p, cpu_to_be32(0xdeadbeef)), p + 4);
		assert_memory_equal(p, rkey, 4);
	}
}

static void accessors_read_what_builders_wrote(void **state)
{
	struct iroce_aeth aeth;
	struct iroce_deth deth;

	(void)state;
	iroce_aeth_put(&aeth, 0x61, 0xabcdef);
	assert_int_equal(iroce_aeth_syndrome(&aeth), 0x61);
	assert_int_equal(iroce_aeth_msn(&aeth), 0xabcdef);
	iroce_deth_put(&deth, 5, 0x654321);
	deth.sqp |= cpu_to_be32(0xff000000); /* reserved, whatever a peer puts there */
	assert_int_equal(iroce_deth_sqp(&deth), 0x654321);
}

static void psn_order_holds_across_the_wrap(void **state)
{
	(void)state;
	assert_int_equal(iroce_psn_diff(0, 0xffffff), 1);
	assert_int_equal(iroce_psn_diff(0xffffff, 0), -1);
	assert_int_equal(iroce_psn_diff(0x7fffff, 0), 0x7fffff);
	assert_int_equal(iroce_psn_diff(0x800000, 0), -0x800000);
	assert_int_equal(iroce_psn_diff(5, 5), 0);
	assert_true(iroce_psn_cmp(0, 0xfffff0) > 0);
	assert_true(iroce_psn_cmp(0xfffff0, 0) < 0);
	assert_int_equal(iroce_psn_cmp(7, 7), 0);
	assert_int_equal(iroce_psn_add(0xffffff, 1), 0);
	assert_int_equal(iroce_psn_add(0xfffffe, 5), 3);
	assert_int_equal(iroce_psn_add(0, -1), 0xffffff);
}

static void psn_add_and_diff_undo_each_other(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		u32 psn = rand_u64() & IROCE_PSN_MASK;
		u32 n = rand_below(0x800000);

		assert_int_equal(iroce_psn_diff(iroce_psn_add(psn, n), psn), n);
		assert_int_equal(iroce_psn_diff(psn, iroce_psn_add(psn, n)), -(s32)n);
	}
}

static void syndromes_take_their_type_and_value_apart(void **state)
{
	(void)state;
	assert_int_equal(iroce_aeth_type(0x1f), IROCE_AETH_ACK);
	assert_int_equal(iroce_aeth_type(0x2c), IROCE_AETH_RNR_NAK);
	assert_int_equal(iroce_aeth_type(0x40), IROCE_AETH_RESERVED);
	assert_int_equal(iroce_aeth_type(0x60), IROCE_AETH_NAK);
	assert_int_equal(iroce_aeth_type(0x80), IROCE_AETH_RESERVED);
	assert_int_equal(iroce_aeth_type(0xe0), IROCE_AETH_RESERVED);
	assert_int_equal(iroce_aeth_value(0x7f), 0x1f);
	assert_int_equal(iroce_aeth_nak(IROCE_NAK_REM_ACCESS_ERR), 0x62);
	assert_int_equal(iroce_aeth_rnr(12), 0x2c);
	assert_int_equal(iroce_aeth_rnr(0xff), 0x3f);
}

static void credits_are_never_promised_above_what_there_is(void **state)
{
	u32 n;

	(void)state;
	for (n = 0; n < 70000; n++) {
		u8 syn = iroce_aeth_ack(n);

		assert_int_equal(iroce_aeth_type(syn), IROCE_AETH_ACK);
		assert_int_not_equal(iroce_aeth_value(syn), IROCE_AETH_CREDIT_NONE);
		assert_true(iroce_aeth_credits(iroce_aeth_value(syn)) <= n);
		if (iroce_aeth_value(syn) < 30)
			assert_true(iroce_aeth_credits(iroce_aeth_value(syn) + 1) > n);
	}
	/* From table 43: powers of two and one and a half of them. */
	assert_int_equal(iroce_aeth_credits(4), 4);
	assert_int_equal(iroce_aeth_credits(5), 6);
	assert_int_equal(iroce_aeth_credits(16), 256);
	assert_int_equal(iroce_aeth_credits(30), 32768);
	assert_int_equal(iroce_aeth_credits(IROCE_AETH_CREDIT_NONE), U32_MAX);
}

static void rnr_timers_are_those_of_the_standard(void **state)
{
	u8 i;

	(void)state;
	assert_int_equal(iroce_rnr_timer_us(0), 655360);
	assert_int_equal(iroce_rnr_timer_us(1), 10);
	assert_int_equal(iroce_rnr_timer_us(4), 40);
	assert_int_equal(iroce_rnr_timer_us(12), 640);
	assert_int_equal(iroce_rnr_timer_us(31), 491520);
	/* From 4 on each second value doubles. */
	for (i = 4; i < 30; i++)
		assert_int_equal(iroce_rnr_timer_us(i + 2), 2 * iroce_rnr_timer_us(i));
	for (i = 1; i < 31; i++)
		assert_true(iroce_rnr_timer_us(i) < iroce_rnr_timer_us(i + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_lists_every_opcode_of_the_standard_and_no_other),
		cmocka_unit_test(parser_points_at_each_extended_header_of_each_opcode),
		cmocka_unit_test(parser_leaves_pad_and_icrc_out_of_the_payload),
		cmocka_unit_test(parser_refuses_what_is_shorter_than_its_headers),
		cmocka_unit_test(parser_refuses_a_linear_part_that_ends_inside_the_headers),
		cmocka_unit_test(parser_refuses_pad_that_eats_into_headers_or_icrc),
		cmocka_unit_test(parser_refuses_payload_and_pad_that_miss_the_alignment),
		cmocka_unit_test(parser_refuses_payload_behind_opcodes_that_have_none),
		cmocka_unit_test(parser_refuses_empty_or_padded_first_and_middle_and_empty_last),
		cmocka_unit_test(parser_refuses_payload_above_the_largest_mtu),
		cmocka_unit_test(parser_takes_a_congestion_notification_of_sixteen_bytes_only),
		cmocka_unit_test(parser_refuses_other_transport_versions_and_unknown_opcodes),
		cmocka_unit_test(parser_leaves_the_result_alone_when_it_refuses),
		cmocka_unit_test(flags_of_the_base_header_survive_building_and_parsing),
		cmocka_unit_test(solicited_bit_counts_only_where_a_receive_completes),
		cmocka_unit_test(builder_cuts_fields_to_their_width),
		cmocka_unit_test(builders_write_wire_order_at_any_alignment),
		cmocka_unit_test(accessors_read_what_builders_wrote),
		cmocka_unit_test(psn_order_holds_across_the_wrap),
		cmocka_unit_test(psn_add_and_diff_undo_each_other),
		cmocka_unit_test(syndromes_take_their_type_and_value_apart),
		cmocka_unit_test(credits_are_never_promised_above_what_there_is),
		cmocka_unit_test(rnr_timers_are_those_of_the_standard),
	};

	return cmocka_run_group_tests_name("roce", tests, rand_setup, NULL);
}
