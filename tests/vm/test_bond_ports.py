# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Two independent adapters, both sending: an SA per port, with an SPI and key of its own (RFC 9611).

    a: bond0 = adapter 0, VF ---- cable 0, SPI and key 0 ---- VF, adapter 0 = bond0 :b
       (balance-xor,   1, VF ---- cable 1, SPI and key 1 ---- VF, adapter 1
        layer3+4)

Nobody says which SA is for which port: typed one after the other they spread.  An outbound SA stays
at its port; an inbound one has one live window, where its traffic comes.  The nonce oracle goes over
all captures after each test.
"""

import json

import pytest

from bondkit import (WINDOW, carried, check_only_esp, helper, made, port_counters, ports, refusal,
                     tcp, unprotect_bond)
from kit import Flow, Moved, each, local_ip, poll, wait_answer, xfrm_events, xfrm_stat
from lab import frames as fr
from lab import judge

pytestmark = [pytest.mark.lab(scenario="adapters"), pytest.mark.dealt]

CABLES = (0, 1)
TSHARK = 300    # frames shown to tshark for each question
UDP_PORT = 7777

# Many flows, so that both ports carry some of them; one way.
SENDER = f"""
import socket, time
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
while True:
    for s in socks:
        try:
            s.sendto(b"x" * 64, ("%s", {UDP_PORT}))
        except OSError:
            pass
    time.sleep(0.05)
"""
# What came, one line for each payload.
LISTENER = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {UDP_PORT}))
print("ready", flush=True)
while True:
    print(s.recv(100).decode(), flush=True)
"""


class PerPort:
    """An SA for each port and direction, all of a direction under one policy."""

    def __init__(self, lab, wire):
        self.lab, self.wire = lab, wire
        self.out = self._pair(lab.a, lab.b)
        self.back = self._pair(lab.b, lab.a)
        self.flows = self.out + self.back

    def _pair(self, src, dst):
        first = Flow(src, dst, window=WINDOW)
        return [first, Flow(src, dst, window=WINDOW, reqid=first.reqid)]

    def up(self):
        self.wire.add_keys([flow.sa for flow in self.flows])
        each(self.lab, lambda host: "\n".join(
            [f.state_command(host) for f in self.flows]
            + [f.policy_command(host) for f in (self.out[0], self.back[0])]))
        return self


@pytest.fixture
def sealed(lab, wire):
    protection = PerPort(lab, wire).up()
    wait_answer(lab.a)
    wire.forget()
    yield protection
    unprotect_bond(lab)


@pytest.fixture
def bare(lab):
    """For what types SAs itself."""
    yield
    unprotect_bond(lab)


def stream(lab, host):
    """UDP to the peer over both ports, until the block ends."""
    return host.spawn(["python3", "-c", SENDER % local_ip(host.peer)])


class Sa:
    """What the helper tells of an SA; ports by number, 0 or 1."""

    def __init__(self, told, where):
        self.placement = told["placement"]
        self.home = where.index(told["sa_home_ifindex"]) if "sa_home_ifindex" in told else None
        cells = sorted((where.index(p["sa_port_ifindex"]), p) for p in told["sa_port"])
        self.live = [n for n, p in cells if p["sa_port_state"] == "live"]
        self.missed = [p["sa_port_missed"] for _, p in cells]


def indices(host):
    """Interface indices of bond and ports."""
    names = ["bond0", *ports(host)]
    found = host.run(["cat", *(f"/sys/class/net/{name}/ifindex" for name in names)]).stdout.split()
    return int(found[0]), [int(n) for n in found[1:]]


def sas(host):
    where = indices(host)[1]
    return {sa["sa_spi"]: Sa(sa, where) for sa in helper(host, "sas")}


def of(host, flow):
    return sas(host)[flow.spi]


def sent(wire, cable, host, flow):
    """Frames of the SA that a host put on, or got from, its end of a cable."""
    return [f for f in wire.frames(cable, host) if f.kind == "esp" and f.spi == flow.spi]


