// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What stands around tunnels: devices that hold traffic closed, policies that protect
 * nothing, devices that lie on others. Whole commands run; the linker puts a host in
 * the place of the library's calls:
 *
 *	eth1  a PF, 10.0.1.1		eth2  a VF, 10.0.2.1; on it v100, 10.0.3.1; on that mv0
 *	bond0 of eth4			mlx0  of a driver without any of our flags, 10.0.8.1
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel/device.h"
#include "tunnel/fit.h"
#include "tunnel/hold.h"
#include "tunnel/owner.h"
#include "tunnel/record.h"
#include "commands.h"
#include "fake_report.h"
#include "verify.h"

enum { LO = 1, ETH1, ETH2, V100, MV0, BOND0, ETH4, MLX0, POD0, LINKS_END };

/* ---- the host ---- */

struct device {
	struct ipsec_roce_link link;
	const char *addr;
	bool has_flags, is_fail_closed, starts_closed, is_gone;
	uint64_t fences;
	int gid_index;		/* of its address; -1: no RDMA */
};

static struct device device[LINKS_END];
static struct ipsec_roce_policy policies[8];
static int policy_count;
static int held_fd = -1;	/* the run folder's lock: a test that failed must not keep it */

static void device_set(int index, const char *name, const char *kind, unsigned int lower,
		       const char *addr)
{
	struct device *d = &device[index];

	*d = (struct device){ .addr = addr, .gid_index = -1 };
	d->link = (struct ipsec_roce_link){ .size = sizeof(d->link), .ifindex = index,
					    .is_up = true, .has_carrier = true, .lower = lower };
	strcpy(d->link.name, name);
	strcpy(d->link.kind, kind);
}

static void host_reset(void)
{
	device_set(LO, "lo", "", 0, "127.0.0.1");
	device_set(ETH1, "eth1", "", 0, "10.0.1.1");
	device_set(ETH2, "eth2", "", 0, "10.0.2.1");
	device_set(V100, "v100", "vlan", ETH2, "10.0.3.1");
	device_set(MV0, "mv0", "macvlan", V100, "10.0.4.1");
	device_set(BOND0, "bond0", "bond", 0, "10.0.6.1");
	device_set(ETH4, "eth4", "", 0, NULL);
	device_set(MLX0, "mlx0", "", 0, "10.0.8.1");
	device_set(POD0, "pod0", "macvlan", 0, "10.0.9.1");
	device[ETH4].link.master = BOND0;
	for (int i = 0; i < LINKS_END; i++) {
		device[i].has_flags = i == ETH1 || i == ETH2 || i == ETH4;
		device[i].is_fail_closed = device[i].has_flags;
	}
	device[ETH2].gid_index = 1;
	if (held_fd >= 0)
		close(held_fd);
	held_fd = -1;
	policy_count = 0;
	*said = *fault = 0;
}

static struct device *device_find(const char *name)
{
	for (int i = LO; i < LINKS_END; i++)
		if (!strcmp(device[i].link.name, name) && !device[i].is_gone)
			return &device[i];
	return NULL;
}

static struct ipsec_roce_addr addr(const char *text)
{
	struct ipsec_roce_addr a;

	assert_int_equal(ipsec_roce_addr_parse(text, &a), 0);
	return a;
}

/* Outbound from @src to 10.0.0.9, or inbound the other way. */
static struct ipsec_roce_policy *policy_put(enum ipsec_roce_dir dir, const char *src,
					    unsigned int ifindex)
{
	struct ipsec_roce_policy *p = &policies[policy_count++];
	bool is_out = dir == IPSEC_ROCE_OUT;

	*p = (struct ipsec_roce_policy){
		.size = sizeof(*p), .dir = dir, .src_bits = 32, .dst_bits = 32, .ifindex = ifindex,
		.kind = ifindex ? IPSEC_ROCE_POLICY_PROTECT : IPSEC_ROCE_POLICY_OTHER,
		.src = addr(is_out ? src : "10.0.0.9"), .dst = addr(is_out ? "10.0.0.9" : src),
		.priority = 7, .has_esp = true, .covers_roce = true,
	};
	return p;
}

