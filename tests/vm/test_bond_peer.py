# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Host b is a stock Linux: its bonding driver over two virtio NICs, ESP in software.

    a: bond0 = VF 0 + VF 1, ipsec_roce ---- cable 0 ---- cable0 + cable1 = bond0, software ESP :b
                                       ---- cable 1 ----
"""

import contextlib
import json

import pytest

from bondkit import (APART, STOCK, WINDOW, XOR, addresses, bonded, esp, ports, set_rdma, slowly,
                     use_rdma)
from kit import CABLES, Flow, Protection, end, local_ip, ping, wait_answer
from lab import adapter
from lab.perftest import bandwidth, pingpong

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]


def tcp_both_ways(lab, figures, what):
    for way in ([], ["-R"]):
        with lab.b.spawn(["iperf3", "-s", "-1", "-B", local_ip(lab.b)]):
            lab.b.wait_port(5201)
            done = lab.a.run(["iperf3", "-c", local_ip(lab.b), "-t", "2", "-P", "8",
                              *slowly("1M"), "-J", *way], timeout=120)
        moved = json.loads(done.stdout)["end"]["sum_received"]["bytes"]
        assert moved > 100000, done.stdout
        figures(f"{what}: TCP {'from' if way else 'to'} a stock bond: {moved >> 10} KB in 2 s")


def test_a_stock_bond_with_software_esp_understands_us_and_we_it(lab, wire, figures):
    with bonded(lab, wire, XOR, peer=STOCK):
        sealed = Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        assert not sealed.out.state(lab.b)["mode"], "b is to open it in software"
        tcp_both_ways(lab, figures, "one SA on both ports")
        wire.check_no_cleartext(addresses(lab))
        counts = [len(esp(wire, c, "a", sealed.out.spi)) for c in CABLES]
        assert min(counts) > 20, counts
        for cable in CABLES:
            report = wire.examine(cable)
            assert not report.unopened and not report.disagree
        # One window in software for what came over two cables: nothing was too old for it.
        assert not sealed.out.state(lab.b)["replay"] and not sealed.out.state(lab.b)["failed"]


@contextlib.contextmanager
def rdma_rxe(host):
    """rxe0 over the bond.  It ends a queue pair whenever the stack below refuses a packet, and
    says why to nobody: what it counted and logged comes with a failure."""
    host.run("""modprobe rdma_rxe; rdma link add rxe0 type rxe netdev bond0
        for f in rxe_requester rxe_find_route4 prepare4; do
            echo func $f +p > /proc/dynamic_debug/control
        done""")
    try:
        yield
    except AssertionError as err:
        seen = host.run("""rdma statistic show link rxe0; grep -v '[[:space:]]0$' /proc/net/xfrm_stat
            tc -s qdisc; ip neigh; dmesg | tail -n 20""", check=False).stdout
        raise AssertionError(f"{err}\nhost {host.name}:\n{seen}") from err
    finally:
        host.run("rdma link del rxe0; rmmod rdma_rxe", timeout=60)


def test_rdma_rxe_on_a_stock_bond_and_one_device_over_two_ports_understand_each_other(
        lab, wire, figures):
    with bonded(lab, wire, XOR, peer=STOCK), rdma_rxe(lab.b):
        use_rdma(lab)
        sealed = Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        wire.forget()
        pingpong(end(lab.b), end(lab.a), iters=50)
        for server, client in ((lab.a, lab.b), (lab.b, lab.a)):
            bandwidth("ib_write_bw", end(server), end(client), 16384, 20, ["-q", "8"])
        counts = [len(esp(wire, c, "a", sealed.out.spi)) for c in CABLES]
        figures(f"queue pairs of a sent {counts[0]} and {counts[1]} sealed frames on the cables")
        assert min(counts) > 20, counts
        wire.check_no_cleartext(addresses(lab))


def an_sa_per_port(lab, wire):
    """a sends through one on each cable; b's bond, which knows no ports, through one."""
    sealed = Protection(lab, wire, window=WINDOW).up()
    second = Flow(lab.a, lab.b, reqid=sealed.out.reqid, window=WINDOW)
    wire.add_keys([second.sa])
    for host in (lab.b, lab.a):
        second.add_state(host)
    wait_answer(lab.a)
    wire.forget()
    return sealed, second


def test_rdma_rxe_on_a_stock_bond_and_one_of_two_adapters_understand_each_other(lab, wire, figures):
    """An SA per port. A queue pair belongs to one adapter: the one that the stock bond sends to."""
    with bonded(lab, wire, APART, peer=STOCK), rdma_rxe(lab.b):
        sealed, second = an_sa_per_port(lab, wire)
        ping(lab.a, count=3)
        (cable,) = (c for c in CABLES if esp(wire, c, "b", sealed.back.spi))
        set_rdma(lab.a, adapter.rdma_of(lab.a, ports(lab.a)[cable]))
        set_rdma(lab.b, "rxe0")
        wire.forget()
        pingpong(end(lab.b), end(lab.a), iters=50)
        for server, client in ((lab.a, lab.b), (lab.b, lab.a)):
            bandwidth("ib_write_bw", end(server), end(client), 16384, 20, ["-q", "4"])
        out = (sealed.out, second)[cable]
        counts = [len(esp(wire, cable, "a", flow.spi)) for flow in (out, sealed.back)]
        figures(f"rdma_rxe and an SA per port, cable {cable}: {counts[0]} + {counts[1]} frames")
        wire.check_no_cleartext(addresses(lab))
        assert wire.examine(cable).sealed_kinds["roce"] >= 2 * 50 + 2 * 4 * 20


def test_a_stock_bond_with_software_esp_and_an_sa_per_port_understand_each_other(lab, wire,
                                                                                 figures):
    """A stock bond sees no ports in ESP: what it sends takes one cable, and our SA follows."""
    with bonded(lab, wire, APART, peer=STOCK):
        sealed, second = an_sa_per_port(lab, wire)
        tcp_both_ways(lab, figures, "an SA per port")
        wire.check_no_cleartext(addresses(lab))
        sent = {c: {f.spi for f in esp(wire, c, "a") if f.spi != sealed.back.spi} for c in CABLES}
        assert sent == {0: {sealed.out.spi}, 1: {second.spi}}, (sent, ports(lab.a))
        assert not sealed.out.state(lab.b)["replay"] and not second.state(lab.b)["replay"]
