# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The hosts themselves: what they run with is what finds a module's faults."""

from pathlib import Path

import pytest

from kit import each, poll
from lab import ending, guestbuild, image, kernels

pytestmark = pytest.mark.lab(scenario="vf")

CHECKS = ("sanity_checks", "red_zone", "poison")


def test_memory_is_watched_in_every_host(lab):
    """Red zones, poison and checks everywhere; who had an object last, but for processes and files."""
    names = "kmalloc-64 kmalloc-2k skbuff_head_cache kernfs_node_cache vm_area_struct filp"
    look = "".join(f"read -r {check} < {check}; " for check in (*CHECKS, "store_user"))
    told = each(lab, f"""for name in {names}; do
        cd /sys/kernel/slab/$name; {look}
        echo $name ${' $'.join(CHECKS)} $store_user
    done
    cat /sys/module/kfence/parameters/sample_interval /proc/cmdline""")
    for name, text in told.items():
        caches = dict(line.split(" ", 1) for line in text.splitlines()[:6])
        assert len(caches) == 6, text
        assert all(flags.startswith("1 1 1") for flags in caches.values()), (name, caches)
        assert {cache for cache, flags in caches.items() if flags == "1 1 1 0"} == {
            "vm_area_struct", "filp"}, (name, caches)
        assert "\n5\n" in text and "page_poison=1" in text, (name, text)


@pytest.mark.dealt
@pytest.mark.lab(scenario="vf", cpus=2)
def test_hosts_of_tests_that_ask_for_two_cpus_have_two(lab):
    assert {text.strip() for text in each(lab, "nproc").values()} == {"2"}


# Storage over RDMA, and what else Debian has; iSER needs drivers/scsi, which hosts did not have. Without
# ib_srp, which warns about each device that has no fast registration.
USERS = "ib_iser nvme_rdma rpcrdma rds_rdma ib_ipoib"


@pytest.mark.dealt
def test_finding_the_kernels_own_users_of_rdma_come_and_go_beside_the_adapter(lab):
    lab.a.run(f"modprobe -a {USERS} && modprobe -r {USERS}", timeout=60)


@pytest.mark.full
@pytest.mark.dealt
@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
@pytest.mark.parametrize("what, told", [("loop", ("never idle: cpu", "(restless), state R")),
                                        ("wait", ("cannot be killed: process ", "set_wait"))],
                         ids=["loop", "wait"])
def test_finding_a_host_that_does_not_come_to_rest_is_told_with_the_culprit(lab, kernel, what, told):
    img = image.find()
    path = guestbuild.module(img, kernels.find(img, kernel), Path(__file__).parent / "restless", "restless")
    lab.a.put(path, "/tmp/restless.ko")
    lab.a.run("insmod /tmp/restless.ko")
    assert not ending.restless(lab.a)
    parameter = f"/sys/module/restless/parameters/{what}"
    with lab.a.spawn(f"echo 1 > {parameter}"):
        poll(lambda: not lab.a.run("grep -q restless /proc/[0-9]*/comm || grep -q set_wait "
                                   "/proc/[0-9]*/stack", check=False).rc, 20, "it does so")
        (fault,) = ending.restless(lab.a)
        lab.a.run(f"echo 0 > {parameter}")
    assert all(text in fault for text in told), fault
    assert not ending.restless(lab.a)
    lab.a.run("rmmod restless")
