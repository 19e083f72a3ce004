# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The hosts themselves: what they run with is what finds a module's faults."""

import pytest

from kit import each

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
