// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The netlink side against the running kernel, in a network namespace of the
 * test's own. No device there offloads anything: what needs one must fail with
 * the kernel's own words. Skipped where namespaces are not to be had.
 */
#include <linux/xfrm.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

/* Before cmocka, which has a macro of the name fail. */
#include "../src/handle.h"

#include "test.h"

#include "../src/key.h"

static struct ipsec_roce_policy fence_policy(enum ipsec_roce_dir dir)
{
	struct ipsec_roce_policy p = { .size = sizeof(p), .kind = IPSEC_ROCE_POLICY_FENCE,
				       .dir = dir, .priority = 1 };

	ipsec_roce_addr_parse("10.0.0.1", dir == IPSEC_ROCE_OUT ? &p.src : &p.dst);
	ipsec_roce_addr_parse("10.0.0.2", dir == IPSEC_ROCE_OUT ? &p.dst : &p.src);
	return p;
}

static int count_fences(const struct ipsec_roce_policy *p, void *arg)
{
	if (p->kind == IPSEC_ROCE_POLICY_FENCE) {
		assert_true(p->is_block);
		assert_int_equal(p->src_bits, 32);
		assert_int_equal(p->priority, 1);
		*(int *)arg |= p->dir;
	}
	return 0;
}

static void fence_policies_come_and_go(void **state)
{
	struct ipsec_roce_policy out = fence_policy(IPSEC_ROCE_OUT);
	struct ipsec_roce_policy in = fence_policy(IPSEC_ROCE_IN);
	int seen = 0;

	assert_int_equal(ipsec_roce_policy_add(*state, &out), 0);
	assert_int_equal(ipsec_roce_policy_add(*state, &in), 0);
	assert_int_equal(ipsec_roce_policy_add(*state, &in), -EEXIST);
	assert_int_equal(ipsec_roce_policy_list(*state, count_fences, &seen), 0);
	assert_int_equal(seen, IPSEC_ROCE_OUT | IPSEC_ROCE_IN);
	assert_int_equal(ipsec_roce_policy_del(*state, &out), 0);
	assert_int_equal(ipsec_roce_policy_del(*state, &out), -ENOENT);
	assert_int_equal(ipsec_roce_policy_del(*state, &in), 0);
}

struct ports {
	uint16_t sport, sport_mask, dport;	/* dport 0: any */
};

/* As a daemon without offload adds them. */
static void software_policy(struct ipsec_roce *h, uint16_t type, uint8_t proto,
			    struct ports ports)
{
	struct xfrm_userpolicy_info info = { .priority = 9, .dir = XFRM_POLICY_OUT };
	struct xfrm_user_tmpl tmpl = { .family = AF_INET, .mode = XFRM_MODE_TRANSPORT, .reqid = 3,
				       .aalgos = ~0U, .ealgos = ~0U, .calgos = ~0U };
	struct xfrm_userpolicy_id id = { .dir = XFRM_POLICY_OUT };

	tmpl.id.proto = IPPROTO_ESP;
	tmpl.saddr.a4 = htonl(0x0a000001);
	tmpl.id.daddr.a4 = htonl(0x0a000002);
	info.sel = (struct xfrm_selector){ .family = AF_INET, .prefixlen_s = 24, .prefixlen_d = 24,
					   .proto = proto, .sport = htons(ports.sport),
					   .sport_mask = htons(ports.sport_mask),
					   .dport = htons(ports.dport),
					   .dport_mask = ports.dport ? 0xffff : 0 };
	info.sel.saddr = tmpl.saddr;
	info.sel.daddr = tmpl.id.daddr;
	info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
	info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
	id.sel = info.sel;
	request_name(h, "put or take a software policy");
	if (type == XFRM_MSG_NEWPOLICY) {
		request_begin(h, FAMILY_XFRM, type, NLM_F_CREATE, &info, sizeof(info));
		put(h, XFRMA_TMPL, &tmpl, sizeof(tmpl));
	} else {
		request_begin(h, FAMILY_XFRM, type, 0, &id, sizeof(id));
	}
	assert_int_equal(request_call(h, NULL, NULL), 0);
}

struct software {
	int covers, is_source_bound;	/* -1: not listed */
};

static int on_software(const struct ipsec_roce_policy *p, void *arg)
{
	if (p->kind == IPSEC_ROCE_POLICY_OTHER && !p->ifindex && p->has_esp && p->priority == 9)
		*(struct software *)arg = (struct software){ p->covers_roce, p->is_source_bound };
	return 0;
}

