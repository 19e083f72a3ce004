# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Bonds come to an end, or change under their SAs: nothing leaks, nothing is left.

    a: pings ---> bond0 = VF 0 + VF 1 ---- cables 0 and 1 ---- bond0 :b

After each test host a unloads all modules of the project and bonding: what still holds on to one of
them, a state, a policy or a slab object that is left, fails the test that left it.
"""

import contextlib

import pytest

from bondkit import (BACKUP_VF, BOND, WINDOW, XOR, Load, addresses, bond_seen, bond_text, bonded, esp,
                     helper, ports, remove_all, switch_on, wait_whole)
from kit import CABLES, Flow, Protection, idle_connection, local_ip, ping, poll
from lab import CommandFailed, adapter

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]

HELPER, ADAPTER, ENGINE = "rmmod ipsec_roce", "rmmod iroce", "rmmod ipsec_roce_engine"
BONDING, BOND_GOES = "rmmod bonding", f"ip link del {BOND}"
# Types and offloads of ESP are held by each state that is left, and xfrm_user by nobody then.
XFRM = "modprobe -r esp4_offload esp6_offload esp4 esp6 xfrm_user"


@contextlib.contextmanager
def pings(lab, wire):
    """From a to b, for as long as the block takes; what they left on the cables is judged."""
    with lab.a.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)]):
        poll(lambda: sum(len(esp(wire, c)) for c in CABLES) > 20, 20, "traffic")
        yield
    wire.check_no_cleartext(addresses(lab))


def protect(lab, wire):
    sealed = Protection(lab, wire, window=WINDOW).up()
    ping(lab.a)
    return sealed


@pytest.mark.parametrize("order", [
    (HELPER, ADAPTER, ENGINE, BONDING, XFRM),
    (BONDING, ADAPTER, HELPER, ENGINE, XFRM),
    (ADAPTER, BOND_GOES, HELPER, BONDING, ENGINE, XFRM),
    (HELPER, BONDING, ADAPTER, XFRM, ENGINE),
    (BOND_GOES, ADAPTER, HELPER, ENGINE, BONDING, XFRM),
    (ADAPTER, BONDING, HELPER, ENGINE, XFRM),
], ids=["helper-adapter", "bonding-adapter", "adapter-bond", "helper-bonding", "bond-adapter",
        "adapter-bonding"])
def test_everything_unloads_under_traffic_down_to_xfrm(lab, wire, order):
    with bonded(lab, wire, XOR, unload="a"):
        protect(lab, wire)
        with pings(lab, wire):
            for command in order:
                # What frees a state a little later still holds the module.
                poll(lambda: not lab.a.run(command, check=False, timeout=60).rc, 15, command,
                     every=0.3)
        left = {line.split()[0] for line in lab.a.run("lsmod").stdout.splitlines()}
        assert not left & {"ipsec_roce", "ipsec_roce_engine", "iroce", "bonding", "esp4", "esp6",
                           "esp4_offload", "esp6_offload", "xfrm_user"}, left


@pytest.mark.parametrize("order", [(HELPER, BOND_GOES), (BOND_GOES, HELPER)],
                         ids=["helper-bond", "bond-helper"])
def test_finding_an_idle_connection_does_not_keep_a_bond_or_a_module_from_going(lab, wire, order):
    """Its socket keeps a route, that the policy, and that kept the bond until the socket sent again."""
    with bonded(lab, wire, XOR, unload="a"):
        protect(lab, wire)
        with idle_connection(lab):
            for command in (*order, ADAPTER, ENGINE):
                lab.a.run(command, timeout=30)


def in_tenant(host, script):
    return host.run(["ip", "netns", "exec", "tenant", "sh", "-e"], input=script)


def test_a_netns_goes_under_traffic_with_its_bond_and_sas(lab, wire):
    with bonded(lab, wire, XOR, unload="a"):
        sealed = Protection(lab, wire, window=WINDOW)
        for flow in sealed.flows:
            flow.add_state(lab.b)
            flow.add_policy(lab.b)
        wire.learn()
        host, devs = lab.a, ports(lab.a)
        move = "\n".join(f"ip link set {dev} nomaster; ip link set {dev} netns tenant"
                         for dev in devs)
        host.run(["sh", "-e"], input=f"ip link del {BOND}; ip netns add tenant; {move}")
        enslave = "\n".join(f"ip link set {dev} master {BOND}" for dev in devs)
        in_tenant(host, f"""
            ip link add {BOND} type bond mode balance-xor xmit_hash_policy layer3+4 miimon 100
            {enslave}
            ip link set {BOND} up; ip addr add {local_ip(host)}/24 dev {BOND}
            for i in $(seq 50); do
                ethtool -K {BOND} esp-hw-offload on
                ethtool -k {BOND} | grep -q "esp-hw-offload: on" && break
                sleep 0.1
            done""")
        in_tenant(host, "\n".join(f.state_command(host) for f in sealed.flows) + "\n" +
                  "\n".join(f.policy_command(host) for f in sealed.flows))
        wire.add_keys(flow.sa for flow in sealed.flows)
        assert not helper(host, "bonds"), "a bond of another netns is none of ours"
        with host.spawn(["ip", "netns", "exec", "tenant", "ping", "-i", "0.02", "-q",
                         local_ip(lab.b)]) as flood:
            poll(lambda: sum(len(esp(wire, c)) for c in CABLES) > 20, 20, "traffic")
            host.run("ip netns del tenant")
            # Processes keep their netns; the last one takes it along, and the ports come back.
            flood.stop(9)
        poll(lambda: not host.run(f"ip link show {devs[0]} && ip link show {devs[1]}",
                                  check=False).rc, 60, "the ports are back")
        wire.check_no_cleartext(addresses(lab))


N_BATCH = 3000


def batch(host, sealed):
    """Many outbound SAs beside the one that carries traffic, as an ip -batch."""
    lines = []
    for _ in range(N_BATCH):
        flow = Flow(sealed.out.src, sealed.out.dst)
        # Of a flow that nobody sends: they are to come, not to be used.
        lines.append(flow.state_command(host).removeprefix("ip ").replace(
            f"dst {flow.dst_ip}", "dst 10.9.0.9").replace("'", ""))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("end", [BOND_GOES, HELPER, ADAPTER], ids=["bond", "helper", "adapter"])
def test_the_ground_goes_while_sas_are_being_added(lab, wire, end):
    with bonded(lab, wire, XOR, unload="a"):
        sealed = protect(lab, wire)
        with pings(lab, wire), \
                lab.a.spawn(["ip", "-force", "-batch", "-"], input=batch(lab.a, sealed)) as adds:
            lab.a.run("until ip xfrm state count | grep -q '[1-9][0-9][0-9]$'; do :; done; "
                      f"{end}", timeout=120)
            result = adds.wait(60)
        assert result.rc, "it was over before the ground went"
        if end is BOND_GOES:
            text = lab.a.run("ip xfrm state; ip xfrm policy").stdout
            assert "mode packet" not in text, text
        # An adapter that goes takes the ports along: the bond's SAs wait for others, closed.


@pytest.mark.parametrize("shape", [XOR, BACKUP_VF], ids=str)
def test_finding_R12_a_bond_without_the_helper_gets_no_sa_that_nobody_looks_after(lab, wire, shape):
    """Stock bonding hands one state from port to port, with numbers that are not the port's."""
    with bonded(lab, wire, shape, unload="a"):
        lab.a.run(HELPER)
        flow = Flow(lab.a, lab.b)
        done = lab.a.run(["sh", "-e"], input=flow.state_command(lab.a), check=False)
        assert done.rc and "modprobe ipsec_roce" in done.output, done.output
        assert lab.a.run(flow.policy_command(lab.a), check=False).rc


