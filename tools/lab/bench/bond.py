# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The bench's other half: a bond of two VFs with thousands of SAs, timed at two sizes.

    a: bond0 (active-backup, SAs shared) = VF 0 + VF 1 ---- cables 0 and 1 ---- bond0 :b
       pings, 100 a second, through one of all those SAs

install     ip -batch, SAs of both directions, each with an SPI and key of its own; beside it the
            same for a VF alone, and for xfrm in software, without any device
bring up    a new port of the bond gets all of them: the time of its enslavement
fail-over   what bonding takes to make the other port the active one; and the silence on the
            cables when the active one's cable is cut: miimon included
flush       until ip xfrm state flush returns; memory goes behind its back
"""

from __future__ import annotations

import secrets
import statistics
import time

from .. import adapter, judge
from ..config import LabError
from ..frames import Pcap
from ..labs import Lab
from .setups import MTUS, environment

BOND, MIIMON = "bond0", 20
SMALL = 100
SWITCHES, CUTS = 20, 5
IPS = {"a": "10.47.0.1", "b": "10.47.0.2"}

# Prints microseconds: one line per run of a command that is a write to a file.
_TIMED_WRITES = """
import sys, time
for words in sys.stdin.read().splitlines():
    path, text = words.split(' ', 1)
    start = time.perf_counter_ns()
    with open(path, 'w') as file:
        file.write(text)
    print((time.perf_counter_ns() - start) / 1000)
"""


class Scale:
    def __init__(self, lab):
        self.lab = lab
        self.ports: dict[str, list[str]] = {}
        self.spi = 0x1000

    def prepare(self) -> None:
        for host in self.lab.hosts.values():
            pfs = adapter.load(host, "cable0,cable1")
            self.ports[host.name] = [
                adapter.devices(host, adapter.make_vfs(host, pf, 1)[0]).netdev for pf in pfs]
            host.run("modprobe ipsec_roce")
            adapter.make_bond(host, BOND, self.ports[host.name], "active-backup", MIIMON)
            host.run(f"ip addr add {IPS[host.name]}/24 dev {BOND}")
        for host in self.lab.hosts.values():
            self.activate(host, 0)
        for host in self.lab.hosts.values():
            ways = {"out": (host.name, host.peer.name), "in": (host.peer.name, host.name)}
            for way, (src, dst) in ways.items():
                host.run(f"ip xfrm policy add src {IPS[src]} dst {IPS[dst]} dir {way} "
                         f"tmpl src {IPS[src]} dst {IPS[dst]} proto esp reqid 1 mode transport "
                         f"offload packet dev {BOND}")
        # The first ones load modules.
        for dev in (None, self.ports["a"][0]):
            self.install(2, dev)

    def protect(self) -> None:
        """The SAs of the pings, new ones; all others are gone."""
        sas = []
        for src, dst in (("a", "b"), ("b", "a")):
            self.spi += 1
            sas.append((src, dst, self.spi, secrets.token_hex(20)))
        for host in self.lab.hosts.values():
            lines = [sa_line(IPS[src], IPS[dst], spi, key, "out" if src == host.name else "in",
                             BOND)
                     for src, dst, spi, key in sas]
            host.run("ip xfrm state flush")
            # Through standard input: a command that fails is printed, keys must not be.
            host.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
        self.lab.a.run(f"ping -c 3 -W 5 {IPS['b']}", timeout=60)

    def activate(self, host, number: int) -> None:
        """Refused until the bond has seen the port's link."""
        host.run(f"for i in $(seq 100); do ip link set {BOND} type bond active_slave "
                 f"{self.ports[host.name][number]} && exit; sleep 0.1; done; exit 1")

    # -- the figures; seconds, unless they say otherwise

    def measure(self, n_sas: int) -> dict:
        host = self.lab.a
        found: dict = {"sas": n_sas}
        for name, dev in (("install_software", None), ("install_vf", self.ports["a"][0])):
            host.run("ip xfrm state flush", timeout=600)
            found[name] = self.install(n_sas, dev)
        self.protect()
        free = available(host)
        found["install"] = self.install(n_sas, BOND)
        found["bytes_per_sa"] = (free - available(host)) / n_sas
        found["bring_up"] = self.bring_up()
        found["switch_us"] = self.switch()
        found["cut_silence"] = self.cut()
        start = time.monotonic()
        host.run("ip xfrm state flush", timeout=600)
        found["flush"] = time.monotonic() - start
        return found

    def install(self, n_sas: int, dev: str | None) -> float:
        """Of other addresses than the pings': which SA a packet takes stays the same."""
        lines = []
        for number in range(n_sas):
            self.spi += 1
            ends = ("10.48.0.1", "10.48.0.2")[::-1 if number % 2 else 1]
            lines.append(sa_line(*ends, self.spi, secrets.token_hex(20),
                                 "in" if number % 2 else "out", dev))
        host = self.lab.a
        host.write("/tmp/sas", "\n".join(lines) + "\n", mode=0o600)
        start = time.monotonic()
        host.run("ip -batch /tmp/sas", timeout=1200)
        took = time.monotonic() - start
        host.run("rm /tmp/sas")
        have = int(host.run("ip xfrm state count | grep -o '[0-9]*$'").stdout)
        if have < n_sas:
            raise LabError(f"{have} SAs in place of {n_sas}")
        return took

    def bring_up(self) -> float:
        """The port that is not active leaves, and comes back: what enslaving it takes."""
        host, port = self.lab.a, self.ports["a"][1]
        self.activate(host, 0)
        host.run(f"ip link set {port} nomaster; ip link set {port} down", timeout=300)
        micros = self.timed(f"/sys/class/net/{BOND}/bonding/slaves +{port}")
        self.activate(host, 1)
        self.activate(host, 0)
        return micros[0] / 1e6

    def switch(self) -> list[float]:
        """Both hosts' bonds need not agree for that: nothing is sent meanwhile."""
        names = self.ports["a"]
        path = f"/sys/class/net/{BOND}/bonding/active_slave"
        return self.timed("\n".join(f"{path} {names[(i + 1) % 2]}" for i in range(SWITCHES)))

    def timed(self, writes: str) -> list[float]:
        done = self.lab.a.run(["python3", "-c", _TIMED_WRITES], input=writes + "\n", timeout=300)
        return [float(line) for line in done.stdout.split()]

    def cut(self) -> list[float]:
        """From the last sealed frame of host a on one cable to its first on the other."""
        silences = []
        for host in self.lab.hosts.values():
            self.activate(host, 0)
        pcaps = [Pcap(self.lab.pcap(cable, "a")) for cable in (0, 1)]
        with self.lab.a.spawn(["ping", "-i", "0.01", "-q", IPS["b"]]):
            for number in range(CUTS):
                time.sleep(0.5)
                for pcap in pcaps:
                    pcap.skip()
                cable = number % 2
                time.sleep(0.3)
                self.lab.cut(cable)
                time.sleep(1)
                before, after = ([f.time for f in pcaps[c].read()
                                  if f.kind == "esp" and f.dst == judge.packed(IPS["b"])]
                                 for c in (cable, 1 - cable))
                if not before or not after:
                    raise LabError(f"cable {cable} was cut, frames before: {len(before)}, on the "
                                   f"other one after: {len(after)}")
                silences.append(after[0] - before[-1])
                self.lab.plug(cable)
                time.sleep(0.5)
        return silences


