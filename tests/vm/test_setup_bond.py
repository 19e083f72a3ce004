# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-setup on bonds: the same one command; it chooses the placement and looks at each port.

    a: bond0 = VF 0 + VF 1 ---- cable 0, only ESP ---- VF 0 + VF 1 = bond0 :b
       (balance-xor,       ---- cable 1, only ESP ----
        layer3+4)
"""

import json
import re

import pytest

from bondkit import activate, carried, check_only_esp, ports, tcp
from kit import each, local_ip, ping, poll, wait_answer
from lab import adapter
from test_setup_faults import DOWN, FAILS, KILLED, UP, UP_KILLED, run_all

pytestmark = [pytest.mark.lab(scenario="bond"), pytest.mark.dealt]

KEY, FAULTS_KEY = "/root/bond.key", "/root/faults.key"
SCENARIO_KEY = "/etc/roce-ipsec-lab.key"
FAULT = 3
FAULT_STEP = 53


def tool(host, verb, *more, **options):
    return host.run(["roce-ipsec-setup", verb, "--dev", "bond0", "--peer", local_ip(host.peer),
                     *more], **{"timeout": 90, **options})


def forget_all(lab):
    """No tunnel, no ledger, a key that nobody has used; the ports' drop rules lifted."""
    def script(host):
        flags = "\n".join(f"ethtool --set-priv-flags {dev} ipsec-fail-closed {way}"
                          for way in ("off", "on") for dev in ports(host))
        return f"""roce-ipsec-setup down --dev bond0 --all
            ip xfrm policy flush; ip xfrm state flush
            for dev in {' '.join(ports(host))}; do tc qdisc del dev $dev clsact; done
            {flags}
            rm -rf /var/lib/roce-ipsec /run/roce-ipsec {KEY} {FAULTS_KEY}"""
    each(lab, script, check=False)
    lab.a.run(f"roce-ipsec-setup genkey {KEY}")
    lab.b.write(KEY, lab.a.read(KEY), 0o600)


@pytest.fixture
def clean(lab, wire):
    forget_all(lab)
    return lab


def up(lab, *more):
    return {name: tool(host, "up", "--key-file", KEY, *more).stdout
            for name, host in lab.hosts.items()}


@pytest.fixture
def tunnel(clean, wire):
    up(clean)
    wire.learn()
    wire.forget()
    return clean


def status(host):
    (tunnel,) = json.loads(tool(host, "status", "--json").stdout)["tunnels"]
    return tunnel


def verify(host, *more):
    """Its exit status, and its checks by name: (result, evidence) of each."""
    done = tool(host, "verify", "--json", *more, check=False)
    checks = {}
    for check in json.loads(done.stdout)["checks"]:
        checks.setdefault(check["check"], []).append((check["result"], check["evidence"]))
    return done.rc, checks


def check_sealed(host):
    rc, checks = verify(host)
    bad = {name: found for name, found in checks.items()
           if any(result == "FAULT" for result, _ in found)}
    assert not rc and not bad, f"host {host.name}: {bad}"
    return checks


def all_ports_run(lab):
    script = "grep -c 'MII Status: up' /proc/net/bonding/bond0"
    poll(lambda: all(h.run(script, check=False).stdout.strip() == "3" for h in lab.hosts.values()),
         10, "bonds and ports run")


def traces(host):
    """What `up` may leave behind."""
    script = ("ip xfrm state list nokeys; ip xfrm policy; "
              "ethtool -k bond0 | grep -E 'esp-hw|hw-tc'\n")
    for dev in ports(host):
        script += (f"tc qdisc show dev {dev} | grep clsact; ethtool -k {dev} | grep hw-tc-off; "
                   f"ethtool --show-priv-flags {dev} | grep closed\n")
    return host.run(script + "ls /run/roce-ipsec 2>/dev/null", check=False).stdout


# ---- it protects ---------------------------------------------------------------------------------

def test_the_scenario_is_protected_in_both_families(lab, wire):
    for six in ("", "6"):
        done = lab.a.run(["roce-ipsec-setup", "verify", "--dev", "bond0", "--peer",
                          lab.a.env[f"PEER_IP{six}"]], check=False, timeout=90)
        assert done.rc == 0, done.output
    tcp(lab, streams=8)
    check_only_esp(lab, wire)
    assert all(count >= 10 for count in carried(wire)), carried(wire)