def set_home(host, flow, port, count=1):
    bond, where = indices(host)
    return helper(host, "home", bond, flow.dst_ip, flow.spi, where[port], count)


def test_sas_spread_over_the_ports_and_netlink_tells_their_homes(lab, sealed):
    for host in lab.hosts.values():
        there = sas(host)
        for pair in (sealed.out, sealed.back):
            assert [there[flow.spi].home for flow in pair] == [0, 1]
            assert [there[flow.spi].live for flow in pair] == [[0], [1]]
        assert {sa.placement for sa in there.values()} == {2}


def test_both_cables_carry_traffic_each_under_its_own_spi_and_key(lab, wire, sealed):
    moved = port_counters(lab.a)
    tcp(lab)
    check_only_esp(lab, wire)
    assert all(count >= 20 for count in carried(wire)), carried(wire)
    assert all(moved[dev] >= 20 for dev in ports(lab.a)), moved.now()
    for cable in CABLES:
        esp = [f for f in wire.frames(cable, "a") if f.kind == "esp"]
        own = [sealed.out[cable], sealed.back[cable]]
        assert {f.spi for f in esp} == {flow.spi for flow in own}
        esp = esp[:TSHARK]
        assert len(judge.tshark_open(esp, [flow.sa for flow in own])) == len(esp)
        # The keys of the other cable, under this cable's SPIs: they open nothing.
        others = [judge.Sa(mine.src_ip, mine.dst_ip, mine.spi, other.key, mine.esn)
                  for mine, other in zip(own, (sealed.out[1 - cable], sealed.back[1 - cable]))]
        report = judge.examine(esp, others)
        assert len(report.unopened) == len(esp)
    for flow in sealed.out:
        state = flow.state(lab.b)
        assert state["packets"] >= 20 and not state["replay"] and not state["failed"]
    assert not any(sum(sa.missed) for sa in sas(lab.b).values())


def test_a_flow_on_a_port_without_an_sa_is_closed_there(lab, wire, sealed):
    """I1: the port's own policy closes it; the SA of the other port must not help out."""
    with stream(lab, lab.a) as sender:
        poll(lambda: all(carried(wire)), 20, "traffic on both cables")
        sealed.out[1].delete_state(lab.a)
        moved = Moved(lab.a, lambda host: {dev: int(host.run(
            f"ethtool -S {dev} | sed -n 's/ *ipsec_tx_drop_no_state: //p'").stdout)
            for dev in ports(host)})
        wire.forget()
        poll(lambda: moved[ports(lab.a)[1]] >= 20, 20, "port 1 refuses what hashes to it")
        assert len(sent(wire, 0, "a", sealed.out[0])) >= 10
        assert not sent(wire, 1, "a", sealed.out[0]) and not sent(wire, 1, "a", sealed.out[1])
        sender.stop()
    check_only_esp(lab, wire)


def test_an_sa_that_replaces_a_dying_one_comes_to_the_same_port(lab, wire, bare):
    protection = PerPort(lab, wire)
    protection.out[1].more = "limit packet-soft 5"
    protection.up()
    with xfrm_events(lab.a, "expire") as monitor, stream(lab, lab.a) as sender:
        poll(lambda: "hard 0" in monitor.stdout, 20, "a soft expire event")
        sender.stop()
    fresh = [Flow(lab.a, lab.b, window=WINDOW, reqid=protection.out[0].reqid) for _ in range(2)]
    wire.add_keys([flow.sa for flow in fresh])
    for flow in fresh:
        flow.add_state(lab.a)
    there = sas(lab.a)
    assert [there[flow.spi].home for flow in fresh] == [1, 0]