def test_without_the_helper_the_kernel_has_no_policies_on_bonds(lab, wire):
    with bonded(lab, wire, XOR, unload="a"):
        lab.a.run(HELPER)
        with pytest.raises(CommandFailed):
            Flow(lab.a, lab.b).add_policy(lab.a)
        lab.a.run("modprobe ipsec_roce")
        switch_on(lab.a)
        Flow(lab.a, lab.b).add_policy(lab.a)


def test_a_port_is_renamed_and_moved_under_traffic(lab, wire, figures):
    with bonded(lab, wire, XOR, unload="a"):
        sealed = protect(lab, wire)
        with Load(lab, wire, sealed, figures) as load:
            keep, dev = ports(lab.a)
            lab.a.run(f"ip link set {dev} name elsewhere")
            load.goes_on("rename")
            bond = bond_seen(lab.a)
            assert [p["port_ifname"] for p in bond["port"]] == [keep, "elsewhere"]
            load.look("a port renamed")
            # b has to know, too: what it sends to the port that left is lost.
            lab.b.run(f"ip link set {ports(lab.b)[1]} nomaster")
            lab.a.run("ip netns add tenant; ip link set elsewhere netns tenant")
            load.goes_on("move")
            bond = bond_seen(lab.a)
            assert [p["port_ifname"] for p in bond["port"]] == [keep]
            # It took nothing along: whoever has it now can neither seal nor open for a.
            assert not lab.a.run("ip netns exec tenant sh -c 'ip xfrm state; ip xfrm policy'"
                                 ).stdout
            load.look("a port moved to another netns")
            # It gets its name back where udev does not see it: here udev would give it that name
            # as an alternative one first, and a device cannot be renamed to a name it has.
            lab.a.run(f"ip -n tenant link set elsewhere down; ip -n tenant link set elsewhere "
                      f"name {dev}; ip -n tenant link set {dev} netns 1; ip netns del tenant; "
                      f"ip link set {dev} master {BOND}")
            lab.b.run(f"ip link set {ports(lab.b)[1]} down; "
                      f"ip link set {ports(lab.b)[1]} master {BOND}")
            wait_whole(lab)
            load.goes_on("return")
            load.look("the port back in its bond")