def test_one_command_seals_both_cables_and_says_how(clean, wire):
    lab = clean
    for said in up(lab).values():
        assert "placement shared" in said and "one adapter" in said
    wire.learn()
    tcp(lab, streams=8)
    check_only_esp(lab, wire)
    assert all(count >= 10 for count in carried(wire)), carried(wire)
    checks = check_sealed(lab.a)
    for dev in ports(lab.a):
        for name in (f"port {dev}", f"fence {dev}", f"sealed {dev}"):
            assert [result for result, _ in checks[name]] == ["ok"], checks[name]


def test_down_puts_all_back_and_may_be_repeated(clean):
    host = clean.a
    host.run("ethtool -K bond0 esp-hw-offload off")
    before = traces(host)
    assert "esp-hw-offload: off" in before and "clsact" not in before
    tool(host, "up", "--key-file", KEY, "--closed-until-protected")
    between = traces(host)
    assert "esp-hw-offload: on" in between and between.count("clsact") == 2
    assert between.count("ipsec-closed-until-protected: on") == 2
    for _ in range(2):
        tool(host, "down")
        assert traces(host) == before
    host.run("ethtool -K bond0 esp-hw-offload on")


def test_status_tells_each_port(tunnel):
    host = tunnel.a
    ping(host, count=2)
    bond = status(host)["bond"]
    assert bond["placement"] == "shared"
    assert [port["dev"] for port in bond["ports"]] == ports(host)
    for port in bond["ports"]:
        assert port["running"] and port["can_offload"] and port["roce_fence_out"]["in_hardware"]
        assert {(sa["dir"], sa["state"]) for sa in port["sas"]} == {("out", "live"), ("in", "live")}
    assert sum(sa["packets"] for port in bond["ports"] for sa in port["sas"]
               if sa["dir"] == "out") >= 2
    text = tool(host, "status").stdout
    assert all(f"port {dev}" in text for dev in ports(host)) and "placement shared" in text


def test_a_rekey_in_steps_loses_no_packet(tunnel, wire):
    lab = tunnel
    with lab.a.spawn(["ping", "-i", "0.05", local_ip(lab.b)]) as pinging:
        pinging.wait_output("icmp_seq=3", 20)
        for step in ("listen", "send", "finish"):
            for host in lab.hosts.values():
                tool(host, "rekey", "--key-file", KEY, "--generation", "2", "--step", step)
                wire.learn()
        pinging.kill(2)
        said = pinging.wait(timeout=20).output
    # No gap; what was on its way when ping was stopped has no answer.
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
    assert len(answered) > 10 and answered == set(range(1, max(answered) + 1)), said
    check_only_esp(lab, wire)
    for host in lab.hosts.values():
        assert status(host)["generation"] == 2
        check_sealed(host)


def test_a_generation_is_spent_for_all_ports(tunnel):
    host = tunnel.a
    tool(host, "down")
    done = tool(host, "up", "--key-file", KEY, check=False)
    assert done.rc == 1 and "spent" in done.stderr, done.output
    tool(host, "up", "--key-file", KEY, "--generation", "next")


# ---- what it sees --------------------------------------------------------------------------------

def test_a_cut_cable_shows_and_the_rest_is_sealed(tunnel, wire):
    lab, dev = tunnel, ports(tunnel.a)[1]
    lab.cut(1)
    try:
        poll(lambda: not status(lab.a)["bond"]["ports"][1]["running"], 10, "the port stops")
        poll(lambda: not status(lab.b)["bond"]["ports"][1]["running"], 10, "the peer's port stops")
        checks = check_sealed(lab.a)
        assert checks[f"port {dev}"][0][0] == "note" and "1 of 2 ports run" in checks["bond"][0][1]
        assert f"port {dev}" in tool(lab.a, "status").stdout
        assert "NOT running" in tool(lab.a, "status").stdout
    finally:
        lab.plug(1)
    all_ports_run(lab)
    check_sealed(lab.a)
    check_only_esp(lab, wire)


PORT_FAULTS = {
    "fence": "tc qdisc del dev {port} clsact",
    "SAs": "ip xfrm state flush",
    "policies": "ip xfrm policy flush",
    "offload": "ethtool -K bond0 esp-hw-offload off",
    "helper": "rmmod ipsec_roce",
}


@pytest.mark.parametrize("what", PORT_FAULTS)
def test_verify_finds_the_fault(tunnel, what):
    host, dev = tunnel.a, ports(tunnel.a)[1]
    host.run(PORT_FAULTS[what].format(port=dev))
    try:
        rc, checks = verify(host)
        assert rc == FAULT, checks
        faults = {name for name, found in checks.items() if found[0][0] == "FAULT"}
        named = {"fence": f"fence {dev}", "offload": "SA in", "helper": "bond",
                 "SAs": "SA out", "policies": "policy out"}[what]
        assert named in faults, checks
        if what == "helper":
            assert "modprobe ipsec_roce" in checks["bond"][0][1]
    finally:
        host.run("modprobe ipsec_roce; sleep 0.3; ethtool -K bond0 esp-hw-offload on")
    if what == "fence":
        tool(host, "up", "--key-file", KEY)
        check_sealed(host)


