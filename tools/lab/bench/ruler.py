# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts guest instructions per packet, of both hosts together.

tests/bench/src/ruler.c makes the traffic: both ends sleep, one process does all runs of a set-up
and MTU.  A cell is measured as the difference between a long and a short run, divided by the data
packets that the long one has more (a ping-pong: by round trips, an echo too).  Acknowledgements
are not counted as packets: their cost is part of their data's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics

from .. import guestbuild, image, kernelname
from ..config import LabError, source_root
from ..qemu import mac
from .meter import Meter
from .setups import PAYLOAD, Bench, SetUp

PROGRAM = "/tmp/ruler"
RUN_SECONDS = 120
PORT = 18600
REPEATS = ("duplicate_request", "out_of_seq_request", "rcvd_rnr_err", "rcvd_seq_err",
           "completer_retry_err")
ECHO_NETDEV = "cable1"
ECHO_SIZE = 64
ECHO_RUNS = (16, 144)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One column: what is sent how often."""

    name: str
    title: str
    mode: str
    size: int
    runs: dict[int, tuple[int, int]]	# MTU -> messages of the short and the long run

    def packets(self, mtu: int, answer: str) -> float:
        """Data packets of a message; a ping-pong has none of its own, a round trip is its unit.

        answer: the ruler's, which for TCP tells the size of a segment.
        """
        if self.mode == "pingpong":
            return 1
        if self.mode == "tcp":
            return self.size / int(answer.split()[1])
        return -(-self.size // PAYLOAD[mtu])


# The near end of a stream is woken each 16 messages.
STREAM_RUNS = {1500: (16, 64), 9000: (32, 160)}
TCP_RUNS = {1500: (16, 80), 9000: (16, 176)}
CELLS = (Cell("send_64k", "64 KB send", "send", 65536, STREAM_RUNS),
         Cell("write_64k", "64 KB write", "write", 65536, STREAM_RUNS),
         Cell("read_64k", "64 KB read", "read", 65536, STREAM_RUNS),
         Cell("pingpong_8", "8 B ping-pong", "pingpong", 8, {m: (16, 144) for m in PAYLOAD}),
         Cell("tcp", "TCP", "tcp", 65536, TCP_RUNS))
SHORT_CELLS = tuple(c for c in CELLS if c.name in ("send_64k", "pingpong_8"))


class Pair:
    """A ruler at each end: `drive` in host a, `serve` in host b, for as many runs as one likes."""

    def __init__(self, bench: Bench, setup: SetUp, mtu: int):
        near, far = (bench.ends[setup.name][h] for h in ("a", "b"))
        more = ["-m", str(PAYLOAD[mtu]), "-p", str(PORT)]
        self.server = far.host.spawn([PROGRAM, "serve", "-d", far.dev, "-g", str(far.gidx), *more])
        self.server.wait_line(0)
        self.driver = near.host.spawn(
            [PROGRAM, "drive", "-d", near.dev, "-g", str(near.gidx), *more, far.ip], is_fed=True)
        self.driver.wait_line(0)
        self.lines = 1

    def run(self, mode: str, count: int, size: int) -> str:
        self.driver.feed(f"{mode} {count} {size}\n")
        answer = self.driver.wait_line(self.lines, RUN_SECONDS)
        self.lines += 1
        if not answer.startswith("done"):
            raise LabError(f"ruler: {mode} {count} {size}: {answer}")
        return answer

    def close(self) -> None:
        for proc in (self.driver, self.server):
            if proc.poll() is None:
                proc.stop()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class EchoPair(Pair):
    """The same for raw frames over a cable, without RDMA and without IP."""

    def __init__(self, lab):	# pylint: disable=super-init-not-called
        self.server = lab.b.spawn([PROGRAM, "serve", "-i", ECHO_NETDEV])
        self.server.wait_line(0)
        self.driver = lab.a.spawn([PROGRAM, "drive", "-i", ECHO_NETDEV,
                                   mac("b", int(ECHO_NETDEV[-1]))], is_fed=True)
        self.driver.wait_line(0)
        self.lines = 1


class Ruler:
    """Measures; figures[mtu][set-up][cell] is a list with one {host: instructions} a round."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.lab = bench.lab
        self.meter = Meter(bench.lab)
        self.figures: dict[int, dict[str, dict[str, list[dict[str, float]]]]] = {}
        # What was sent, or asked for, twice: packets were lost, or took a busy machine too long.
        self.repeated = {"rdma": 0, "tcp": 0}

    def prepare(self) -> None:
        program = guestbuild.programs(image.ensure(self.bench.progress),
                                      source_root() / "tests/bench/src") / "ruler"
        for host in self.lab.hosts.values():
            host.put(program, PROGRAM, 0o755)
            # A run of TCP begins with the window that the last one ended with.
            host.run("sysctl -qw net.ipv4.tcp_slow_start_after_idle=0")

    def send_a_little(self, setup: SetUp) -> None:
        """For the look at the cables; the lab's MTU is the larger one."""
        with Pair(self.bench, setup, max(PAYLOAD)) as pair:
            pair.run("write", 1, 65536)

    # -- cells

    def measure_mtu(self, mtu: int, rounds: int, cells=CELLS) -> None:
        """All set-ups and cells in turns, the other way round every other time."""
        progress = self.bench.progress
        before = self._repeats()
        with contextlib.ExitStack() as stack:
            with progress.step(f"MTU {mtu}: connecting"):
                pairs = {s.name: stack.enter_context(Pair(self.bench, s, mtu))
                         for s in self.bench.setups}
                stack.enter_context(self.meter.batches())
                for pair in pairs.values():
                    for cell in cells:
                        # Caches fill, windows open: not part of any figure.
                        pair.run(cell.mode, cell.runs[mtu][0], cell.size)
            for number in range(rounds):
                with progress.step(f"MTU {mtu}, round {number + 1} of {rounds}"):
                    self.meter.learn_own_rate()
                    self._round(mtu, pairs, cells, -1 if number % 2 else 1)
        for kind, number in self._repeats().items():
            self.repeated[kind] += number - before[kind]

    def _repeats(self) -> dict[str, int]:
        found = {"rdma": 0, "tcp": 0}
        for host in self.lab.hosts.values():
            for device in json.loads(host.run("rdma -j statistic").stdout):
                found["rdma"] += sum(device.get(name, 0) for name in REPEATS)
            text = host.run("nstat -asz TcpRetransSegs").stdout
            found["tcp"] += int(text.split("TcpRetransSegs")[1].split()[0])
        return found

    def _round(self, mtu: int, pairs: dict[str, Pair], cells, way: int) -> None:
        for cell in cells[::way]:
            for setup in self.bench.setups[::way]:
                by_cell = self.figures.setdefault(mtu, {}).setdefault(setup.name, {})
                by_cell.setdefault(cell.name, []).append(self._cell(pairs[setup.name], cell, mtu))

    def _cell(self, pair: Pair, cell: Cell, mtu: int) -> dict[str, float]:
        answers = []
        cost = self._per_message(cell.runs[mtu], lambda count: answers.append(
            pair.run(cell.mode, count, cell.size)))
        return {h: n / cell.packets(mtu, answers[-1]) for h, n in cost.items()}

    def _per_message(self, runs: tuple[int, int], run) -> dict[str, float]:
        """The long run less the short one, over the messages that it has more."""
        short, long = (self.meter.cost(lambda count=count: run(count)) for count in runs)
        return {h: (long[h] - short[h]) / (runs[1] - runs[0]) for h in short}

    # -- the floor

    def echo(self, rounds: int) -> list[dict[str, float]]:
        """An empty round trip of the cable: a raw frame, there and back."""
        with EchoPair(self.lab) as pair, self.meter.batches():
            pair.run("echo", ECHO_RUNS[0], ECHO_SIZE)
            self.meter.learn_own_rate()
            return [self._per_message(ECHO_RUNS, lambda n: pair.run("echo", n, ECHO_SIZE))
                    for _ in range(rounds)]

    def cipher(self, role: str) -> dict[int, int]:
        """Bytes -> instructions of one pass of rfc4106(gcm(aes)); one is a nanosecond here."""
        return {size: ns for size, (ns, _) in
                rfc4106(self.lab, role, self.bench.progress, milliseconds=30).items()}


def rfc4106(lab, role: str, progress, milliseconds: int = 200) -> dict[int, tuple[int, float]]:
    """Bytes -> (nanoseconds, Gb/s) of a pass on one CPU of host a while host b is idle."""
    img = image.ensure(progress)
    path = guestbuild.module(img, kernelname.choose(img, role, progress),
                             source_root() / "tests/bench/rfc4106_rate", "rfc4106_rate")
    host = lab.a
    host.put(path, "/tmp/rfc4106_rate.ko")
    host.run(f"insmod /tmp/rfc4106_rate.ko ms={milliseconds}", timeout=60)
    text = host.run("cat /sys/module/rfc4106_rate/parameters/result; rmmod rfc4106_rate").stdout
    rows = (map(int, line.split()[:2]) for line in text.splitlines())
    return {size: (ns, size * 8 / ns) for size, ns in rows}


def total(cost: dict[str, float]) -> float:
    return sum(cost.values())


def median(rounds: list[dict[str, float]]) -> float:
    """Of both hosts' sum."""
    return statistics.median(map(total, rounds))
