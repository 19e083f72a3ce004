# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One RDMA device over a bond of two functions: sealed on both cables, whatever becomes of one.

    a: rocep..v0 (bond0) = VF 0 + VF 1 ---- cable 0, only ESP ---- VF 0 + VF 1 = rocep..v0 :b
                                       ---- cable 1, only ESP ----

A queue pair leaves by the port that addresses and UDP source port hash to (layer3+4).
"""

import contextlib

import pytest

from bondkit import (WINDOW, carried, check_only_esp, port_counters, ports, rdma_links,
                     unprotect_bond)
from kit import (Flow, Moved, Protection, Vt, each, end, hw_counters, local_ip, ping, poll,
                 queue_pairs)
from lab import frames
from lab.perftest import bandwidth, pingpong
from test_bond import sealed  # noqa: F401
from test_forged import Forger

pytestmark = [pytest.mark.lab(scenario="bond-plain"), pytest.mark.dealt]

PAIRS, MOST_PAIRS = 3, 20
MIIMON = 0.1
# Local ACK timeout 4.096 us << 16; the engine waits four times as long at most.
QP_TIMEOUT, RESEND = 16, 4 * 4.096e-6 * (1 << 16)
# What an emulated host may stand still, with others beside it.
STALL = 3.0


@contextlib.contextmanager
def pairs(lab, wire, programs, count=PAIRS, spread=True):
    """Connected queue pairs, a's and b's side of each; spread: both cables carry some."""
    sides = []
    wire.forget()
    try:
        # Which port a pair hashes to is a coin's toss.
        while len(sides) < 2 * count or spread and not all(carried(wire)):
            assert len(sides) < 2 * MOST_PAIRS, "all flows hash to one port"
            a = Vt(lab.a, programs)
            sides.append(a)
            b = Vt(lab.b, programs)
            sides.append(b)
            a.connect(b, QP_TIMEOUT)
            b.connect(a, QP_TIMEOUT)
            a.ask(f"write 2 64 {b.target()}")
        yield list(zip(sides[::2], sides[1::2], strict=True))
    finally:
        for side in sides:
            side.close()


@contextlib.contextmanager
def writing(both, size=2048):
    """Endless writes by all of them; when it ends none has failed and none is lost."""
    for a, b in both:
        a.ask(f"traffic {size} {b.target()}")
    progress(both)
    yield
    progress(both)
    for a, _ in both:
        result = a.ask("traffic-stop")
        assert result["bad"] == "0" and result["in-flight"] == "0", result
    for a, b in both:
        assert a.state() == b.state() == "RTS"


def progress(both, more=10, timeout=30):
    """Every pair's writes go on."""
    before = [a.done() for a, _ in both]
    poll(lambda: all(a.done() >= n + more for (a, _), n in zip(both, before, strict=True)), timeout,
         f"{more} writes of each pair")


def link_is(host, port, state):
    """What the bond of a host thinks of a port."""
    text = host.run(["cat", "/proc/net/bonding/bond0"]).stdout
    part = text.split(f"Slave Interface: {ports(host)[port]}\n")[1]
    return f"MII Status: {state}" in part.split("Slave Interface")[0]


def wait_links(lab, port, state):
    for host in lab.hosts.values():
        poll(lambda: link_is(host, port, state), 15, f"{host.name}: port {port} is {state}")


def test_two_functions_of_one_adapter_have_one_rdma_device_that_is_the_bonds(lab):
    for host in lab.hosts.values():
        links = rdma_links(host)
        assert [dev for dev, net in links.items() if net == "bond0"] == [host.env["RDMADEV"]]
        assert not set(ports(host)) & set(links.values())


