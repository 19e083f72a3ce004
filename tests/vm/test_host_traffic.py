# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The VF's host traffic goes through the same SAs as its RoCE: sealed, and working.

    a: ping, iperf3, nothing special ---- only ESP ---- b
"""

import json

import pytest

from kit import (Moved, Protection, end, local_ip, ping, poll, queue_pairs, set_mtu, traffic,
                 unprotect, xfrm_stat)
from lab import frames, perftest
from lab.frames import Pcap
from test_forged import mac

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire):
    protection = Protection(lab, wire, six=request.param == 6).up()
    ping(lab.a, protection.six)
    wire.forget()
    yield protection
    unprotect(lab)


@pytest.fixture
def scatter_gather(lab):
    dev = lab.a.env["NETDEV"]

    def turn(sg):
        lab.a.run(f"ethtool -K {dev} sg {sg} && "
                  f"ethtool -k {dev} | grep -q '^scatter-gather: {sg}'")
    yield turn
    lab.a.run(f"ethtool -K {dev} sg off")


def iperf(lab, six, *more, seconds=2):
    server = ["iperf3", "-s", "-1", "-B", local_ip(lab.b, six)]
    client = ["iperf3", "-c", local_ip(lab.b, six), "-t", str(seconds), "-J", *more]
    with lab.b.spawn(server) as there:
        lab.b.wait_port(5201)
        done = lab.a.run(client, timeout=90)
        there.wait(timeout=30)
    result = json.loads(done.stdout)
    assert "error" not in result, result.get("error")
    return result["end"]


def check_only_esp(lab, wire, sealed, kind, at_least):
    wire.check_no_cleartext([local_ip(h, sealed.six) for h in lab.hosts.values()])
    report = wire.examine()
    assert not report.unopened and not report.disagree
    assert report.sealed_kinds[kind] >= at_least, report.sealed_kinds
    return report


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_ping_of_every_size_is_sealed_and_answered(lab, wire, sealed, mtu):
    set_mtu(lab, mtu)
    wire.forget()
    for size in (0, 1, 2, 3, 64, 1000, mtu - 100):
        ping(lab.a, sealed.six, count=2, size=size)
    check_only_esp(lab, wire, sealed, "icmp6" if sealed.six else "icmp", 2 * 2 * 7)


def test_what_needs_fragments_is_dropped_and_counted_never_in_clear(lab, wire, sealed):
    """Transport mode seals whole packets (RFC 4303 3.3.4), and a packet offload cannot leave the
    fragmenting for later: xfrm_dev_offload_ok() refuses what is larger than the path's MTU."""
    set_mtu(lab, 1500)
    ping(lab.a, sealed.six)
    moved = Moved(lab.a, xfrm_stat)
    assert ping(lab.a, sealed.six, count=2, size=4000, check=False, wait=1).rc
    assert moved["XfrmOutError"] >= 2
    wire.check_no_cleartext([local_ip(h, sealed.six) for h in lab.hosts.values()])


# With scatter-gather on, the stack gives its frames in pages, and segments them late.
@pytest.mark.parametrize("mtu, sg", [(1500, "off"), (9000, "on")])
def test_tcp_is_sealed_and_gets_through(lab, wire, sealed, mtu, sg, scatter_gather):
    set_mtu(lab, mtu)
    scatter_gather(sg)
    ping(lab.a, sealed.six)
    wire.forget()
    moved = Moved(lab.a)
    result = iperf(lab, sealed.six)
    assert result["sum_received"]["bytes"] > 100_000
    check_only_esp(lab, wire, sealed, "tcp", 50)
    assert moved["ipsec_tx_bytes"] >= result["sum_received"]["bytes"]
    assert max(len(f.raw) for f in wire.frames(0, "a")) <= mtu + 14, "larger than the MTU"


def test_udp_is_sealed_and_gets_through(lab, wire, sealed):
    result = iperf(lab, sealed.six, "-u", "-b", "2M", "-l", "1000")
    assert result["sum"]["packets"] > 100
    assert result["sum"]["lost_percent"] < 20
    check_only_esp(lab, wire, sealed, "udp", 100)


def test_no_packet_of_sealed_tcp_has_a_wrong_checksum(lab, wire, sealed):
    """Checksums are inside the seal: whoever leaves them to hardware must fill them in first."""
    before = lab.b.run("nstat -az TcpInCsumErrors UdpInCsumErrors").stdout
    iperf(lab, sealed.six, seconds=1)
    after = lab.b.run("nstat -az TcpInCsumErrors UdpInCsumErrors").stdout

    def errors(text):
        return sum(float(line.split()[1]) for line in text.splitlines() if "CsumErrors" in line)
    assert errors(after) == errors(before)


