# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I2 and I4: what comes from the cable and was not sealed by the peer, or came before, is dropped.

    a: QP <---- sealed ----> QP :b          the test knows QPN, PSN, rkey and address of b's memory
                  ^
                  +--- frames put on b's end of cable 0 by the test
"""

import struct

import pytest

from kit import (Flow, Moved, Protection, local_ip, ping, poll, queue_pairs, traffic, unprotect,
                 xfrm_stat)
from lab import aead, frames, judge
from lab.frames import Frame

pytestmark = pytest.mark.lab(scenario="vf")

WRITE_ONLY, SEND_ONLY, READ_REQUEST, ACK = 0x0A, 0x04, 0x0C, 0x11
UD_SEND_ONLY = 0x64


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire):
    protection = Protection(lab, wire, six=request.param == 6).up()
    ping(lab.a, protection.six)
    yield protection
    unprotect(lab)


def mac(host):
    return host.run(f"cat /sys/class/net/{host.env['NETDEV']}/address").stdout.strip()


def snmp_in(host):
    text = host.run("nstat -az UdpNoPorts Udp6NoPorts").stdout
    return {w[0]: int(w[1]) for w in map(str.split, text.splitlines()) if len(w) > 1 and
            w[1].isdigit()}


class Forger:
    """Makes frames that b cannot tell from a's, keys apart."""

    def __init__(self, lab, a, b):
        self.lab, self.a, self.b = lab, a, b
        self.macs = mac(lab.b), mac(lab.a)

    def packet(self, transport, **ip):
        return frames.roce_packet(self.a.end.ip, self.b.end.ip, transport, **ip)

    def psn(self):
        """What b expects next of a."""
        return int(self.b.ask("state")["rq_psn"])

    def write(self, psn, data=b"\xee" * 64):
        qpn, info = int(self.b.info["qpn"]), self.b.info
        return self.packet(frames.bth(WRITE_ONLY, qpn, psn, ack=True)
                           + frames.reth(int(info["addr"]), int(info["rkey"]), len(data)) + data)

    def inject(self, packet, vlan=None):
        self.lab.inject("b", 0, frames.ip_frame(*self.macs, packet, vlan))


def test_a_forged_cleartext_write_changes_nothing_and_is_counted(lab, programs, sealed):
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, moved = b.ask("sum")["sum"], Moved(lab.b)
        forger = Forger(lab, a, b)
        # Whatever b takes for the next PSN, one of these is it.
        for psn in range(forger.psn() - 8, forger.psn() + 24):
            forger.inject(forger.write(psn & 0xFFFFFF))
        moved.wait("ipsec_rx_drop_plain", 32)
        assert b.ask("sum")["sum"] == before, "memory was written to"
        assert moved["ipsec_rx_drop_pkts"] >= 32
        assert a.state() == b.state() == "RTS"
        a.ask(f"write 3 256 {b.target()}")


def test_the_same_forged_write_works_where_nothing_protects(lab, programs):
    """The counter-proof: without it the test above could forge rubbish and pass."""
    with queue_pairs(lab, programs) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        forger = Forger(lab, a, b)
        psn = (int(a.info["psn"]) + 3) & 0xFFFFFF
        forger.inject(forger.write(psn))
        poll(lambda: b.ask("peek 0 4")["bytes"] == "eeeeeeee", 10, "the forged write arrives")


@pytest.mark.parametrize("opcode", [SEND_ONLY, READ_REQUEST, ACK, 0x81])
def test_forged_cleartext_of_any_opcode_leaves_the_queue_pair_alive(lab, programs, sealed, opcode):
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        moved, forger = Moved(lab.b), Forger(lab, a, b)
        more = {READ_REQUEST: frames.reth(int(b.info["addr"]), int(b.info["rkey"]), 64),
                ACK: struct.pack("!I", 0x60000000), SEND_ONLY: b"s" * 32, 0x81: b"c" * 16}[opcode]
        for psn in range(forger.psn() - 4, forger.psn() + 8):
            forger.inject(forger.packet(
                frames.bth(opcode, int(b.info["qpn"]), psn & 0xFFFFFF, ack=True) + more))
        moved.wait("ipsec_rx_drop_plain", 12)
        assert a.state() == b.state() == "RTS"
        a.ask(f"write 3 256 {b.target()}")


