# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""SAs typed on a bond live on its ports: one counter, one window, on two cables.

    a: bond0 = VF 0 + VF 1 ---- cable 0, only ESP ---- VF 0 + VF 1 = bond0 :b
       (balance-xor,       ---- cable 1, only ESP ----
        layer3+4)

The nonce oracle goes over all captures of both cables after each test: per SA, no number repeats.
"""

from pathlib import Path

import pytest

from bondkit import (WINDOW, carried, check_only_esp, esp, helper, port_counters, ports,
                     refusal, tcp, unprotect_bond)
from kit import (Flow, Moved, Protection, check_does_not_move, each, local_ip, ping, poll, xfrm_events,
                 xfrm_stat)

pytestmark = [pytest.mark.lab(scenario="bond-plain"), pytest.mark.dealt]

# As fast as the host can, spread over both cables by their ports.
FLOOD = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
while True:
    for port in range(20000, 20032):
        try:
            s.sendto(b"x" * 64, ("%s", port))
        except OSError:
            pass
"""


@pytest.fixture
def sealed(lab, wire):
    protection = Protection(lab, wire, window=WINDOW).up()
    ping(lab.a)
    wire.forget()
    yield protection
    unprotect_bond(lab)


def test_states_and_policies_on_the_bond_are_accepted_and_shown(lab, sealed):
    for host in lab.hosts.values():
        text = host.run("ip xfrm state").stdout
        assert text.count("dev bond0 dir out mode packet") == 1
        assert text.count("dev bond0 dir in mode packet") == 1
        assert host.run("ip xfrm policy").stdout.count("mode packet") == 2


def test_tcp_over_the_bond_is_sealed_on_both_cables(lab, wire, sealed):
    moved = port_counters(lab.a)
    tcp(lab, seconds=2)
    check_only_esp(lab, wire)
    assert all(count >= 20 for count in carried(wire)), carried(wire)
    assert all(moved[dev] >= 20 for dev in ports(lab.a)), moved.now()
    for cable in (0, 1):
        report = wire.examine(cable)
        assert not report.unopened and not report.disagree
        assert report.sealed_kinds["tcp"] >= 20, report.sealed_kinds


def test_the_bond_shows_the_sum_of_its_ports_and_one_sequence(lab, wire, sealed):
    tcp(lab)
    out, come = sealed.out.state(lab.a), sealed.out.state(lab.b)
    sent = sum(f.kind == "esp" and f.spi == sealed.out.spi for f in wire.frames(host="a"))
    assert out["packets"] >= sent > 50
    # One counter for both ports: as many numbers as packets.
    assert out["oseq"] == out["packets"]
    assert come["packets"] == out["packets"], "packets lost, or counted twice"
    assert not come["replay"] and not come["failed"]


def test_a_frame_is_taken_once_whichever_cable_brings_it(lab, wire, sealed):
    """I4: one window for both ports; what came on one cable is a replay on either."""
    ping(lab.a, count=8)
    for cable in (0, 1):
        frames = [f.raw for f in wire.frames(cable, "b")
                  if f.kind == "esp" and f.spi == sealed.out.spi][:4]
        for other in (0, 1):
            before = sealed.out.state(lab.b)
            for raw in frames:
                lab.inject("b", other, raw)
            poll(lambda: sealed.out.state(lab.b)["replay"] >= before["replay"] + len(frames), 10,
                 f"{len(frames)} replays of cable {cable} counted at cable {other}")
            assert sealed.out.state(lab.b)["packets"] == before["packets"]


def test_cutting_and_plugging_a_cable_loses_no_connection(lab, wire, sealed):
    server = ["iperf3", "-s", "-1", "-B", local_ip(lab.b)]
    client = ["iperf3", "-c", local_ip(lab.b), "-t", "12", "-P", "4", "-J"]
    with lab.b.spawn(server) as there:
        lab.b.wait_port(5201)
        with lab.a.spawn(client) as here:
            for cable in (0, 1):
                poll(lambda: all(carried(wire)) or sum(carried(wire)) > 200, 20, "traffic")
                lab.cut(cable)
                poll(lambda: "MII Status: down" in lab.a.run("cat /proc/net/bonding/bond0").stdout,
                     10, "the bond sees it")
                lab.plug(cable)
                poll(lambda: "MII Status: down" not in
                     lab.a.run("cat /proc/net/bonding/bond0").stdout, 10, "the bond sees it")
            result = here.wait(timeout=60)
        there.wait(timeout=30)
    assert result.rc == 0, result.output
    check_only_esp(lab, wire)


