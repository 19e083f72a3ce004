# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab demo: an unmodified ibv_rc_pingpong, sealed by the adapter, shown step by step.

Every command that is run in a host is shown as it could be typed there; what the cables carried is
told by captures taken outside the hosts.  Ends with PASS or FAIL, and that exit status.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time

from . import judge, kernelname
from .config import MTUS, LabError
from .frames import Pcap
from .labs import Lab
from .perftest import PINGPONG_PORT
from .progress import Progress

WIDTH = 100
# What moves when packets are sealed and opened, and what must not stay at 0 once an SA is gone.
COUNTERS = ("ipsec_tx_pkts", "ipsec_tx_bytes", "ipsec_tx_drop_pkts", "ipsec_rx_pkts",
            "ipsec_rx_bytes", "ipsec_rx_drop_pkts")


class Stage:
    """Prints the play; colours only for a terminal."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.colour = self.out.isatty() and "NO_COLOR" not in os.environ
        self.number = 0
        self.faults: list[str] = []

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def line(self, text: str = "") -> None:
        print(text, file=self.out, flush=True)

    def step(self, title: str, text: str = "") -> None:
        self.number += 1
        self.line()
        self.line(self.paint("1", f"{self.number}. {title}"))
        for paragraph in filter(None, text.split("\n")):
            self.line(textwrap.fill(paragraph, WIDTH, initial_indent="   ",
                                    subsequent_indent="   "))

    def output(self, text: str) -> None:
        for line in text.rstrip().splitlines():
            self.line("      " + line)

    def command(self, host, text: str) -> None:
        self.line(self.paint("36", f"   {host.name}# {text}"))

    def run(self, host, text: str, **more) -> str:
        self.command(host, text)
        done = host.run(text, **more)
        self.output(done.stdout + done.stderr)
        return done.stdout

    def check(self, good: bool, text: str) -> bool:
        mark = self.paint("32", "  ok ") if good else self.paint("31;1", " BAD ")
        self.line(f"  {mark} {text}")
        if not good:
            self.faults.append(text)
        return good


def counters(host) -> dict[str, int]:
    text = host.run(["ethtool", "-S", host.env["NETDEV"]]).stdout
    return {name: int(value) for name, value in re.findall(r"^\s*(\S+): (\d+)$", text, re.M)}


class Demo:
    def __init__(self, lab, stage: Stage):
        self.lab = lab
        self.a, self.b = lab.a, lab.b
        self.stage = stage
        self.pcaps = {(cable, host): Pcap(lab.pcap(cable, host))
                      for cable in (0, 1) for host in ("a", "b")}

    def new_frames(self) -> tuple[list, list]:
        """Since the last time: all frames at host a's ends of the cables, at both hosts' ends."""
        frames = {key: list(pcap.read()) for key, pcap in self.pcaps.items()}
        return ([f for key, got in frames.items() if key[1] == "a" for f in got],
                [f for got in frames.values() for f in got])

    def sas(self) -> list[judge.Sa]:
        return [sa for host in (self.a, self.b)
                for sa in judge.sas_from_xfrm(host.run("ip xfrm state").stdout)]

    # -- acts

    def look_around(self) -> None:
        s = self.stage
        s.step("Two hosts, an SR-IOV virtual function each, SAs and policies in the adapter",
               "Each VF was protected with one command, roce-ipsec-setup up; what it did is the "
               "kernel's own xfrm packet offload, as ip shows it (keys left out):")
        for host in (self.a, self.b):
            s.run(host, "head -n6 /run/roce-ipsec-lab.env | xargs")
        env = self.a.env
        ways = (f"src {env['LOCAL_IP']} dst {env['PEER_IP']}",
                f"src {env['PEER_IP']} dst {env['LOCAL_IP']}")
        text = [s.run(self.a, f"ip xfrm state list nokeys {way}") for way in ways]
        for way in ways:
            s.run(self.a, f"ip xfrm policy list {way}")
        s.check(all("mode packet" in t for t in text), "ip xfrm state says: mode packet")
        s.line()
        s.check(self.verify(0), "roce-ipsec-setup verify finds nothing wrong")

    def verify(self, status: int) -> bool:
        """Exit status 0: sealed; 3: a fault was found."""
        command = "roce-ipsec-setup verify --dev {NETDEV} --peer {PEER_IP}".format(**self.a.env)
        self.stage.command(self.a, command)
        done = self.a.run(command, check=False)
        self.stage.output(done.stdout + done.stderr)
        return done.rc == status

    def show_counters(self, before=None) -> dict:
        now = {}
        for host in (self.a, self.b):
            now[host.name] = values = counters(host)
            self.stage.command(host, f"ethtool -S {host.env['NETDEV']} | grep ipsec")
            old = before[host.name] if before else {}
            self.stage.output("\n".join(
                f"{name:20} {values.get(name, 0):>10}"
                + (f"   (+{values.get(name, 0) - old.get(name, 0)})" if before else "")
                for name in COUNTERS))
        return now

    def pingpong(self) -> None:
        s = self.stage
        s.step("The counters before")
        before = self.show_counters()
        self.new_frames()
        s.step("ibv_rc_pingpong, as any RDMA user types it")
        options = "-d {RDMADEV} -g {GIDX} -c"
        server = "ibv_rc_pingpong " + options.format(**self.b.env)
        client = f"ibv_rc_pingpong {options.format(**self.a.env)} {self.b.env['LOCAL_IP']}"
        s.command(self.b, server)
        with self.b.spawn(server) as proc:
            self.b.wait_port(PINGPONG_PORT)
            s.command(self.a, client)
            done = self.a.run(client, check=False, timeout=120)
            there = proc.wait(timeout=60)
        s.line("   on host b:")
        s.output(there.stdout + there.stderr)
        s.line("   on host a:")
        s.output(done.stdout + done.stderr)
        s.check(done.rc == 0 and there.rc == 0, "both ends finished without an error")
        s.step("The counters after")
        after = self.show_counters(before)
        for host in ("a", "b"):
            moved = {n: after[host].get(n, 0) - before[host].get(n, 0) for n in COUNTERS}
            s.check(moved["ipsec_tx_pkts"] > 0 and moved["ipsec_rx_pkts"] > 0,
                    f"host {host} sealed {moved['ipsec_tx_pkts']} packets and opened "
                    f"{moved['ipsec_rx_pkts']}")

    def judge_cable(self) -> None:
        s = self.stage
        s.step("What the cable saw",
               "QEMU captured both cables outside the hosts, at both ends; tshark reads the "
               "captures, which the kernels under test cannot touch.")
        for cable in (0, 1):
            s.line(f"   cable {cable}: {self.lab.pcap(cable)}, {self.lab.pcap(cable, 'b').name}")
        s.line(f"   {judge.tshark_version()}")
        frames, at_both_ends = self.new_frames()
        report = judge.examine(frames, self.sas())
        leaks = judge.cleartext_roce(at_both_ends)
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(report.kinds.items()))
        s.line(f"   frames: {kinds or 'none'}")
        s.check(report.esp > 0, f"{report.esp} ESP frames")
        s.check(not leaks, f"{len(leaks)} cleartext RoCE frames, at either end of either cable")
        s.check(report.esp == report.authentic,
                f"{report.authentic} of them open with the hosts' keys and are authentic")
        s.check(report.tshark_opened == report.asked and not report.disagree,
                f"tshark decrypts {report.tshark_opened} and finds RoCEv2 in "
                f"{report.tshark_roce}")
        s.check(report.tshark_roce > 0 and not report.wrong_icrc,
                f"{report.sealed_roce} decrypted RoCEv2 packets have a correct ICRC, "
                f"{len(report.wrong_icrc)} a wrong one")
        if leaks:
            s.output(judge.list_frames(leaks))

    def delete_sa(self) -> None:
        s = self.stage
        s.step("An SA is deleted under traffic",
               "A pingpong runs; then host a's outbound SA vanishes, as a mistake or a dying "
               "daemon would have it. Nothing may leave in clear: the traffic must stop instead.")
        env_a, env_b = self.a.env, self.b.env
        options = "-d {RDMADEV} -g {GIDX} -n 1000000"
        server = "ibv_rc_pingpong " + options.format(**env_b)
        client = f"ibv_rc_pingpong {options.format(**env_a)} {env_b['LOCAL_IP']}"
        spi = self.outbound_spi()
        with self.b.spawn(server) as there:
            s.command(self.b, server)
            self.b.wait_port(PINGPONG_PORT)
            s.command(self.a, client)
            before = counters(self.a)
            with self.a.spawn(client) as here:
                self.wait_moved(before, "ipsec_tx_pkts", 200)
                s.run(self.a, f"ip xfrm state delete dst {env_b['LOCAL_IP']} proto esp "
                              f"spi 0x{spi:08x}")
                done = here.wait(timeout=60)
            there.kill()
            there.wait(timeout=30)
        s.line("   on host a:")
        s.output(done.stdout + done.stderr)
        after = counters(self.a)
        frames, at_both_ends = self.new_frames()
        leaks = judge.cleartext_roce(at_both_ends)
        sealed = sum(f.kind == "esp" for f in frames)
        s.check(done.rc != 0, "the pingpong stopped")
        moved = {n: after[n] - before.get(n, 0) for n in sorted(after)
                 if "_drop_" in n and after[n] != before.get(n, 0)}
        s.check(bool(moved), "host a counts what it did not send: "
                + (", ".join(f"{n} +{v}" for n, v in moved.items()) or "nothing"))
        s.check(sealed > 0 and not leaks,
                f"the cables: {sealed} ESP frames before, {len(leaks)} cleartext RoCE frames after")
        if leaks:
            s.output(judge.list_frames(leaks))
        s.line()
        s.check(self.verify(3), "roce-ipsec-setup verify finds the fault")

    def outbound_spi(self) -> int:
        peer = self.b.env["LOCAL_IP"]
        spis = [sa.spi for sa in judge.sas_from_xfrm(self.a.run("ip xfrm state").stdout)
                if sa.dst == peer]
        if not spis:
            raise LabError(f"host a has no SA towards {peer}")
        return spis[0]

    def wait_moved(self, before: dict, name: str, by: int, timeout: float = 60) -> None:
        end = time.monotonic() + timeout
        while counters(self.a).get(name, 0) < before.get(name, 0) + by:
            if time.monotonic() > end:
                raise LabError(f"{name} does not move: no traffic")

    def consoles(self) -> None:
        faults = self.lab.scan()
        self.stage.step("The consoles")
        self.stage.check(not faults, "no kernel fault on either console")
        for fault in faults:
            self.stage.output(fault)


def play(lab, stage: Stage) -> None:
    demo = Demo(lab, stage)
    demo.look_around()
    demo.pingpong()
    demo.judge_cable()
    demo.delete_sa()
    demo.consoles()


def add_arguments(parser) -> None:
    kernelname.add_option(parser)
    parser.add_argument("--mtu", type=int, choices=MTUS, default=MTUS[0])


def main(args, progress: Progress) -> int:
    stage = Stage()
    begin = time.monotonic()
    try:
        with Lab.up(kernel=args.kernel, scenario="ipsec", mtu=args.mtu,
                    progress=progress) as lab:
            play(lab, stage)
    except (LabError, AssertionError, judge.JudgeError) as err:
        stage.check(False, str(err))
    took = f"({time.monotonic() - begin:.0f} s)"
    stage.line()
    if stage.faults:
        stage.line(stage.paint("31;1", "FAIL") + f" {took}")
        for fault in stage.faults:
            stage.output(fault)
        return 1
    stage.line(stage.paint("32;1", "PASS") + f" {took}")
    return 0
