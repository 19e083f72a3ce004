// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The helper's family against a kernel that the test plays: the linker puts it in
 * the place of send() and recvmsg(). Requests are looked at as the kernel would,
 * answers are built by the message tree of uapi/ipsec_roce.h.
 */
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* Before cmocka, which has a macro of the name fail. */
#include "../src/handle.h"
#include "uapi/ipsec_roce.h"

#include "test.h"

#define FAMILY_ID	0x1c
#define BOND_IFINDEX	7

static struct {
	bool is_loaded;			/* the helper */
	int refusal;			/* what it answers instead */
	const char *words;
	void (*answer)(struct nl_msg *msg);	/* puts the attributes of one message */
	int messages;			/* that many of them */
	/* the request that came, for the test to look at */
	uint8_t cmd;
	uint16_t flags;
	struct nlattr *tb[IPSEC_ROCE_A_MAX + 1];
	unsigned char raw[1024];
	/* what waits to be received */
	unsigned char queue[8192];
	size_t queued;
	uint32_t seq, pid;
} kernel;

static void queue_add(const void *data, size_t len)
{
	assert_true(kernel.queued + NLMSG_ALIGN(len) <= sizeof(kernel.queue));
	memcpy(kernel.queue + kernel.queued, data, len);
	kernel.queued += NLMSG_ALIGN(len);
}

static struct nl_msg *message(uint16_t type, uint16_t flags)
{
	struct nl_msg *msg = nlmsg_alloc_size(4096);

	assert_non_null(msg);
	assert_non_null(nlmsg_put(msg, kernel.pid, kernel.seq, type, 0, flags));
	return msg;
}

static void queue_message(struct nl_msg *msg)
{
	queue_add(nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	nlmsg_free(msg);
}

static void acknowledge(int err, const char *words)
{
	struct nlmsgerr e = { .error = err };
	struct nl_msg *msg = message(NLMSG_ERROR, NLM_F_CAPPED | (words ? NLM_F_ACK_TLVS : 0));

	assert_int_equal(nlmsg_append(msg, &e, sizeof(e), NLMSG_ALIGNTO), 0);
	if (words)
		assert_int_equal(nla_put_string(msg, NLMSGERR_ATTR_MSG, words), 0);
	queue_message(msg);
}

static void answer_family(void)
{
	struct genlmsghdr genl = { .cmd = CTRL_CMD_NEWFAMILY };
	struct nl_msg *msg = message(GENL_ID_CTRL, 0);

	nlmsg_append(msg, &genl, sizeof(genl), NLMSG_ALIGNTO);
	nla_put_u16(msg, CTRL_ATTR_FAMILY_ID, FAMILY_ID);
	if (kernel.is_loaded)
		queue_message(msg);
	else
		nlmsg_free(msg);
	acknowledge(kernel.is_loaded ? 0 : -ENOENT, NULL);
}

static void answer_link(void)
{
	struct ifinfomsg ifi = { .ifi_index = BOND_IFINDEX };
	struct nl_msg *msg = message(RTM_NEWLINK, 0);

	nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, "bond0");
	queue_message(msg);
	acknowledge(0, NULL);
}

static void answer_helper(const struct nlmsghdr *nlh)
{
	struct genlmsghdr genl = { .cmd = IPSEC_ROCE_CMD_GET_BOND };
	int done = 0;

	memcpy(kernel.raw, nlh, nlh->nlmsg_len);
	kernel.cmd = ((struct genlmsghdr *)nlmsg_data(nlh))->cmd;
	kernel.flags = nlh->nlmsg_flags;
	assert_int_equal(nlmsg_parse((struct nlmsghdr *)kernel.raw, GENL_HDRLEN, kernel.tb,
				     IPSEC_ROCE_A_MAX, NULL), 0);
	if (kernel.refusal) {
		acknowledge(kernel.refusal, kernel.words);
		return;
	}
	for (int i = 0; i < kernel.messages; i++) {
		struct nl_msg *msg = message(FAMILY_ID, NLM_F_MULTI);

		nlmsg_append(msg, &genl, sizeof(genl), NLMSG_ALIGNTO);
		kernel.answer(msg);
		queue_message(msg);
	}
	if (nlh->nlmsg_flags & NLM_F_DUMP) {
		struct nl_msg *msg = message(NLMSG_DONE, NLM_F_MULTI);

		nlmsg_append(msg, &done, sizeof(done), NLMSG_ALIGNTO);
		queue_message(msg);
	} else {
		acknowledge(0, NULL);
	}
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
	const struct nlmsghdr *nlh = data;

	(void)fd;
	(void)flags;
	kernel.seq = nlh->nlmsg_seq;
	kernel.pid = nlh->nlmsg_pid;
	if (nlh->nlmsg_type == GENL_ID_CTRL)
		answer_family();
	else if (nlh->nlmsg_type == RTM_GETLINK)
		answer_link();
	else if (nlh->nlmsg_type == FAMILY_ID)
		answer_helper(nlh);
	else
		fail_msg("a request of type %u", nlh->nlmsg_type);
	return len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	size_t len = kernel.queued;

	(void)fd;
	(void)flags;
	assert_true(len > 0 && len <= mh->msg_iov->iov_len);
	memcpy(mh->msg_iov->iov_base, kernel.queue, len);
	memset(mh->msg_name, 0, mh->msg_namelen);
	mh->msg_flags = 0;
	kernel.queued = 0;
	return len;
}