def test_cleartext_is_dropped_in_any_disguise(lab, programs, sealed):
    """VLAN 0 tag, another UDP source port, DSCP, broadcast and multicast MAC, a fragment."""
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, forger = b.ask("sum")["sum"], Forger(lab, a, b)
        psns = range(forger.psn() - 2, forger.psn() + 6)
        for psn in psns:
            plain = forger.write(psn & 0xFFFFFF)
            forger.inject(plain, vlan=0)
            for dst in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"):
                lab.inject("b", 0, frames.ip_frame(dst, forger.macs[1], plain))
            transport = plain[20 if plain[0] >> 4 == 4 else 40:][8:-4]
            forger.inject(forger.packet(transport, tos=0xB8, sport=4791))
            if not sealed.six:
                piece = bytearray(plain)
                struct.pack_into("!H", piece, 6, 0x2000)
                struct.pack_into("!H", piece, 10, 0)
                struct.pack_into("!H", piece, 10, frames.checksum(bytes(piece[:20])))
                forger.inject(bytes(piece))
        a.ask(f"write 3 256 {b.target()}")
        a.ask(f"write 3 256 {b.target()}")
        assert b.ask("peek 4096 4")["bytes"] == "5a5a5a5a"
        assert before and b.state() == "RTS"
        assert "eeeeeeee" not in b.ask("peek 0 256")["bytes"]


def test_forged_cleartext_host_traffic_is_dropped_and_counted(lab, sealed):
    moved = Moved(lab.b)
    src, dst = (sealed.out.src_ip, sealed.out.dst_ip)
    macs = mac(lab.b), mac(lab.a)
    for _ in range(10):
        lab.inject("b", 0, frames.ip_frame(*macs, frames.ip_packet(
            src, dst, 17, frames.udp(1234, 9, b"forged"))))
    moved.wait("ipsec_rx_drop_plain", 10)


@pytest.mark.parametrize("tags", [1, 2, 3, 5])
def test_cleartext_behind_priority_tags_is_dropped_and_counted(lab, sealed, tags):
    """The stack strips any number of tags with VLAN id 0, and takes what is behind them."""
    moved, arrived = Moved(lab.b), Moved(lab.b, snmp_in)
    packet = frames.ip_packet(sealed.out.src_ip, sealed.out.dst_ip, 17,
                              frames.udp(1234, 9, b"forged"))
    plain = frames.ip_frame(mac(lab.b), mac(lab.a), packet)
    tagged = plain[:12] + struct.pack("!HH", frames.ETH_VLAN, 0) * tags + plain[12:]
    for _ in range(10):
        lab.inject("b", 0, tagged)
    moved.wait("ipsec_rx_drop_plain", 10)
    assert not arrived["UdpNoPorts"] and not arrived["Udp6NoPorts"], arrived.now()


def test_tagged_cleartext_does_arrive_where_nothing_protects(lab):
    """The counter-proof: the stack does take what is behind three priority tags."""
    arrived = Moved(lab.b, snmp_in)
    packet = frames.ip_packet(local_ip(lab.a), local_ip(lab.b), 17, frames.udp(1234, 9, b"plain"))
    plain = frames.ip_frame(mac(lab.b), mac(lab.a), packet)
    lab.inject("b", 0, plain[:12] + struct.pack("!HH", frames.ETH_VLAN, 0) * 3 + plain[12:])
    arrived.wait("UdpNoPorts")


def esp_to_b(wire, flow):
    return [f for f in wire.frames(0, "a") if f.kind == "esp" and f.spi == flow.spi]


