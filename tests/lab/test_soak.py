# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The soak's own judgement: what it takes for a finding, and that a seed says what a round does."""

from lab.soak import report, round, storms

KASAN = """\
[   99.1] ==================================================================
[   99.1] BUG: KASAN: slab-use-after-free in iroce_qp_end+0x41/0x90 [iroce]
[   99.1] Read of size 8 at addr ffff888012345678 by task storm_verbs/812
[   99.1] Call Trace:
[   99.1]  iroce_qp_end+0x41/0x90 [iroce]
[   99.1] Allocated by task 811:
[   99.1]  kmalloc+0x1/0x2
[   99.1] Memory state around the buggy address:
[   99.1] ==================================================================
[   99.2] bond0: (slave eth0): link status definitely up
"""
LOCKDEP = """\
[  101.0] ======================================================
[  101.0] WARNING: possible circular locking dependency detected
[  101.0] ------------------------------------------------------
[  101.0] stack backtrace:
[  101.0] Call Trace:
"""
INJECTED = """\
[   50.0] ip: vmalloc error: size 4096, failed to allocate pages, mode:0xcc2, nodemask=(null)
[   50.0] CPU: 1 UID: 0 PID: 877 Comm: ip Tainted: G           O       1.0 #1
[   50.0] Tainted: [O]=OOT_MODULE
[   50.0] Hardware name: QEMU Standard PC
[   50.0] Call Trace:
[   50.0]  dump_stack_lvl+0x5d/0x80
"""


def test_a_report_of_the_kernel_is_one_finding_with_all_of_it():
    found = report.reports_in(KASAN + LOCKDEP)
    assert len(found) == 2
    assert "Allocated by task 811" in found[0] and "link status" not in found[0]
    assert found[1].startswith("[  101.0] WARNING: possible circular")


def test_the_same_fault_at_another_time_and_place_of_memory_is_the_same_finding():
    again = KASAN.replace("99.1", "412.7").replace("ffff888012345678", "ffff88807654321f").replace(
        "+0x41/0x90", "+0x45/0x90").replace("812", "4711")
    names = {report.name_of(text) for text in report.reports_in(KASAN + again)}
    assert names == {"BUG: KASAN: slab-use-after-free in iroce_qp_endN [iroce]"}
    assert report.name_of(report.reports_in(LOCKDEP)[0]) not in names


def test_what_the_kernel_says_about_a_failure_that_was_injected_is_no_finding():
    assert not report.reports_in(INJECTED)
    assert len(report.reports_in(INJECTED + KASAN)) == 1
    assert len(report.reports_in(INJECTED + LOCKDEP)) == 1


def test_a_disk_that_an_injected_failure_took_away_is_told_from_a_fault():
    lost = "[   60.0] SQUASHFS error: Unable to read metadata cache entry [145de8e1]\n"
    assert report.has_lost_its_disk(KASAN + lost) and not report.has_lost_its_disk(KASAN + INJECTED)
    assert not report.reports_in(lost)


def test_a_seed_says_where_a_round_is_and_what_storms_there_are():
    plans = [round.plan(0, seed, []) for seed in range(200)]
    assert plans == [round.plan(0, seed, []) for seed in range(200)]
    assert {p.scenario for p in plans} == set(round.SCENARIOS)
    assert {name for p in plans for names in p.on.values() for name in names} == \
        {storm.name for storm in storms.STORMS}
    for p in plans:
        there = {storm.name for storm in storms.possible(p.scenario)}
        assert all(set(names) <= there for names in p.on.values())


def test_only_the_storms_that_are_wanted_blow():
    for seed in range(50):
        assert {n for names in round.plan(0, seed, ["netns", "verbs"]).on.values() for n in names} \
            <= {"netns", "verbs"}
