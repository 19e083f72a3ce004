# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The four set-ups by the clock: perftest between the hosts.

Proves nothing: without KVM the clock measures this machine's emulator, and rdma_rxe and iroce
suffer from it differently (the ruler has them the other way round at 4 KB packets).  It shows that
all four carry traffic at some rate.
"""

from __future__ import annotations

import collections
import statistics

from .. import perftest
from ..labs import Lab
from ..progress import Progress
from .ruler import rfc4106
from .setups import MTUS, SETUPS, Bench, SetUp, environment

BW_SIZE, LAT_SIZE = 65536, 8
TRIES = 3
WARNING = "By the clock of an emulated machine: proves nothing."


class WallBench(Bench):
    def __init__(self, lab, progress: Progress):
        super().__init__(lab, progress)
        self.failed: dict[str, int] = collections.Counter()

    def write_bw(self, setup: SetUp, iters: int) -> float:
        ends = self.ends[setup.name]
        return perftest.bandwidth("ib_write_bw", ends["b"], ends["a"], BW_SIZE, iters,
                                  timeout=300).gbits

    def write_lat(self, setup: SetUp, iters: int) -> float:
        ends = self.ends[setup.name]
        return perftest.latency("ib_write_lat", ends["b"], ends["a"], LAT_SIZE, iters,
                                timeout=300).typical

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


def traffic(args, progress: Progress) -> dict:
    """The four set-ups beside each other; prints the table, returns the figures."""
    # No poisoning, no KFENCE: those are for tests.
    with Lab.up(kernel=args.kernel, scenario="bare", mtu=max(MTUS), debug=False, cpus=args.cpus,
                progress=progress) as lab:
        bench = WallBench(lab, progress)
        bench.prepare()
        with progress.step("looking at the cables: what is sealed, what is not"):
            bench.prove(lambda setup: bench.write_bw(setup, 5))
        bench.drop_captures()
        env = environment(lab)
        results: dict = {}
        with progress.step("the rate of rfc4106(gcm(aes)) in the guest"):
            rates = {size: rate for size, (_, rate) in
                     rfc4106(lab, args.kernel, progress).items()}
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
    return {"environment": env, "rounds": args.rounds, "bw_size": BW_SIZE, "warning": WARNING,
            "bw_iters": args.bw_iters, "lat_size": LAT_SIZE, "lat_iters": args.lat_iters,
            "units": {"bw": "Gb/s", "lat": "us"}, "wall": figures,
            "rfc4106_gbits": {str(k): v for k, v in rates.items()},
            "failed_measurements": bench.failed}


def summary(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "values": values}


def table(results: dict, rates: dict[int, float], rounds: int) -> str:
    lines = [WARNING, f"Median of {rounds} rounds (least .. most)",
             f"{'':14}" + "".join(f"{f'MTU {m}: {BW_SIZE >> 10} KB writes, Gb/s':>32}"
                                  f"{f'{LAT_SIZE} B write, us':>26}" for m in MTUS)]
    for setup in SETUPS:
        cells = f"{setup.name:14}"
        for mtu in MTUS:
            bw, lat = (summary(results[setup.name][mtu][k]) for k in ("bw", "lat"))
            cells += f"{bw['median']:>14.3f} ({bw['min']:.3f} .. {bw['max']:.3f})".rjust(32)
            cells += f"{lat['median']:>10.0f} ({lat['min']:.0f} .. {lat['max']:.0f})".rjust(26)
        lines.append(cells)
    lines.append("rfc4106(gcm(aes)) of this kernel, one CPU: "
                 + ", ".join(f"{size} B {rate:.3f} Gb/s" for size, rate in rates.items()))
    return "\n".join(lines)