def test_replayed_frames_are_dropped_and_counted(lab, wire, programs, sealed):
    """What is in the window is known; what is left of it is taken for the next round of the ESN
    (RFC 4303 appendix A), whose high half the ICV covers: not authentic.
    """
    window = sealed.out.window
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        with traffic(a, b):
            pass
        b.ask("fill 0x5a")
        before, moved = b.ask("sum")["sum"], Moved(lab.b)
        recorded = esp_to_b(wire, sealed.out)
        assert len(recorded) > 20
        for frame in recorded:
            lab.inject("b", 0, frame.raw)
        moved.wait("ipsec_rx_drop_pkts", len(recorded))
        in_window = min(window, len(recorded)) // 2
        assert moved["ipsec_rx_drop_replay"] >= in_window
        assert moved["ipsec_rx_drop_replay"] + moved["ipsec_rx_drop_auth"] == len(recorded)
        assert b.ask("sum")["sum"] == before
        assert a.state() == b.state() == "RTS"
        state = sealed.out.state(lab.b)
        assert state["replay"] >= in_window, state["text"]
        a.ask(f"write 3 256 {b.target()}")


def test_forged_esp_is_dropped_and_never_moves_the_window(lab, wire, programs, sealed):
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 10 256 {b.target()}")
        frame = esp_to_b(wire, sealed.out)[-1]
        moved = Moved(lab.b)
        for ahead in (1, 5, 1000, 1 << 20, 1 << 31):
            raw = bytearray(frame.raw)
            struct.pack_into("!I", raw, frame.l4 + 4, (frame.seq + ahead) & 0xFFFFFFFF)
            lab.inject("b", 0, bytes(raw))
        moved.wait("ipsec_rx_drop_pkts", 5)
        assert moved["ipsec_rx_drop_auth"] >= 3
        a.ask(f"write 10 256 {b.target()}")
        state = sealed.out.state(lab.b)
        assert state["failed"] >= 3, state["text"]


def test_every_flipped_byte_of_a_sealed_frame_is_noticed(lab, wire, programs, sealed):
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 3 64 {b.target()}")
        frame = max(esp_to_b(wire, sealed.out), key=lambda f: len(f.raw))
        b.ask("fill 0x5a")
        before, moved = b.ask("sum")["sum"], Moved(lab.b)
        # Another SPI (the first four bytes) is another test.
        span = range(frame.l4 + 4, frame.end)
        for at in span:
            raw = bytearray(frame.raw)
            raw[at] ^= 0x40
            lab.inject("b", 0, bytes(raw))
        moved.wait("ipsec_rx_drop_pkts", len(span))
        assert b.ask("sum")["sum"] == before
        a.ask(f"write 3 64 {b.target()}")


def test_sealed_by_another_sa_is_not_sealed_for_this_flow(lab, wire, programs, sealed):
    """An SA that is good for other addresses cannot speak for the protected ones."""
    other = Flow(lab.a, lab.b, sealed.six)
    other.key = aead.random_key()
    wire.add_keys([other.sa])
    other.add_state(lab.b)
    with queue_pairs(lab, programs, sealed.six) as (a, b):
        a.ask(f"write 3 256 {b.target()}")
        b.ask("fill 0x5a")
        before, moved, forger = b.ask("sum")["sum"], Moved(lab.b), Forger(lab, a, b)
        psn = forger.psn()
        for number, guess in enumerate(range(psn - 2, psn + 6)):
            inner = forger.write(guess & 0xFFFFFF)
            forger.inject(judge.seal(inner, other.spi, number + 1, other.key, esn=True))
        moved.wait("ipsec_rx_drop_policy", 8)
        assert b.ask("sum")["sum"] == before and b.state() == "RTS"


def test_esp_with_good_icv_and_bad_trailer_is_dropped_and_counted(lab, wire, sealed):
    """The peer itself is broken: authentic, but padding or length make no sense."""
    macs = mac(lab.b), mac(lab.a)
    flow = sealed.out
    moved, seq = Moved(lab.b), 5000
    gcm = aead.Gcm(flow.key[:-4])
    plain = (b"\x11" * 20 + bytes((255, 17)), b"", b"\x00", bytes((9, 8, 7, 3, 17)),
             bytes((200, 17)))
    for text in plain:
        seq += 1
        iv = struct.pack("!Q", seq)
        head = struct.pack("!II", flow.spi, seq)
        aad = struct.pack("!IQ", flow.spi, seq)
        body = head + iv + gcm.seal(flow.key[-4:] + iv, text, aad)
        lab.inject("b", 0, frames.ip_frame(*macs, frames.ip_packet(
            flow.src_ip, flow.dst_ip, 50, body)))
    moved.wait("ipsec_rx_drop_pkts", len(plain))
    assert moved["ipsec_rx_drop_trailer"] + moved["ipsec_rx_drop_short"] >= len(plain) - 1
    ping(lab.a, sealed.six)