def test_an_inbound_sa_follows_its_traffic_and_the_outbound_one_stays(lab, wire, sealed):
    back, packets = sealed.back[1], {}
    before = {flow.spi: flow.state(lab.a)["packets"] for flow in sealed.back}
    with stream(lab, lab.b) as sender:
        poll(lambda: all(f.state(lab.a)["packets"] > 10 for f in sealed.back), 20, "traffic")
        assert of(lab.a, back).live == [1]
        # At a's end alone: b goes on sending there.
        lab.a.qmp("set_link", name="cable1", up=False)
        poll(lambda: of(lab.a, back).live == [0], 10, "it moves away from a dead port")
        there = sas(lab.a)
        assert there[back.spi].home == 0 and there[sealed.out[1].spi].home == 1
        arrived = back.state(lab.a)["packets"]
        lab.a.qmp("set_link", name="cable1", up=True)
        poll(lambda: of(lab.a, back).live == [1], 10, "it comes to where its traffic is")
        poll(lambda: back.state(lab.a)["packets"] > arrived + 20, 10, "and takes it")
        packets = {flow.spi: flow.state(lab.a)["packets"] for flow in sealed.back}
        sender.stop()
    there = sas(lab.a)
    assert there[back.spi].missed[1] >= 2 and not there[back.spi].missed[0]
    assert there[sealed.out[1].spi].live == [1]
    assert helper(lab.a, "bonds")[0]["n_handovers"] >= 2
    for flow in sealed.back:
        # I4, seen from outside: no more than was sent.
        came = {f.seq for cable in CABLES for f in sent(wire, cable, "b", flow)}
        assert packets[flow.spi] - before[flow.spi] <= len(came)
    check_only_esp(lab, wire)


def test_cutting_a_cable_loses_no_connection_and_plugging_it_none(lab, wire, sealed):
    server = ["iperf3", "-s", "-1", "-B", local_ip(lab.b)]
    client = ["iperf3", "-c", local_ip(lab.b), "-t", "5", "-P", "8", "-J"]

    def is_down():
        return "MII Status: down" in lab.a.run("cat /proc/net/bonding/bond0").stdout

    with lab.b.spawn(server) as there:
        lab.b.wait_port(5201)
        with lab.a.spawn(client) as here:
            poll(lambda: all(carried(wire)), 20, "traffic on both cables")
            lab.cut(1)
            poll(is_down, 10, "the bond sees it")
            wire.forget()
            poll(lambda: carried(wire)[0] > 50, 10, "all of it on cable 0")
            assert {f.spi for f in wire.frames(0, "a") if f.kind == "esp"} <= \
                {sealed.out[0].spi, sealed.back[0].spi}
            lab.plug(1)
            poll(lambda: not is_down(), 10, "the bond sees it")
            poll(lambda: carried(wire)[1] > 5, 10, "cable 1 again")
            result = here.wait(timeout=60)
        there.wait(timeout=30)
    assert result.rc == 0, result.output
    there = sas(lab.a)
    assert [there[flow.spi].home for flow in sealed.out] == [0, 1]
    check_only_esp(lab, wire)


@pytest.mark.parametrize("gro", ["on", "off"])
def test_a_replay_on_the_other_cable_is_not_taken_and_is_counted(lab, wire, sealed, gro):
    """I4: neither port takes it, nor does the kernel, which has the key as well."""
    flow = sealed.out[0]
    each(lab, lambda host: "\n".join(f"ethtool -K {dev} gro {gro}" for dev in ports(host)))
    try:
        before, stat, dev = flow.state(lab.b), Moved(lab.b, xfrm_stat), ports(lab.b)[0]
        # From here to the replays nobody asks xfrm for the state: its own window stays behind.
        opened = Moved(lab.b, lambda host: {dev: int(host.run(
            f"ethtool -S {dev} | sed -n 's/ *ipsec_rx_pkts: //p'").stdout)})
        wire.forget()
        with stream(lab, lab.a) as sender:
            poll(lambda: len(sent(wire, 0, "b", flow)) >= 30, 20, "traffic")
            sender.stop()
        poll(lambda: opened[dev] == len(sent(wire, 0, "b", flow)), 20, "all of it arrives")
        old = [f.raw for f in sent(wire, 0, "b", flow)][-20:]
        taken = before["packets"] + opened[dev]
        for raw in old:
            lab.inject("b", 1, raw)

        def counted():
            """At the port, by its engine once the SA has moved there, or by xfrm under GRO."""
            return (sum(of(lab.b, flow).missed) + flow.state(lab.b)["replay"] - before["replay"]
                    + stat["XfrmInStateSeqError"])

        poll(lambda: counted() == len(old), 10, f"{len(old)} replays counted")
        if gro == "off":
            assert of(lab.b, flow).missed[1] >= 1 and not stat["XfrmInStateSeqError"]
        assert flow.state(lab.b)["packets"] == taken
        # What comes next is taken, wherever the SA is now.
        with stream(lab, lab.a) as sender:
            poll(lambda: flow.state(lab.b)["packets"] > taken + 10, 20, "new traffic")
            sender.stop()
    finally:
        each(lab, lambda host: "\n".join(f"ethtool -K {dev} gro on" for dev in ports(host)))
    check_only_esp(lab, wire)


