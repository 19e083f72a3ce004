# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I1 however often: a protected function goes away under traffic and comes back, again and again.

    a: VF or bond, sealed    ---- QP writes, ping floods --->    b, sealed all the time
       goes under that traffic, comes back
       closed until protected: pings and a new QP knock        nothing of it on a cable
       sealed again with SAs that were never used              traffic goes on

A few times in the test command, which is to see that it can be done; --again 100 is the proof, before
a release (tests/README.md).
"""

import contextlib

import pytest

from bondkit import BOND, WINDOW, XOR, addresses, bonded, ports, use_rdma, wait_whole
from kit import (IP_BATCH, Moved, Protection, Vt, ip_lines, local_ip, ping, poll, protecting, queue_pairs, rebind,
                 traffic, vf_address, wait_answer)
from lab import scenario
from lab.adapter import gid_index
from podkit import at_home, pods
from test_bond_rdma import pairs, progress

pytestmark = [pytest.mark.lab(scenario="vf", cpus=2, spoils=True), pytest.mark.dealt]

OPTIONS = "/etc/modprobe.d/closed-until-protected.conf"


# ---- how a function goes and comes ---------------------------------------------------------------

@contextlib.contextmanager
def unbound(host):
    """The driver leaves the function, and takes it again."""
    pci = vf_address(host)

    def go(user):
        rebind(host, pci)
        return host
    yield go


@contextlib.contextmanager
def unloaded(host):
    """The module goes, with all its devices, and is loaded again."""
    host.write(OPTIONS, "options iroce closed_until_protected=1\n")

    def go(user):
        if host.run("rmmod iroce", check=False, timeout=60).rc:
            # Device files in use hold the module.
            user.close()
            poll(lambda: not host.run("rmmod iroce", check=False, timeout=60).rc, 30, "rmmod iroce")
        scenario.devices_iroce(host)
        return host
    try:
        yield go
    finally:
        host.run(["rm", "-f", OPTIONS])


@contextlib.contextmanager
def moved(host):
    """Into a container's network namespace, and back into the host's the next time."""
    with pods(host) as pod:
        inside = False

        def go(user):
            nonlocal inside
            # Queue pairs keep a device where it is.
            user.close()
            if inside:
                pod.leave()
                at_home(host)
            else:
                pod.enter()
            inside = not inside
            return pod if inside else host
        yield go


WAYS = {"unbind": unbound, "rmmod": unloaded, "netns": moved}


# ---- a round -------------------------------------------------------------------------------------

def seal(lab, face, flows):
    """SAs and policies on a's function where it is now; b's policies stay, its SAs are replaced."""
    lab.b.run(IP_BATCH, input="xfrm state flush\n" + ip_lines(*[f.state_command(lab.b) for f in flows]))
    face.run(IP_BATCH, input=protecting(flows, lab.a))


def refresh_gid(lab, face):
    lab.a.set_env({**lab.a.env, "GIDX": gid_index(face, lab.a.env["RDMADEV"], local_ip(lab.a))})


def knock(lab, face, programs, b):
    """A host and a new queue pair try to get out; returns when both were dropped and counted."""
    counts = Moved(face)
    assert face.run(["ping", "-q", "-c", "3", "-i", "0.05", "-W", "1", local_ip(lab.b)], check=False).rc
    after_pings = counts.wait("ipsec_tx_drop_fenced", 3)
    refresh_gid(lab, face)
    a = Vt(face, programs)
    try:
        a.connect(b, timeout=10, retry=1)
        tried = a.ask(f"write 1 256 {b.target()}", check=False)
        assert tried.get("good", "0") == "0", tried
    finally:
        a.close()
    counts.wait("ipsec_tx_drop_fenced", after_pings + 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_protected_function_goes_and_comes_under_traffic_and_nothing_leaves_in_clear(
        lab, wire, programs, figures, again, way):
    both = [local_ip(h) for h in lab.hosts.values()]
    sealed = Protection(lab, wire).up()
    lab.a.run(f"ethtool --set-priv-flags {lab.a.env['NETDEV']} ipsec-closed-until-protected on")
    wait_answer(lab.a)
    wire.forget()
    n_esp = 0
    face = lab.a
    with WAYS[way](lab.a) as go:
        for n in range(again(2)):
            if n:
                seal(lab, face, [sealed.fresh(flow) for flow in list(sealed.flows)])
                wait_answer(face)
            with queue_pairs(lab, programs, face=face) as (a, b), \
                    face.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)]) as flood:
                with traffic(a, b, depth=4, drain=False):
                    face = go(a)
                knock(lab, face, programs, b)
                flood.stop(9)
            n_esp += sum(f.kind == "esp" for f in wire.frames(0, "a"))
            wire.check_no_cleartext(both)
            wire.forget()
    assert n_esp > 40 * (n + 1), "there was no traffic that could leak"
    figures(f"{n + 1} times; {n_esp} frames of ESP; no cleartext")


@pytest.mark.lab(scenario="bare", cpus=2, bonds=True)
def test_ports_leave_a_protected_bond_under_traffic_and_nothing_leaves_in_clear(
        lab, wire, programs, figures, again):
    with bonded(lab, wire, XOR):
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        n_esp = 0
        for n in range(again(2)):
            leaving = {host: ports(host)[n % 2] for host in lab.hosts.values()}
            use_rdma(lab)
            with pairs(lab, wire, programs, 1) as both, \
                    lab.a.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)]):
                for a, b in both:
                    a.ask(f"traffic 2048 {b.target()}")
                progress(both)
                # a first: b goes on sending to both ports until it is told.
                for host, port in leaving.items():
                    host.run(f"ip link set {port} nomaster", timeout=60)
                wait_answer(lab.a)
                for host, port in leaving.items():
                    host.run(f"ip link set {port} down; ip link set {port} master {BOND}", timeout=60)
            wait_whole(lab)
            wire.poll()
            n_esp += sum(f.kind == "esp" for f in wire.frames(host="a"))
            wire.check_no_cleartext(addresses(lab))
            wire.forget()
        assert n_esp > 40 * (n + 1), "there was no traffic that could leak"
        figures(f"{n + 1} times; {n_esp} frames of ESP; no cleartext")
