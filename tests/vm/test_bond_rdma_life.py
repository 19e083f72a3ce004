# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Which RDMA devices there are while bonds, ports and functions come and go.

    bond over two VFs of one adapter     one device, of the bond
    bond over VFs of two adapters        a device each, with the bond's addresses
    no bond                              a device each
"""

import pytest

from bondkit import (APART, BOND, WINDOW, XOR, addresses, bonded, ports, rdma_links, use_rdma)
from kit import Protection, end, local_ip, ping, poll
from lab import adapter
from lab.perftest import pingpong
from test_bond_rdma import pairs, progress

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]


def test_a_bond_that_goes_gives_each_function_its_device_back(lab, wire, programs):
    with bonded(lab, wire, XOR):
        use_rdma(lab)
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        with pairs(lab, wire, programs, 2) as both:
            for a, b in both:
                a.ask(f"traffic 2048 {b.target()}")
            progress(both)
            lab.a.run(f"ip link del {BOND}", timeout=60)
            poll(lambda: set(ports(lab.a)) <= set(rdma_links(lab.a).values()), 30, "devices")
        assert BOND not in rdma_links(lab.a).values()
        adapter.make_bond(lab.a, BOND, ports(lab.a))
        adapter.rdma_of(lab.a, BOND)
        lab.a.run("modprobe -r iroce", timeout=60)
        assert BOND not in rdma_links(lab.a).values()
        wire.check_no_cleartext(addresses(lab))


def test_unplugging_a_function_leaves_rdma_to_the_others(lab, wire):
    """With the function whose device it is the bond's device goes; the other function has its own,
    with the bond's addresses."""
    with bonded(lab, wire, XOR):
        use_rdma(lab)
        host, (_, dev) = lab.a, ports(lab.a)
        one, two = (host.run(f"basename $(readlink -f /sys/class/net/{d}/device)").stdout.strip()
                    for d in ports(host))
        Protection(lab, wire, window=WINDOW).up()
        # A bond that hashes does not see its peer lose a port whose cable is good.
        lab.b.run(f"ip link set {ports(lab.b)[1]} nomaster")
        host.run(f"echo {two} > /sys/bus/pci/drivers/iroce/unbind", timeout=60)
        assert rdma_links(host)[host.env["RDMADEV"]] == BOND
        pingpong(end(lab.a), end(lab.b), iters=10)
        host.run(f"echo {two} > /sys/bus/pci/drivers/iroce/bind; udevadm settle; "
                 f"ip link set {dev} master {BOND}", timeout=60)
        poll(lambda: dev not in rdma_links(host).values(), 20, "the bond's device has it")
        host.run(f"echo {one} > /sys/bus/pci/drivers/iroce/unbind", timeout=60)
        assert adapter.gid_index(host, adapter.rdma_of(host, dev), local_ip(host)) >= 0
        wire.check_no_cleartext(addresses(lab))


def test_functions_of_different_adapters_keep_a_device_each_with_the_bonds_addresses(lab, wire):
    with bonded(lab, wire, APART):
        for host in lab.hosts.values():
            for dev in ports(host):
                rdmadev = adapter.rdma_of(host, dev)
                assert adapter.gid_index(host, rdmadev, local_ip(host)) >= 0
            assert BOND not in rdma_links(host).values()