def test_ports_that_do_not_fit_are_refused_and_leave_nothing(lab, wire):
    with bonded(lab, wire, XOR, unload="a"):
        protect(lab, wire)
        with pings(lab, wire):
            lab.a.run("ip link add idle0 type dummy; ip link add idle1 type bond mode balance-xor; "
                      "ip link add idle2 type veth peer name idle3")
            for dev in ("idle0", "idle1", "idle2"):
                done = lab.a.run(f"ip link set {dev} master {BOND}", check=False)
                assert done.rc and "cannot offload IPsec packets" in done.output, done.output
            bond = bond_seen(lab.a)
            assert len(bond["port"]) == 2 and bond["n_sas"] == bond["n_policies"] == 2
            assert all(len(sa["sa_port"]) == 2 for sa in helper(lab.a, "sas"))
            assert bond_text(lab.a).count("Slave Interface") == 2
        lab.a.run("ip link del idle0; ip link del idle1; ip link del idle2")


@pytest.mark.lab(scenario="bare")
def test_a_port_of_another_adapter_is_refused_where_an_sa_is_shared(lab, wire):
    host = lab.a
    # A second adapter, on no cable at all.
    host.run("ip link add idle0 type dummy; ip link set idle0 up")
    pfs = adapter.load(host, "cable0,cable1/idle0")
    one, two, odd = [adapter.devices(host, adapter.make_vfs(host, pf, 1)[0]).netdev for pf in pfs]
    host.run("modprobe ipsec_roce")
    adapter.make_bond(host, BOND, [one, two])
    host.set_env({"NETDEV": BOND, "LOCAL_IP": "10.9.0.1", "RDMADEV": "none"})
    lab.b.set_env({"LOCAL_IP": "10.9.0.2"})
    flow = Flow(host, lab.b)
    flow.add_state(host)
    flow.add_policy(host)
    done = host.run(f"ip link set {odd} master {BOND}", check=False)
    assert done.rc and "a shared SA would repeat nonces" in done.output, done.output
    assert [len(sa["sa_port"]) for sa in helper(host, "sas")] == [2]
    # Without the SA it may join; then no SA can be shared any more.
    flow.delete_state(host)
    host.run(f"ip link set {odd} master {BOND}")
    bond = bond_seen(host)
    assert [p["port_engine"] for p in bond["port"]] == [0, 0, 2]
    assert "would repeat nonces" in helper(host, "place", bond["ifindex"], 1)["text"]
    host.run("ip xfrm policy flush; ip link del bond0")
    remove_all(host)
    lab.b.set_env({})
    host.run("ip link del idle0")