static void software_policy_is_listed_with_whether_roce_is_in_it(void **state)
{
	static const struct {
		uint8_t proto;
		struct ports ports;
		bool covers, is_source_bound;
	} cases[] = {
		{ 0, { 0 }, true, false },
		{ IPPROTO_UDP, { 0 }, true, false },
		{ IPPROTO_UDP, { 0, 0, IPSEC_ROCE_PORT }, true, false },
		{ IPPROTO_UDP, { 0, 0, 500 }, false, false },
		{ IPPROTO_TCP, { 0 }, false, false },
		/* `dynamic[udp/4791]` at both ends of a child of strongSwan. */
		{ IPPROTO_UDP, { IPSEC_ROCE_PORT, 0xffff, IPSEC_ROCE_PORT }, true, true },
		/* 49152 to 65535, half of that, and the lower half of all. */
		{ IPPROTO_UDP, { 0xc000, 0xc000, IPSEC_ROCE_PORT }, true, false },
		{ IPPROTO_UDP, { 0xe000, 0xe000, IPSEC_ROCE_PORT }, true, true },
		{ IPPROTO_UDP, { 0, 0x8000, IPSEC_ROCE_PORT }, true, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct software said = { -1, -1 };

		software_policy(*state, XFRM_MSG_NEWPOLICY, cases[i].proto, cases[i].ports);
		assert_int_equal(ipsec_roce_policy_list(*state, on_software, &said), 0);
		software_policy(*state, XFRM_MSG_DELPOLICY, cases[i].proto, cases[i].ports);
		assert_int_equal(said.covers, cases[i].covers);
		assert_int_equal(said.is_source_bound, cases[i].is_source_bound);
	}
}

static struct ipsec_roce_sa_cfg sa_cfg(const struct ipsec_roce_key *key)
{
	struct ipsec_roce_sa_cfg cfg = {
		.size = sizeof(cfg), .dev = "lo", .dir = IPSEC_ROCE_OUT, .key = key,
		.flow = { .size = sizeof(cfg.flow), .generation = 1, .key_bits = 128 },
		.spi = 0x1000, .reqid = 0x1000,
	};

	ipsec_roce_addr_parse("10.0.0.1", &cfg.flow.src);
	ipsec_roce_addr_parse("10.0.0.2", &cfg.flow.dst);
	return cfg;
}

/* The linker puts it in the place of recvmsg(): the lost-th message from now is lost. */
static int lost;

ssize_t __real_recvmsg(int fd, struct msghdr *mh, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	if (lost && !--lost) {
		errno = ENOBUFS;
		return -1;
	}
	return __real_recvmsg(fd, mh, flags);
}

static void policy_whose_answer_is_lost_is_taken_back(void **state)
{
	struct ipsec_roce_policy p = fence_policy(IPSEC_ROCE_OUT);

	lost = 1;
	assert_int_equal(ipsec_roce_policy_add(*state, &p), -ENOBUFS);
	assert_non_null(strstr(ipsec_roce_message(*state), "answer was lost"));
	assert_int_equal(ipsec_roce_policy_del(*state, &p), -ENOENT);
	/* The late answers belong to nobody: the next request gets its own. */
	assert_int_equal(ipsec_roce_policy_add(*state, &p), 0);
	lost = 1;
	assert_int_equal(ipsec_roce_policy_del(*state, &p), -ENOBUFS);
	assert_int_equal(ipsec_roce_policy_del(*state, &p), -ENOENT);
}

static void policy_of_somebody_else_survives_a_lost_answer(void **state)
{
	struct ipsec_roce_policy p = fence_policy(IPSEC_ROCE_OUT), ours = p;

	p.priority = 9;
	assert_int_equal(ipsec_roce_policy_add(*state, &p), 0);
	lost = 1;
	assert_int_equal(ipsec_roce_policy_add(*state, &ours), -ENOBUFS);
	assert_int_equal(ipsec_roce_policy_del(*state, &p), 0);
}

static void sa_whose_answer_is_lost_counts_as_used(void **state)
{
	struct ipsec_roce_key key = { .psk = "not so secret", .len = KEY_MIN };
	struct ipsec_roce_sa_cfg cfg = sa_cfg(&key);

	/* Two messages answer for the device, the link and its acknowledgement. */
	lost = 3;
	assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EPROTO);
	assert_non_null(strstr(ipsec_roce_message(*state), "answer was lost"));
}

static void link_without_offload_refuses_in_the_kernels_words(void **state)
{
	struct ipsec_roce_policy p = fence_policy(IPSEC_ROCE_OUT);
	int err;

	p.kind = IPSEC_ROCE_POLICY_PROTECT;
	p.dev = "lo";
	p.reqid = 7;
	/* A kernel without XFRM_OFFLOAD says nothing at all: then the library does. */
	err = ipsec_roce_policy_add(*state, &p);
	assert_non_null(strstr(ipsec_roce_message(*state), "outbound policy on lo"));
	if (err == -EPROTO)
		assert_non_null(strstr(ipsec_roce_message(*state), "did not offload"));
	else
		assert_non_null(strstr(ipsec_roce_message(*state), "not supported"));
	assert_true(err < 0);
	assert_int_equal(ipsec_roce_policy_del(*state, &p), -ENOENT);
	p.dev = "no-such";
	assert_int_equal(ipsec_roce_policy_add(*state, &p), -ENODEV);
	assert_non_null(strstr(ipsec_roce_message(*state), "no-such"));
}