def test_esp_of_another_devices_sa_is_not_opened_by_the_stack(lab, wire):
    """That device has the window: the stack's own would let a replay in a second time (I4)."""
    flow = Flow(lab.a, lab.b)
    wire.add_keys([flow.sa])
    other = lab.b.run(f"""for n in /sys/class/net/*; do
        [ "$(cat $n/device/vendor 2>/dev/null)" = 0xf0ce ] && [ ${{n##*/}} != {lab.b.env['NETDEV']} ] &&
        echo ${{n##*/}}; done; true""").stdout.split()[0]
    lab.b.run(["sh", "-e"], input=flow.state_command(lab.b).replace(
        f"dev {lab.b.env['NETDEV']} ", f"dev {other} "))
    try:
        moved, arrived = Moved(lab.b), Moved(lab.b, snmp_in)
        inner = frames.ip_packet(flow.src_ip, flow.dst_ip, 17, frames.udp(1234, 9, b"sealed"))
        for seq in range(1, 6):
            lab.inject("b", 0, frames.ip_frame(mac(lab.b), mac(lab.a),
                                               judge.seal(inner, flow.spi, seq, flow.key, esn=True)))
        moved.wait("ipsec_rx_drop_sadb_miss", 5)
        assert not arrived["UdpNoPorts"], arrived.now()
    finally:
        unprotect(lab)


def test_finding_R2_the_stack_opens_nothing_of_an_sa_of_ours(lab, wire):
    """It has the key, and would take a replay through another netdev with a window of its own (I4)."""
    flow, host = Protection(lab, wire).up().out, lab.b
    moved, arrived = Moved(host, xfrm_stat), Moved(host, snmp_in)
    inner = frames.ip_packet(flow.src_ip, flow.dst_ip, 17, frames.udp(1234, 9, b"sealed"))
    sealed_packet = judge.seal(inner, flow.spi, 4000, flow.key, esn=True)
    host.run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
             "sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.v0.rp_filter=0")
    try:
        v0 = host.run("cat /sys/class/net/v0/address").stdout.strip()
        frame = frames.ip_frame(v0, "02:00:00:00:00:07", sealed_packet)
        host.run(["python3", "-c", "import socket, sys\n"
                  "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
                  "s.bind(('v1', 0))\n"
                  f"for _ in range(5): s.send(bytes.fromhex('{frame.hex()}'))"])
        moved.wait("XfrmInStateProtoError", 5)
        ping(lab.a)
        assert not arrived["UdpNoPorts"], arrived.now()
    finally:
        host.run("ip link del v0")
        unprotect(lab)


def test_an_spi_that_nobody_knows_is_counted_as_a_miss(lab, sealed):
    """By the stack: it may have SAs in software that the adapter does not know of."""
    moved = Moved(lab.b, xfrm_stat)
    macs = mac(lab.b), mac(lab.a)
    packet = frames.ip_packet(sealed.out.src_ip, sealed.out.dst_ip, 50,
                              struct.pack("!II", 0xDEAD, 1) + b"\0" * 64)
    for _ in range(5):
        lab.inject("b", 0, frames.ip_frame(*macs, packet))
    moved.wait("XfrmInNoStates", 5)


def test_what_is_injected_is_seen_on_the_capture(lab, wire):
    """The injector works at all."""
    raw = frames.ethernet(mac(lab.b), "02:00:00:00:00:99", 0x88B5, b"lab injector")
    lab.inject("b", 0, raw)
    poll(lambda: any(Frame(f.raw).raw[14:26] == b"lab injector" for f in wire.frames(0, "b")), 10)
