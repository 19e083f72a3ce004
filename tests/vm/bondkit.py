# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What tests of bonds share; and bonds for those that make their own, on hosts that have nothing
loaded: scenario bare.

    shape                  mode           ports            count SAs
    8023ad-pf              802.3ad        the two PFs      together, one adapter
    xor-vf                 balance-xor    a VF of each PF  together, one adapter
    backup-vf              active-backup  a VF of each PF  together, one adapter
    backup-two-adapters    active-backup  a VF of each PF  each by itself, two adapters
    xor-two-adapters       balance-xor    a VF of each PF  each by itself, two adapters
    stock                  balance-xor    the cables       in software: no adapter, no helper

    a: bond0 10.46.N.1 = port 0 ---- cable 0 ---- port 0 = 10.46.N.2 bond0 :b
                         port 1 ---- cable 1 ---- port 1

N is another one each time: a socket that an earlier test left behind has nothing to say here.

Modules and functions are the ground of a bond.  A host whose ground is whole at a test's end keeps
it, and the next test makes a bond of its own on it; any other host is cleared of all of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit import CABLES, Moved, Protection, each, local_ip, poll, xfrm_stat
from lab import CommandFailed, adapter, frames, judge

BOND = "bond0"
# One SA over two cables: the window must span what one of them may lag behind.
WINDOW = 2048
# Spread over both cables by their ports; nobody listens there.
KNOCK_PORTS = range(20000, 20016)


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    mode: str
    adapters: int = 1
    is_pf: bool = False
    more: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def cables(self) -> str:
        return "cable0/cable1" if self.adapters == 2 else "cable0,cable1"

    def has_ground_of(self, other: "Shape") -> bool:
        return (self.adapters, self.is_pf) == (other.adapters, other.is_pf)


LACP = Shape("8023ad-pf", "802.3ad", is_pf=True, more="lacp_rate fast")
XOR = Shape("xor-vf", "balance-xor")
BACKUP_VF = Shape("backup-vf", "active-backup")
BACKUP = Shape("backup-two-adapters", "active-backup", adapters=2)
APART = Shape("xor-two-adapters", "balance-xor", adapters=2)
STOCK = Shape("stock", "balance-xor", adapters=0)


def both(lab, call) -> None:
    with ThreadPoolExecutor(max_workers=len(lab.hosts)) as pool:
        for job in [pool.submit(call, host) for host in lab.hosts.values()]:
            job.result()


# ---- made and taken down -------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Ground:
    """What a host has below a bond: modules, and the functions that are to become ports."""

    shape: Shape
    pcis: list[str]		# in the order of the cables


# Of hosts that have one and no bond.
_grounds: dict = {}


def lay(host, shape: Shape) -> Ground:
    """The ground that the host has kept, or a new one."""
    ground = _grounds.pop(host, None)
    if ground and ground.shape.has_ground_of(shape):
        return ground
    if ground:
        remove_all(host)
    pcis = []
    if shape is not STOCK:
        pfs = adapter.load(host, shape.cables)
        pcis = pfs if shape.is_pf else [adapter.make_vfs(host, pf, 1)[0] for pf in pfs]
        host.run("modprobe ipsec_roce")
    return Ground(shape, pcis)


_nets = itertools.count(1)


def make(host, ground: Ground, shape: Shape, net: int, miimon: int = 100) -> None:
    if shape is STOCK:
        ports, rdmadev = [f"cable{c}" for c in CABLES], "rxe0"
    else:
        found = [adapter.devices(host, pci) for pci in ground.pcis]
        ports, rdmadev = [f.netdev for f in found], found[0].rdmadev
    adapter.make_bond(host, BOND, ports, shape.mode, miimon, shape.more)
    ip = address(host, net)
    host.run(f"ip addr add {ip}/24 dev {BOND}")
    host.set_env({"NETDEV": BOND, "LOCAL_IP": ip, "PEER_IP": address(host.peer, net),
                  "RDMADEV": rdmadev, "PORT": ports[0], "PORT1": ports[1]})


def address(host, net: int) -> str:
    return f"10.46.{net}.{1 if host.name == 'a' else 2}"


# A state or a policy that is left is told.
REMOVE_BOND = """
ip xfrm policy flush; ip xfrm state flush
ip link del bond0 2>/dev/null
ip xfrm state; ip xfrm policy
"""
# Does not succeed, if more than the bond is gone.
IS_WHOLE = """
for module in ipsec_roce iroce; do grep -q "^$module " /proc/modules || exit; done
for pci in "$@"; do [ -e /sys/bus/pci/drivers/iroce/$pci ] || exit; done"""

