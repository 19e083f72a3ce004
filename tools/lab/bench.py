# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab bench: the adapter beside stock rdma_rxe with software xfrm, same hosts, same run.

          host a                                                  host b
    +----------------------+             cable 0            +----------------------+
    | iroce: VF 0 plain    |--------------------------------| VF 0 plain     iroce |
    |        VF 1 sealed   |                                | VF 1 sealed          |
    |                      |             cable 1            |                      |
    | rxe: address 1 plain |--------------------------------| address 1 plain  rxe |
    |      address 2 sealed|                                | address 2 sealed     |
    +----------------------+                                +----------------------+

All four set-ups stand side by side and take turns, so that what disturbs the machine disturbs all
of them.  Before anything is measured the captures prove what is sealed and what is not; then the
captures are taken away, for they cost time.

Then the same hosts, booted again, for a bond with thousands of SAs: bench_bond.py.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import platform
import secrets
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import adapter, bench_bond, guestbuild, image, judge, kernels, perftest, tools
from .config import LabError, source_root
from .frames import Pcap
from .labs import Lab
from .perftest import End
from .progress import Progress

MTUS = (1500, 9000)
BW_SIZE, LAT_SIZE = 65536, 8
GOAL = 1.5
TRIES = 3


@dataclasses.dataclass
class SetUp:
    name: str
    sealed: bool
    is_iroce: bool
    net: int            # third byte of its addresses

    def ip(self, host: str) -> str:
        return f"192.168.{self.net}.{1 if host == 'a' else 2}"


SETUPS = (SetUp("iroce + ESP", True, True, 212), SetUp("rxe + ESP", True, False, 214),
          SetUp("iroce plain", False, True, 211), SetUp("rxe plain", False, False, 213))


def xfrm_script(local: str, peer: str, spi_out: int, spi_in: int, key_out: str, key_in: str,
                reqid: int, dev: str | None) -> str:
    """What a user types: two SAs and two policies, with or without packet offload."""
    offload = {d: f" offload packet dev {dev} dir {d}" if dev else "" for d in ("in", "out")}
    policy = f" offload packet dev {dev}" if dev else ""
    # An SA that says it is outbound has no window: the kernel refuses one.
    window = {"in": "replay-window 128 ", "out": "" if dev else "replay-window 128 "}
    lines = []
    for way, src, dst, spi, key in (("out", local, peer, spi_out, key_out),
                                    ("in", peer, local, spi_in, key_in)):
        lines.append(f"ip xfrm state add src {src} dst {dst} proto esp spi {spi:#x} "
                     f"reqid {reqid} mode transport flag esn {window[way]}"
                     f"aead 'rfc4106(gcm(aes))' 0x{key} 128{offload[way]}")
        lines.append(f"ip xfrm policy add src {src} dst {dst} dir {way} tmpl src {src} dst {dst} "
                     f"proto esp reqid {reqid} mode transport{policy}")
    return "\n".join(lines)


