# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""An RC queue pair by the book (IBTA volume 1, 9.7 and 10.3): sizes, losses, duplicates, states.

    a: QP ----- clear or sealed, frames lost on the way in ----- QP :b
                  ^
                  +--- a frame of a's a second time, or one that a never sent
"""

import re
import time

import pytest

from kit import (Moved, Protection, Vt, each, end, hw_counters, local_ip, ping, poll, queue_pairs,
                 traffic, unprotect, vf_address)
from lab import perftest
from test_forged import Forger, mac

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]

REM_ACCESS_ERR, RNR_RETRY_EXC, FLUSHED = "10", "13", "5"
LOC_PROT_ERR, REM_OP_ERR = "4", "11"
NOT_OFFERED = "error Operation not supported"
SQ_DRAINED, ACCESS_ERR = "5", "3"
SIZES = (0, 1, 3, 1023, 1024, 1025, 2048, 4097, 65536)


@pytest.fixture
def pair(lab, programs):
    ping(lab.a)
    with queue_pairs(lab, programs) as both:
        yield both


@pytest.fixture(params=["clear", "sealed"])
def network(request, lab, wire):
    if request.param == "sealed":
        Protection(lab, wire).up()
    ping(lab.a)
    yield request.param
    unprotect(lab)


@pytest.fixture
def lossy(lab):
    """One in 40 frames from the cable is lost, at both ends, whichever it is."""
    each(lab, "tc qdisc add dev cable0 clsact\n"
              "tc filter add dev cable0 ingress matchall action pass random netrand drop 40\n")
    yield
    each(lab, "tc qdisc del dev cable0 clsact")


def border(side, size):
    """The last byte within a message of that size and the first behind it."""
    last = side.ask(f"peek {size - 1} 1")["bytes"] if size else ""
    return last, side.ask(f"peek {size} 1")["bytes"]


@pytest.mark.parametrize("size", SIZES)
def test_a_message_of_any_size_arrives_whole(pair, size):
    a, b = pair
    for verb, source, sink in (("write", a, b), ("read", b, a), ("send", a, b)):
        source.ask("fill 0xa5")
        sink.ask("fill 0x11")
        if verb == "send":
            b.ask(f"recv 1 {size or 1}")
            a.ask(f"send 1 {size}")
            assert b.ask("poll 1 5000")["good"] == "1"
        else:
            assert a.ask(f"{verb} 1 {size} {b.target()}")["good"] == "1"
        assert border(sink, size) == ("a5" if size else "", "11"), verb


@pytest.mark.parametrize("verb", ["write", "read", "send"])
def test_lost_frames_cost_time_and_no_byte(lab, programs, network, lossy, verb):
    size = 100_000
    with queue_pairs(lab, programs, timeout=12) as (a, b):
        for seed in range(2):
            source, sink = (b, a) if verb == "read" else (a, b)
            source.ask(f"noise {seed}")
            if verb == "send":
                sink.ask("noise 77")
                b.ask(f"recv 8 {size}")
            answer = a.ask(f"{verb} 8 {size} {b.target()}", timeout=120)
            assert answer["good"] == "8" and answer["bad"] == "0", answer
            if verb == "send":
                assert b.ask("poll 8 30000")["good"] == "8"
            for offset in (0, 1024, 50_000, size - 256):
                assert a.ask(f"peek {offset} 256")["bytes"] == b.ask(f"peek {offset} 256")["bytes"]
            assert a.state() == b.state() == "RTS"
    moved = hw_counters(lab.a)
    assert moved["completer_retry_err"] + moved["rcvd_seq_err"], "nothing was lost"


def test_a_send_waits_for_a_receive_as_long_as_it_takes(lab, pair):
    a, b = pair
    moved = Moved(lab.a, hw_counters)
    a.begin("send 1 64")
    moved.wait("rcvd_rnr_err", 20)
    b.ask("recv 1 64")
    assert a.finish("send 1 64", timeout=30)["good"] == "1"
    assert a.state() == "RTS"


def test_a_send_that_nobody_receives_ends_when_its_retries_do(lab, programs):
    a, b = Vt(lab.a, programs), Vt(lab.b, programs)
    try:
        for side, peer in ((a, b), (b, a)):
            i = peer.info
            side.ask(f"connect qpn={i['qpn']} psn={i['psn']} gid={i['gid']} timeout=17 rnr=2")
        moved = Moved(lab.a, hw_counters)
        assert a.ask("send 1 64")["status"].split()[0] == RNR_RETRY_EXC
        assert moved["rcvd_rnr_err"] == 3 and moved["retry_rnr_exceeded_err"] == 1
        assert (a.state(), b.state()) == ("ERR", "RTS")
    finally:
        a.close()
        b.close()


@pytest.mark.parametrize("size", [64, 2000])
def test_a_receive_may_name_memory_that_no_message_reaches(pair, size):
    """It failed when it was taken: perftest's shared receive queues did, over and over."""
    a, b = pair
    room = int(b.info["len"]) - size
    b.ask(f"recv 1 4096 {room}")
    a.ask(f"send 1 {size}")
    assert b.ask("poll 1 5000")["good"] == "1"
    b.ask(f"recv 1 4096 {room}")
    assert a.ask(f"send 1 {size + 1}")["status"].split()[0] == REM_OP_ERR
    assert b.ask("poll 1 5000")["status"].split()[0] == LOC_PROT_ERR