REMOVE_ALL = f"""{REMOVE_BOND}
TRIES=50
{adapter.UNLOAD}
ip xfrm state; ip xfrm policy
grep -h iroce /proc/slabinfo"""

# Where the kernel stands, in case a device does not go.
STACKS = """
for task in /proc/[0-9]*; do
	read -r name < $task/comm && stack=$(cat $task/stack) || continue
	case $stack in *rtnl*|*netdev*|*xfrm*|*iroce*|*ipsec_roce*|*process_one_work*) echo "$name:"; echo "$stack";; esac
done 2>/dev/null"""
SLOW = 5


def remove(host, script: str, *args) -> bool:
    """Did the script succeed?  What it tells is left, and a fault; if it takes long, a failure of the
    test shows where the kernel was."""
    with host.spawn(["sh", "-c", script, "sh", *args]) as proc:
        end = time.monotonic() + SLOW
        while proc.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        if proc.poll() is None:
            print(f"host {host.name}: slow to remove a bond:\n{host.run(STACKS, check=False).stdout}")
        done = proc.wait(120)
    assert not done.stdout, f"host {host.name}: left behind:\n{done.stdout}"
    host.set_env({})
    return not done.rc


def remove_all(host) -> None:
    _grounds.pop(host, None)
    remove(host, REMOVE_ALL)


def clear(lab) -> None:
    """The hosts as they were before the first bond."""
    both(lab, lambda host: remove_all(host) if host in _grounds else None)


def remove_bond(host, ground: Ground) -> None:
    """Keeps the ground for the next test, if it is whole."""
    if ground.shape is not STOCK and remove(host, REMOVE_BOND + IS_WHOLE, *ground.pcis):
        _grounds[host] = ground
    else:
        remove_all(host)


@contextlib.contextmanager
def bonded(lab, wire, shape: Shape, peer: Shape | None = None, miimon: int = 100, unload: str = ""):
    """Both hosts with a bond while the block runs; after a failure the lab is of no use.

    unload: names of hosts whose modules have to go afterwards, whatever the block has made of them.
    """
    shapes = {"a": shape, "b": peer or shape}
    net = next(_nets)
    grounds = {}

    def begin(host):
        grounds[host] = lay(host, shapes[host.name])
        make(host, grounds[host], shapes[host.name], net, miimon)

    def end(host):
        if host.name in unload:
            remove_all(host)
        else:
            remove_bond(host, grounds[host])

    both(lab, begin)
    wire.learn()
    wait_whole(lab)
    yield
    # MAC addresses and keys tell the oracle whose frames are whose.
    wire.learn()
    for cable in CABLES:
        lab.plug(cable)
    both(lab, end)


def switch_on(host) -> None:
    """The helper takes a bond over a moment after it was loaded."""
    poll(lambda: "esp-hw-offload: on" in host.run(
        f"ethtool -K {BOND} esp-hw-offload on; ethtool -k {BOND}", check=False).stdout, 10,
        "the helper has the bond")


def set_rdma(host, dev: str) -> None:
    """An RDMA device that has the bond's address, into the host's env."""
    host.set_env({**host.env, "RDMADEV": dev,
                  "GIDX": adapter.gid_index(host, dev, local_ip(host))})


def use_rdma(lab) -> None:
    """The RDMA device of each bond."""
    for host in lab.hosts.values():
        set_rdma(host, adapter.rdma_of(host, BOND))


def unprotect_bond(lab) -> None:
    """Back to cleartext on purpose: the ports keep closed what they were told to protect."""
    def script(host):
        flags = "\n".join(f"ethtool --set-priv-flags {dev} ipsec-fail-closed {way}"
                          for way in ("off", "on") for dev in ports(host))
        return f"ip xfrm policy flush; ip xfrm state flush\n{flags}"
    each(lab, script, check=False)


def activate(host, port: int) -> None:
    """Refused until the bond has seen the port's link."""
    command = f"ip link set {BOND} type bond active_slave {ports(host)[port]}"
    poll(lambda: not host.run(command, check=False).rc, 10, command)


# ---- looked at -----------------------------------------------------------------------------------

def ports(host) -> list[str]:
    return [host.env["PORT"], host.env["PORT1"]]


def bond_text(host) -> str:
    return host.run(f"cat /proc/net/bonding/{BOND}", check=False).stdout