@pytest.mark.parametrize("six", [False, True], ids=["ipv4", "ipv6"])
def test_pingpong_and_writes_over_the_bond_are_sealed(lab, wire, six):
    try:
        Protection(lab, wire, six, window=WINDOW).up()
        ping(lab.a, six)
        wire.forget()
        before = {h.name: hw_counters(h) for h in lab.hosts.values()}
        pingpong(end(lab.a, six), end(lab.b, six), iters=50)
        bandwidth("ib_write_bw", end(lab.a, six), end(lab.b, six), 65536, 20)
        # The pingpong's own TCP is IPv4.
        wire.check_no_cleartext([local_ip(h, six) for h in lab.hosts.values()])
        roce = sum(wire.examine(cable).sealed_kinds.get("roce", 0) for cable in (0, 1))
        assert roce >= 2 * 50 + 20 * 16
        # What the device counts is what its ports carried.
        sent = hw_counters(lab.a)["sent_pkts"] - before["a"]["sent_pkts"]
        assert 0 < sent <= hw_counters(lab.a)["ipsec_tx_pkts"] - before["a"]["ipsec_tx_pkts"]
    finally:
        unprotect_bond(lab)


@pytest.mark.lab(scenario="bond")
def test_what_one_command_has_protected_carries_rdma_over_both_cables(lab, wire):
    """The lab's contract: names from the env, an unmodified ibv_rc_pingpong."""
    wire.learn()
    pingpong(end(lab.b), end(lab.a), iters=50)
    poll(lambda: bandwidth("ib_write_bw", end(lab.b), end(lab.a), 4096, 10, ["-q", "8"])
         and all(count > 20 for count in carried(wire)), 60, "eight flows on one cable")
    check_only_esp(lab, wire)


def test_64_queue_pairs_spread_over_both_cables(lab, wire, sealed, figures):
    moved = [Moved(lab.a, lambda host, dev=dev: {"n": int(host.run(
        f"ethtool -S {dev} | sed -n 's/ *sent_pkts: //p'").stdout)}) for dev in ports(lab.a)]
    bandwidth("ib_write_bw", end(lab.b), end(lab.a), 4096, 10, ["-q", "64"])
    sent = [m["n"] for m in moved]
    figures(f"64 queue pairs: packets sent by port 0 and 1 of host a: {sent}")
    # 64 flows are a fair coin each: fewer than 16 on one side happens once in 50,000 runs.
    assert min(sent) * 4 >= sum(sent), sent
    assert all(count > 100 for count in carried(wire)), carried(wire)
    check_only_esp(lab, wire)


def test_a_cable_is_cut_and_plugged_and_no_queue_pair_notices(lab, wire, sealed, programs,
                                                             figures):
    gaps, retries = {"cut": 0, "plug": 0}, {"cut": 0, "plug": 0}
    with pairs(lab, wire, programs) as both, writing(both):
        for cable in (0, 1):
            for what, act, state in (("cut", lab.cut, "down"), ("plug", lab.plug, "up")):
                moved = Moved(lab.a, hw_counters)
                for a, _ in both:
                    a.ask("gap")
                act(cable)
                wait_links(lab, cable, state)
                progress(both)
                gaps[what] = max([gaps[what], *(int(a.ask("gap")["ms"]) for a, _ in both)])
                retries[what] += moved["completer_retry_err"]
                if state == "down":
                    wire.forget()
                    progress(both)
                    assert not carried(wire)[cable], "frames on a cable that is cut"
    figures(f"longest time without a completion of a queue pair, ms: {gaps}; "
            f"messages sent again: {retries}")
    assert gaps["cut"] <= 1000 * (MIIMON + RESEND + STALL), gaps
    assert gaps["plug"] <= 1000 * (RESEND + STALL), gaps
    check_only_esp(lab, wire)


def test_messages_are_neither_lost_nor_doubled_while_cables_are_cut_and_plugged(lab, wire, sealed):
    """ibv_rc_pingpong counts and compares: one message more or less and it fails."""
    command = ["ibv_rc_pingpong", "-d", lab.a.env["RDMADEV"], "-g", lab.a.env["GIDX"], "-c",
               "-s", "2048", "-n", "3000"]
    with lab.b.spawn(["ibv_rc_pingpong", "-d", lab.b.env["RDMADEV"], "-g", lab.b.env["GIDX"],
                      *command[5:]]) as there:
        lab.b.wait_port(18515)
        with lab.a.spawn([*command, local_ip(lab.b)]) as here:
            for cable in (0, 1):
                lab.cut(cable)
                wait_links(lab, cable, "down")
                lab.plug(cable)
                wait_links(lab, cable, "up")
            for proc in (here, there):
                done = proc.wait(timeout=120)
                assert not done.rc, done.output
    check_only_esp(lab, wire)


