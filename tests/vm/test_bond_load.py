# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What befalls a bond while traffic runs: nothing leaves in clear, and the streams go on.

    a: TCP streams --> bond0 = port 0 + port 1 ---- cables 0 and 1 ---- bond0 ---> b
       pings

Cables cut and plugged, ports taken away and given back, one hundred flaps in a row; at the end the
mode changes at a, and b loses its helper.  The nonce oracle goes over all of it.
"""

import pytest

from bondkit import (BACKUP, LACP, WINDOW, XOR, Load, addresses, bond_seen, bonded, esp,
                     link_failures, port_counters, ports, wait_whole)
from kit import CABLES, Moved, Protection, each, local_ip, poll, xfrm_stat

# Two CPUs: ports flap on one while the other sends.
pytestmark = [pytest.mark.lab(scenario="bare", cpus=2, bonds=True), pytest.mark.dealt]

FLAPS = 40, 100		# in the test command, in all of the suite
# Down as long as a bond needs to see it, and up as long again.
FLAP_MIIMON, FLAP_SECONDS = 10, 0.07
STREAMS, ROUNDS = 64, 10
# A cut is seen within miimon (100 ms); TCP's and LACP's own patience come on top.
GAP_LIMIT = 3


@pytest.mark.parametrize("shape", [LACP, XOR, BACKUP], ids=str)
def test_streams_go_on_sealed_through_all_that_befalls_a_bond(lab, wire, figures, shape):
    with bonded(lab, wire, shape):
        sealed = Protection(lab, wire, window=WINDOW).up()
        with Load(lab, wire, sealed, figures) as load:
            for what, event, cables in (
                    ("cable 0 cut", lambda: lab.cut(0), (1,)),
                    ("cable 0 plugged", lambda: lab.plug(0), CABLES),
                    ("port 1 removed", lambda: remove_port(lab, 1), (0,)),
                    ("port 1 added", lambda: add_port(lab, 1), CABLES),
                    ("cable 1 cut", lambda: lab.cut(1), (0,)),
                    ("cable 1 plugged", lambda: lab.plug(1), CABLES)):
                event()
                wait_whole(lab, cables)
                load.goes_on(what)
                assert load.look(what) < GAP_LIMIT
            check_helper_says_so(lab, shape)
            unload_helper(lab)
            change_mode(lab)
            load.look("b without helper, a in another mode")
        wire.check_no_cleartext(addresses(lab))
        assert wire.oracle.frames > 500


def remove_port(lab, number):
    # At both ends: a bond that hashes has no other way to know that its peer lost a port.
    each(lab, lambda host: f"ip link set {ports(host)[number]} nomaster")


def add_port(lab, number):
    each(lab, lambda host: f"ip link set {ports(host)[number]} down; "
                           f"ip link set {ports(host)[number]} master bond0")


def check_helper_says_so(lab, shape):
    bond = bond_seen(lab.a)
    assert bond["n_sas"] == bond["n_policies"] == 2 and len(bond["port"]) == 2
    assert all(p["port_running"] for p in bond["port"])
    # One SA in each direction moved with the active port, or was everywhere all along.
    assert (bond["n_handovers"] >= 4) == (shape is BACKUP), bond


def unload_helper(lab):
    """b has nothing left to seal with: it answers no more."""
    moved = Moved(lab.b, xfrm_stat)
    lab.b.run("rmmod ipsec_roce", timeout=60)
    assert "mode packet" not in lab.b.run("ip xfrm state; ip xfrm policy").stdout
    # The ports keep closed what they were told to protect, in both directions.
    poll(lambda: sum(n for name, n in moved.now().items()
                     if name in ("XfrmInNoPols", "XfrmInNoStates")) > 20, 20,
         f"b's ports refuse, and say so: {moved.now()}")


def change_mode(lab):
    """To one in which no SA can be sound: takes ports away and the bond down, as bonding wants."""
    moved = Moved(lab.a, xfrm_stat)
    take = "\n".join(f"ip link set {dev} nomaster" for dev in ports(lab.a))
    give = "\n".join(f"ip link set {dev} down; ip link set {dev} master bond0"
                     for dev in ports(lab.a))
    lab.a.run(["sh", "-e"], input=f"""{take}
        ip link set bond0 down; ip link set bond0 type bond mode balance-rr
        {give}
        ip link set bond0 up; ip neigh replace {local_ip(lab.b)} dev bond0 \\
            lladdr 02:00:00:00:00:99""")
    assert "mode packet" not in lab.a.run("ip xfrm state; ip xfrm policy").stdout
    poll(lambda: moved["XfrmOutPolError"] > 20, 20, "a's ports refuse, and say so")
    said = lab.a.run("ip xfrm policy add src 10.9.0.1 dst 10.9.0.2 dir out tmpl proto esp "
                     "reqid 9 mode transport offload packet dev bond0", check=False)
    assert said.rc and ("use 802.3ad" in said.output or "Switch it on" in said.output), said.output


@pytest.mark.parametrize("shape", [XOR, BACKUP], ids=str)
def test_streams_live_through_many_flaps_in_a_row(lab, wire, figures, again, shape):
    """By the VFs' link state, which the PF sets at once: the kernel's linkwatch, which reports a
    cable, makes one flap a second of all that come faster.
    """
    flaps = again(*FLAPS)
    with bonded(lab, wire, shape, miimon=FLAP_MIIMON):
        if shape is BACKUP:
            # Cables without a switch: both ends must choose the same one.
            each(lab, lambda host: f"ip link set bond0 type bond primary {ports(host)[0]}")
        sealed = Protection(lab, wire, window=WINDOW).up()
        with Load(lab, wire, sealed, figures) as load:
            before = link_failures(lab.a)
            flap(lab, flaps)
            wait_whole(lab)
            load.goes_on(f"{flaps} flaps")
            seen = link_failures(lab.a) - before
            bond = bond_seen(lab.a)
            load.look(f"{flaps} flaps, {seen} seen by the bond, {bond['n_handovers']} hand-overs")
        # A host that got no time to run for so long has missed one.
        assert seen >= 0.7 * flaps
        # Away from the primary port and back, every other flap, and an SA in each direction.
        assert bond["n_handovers"] >= flaps if shape is BACKUP else not bond["n_handovers"]


def flap(lab, flaps):
    """Both ports in turn, at both hosts at the same time."""
    script = f"""