def test_host_traffic_and_roce_share_the_sas(lab, wire, programs, sealed):
    with queue_pairs(lab, programs, sealed.six) as (a, b), traffic(a, b):
        iperf(lab, sealed.six, seconds=1)
        assert a.ask("done")["bad"] == "0"
    report = wire.check_sealed_roce(at_least=20)
    assert report.sealed_kinds["tcp"] >= 20
    assert len({f.spi for f in wire.frames(0, "a") if f.kind == "esp"}) == 2


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_a_packet_socket_on_the_cable_sees_frames_as_they_came(lab, wire, programs, sealed, mtu,
                                                               tmp_path):
    """It holds clones of what is opened meanwhile: opening must not write into them."""
    set_mtu(lab, mtu)
    with lab.b.spawn(["tcpdump", "-i", "cable0", "-Uw", "/tmp/tap.pcap"]) as tap:
        tap.wait_output("listening", 30)
        with queue_pairs(lab, programs, sealed.six, mtu=4096 if mtu > 5000 else 1024) as (a, b):
            a.ask(f"write 50 65536 {b.target()}")
            ping(lab.a, sealed.six, count=3, size=mtu - 100)
            assert a.state() == b.state() == "RTS"
        tap.kill(2)
        tap.wait(30)
    lab.b.get("/tmp/tap.pcap", tmp_path / "tap.pcap")
    tapped = [f for f in Pcap(tmp_path / "tap.pcap").read() if f.kind == "esp"]
    assert len(tapped) >= 50
    sent = {f.raw for f in wire.frames(0, "b")} | {f.raw for f in wire.frames(0, "a")}
    assert not [f for f in tapped if f.raw not in sent]


def test_host_traffic_works_in_clear_where_nothing_protects(lab, wire):
    result = iperf(lab, False, seconds=1)
    assert result["sum_received"]["bytes"] > 100_000
    assert not wire.examine().esp
    perftest.pingpong(end(lab.b), end(lab.a), iters=5)


# ---- frames whose headers are not where they usually are ---------------------------------------------

# Sends each frame from a ring of pages: all but the Ethernet header is outside of the linear part.
RING = """
import mmap, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((sys.argv[1], 0))
s.setsockopt(263, 10, 1)                                # PACKET_VERSION: TPACKET_V2
s.setsockopt(263, 13, struct.pack("4I", 4096, 1, 4096, 1))      # PACKET_TX_RING
ring = mmap.mmap(s.fileno(), 4096)
for word in sys.argv[2:]:
    frame = bytes.fromhex(word)
    ring[32:32 + len(frame)] = frame
    ring[4:12] = struct.pack("2I", len(frame), len(frame))
    ring[0:4] = struct.pack("I", 1)                     # TP_STATUS_SEND_REQUEST
    s.send(b"")                                         # returns when the frame is freed
"""


def framed(lab, packet, tags=()):
    frame = frames.ip_frame(mac(lab.b), mac(lab.a), packet)
    return frame[:12] + b"".join(bytes.fromhex(tag) for tag in tags) + frame[12:]


def fragment(packet, bits):
    """With the flags and the offset of a fragment."""
    return packet[:6] + bits.to_bytes(2, "big") + packet[8:]


def test_the_fence_holds_for_frames_with_a_linear_head_of_14_bytes(lab, wire, scatter_gather):
    """I1: what a rule is for was let out where its headers were in pages: "no drop" was "don't know"."""
    dev = lab.a.env["NETDEV"]

    def udp(port, name, six=False):
        return frames.ip_packet(local_ip(lab.a, six), local_ip(lab.b, six), 17,
                                frames.udp(49152, port, name.encode().ljust(40, b".")))

    roce = udp(4791, "R: plain")
    options = b"\x46" + udp(4791, "R: options")[1:20] + b"\1" * 4 + udp(4791, "R: options")[20:]
    inside = [roce, udp(4791, "R: IPv6", six=True), options,
              fragment(udp(4791, "R: first fragment"), 0x2000)]
    caught = [framed(lab, packet) for packet in inside] + [
        framed(lab, udp(4791, "R: a priority"), ("8100e000",)),      # VLAN 0 is none
        framed(lab, udp(4791, "R: three tags"), ("88a80005", "81000000", "81000000")),
        framed(lab, udp(4791, "R: cut"))[:36]]      # not even its port can be told
    passing = [framed(lab, udp(4791, "P: another VLAN"), ("81000005",)),
               framed(lab, udp(4792, "P: port")), framed(lab, udp(4792, "P: IPv6", six=True)),
               framed(lab, fragment(udp(4791, "P: later fragment"), 0x2008)),
               frames.ethernet(mac(lab.b), mac(lab.a), 0x88B5, b"P: not IP".ljust(60, b"."))]

    scatter_gather("on")
    lab.a.run(f"tc qdisc add dev {dev} clsact; for p in ip ipv6; do tc filter add dev {dev} egress "
              "protocol $p flower skip_sw ip_proto udp dst_port 4791 action drop; done")
    try:
        moved = Moved(lab.a)
        lab.a.run(["python3", "-c", RING, dev, *(f.hex() for f in caught + passing)])

        def on_the_wire():
            return {f.raw for f in wire.frames(0, "a")}

        poll(lambda: set(passing) <= on_the_wire(), 20, "what no rule is for gets out")
        assert not on_the_wire() & set(caught)
        assert moved["tc_drop_egress"] == len(caught)
    finally:
        lab.a.run(f"tc qdisc del dev {dev} clsact")


def test_what_a_policy_seals_is_sealed_from_pages_too(lab, wire, sealed, scatter_gather):
    """I1: the way of a frame of which the policies see 14 bytes before they pull."""
    scatter_gather("on")
    packet = frames.ip_packet(local_ip(lab.a, sealed.six), local_ip(lab.b, sealed.six), 17,
                              frames.udp(49152, 4791, b"R" * 400))
    moved = Moved(lab.a)
    lab.a.run(["python3", "-c", RING, lab.a.env["NETDEV"], framed(lab, packet).hex()])
    assert moved["ipsec_tx_pkts"] == 1
    check_only_esp(lab, wire, sealed, "roce", 1)