@pytest.mark.parametrize("gro", ["on", "off"])
def test_what_came_to_the_wrong_port_is_delivered_once_if_at_all(lab, wire, sealed, gro):
    """I4: with the key the kernel would open it there, and the right port would take it again."""
    flow = sealed.out[0]
    each(lab, lambda host: "\n".join(f"ethtool -K {dev} gro {gro}" for dev in ports(host)))
    try:
        listen = LISTENER.replace(str(UDP_PORT), str(UDP_PORT + 1))
        with stream(lab, lab.a), lab.b.spawn(["python3", "-c", listen]) as listener:
            listener.wait_output("ready")
            # A live window that moves stays where it is.
            poll(lambda: len(sent(wire, 0, "b", flow)) >= 30, 20, "traffic")
            fresh = made(sent(wire, 0, "b", flow)[0].raw, flow, 1500, UDP_PORT + 1)
            before = of(lab.b, flow)
            lab.inject("b", 1, fresh)
            poll(lambda: of(lab.b, flow).missed[1] > before.missed[1], 10, "counted as missed")
            assert "fresh" not in listener.stdout
            lab.inject("b", 0, fresh)
            listener.wait_output("fresh")
            lab.inject("b", 1, fresh)
            lab.inject("b", 0, fresh)
            poll(lambda: flow.state(lab.b)["replay"] >= 1, 10, "counted as replayed")
            listener.stop()
        assert listener.stdout.count("fresh") == 1
    finally:
        each(lab, lambda host: "\n".join(f"ethtool -K {dev} gro on" for dev in ports(host)))


def test_a_home_can_be_named_before_the_sa_comes(lab, bare):
    host = lab.a
    pair = PerPort(lab, None).out
    assert set_home(host, pair[0], 0) == "ok"
    assert set_home(host, pair[0], 1) == "ok", "the second one counts"
    pair[0].add_state(host)
    where = of(host, pair[0])
    assert where.home == 1 and where.live == [1]
    # What was said is used up, and can be taken back.
    assert set_home(host, pair[1], 1) == "ok"
    bond, _ = indices(host)
    assert helper(host, "home", bond, pair[1].dst_ip, pair[1].spi, 0) == "ok"
    pair[1].add_state(host)
    assert of(host, pair[1]).home == 0


def test_a_home_is_forgotten_when_its_port_leaves(lab, bare):
    host, dev = lab.a, ports(lab.a)[1]
    flow = Flow(lab.a, lab.b)
    assert set_home(host, flow, 1) == "ok"
    host.run(f"ip link set {dev} nomaster; ip link set {dev} master bond0")
    flow.add_state(host)
    assert of(host, flow).home == 0