def sa_line(src: str, dst: str, spi: int, key: str, way: str, dev: str | None) -> str:
    # An SA that says it is outbound has no window: the kernel refuses one.
    window = "replay-window 256 " if way == "in" or not dev else ""
    offload = f"offload packet dev {dev} dir {way}" if dev else ""
    return (f"xfrm state add src {src} dst {dst} proto esp spi {spi:#x} reqid 1 mode transport "
            f"flag esn {window}aead rfc4106(gcm(aes)) 0x{key} 128 {offload}")


def available(host) -> int:
    """Bytes of memory that the host has left."""
    return int(host.run("sync; awk '/^MemAvailable/ {print $2}' /proc/meminfo").stdout) << 10


def table(results: list[dict]) -> str:
    lines = [f"a bond of two VFs, SAs shared (miimon {MIIMON} ms)",
             f"{'SAs':>8}{'install':>10}{'per SA: bond':>14}{'VF':>10}{'software':>10}"
             f"{'memory/SA':>11}{'new port':>10}{'switch':>20}{'silence at a cut':>24}{'flush':>10}"]
    for found in results:
        switch, cut = found["switch_us"], [s * 1000 for s in found["cut_silence"]]
        lines.append(
            f"{found['sas']:>8}{found['install']:>8.2f} s"
            + "".join(f"{found[name] / found['sas'] * 1e6:>{width}.0f} us" for name, width in (
                ("install", 11), ("install_vf", 7), ("install_software", 7)))
            + f"{found['bytes_per_sa'] / 1024:>8.1f} KB{found['bring_up']:>8.2f} s"
            + f"{statistics.median(switch):.0f} us (..{max(switch):.0f})".rjust(20)
            + f"{statistics.median(cut):.0f} ms ({min(cut):.0f}..{max(cut):.0f})".rjust(24)
            + f"{found['flush']:>8.2f} s")
    return "\n".join(lines)


def run(lab, progress, n_sas: int) -> list[dict]:
    scale = Scale(lab)
    with progress.step("a bond on each host"):
        scale.prepare()
    results = []
    for size in sorted({min(SMALL, n_sas), n_sas}):
        with progress.step(f"a bond with {size} SAs"):
            results.append(scale.measure(size))
    return results


def traffic(args, progress) -> dict:
    """On hosts of its own; prints the table, returns the figures."""
    with Lab.up(kernel=args.kernel, scenario="bare", mtu=max(MTUS), debug=False, cpus=args.cpus,
                progress=progress) as lab:
        found = {"environment": environment(lab), "bond": run(lab, progress, args.sas)}
    print(table(found["bond"]))
    return found
