// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Readers without locks beside a writer, as in the module: what is in a table all the time is
 * always found, what is replaced is found in one form or the other, what was freed never.
 * Meant for ThreadSanitizer; without it the poison still tells.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "core/replay.h"
#include "core/sad.h"
#include "core/spd.h"

#define N_READERS 2
#define SECONDS 2 /* each test, however busy the machine is */
#define ALIVE 0x600dU
#define FREED 0xdeadU

/*
 * A toy RCU: a reader shows the grace period it began in, the writer waits until none shows an
 * older one. The read-modify-writes are the full barriers that this takes.
 */
static atomic_ulong gp = 1;
static atomic_ulong in_gp[N_READERS];
static atomic_bool is_over;
static atomic_uint n_faults;
static atomic_uint n_reads;
static time_t deadline;

static void read_begin(int me)
{
	atomic_exchange(&in_gp[me], atomic_load(&gp));
}

static void read_end(int me)
{
	atomic_store(&in_gp[me], 0);
}

static void grace_period(void)
{
	unsigned long now = atomic_fetch_add(&gp, 1) + 1;
	unsigned long seen;
	int i;

	for (i = 0; i < N_READERS; i++)
		while ((seen = atomic_fetch_add(&in_gp[i], 0)) && seen < now)
			sched_yield();
}

/* The machine is not ours alone: rather be descheduled here than between begin and end. */
static void read_pause(unsigned int n)
{
	if (n == 1 || n % 64 == 0)
		atomic_fetch_add(&n_reads, n == 1 ? 1 : 64);
	if (n % 512 == 0)
		sched_yield();
}

static bool has_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < deadline;
}

static void expect(bool is_true)
{
	if (!is_true)
		atomic_fetch_add(&n_faults, 1);
}

static void run_readers(void *(*reader)(void *), void (*writer)(void))
{
	pthread_t threads[N_READERS];
	struct timespec now;
	intptr_t i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + SECONDS;
	atomic_store(&is_over, false);
	atomic_store(&n_faults, 0);
	atomic_store(&n_reads, 0);
	for (i = 0; i < N_READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, (void *)i), 0);
	while (!atomic_load(&n_reads))
		sched_yield();
	writer();
	atomic_store(&is_over, true);
	for (i = 0; i < N_READERS; i++)
		pthread_join(threads[i], NULL);
	print_message("%u reads\n", atomic_load(&n_reads));
	assert_int_equal(atomic_load(&n_faults), 0);
}

/* ---- SPD ---------------------------------------------------------------- */

struct policy {
	struct iroce_spd_node node;
	u32 state; /* ALIVE, FREED */
	bool is_protect;
};

#define N_CHURN 128

static struct iroce_spd spd;

static struct policy *policy_new(u32 priority, bool is_protect)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->node.sel.family = AF_INET;
	p->node.priority = priority;
	p->node.is_bypass = !is_protect;
	p->is_protect = is_protect;
	p->state = ALIVE;
	return p;
}

static void policy_free(struct policy *p)
{
	grace_period();
	memset(p, 0x5a, sizeof(*p));
	p->state = FREED;
	free(p);
}

static void spd_resize(const struct iroce_spd_size *size)
{
	void *mem = malloc(iroce_spd_mem_size(size));
	void *old;

	if (!mem || iroce_spd_rehash(&spd, mem, size, &old))
		abort();
	grace_period();
	memset(old, 0x5a, sizeof(void *));
	free(old);
	iroce_spd_rehash_done(&spd);
}

static void spd_must_add(struct policy *p, struct policy *before)
{
	struct iroce_spd_size size;
	int err = iroce_spd_add(&spd, &p->node, before ? &before->node : NULL);

	if (err == -ENOSPC && iroce_spd_wants_resize(&spd, &size)) {
		/* Few buckets make long chains: a reader is longest where it can go wrong. */
		size.n_buckets = 1 << rand_below(4);
		spd_resize(&size);
		err = iroce_spd_add(&spd, &p->node, before ? &before->node : NULL);
	}
	if (err)
		abort();
}

/* Matches what the readers look for, under this or that mask. */
static struct policy *protect_new(void)
{
	struct policy *p = policy_new(100, true);

	if (rand_below(2))
		p->node.sel.proto = 17;
	if (rand_below(2))
		p->node.sel.dport_mask = 0xffff;
	p->node.sel.dport = cpu_to_be16(4791);
	return p;
}

static struct policy *churn_new(void)
{
	struct policy *p = policy_new(50 + rand_below(200), false);

	/* Of other destinations: never the answer to the readers' question. */
	p->node.sel.daddr = iroce_addr_v4(cpu_to_be32(0xc0a80000 + rand_below(1000)));
	p->node.sel.prefixlen_d = 24 + rand_below(9);
	if (rand_below(2)) {
		p->node.sel.proto = 17;
		p->node.sel.sport_mask = rand_below(2) ? 0xffff : 0;
	}
	return p;
}

