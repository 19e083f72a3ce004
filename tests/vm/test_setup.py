# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-setup on two hosts: one command each protects, verify tells the truth.

    a: VF, roce-ipsec-setup up ---- only ESP ---- VF, roce-ipsec-setup up :b
"""

import json

import pytest

from kit import (IP_BATCH, Moved, Protection, each, end, ethtool, ip_lines, local_ip, ping, poll,
                 queue_pairs, set_mtu, traffic, unprotect)
from lab import perftest, scenario

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]

KEY = "/root/tunnel.key"
FAULT = 3


class Tunnel:
    """The tool on both hosts, with a key of its own."""

    def __init__(self, lab, six):
        self.lab, self.six = lab, six
        for host in lab.hosts.values():
            host.run(f"rm -rf {KEY} /var/lib/roce-ipsec /run/roce-ipsec")
        lab.a.run(f"roce-ipsec-setup genkey {KEY}")
        lab.b.write(KEY, lab.a.read(KEY), 0o600)

    def command(self, host, verb, *more):
        return ["roce-ipsec-setup", verb, "--dev", host.env["NETDEV"], "--peer",
                local_ip(host.peer, self.six), *more]

    def run(self, host, verb, *more, **options):
        return host.run(self.command(host, verb, *more), **options)

    def up(self, *more):
        for host in self.lab.hosts.values():
            self.run(host, "up", "--key-file", KEY, *more)

    def down(self):
        for host in self.lab.hosts.values():
            host.run(["roce-ipsec-setup", "down", "--dev", host.env["NETDEV"], "--all"],
                     check=False)


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def tunnel(request, lab, wire):
    set_mtu(lab, 1500)
    tunnel = Tunnel(lab, request.param == 6)
    yield tunnel
    tunnel.down()
    unprotect(lab)


def family(number):
    """For a test that says the same in both."""
    return pytest.mark.parametrize("tunnel", [number], ids=[f"ipv{number}"], indirect=True)


def installed(host):
    return host.run("ip xfrm state list nokeys; ip xfrm policy").stdout.strip()


# ---- it protects ---------------------------------------------------------------------------------

def test_one_command_on_each_host_seals_the_traffic(lab, wire, tunnel):
    tunnel.up()
    wire.learn()
    moved = Moved(lab.a)
    perftest.pingpong(end(lab.b, tunnel.six), end(lab.a, tunnel.six), iters=100)
    ping(lab.a, tunnel.six)
    wire.check_sealed_roce(at_least=200)
    assert moved["ipsec_tx_pkts"] >= 100
    for host in lab.hosts.values():
        done = tunnel.run(host, "verify", check=False)
        assert done.rc == 0, done.output


def test_up_twice_changes_nothing(lab, tunnel):
    tunnel.up()
    before = installed(lab.a)
    tunnel.up()
    assert [ln for ln in installed(lab.a).splitlines() if "spi" in ln] == \
        [ln for ln in before.splitlines() if "spi" in ln]
    assert tunnel.run(lab.a, "verify", check=False).rc == 0


def test_down_removes_everything_and_may_be_repeated(lab, tunnel):
    tunnel.up()
    for _ in range(2):
        for host in lab.hosts.values():
            tunnel.run(host, "down")
            assert not installed(host)
            assert "4791" not in host.run(
                f"tc filter show dev {host.env['NETDEV']} egress").stdout


def test_status_tells_people_and_programs_the_same(lab, tunnel):
    tunnel.up()
    text = tunnel.run(lab.a, "status").stdout
    data = json.loads(tunnel.run(lab.a, "status", "--json").stdout)
    flat = json.dumps(data)
    assert local_ip(lab.b, tunnel.six) in text and local_ip(lab.b, tunnel.six) in flat
    assert lab.a.env["NETDEV"] in text and lab.a.env["NETDEV"] in flat
    assert "packet" in flat
    # What to type behind the -d and -g of an RDMA program.
    here = end(lab.a, tunnel.six)
    assert f"(-d {here.dev} -g {here.gidx})" in text
    (told,) = data["tunnels"]
    assert (told["rdma"]["dev"], told["rdma"]["gid_index"]) == (here.dev, here.gidx)


def test_the_key_is_never_shown(lab, tunnel):
    tunnel.up()
    key = lab.a.read(KEY)
    raw = key.strip()
    shown = "".join(tunnel.run(lab.a, *words, check=False).output for words in
                    (("status",), ("status", "--json"), ("verify",), ("verify", "--json")))
    shown += lab.a.run("dmesg; cat /run/roce-ipsec/* /var/lib/roce-ipsec/* 2>/dev/null",
                       check=False).output
    assert raw.decode(errors="replace") not in shown
    for line in raw.decode(errors="replace").split():
        assert len(line) < 16 or line not in shown


def test_after_a_link_flush_the_next_generation_recovers(lab, wire, tunnel):
    """NETDEV_DOWN takes SAs and policies away; nothing leaks meanwhile, and one command repairs."""
    tunnel.up()
    wire.learn()
    dev = lab.a.env["NETDEV"]
    six = lab.a.env["LOCAL_IP6"]
    lab.a.run(f"ip link set {dev} down && ip link set {dev} up")
    lab.a.run(f"ip -6 addr show dev {dev} | grep -q {six}/ || ip addr add {six}/64 dev {dev} nodad")
    poll(lambda: lab.a.run(f"cat /sys/class/net/{dev}/carrier").stdout.strip() == "1", 20)
    scenario.wait_ipv6(lab.a)
    with pytest.raises(perftest.ToolFailed):
        perftest.pingpong(end(lab.b, tunnel.six), end(lab.a, tunnel.six), iters=5, timeout=30)
    wire.check_no_cleartext()
    assert tunnel.run(lab.a, "verify", check=False).rc == FAULT
    for host in lab.hosts.values():
        tunnel.run(host, "up", "--key-file", KEY, "--generation", "next")
    wire.learn()
    perftest.pingpong(end(lab.b, tunnel.six), end(lab.a, tunnel.six), iters=20)
    wire.check_no_cleartext()
    assert tunnel.run(lab.a, "verify", check=False).rc == 0


def test_the_fence_alone_keeps_cleartext_roce_off_the_cable(lab, wire, tunnel):
    """What a NIC without ipsec-fail-closed has left when the SPD was flushed."""
    tunnel.up()
    for host in lab.hosts.values():
        host.run("ip xfrm policy flush; ip xfrm state flush; "
                 f"ethtool --set-priv-flags {host.env['NETDEV']} ipsec-fail-closed off")
    moved = Moved(lab.a)
    with pytest.raises(perftest.ToolFailed):
        perftest.pingpong(end(lab.b, tunnel.six), end(lab.a, tunnel.six), iters=5, timeout=30)
    assert moved["tc_drop_egress"] > 0
    wire.check_no_cleartext()
    ping(lab.a, tunnel.six)


def test_a_rekey_in_steps_loses_no_message(lab, wire, programs, tunnel):
    tunnel.up()
    wire.learn()
    with queue_pairs(lab, programs, tunnel.six) as (a, b), traffic(a, b):
        for step in ("listen", "send", "finish"):
            for host in lab.hosts.values():
                tunnel.run(host, "rekey", "--key-file", KEY, "--generation", "2", "--step", step)
                wire.learn()
            start = a.done()
            poll(lambda: a.done() > start + 10, 30, f"writes go on after {step}")
        assert a.ask("done")["bad"] == "0"
    report = wire.check_sealed_roce(at_least=50)
    assert report.esp and len({f.spi for f in wire.frames(0, "a") if f.kind == "esp"}) == 4


# ---- what devices hold closed ----------------------------------------------------------------------

@family(6)
def test_finding_flush_what_a_flush_leaves_closed_is_named_and_opened(lab, wire, tunnel):
    """By hand and flushed, as vendors' scripts do: nothing of ours was up, and nothing went through."""
    Protection(lab, wire, tunnel.six).up()
    each(lab, ip_lines("xfrm state flush", "xfrm policy flush"), argv=IP_BATCH)
    dev, peer = lab.a.env["NETDEV"], local_ip(lab.b, tunnel.six)
    opens = f"roce-ipsec-setup down --dev {dev} --all"
    status, found, down = lab.a.run(
        f"roce-ipsec-setup status; echo ---; roce-ipsec-setup verify --dev {dev} --peer {peer} "
        f"--no-probe || echo rc $?; echo ---; roce-ipsec-setup down --dev {dev} --peer {peer}"
    ).stdout.split("---\n")
    assert f"{dev} is closed" in status and "what 2 policies protected" in status, status
    assert opens in status and f"{dev} ipsec-fail-closed off" in status, status
    assert f"rc {FAULT}" in found and opens in found, found
    # Towards whom the device drops, nobody can tell: one peer's word does not open it.
    assert opens in down and "nothing to do" not in down, down
    assert ethtool(lab.a)["ipsec_fences"] == 2
    for host in lab.hosts.values():
        assert "opened" in host.run(f"roce-ipsec-setup down --dev {host.env['NETDEV']} --all").stdout
    ping(lab.a, tunnel.six)
    assert lab.a.run("roce-ipsec-setup status").stdout == "nothing is up\n"


