# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I1, nothing leaves in clear, and I7, nothing is lost that need not be: under traffic.

    a: QP writes without end --->  cable 0  ---> memory of b's QP
       ping floods           --->           ---> b

In each test something that protects is taken away while both kinds of traffic run; the captures of
both cables, at both ends, decide.
"""

import contextlib
import time

import pytest

from kit import (IP_BATCH, Moved, Protection, each, end, ethtool, idle_connection, ip_lines, local_ip,
                 ping, poll, queue_pairs, rebind, restore_addresses, traffic, unprotect, vf_address, wait_answer,
                 xfrm_events)
from lab import LabError, perftest

# Two CPUs: what is taken away goes while the other one sends.
pytestmark = pytest.mark.lab(scenario="vf", cpus=2)

# A retry timeout of 4.096 us << 14, which the engine doubles up to eight times, and 7 retries: a
# queue pair tries for 4 s to get something past what closes it.
PATIENT = {"timeout": 14, "retry": 7}
DEVICE_FATAL = "8"		# enum ibv_event_type


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire):
    protection = Protection(lab, wire, six=request.param == 6).up()
    wait_answer(lab.a, six=protection.six)
    wire.forget()
    yield protection
    unprotect(lab)


@contextlib.contextmanager
def load(lab, programs, six, **qp):
    """RoCE and host traffic from a to b, both ends' queue pairs for the block."""
    flood = ["ping", "-i", "0.02", "-q", local_ip(lab.b, six)]
    with queue_pairs(lab, programs, six, **qp) as (a, b), lab.a.spawn(flood) as pings:
        with traffic(a, b, depth=4, drain=False):
            yield a, b
        pings.stop()


def addresses(lab, six):
    return [local_ip(h, six) for h in lab.hosts.values()]


def stopped(lab, moved):
    """Host a refuses to send: waits until that is counted, both for RoCE and for the host."""
    moved.wait("ipsec_tx_drop_pkts", 20)


def check_nothing_leaked(lab, wire, six):
    frames = wire.frames(0, "a")
    assert sum(f.kind == "esp" for f in frames) > 20, "there was no traffic that could leak"
    wire.check_no_cleartext(addresses(lab, six))


def test_no_plaintext_when_the_outbound_sa_is_deleted(lab, wire, programs, sealed):
    with load(lab, programs, sealed.six, **PATIENT):
        moved = Moved(lab.a)
        sealed.out.delete_state(lab.a)
        stopped(lab, moved)
    check_nothing_leaked(lab, wire, sealed.six)


def test_no_plaintext_when_the_inbound_sa_is_deleted(lab, wire, programs, sealed):
    with load(lab, programs, sealed.six, **PATIENT) as (a, b):
        moved = Moved(lab.b)
        sealed.out.delete_state(lab.b)
        seen = moved.wait("ipsec_rx_drop_sadb_miss", 5)
        start = a.done()
        moved.wait("ipsec_rx_drop_sadb_miss", seen + 5)
        assert a.done() == start, "b still takes what it has no SA for"
    check_nothing_leaked(lab, wire, sealed.six)


def test_no_plaintext_when_all_sas_are_flushed(lab, wire, programs, sealed):
    with load(lab, programs, sealed.six, **PATIENT):
        moved = Moved(lab.a)
        lab.a.run("ip xfrm state flush")
        stopped(lab, moved)
    check_nothing_leaked(lab, wire, sealed.six)


def test_no_roce_plaintext_when_the_policy_is_deleted(lab, wire, programs, sealed):
    """The QP was protected when it was connected: it stays closed, whatever the SPD says now."""
    with load(lab, programs, sealed.six, **PATIENT) as (a, b):
        sealed.out.delete_policy(lab.a)
        settled(a)
        sealed.back.delete_policy(lab.a)
        settled(a)
    assert sum(f.kind == "esp" for f in wire.frames(0, "a")) > 20
    wire.check_no_cleartext()


def settled(side):
    """Time enough for a leak: another 50 writes went through, or in two seconds they did not."""
    start, end = side.done(), time.monotonic() + 2
    while side.done() <= start + 50 and time.monotonic() < end:
        time.sleep(0.05)


def test_no_roce_plaintext_when_policies_and_sas_are_flushed(lab, wire, programs, sealed):
    with load(lab, programs, sealed.six, **PATIENT) as (a, b):
        for host in (lab.a, lab.b):
            host.run("ip xfrm policy flush; ip xfrm state flush")
        settled(a)
    assert sum(f.kind == "esp" for f in wire.frames(0, "a")) > 20
    wire.check_no_cleartext()