static void *spd_reader(void *arg)
{
	struct iroce_flow_key flow = {
		.family = AF_INET,
		.saddr = iroce_addr_v4(cpu_to_be32(0x0a000001)),
		.daddr = iroce_addr_v4(cpu_to_be32(0x0a000002)),
		.proto = 17,
		.dport = cpu_to_be16(4791),
	};
	struct iroce_flow_key fragment = flow;
	int me = (intptr_t)arg;
	unsigned int n = 0;

	fragment.dport = 0;
	fragment.flags = IROCE_FLOW_PORTS_UNKNOWN;
	while (!atomic_load(&is_over)) {
		struct iroce_spd_node *node;
		struct policy *p;

		read_begin(me);
		expect(!iroce_spd_is_empty(&spd));
		node = iroce_spd_lookup(&spd, n & 1 ? &flow : &fragment);
		expect(node);
		if (node) {
			p = container_of(node, struct policy, node);
			expect(p->state == ALIVE);
			expect(p->is_protect);
		}
		read_end(me);
		read_pause(++n);
	}
	return NULL;
}

static struct policy *spd_protect;

static void spd_writer(void)
{
	struct policy *churn[N_CHURN] = { NULL };
	struct iroce_spd_size size;
	struct policy *fresh;
	int step, i;

	for (step = 0; has_time(); step++) {
		i = rand_below(N_CHURN);
		if (churn[i]) {
			iroce_spd_remove(&spd, &churn[i]->node);
			policy_free(churn[i]);
			churn[i] = NULL;
		} else {
			churn[i] = churn_new();
			spd_must_add(churn[i], NULL);
		}

		fresh = protect_new();
		spd_must_add(fresh, spd_protect);
		iroce_spd_remove(&spd, &spd_protect->node);
		policy_free(spd_protect);
		spd_protect = fresh;

		if (step % 64 == 0) {
			size.n_buckets = 1 << rand_below(7);
			size.n_tuples = 64;
			spd_resize(&size);
		}
	}
	for (i = 0; i < N_CHURN; i++) {
		if (!churn[i])
			continue;
		iroce_spd_remove(&spd, &churn[i]->node);
		policy_free(churn[i]);
	}
}

static void replaced_policy_protects_without_a_gap(void **state)
{
	struct iroce_spd_size size = { 16, 64 };
	struct policy *fallback = policy_new(1000, false);
	void *mem = malloc(iroce_spd_mem_size(&size));

	(void)state;
	assert_non_null(mem);
	assert_int_equal(iroce_spd_init(&spd, mem, &size, 99), 0);
	spd_must_add(fallback, NULL);
	spd_protect = protect_new();
	spd_must_add(spd_protect, NULL);
	run_readers(spd_reader, spd_writer);
	iroce_spd_remove(&spd, &spd_protect->node);
	iroce_spd_remove(&spd, &fallback->node);
	free(spd_protect);
	free(fallback);
	free(iroce_spd_fini(&spd));
}

/* ---- SAD ---------------------------------------------------------------- */

struct sa {
	struct iroce_sad_node node;
	u32 state;
};

#define N_FIXED 64
#define PEER 0x0a000002
#define SELF 0x0a000001

static struct iroce_sad sad;

static struct sa *sa_new(u8 dir, u32 spi, u32 reqid)
{
	struct sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		abort();
	sa->node.dir = dir;
	sa->node.family = AF_INET;
	sa->node.saddr = iroce_addr_v4(cpu_to_be32(SELF));
	sa->node.daddr = iroce_addr_v4(cpu_to_be32(PEER));
	sa->node.spi = cpu_to_be32(spi);
	sa->node.reqid = reqid;
	sa->state = ALIVE;
	return sa;
}

static void sa_free(struct sa *sa)
{
	grace_period();
	memset(sa, 0x5a, sizeof(*sa));
	sa->state = FREED;
	free(sa);
}

static void sad_must_add(struct sa *sa)
{
	if (iroce_sad_add(&sad, &sa->node))
		abort();
}

static void sad_resize(u32 n_buckets)
{
	void *mem = malloc(iroce_sad_mem_size(n_buckets));
	void *old;

	if (!mem || iroce_sad_rehash(&sad, mem, n_buckets, &old))
		abort();
	grace_period();
	memset(old, 0x5a, sizeof(void *));
	free(old);
	iroce_sad_rehash_done(&sad);
}

static void expect_sa(const struct iroce_sad_node *node, bool must_be_there)
{
	expect(node || !must_be_there);
	if (node)
		expect(container_of(node, struct sa, node)->state == ALIVE);
}

static void *sad_reader(void *arg)
{
	struct iroce_sad_out_key key = {
		.family = AF_INET,
		.saddr = iroce_addr_v4(cpu_to_be32(SELF)),
		.daddr = iroce_addr_v4(cpu_to_be32(PEER)),
		.reqid = 7,
	};
	struct iroce_flow_key flow = { .family = AF_INET, .proto = 17 };
	int me = (intptr_t)arg;
	unsigned int n = 0;

	while (!atomic_load(&is_over)) {
		read_begin(me);
		expect_sa(iroce_sad_find(&sad, IROCE_DIR_IN, AF_INET, &key.daddr,
					 cpu_to_be32(1 + n % N_FIXED)), true);
		expect_sa(iroce_sad_find(&sad, IROCE_DIR_IN, AF_INET, &key.daddr,
					 cpu_to_be32(1000 + n % 100)), false);
		expect_sa(iroce_sad_find_out(&sad, &key, &flow), true);
		read_end(me);
		read_pause(++n);
	}
	return NULL;
}

