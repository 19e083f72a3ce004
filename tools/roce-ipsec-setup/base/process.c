// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The process itself: it handles keys, and must not be stopped half-way.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

void process_harden(void)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	/* Without the right to lock as much as it likes, a later allocation would fail instead. */
	if (!geteuid())
		mlockall(MCL_CURRENT | MCL_FUTURE);
	umask(077);
}

void process_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}