static void sa_needs_a_device_that_offloads(void **state)
{
	struct ipsec_roce_key key = { .psk = "not so secret", .len = KEY_MIN };
	struct ipsec_roce_sa_cfg cfg = sa_cfg(&key);

	assert_true(ipsec_roce_sa_add(*state, &cfg) < 0);
	assert_non_null(strstr(ipsec_roce_message(*state), "outbound SA 0x00001000 on lo"));
}

static void sa_without_sense_never_reaches_the_kernel(void **state)
{
	struct ipsec_roce_key key = { .psk = "not so secret", .len = KEY_MIN };
	struct ipsec_roce_sa_cfg cfg = sa_cfg(&key);

	cfg.spi = 255;
	assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EINVAL);
	cfg = sa_cfg(&key);
	cfg.reqid = 0;
	assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EINVAL);
	cfg = sa_cfg(&key);
	cfg.replay_window = 64;
	assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EINVAL);
	for (unsigned int window = 0; window < 32; window++) {
		cfg = sa_cfg(&key);
		cfg.dir = IPSEC_ROCE_IN;
		cfg.replay_window = window;
		assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EINVAL);
	}
	cfg = sa_cfg(NULL);
	assert_int_equal(ipsec_roce_sa_add(*state, &cfg), -EINVAL);
}

static int count_sas(const struct ipsec_roce_sa_info *info, void *arg)
{
	(void)info;
	++*(int *)arg;
	return 0;
}

static void absent_sa_is_not_an_error_text_but_a_code(void **state)
{
	struct ipsec_roce_sa_info info = { .size = sizeof(info) };
	struct ipsec_roce_sa_id id = { .size = sizeof(id), .spi = 0x1000 };
	int count = 0;

	ipsec_roce_addr_parse("10.0.0.1", &id.src);
	ipsec_roce_addr_parse("10.0.0.2", &id.dst);
	assert_int_equal(ipsec_roce_sa_get(*state, &id, &info), -ENOENT);
	assert_int_equal(ipsec_roce_sa_del(*state, &id), -ENOENT);
	assert_int_equal(ipsec_roce_sa_list(*state, count_sas, &count), 0);
	assert_int_equal(count, 0);
}

static int find_lo(const struct ipsec_roce_link *link, void *arg)
{
	if (!strcmp(link->name, "lo"))
		*(struct ipsec_roce_link *)arg = *link;
	return 0;
}

static void link_address_and_route_are_read(void **state)
{
	struct ipsec_roce_link link = { .size = sizeof(link) }, same = { .size = sizeof(same) };
	struct ipsec_roce_route route = { .size = sizeof(route) };
	struct ipsec_roce_addr loopback, other;

	ipsec_roce_addr_parse("127.0.0.1", &loopback);
	ipsec_roce_addr_parse("10.0.0.1", &other);
	assert_int_equal(ipsec_roce_link_get(*state, "lo", &link), 0);
	assert_string_equal(link.name, "lo");
	assert_true(link.is_up);
	assert_int_equal(ipsec_roce_link_by_index(*state, link.ifindex, &same), 0);
	assert_string_equal(same.name, "lo");
	assert_string_equal(same.kind, "");
	assert_int_equal(same.master, 0);
	same.ifindex = 0;
	assert_int_equal(ipsec_roce_link_list(*state, find_lo, &same), 0);
	assert_int_equal(same.ifindex, link.ifindex);
	assert_int_equal(ipsec_roce_link_get(*state, "sixteen-and-more", &same), -EINVAL);
	assert_int_equal(ipsec_roce_link_has_addr(*state, "lo", &loopback), 0);
	assert_int_equal(ipsec_roce_link_has_addr(*state, "lo", &other), -ENOENT);
	assert_int_equal(ipsec_roce_route_get(*state, &loopback, NULL, 0, &route), 0);
	assert_int_equal(route.ifindex, link.ifindex);
	assert_int_equal(ipsec_roce_route_get(*state, &other, NULL, 0, &route), -ENETUNREACH);
}