def is_whole(host, wanted) -> bool:
    """Do these ports carry traffic, and no others?"""
    text = bond_text(host)
    up = re.findall(r"Slave Interface: (\S+)\nMII Status: up", text)
    if sorted(up) != sorted(wanted):
        return False
    # 0x3f: active, fast, aggregated, in sync, collecting, distributing; ours and the partner's.
    return "802.3ad" not in text or text.count("port state: 63") == 2 * len(wanted)


def wait_whole(lab, cables=CABLES) -> None:
    """Until both bonds carry traffic on these cables' ports and on no others."""
    for host in lab.hosts.values():
        poll(lambda: is_whole(host, [ports(host)[c] for c in cables]), 30,
             f"host {host.name}: ports {list(cables)} run")


def rdma_links(host) -> dict[str, str]:
    """RDMA device -> its network device."""
    return dict(re.findall(r"^link (\S+)/1 .* netdev (\S+)", host.run("rdma link").stdout, re.M))


def link_failures(host) -> int:
    return sum(map(int, re.findall(r"Link Failure Count: (\d+)", bond_text(host))))


def helper(host, *args):
    """The helper's own netlink family, asked byte by byte, by one process for all questions."""
    proc, asked = _helpers.get(host, (None, 0))
    if not proc or proc.poll() is not None:
        host.put(Path(__file__).parent / "src/helper_nl.py", "/tmp/helper_nl.py")
        proc, asked = host.spawn(["python3", "/tmp/helper_nl.py"], is_fed=True), 0
    _helpers[host] = proc, asked + 1
    proc.feed(" ".join(map(str, args)) + "\n")
    return json.loads(proc.wait_line(asked, 60))


# Of each host: the process that asks, and how much it was asked.
_helpers: dict = {}


def bond_seen(host) -> dict:
    """What the helper says of bond0."""
    (bond,) = [bond for bond in helper(host, "bonds") if bond["ifname"] == BOND]
    return bond


def port_counters(host, name: str = "ipsec_tx_pkts") -> Moved:
    """One of ethtool's counters, of each port by its name."""
    def read(there):
        return {dev: int(there.run(f"ethtool -S {dev} | sed -n 's/ *{name}: //p'").stdout)
                for dev in ports(there)}
    return Moved(host, read)


def refusal(host, flow) -> str:
    """What the kernel says to an SA that it does not take."""
    with pytest.raises(CommandFailed) as refused:
        flow.add_state(host)
    return str(refused.value)


def addresses(lab) -> list[str]:
    return [local_ip(host) for host in lab.hosts.values()]


def check_only_esp(lab, wire) -> None:
    wire.check_no_cleartext(addresses(lab))


def esp(wire, cable, host="a", spi=None):
    return [f for f in wire.frames(cable, host)
            if f.kind == "esp" and spi in (None, f.spi)]


def carried(wire, host="a") -> list[int]:
    """ESP frames on each cable."""
    return [len(esp(wire, cable, host)) for cable in CABLES]


# ---- traffic -------------------------------------------------------------------------------------

def tcp(lab, streams: int = 16, seconds: int = 1):
    """From a to b over both cables; what iperf3 says of it, as JSON."""
    server = ["iperf3", "-s", "-1", "-B", local_ip(lab.b)]
    client = ["iperf3", "-c", local_ip(lab.b), "-t", str(seconds), "-P", str(streams), "-J"]
    with lab.b.spawn(server) as there:
        lab.b.wait_port(5201)
        done = lab.a.run(client, timeout=120)
        there.wait(timeout=60)
    return done