/* ---- the library's calls ---- */

#define WRAP(type, name, ...) \
	type __wrap_ipsec_roce_##name(struct ipsec_roce *h, __VA_ARGS__); \
	type __wrap_ipsec_roce_##name(struct ipsec_roce *h __attribute__((unused)), __VA_ARGS__)

WRAP(int, link_get, const char *dev, struct ipsec_roce_link *link)
{
	const struct device *d = device_find(dev);

	if (d)
		*link = d->link;
	return d ? 0 : -ENODEV;
}

WRAP(int, link_by_index, unsigned int ifindex, struct ipsec_roce_link *link)
{
	if (!ifindex || ifindex >= LINKS_END)
		return -ENODEV;
	*link = device[ifindex].link;
	return 0;
}

WRAP(int, link_list, ipsec_roce_link_fn fn, void *arg)
{
	int err = 0;

	for (int i = LO; !err && i < LINKS_END; i++)
		err = device[i].is_gone ? 0 : fn(&device[i].link, arg);
	return err;
}

WRAP(int, addr_list, ipsec_roce_addr_fn fn, void *arg)
{
	int err = 0;

	for (int i = LO; !err && i < LINKS_END; i++) {
		struct ipsec_roce_addr a;

		if (!device[i].addr)
			continue;
		a = addr(device[i].addr);
		err = fn(&a, i, arg);
	}
	return err;
}

WRAP(int, policy_list, ipsec_roce_policy_fn fn, void *arg)
{
	int err = 0;

	for (int i = 0; !err && i < policy_count; i++)
		err = fn(&policies[i], arg);
	return err;
}

static bool *flag_of(struct device *d, const char *flag)
{
	return strcmp(flag, CLOSED_FLAG) ? &d->is_fail_closed : &d->starts_closed;
}

WRAP(int, privflag_get, const char *dev, const char *flag, bool *is_on)
{
	struct device *d = device_find(dev);

	if (!d || !d->has_flags)
		return d ? -EOPNOTSUPP : -ENODEV;
	*is_on = *flag_of(d, flag);
	return 0;
}

WRAP(int, privflag_set, const char *dev, const char *flag, bool on)
{
	struct device *d = device_find(dev);

	if (!d || !d->has_flags)
		return d ? -EOPNOTSUPP : -ENODEV;
	*flag_of(d, flag) = on;
	if (!d->is_fail_closed)
		d->fences = 0;
	return 0;
}

WRAP(int, counter_get, const char *dev, const char *name, uint64_t *value)
{
	struct device *d = device_find(dev);

	assert_string_equal(name, "ipsec_fences");
	assert_true(d && d->has_flags);
	*value = d->fences;
	return 0;
}

WRAP(int, feature_get, const char *dev, const char *feature, bool *is_on, bool *is_fixed)
{
	struct device *d = device_find(dev);

	(void)is_fixed;
	assert_string_equal(feature, ESP_FEATURE);
	*is_on = d && d->has_flags;
	return *is_on ? 0 : -EOPNOTSUPP;
}

/* To wherever: from the device's own address. */
WRAP(int, route_get, const struct ipsec_roce_addr *peer, const struct ipsec_roce_addr *from,
     unsigned int oif, struct ipsec_roce_route *route)
{
	(void)peer;
	(void)from;
	route->ifindex = oif;
	route->source = addr(device[oif].addr);
	return 0;
}

