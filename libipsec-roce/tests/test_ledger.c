// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The ledger of spent generations: no generation twice, whatever happens to the
 * file, and a killed writer leaves the old ledger or the new one, never less.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"

static const unsigned char fp1[IPSEC_ROCE_FP_LEN] = { 1, 0xff }, fp2[IPSEC_ROCE_FP_LEN] = { 2 };
static struct ipsec_roce_addr a, b, c;
static struct ipsec_roce *h;
static char dir[128], file[160], file_new[160];

static int setup(void **state)
{
	(void)state;
	snprintf(file, sizeof(file), "%s/ledger", folder_make(dir, sizeof(dir)));
	snprintf(file_new, sizeof(file_new), "%s/ledger.new", dir);
	ipsec_roce_addr_parse("10.0.0.1", &a);
	ipsec_roce_addr_parse("10.0.0.2", &b);
	ipsec_roce_addr_parse("2001:db8::1", &c);
	return ipsec_roce_open(&h);
}

static int teardown(void **state)
{
	(void)state;
	ipsec_roce_close(h);
	unlink(file);
	unlink(file_new);
	return rmdir(dir);
}

static struct ipsec_roce_ledger *ledger(void)
{
	struct ipsec_roce_ledger *l;

	assert_int_equal(ipsec_roce_ledger_open(h, dir, &l), 0);
	return l;
}

static uint32_t last(const unsigned char *fp, const struct ipsec_roce_addr *local,
		     const struct ipsec_roce_addr *peer)
{
	struct ipsec_roce_ledger *l = ledger();
	uint32_t generation;

	assert_int_equal(ipsec_roce_ledger_last(l, fp, local, peer, &generation), 0);
	ipsec_roce_ledger_close(l);
	return generation;
}

static int spend(const unsigned char *fp, const struct ipsec_roce_addr *local,
		 const struct ipsec_roce_addr *peer, uint32_t generation)
{
	struct ipsec_roce_ledger *l = ledger();
	int err = ipsec_roce_ledger_spend(l, fp, local, peer, generation);

	ipsec_roce_ledger_close(l);
	return err;
}

static void generation_is_spent_once(void **state)
{
	(void)state;
	assert_int_equal(last(fp1, &a, &b), 0);
	assert_int_equal(spend(fp1, &a, &b, 1), 0);
	assert_int_equal(spend(fp1, &a, &b, 1), -EALREADY);
	assert_int_equal(spend(fp1, &a, &b, 5), 0);
	assert_int_equal(spend(fp1, &a, &b, 3), -EALREADY);
	assert_int_equal(spend(fp1, &a, &b, 0), -EINVAL);
	assert_int_equal(last(fp1, &a, &b), 5);
	assert_int_equal(spend(fp1, &a, &b, UINT32_MAX), 0);
	assert_int_equal(spend(fp1, &a, &b, UINT32_MAX), -EALREADY);
}

static void keys_and_pairs_are_counted_apart(void **state)
{
	(void)state;
	assert_int_equal(spend(fp1, &a, &b, 4), 0);
	assert_int_equal(spend(fp2, &a, &b, 4), 0);
	assert_int_equal(spend(fp1, &b, &a, 4), 0);
	assert_int_equal(spend(fp1, &c, &b, 4), 0);
	assert_int_equal(last(fp2, &b, &a), 0);
	assert_int_equal(last(fp1, &c, &b), 4);
}

static void taken_back_spend_is_free_again(void **state)
{
	struct ipsec_roce_ledger *l;

	(void)state;
	assert_int_equal(spend(fp1, &a, &b, 2), 0);
	l = ledger();
	assert_int_equal(ipsec_roce_ledger_unspend(l), -EINVAL);
	assert_int_equal(ipsec_roce_ledger_spend(l, fp1, &a, &b, 3), 0);
	assert_int_equal(ipsec_roce_ledger_unspend(l), 0);
	assert_int_equal(ipsec_roce_ledger_unspend(l), -EINVAL);
	assert_int_equal(ipsec_roce_ledger_spend(l, fp2, &a, &b, 3), 0);
	assert_int_equal(ipsec_roce_ledger_unspend(l), 0);
	ipsec_roce_ledger_close(l);
	assert_int_equal(last(fp1, &a, &b), 2);
	assert_int_equal(last(fp2, &a, &b), 0);
}