class Bench:
    def __init__(self, lab, progress: Progress):
        self.lab = lab
        self.progress = progress
        self.ends: dict[str, dict[str, End]] = {s.name: {} for s in SETUPS}
        self.netdevs: dict[str, list[str]] = {"a": [], "b": []}
        self.failed: dict[str, int] = collections.Counter()

    # -- the four set-ups

    def prepare(self) -> None:
        for host in self.lab.hosts.values():
            with self.progress.step(f"host {host.name}: adapter on cable 0, rxe on cable 1"):
                self._prepare_iroce(host)
                self._prepare_rxe(host)
        for setup in SETUPS:
            if setup.sealed:
                self._protect(setup)
        for setup in SETUPS:
            for host in self.lab.hosts.values():
                end = self.ends[setup.name][host.name]
                # Neighbours known, carrier up: nothing of that kind happens while measuring.
                host.run(f"ping -c1 -W5 {self.ends[setup.name][host.peer.name].ip}", timeout=30)
                self.netdevs[host.name] += [d for d in [netdev_of(host, end.ip)]
                                            if d not in self.netdevs[host.name]]

    def _prepare_iroce(self, host) -> None:
        pf = adapter.load(host, "cable0")[0]
        vfs = adapter.make_vfs(host, pf, 2)
        for setup in (s for s in SETUPS if s.is_iroce):
            vf = adapter.devices(host, vfs[setup.sealed])
            host.run(f"ip link set {vf.netdev} up mtu {max(MTUS)} && "
                     f"ip addr add {setup.ip(host.name)}/24 dev {vf.netdev}")
            self._add_end(setup, host, vf.rdmadev)

    def _prepare_rxe(self, host) -> None:
        host.run("modprobe rdma_rxe && rdma link add rxe0 type rxe netdev cable1 && "
                 "ip link set cable1 up")
        for setup in (s for s in SETUPS if not s.is_iroce):
            host.run(f"ip addr add {setup.ip(host.name)}/24 dev cable1")
            self._add_end(setup, host, "rxe0")

    def _add_end(self, setup: SetUp, host, rdmadev: str) -> None:
        ip = setup.ip(host.name)
        self.ends[setup.name][host.name] = End(host, rdmadev, adapter.gid_index(host, rdmadev, ip), ip)

    def _protect(self, setup: SetUp) -> None:
        keys = {"a": secrets.token_hex(20), "b": secrets.token_hex(20)}
        spis = {"a": setup.net << 8 | 1, "b": setup.net << 8 | 2}
        for host in self.lab.hosts.values():
            me, peer = host.name, host.peer.name
            dev = netdev_of(host, setup.ip(me)) if setup.is_iroce else None
            # Through standard input: a command that fails is printed, keys must not be.
            host.run(["sh", "-e"], input=xfrm_script(
                setup.ip(me), setup.ip(peer), spis[me], spis[peer], keys[me], keys[peer],
                setup.net, dev))

    def set_mtu(self, mtu: int) -> None:
        for name, host in self.lab.hosts.items():
            for dev in self.netdevs[name]:
                host.run(f"ip link set {dev} mtu {mtu}")
            # rxe changes its active MTU with the netdev; wait for the address's GID, too.
        for setup in SETUPS:
            for host in self.lab.hosts.values():
                self._add_end(setup, host, self.ends[setup.name][host.name].dev)

    # -- what the cables show

    def prove(self) -> None:
        """Each set-up once, captured: the sealed ones only in ESP, the plain ones in clear."""
        sas = []
        for host in self.lab.hosts.values():
            sas += judge.sas_from_xfrm(host.run("ip xfrm state").stdout)
        for setup in SETUPS:
            pcap = Pcap(self.lab.pcap(0 if setup.is_iroce else 1))
            pcap.skip()
            self.write_bw(setup, iters=5)
            frames = list(pcap.read())
            report = judge.examine(frames, sas)
            if setup.sealed:
                report.check_sealed_roce(at_least=5)
            elif not report.clear_roce or report.wrong_icrc:
                raise judge.Guilty(f"{setup.name}: {len(report.clear_roce)} RoCE frames in clear, "
                                   f"{len(report.wrong_icrc)} with a wrong ICRC")

    def drop_captures(self) -> None:
        for host in self.lab.hosts.values():
            for obj in host.qmp("qom-list", path="/objects"):
                if "filter-dump" in obj["type"]:
                    host.qmp("object-del", id=obj["name"])

    # -- measuring

    def write_bw(self, setup: SetUp, iters: int) -> float:
        ends = self.ends[setup.name]
        return perftest.bandwidth("ib_write_bw", ends["b"], ends["a"], BW_SIZE, iters,
                                  timeout=300).gbits

    def write_lat(self, setup: SetUp, iters: int) -> float:
        ends = self.ends[setup.name]
        return perftest.latency("ib_write_lat", ends["b"], ends["a"], LAT_SIZE, iters,
                                timeout=300).typical

    def rfc4106_rate(self, kernel: str) -> dict[int, float]:
        """Bytes -> Gb/s on one CPU of host a while host b is idle."""
        img = image.ensure(self.progress)
        path = guestbuild.module(img, kernels.choose(img, kernel, self.progress), source_root() / "tests/bench/rfc4106_rate",
                                 "rfc4106_rate")
        host = self.lab.a
        host.put(path, "/tmp/rfc4106_rate.ko")
        host.run("insmod /tmp/rfc4106_rate.ko", timeout=60)
        text = host.run("cat /sys/module/rfc4106_rate/parameters/result; "
                        "rmmod rfc4106_rate").stdout
        rates = {}
        for line in text.splitlines():
            size, ns, _ = line.split()
            rates[int(size)] = int(size) * 8 / int(ns)
        return rates

    def round(self, results: dict, mtu: int, bw_iters: int, lat_iters: int, backwards: bool
              ) -> None:
        # The other way round every other time: who comes first has no advantage.
        for setup in reversed(SETUPS) if backwards else SETUPS:
            mine = results.setdefault(setup.name, {}).setdefault(mtu, {"bw": [], "lat": []})
            mine["bw"].append(self.measure(setup, self.write_bw, bw_iters))
            mine["lat"].append(self.measure(setup, self.write_lat, lat_iters))

    def measure(self, setup: SetUp, what, iters: int) -> float:
        """A run that a set-up does not finish is repeated, counted, and told with the figures."""
        for _ in range(TRIES - 1):
            try:
                return what(setup, iters)
            except perftest.ToolFailed:
                self.failed[setup.name] += 1
        return what(setup, iters)


def netdev_of(host, ip: str) -> str:
    for link in json.loads(host.run("ip -j addr").stdout):
        if any(a.get("local") == ip for a in link.get("addr_info", ())):
            return link["ifname"]
    raise LabError(f"host {host.name}: no interface has address {ip}")


# ---- figures -------------------------------------------------------------------------------------

def summary(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "values": values}