def test_perftest_sends_datagrams_to_a_shared_receive_queue(lab):
    ping(lab.a)
    perftest.perftest("ib_send_bw", end(lab.b), end(lab.a), 64, 100, ["-c", "UD", "--use-srq"])


def test_duplicates_are_acknowledged_and_never_executed(lab, wire, pair):
    a, b = pair
    wire.forget()
    b.ask("recv 2 256")
    a.ask("noise 1")
    a.ask(f"write 1 5000 {b.target()}")
    a.ask("send 1 256")
    assert b.ask("poll 1 5000")["good"] == "1"
    own = mac(lab.a)
    sent = poll(lambda: [f.raw for f in wire.frames(0, "a")
                         if f.src_mac.hex(":") == own and f.kind == "roce"], 10, "frames of a")
    b.ask("fill 0")
    before, moved = b.ask("sum")["sum"], Moved(lab.b, hw_counters)
    for raw in sent:
        lab.inject("b", 0, raw)
    moved.wait("duplicate_request", 6)
    assert b.ask("sum")["sum"] == before, "a duplicate was executed"
    assert b.ask("poll 1 500", check=False)["good"] == "0", "a duplicate took a receive"
    assert moved["sent_pkts"] >= 2, "duplicates must be acknowledged again"
    a.ask("send 1 256")
    assert b.ask("poll 1 5000")["good"] == "1"


def test_inline_data_need_not_be_asked_for(pair):
    a, b = pair
    b.ask("recv 1 64")
    assert a.ask("inline 64")["good"] == "1"
    assert b.ask("poll 1 5000")["good"] == "1"
    assert b.ask("peek 0 64")["bytes"] == "1e" * 64


def test_a_gap_is_answered_by_one_nak(lab, pair):
    a, b = pair
    a.ask(f"write 2 64 {b.target()}")
    forger, moved = Forger(lab, a, b), Moved(lab.b, hw_counters)
    for ahead in (5, 6, 7):
        forger.inject(forger.write((forger.psn() + ahead) & 0xFFFFFF))
    moved.wait("out_of_seq_request", 3)
    assert moved["sent_pkts"] == 1
    a.ask(f"write 2 64 {b.target()}")
    assert b.state() == "RTS"