static struct sa *sad_current;

static void sad_writer(void)
{
	struct sa *churn[100] = { NULL };
	struct sa *fresh;
	int step, i;

	for (step = 0; has_time(); step++) {
		i = rand_below(100);
		if (churn[i]) {
			iroce_sad_remove(&sad, &churn[i]->node);
			sa_free(churn[i]);
			churn[i] = NULL;
		} else {
			churn[i] = sa_new(rand_below(2) ? IROCE_DIR_IN : IROCE_DIR_OUT, 1000 + i, 8);
			sad_must_add(churn[i]);
		}

		/* Rekey: the new one is there before the old one ends. */
		fresh = sa_new(IROCE_DIR_OUT, 10000 + step, 7);
		sad_must_add(fresh);
		iroce_sad_set_life(&sad_current->node, rand_below(2) ? IROCE_SA_DYING :
									IROCE_SA_DEAD);
		iroce_sad_remove(&sad, &sad_current->node);
		sa_free(sad_current);
		sad_current = fresh;

		if (step % 64 == 0)
			sad_resize(1 << rand_below(7));
	}
	for (i = 0; i < 100; i++) {
		if (!churn[i])
			continue;
		iroce_sad_remove(&sad, &churn[i]->node);
		sa_free(churn[i]);
	}
}

static void rekeyed_sa_is_found_without_a_gap(void **state)
{
	void *mem = malloc(iroce_sad_mem_size(4));
	struct sa *fixed[N_FIXED];
	int i;

	(void)state;
	assert_non_null(mem);
	assert_int_equal(iroce_sad_init(&sad, mem, 4, 99), 0);
	for (i = 0; i < N_FIXED; i++) {
		fixed[i] = sa_new(IROCE_DIR_IN, 1 + i, 1);
		sad_must_add(fixed[i]);
	}
	sad_current = sa_new(IROCE_DIR_OUT, 9999, 7);
	sad_must_add(sad_current);
	run_readers(sad_reader, sad_writer);
	for (i = 0; i < N_FIXED; i++) {
		iroce_sad_remove(&sad, &fixed[i]->node);
		free(fixed[i]);
	}
	iroce_sad_remove(&sad, &sad_current->node);
	free(sad_current);
	free(iroce_sad_fini(&sad));
}

/* ---- replay window ------------------------------------------------------ */

#define N_NUMBERS 60000U
#define WIDTH 256U

static struct iroce_replay window;
static pthread_mutex_t window_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint n_accepted[N_NUMBERS + 1];

/* The wire number is taken around 2^32: the high half has to be inferred. */
#define BASE 0xffff8000ULL

/* Each reader gets every packet, in an order of its own. */
static void *replay_receiver(void *arg)
{
	u32 salt = (intptr_t)arg * 17 + 1;
	u64 seq, real;
	u32 i, number;

	/* Start together, or there is no race. */
	atomic_fetch_add(&n_reads, 1);
	while (atomic_load(&n_reads) < N_READERS)
		sched_yield();
	for (i = 0; i < N_NUMBERS; i++) {
		number = 1 + (i ^ (salt & 31));
		if (number > N_NUMBERS)
			continue;
		real = BASE + number;
		if (iroce_replay_infer(&window, cpu_to_be32((u32)real), &seq) ||
		    iroce_replay_check(&window, seq))
			continue;
		/* A packet far too old is taken for one far ahead, and does not authenticate. */
		if (seq != real)
			continue;
		pthread_mutex_lock(&window_lock);
		if (!iroce_replay_accept(&window, seq))
			atomic_fetch_add(&n_accepted[number], 1);
		pthread_mutex_unlock(&window_lock);
	}
	atomic_fetch_add(&n_reads, 1);
	return NULL;
}

static void replay_wait(void)
{
	while (atomic_load(&n_reads) < 2 * N_READERS)
		sched_yield();
}

static void number_that_two_cpus_receive_is_accepted_once(void **state)
{
	u32 i, n = 0;

	(void)state;
	assert_int_equal(iroce_replay_init(&window, WIDTH, true, BASE - 256), 0);
	run_readers(replay_receiver, replay_wait);
	for (i = 1; i <= N_NUMBERS; i++) {
		assert_true(atomic_load(&n_accepted[i]) <= 1);
		n += atomic_load(&n_accepted[i]);
	}
	/* A lagging thread finds its numbers too old, the leading one never does. */
	assert_true(n > N_NUMBERS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaced_policy_protects_without_a_gap),
		cmocka_unit_test(rekeyed_sa_is_found_without_a_gap),
		cmocka_unit_test(number_that_two_cpus_receive_is_accepted_once),
	};

	return cmocka_run_group_tests_name("concurrent", tests, rand_setup, NULL);
}