def test_connections_in_clear_come_only_after_the_operator_opened_the_device(lab, wire, sealed):
    """RDMA CM speaks over the GSI QP, which nobody can reset: the fences of the policies decide."""
    ends = end(lab.b, sealed.six), end(lab.a, sealed.six)
    perftest.rping(*ends)
    for host in lab.hosts.values():
        host.run("ip xfrm policy flush; ip xfrm state flush")
    with pytest.raises((LabError, perftest.ToolFailed)):
        perftest.rping(*ends, timeout=8)
    wire.check_sealed_roce(at_least=20)
    unprotect(lab)
    wire.forget()
    perftest.rping(*ends, timeout=20)
    assert wire.examine().clear_roce


def test_no_plaintext_when_the_link_goes_down_and_up(lab, wire, programs, sealed):
    """NETDEV_DOWN makes the kernel's core flush the offloaded SAs and policies."""
    dev = lab.a.env["NETDEV"]
    # They have to outlive that, or there would be nothing that could leak.
    with load(lab, programs, sealed.six) as (a, b):
        lab.a.run(f"ip link set {dev} down")
        poll(lambda: "proto esp" not in lab.a.run("ip xfrm state").stdout, 10, "the core's flush")
        lab.a.run(f"ip link set {dev} up")
        poll(lambda: lab.a.run(f"cat /sys/class/net/{dev}/carrier").stdout.strip() == "1", 20)
        settled(a)
    restore_addresses(lab)
    assert sum(f.kind == "esp" for f in wire.frames(0, "a")) > 20
    wire.check_no_cleartext()


def test_no_plaintext_when_the_cable_is_cut_and_plugged(lab, wire, programs, sealed):
    with load(lab, programs, sealed.six, timeout=18, retry=7) as (a, b):
        dev = lab.a.env["NETDEV"]
        lab.cut(0)
        poll(lambda: lab.a.run(f"cat /sys/class/net/{dev}/carrier").stdout.strip() == "0", 20,
             "the VF's carrier follows its cable")
        lab.plug(0)
        start = a.done()
        poll(lambda: a.done() > start + 20, 30, "the same QP goes on (I7)")
        assert a.state() == b.state() == "RTS"
    check_nothing_leaked(lab, wire, sealed.six)


def test_the_same_queue_pair_goes_on_when_its_sas_come_back(lab, wire, programs, sealed):
    """I7: an SA deleted and replaced within the QP's patience costs time, not the connection."""
    with load(lab, programs, sealed.six, timeout=18, retry=7) as (a, b):
        moved = Moved(lab.a)
        sealed.out.delete_state(lab.a)
        stopped(lab, moved)
        old = sealed.out
        fresh = sealed.fresh(old)
        fresh.add_state(lab.b)
        fresh.add_state(lab.a)
        old.delete_state(lab.b)
        start = a.done()
        poll(lambda: a.done() > start + 50, 60, "writes go on through the new SA")
        assert a.state() == "RTS" and a.ask("done")["bad"] == "0"
    check_nothing_leaked(lab, wire, sealed.six)
    assert any(f.kind == "esp" and f.spi == fresh.spi for f in wire.frames(0, "a"))


def test_a_rekey_under_traffic_loses_no_message(lab, wire, programs, sealed):
    """Make before break: new inbound SA, new outbound SA, then the old ones go."""
    with load(lab, programs, sealed.six) as (a, b):
        for _ in range(3):
            old = sealed.out
            fresh = sealed.fresh(old)
            fresh.add_state(lab.b)
            fresh.add_state(lab.a)
            old.delete_state(lab.a)
            start = a.done()
            poll(lambda: a.done() > start + 20, 30, "writes go on through the new SA")
            old.delete_state(lab.b)
        assert a.ask("done")["bad"] == "0" and a.state() == "RTS"
    check_nothing_leaked(lab, wire, sealed.six)
    assert len({f.spi for f in wire.frames(0, "a") if f.kind == "esp"}) >= 4


def test_an_sa_without_sequence_numbers_left_refuses_to_send(lab, wire, programs, sealed):
    """I3: a 32-bit counter at its end stops; nothing goes round, nothing goes in clear.

    finding R10: key daemons heard of nothing.  They hear when a quarter is left, and at the end.
    """
    unprotect(lab)
    last = Protection(lab, wire, sealed.six, esn=False, window=32)
    last.out.more = "replay-oseq 0xffffff00"
    last.up()
    with xfrm_events(lab.a, "expire") as monitor:
        ping(lab.a, sealed.six)
        poll(lambda: "hard 0" in monitor.stdout, 20, "a soft expire event")
        with load(lab, programs, sealed.six, **PATIENT):
            moved = Moved(lab.a)
            poll(lambda: "hard 1" in monitor.stdout, 40, "a hard expire event")
            moved.wait("ipsec_tx_drop_no_state")
    sent = [f.seq for f in wire.frames(0, "a") if f.kind == "esp" and f.spi == last.out.spi]
    assert sent and min(sent) > 0xffffff00, "the counter went round"
    check_nothing_leaked(lab, wire, sealed.six)