def test_set_home_refuses_what_makes_no_sense_with_words(lab, bare):
    host, flow = lab.a, Flow(lab.a, lab.b)
    bond, where = indices(host)

    def said(*args):
        return helper(host, "home", *args)["text"]

    assert "no such port" in said(bond, flow.dst_ip, flow.spi, bond)
    assert "no such port" in said(bond, flow.dst_ip, flow.spi, 9999)
    assert "no such bond" in said(where[0], flow.dst_ip, flow.spi, where[0])
    assert "Too many" in said(bond, flow.dst_ip, 0x700000, where[0], 257)
    assert helper(host, "home", bond, flow.dst_ip, 0x700000, 0, 256) == "ok"
    user = host.run(["setpriv", "--reuid", "65534", "--clear-groups", "python3",
                     "/tmp/helper_nl.py"],
                    input=f"home {bond} {flow.dst_ip} {flow.spi} {where[0]}\n")
    assert json.loads(user.stdout)["error"] == 1
    # A family, and an address of the other one; SPI, port and bond as they must be.
    for family, daddr in ((2, "14001200" + "00" * 16), (10, "08001200c0a8ca02"),
                          (1, "08001200c0a8ca02")):
        raw = (f"08000200{bond:02x}000000" f"06001100{family:02x}000000" + daddr
               + "0800130000123456" + f"08000900{where[0]:02x}000000")
        assert helper(host, "raw", 10, raw)["error"]


def test_what_would_repeat_a_nonce_is_refused_and_says_what_to_use(lab, wire, sealed):
    bond, _ = indices(lab.a)
    assert "a shared SA would repeat nonces" in helper(lab.a, "place", bond, 1)["text"]
    assert "active-backup" in helper(lab.a, "place", bond, 3)["text"]
    twin = Flow(lab.a, lab.b, reqid=sealed.out[0].reqid)
    twin.key = sealed.out[0].key
    assert "nonces would repeat: use an own key for each" in refusal(lab.a, twin)


def test_numbers_that_run_low_ask_for_a_new_key(lab, bare):
    flow = Flow(lab.a, lab.b, esn=False, more="replay-oseq 0xc0000100")
    with xfrm_events(lab.a, "expire") as monitor:
        flow.add_state(lab.a)
        poll(lambda: "hard 0" in monitor.stdout, 10, "a soft expire event")


def test_no_cleartext_slips_in_while_a_port_joins(lab, wire, sealed):
    """I2: between the bond's receive handler and the port's policies there is a guard."""
    host, dev = lab.b, ports(lab.b)[1]
    mac = json.loads(host.run("ip -j link show bond0").stdout)[0]["address"]
    src, dst = local_ip(lab.a), local_ip(host)
    clear = fr.ip_frame(mac, "02:00:00:00:00:09", fr.ip_packet(
        src, dst, fr.PROTO_UDP, fr.udp(1, UDP_PORT, b"clear")))
    loop = "\n".join([
        f"ip link set {dev} nomaster",
        # The port's own memory of what it protected, which another NIC has not.
        f"ethtool --set-priv-flags {dev} ipsec-fail-closed off",
        f"ip link set {dev} master bond0",
        f"ethtool --set-priv-flags {dev} ipsec-fail-closed on", ""]) * 4
    with host.spawn(["python3", "-c", LISTENER]) as listener:
        listener.wait_output("ready")
        with host.spawn(["sh", "-e"], input=loop) as joins:
            while joins.poll() is None:
                for _ in range(20):
                    lab.inject("b", 1, clear)
            assert joins.wait(timeout=60).rc == 0
        listener.stop()
        assert "clear" not in listener.stdout
    # And it is gone afterwards.
    wait_answer(lab.a)


def test_a_device_that_could_not_join_is_not_left_closed(lab, sealed):
    """The guard of a device that the bond refused goes by itself."""
    host = lab.a
    try:
        host.run("""ip link add idle0 type veth peer name idle1
            ip addr add 10.9.0.1/30 dev idle0; ip netns add far; ip link set idle1 netns far
            ip netns exec far ip addr add 10.9.0.2/30 dev idle1
            ip netns exec far ip link set idle1 up""")
        done = host.run("ip link set idle0 master bond0", check=False)
        assert done.rc and "cannot offload IPsec packets" in done.output
        host.run("ip link set idle0 up")
        poll(lambda: not host.run("ping -c 1 -W 1 10.9.0.2", check=False).rc, 10, "an answer")
    finally:
        host.run("ip netns del far; ip link del idle0", check=False)
