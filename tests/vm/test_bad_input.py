# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Bad input from both sides: malformed frames on the cable, hostile processes in the host.

    noise ----> cable 0 end of b ----> VF of b <---- hostile process
    a: QP <---------------- sealed or clear ---------------> QP :b      goes on all the while
"""

import random
import struct

import pytest

from kit import (Moved, Protection, each, ethtool, hw_counters, ping, poll, queue_pairs, traffic,
                 unprotect)
from lab import frames
from test_forged import Forger, mac

# Two CPUs: objects come and go on one while the other uses them.
pytestmark = [pytest.mark.lab(scenario="vf", cpus=2), pytest.mark.dealt]

SEED = 20240601


@pytest.fixture(params=["clear", "sealed"])
def network(request, lab, wire):
    if request.param == "sealed":
        Protection(lab, wire).up()
    ping(lab.a)
    wire.forget()
    yield request.param
    unprotect(lab)


def mutations(raw, rng, count):
    """A frame with bytes flipped, cut, grown, or fields set to their limits."""
    limits = (0, 1, 0x7F, 0x80, 0xFF)
    for _ in range(count):
        out = bytearray(raw)
        kind = rng.randrange(6)
        if kind == 0:
            del out[rng.randrange(len(out)):]
        elif kind == 1:
            out += rng.randbytes(rng.randrange(1, 1200))
        elif kind == 2:
            at = rng.randrange(12, min(len(out), 90))
            out[at] = rng.choice(limits)
        elif kind == 3:
            for _ in range(rng.randrange(1, 8)):
                out[rng.randrange(12, len(out))] ^= 1 << rng.randrange(8)
        elif kind == 4:
            at = rng.randrange(12, min(len(out), 80))
            out[at:at + 2] = struct.pack("!H", rng.choice((0, 1, 8, 19, 20, 0xFFFF)))
        else:
            at = rng.randrange(12, len(out))
            out[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        # The kernel under the cable drops what is shorter than a header.
        yield bytes(out[:9000]) if len(out) >= 14 else bytes(out) + b"\0" * (14 - len(out))


def refreshed_icrc(raw):
    """So that the mutated packet gets past the ICRC, if it is still one."""
    frame = frames.Frame(raw)
    if frame.kind != "roce" or frame.end - frame.l4 < 24:
        return raw
    packet = frame.ip
    return raw[:frame.l3] + packet[:-4] + frames.icrc(packet).to_bytes(4, "little")


def test_mutated_real_frames_do_no_harm(lab, wire, programs, network):
    rng = random.Random(SEED)
    mac_a = mac(lab.a)
    with queue_pairs(lab, programs, retry=7) as (a, b), traffic(a, b, size=512):
        def sent_by_a():
            own = [f.raw for f in wire.frames(0, "a") if f.src_mac.hex(":") == mac_a]
            return own if len(own) >= 40 else None

        samples = poll(sent_by_a, 60, "40 frames of real traffic")
        moved = Moved(lab.b)
        sent = 0
        for raw in rng.sample(samples, 40):
            for bad in mutations(raw, rng, 25):
                if network == "clear" and rng.randrange(2):
                    bad = refreshed_icrc(bad)
                lab.inject("b", 0, bad)
                sent += 1
        total = sum(n for name, n in moved.now().items() if "_drop_" in name)
        assert total > 50, f"{sent} malformed frames, drops counted: {moved.now()}"
    forget_neighbours(lab)
    ping(lab.a)
    check_alive(lab, programs)


def forget_neighbours(lab):
    """A forged ARP may have told b another address of a: Linux believes that, on any adapter."""
    each(lab, lambda host: f"ip neigh flush dev {host.env['NETDEV']}")


def check_alive(lab, programs):
    """A fresh pair of queue pairs moves data."""
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 5 1000 {b.target()}")
        b.ask(f"read 5 1000 {a.target()}")


def test_random_frames_to_the_vf_do_no_harm(lab, programs, network):
    rng = random.Random(SEED + 1)
    head = frames.mac_bytes(mac(lab.b)) + frames.mac_bytes(mac(lab.a))
    for _ in range(600):
        kind = rng.choice((0x0800, 0x86DD, 0x8100, 0x88A8, 0x8915, 0x0806, rng.randrange(65536)))
        body = rng.randbytes(rng.choice((0, 1, 20, 40, 64, 300, 1500)))
        if kind == 0x0800 and len(body) >= 20:
            body = b"\x45" + body[1:2] + struct.pack("!H", len(body)) + body[4:9] \
                + bytes((rng.choice((17, 50, 6, 1)),)) + body[10:]
        lab.inject("b", 0, head + struct.pack("!H", kind) + body)
    forget_neighbours(lab)
    ping(lab.a)
    check_alive(lab, programs)


def test_roce_headers_that_lie_are_dropped_and_counted(lab, programs):
    """In clear, with the right ICRC and QPN: every opcode, pad counts and lengths that lie."""
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before = b.ask("sum")["sum"]
        forger, qpn = Forger(lab, a, b), int(b.info["qpn"])
        moved = Moved(lab.b, hw_counters)
        wrong_rkey = frames.reth(int(b.info["addr"]), int(b.info["rkey"]) ^ 0x5555, 64)
        for opcode in range(256):
            for body in (b"", b"\0" * 3, b"\0" * 4, b"\xff" * 16, wrong_rkey):
                # A PSN far away: a peer that is broken, not one whose turn it is.
                forger.inject(forger.packet(frames.bth(opcode, qpn, 0x800000 ^ forger_psn(a), 3)
                                            + body))
        for qp in (0, 1, 2, 0xFFFFFF, 0x7FFFFF):
            forger.inject(forger.packet(frames.bth(0x04, qp, 1) + b"x" * 8))
        drops = ethtool(lab.b)
        assert moved["rx_drop_no_qp"] >= 2, moved.now()
        assert b.ask("sum")["sum"] == before and drops
    check_alive(lab, programs)


def forger_psn(side):
    return int(side.info["psn"])


def test_a_wrong_icrc_is_dropped_and_counted(lab, programs):
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, moved, forger = b.ask("sum")["sum"], Moved(lab.b, hw_counters), Forger(lab, a, b)
        psn = (int(a.info["psn"]) + 3) & 0xFFFFFF
        good = forger.write(psn)
        for bit in range(32):
            bad = bytearray(good)
            bad[-4 + bit // 8] ^= 1 << bit % 8
            forger.inject(bytes(bad))
        moved.wait("rx_drop_icrc", 32)
        assert b.ask("sum")["sum"] == before
        a.ask(f"write 3 256 {b.target()}")


def test_roce_from_another_address_is_not_for_this_queue_pair(lab, programs):
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, moved, forger = b.ask("sum")["sum"], Moved(lab.b, hw_counters), Forger(lab, a, b)
        psn, info = (int(a.info["psn"]) + 3) & 0xFFFFFF, b.info
        data = frames.bth(0x0A, int(info["qpn"]), psn, ack=True) \
            + frames.reth(int(info["addr"]), int(info["rkey"]), 16) + b"\xee" * 16
        forger.inject(frames.roce_packet("203.0.113.9", b.end.ip, data))
        moved.wait("rx_drop_peer")
        assert b.ask("sum")["sum"] == before
        a.ask(f"write 3 256 {b.target()}")


def test_finding_R8_a_packet_of_another_vlan_is_not_for_this_queue_pair(lab, programs):
    """A host of VLAN 200 reached a queue pair whose address is in none."""
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, moved, forger = b.ask("sum")["sum"], Moved(lab.b, hw_counters), Forger(lab, a, b)
        plain = frames.ip_frame(*forger.macs, forger.write((int(a.info["psn"]) + 3) & 0xFFFFFF))
        for kind, vid in ((0x8100, 200), (0x8100, 1), (0x88A8, 200), (0x88A8, 0)):
            lab.inject("b", 0, plain[:12] + struct.pack("!HH", kind, vid) + plain[12:])
        moved.wait("rx_drop_vlan", 4)
        assert b.ask("sum")["sum"] == before
        # VLAN 0 is a priority, not a VLAN.
        lab.inject("b", 0, plain[:12] + struct.pack("!HH", 0x8100, 0xE000) + plain[12:])
        poll(lambda: b.ask("sum")["sum"] != before, 20, "a write with a priority tag")


ATTACKS = ["mmap", "memory", "modify", "empty", "foreign", "resize", "rings", "wqe", "caps", "write",
           "ioctl"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_process_gets_nowhere(lab, programs, attack):
    host = lab.a
    host.put(programs / "hostile", "/tmp/hostile", 0o755)
    done = host.run(["/tmp/hostile", "-d", host.env["RDMADEV"], "-g", host.env["GIDX"], "-n", "40",
                     attack], check=False, timeout=180)
    assert done.rc == 0, done.stdout + done.stderr
    assert "tried" in done.stdout, done.stdout + done.stderr
    check_alive(lab, programs)
    assert "hostile" not in host.run("rdma resource show qp").stdout


def test_a_process_that_dies_in_full_flight_leaves_nothing(lab, programs):
    with queue_pairs(lab, programs) as (a, b):
        with traffic(a, b):
            a.proc.kill(9)
            b.proc.kill(9)
            a.proc.wait(20)
    for host in lab.hosts.values():
        for kind in ("qp", "mr", "cq"):
            assert "[vt]" not in host.run(f"rdma resource show {kind}").stdout
            assert " comm vt" not in host.run(f"rdma resource show {kind}").stdout
    check_alive(lab, programs)


def test_netlink_garbage_about_sas_is_refused(lab):
    dev, a, b = lab.a.env["NETDEV"], lab.a.env["LOCAL_IP"], lab.a.env["PEER_IP"]
    key = "0x" + "11" * 20
    base = f"ip xfrm state add src {a} dst {b} proto esp reqid 1 mode transport"
    for bad in (f"{base} spi 0 aead 'rfc4106(gcm(aes))' {key} 128 offload packet dev {dev} dir out",
                f"{base} spi 9 aead 'rfc4106(gcm(aes))' 0x1111 128 offload packet dev {dev} dir out",
                f"{base} spi 9 aead 'rfc4106(gcm(aes))' {key} 128 offload packet dev lo dir out",
                f"{base} spi 9 aead 'none' {key} 128 offload packet dev {dev} dir out"):
        assert lab.a.run(bad, check=False).rc, bad
    assert "proto esp" not in lab.a.run("ip xfrm state").stdout