def test_a_port_leaves_and_comes_back_with_all_it_needs(lab, wire, sealed):
    # At both ends: a bond that hashes has no other way to know that its peer lost a port.
    each(lab, lambda host: f"ip link set {ports(host)[1]} nomaster")
    last = sealed.out.state(lab.a)["oseq"]
    tcp(lab)
    wire.forget()
    each(lab, lambda host: f"ip link set {ports(host)[1]} down; "
                           f"ip link set {ports(host)[1]} master bond0")
    dev, moved = ports(lab.a)[1], port_counters(lab.a)
    poll(lambda: tcp(lab) and moved[dev] > 20, 30, "traffic on the port that is back")
    assert carried(wire)[1] > 20
    assert sealed.out.state(lab.a)["oseq"] > last
    check_only_esp(lab, wire)


def test_a_port_that_leaves_lets_nothing_out_in_clear(lab, wire, sealed):
    """I1: also where the NIC does not remember by itself what it protected.

    Bonding tells that the port leaves before it has stopped to send through it.
    """
    dev, host = ports(lab.a)[1], lab.a
    host.run(f"ethtool --set-priv-flags {dev} ipsec-fail-closed off")
    try:
        with host.spawn(["python3", "-c", FLOOD % local_ip(lab.b)]) as flood:
            flood.wait_output("ready")
            for _ in range(6):
                wire.forget()
                poll(lambda: carried(wire)[1] > 20, 20, "traffic on the port")
                host.run(f"ip link set {dev} nomaster")
                check_only_esp(lab, wire)
                host.run(f"ip link set {dev} master bond0")
            flood.stop()
        check_only_esp(lab, wire)
    finally:
        host.run(f"ethtool --set-priv-flags {dev} ipsec-fail-closed on")