@family(4)
def test_finding_R11_up_has_its_device_closed_until_protected_and_down_takes_it_back(lab, tunnel):
    dev = lab.a.env["NETDEV"]
    tunnel.run(lab.a, "up", "--key-file", KEY, "--closed-until-protected")
    flags = f"ethtool --show-priv-flags {dev} | grep until"
    assert lab.a.run(flags).stdout.strip().endswith(": on")
    assert "is closed" not in lab.a.run("roce-ipsec-setup status").stdout
    # As it is when its driver comes back.
    text = lab.a.run("ip xfrm policy flush; roce-ipsec-setup status").stdout
    assert "drops all IP out and in" in text and f"{dev} ipsec-closed-until-protected off" in text
    assert tunnel.run(lab.a, "verify", "--no-probe", check=False).rc == FAULT
    tunnel.run(lab.a, "down")
    assert lab.a.run(flags).stdout.strip().endswith(": off")
    assert lab.a.run("roce-ipsec-setup status").stdout == "nothing is up\n"


@family(4)
def test_finding_setup_on_a_vlan_the_function_below_is_named(lab, tunnel):
    """What it said was a devlink command; what works is the function, and it is taken."""
    dev = lab.a.env["NETDEV"]
    up = f"roce-ipsec-setup up --key-file {KEY} --peer"
    lab.a.run(IP_BATCH, input=ip_lines(
        f"link add link {dev} name v100 type vlan id 100", f"link add link {dev} name mv0 type macvlan",
        "addr add 192.168.77.1/24 dev v100", "addr add 192.168.78.1/24 dev mv0", "link set v100 up",
        "link set mv0 up"))
    try:
        for above, net in (("v100", 77), ("mv0", 78)):
            done = lab.a.run(f"{up} 192.168.{net}.2 --dev {above}", check=False)
            assert done.rc == 1, done.output
            assert f"use --dev {dev} --local 192.168.{net}.1" in done.stderr
        lab.a.run(f"{up} 192.168.77.2 --dev {dev} --local 192.168.77.1")
        done = lab.a.run(f"roce-ipsec-setup verify --dev {dev} --peer 192.168.77.2 --no-probe",
                         check=False)
        assert done.rc == 0 and f"through v100, which lies on {dev}" in done.stdout, done.output
    finally:
        tunnel.down()
        lab.a.run(IP_BATCH, input=ip_lines("link del v100", "link del mv0"), check=False)


