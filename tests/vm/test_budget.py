# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What one user may take of a device, and who pays for it.

    host a: root's programs      no limit but the device's own
            nobody (65534)       objects of a kind per device, bytes of kernel memory in all;
                                 rings and regions are pages of the process itself
"""

import contextlib
import re

import pytest

from kit import queue_pairs

pytestmark = [pytest.mark.lab(scenario="vf", cpus=2), pytest.mark.dealt]

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
PARAMETERS = "/sys/module/iroce/parameters"
GOT = re.compile(r"^got (\d+) (\S+)$", re.M)


@contextlib.contextmanager
def hoard(host, programs, *arguments, user=NOBODY):
    """The program while it holds what it got: how many, and the errno of the one refused."""
    host.put(programs / "hoard", "/tmp/hoard", 0o755, once=True)
    with host.spawn([*user, "/tmp/hoard", "-d", host.env["RDMADEV"], *map(str, arguments)],
                    is_fed=True) as proc:
        proc.wait_match(GOT, 0, 120)
        found = GOT.search(proc.stdout)
        yield int(found[1]), found[2], proc


@contextlib.contextmanager
def limit(host, name, value):
    before = host.run(f"cat {PARAMETERS}/{name}").stdout.strip()
    host.run(f"echo {value} > {PARAMETERS}/{name}")
    try:
        yield
    finally:
        host.run(f"echo {before} > {PARAMETERS}/{name}")


def available(host):
    return int(re.search(r"MemAvailable:\s+(\d+)", host.run("cat /proc/meminfo").stdout)[1])


def test_finding_R3_rings_are_pinned_memory_of_who_asks_for_them(lab, programs):
    """120 large queues took 740 MB from a machine, at the cost of nobody."""
    host = lab.a
    before = available(host)
    with hoard(host, programs, "-m", 0, "cq", 120) as (got, err, _):
        # can_do_mlock() of the kernel.
        assert (got, err) == (0, "EPERM")
    with hoard(host, programs, "-m", 16 << 20, "cq", 120) as (got, err, _):
        # 131071 completions of 48 bytes each.
        assert (got, err) == (2, "ENOMEM")
        assert before - available(host) < 64 << 10
        pinned = host.run("grep -h VmPin /proc/$(pidof hoard)/status").stdout
        resident = host.run("grep -h VmRSS /proc/$(pidof hoard)/status").stdout
        assert int(pinned.split()[1]) > 12 << 10 and int(resident.split()[1]) > 12 << 10


@pytest.mark.parametrize("kind", ["qp", "mr", "pd", "srq"])
def test_finding_R3_a_user_may_have_so_many_objects_and_root_more(lab, programs, kind):
    host = lab.a
    with limit(host, "user_objects", 20):
        with hoard(host, programs, kind, 40) as (got, err, _):
            # Its first protection domain is one, too.
            assert (got, err) == (19 if kind == "pd" else 20, "EDQUOT")
            with hoard(host, programs, kind, 40, user=[]) as (other, other_err, _):
                assert (other, other_err) == (40, "0")
            neighbour = ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups"]
            with hoard(host, programs, kind, 5, user=neighbour) as (other, other_err, _):
                assert (other, other_err) == (5, "0")
        log = host.run("dmesg | tail -n 20").stdout
        assert re.search(rf"user 65534 has 20 {kind.upper()}s, .*parameter user_objects", log), log
        # All of it came back.
        with hoard(host, programs, kind, 10) as (got, err, _):
            assert (got, err) == (10, "0")


def test_finding_R3_a_user_may_take_so_much_kernel_memory(lab, programs):
    host = lab.a
    with limit(host, "user_mbytes", 1):
        with hoard(host, programs, "qp", 4000) as (got, err, _):
            assert err == "EDQUOT" and 20 < got < 1000
        log = host.run("dmesg | tail -n 20").stdout
        assert "parameter user_mbytes" in log, log


def test_finding_R3_what_a_hoarder_holds_leaves_others_working(lab, programs):
    with hoard(lab.a, programs, "qp", 200), queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 5 1000 {b.target()}")