def test_a_port_that_joins_later_is_seen_and_fenced_by_up_again(tunnel, wire):
    lab = tunnel
    for host in lab.hosts.values():
        dev = ports(host)[1]
        host.run(f"ip link set {dev} nomaster; tc qdisc del dev {dev} clsact; "
                 f"ip link set {dev} down; ip link set {dev} master bond0")
    dev = ports(lab.a)[1]
    all_ports_run(lab)
    rc, checks = verify(lab.a)
    assert rc == FAULT and checks[f"port {dev}"][0][0] == "ok", checks
    assert checks[f"fence {dev}"][0][0] == "FAULT"
    for host in lab.hosts.values():
        assert "put back what was missing" in tool(host, "up", "--key-file", KEY).stdout
        check_sealed(host)
    check_only_esp(lab, wire)


# ---- what it refuses -----------------------------------------------------------------------------

def test_without_the_helper_it_says_what_to_load_and_changes_nothing(clean):
    host = clean.a
    host.run("rmmod ipsec_roce")
    try:
        before = traces(host)
        done = tool(host, "up", "--key-file", KEY, check=False)
        assert done.rc == 1 and "modprobe ipsec_roce" in done.stderr, done.output
        assert traces(host) == before
    finally:
        host.run("modprobe ipsec_roce; sleep 0.3; ethtool -K bond0 esp-hw-offload on")
    # Nothing was spent either.
    tool(host, "up", "--key-file", KEY)