def table(results: dict, rates: dict[int, float], rounds: int) -> str:
    lines = [f"median of {rounds} rounds (least .. most)",
             f"{'':14}" + "".join(f"{f'MTU {m}: {BW_SIZE >> 10} KB writes, Gb/s':>32}"
                                  f"{f'{LAT_SIZE} B write, us':>26}" for m in MTUS)]
    for setup in SETUPS:
        cells = f"{setup.name:14}"
        for mtu in MTUS:
            bw, lat = (summary(results[setup.name][mtu][k]) for k in ("bw", "lat"))
            cells += f"{bw['median']:>14.3f} ({bw['min']:.3f} .. {bw['max']:.3f})".rjust(32)
            cells += f"{lat['median']:>10.0f} ({lat['min']:.0f} .. {lat['max']:.0f})".rjust(26)
        lines.append(cells)
    lines.append("")
    for mtu in MTUS:
        lines.append(f"MTU {mtu}: sealed writes {ratio(results, mtu):.2f} times rxe + ESP "
                     f"(goal: {GOAL})")
    lines.append("rfc4106(gcm(aes)) of this kernel, one CPU: "
                 + ", ".join(f"{size} B {rate:.3f} Gb/s" for size, rate in rates.items()))
    return "\n".join(lines)


def ratio(results: dict, mtu: int) -> float:
    ours, theirs = (statistics.median(results[s.name][mtu]["bw"]) for s in SETUPS[:2])
    return ours / theirs


def environment(lab) -> dict:
    qemu = subprocess.run([*tools.qemu(image.find()), "--version"], capture_output=True, text=True,
                          check=False).stdout.split("\n")[0]
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        model = next((ln.split(":")[1].strip() for ln in info if ln.startswith("model name")), "")
    return {"qemu": qemu, "cpu": model, "machine": platform.machine(),
            "guest_kernel": lab.a.run("uname -r").stdout.strip(),
            "guest_cpus": int(lab.a.run("nproc").stdout), "when": time.strftime("%F %T %z")}


def add_arguments(parser) -> None:
    kernels.add_option(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bw-iters", type=int, default=300, metavar="N",
                        help="64 KB writes per measurement (default: 300)")
    parser.add_argument("--lat-iters", type=int, default=500, metavar="N",
                        help="8 B writes per measurement (default: 500)")
    parser.add_argument("--sas", type=int, default=10000, metavar="N",
                        help="SAs on a bond of two (default: 10000; 0: leave that part out)")
    parser.add_argument("--only-bond", action="store_true", help="leave the other part out")
    parser.add_argument("--cpus", type=int, help="CPUs of each host")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE",
                        help="where the figures go (default: bench.json)")


def main(args, progress: Progress) -> int:
    if min(args.rounds, args.bw_iters // 5, args.lat_iters // 5) < 1 or args.sas < 0:
        raise LabError("at least one round, and 5 iterations (perftest wants them)")
    found: dict = {}
    if not args.only_bond:
        found = traffic(args, progress)
    if args.sas:
        with _lab(args, progress) as lab:
            found.setdefault("environment", environment(lab))
            found["bond"] = bench_bond.run(lab, progress, args.sas)
        print(bench_bond.table(found["bond"]))
    write_json(args.json, found)
    return 0


def _lab(args, progress: Progress):
    # No poisoning, no KFENCE: those are for tests.
    return Lab.up(kernel=args.kernel, scenario="bare", mtu=max(MTUS), debug=False, cpus=args.cpus,
                  progress=progress)


def traffic(args, progress: Progress) -> dict:
    """The four set-ups beside each other; prints the table, returns the figures."""
    with _lab(args, progress) as lab:
        bench = Bench(lab, progress)
        bench.prepare()
        with progress.step("looking at the cables: what is sealed, what is not"):
            bench.prove()
        bench.drop_captures()
        env = environment(lab)
        results: dict = {}
        with progress.step("the rate of rfc4106(gcm(aes)) in the guest"):
            rates = bench.rfc4106_rate(args.kernel)
        for mtu in MTUS:
            bench.set_mtu(mtu)
            for number in range(args.rounds):
                with progress.step(f"MTU {mtu}, round {number + 1} of {args.rounds}"):
                    bench.round(results, mtu, args.bw_iters, args.lat_iters, number % 2 == 1)
    print(table(results, rates, args.rounds))
    for name, times in bench.failed.items():
        print(f"{name}: {times} measurements failed and were repeated")
    figures = {name: {str(mtu): {k: summary(v) for k, v in what.items()}
                      for mtu, what in by_mtu.items()} for name, by_mtu in results.items()}
    return {"environment": env, "rounds": args.rounds, "bw_size": BW_SIZE,
            "bw_iters": args.bw_iters, "lat_size": LAT_SIZE, "lat_iters": args.lat_iters,
            "units": {"bw": "Gb/s", "lat": "us"}, "results": figures,
            "rfc4106_gbits": {str(k): v for k, v in rates.items()},
            "failed_measurements": bench.failed,
            "ratio_to_rxe_esp": {str(m): ratio(results, m) for m in MTUS}}


def write_json(path: Path, found: dict) -> None:
    text = json.dumps(found, indent=1)
    try:
        path.write_text(text + "\n")
    except OSError as err:
        raise LabError(f"cannot write {path}: {err.strerror}") from err
    print(f"figures: {path}", file=sys.stderr)