def test_a_shared_limit_goes_on_after_all_ports_were_away(lab, wire):
    limit = 120
    sealed = Protection(lab, wire, window=WINDOW)
    sealed.out.more = f"limit packet-soft {limit - 1} limit packet-hard {limit}"
    host, devs = lab.a, ports(lab.a)
    try:
        sealed.up()
        wire.forget()
        ping(host, count=limit // 2)
        host.run("\n".join(f"ip link set {dev} nomaster" for dev in devs))
        host.run("\n".join(f"ip link set {dev} master bond0" for dev in devs))
        # The poll, which asks xfrm once a second, must not be what finds out.
        host.run(f"ping -q -f -c {limit * 4} -w 5 {local_ip(lab.b)}", check=False)
        poll(lambda: f"{sealed.out.spi:#010x}" not in host.run("ip xfrm state").stdout, 10,
             "the state expires")
        assert sum(f.kind == "esp" and f.spi == sealed.out.spi
                   for f in wire.frames(host="a")) == limit
    finally:
        unprotect_bond(lab)


def test_lifetimes_count_all_ports_together(lab, wire):
    limit = 200
    sealed = Protection(lab, wire, window=WINDOW)
    sealed.out.more = f"limit packet-soft {limit // 2} limit packet-hard {limit}"
    try:
        with xfrm_events(lab.a, "expire") as monitor, \
                lab.b.spawn(["iperf3", "-s", "-B", local_ip(lab.b)]):
            sealed.up()
            lab.b.wait_port(5201)
            lab.a.run(f"ping -q -c {limit // 2 + 10} -i 0.02 {local_ip(lab.b)}")
            poll(lambda: "hard 0" in monitor.stdout, 10, "a soft expire event")
            # More packets than the limit leaves, on both ports.
            lab.a.run(f"timeout 10 iperf3 -c {local_ip(lab.b)} -t 1 -P 8", check=False)
            poll(lambda: "hard 1" in monitor.stdout, 10, "a hard expire event")
        sent = [sum(f.kind == "esp" and f.spi == sealed.out.spi for f in wire.frames(c, "a"))
                for c in (0, 1)]
        assert sum(sent) == limit and all(sent), sent
        check_only_esp(lab, wire)
    finally:
        unprotect_bond(lab)


def test_a_second_sa_with_the_same_key_is_refused_and_says_why(lab, sealed):
    twin = Flow(lab.a, lab.b)
    twin.key = sealed.out.key
    assert "nonces would repeat" in refusal(lab.a, twin)


def test_finding_R16_a_key_that_has_sealed_is_not_taken_again(lab, wire, sealed):
    """Also when its SA is long deleted; unless the new one begins behind where that ended."""
    ping(lab.a, count=3)
    used = sealed.out.state(lab.a)["oseq"]
    sealed.out.delete_state(lab.a)
    again = Flow(lab.a, lab.b, reqid=sealed.out.reqid)
    again.key = sealed.out.key
    assert "nonces would repeat" in refusal(lab.a, again)
    # A script that runs once more: the same SPI, too.
    assert "nonces would repeat" in refusal(lab.a, sealed.out)
    # 1 << 16 numbers more than were seen count as used, and the host may have sent since.
    again.more = f"replay-oseq {used + (2 << 16):#x}"
    again.esn = False
    lab.a.run(["sh", "-e"], input=again.state_command(lab.a))
    # Never used, so it is free as soon as that is gone.
    idle = Flow(lab.a, lab.b)
    for _ in range(2):
        idle.add_state(lab.a)
        idle.delete_state(lab.a)


def test_finding_R16_a_key_belongs_to_one_bond_alone(lab, sealed):
    host, dev = lab.a, ports(lab.a)[1]
    try:
        host.run(f"ip link set {dev} nomaster; ip link add bond7 type bond mode active-backup; "
                 f"ip link set {dev} down; ip link set {dev} master bond7; ip link set bond7 up")
        poll(lambda: "esp-hw-offload: on" in host.run(
            "ethtool -K bond7 esp-hw-offload on; ethtool -k bond7", check=False).stdout, 10)
        twin = Flow(lab.a, lab.b)
        twin.key = sealed.out.key
        command = twin.state_command(host).replace("dev bond0", "dev bond7")
        done = host.run(["sh", "-e"], input=command, check=False)
        assert done.rc and "nonces would repeat" in done.output, done.output
    finally:
        host.run(f"ip link del bond7; ip link set {dev} down; ip link set {dev} master bond0")


def test_adding_an_sa_twice_is_an_error_and_harms_nothing(lab, wire, sealed):
    assert "exists" in refusal(lab.a, sealed.out)
    tcp(lab)
    check_only_esp(lab, wire)


def raced(lab, wire, reqid: int) -> Flow:
    """An SA of host a that xfrm has added while one of its identity, with its key, came to its end."""
    lab.a.put(Path(__file__).parent / "src/twins_nl.py", "/tmp/twins_nl.py")
    for _ in range(5):
        flow = Flow(lab.a, lab.b, window=WINDOW, reqid=reqid)
        flow.add_state(lab.b)
        wire.add_keys([flow.sa])
        done = lab.a.run(["python3", "/tmp/twins_nl.py", lab.a.env["NETDEV"], flow.src_ip, flow.dst_ip,
                          str(flow.spi), str(reqid), flow.key.hex()])
        if done.stdout.split() == ["0"]:
            return flow
    raise AssertionError("the moment was missed five times")


def test_finding_R14_an_sa_takes_over_from_one_that_ends_while_it_is_added(lab, wire, sealed):
    """It was at no port until then, has the other one's key, and goes on behind its numbers (I3)."""
    sealed.out.delete_state(lab.a)
    flow = raced(lab, wire, sealed.out.reqid)
    poll(lambda: not ping(lab.a, check=False).rc, 20, "the second one carries the flow")
    numbers = [f.seq for c in (0, 1) for f in esp(wire, c, spi=flow.spi)]
    # The first one's packet; and the second one's, behind all that a port may have had on its way.
    assert 1 in numbers and not [n for n in numbers if 10 < n <= 1 << 16] and max(numbers) > 1 << 16
    (sa,) = [sa for sa in helper(lab.a, "sas") if sa["sa_spi"] == flow.spi]
    assert [port["sa_port_state"] for port in sa["sa_port"]] == ["live", "live"]
    check_only_esp(lab, wire)


@pytest.mark.only("newest")	# The older one's xfrm_state_migrate() warns when it fails.
def test_finding_an_sa_of_a_bond_is_not_moved_out_of_its_windows_sight(lab, wire, sealed):
    check_does_not_move(lab, sealed.out)
    ping(lab.a, count=3)
    check_only_esp(lab, wire)


def test_round_robin_is_refused_and_says_what_to_use(lab):
    host = lab.a
    try:
        host.run("ip link add bond9 type bond mode balance-rr; ip link set bond9 up; sleep 0.5; "
                 "ethtool -K bond9 esp-hw-offload on")
        said = host.run("ip xfrm policy add src 10.9.0.1 dst 10.9.0.2 dir out tmpl proto esp "
                        "reqid 9 mode transport offload packet dev bond9", check=False)
        assert said.rc and "use 802.3ad, balance-xor or active-backup" in said.output
    finally:
        host.run("ip link del bond9")


def test_a_hash_policy_that_does_not_fit_closes_the_flow(lab, wire, sealed):
    lab.a.run("ip link set bond0 type bond xmit_hash_policy layer2")
    try:
        poll(lambda: f"{sealed.out.spi:#010x}" not in lab.a.run("ip xfrm state").stdout, 10,
             "states flushed")
        assert ping(lab.a, check=False, wait=1).rc
        assert "use layer3+4" in refusal(lab.a, sealed.fresh(sealed.out))
        check_only_esp(lab, wire)
    finally:
        lab.a.run("ip link set bond0 type bond xmit_hash_policy layer3+4")


def test_a_port_without_offload_is_refused_by_a_bond_that_has_sas(lab, sealed):
    lab.a.run("ip link add idle0 type dummy")
    try:
        done = lab.a.run("ip link set idle0 master bond0", check=False)
        assert done.rc and "cannot offload IPsec packets" in done.output
    finally:
        lab.a.run("ip link del idle0")


def test_offload_of_a_bond_stays_off_where_a_port_cannot(lab):
    host = lab.a
    try:
        host.run("ip link add idle1 type dummy; ip link add bond8 type bond mode balance-xor "
                 "xmit_hash_policy layer3+4; ip link set idle1 master bond8; sleep 0.5")
        host.run("ethtool -K bond8 esp-hw-offload on", check=False)
        assert "esp-hw-offload: off" in host.run("ethtool -k bond8").stdout
    finally:
        host.run("ip link del bond8; ip link del idle1")


def test_an_sa_deleted_under_traffic_closes_both_ports(lab, wire, sealed):
    with lab.a.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)]) as flood:
        poll(lambda: sum(carried(wire)) > 20, 20, "traffic")
        moved = Moved(lab.a, xfrm_stat)
        sealed.out.delete_state(lab.a)
        poll(lambda: moved.now(), 20, "the stack refuses to send")
        flood.stop()
    check_only_esp(lab, wire)