/* ---- answers ---------------------------------------------------------- */

static void put_port(struct nl_msg *msg, int index, const char *name, bool is_good)
{
	struct nlattr *nest = nla_nest_start(msg, IPSEC_ROCE_A_PORT);

	nla_put_u32(msg, IPSEC_ROCE_A_PORT_IFINDEX, 20 + index);
	nla_put_string(msg, IPSEC_ROCE_A_PORT_IFNAME, name);
	nla_put_u8(msg, IPSEC_ROCE_A_PORT_INDEX, index);
	nla_put_u8(msg, IPSEC_ROCE_A_PORT_ENGINE, 0);
	if (is_good) {
		nla_put_flag(msg, IPSEC_ROCE_A_PORT_CAN_OFFLOAD);
		nla_put_flag(msg, IPSEC_ROCE_A_PORT_RUNNING);
		nla_put_flag(msg, IPSEC_ROCE_A_PORT_ACTIVE);
	}
	/* What this library does not know yet is no harm. */
	nla_put_u64(msg, IPSEC_ROCE_A_MAX + 9, 1);
	nla_nest_end(msg, nest);
}

static void put_bond(struct nl_msg *msg)
{
	nla_put_u32(msg, IPSEC_ROCE_A_IFINDEX, BOND_IFINDEX);
	nla_put_string(msg, IPSEC_ROCE_A_IFNAME, "bond0");
	nla_put_u8(msg, IPSEC_ROCE_A_PLACEMENT, IPSEC_ROCE_PLACEMENT_OWNER);
	nla_put_u32(msg, IPSEC_ROCE_A_N_SAS, 2);
	nla_put_u32(msg, IPSEC_ROCE_A_N_POLICIES, 3);
	nla_put_u64(msg, IPSEC_ROCE_A_N_HANDOVERS, 1ULL << 40);
	put_port(msg, 0, "vf0", true);
	put_port(msg, 3, "vf3", false);
}

static void put_sa_port(struct nl_msg *msg, int ifindex, const char *state)
{
	struct nlattr *nest = nla_nest_start(msg, IPSEC_ROCE_A_SA_PORT);

	nla_put_u32(msg, IPSEC_ROCE_A_SA_PORT_IFINDEX, ifindex);
	nla_put_string(msg, IPSEC_ROCE_A_SA_PORT_STATE, state);
	nla_put_u64(msg, IPSEC_ROCE_A_SA_PORT_PACKETS, 5);
	nla_put_u64(msg, IPSEC_ROCE_A_SA_PORT_BYTES, 600);
	nla_put_u64(msg, IPSEC_ROCE_A_SA_PORT_LAST, 7);
	nla_nest_end(msg, nest);
}

static void put_sa_head(struct nl_msg *msg)
{
	struct in_addr dst = { .s_addr = htonl(0x0a000002) };

	nla_put_u32(msg, IPSEC_ROCE_A_IFINDEX, BOND_IFINDEX);
	nla_put_u8(msg, IPSEC_ROCE_A_SA_DIR, 1);
	nla_put_u16(msg, IPSEC_ROCE_A_SA_FAMILY, AF_INET);
	nla_put(msg, IPSEC_ROCE_A_SA_DADDR, sizeof(dst), &dst);
	nla_put_u32(msg, IPSEC_ROCE_A_SA_SPI, htonl(0x1234));
	nla_put_u8(msg, IPSEC_ROCE_A_PLACEMENT, IPSEC_ROCE_PLACEMENT_SHARED);
	nla_put_u64(msg, IPSEC_ROCE_A_SA_START, 99);
	nla_put_u32(msg, IPSEC_ROCE_A_SA_HOME_IFINDEX, 23);
}

