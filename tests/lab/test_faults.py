# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a console says: faults of the kernel are told from programs that fell over their own."""

import pytest

from lab import faults

KERNEL = {
    "a page fault": "[   12.1] BUG: kernel NULL pointer dereference, address: 0000000000000010",
    "a GPF": "[   12.1] Oops: general protection fault, probably for non-canonical address "
             "0xdead000000000100: 0000 [#1] PREEMPT SMP",
    "KASAN": "[   12.1] BUG: KASAN: slab-use-after-free in iroce_destroy+0x10/0x20 [iroce]",
    "KCSAN": "[   12.1] BUG: KCSAN: data-race in iroce_send / iroce_complete",
    "lock order": "[   12.1] WARNING: possible circular locking dependency detected",
    "kmemleak": "[   12.1] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "a loop": "[  160.0] watchdog: BUG: soft lockup - CPU#0 stuck for 121s! [rdma:712]",
    "a reference": "[  160.0] unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
}
PROGRAM = {
    "a segfault": "[   12.1] qperf[812]: segfault at 8 ip 000055d0 sp 00007ffc error 4 in qperf[2a]",
    "a GPF": "[   12.1] traps: qperf[812] general protection fault ip:55d0c0 sp:7ffc10 error:0 in q[2]",
    "an opcode": "[   12.1] traps: qperf[812] trap invalid opcode ip:55d0c0 sp:7ffc10 error:0 in q[2]",
}


@pytest.mark.parametrize("what", KERNEL)
def test_a_fault_of_the_kernel_is_one(what):
    assert len(faults.scan_text(f"[   11.0] all is well\n{KERNEL[what]}\n")) == 1
    assert not faults.crashes_in(KERNEL[what])


@pytest.mark.parametrize("what", PROGRAM)
def test_finding_a_program_that_crashes_is_no_fault_of_the_kernel(what):
    assert not faults.scan_text(f"{PROGRAM[what]}\n")
    assert faults.crashes_in(f"[   11.0] all is well\n{PROGRAM[what]}\n") == [PROGRAM[what]]


def test_what_a_kernel_under_test_says_of_itself_is_no_fault():
    assert not faults.scan_text(
        "[    0.0] Kernel command line: slub_debug=FZPU rcupdate.rcu_cpu_stall_timeout=120\n"
        "[   12.1] iroce: loading out-of-tree module taints kernel.\n"
        # Of an allocation that was made to fail: from then on it counts no leak.
        "[  124.2] ref_tracker: memory allocation failure, unreliable refcount tracker.\n")
    assert faults.scan_text("[  124.2] ref_tracker: netdev@00000000d1a7cb1e has 1/2 users at\n")