def test_netlink_tells_bonds_ports_and_sas_port_by_port(lab, wire, sealed):
    ping(lab.a, count=3)
    (bond,) = helper(lab.a, "bonds")
    assert bond["ifname"] == "bond0" and bond["n_sas"] == 2 and bond["n_policies"] == 2
    assert [p["port_ifname"] for p in bond["port"]] == ports(lab.a)
    assert all(p.get("port_running") and p.get("port_can_offload") for p in bond["port"])
    assert len({p["port_engine"] for p in bond["port"]}) == 1, "ports of one adapter share SAs"
    sas = {sa["sa_spi"]: sa for sa in helper(lab.a, "sas")}
    assert set(sas) == {sealed.out.spi, sealed.back.spi}
    for flow in (sealed.out, sealed.back):
        sa = sas[flow.spi]
        assert sa["placement"] == 1 and sa["sa_daddr"] == flow.dst_ip
        assert [p["sa_port_state"] for p in sa["sa_port"]] == ["live", "live"]
        assert sum(p["sa_port_packets"] for p in sa["sa_port"]) == flow.state(lab.a)["packets"] > 0
        assert len({p["sa_port_last"] for p in sa["sa_port"]}) == 1, "one counter, one window"


def test_netlink_refuses_what_makes_no_sense_with_words(lab):
    (bond,) = helper(lab.a, "bonds")
    assert helper(lab.a, "place", bond["ifindex"], 1) == "ok"
    assert "active-backup" in helper(lab.a, "place", bond["ifindex"], 3)["text"]
    assert helper(lab.a, "place", bond["ifindex"], 0) == "ok"
    assert helper(lab.a, "place", bond["ifindex"], 9)["error"]
    assert "no such bond" in helper(lab.a, "place", 1, 0)["text"]
    for cmd in (1, 2, 9, 200):
        for attributes in ("", "0000", "05000200ff", "080002000000", "0800020000000000",
                           "0800ff0000000000", "ffff0200"):
            assert helper(lab.a, "raw", cmd, attributes)["error"]
    assert helper(lab.a, "bonds") == [bond]
