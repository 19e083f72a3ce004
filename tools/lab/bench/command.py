# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The bench's command line: which halves run, and where their figures go."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from .. import kernelname
from ..config import LabError
from ..labs import Lab
from ..progress import Progress
from . import bond, budget, chart, figures, profile, wall
from .ruler import CELLS, SHORT_CELLS, Ruler
from .setups import MTUS, SETUPS, Bench, environment

SHORT_ROUNDS = 3
CHART_TITLE = "Guest instructions per data packet, both hosts (ping-pong: per round trip)"


def add_arguments(parser) -> None:
    kernelname.add_option(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true",
                        help="only iroce, few cells, held against tests/bench/budget.json")
    parser.add_argument("--new-budget", action="store_true",
                        help="with --short: write that file in place of holding against it")
    parser.add_argument("--profile", action="store_true",
                        help="also where the instructions go, by function (perf in the hosts)")
    parser.add_argument("--against", type=Path, metavar="FILE",
                        help="say how far each figure is from an earlier run's")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE",
                        help="where the figures go (default: bench.json)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="a chart of the instructions")
    parser.add_argument("--wall", action="store_true", help="the clock in place of instructions: "
                        "proves nothing, for it is this machine's and its emulator's")
    parser.add_argument("--bw-iters", type=int, default=300, metavar="N",
                        help="with --wall: 64 KB writes per measurement (default: 300)")
    parser.add_argument("--lat-iters", type=int, default=500, metavar="N",
                        help="with --wall: 8 B writes per measurement (default: 500)")
    parser.add_argument("--cpus", type=int, help="with --wall or --bond: CPUs of each host")
    parser.add_argument("--bond", action="store_true",
                        help="a bond of two VFs with many SAs, by the clock, in place of traffic")
    parser.add_argument("--sas", type=int, default=10000, metavar="N",
                        help="with --bond: SAs on the bond (default: 10000)")


def main(args, progress: Progress) -> int:
    if min(args.rounds, args.bw_iters // 5, args.lat_iters // 5, args.sas) < 1:
        raise LabError("at least one round, one SA, and 5 iterations (perftest wants them)")
    if args.short:
        return short(args, progress)
    found: dict = {}
    if args.wall:
        found |= wall.traffic(args, progress)
    if args.bond:
        found |= bond.traffic(args, progress)
    if not args.wall and not args.bond:
        found |= count(args, progress)
    write_json(args.json, found)
    return 0


def counted_lab(kernel: str, progress: Progress) -> Lab:
    # No poisoning, no KFENCE: those are for tests.  One CPU: only one can count.
    return Lab.up(kernel=kernel, scenario="bare", mtu=max(MTUS), debug=False, cpus=1, icount=True,
                  progress=progress)


def start(lab: Lab, progress: Progress, setups) -> Ruler:
    bench = Bench(lab, progress, setups)
    bench.prepare()
    ruler = Ruler(bench)
    ruler.prepare()
    with progress.step("looking at the cables: what is sealed, what is not"):
        bench.prove(ruler.send_a_little)
    bench.drop_captures()
    return ruler


def count(args, progress: Progress) -> dict:
    """The whole table."""
    profiles: dict = {}
    with counted_lab(args.kernel, progress) as lab:
        ruler = start(lab, progress, SETUPS)
        env = environment(lab)
        with progress.step("the floor: the cipher alone, an empty round trip of the cable"):
            cipher = ruler.cipher(args.kernel)
            echo = ruler.echo(args.rounds)
        for mtu in MTUS:
            ruler.bench.set_mtu(mtu)
            ruler.measure_mtu(mtu, args.rounds, CELLS)
            if args.profile:
                profiles[str(mtu)] = profile_mtu(ruler, mtu, progress)
    per_packet = figures.instructions(ruler.figures)
    print(figures.table(ruler.figures, args.rounds))
    print()
    print(figures.floor_text(cipher, echo))
    print(figures.verdict(ruler.figures))
    print("packets sent again: " + ", ".join(f"{k.upper()} {n}"
                                             for k, n in ruler.repeated.items()))
    if args.against:
        print(f"\nchange since {args.against}:")
        print(figures.differences(figures.read_json(args.against)["instructions"], per_packet))
    if args.svg:
        figures.write_text(args.svg, chart.svg(per_packet, CHART_TITLE))
    return {"environment": env, "rounds": args.rounds, "instructions": per_packet,
            "detail": figures.detail(ruler.figures), "repeated": ruler.repeated,
            "floor": {"cipher_pass": {str(k): v for k, v in cipher.items()},
                      "cable_round_trip": round(figures.median(echo))},
            "profile": profiles}


def profile_mtu(ruler: Ruler, mtu: int, progress: Progress) -> dict:
    found: dict = {}
    for setup in ruler.bench.setups:
        for cell in SHORT_CELLS:
            with progress.step(f"profile: MTU {mtu}, {setup.name}, {cell.title}"):
                rows = profile.take(ruler, setup, cell, mtu)
            print(profile.table(f"MTU {mtu}, {setup.name}, {cell.title}", rows))
            found.setdefault(setup.name, {})[cell.name] = {
                h: [[round(share, 4), symbol, dso] for share, symbol, dso in top[:profile.TOP]]
                for h, top in rows.items()}
    return found


# -- against the budget

def measure_short(kernel: str, progress: Progress) -> tuple[dict, str]:
    """What the budget holds, measured: the instructions and the kernel's release."""
    with counted_lab(kernel, progress) as lab:
        ruler = start(lab, progress, tuple(s for s in SETUPS if s.is_iroce))
        for mtu in MTUS:
            ruler.bench.set_mtu(mtu)
            ruler.measure_mtu(mtu, SHORT_ROUNDS, SHORT_CELLS)
        release = lab.info["release"]
    print(figures.table(ruler.figures, SHORT_ROUNDS))
    return figures.instructions(ruler.figures), release


def check_budget(progress: Progress, kernel: str = "stable") -> tuple[int, list[str]]:
    """For the test command: how many figures were held against the budget, and what is wrong."""
    begin = time.monotonic()
    allowed = budget.read()
    measured, release = measure_short(kernel, progress)
    is_same = allowed.get("kernel") == budget.mark_of(release)
    wrong = budget.over_budget(measured, allowed, is_same)
    if wrong:
        # What disturbs a count adds to it: a second look tells a disturbance from a change.
        print("\n".join(["over the budget, so once more:", *wrong]))
        again, _ = measure_short(kernel, progress)
        measured = budget.least(measured, again)
        wrong = budget.over_budget(measured, allowed, is_same)
    same = "the budget's" if is_same else \
        f"the budget is of another one, so {budget.OTHER_KERNEL_PERCENT} % over it are let pass: " \
        "take a new one with bench --short --new-budget"
    print(f"\n{budget.count(allowed)} figures held against {budget.path().name} in "
          f"{time.monotonic() - begin:.0f} s (kernel {release}, {same}): {len(wrong)} over it")
    for line in budget.savings(measured, allowed):
        print(f"the budget could be lower: {line}")
    return budget.count(allowed), wrong


def short(args, progress: Progress) -> int:
    if args.new_budget:
        measured, release = measure_short(args.kernel, progress)
        budget.write(measured, release)
        print(f"budget: {budget.path()}", file=sys.stderr)
        return 0
    _, wrong = check_budget(progress, args.kernel)
    for line in wrong:
        print(f"OVER BUDGET {line}")
    return 1 if wrong else 0


def write_json(path: Path, found: dict) -> None:
    figures.write_text(path, json.dumps(found, indent=1) + "\n")
    print(f"figures: {path}", file=sys.stderr)