@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
@pytest.mark.parametrize("six", [False, True], ids=["ipv4", "ipv6"])
def test_no_plaintext_when_the_vf_is_unbound(lab, wire, programs, six):
    Protection(lab, wire, six).up()
    vf = vf_address(lab.a)
    with load(lab, programs, six, **PATIENT):
        lab.a.run(f"echo {vf} > /sys/bus/pci/drivers/iroce/unbind", timeout=60)
        assert not lab.a.run(f"ls /sys/bus/pci/devices/{vf}/net", check=False).stdout
        lab.a.run(f"echo {vf} > /sys/bus/pci/drivers/iroce/bind", timeout=60)
    check_nothing_leaked(lab, wire, six)


@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
def test_finding_R11_a_function_that_comes_back_is_closed_until_it_is_protected(lab, wire):
    """I1: its fences went with its driver, and the flow went on in clear."""
    pci, dev = vf_address(lab.a), lab.a.env["NETDEV"]
    Protection(lab, wire).up()
    ping(lab.a)
    lab.a.run(f"ethtool --set-priv-flags {dev} ipsec-closed-until-protected on")
    ping(lab.a)
    wire.forget()
    for _ in range(3):
        rebind(lab.a, pci)
        moved = Moved(lab.a)
        assert ping(lab.a, count=3, check=False, wait=1).rc
        assert moved["ipsec_tx_drop_fenced"] >= 3
        log = lab.a.run("dmesg | tail -n 5").stdout
        assert "drops cleartext out that nothing protects any more, or yet" in log and \
            f"--set-priv-flags {dev} ipsec-fail-closed off" in log, log
    wire.check_no_cleartext([local_ip(lab.a), local_ip(lab.b)])
    each(lab, ip_lines("xfrm policy flush", "xfrm state flush"), argv=IP_BATCH)
    Protection(lab, wire).up()
    ping(lab.a)
    # The operator's word opens it.
    each(lab, ip_lines("xfrm policy flush", "xfrm state flush"), argv=IP_BATCH)
    assert ethtool(lab.a)["ipsec_fences"] == 2
    each(lab, lambda host: f"ethtool --set-priv-flags {host.env['NETDEV']} ipsec-fail-closed off")
    assert ethtool(lab.a)["ipsec_fences"] == 0
    ping(lab.a)


@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
def test_finding_unbind_a_program_that_polls_hears_that_its_device_is_gone(lab, programs):
    """It polled for ever: nothing was flushed."""
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        a.ask("recv 8 64")
        lab.a.run(f"echo {vf_address(lab.a)} > /sys/bus/pci/drivers/iroce/unbind", timeout=60)
        assert a.ask("poll 8 20000", check=False)["bad"] == "8", a.lines
        poll(lambda: DEVICE_FATAL in a.events(), 20, "IBV_EVENT_DEVICE_FATAL")


@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
def test_finding_an_idle_connection_does_not_keep_a_function_or_a_module_from_going(lab, wire):
    """Its socket keeps a route, that the policy, and that kept its device: unbind never returned."""
    Protection(lab, wire).up()
    with idle_connection(lab):
        lab.a.run(f"echo {vf_address(lab.a)} > /sys/bus/pci/drivers/iroce/unbind", timeout=30)
        lab.a.run("rmmod iroce && rmmod ipsec_roce_engine", timeout=30)


@pytest.mark.lab(scenario="vf", cpus=2, spoils=True)
def test_no_plaintext_when_the_module_is_unloaded(lab, wire, programs):
    Protection(lab, wire).up()
    before = ethtool(lab.a)
    with load(lab, programs, False, **PATIENT) as (a, b):
        unloaded = lab.a.run("rmmod iroce", check=False, timeout=60)
        if unloaded.rc:
            # Device files in use hold the module; without users it must go.
            assert "in use" in unloaded.stderr
            a.close()
            poll(lambda: not lab.a.run("rmmod iroce", check=False, timeout=60).rc, 30,
                 "rmmod iroce")
    assert before and "iroce" not in lab.a.run("lsmod").stdout
    check_nothing_leaked(lab, wire, False)
