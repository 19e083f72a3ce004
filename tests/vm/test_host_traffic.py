# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The VF's host traffic goes through the same SAs as its RoCE: sealed, and working.

    a: ping, iperf3, nothing special ---- only ESP ---- b
"""

import json

import pytest

from kit import (Moved, Protection, end, local_ip, ping, queue_pairs, set_mtu, traffic, unprotect,
                 xfrm_stat)
from lab import perftest
from lab.frames import Pcap

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire):
    protection = Protection(lab, wire, six=request.param == 6).up()
    ping(lab.a, protection.six)
    wire.forget()
    yield protection
    unprotect(lab)


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


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_tcp_is_sealed_and_gets_through(lab, wire, sealed, mtu):
    set_mtu(lab, mtu)
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