static void put_sa(struct nl_msg *msg)
{
	put_sa_head(msg);
	put_sa_port(msg, 20, "live");
	put_sa_port(msg, 23, "standby");
}

static void put_sa_nowhere(struct nl_msg *msg)
{
	put_sa_head(msg);
	nla_put_flag(msg, IPSEC_ROCE_A_SA_IS_DEAD);
}

static void put_nothing(struct nl_msg *msg)
{
	(void)msg;
}

static void play(void (*answer)(struct nl_msg *msg), int messages)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.is_loaded = true;
	kernel.answer = answer;
	kernel.messages = messages;
}

/* ---- tests ------------------------------------------------------------ */

static void without_the_helper_it_says_what_to_load(void **state)
{
	struct ipsec_roce_bond bond = { .size = sizeof(bond) };

	play(put_bond, 1);
	kernel.is_loaded = false;
	assert_int_equal(ipsec_roce_bond_get(*state, "bond0", &bond), -EPROTONOSUPPORT);
	assert_non_null(strstr(ipsec_roce_message(*state), "modprobe ipsec_roce"));
	assert_non_null(strstr(ipsec_roce_message(*state), "bond0"));
	assert_int_equal(ipsec_roce_bond_place(*state, "bond0", IPSEC_ROCE_PLACE_ANY),
			 -EPROTONOSUPPORT);
}

static void bond_is_read(void **state)
{
	struct ipsec_roce_bond bond = { .size = sizeof(bond) };

	play(put_bond, 1);
	assert_int_equal(ipsec_roce_bond_get(*state, "bond0", &bond), 0);
	assert_int_equal(kernel.cmd, IPSEC_ROCE_CMD_GET_BOND);
	assert_int_equal(nla_get_u32(kernel.tb[IPSEC_ROCE_A_IFINDEX]), BOND_IFINDEX);
	assert_string_equal(bond.name, "bond0");
	assert_int_equal(bond.placement, IPSEC_ROCE_PLACE_OWNER);
	assert_int_equal(bond.n_ports, 2);
	assert_int_equal(bond.n_sas, 2);
	assert_int_equal(bond.n_policies, 3);
	assert_int_equal(bond.n_handovers, 1ULL << 40);
}

static void answer_that_is_no_bond_is_an_error(void **state)
{
	struct ipsec_roce_bond bond = { .size = sizeof(bond) };

	play(put_nothing, 1);
	assert_int_equal(ipsec_roce_bond_get(*state, "bond0", &bond), -EBADMSG);
}

static int count_bonds(const struct ipsec_roce_bond *bond, void *arg)
{
	assert_int_equal(bond->ifindex, BOND_IFINDEX);
	++*(int *)arg;
	return 0;
}

static void bonds_are_listed(void **state)
{
	int count = 0;

	play(put_bond, 3);
	assert_int_equal(ipsec_roce_bond_list(*state, count_bonds, &count), 0);
	assert_int_equal(count, 3);
	assert_true(kernel.flags & NLM_F_DUMP);
	assert_null(kernel.tb[IPSEC_ROCE_A_IFINDEX]);
}

static struct ipsec_roce_port ports[4];
static int port_count;

static int keep_port(const struct ipsec_roce_port *port, void *arg)
{
	ports[port_count++] = *port;
	return arg ? *(int *)arg : 0;
}

static void ports_are_listed_with_what_they_can(void **state)
{
	int stop = -EINTR;

	play(put_bond, 1);
	port_count = 0;
	assert_int_equal(ipsec_roce_port_list(*state, "bond0", keep_port, NULL), 0);
	assert_int_equal(port_count, 2);
	assert_string_equal(ports[0].name, "vf0");
	assert_true(ports[0].can_offload && ports[0].is_running && ports[0].is_active);
	assert_string_equal(ports[1].name, "vf3");
	assert_int_equal(ports[1].ifindex, 23);
	assert_int_equal(ports[1].index, 3);
	assert_false(ports[1].can_offload || ports[1].is_running || ports[1].is_active);
	/* A callback ends the walk with its value. */
	port_count = 0;
	assert_int_equal(ipsec_roce_port_list(*state, "bond0", keep_port, &stop), -EINTR);
	assert_int_equal(port_count, 1);
}

static struct {
	int calls, without_port;
	char states[64];
} seen;