static void damaged_ledger_is_an_error_not_an_empty_one(void **state)
{
	static const char *const bad[] = {
		"",
		"roce-ipsec ledger 1\n",
		"roce-ipsec ledger 2\nend 0\n",
		"roce-ipsec ledger 1\nend 1\n",
		"roce-ipsec ledger 1\nend 0\nend 0\nmore\n",
		"roce-ipsec ledger 1\n0102 10.0.0.1 10.0.0.2 1\nend 1\n",
		"roce-ipsec ledger 1\n01ff0000000000000000000000000000 10.0.0.1 10.0.0.2 0\nend 1\n",
		"roce-ipsec ledger 1\n01ff0000000000000000000000000000 10.0.0.1 x 1\nend 1\n",
		"roce-ipsec ledger 1\n01ff0000000000000000000000000000 10.0.0.1 10.0.0.2 1 2\nend 1\n",
	};
	struct ipsec_roce_ledger *l;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		file_write(file, bad[i], strlen(bad[i]));
		assert_int_equal(ipsec_roce_ledger_open(h, dir, &l), -EBADMSG);
	}
}

static void cut_ledger_is_an_error_at_every_length(void **state)
{
	struct ipsec_roce_ledger *l;
	char text[1024];
	size_t len;
	FILE *f;

	(void)state;
	assert_int_equal(spend(fp1, &a, &b, 1), 0);
	assert_int_equal(spend(fp2, &a, &b, 12), 0);
	f = fopen(file, "r");
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t cut = 0; cut < len; cut++) {
		file_write(file, text, cut);
		assert_int_equal(ipsec_roce_ledger_open(h, dir, &l), -EBADMSG);
	}
	file_write(file, text, len);
	assert_int_equal(last(fp2, &a, &b), 12);
}

static void stale_new_file_does_no_harm(void **state)
{
	(void)state;
	assert_int_equal(spend(fp1, &a, &b, 1), 0);
	file_write(file_new, "half", 4);
	assert_int_equal(last(fp1, &a, &b), 1);
	assert_int_equal(spend(fp1, &a, &b, 2), 0);
	assert_int_equal(access(file_new, F_OK), -1);
	assert_int_equal(last(fp1, &a, &b), 2);
}

/* What a child reported as spent must be there, however it died. */
static void killed_writer_never_loses_a_spend(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		uint32_t reported = 0, seen;
		int pipe_fds[2];
		pid_t pid;

		assert_int_equal(pipe(pipe_fds), 0);
		seen = last(fp1, &a, &b);
		pid = fork();
		if (!pid) {
			for (uint32_t g = seen + 1;; g++) {
				struct ipsec_roce_ledger *l;

				if (ipsec_roce_ledger_open(h, dir, &l) ||
				    ipsec_roce_ledger_spend(l, fp1, &a, &b, g) ||
				    write(pipe_fds[1], &g, sizeof(g)) != sizeof(g))
					_exit(1);
				ipsec_roce_ledger_close(l);
			}
		}
		close(pipe_fds[1]);
		assert_int_equal(read(pipe_fds[0], &reported, sizeof(reported)), sizeof(reported));
		usleep(500 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(pipe_fds[0], &reported, sizeof(reported)) == sizeof(reported))
			;
		close(pipe_fds[0]);
		seen = last(fp1, &a, &b);
		assert_true(seen == reported || seen == reported + 1);
	}
}

static void two_writers_never_spend_the_same(void **state)
{
	int status, spent = 0;
	pid_t pids[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(spend(fp1, &a, &b, 77) == 0);
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		spent += WEXITSTATUS(status);
	}
	assert_int_equal(spent, 1);
}

static void folder_that_others_can_write_is_refused(void **state)
{
	struct ipsec_roce_ledger *l;

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(ipsec_roce_ledger_open(h, dir, &l), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
}

static void link_in_place_of_the_ledger_is_refused(void **state)
{
	struct ipsec_roce_ledger *l;

	(void)state;
	assert_int_equal(symlink("/etc/hostname", file), 0);
	assert_int_equal(ipsec_roce_ledger_open(h, dir, &l), -ELOOP);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(generation_is_spent_once),
		TEST(keys_and_pairs_are_counted_apart),
		TEST(taken_back_spend_is_free_again),
		TEST(damaged_ledger_is_an_error_not_an_empty_one),
		TEST(cut_ledger_is_an_error_at_every_length),
		TEST(stale_new_file_does_no_harm),
		TEST(killed_writer_never_loses_a_spend),
		TEST(two_writers_never_spend_the_same),
		TEST(folder_that_others_can_write_is_refused),
		TEST(link_in_place_of_the_ledger_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