@pytest.mark.parametrize("port", [0, 1])
def test_a_port_leaves_the_bond_and_comes_back_under_queue_pairs(lab, wire, sealed, programs, port):
    """Port 0's function is the one that the device was registered for."""
    with pairs(lab, wire, programs) as both, writing(both):
        each(lab, lambda host: f"ip link set {ports(host)[port]} nomaster")
        wire.forget()
        progress(both)
        assert not [f for f in wire.frames(port) if f.kind == "esp"]
        for host in lab.hosts.values():
            poll(lambda: ports(host)[port] in rdma_links(host).values(), 20,
                 "a device of its own again")
        each(lab, lambda host: f"ip link set {ports(host)[port]} down; "
                               f"ip link set {ports(host)[port]} master bond0")
        wait_links(lab, port, "up")
        for host in lab.hosts.values():
            poll(lambda: ports(host)[port] not in rdma_links(host).values(), 20,
                 "the bond's device has it back")
        wire.forget()
        progress(both)
        poll(lambda: all(carried(wire)), 20, "both cables carry it")
    check_only_esp(lab, wire)


def test_a_bond_that_is_down_neither_sends_nor_takes_and_goes_on_when_it_is_up(lab, wire, programs):
    """Its ports stay up all the while. In the clear: offloaded SAs go with the link."""
    with pairs(lab, wire, programs, 4, spread=False) as both, writing(both):
        def refused():
            return sum(there.now().values())

        there = port_counters(lab.b, "rx_drop_bond_down")
        lab.b.run("ip link set bond0 down")
        poll(lambda: refused() > 0, 20, "refused, and counted")
        sent, before = Moved(lab.b, hw_counters), refused()
        poll(lambda: refused() > before + 2, 20, "more of it")
        assert not sent["sent_pkts"]
        lab.b.run("ip link set bond0 up")


def test_queue_pairs_stay_closed_when_the_bonds_sas_go(lab, wire, sealed, programs):
    """I1, over all ports: neither flush nor policies that are gone let a queue pair out."""
    with pairs(lab, wire, programs, 2) as both:
        for a, b in both:
            a.ask(f"write 5 2048 {b.target()}")
        each(lab, "ip xfrm state flush; ip xfrm policy flush")
        moved = Moved(lab.a, hw_counters)
        for a, b in both:
            a.ask(f"traffic 2048 {b.target()}")
        poll(lambda: any("tx_drop" in name for name in moved.now()), 20, "drops, counted")
        check_only_esp(lab, wire)


def test_what_one_port_protects_no_other_port_sends_or_takes_in_clear(lab, wire, programs):
    """I1, I2: with policies on port 0 alone, and queue pairs that hash to port 1 as well."""
    out = Flow(lab.a, lab.b)
    try:
        for host in lab.hosts.values():
            command = out.policy_command(host)
            assert "dev bond0" in command
            host.run(command.replace("dev bond0", f"dev {ports(host)[0]}"))
        wire.forget()
        with contextlib.ExitStack() as stack:
            both = [stack.enter_context(queue_pairs(lab, programs)) for _ in range(6)]
            closed = port_counters(lab.a, "tx_drop_closed")
            for a, b in both:
                a.ask(f"traffic 512 {b.target()}")
            closed.wait(ports(lab.a)[1])
            assert not [f for f in wire.frames() if f.kind == "roce"]
            for a, b in both:
                check_forged_write_is_refused(lab, a, b, cable=1)
    finally:
        unprotect_bond(lab)


def check_forged_write_is_refused(lab, a, b, cable):
    forger = Forger(lab, a, b)
    b.ask("fill 0x5a")
    before, moved = b.ask("sum")["sum"], port_counters(lab.b, "rx_drop_unsealed")
    # Whatever b takes for the next PSN, one of these is it.
    for psn in range(forger.psn() - 4, forger.psn() + 8):
        lab.inject("b", cable, frames.ip_frame(*forger.macs, forger.write(psn & 0xFFFFFF)))
    moved.wait(ports(lab.b)[cable], 12)
    assert b.ask("sum")["sum"] == before, "memory was written to"