SHAPES = {
    "no port": ("mode balance-xor xmit_hash_policy layer3+4", "", "add ports first"),
    "round robin": ("mode balance-rr", "idle9", "use 802.3ad, balance-xor or active-backup"),
    "layer2": ("mode balance-xor xmit_hash_policy layer2", "idle9", "use layer3+4"),
    "a port that cannot": ("mode balance-xor xmit_hash_policy layer3+4", "idle9",
                           "port idle9"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bond_of_the_wrong_shape_is_refused_by_the_rule(clean, shape):
    host, (kind, port, words) = clean.a, SHAPES[shape]
    try:
        host.run(f"ip link add bond9 type bond {kind}; ip link add idle9 type dummy; "
                 + (f"ip link set {port} master bond9; " if port else "")
                 + "ip link set bond9 up; ip addr add 10.9.0.1/24 dev bond9")
        before = traces(host)
        done = host.run(["roce-ipsec-setup", "up", "--dev", "bond9", "--peer", "10.9.0.2",
                         "--local", "10.9.0.1", "--key-file", KEY], check=False)
        assert done.rc == 1 and words in done.stderr, done.output
        assert traces(host) == before
        assert "10.9.0.2" not in host.run("cat /var/lib/roce-ipsec/ledger", check=False).stdout
    finally:
        host.run("ip link del bond9; ip link del idle9", check=False)


# ---- when the kernel fails it, or somebody kills it ----------------------------------------------

@pytest.mark.parametrize("script,how", [(UP, FAILS), (UP_KILLED, KILLED), (DOWN, KILLED)],
                         ids=["up-fails", "up-killed", "down-killed"])
def test_it_may_be_hurt_at_any_request(clean, kernel, request, script, how):
    host = clean.a
    host.run(f"roce-ipsec-setup genkey {FAULTS_KEY}")
    first, step = (1, 1) if request.config.getoption("--all") else \
        (7 + 3 * (kernel != "stable"), FAULT_STEP)
    run_all(host, script, how, first, step, ports(host))


# ---- independent adapters ------------------------------------------------------------------------

def rebond(host, mode, cables="cable0/cable1"):
    """The host's VFs on adapters of their own: each counts its SAs by itself."""
    host.run("roce-ipsec-setup down --dev bond0 --all; ip link del bond0; modprobe -r iroce",
             check=False, timeout=60)
    vfs = [adapter.devices(host, adapter.make_vfs(host, pf, 1)[0])
           for pf in adapter.load(host, cables)]
    adapter.make_bond(host, "bond0", [vf.netdev for vf in vfs], mode=mode)
    host.set_env({**host.env, "PORT": vfs[0].netdev, "PORT1": vfs[1].netdev})
    host.run(f"ip link set bond0 mtu {host.lab.mtu}; ip addr add {local_ip(host)}/24 dev bond0; "
             "ethtool -K bond0 esp-hw-offload off")


def reshape(host):
    """To balance-xor: the kernel lets a bond change its mode only while it has no ports."""
    one, two = ports(host)
    return f"""for dev in {one} {two}; do ip link set $dev nomaster; ip link set $dev down; done
        ip link set bond0 down
        ip link set bond0 type bond mode balance-xor xmit_hash_policy layer3+4
        for dev in {one} {two}; do ip link set $dev master bond0; done
        ip link set bond0 up"""


def spis(wire, cable, host="a"):
    return {f.spi for f in wire.frames(cable, host) if f.kind == "esp"}


def active_port_owns_the_sas(lab, wire):
    for said in up(lab).values():
        assert "placement owner" in said and "hands them over" in said
    wire.learn()
    for active in (0, 1):
        for host in lab.hosts.values():
            activate(host, active)
        wait_answer(lab.a, f"an answer over cable {active}")
        bond = status(lab.a)["bond"]
        assert bond["placement"] == "owner"
        assert [port["active"] for port in bond["ports"]] == [active == 0, active == 1]
        for n, port in enumerate(bond["ports"]):
            states = {sa["state"] for sa in port["sas"]}
            assert states == {"live" if n == active else "standby"}, bond
        check_sealed(lab.a)
    assert bond["handovers"] >= 2
    check_only_esp(lab, wire)
    for host in lab.hosts.values():
        tool(host, "down")
        assert not host.run("ip xfrm state; ip xfrm policy").stdout.strip()


def each_port_has_an_sa_pair(lab, wire):
    for said in up(lab).values():
        assert "placement per-port" in said and "for each" in said
    wire.learn()
    wire.forget()
    tunnel = status(lab.a)
    out = {sa["spi"] for sa in tunnel["sa_out"]}
    assert len(out) == 2 and tunnel["bond"]["placement"] == "per-port"
    assert [[sa["state"] for sa in port["sas"] if sa["dir"] == "out" and sa["state"] == "live"]
            for port in tunnel["bond"]["ports"]] == [["live"], ["live"]]
    tcp(lab, streams=8)
    check_only_esp(lab, wire)
    assert all(count >= 10 for count in carried(wire)), carried(wire)
    # Each cable knows one of a's SPIs, another one each.
    ours = {int(spi, 16) for spi in out}
    seen = [spis(wire, cable) & ours for cable in (0, 1)]
    assert [len(s) for s in seen] == [1, 1] and seen[0] != seen[1], seen
    for host in lab.hosts.values():
        check_sealed(host)
    for step in ("listen", "send", "finish"):
        for host in lab.hosts.values():
            tool(host, "rekey", "--key-file", KEY, "--generation", "2", "--step", step)
        wire.learn()
    assert not out & {sa["spi"] for sa in status(lab.a)["sa_out"]}
    for host in lab.hosts.values():
        check_sealed(host)
    for host in lab.hosts.values():
        tool(host, "down")
        assert not host.run("ip xfrm state; ip xfrm policy").stdout.strip()


def peer_of_one_adapter_hears_and_sends_an_sa_per_port(lab, wire):
    """--ports: how many SAs the other host sends with; each must come over one cable."""
    tool(lab.a, "up", "--key-file", KEY)
    done = tool(lab.b, "up", "--key-file", KEY, "--ports", "2")
    assert "placement per-port" in done.stdout and "as --ports asks" in done.stdout
    wire.learn()
    wire.forget()
    tcp(lab, streams=8)
    check_only_esp(lab, wire)
    assert all(carried(wire)) and all(carried(wire, "b"))
    for host in lab.hosts.values():
        tunnel = status(host)
        assert len(tunnel["sa_in"]) == len(tunnel["sa_out"]) == 2
        check_sealed(host)


@pytest.mark.lab(scenario="bond", spoils=True)
def test_on_independent_adapters_each_shape_gets_what_is_sound(lab, wire):
    """One boot for three shapes: what takes the time is making adapters and bonds."""
    for host in lab.hosts.values():
        rebond(host, "active-backup")
        activate(host, 0)
    forget_all(lab)
    active_port_owns_the_sas(lab, wire)
    each(lab, reshape)
    all_ports_run(lab)
    forget_all(lab)
    each_port_has_an_sa_pair(lab, wire)
    rebond(lab.b, "balance-xor", "cable0,cable1")
    forget_all(lab)
    peer_of_one_adapter_hears_and_sends_an_sa_per_port(lab, wire)