static int keep_sa(const struct ipsec_roce_bond_sa *sa, const struct ipsec_roce_sa_port *port,
		   void *arg)
{
	char text[IPSEC_ROCE_ADDR_TEXT];

	(void)arg;
	seen.calls++;
	assert_int_equal(sa->spi, 0x1234);
	assert_int_equal(sa->dir, IPSEC_ROCE_OUT);
	assert_string_equal(ipsec_roce_addr_text(&sa->dst, text), "10.0.0.2");
	assert_int_equal(sa->placement, IPSEC_ROCE_PLACE_SHARED);
	assert_int_equal(sa->start, 99);
	assert_int_equal(sa->home_ifindex, 23);
	if (!port) {
		assert_true(sa->is_dead);
		seen.without_port++;
		return 0;
	}
	strcat(seen.states, port->state);
	strcat(seen.states, " ");
	assert_int_equal(port->packets, 5);
	assert_int_equal(port->bytes, 600);
	assert_int_equal(port->last, 7);
	return 0;
}

static void sas_are_listed_port_by_port(void **state)
{
	play(put_sa, 1);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(ipsec_roce_bond_sa_list(*state, "bond0", keep_sa, NULL), 0);
	assert_int_equal(seen.calls, 2);
	assert_string_equal(seen.states, "live standby ");
	assert_int_equal(nla_get_u32(kernel.tb[IPSEC_ROCE_A_IFINDEX]), BOND_IFINDEX);
	play(put_sa_nowhere, 2);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(ipsec_roce_bond_sa_list(*state, NULL, keep_sa, NULL), 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.without_port, 2);
	assert_null(kernel.tb[IPSEC_ROCE_A_IFINDEX]);
}

static void placement_is_set_and_refused_in_the_helpers_words(void **state)
{
	play(put_nothing, 0);
	assert_int_equal(ipsec_roce_bond_place(*state, "bond0", IPSEC_ROCE_PLACE_SHARED), 0);
	assert_int_equal(kernel.cmd, IPSEC_ROCE_CMD_SET_BOND);
	assert_int_equal(nla_get_u8(kernel.tb[IPSEC_ROCE_A_PLACEMENT]),
			 IPSEC_ROCE_PLACEMENT_SHARED);
	kernel.refusal = -EOPNOTSUPP;
	kernel.words = "the rule";
	assert_int_equal(ipsec_roce_bond_place(*state, "bond0", IPSEC_ROCE_PLACE_OWNER),
			 -EOPNOTSUPP);
	assert_non_null(strstr(ipsec_roce_message(*state), "the rule"));
	assert_non_null(strstr(ipsec_roce_message(*state), "bond0"));
}

static void home_is_named_by_the_sas_identity(void **state)
{
	struct ipsec_roce_sa_id id = { .size = sizeof(id), .spi = 0x1234 };

	play(put_nothing, 0);
	ipsec_roce_addr_parse("2001:db8::2", &id.dst);
	assert_int_equal(ipsec_roce_bond_home(*state, "bond0", &id, 23), 0);
	assert_int_equal(kernel.cmd, IPSEC_ROCE_CMD_SET_HOME);
	assert_int_equal(nla_get_u32(kernel.tb[IPSEC_ROCE_A_IFINDEX]), BOND_IFINDEX);
	assert_int_equal(nla_get_u16(kernel.tb[IPSEC_ROCE_A_SA_FAMILY]), AF_INET6);
	assert_int_equal(nla_len(kernel.tb[IPSEC_ROCE_A_SA_DADDR]), sizeof(id.dst.v6));
	assert_memory_equal(nla_data(kernel.tb[IPSEC_ROCE_A_SA_DADDR]), &id.dst.v6,
			    sizeof(id.dst.v6));
	assert_int_equal(nla_get_u32(kernel.tb[IPSEC_ROCE_A_SA_SPI]), htonl(0x1234));
	assert_int_equal(nla_get_u32(kernel.tb[IPSEC_ROCE_A_PORT_IFINDEX]), 23);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_helper_it_says_what_to_load),
		cmocka_unit_test(bond_is_read),
		cmocka_unit_test(answer_that_is_no_bond_is_an_error),
		cmocka_unit_test(bonds_are_listed),
		cmocka_unit_test(ports_are_listed_with_what_they_can),
		cmocka_unit_test(sas_are_listed_port_by_port),
		cmocka_unit_test(placement_is_set_and_refused_in_the_helpers_words),
		cmocka_unit_test(home_is_named_by_the_sas_identity),
	};

	return cmocka_run_group_tests(tests, handle_open, handle_close);
}