static void features_are_known_by_name(void **state)
{
	bool is_on, is_fixed;

	assert_int_equal(ipsec_roce_feature_get(*state, "lo", "tx-scatter-gather-fraglist", &is_on,
						&is_fixed), 0);
	assert_int_equal(ipsec_roce_feature_get(*state, "lo", "tx-nonsense", &is_on, NULL),
			 -EOPNOTSUPP);
	/* A name that the kernel knows, of something that lo neither does nor can be made to do. */
	assert_int_equal(ipsec_roce_feature_get(*state, "lo", "rx-vlan-filter", &is_on, NULL),
			 -EOPNOTSUPP);
	assert_int_equal(ipsec_roce_feature_get(*state, "lo", "highdma", &is_on, &is_fixed), 0);
	assert_true(is_on && is_fixed);
	assert_true(ipsec_roce_feature_set(*state, "lo", "tx-nonsense", true) < 0);
	assert_true(ipsec_roce_privflag_get(*state, "lo", "nonsense", &is_on) < 0);
}

static void clsact_is_seen_added_and_released(void **state)
{
	bool is_ready = true;
	int err;

	assert_int_equal(ipsec_roce_fence_ready(*state, "lo", &is_ready), 0);
	assert_false(is_ready);
	err = ipsec_roce_fence_prepare(*state, "lo");
	if (err) {
		/* A kernel without clsact: then it must say so, and release must not mind. */
		assert_true(*ipsec_roce_message(*state));
		assert_int_equal(ipsec_roce_fence_release(*state, "lo"), 0);
		return;
	}
	assert_int_equal(ipsec_roce_fence_ready(*state, "lo", &is_ready), 0);
	assert_true(is_ready);
	assert_int_equal(ipsec_roce_fence_prepare(*state, "lo"), 0);
	assert_int_equal(ipsec_roce_fence_release(*state, "lo"), 0);
	assert_int_equal(ipsec_roce_fence_ready(*state, "lo", &is_ready), 0);
	assert_false(is_ready);
	assert_int_equal(ipsec_roce_fence_release(*state, "lo"), 0);
}

/* An older caller's struct is shorter: what lies behind it must not be touched. */
static void shorter_struct_of_an_older_caller_is_respected(void **state)
{
	struct ipsec_roce_link link = { .size = offsetof(struct ipsec_roce_link, mtu) };

	link.mtu = 4711;
	assert_int_equal(ipsec_roce_link_get(*state, "lo", &link), 0);
	assert_string_equal(link.name, "lo");
	assert_int_equal(link.mtu, 4711);
	assert_false(link.is_up);
	link.size = 0;
	assert_int_equal(ipsec_roce_link_get(*state, "lo", &link), -EINVAL);
}

static void newer_callers_unknown_option_is_refused(void **state)
{
	struct {
		struct ipsec_roce_policy policy;
		uint64_t newer;
	} p = { fence_policy(IPSEC_ROCE_OUT), 0 };

	p.policy.size = sizeof(p);
	assert_int_equal(ipsec_roce_policy_add(*state, &p.policy), 0);
	assert_int_equal(ipsec_roce_policy_del(*state, &p.policy), 0);
	p.newer = 1;
	assert_int_equal(ipsec_roce_policy_add(*state, &p.policy), -E2BIG);
}

/* A request larger than its buffer must come out as an error of the call. */
static void overflow_sticks_until_the_call(void **state)
{
	static const char big[5000];

	request_name(*state, "test");
	request_begin(*state, FAMILY_ROUTE, 18, 0, NULL, 0);
	put(*state, 1, big, sizeof(big));
	put_u32(*state, 2, 1);
	assert_int_equal(request_call(*state, NULL, NULL), -EMSGSIZE);
}

/* By hand: a program of another file would lose the rights in an unmapped namespace. */
static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err = ioctl(fd, SIOCSIFFLAGS, &ifr);

	close(fd);
	return err;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fence_policies_come_and_go),
		cmocka_unit_test(software_policy_is_listed_with_whether_roce_is_in_it),
		cmocka_unit_test(policy_whose_answer_is_lost_is_taken_back),
		cmocka_unit_test(policy_of_somebody_else_survives_a_lost_answer),
		cmocka_unit_test(sa_whose_answer_is_lost_counts_as_used),
		cmocka_unit_test(link_without_offload_refuses_in_the_kernels_words),
		cmocka_unit_test(sa_needs_a_device_that_offloads),
		cmocka_unit_test(sa_without_sense_never_reaches_the_kernel),
		cmocka_unit_test(absent_sa_is_not_an_error_text_but_a_code),
		cmocka_unit_test(link_address_and_route_are_read),
		cmocka_unit_test(features_are_known_by_name),
		cmocka_unit_test(clsact_is_seen_added_and_released),
		cmocka_unit_test(shorter_struct_of_an_older_caller_is_respected),
		cmocka_unit_test(newer_callers_unknown_option_is_refused),
		cmocka_unit_test(overflow_sticks_until_the_call),
	};

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET)) {
		puts("no network namespace to be had: skipped");
		return 77;
	}
	if (loopback_up()) {
		perror("bring lo up");
		return 1;
	}
	return cmocka_run_group_tests(tests, handle_open, handle_close);
}