# ---- verify finds what is wrong ------------------------------------------------------------------

def remove_out_sa(host):
    host.run("ip xfrm state | awk '/^src/{s=$2;d=$4} /spi/{p=$4} / dir out /{print s,d,p}' | "
             "while read s d p; do ip xfrm state delete src $s dst $d proto esp spi $p; done")


def remove_in_sa(host):
    host.run("ip xfrm state | awk '/^src/{s=$2;d=$4} /spi/{p=$4} / dir in /{print s,d,p}' | "
             "while read s d p; do ip xfrm state delete src $s dst $d proto esp spi $p; done")


FAULTS = {
    "outbound SA deleted": ("a", remove_out_sa),
    "inbound SA deleted": ("a", remove_in_sa),
    "policies flushed": ("a", lambda host: host.run("ip xfrm policy flush")),
    "SAs flushed": ("a", lambda host: host.run("ip xfrm state flush")),
    "the peer's SAs flushed": ("b", lambda host: host.run("ip xfrm state flush")),
    "link down": ("a", lambda host: host.run(f"ip link set {host.env['NETDEV']} down")),
    "fence removed": ("a", lambda host: host.run(
        f"tc qdisc del dev {host.env['NETDEV']} clsact")),
}


@pytest.mark.parametrize("what", FAULTS)
def test_verify_finds_the_fault(lab, tunnel, what):
    tunnel.up()
    assert tunnel.run(lab.a, "verify", check=False).rc == 0
    where, break_it = FAULTS[what]
    break_it(lab.host(where))
    done = tunnel.run(lab.a, "verify", check=False, timeout=90)
    assert done.rc == FAULT, f"{what}: {done.output}"
    assert done.stdout.strip()
    told = json.loads(tunnel.run(lab.a, "verify", "--json", check=False, timeout=90).stdout)
    assert told
    for host in lab.hosts.values():
        host.run(f"ip link set {host.env['NETDEV']} up")
        host.run(f"ip addr add {host.env['LOCAL_IP6']}/64 dev {host.env['NETDEV']} nodad",
                 check=False)