def knock(host, rounds: int = 1) -> int:
    """UDP to ports where nobody listens: what is delivered moves UdpNoPorts there."""
    host.run(["python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range({rounds}):
    for port in range({KNOCK_PORTS.start}, {KNOCK_PORTS.stop}):
        s.sendto(b'knock' * 10, ('{local_ip(host.peer)}', port))"""])
    return rounds * len(KNOCK_PORTS)


def made(like: bytes, flow, number: int, port: int = KNOCK_PORTS.start) -> bytes:
    """A UDP packet of the test's own, sealed with the flow's key, between the MACs of a frame.

    Nobody has sent the number, if it is far enough ahead of what the sender uses.
    """
    packet = frames.ip_packet(flow.src_ip, flow.dst_ip, 17, frames.udp(1, port, b"fresh"))
    return like[:14] + judge.seal(packet, flow.spi, number, flow.key, esn=True)


def udp_no_ports(host) -> int:
    text = host.run("cat /proc/net/snmp").stdout
    names, values = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
    return int(values[names.index("NoPorts")])


def no_ports(host) -> dict[str, int]:
    return {"UdpNoPorts": udp_no_ports(host)}


def reasons(host) -> dict[str, int]:
    """The ipsec_rx_drop_* of all ports, each with its port."""
    return {f"{dev}: {name}": int(value) for dev in ports(host) for name, value in
            re.findall(r"(ipsec_rx_drop_(?!pkts|bytes)\S+): (\d+)",
                       host.run(f"ethtool -S {dev}").stdout)}


def slowly(rate: str) -> list[str]:
    """Of iperf3, which sends blocks of 128 KB and looks at its rate every millisecond otherwise: an
    emulated host has no time for anything else then, not even for iperf3's own end."""
    return ["-b", rate, "-l", "4K", "--pacing-timer", "20000"]


class Load:
    """TCP streams and pings, from a to b, while the block runs."""

    # So many that both cables have some.
    STREAMS = 6

    def __init__(self, lab, wire, sealed: Protection, figures):
        self.lab, self.wire, self.sealed, self.figures = lab, wire, sealed, figures

    def __enter__(self) -> "Load":
        lab = self.lab
        self.server = lab.b.spawn(["iperf3", "-s", "-1", "-B", local_ip(lab.b)])
        lab.b.wait_port(5201)
        self.client = lab.a.spawn(["iperf3", "-c", local_ip(lab.b), "-t", "600", "-P",
                                   str(self.STREAMS), *slowly("500K")])
        self.pings = lab.a.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)])
        self.goes_on("the beginning")
        self.look("the beginning")
        return self

    def __exit__(self, *_) -> None:
        for proc in (self.client, self.pings, self.server):
            proc.__exit__()

    def received(self) -> dict[str, int]:
        """Bytes of each stream that b has taken; the one that controls the others is left out."""
        text = self.lab.b.run("ss -tinH state established '( sport = :5201 )'").stdout
        found = re.findall(r":(\d+)\s*\n.*bytes_received:(\d+)", text)
        return {port: int(count) for port, count in found if int(count) > 2000}

    def goes_on(self, what: str) -> None:
        """Waits until each of the streams has moved on."""
        assert self.client.poll() is None, self.client.result().output
        start = self.received()

        def has_moved():
            now = self.received()
            return len(now) >= self.STREAMS and all(
                count > start.get(port, 0) for port, count in now.items())

        poll(has_moved, 60, f"all TCP streams go on after: {what}")

    def look(self, what: str) -> float:
        """Was all of it sealed?  Tells the longest time in which nothing came to b."""
        self.wire.check_no_cleartext(addresses(self.lab))
        times = sorted(f.time for c in CABLES for f in esp(self.wire, c, "b", self.sealed.out.spi))
        counts = [len(esp(self.wire, c)) for c in CABLES]
        self.wire.forget()
        gap = max((b - a for a, b in zip(times, times[1:])), default=float("inf"))
        self.figures(f"{what}: {counts[0]} + {counts[1]} frames on the cables, longest gap "
                     f"{gap * 1000:.0f} ms")
        return gap


def missed(host) -> dict[str, int]:
    """ESP that a port has no SA for and its bond has: the helper stops and counts it there."""
    return {f"{port['sa_port_ifindex']}: missed of {sa['sa_spi']:#x}": port["sa_port_missed"]
            for sa in helper(host, "sas") for port in sa.get("sa_port", ())
            if "sa_port_missed" in port}


class Delivery:
    """Counts on b what arrives and what is refused, and by which name.

    Each packet that an adapter or the stack drops moves one counter of xfrm_stat, and an adapter's
    reason as well; one that the helper stops moves the port's.
    """

    def __init__(self, lab):
        self.lab = lab
        self.missed = missed(lab.b)
        self.refused, self.reasons = Moved(lab.b, xfrm_stat), Moved(lab.b, reasons)
        self.delivered = udp_no_ports(lab.b)

    def check_none_delivered(self, n_sent: int, what: str) -> str:
        counted: dict[str, int] = {}

        def all_counted():
            counted.clear()
            counted.update((name, n) for name, n in self.refused.now().items()
                           if name.startswith("XfrmIn"))
            if sum(counted.values()) < n_sent:
                counted.update((name, n - self.missed.get(name, 0))
                               for name, n in missed(self.lab.b).items())
            return sum(counted.values()) >= n_sent

        poll(all_counted, 15, f"{what}: {n_sent} refused and counted; counted: {counted}")
        assert udp_no_ports(self.lab.b) == self.delivered, f"{what}: delivered"
        names = {**{name: n for name, n in counted.items() if "missed" in name and n},
                 **self.reasons.now()} or counted
        return ", ".join(f"{name} {n}" for name, n in names.items())
