# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The main job, typed by hand: ip xfrm with packet offload, then an unmodified ibv_rc_pingpong.

    a: VF ---- only ESP here ---- VF :b

Nothing of this project's tools is used; what is typed works on any NIC with packet offload.
"""

import pytest

from kit import Moved, Protection, end, ethtool, hw_counters, ping, set_mtu, unprotect
from lab import judge, perftest

pytestmark = pytest.mark.lab(scenario="vf")


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire):
    protection = Protection(lab, wire, six=request.param == 6).up()
    yield protection
    unprotect(lab)


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_pingpong_is_sealed_and_an_outside_judge_opens_it(lab, wire, sealed, mtu):
    set_mtu(lab, mtu)
    six = sealed.six
    ping(lab.a, six)
    wire.forget()
    moved = {h: Moved(lab.host(h)) for h in "ab"}
    pair = perftest.pingpong(end(lab.b, six), end(lab.a, six), iters=200,
                             mtu=4096 if mtu == 9000 else 1024)
    assert "iters in" in pair.client
    report = wire.check_sealed_roce(at_least=800)
    assert report.tshark_roce == report.sealed_roce
    for host in "ab":
        assert moved[host]["ipsec_tx_pkts"] >= 400 and moved[host]["ipsec_rx_pkts"] >= 400
        assert moved[host]["ipsec_tx_bytes"] >= 200 * 4096
        assert not moved[host]["ipsec_tx_drop_pkts"] and not moved[host]["ipsec_rx_drop_pkts"]


def test_ip_xfrm_state_shows_mode_packet(lab, sealed):
    for host in lab.hosts.values():
        text = host.run("ip xfrm state").stdout
        assert text.count("mode packet") == 2, judge.sas_from_xfrm(text)
        assert f"dev {host.env['NETDEV']} dir out mode packet" in text
        assert f"dev {host.env['NETDEV']} dir in mode packet" in text
        assert host.run("ip xfrm policy").stdout.count("mode packet") == 2


def test_rdma_counters_count_packets_and_ipsec(lab, sealed):
    moved = {h: Moved(lab.host(h), hw_counters) for h in "ab"}
    perftest.pingpong(end(lab.b, sealed.six), end(lab.a, sealed.six), iters=50)
    for host in "ab":
        for name in ("sent_pkts", "rcvd_pkts", "ipsec_tx_pkts", "ipsec_rx_pkts", "rdma_sends",
                     "rdma_recvs"):
            assert moved[host][name] >= 50, name


def test_rdma_statistic_shows_the_same_names(lab, sealed):
    dev = lab.a.env["RDMADEV"]
    text = lab.a.run(f"rdma statistic show link {dev}/1").stdout
    for name in ("sent_pkts", "rcvd_pkts", "duplicate_request", "out_of_seq_request",
                 "rcvd_rnr_err", "send_rnr_err", "rcvd_seq_err", "ack_deferred",
                 "retry_exceeded_err", "retry_rnr_exceeded_err", "completer_retry_err", "send_err",
                 "link_downed", "rdma_sends", "rdma_recvs", "ipsec_tx_pkts", "ipsec_rx_drop_pkts"):
        assert f" {name} " in text, name


def test_ethtool_has_the_counters_that_mlx5_users_know(lab):
    names = ethtool(lab.a)
    for name in ("ipsec_rx_pkts", "ipsec_rx_bytes", "ipsec_rx_drop_pkts", "ipsec_rx_drop_bytes",
                 "ipsec_rx_drop_mismatch_sa_sel", "ipsec_tx_pkts", "ipsec_tx_bytes",
                 "ipsec_tx_drop_pkts", "ipsec_tx_drop_bytes", "ipsec_rx_drop_sp_alloc",
                 "ipsec_rx_drop_sadb_miss", "ipsec_tx_drop_bundle", "ipsec_tx_drop_no_state",
                 "ipsec_tx_drop_not_ip", "ipsec_tx_drop_trailer"):
        assert name in names


@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("esn,window", [(True, 32), (True, 256), (True, 4096), (False, 32)])
def test_key_sizes_windows_and_esn_all_work(lab, wire, bits, esn, window):
    try:
        Protection(lab, wire, bits=bits, esn=esn, window=window).up()
        perftest.pingpong(end(lab.b), end(lab.a), iters=30)
        wire.check_sealed_roce(at_least=100)
    finally:
        unprotect(lab)


def test_without_a_policy_roce_travels_in_clear_with_right_icrcs(lab, wire):
    perftest.pingpong(end(lab.b), end(lab.a), iters=50)
    report = wire.examine()
    assert len(report.clear_roce) >= 200 and not report.esp and not report.wrong_icrc


def test_neighbour_discovery_is_the_only_ipv6_in_clear(lab, wire):
    try:
        Protection(lab, wire, six=True).up()
        for host in lab.hosts.values():
            host.run(f"ip neigh flush dev {host.env['NETDEV']}")
        ping(lab.a, six=True, count=3)
        ends = [lab.a.env["LOCAL_IP6"], lab.b.env["LOCAL_IP6"]]
        wire.check_no_cleartext(ends)
        assert any(f.kind == "nd" for f in wire.frames(0, "a"))
    finally:
        unprotect(lab)