def test_verify_finds_two_hosts_with_different_keys(lab, tunnel):
    lab.b.run(f"rm {KEY} && roce-ipsec-setup genkey {KEY}")
    tunnel.up()
    assert tunnel.run(lab.a, "verify", check=False, timeout=90).rc == FAULT


def test_verify_without_any_tunnel_says_so(lab, tunnel):
    done = tunnel.run(lab.a, "verify", check=False, timeout=90)
    assert done.rc in (1, FAULT) and done.output.strip()


# ---- what it refuses -----------------------------------------------------------------------------

BAD_KEYS = {
    "others can read": f"chmod 644 {KEY}",
    "group can read": f"chmod 640 {KEY}",
    "somebody else's": f"chown nobody {KEY}",
    "missing": f"rm {KEY}",
    "empty": f": > {KEY}",
    "a folder": f"rm {KEY} && mkdir {KEY}",
    "a device": f"rm {KEY} && ln -s /dev/zero {KEY}",
    "noise": f"head -c 4096 /dev/urandom > {KEY}",
    "too short": f"head -c 4 {KEY} > {KEY}.x && cat {KEY}.x > {KEY}",
}


@pytest.mark.parametrize("what", BAD_KEYS)
def test_a_key_file_that_is_not_right_is_refused(lab, tunnel, what):
    lab.a.run(BAD_KEYS[what])
    done = tunnel.run(lab.a, "up", "--key-file", KEY, check=False)
    lab.a.run(f"rm -rf {KEY}")
    assert done.rc == 1, done.output
    assert done.stderr.strip() and not installed(lab.a)


BAD_ARGUMENTS = [
    (2, ["up"]), (2, []), (2, ["frobnicate"]), (2, ["up", "--nonsense"]),
    (2, ["up", "--dev", "{dev}"]), (2, ["up", "--dev", "{dev}", "--peer", "not-an-address"]),
    (2, ["up", "--dev", "{dev}", "--peer", "{peer}", "--key-file", KEY, "--replay-window", "7"]),
    (2, ["up", "--dev", "{dev}", "--peer", "{peer}", "--key-file", KEY, "--key-bits", "192"]),
    (2, ["up", "--dev", "{dev}", "--peer", "{peer}", "--key-file", KEY, "--key", "00"]),
    (2, ["up", "--dev", "{dev}", "--peer", "{peer}"]),
    (1, ["up", "--dev", "nosuchdev", "--peer", "{peer}", "--key-file", KEY]),
    (1, ["up", "--dev", "lo", "--peer", "{peer}", "--key-file", KEY]),
    (1, ["up", "--dev", "cable1", "--peer", "{peer}", "--key-file", KEY]),
]


@pytest.mark.parametrize("status,words", BAD_ARGUMENTS, ids=lambda v: " ".join(v) if
                         isinstance(v, list) else str(v))
def test_arguments_that_make_no_sense_are_refused(lab, tunnel, status, words):
    words = [w.format(dev=lab.a.env["NETDEV"], peer=local_ip(lab.b, tunnel.six)) for w in words]
    done = lab.a.run(["roce-ipsec-setup", *words], check=False)
    assert done.rc == status, done.output
    assert done.stderr.strip() and not installed(lab.a)


@pytest.mark.parametrize("taken", ["--spi-in", "--spi-out"])
def test_a_failed_step_puts_things_back(lab, tunnel, taken):
    """Somebody else's SA has the SPI already: up fails and leaves that SA alone."""
    a, b = local_ip(lab.a, tunnel.six), local_ip(lab.b, tunnel.six)
    src, dst = (b, a) if taken == "--spi-in" else (a, b)
    lab.a.run(f"ip xfrm state add src {src} dst {dst} proto esp spi 0x7777 reqid 4 "
              f"mode transport aead 'rfc4106(gcm(aes))' 0x{'44' * 20} 128")
    before = installed(lab.a)
    free = "--spi-out" if taken == "--spi-in" else "--spi-in"
    done = tunnel.run(lab.a, "up", "--key-file", KEY, taken, "0x7777", free, "0x7778",
                      check=False)
    assert done.rc == 1 and done.stderr.strip(), done.output
    assert installed(lab.a) == before
    assert "4791" not in lab.a.run(f"tc filter show dev {lab.a.env['NETDEV']} egress").stdout