def test_a_key_that_does_not_fit_ends_both_and_tells_why(pair):
    a, b = pair
    target = f"{b.info['addr']} {int(b.info['rkey']) ^ 0x5500}"
    assert a.ask(f"write 1 64 {target}")["status"].split()[0] == REM_ACCESS_ERR
    assert a.state() == b.state() == "ERR"
    assert ACCESS_ERR in b.events()
    assert a.ask(f"write 1 64 {b.target()}")["status"].split()[0] == FLUSHED


def test_what_the_device_does_not_offer_is_refused_by_name(pair):
    a, b = pair
    for command in (f"atomic {b.target()}", "multicast"):
        a.ask(command, check=False)
        assert a.lines[-1] == NOT_OFFERED, command


def test_a_drained_queue_says_so_and_goes_on(pair):
    a, b = pair
    with traffic(a, b):
        a.ask("modify sqd")
        poll(lambda: SQ_DRAINED in a.events(), 10, "SQ_DRAINED")
        b.ask(f"write 1 64 {a.target()}")
        done = a.done()
        time.sleep(1)
        assert a.done() == done, "a drained queue began something new"
        a.ask("modify rts")
        poll(lambda: a.done() > done + 10, 20, "traffic after SQD")
    assert a.state() == "RTS"


def test_finding_R17_a_path_that_is_too_narrow_is_named_and_may_get_wider(lab, programs):
    """The queue pair died with RETRY_EXC, and no counter moved."""
    ping(lab.a)
    narrow = f"{local_ip(lab.b)}/32 dev {lab.a.env['NETDEV']}"
    with queue_pairs(lab, programs, timeout=15) as (a, b):
        moved = Moved(lab.a, hw_counters)
        lab.a.run(f"ip route add {narrow} mtu 700")
        try:
            assert a.ask(f"write 1 512 {b.target()}")["good"] == "1"
            a.begin(f"write 1 4096 {b.target()}")
            moved.wait("tx_drop_path_mtu")
        finally:
            lab.a.run(f"ip route del {narrow}")
        assert a.finish("write 1 4096")["good"] == "1"
    log = lab.a.run("dmesg | tail -n 20").stdout
    assert re.search(r"QP \d+: packets with 1024 bytes do not fit its path.*\(700\)", log), log


def ciphers_held(host):
    """References to the cipher that SAs use, but its own: some for each key that is in memory."""
    text = host.run(["cat", "/proc/crypto"]).stdout
    found = re.findall(r"^name +: rfc4106\(gcm\(aes\)\)\n(?:.+\n)*?refcnt +: (\d+)", text, re.M)
    return sum(int(n) - 1 for n in found)


def test_an_idle_queue_pair_keeps_no_key_of_a_deleted_sa(lab, wire, programs):
    """I6: the flow of a queue pair that never sends again lets go of the SA, and so of its key."""
    before = ciphers_held(lab.a)
    sealed = Protection(lab, wire).up()
    try:
        with queue_pairs(lab, programs) as (a, b):
            a.ask(f"write 3 512 {b.target()}")
            assert ciphers_held(lab.a) > before
            for flow in sealed.flows:
                flow.delete_state(lab.a)
            poll(lambda: ciphers_held(lab.a) <= before, 20, "both keys are gone")
    finally:
        unprotect(lab)


@pytest.mark.lab(scenario="vf", spoils=True)
def test_finding_R13_a_device_goes_while_a_cable_holds_its_frames(lab, programs):
    """Its driver, and everybody who waited for the same lock, waited for the cable's."""
    pci = vf_address(lab.a)
    with queue_pairs(lab, programs, timeout=20) as (a, b):
        a.ask(f"write 1 64 {b.target()}")
        moved = Moved(lab.a, hw_counters)
        # Nobody takes what is in the cable, which then takes nothing from its driver.
        lab.b.qmp("stop")
        try:
            a.begin(f"write 8 100000 {b.target()}")
            moved.wait("sent_pkts", 100)
            lab.a.run(f"echo {pci} > /sys/bus/pci/drivers/iroce/unbind", timeout=30)
        finally:
            lab.b.qmp("cont")