import subprocess, sys, time
ip = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, text=True)
pfs, start = sys.argv[1:], time.monotonic()
for number in range({2 * flaps}):
    time.sleep(max(0, start + number * {FLAP_SECONDS} - time.monotonic()))
    state = ("disable", "auto")[number % 2]
    ip.stdin.write(f"link set {{pfs[number // 2 % 2]}} vf 0 state {{state}}\\n")
    ip.stdin.flush()
ip.stdin.close()
sys.exit(ip.wait())"""
    pfs = each(lab, lambda host: "\n".join(
        f"ls /sys/class/net/{dev}/device/physfn/net" for dev in ports(host)))
    runs = [host.spawn(["python3", "-c", script, *pfs[name].split()])
            for name, host in lab.hosts.items()]
    for run in runs:
        # A host that is short of time goes on behind the pace: what counts are the flaps.
        done = run.wait(max(120, flaps))
        assert not done.rc, done.output


# Work, not time: a host that is short of it takes longer, and that is all.
ECHO = f"""
import selectors, socket, sys
ends, open_ends = selectors.DefaultSelector(), {STREAMS}
server = socket.create_server((sys.argv[1], 5201), backlog={STREAMS})
ends.register(server, selectors.EVENT_READ)
while open_ends:
    for key, _ in ends.select():
        if key.fileobj is server:
            ends.register(server.accept()[0], selectors.EVENT_READ)
        elif data := key.fileobj.recv(65536):
            key.fileobj.sendall(data)
        else:
            ends.unregister(key.fileobj)
            key.fileobj.close()
            open_ends -= 1"""
ASK = f"""
import socket, sys
ends = [socket.create_connection((sys.argv[1], 5201)) for _ in range({STREAMS})]
for number in range({ROUNDS}):
    text = bytes([number]) * 500
    for end in ends:
        end.sendall(text)
    for end in ends:
        assert end.recv(len(text), socket.MSG_WAITALL) == text, "not what was sent"
"""


def test_64_tcp_flows_spread_over_both_cables(lab, wire, figures):
    with bonded(lab, wire, XOR):
        sealed = Protection(lab, wire, window=WINDOW).up()
        moved = {host: port_counters(host) for host in lab.hosts.values()}
        with lab.b.spawn(["python3", "-c", ECHO, local_ip(lab.b)]) as there:
            lab.b.wait_port(5201)
            lab.a.run(["python3", "-c", ASK, local_ip(lab.b)])
            assert not there.wait(60).rc, there.result().output
        wire.check_no_cleartext(addresses(lab))
        for host in lab.hosts.values():
            counts = [len(esp(wire, c, host.name)) for c in CABLES]
            by_port = [moved[host][dev] for dev in ports(host)]
            figures(f"{STREAMS} TCP flows, host {host.name}'s ports sent {by_port[0]} and "
                    f"{by_port[1]} ESP packets; on the cables {counts[0]} and {counts[1]}, both "
                    "directions")
            assert min(by_port) > 0.1 * sum(by_port) > 50
        for cable in CABLES:
            report = wire.examine(cable)
            assert not report.unopened and not report.disagree
        assert sealed.out.state(lab.b)["replay"] == 0