/* What lies on a function has its GIDs in the function's table. */
WRAP(int, rdma_get, const char *dev, const struct ipsec_roce_addr *a, struct ipsec_roce_rdma *rdma)
{
	struct device *d = device_find(dev);

	if (!d || d->gid_index < 0)
		return -ENOENT;
	strcpy(rdma->name, "rdma2");
	rdma->port = 1;
	rdma->gid_index = -1;
	for (int i = LO; i < LINKS_END; i++) {
		struct ipsec_roce_addr own = addr(device[i].addr ?: "0.0.0.0");

		if (i >= ETH2 && i <= MV0 && ipsec_roce_addr_equal(&own, a))
			rdma->gid_index = i - ETH2 + 1;
	}
	return 0;
}

/* ---- commands ---- */

static struct setup *shared;
static char printed[4096];

static void assert_told(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void assert_untold(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("\"%s\" is in:\n%s", what, text);
}

/* A command, with what it prints in printed and what it says in said. */
static int run(int (*cmd)(struct setup *s), const struct options *more)
{
	struct options opt = *more;
	struct setup s = *shared;
	FILE *file = tmpfile();
	int err, out = dup(STDOUT_FILENO);
	size_t len;

	opt.run_dir = shared->opt->run_dir;
	s.opt = &opt;
	s.run_fd = -1;
	*said = *fault = 0;
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	err = cmd(&s);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(file);
	len = fread(printed, 1, sizeof(printed) - 1, file);
	printed[len] = 0;
	fclose(file);
	if (s.run_fd >= 0)
		close(s.run_fd);
	return err;
}

static const struct options nothing;

static int status(void)
{
	return run(cmd_status, &nothing);
}

/* ---- holds ---- */

static void device_of_a_driver_without_the_flags_is_not_listed(void **state)
{
	struct options opt = { .dev = "mlx0", .has_all = true };

	(void)state;
	host_reset();
	assert_int_equal(status(), 0);
	assert_string_equal(printed, "nothing is up\n");
	assert_int_equal(run(cmd_down, &opt), 0);
	assert_string_equal(said, "nothing to do: nothing is up\n");
}

static void fences_are_listed_with_what_why_and_how_to_open(void **state)
{
	struct options json = { .has_json = true };

	(void)state;
	host_reset();
	device[ETH2].fences = 2;
	device[ETH4].fences = 3;
	assert_int_equal(status(), 0);
	assert_told(printed, "nothing is up\neth2 is closed\n");
	assert_told(printed, "drops what 2 policies protected, gone since\n");
	assert_told(printed, "ipsec-fail-closed: ");
	assert_told(printed, "roce-ipsec-setup down --dev eth2 --all");
	assert_told(printed, "ethtool --set-priv-flags eth2 ipsec-fail-closed off)");
	/* A port's tunnels are its bond's. */
	assert_told(printed, "eth4 is closed\n");
	assert_told(printed, "roce-ipsec-setup down --dev bond0 --all");
	assert_int_equal(run(cmd_status, &json), 0);
	assert_told(printed, "\"tunnels\":[");
	assert_told(printed, "\"dev\":\"eth2\"");
	assert_told(printed, "\"fences\":2");
	assert_told(printed, "\"how\":\"");
}

static void device_that_waits_is_listed_by_direction(void **state)
{
	(void)state;
	host_reset();
	device[ETH2].starts_closed = device[ETH4].starts_closed = true;
	assert_int_equal(status(), 0);
	assert_told(printed, "eth2 is closed\n  what         drops all IP out and in\n");
	assert_told(printed, "ethtool --set-priv-flags eth2 ipsec-closed-until-protected off");
	assert_told(printed, "eth4 is closed\n");
	policy_put(IPSEC_ROCE_OUT, "10.0.2.1", ETH2);
	/* The bond's policies are its ports'. */
	policy_put(IPSEC_ROCE_OUT, "10.0.6.1", BOND0);
	policy_put(IPSEC_ROCE_IN, "10.0.6.1", BOND0);
	assert_int_equal(status(), 0);
	assert_told(printed, "drops all IP in\n");
	assert_untold(printed, "eth4");
	policy_put(IPSEC_ROCE_IN, "10.0.2.1", ETH2);
	assert_int_equal(status(), 0);
	assert_untold(printed, "closed");
}

static void device_that_does_not_fail_closed_holds_nothing(void **state)
{
	(void)state;
	host_reset();
	device[ETH2].starts_closed = true;
	device[ETH2].is_fail_closed = false;
	assert_int_equal(status(), 0);
	assert_string_equal(printed, "nothing is up\n");
}

static void down_of_one_peer_leaves_fences_and_says_how_to_open_them(void **state)
{
	struct options opt = { .dev = "eth2", .peer = addr("10.0.0.9") };

	(void)state;
	host_reset();
	device[ETH2].fences = 2;
	device[ETH1].fences = 1;
	assert_int_equal(run(cmd_down, &opt), 0);
	assert_int_equal(device[ETH2].fences, 2);
	assert_told(said, "eth2 drops what 2 policies protected");
	assert_told(said, "left so; to open it: ");
	assert_told(said, "roce-ipsec-setup down --dev eth2 --all");
	assert_untold(said, "eth1");
	assert_untold(said, "nothing to do");
}

static void down_of_all_opens_the_device_and_leaves_it_fail_closed(void **state)
{
	struct options opt = { .dev = "eth2", .has_all = true };
	struct options bond = { .dev = "bond0", .has_all = true };

	(void)state;
	host_reset();
	device[ETH1].fences = device[ETH2].fences = device[ETH4].fences = 2;
	assert_int_equal(run(cmd_down, &opt), 0);
	assert_int_equal(device[ETH2].fences, 0);
	assert_true(device[ETH2].is_fail_closed);
	assert_told(said, "eth2: opened, what 2 policies protected");
	assert_int_equal(device[ETH1].fences, 2);
	assert_int_equal(run(cmd_down, &bond), 0);
	assert_int_equal(device[ETH4].fences, 0);
	/* The operator's own flag is not of any `up`: it stays, and is named. */
	device[ETH2].starts_closed = true;
	assert_int_equal(run(cmd_down, &opt), 0);
	assert_true(device[ETH2].starts_closed);
	assert_told(said, "eth2 drops all IP out and in");
	assert_told(said, "ipsec-closed-until-protected off");
}

/* ---- closed until protected ---- */

static struct tunnel tunnel(const char *peer)
{
	struct tunnel t = {
		.dev = "eth2", .starts_closed = true, .func_count = 1, .func = { { .dev = "eth2" } },
		.local = addr("10.0.2.1"), .peer = addr(peer),
		.now = { .number = 1, .count = { 1, 1 }, .spi = { { 256 }, { 257 } } },
	};

	return t;
}

static void flag_is_put_back_by_the_last_tunnel_that_wanted_it(void **state)
{
	struct tunnel first = tunnel("10.0.0.8"), second = tunnel("10.0.0.9"), heir;
	struct setup s = *shared;

	(void)state;
	host_reset();
	assert_int_equal(record_open(&s, false), 0);
	held_fd = s.run_fd;
	assert_int_equal(step_closed_plan(&s, &first.func[0]), 0);
	assert_int_equal(step_closed_prepare(&s, &first.func[0]), 0);
	assert_true(device[ETH2].starts_closed);
	/* It finds the flag on. */
	assert_int_equal(step_closed_plan(&s, &second.func[0]), 0);
	assert_false(second.func[0].did_closed);
	assert_int_equal(record_save(&s, &first), 0);
	assert_int_equal(record_save(&s, &second), 0);

	assert_int_equal(step_closed_release(&s, &first, &first.func[0]), 0);
	assert_true(device[ETH2].starts_closed);
	assert_int_equal(record_remove(&s, &first), 0);
	assert_int_equal(record_load(&s, &second.local, &second.peer, &heir), 0);
	assert_true(heir.func[0].did_closed);
	assert_int_equal(step_closed_release(&s, &heir, &heir.func[0]), 0);
	assert_false(device[ETH2].starts_closed);
	assert_int_equal(record_remove(&s, &second), 0);
}

static void flag_of_the_operator_stays(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");
	struct setup s = *shared;

	(void)state;
	host_reset();
	device[ETH2].starts_closed = true;
	assert_int_equal(step_closed_plan(&s, &t.func[0]), 0);
	assert_int_equal(step_closed_prepare(&s, &t.func[0]), 0);
	assert_int_equal(step_closed_release(&s, &t, &t.func[0]), 0);
	assert_true(device[ETH2].starts_closed);
}

static void flag_of_a_device_without_driver_is_named(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");
	struct setup s = *shared;

	(void)state;
	host_reset();
	t.func[0].did_closed = device[ETH2].is_gone = true;
	assert_int_equal(step_closed_release(&s, &t, &t.func[0]), 0);
	assert_told(said, "ethtool --set-priv-flags eth2 ipsec-closed-until-protected off");
}

static void driver_without_the_flag_is_refused_with_its_cause(void **state)
{
	struct tunnel t = { .func = { { .dev = "mlx0" } } };

	(void)state;
	host_reset();
	assert_int_equal(step_closed_check(shared, &t.func[0]), -EOPNOTSUPP);
	assert_told(fault, "mlx0 has no private flag ipsec-closed-until-protected");
	assert_told(fault, "leave --closed-until-protected out");
}

/* ---- devices on devices ---- */

static void up_on_a_device_that_lies_on_a_function_names_the_function(void **state)
{
	struct options opt = { .dev = "v100", .peer = addr("10.0.0.9"), .key_file = "none" };

	(void)state;
	host_reset();
	assert_int_equal(run(cmd_up, &opt), -EOPNOTSUPP);
	assert_string_equal(fault, "v100 is a vlan device on eth2, and the function below is what "
			    "seals: use --dev eth2 --local 10.0.3.1");
	opt.dev = "mv0";
	assert_int_equal(run(cmd_up, &opt), -EOPNOTSUPP);
	assert_told(fault, "mv0 is a macvlan device on eth2");
	opt.dev = "pod0";
	assert_int_equal(run(cmd_up, &opt), -EOPNOTSUPP);
	assert_told(fault, "another network namespace");
	opt.dev = "eth2";
	run(cmd_up, &opt);
	assert_untold(fault, "use --dev");
}

static void address_of_another_function_is_refused(void **state)
{
	struct tunnel t = { .dev = "eth1", .local = addr("10.0.2.1"), .func_count = 1,
			    .func = { { .dev = "eth1" } } };

	(void)state;
	host_reset();
	assert_int_equal(fit_check(shared, &t), -EINVAL);
	assert_string_equal(fault, "10.0.2.1 is an address of eth2: policies on eth1 do nothing for "
			    "it; use --dev eth2");
	t.local = addr("10.0.3.1");
	assert_int_equal(fit_check(shared, &t), -EINVAL);
	/* Its own, and what lies on it; lo is no way out. */
	strcpy(t.dev, "eth2");
	assert_int_equal(fit_check(shared, &t), 0);
	assert_told(said, "10.0.3.1 is on v100, above eth2");
	t.local = addr("127.0.0.1");
	assert_int_equal(fit_check(shared, &t), 0);
}

/* ---- policies that protect nothing ---- */

static int verify(const char *dev)
{
	struct options opt = { .dev = dev, .peer = addr("10.0.0.9"), .no_probe = true };

	return run(cmd_verify, &opt);
}

static void verify_says_that_software_policies_never_protect_roce(void **state)
{
	(void)state;
	host_reset();
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_told(said, "nothing is up towards 10.0.0.9 on eth2");
	assert_told(said, "next: on both hosts: roce-ipsec-setup up --dev eth2 --peer 10.0.0.9");
	assert_untold(said, "policy");
	policy_put(IPSEC_ROCE_OUT, "10.0.2.1", 0);
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_told(said, "policy out       a software policy (priority 7) covers this traffic: software policies never protect RoCE");
	/* Neither other addresses nor TCP are RoCE of this device. */
	policies[0].covers_roce = false;
	policy_put(IPSEC_ROCE_IN, "10.0.1.1", 0);
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_untold(said, "software");
}

static void verify_says_that_a_pf_policy_does_nothing_for_its_vf(void **state)
{
	(void)state;
	host_reset();
	policy_put(IPSEC_ROCE_OUT, "10.0.2.1", ETH1);
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_told(said, "one is offloaded to eth1: it does nothing for what eth2 sends");
	policies[0].ifindex = ETH2;
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_untold(said, "does nothing");
	assert_told(said, "which `up` has not made");
}

static void verify_says_that_policies_for_one_source_port_protect_no_roce(void **state)
{
	struct ipsec_roce_policy *p;

	(void)state;
	host_reset();
	p = policy_put(IPSEC_ROCE_OUT, "10.0.2.1", ETH2);
	p->is_source_bound = true;
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_told(said, "FAULT  policy out       one is for some UDP source ports only: RoCE comes from any of 49152 to 65535");
	assert_untold(said, "which `up` has not made");
	/* Beside one that takes all RoCE it does no harm. */
	policy_put(IPSEC_ROCE_OUT, "10.0.2.1", ETH2);
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_untold(said, "source ports");
	assert_told(said, "which `up` has not made");
}

static void verify_names_what_blocks_and_how_to_open_it(void **state)
{
	(void)state;
	host_reset();
	device[ETH2].fences = 2;
	assert_int_equal(verify("eth2"), EXIT_FAULT);
	assert_told(said, "FAULT  closed           eth2 drops what 2 policies protected, gone since");
	assert_told(said, "roce-ipsec-setup down --dev eth2 --all");
}

/* Of a tunnel on eth2 whose policies are there, or not. Returns the faults. */
static int around(struct tunnel *t, bool has_policies)
{
	struct setup s = *shared;
	struct options opt = { .dev = t->dev, .peer = t->peer };
	struct verify vf = { .s = &s, .t = t };

	s.opt = &opt;
	*said = 0;
	vf.view.has_link = true;
	vf.view.link = device[ETH2].link;
	for (int side = 0; side < SIDES; side++) {
		vf.view.protect[side].is_there = has_policies;
		vf.view.protect[side].policy.ifindex = ETH2;
		vf.view.protect[side].policy.reqid = side ? t->reqid_in : t->now.spi[0][0];
	}
	assert_int_equal(check_around(&vf), 0);
	return vf.faults;
}

static void fences_of_other_traffic_are_no_fault_of_a_tunnel_that_stands(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");

	(void)state;
	host_reset();
	t.starts_closed = false;
	assert_int_equal(around(&t, true), 0);
	assert_string_equal(said, "");
	device[ETH2].fences = 2;
	assert_int_equal(around(&t, true), 0);
	assert_told(said, "note   closed           eth2 drops what 2 policies protected, gone since, of other traffic than this tunnel's");
	assert_int_equal(around(&t, false), 1);
	assert_untold(said, "of other traffic");
}

static void software_policy_that_goes_before_the_offloaded_one_is_a_fault(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");
	struct ipsec_roce_policy *p;

	(void)state;
	host_reset();
	t.starts_closed = false;
	p = policy_put(IPSEC_ROCE_OUT, "10.0.2.1", 0);
	assert_int_equal(around(&t, true), 0);
	assert_told(said, "note   policy out       a software policy (priority 7) covers the same traffic");
	t.priority = 8;
	assert_int_equal(around(&t, true), 1);
	assert_told(said, "host traffic may ask it first");
	/* The kernel skips prefixes where it has found an offloaded policy. */
	p->src_bits = 24;
	assert_int_equal(around(&t, true), 0);
}

static void flag_that_somebody_switched_off_is_noted(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");

	(void)state;
	host_reset();
	assert_int_equal(around(&t, true), 0);
	assert_told(said, "eth2: ipsec-closed-until-protected is off, which `up` had switched on");
}

static void tunnel_for_another_functions_address_is_a_fault(void **state)
{
	struct tunnel t = tunnel("10.0.0.9");

	(void)state;
	host_reset();
	t.starts_closed = false;
	t.local = addr("10.0.1.1");
	assert_int_equal(around(&t, true), 1);
	assert_told(said, "10.0.1.1 is an address of eth1: policies on eth2 do nothing for it");
}

static void status_says_that_software_policies_never_protect_roce(void **state)
{
	struct options json = { .has_json = true };

	(void)state;
	host_reset();
	/* No RDMA device speaks from there. */
	policy_put(IPSEC_ROCE_OUT, "10.0.8.1", 0);
	assert_int_equal(status(), 0);
	assert_string_equal(printed, "nothing is up\n");
	policy_put(IPSEC_ROCE_OUT, "10.0.3.1", 0);
	assert_int_equal(status(), 0);
	assert_told(printed, "software policy out, 10.0.3.1/32 -> 10.0.0.9/32: does not protect the RoCE of eth2; software policies never do\n");
	assert_told(printed, "roce-ipsec-setup up --dev eth2");
	assert_int_equal(run(cmd_status, &json), 0);
	assert_told(printed, "\"software_policies\":[");
	assert_told(printed, "\"src\":\"10.0.3.1\"");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_of_a_driver_without_the_flags_is_not_listed),
		cmocka_unit_test(fences_are_listed_with_what_why_and_how_to_open),
		cmocka_unit_test(device_that_waits_is_listed_by_direction),
		cmocka_unit_test(device_that_does_not_fail_closed_holds_nothing),
		cmocka_unit_test(down_of_one_peer_leaves_fences_and_says_how_to_open_them),
		cmocka_unit_test(down_of_all_opens_the_device_and_leaves_it_fail_closed),
		cmocka_unit_test(flag_is_put_back_by_the_last_tunnel_that_wanted_it),
		cmocka_unit_test(flag_of_the_operator_stays),
		cmocka_unit_test(flag_of_a_device_without_driver_is_named),
		cmocka_unit_test(driver_without_the_flag_is_refused_with_its_cause),
		cmocka_unit_test(up_on_a_device_that_lies_on_a_function_names_the_function),
		cmocka_unit_test(address_of_another_function_is_refused),
		cmocka_unit_test(verify_says_that_software_policies_never_protect_roce),
		cmocka_unit_test(verify_says_that_a_pf_policy_does_nothing_for_its_vf),
		cmocka_unit_test(verify_says_that_policies_for_one_source_port_protect_no_roce),
		cmocka_unit_test(verify_names_what_blocks_and_how_to_open_it),
		cmocka_unit_test(fences_of_other_traffic_are_no_fault_of_a_tunnel_that_stands),
		cmocka_unit_test(software_policy_that_goes_before_the_offloaded_one_is_a_fault),
		cmocka_unit_test(flag_that_somebody_switched_off_is_noted),
		cmocka_unit_test(tunnel_for_another_functions_address_is_a_fault),
		cmocka_unit_test(status_says_that_software_policies_never_protect_roce),
	};
	char dir[] = "/tmp/roce-ipsec-setup-test.XXXXXX";
	struct options opt = { .run_dir = mkdtemp(dir) };
	struct setup s = { .opt = &opt, .run_fd = -1 };
	int failed;

	if (!opt.run_dir || ipsec_roce_open(&s.h))
		return 1;
	shared = &s;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	host_reset();
	ipsec_roce_close(s.h);
	rmdir(dir);
	return failed;
}
