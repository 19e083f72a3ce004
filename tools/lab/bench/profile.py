# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where the instructions go, by function, for each set-up and end: perf in the hosts.

perf samples by a timer of the host's clock, and with -icount that clock is the number of
instructions; there is nothing else it could sample by.  A function that runs with interrupts off
is seen where they are switched on again.  Idle samples are left out, and those of the processes
that start and stop perf.
"""

from __future__ import annotations

import collections
import re

from .ruler import Cell, Pair, Ruler
from .setups import SetUp

FREQUENCY = 4000		# samples a second: one in 250,000 instructions
PERF_DATA = "/tmp/perf.data"
RUNS = {"pingpong": 12}		# long ones
OTHER_RUNS = 4
TOP = 15
IDLE = re.compile(r"native_safe_halt|default_idle|acpi_idle|cpuidle|pv_native_safe_halt|mwait_idle")
# What starts and stops perf.
ASIDE = ("perf", "sh", "sleep", "pgrep", "pkill", "agent")
_ROW = re.compile(r"^\s*\d+\.\d+%\s+(\d+)\s+(\S+)\s+(\S+)\s+\[.\]\s+(\S+)")


def take(ruler: Ruler, setup: SetUp, cell: Cell, mtu: int) -> dict[str, list]:
    """Host -> rows of (share of the busy samples, symbol, where it lives)."""
    found, hosts = {}, ruler.lab.hosts
    with Pair(ruler.bench, setup, mtu) as pair, ruler.meter.batches():
        pair.run(cell.mode, cell.runs[mtu][0], cell.size)
        procs = {h: host.spawn(["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F",
                                str(FREQUENCY), "-o", PERF_DATA, "--", "sleep", "600"])
                 for h, host in hosts.items()}
        for host in hosts.values():
            # It samples once its child sleeps.
            host.run("while ! pgrep -x sleep > /dev/null; do sleep 0.1; done")
        for _ in range(RUNS.get(cell.mode, OTHER_RUNS)):
            pair.run(cell.mode, cell.runs[mtu][1], cell.size)
        for host in hosts.values():
            # The child's end makes perf write what it has.
            host.run("pkill -x sleep")
        for proc in procs.values():
            proc.wait(timeout=60)
    for name, host in hosts.items():
        text = host.run(["perf", "report", "-i", PERF_DATA, "--stdio", "-n", "--percent-limit",
                         "0", "-F", "overhead,sample,comm,dso,symbol"], timeout=120).stdout
        found[name] = shares(text)
        host.run(["rm", PERF_DATA])
    return found


def shares(report: str) -> list[tuple[float, str, str]]:
    """perf report's rows as shares of the samples that count, the largest first."""
    found: dict[tuple[str, str], int] = collections.Counter()
    for line in report.splitlines():
        row = _ROW.match(line)
        if row and row[2] not in ASIDE and not IDLE.search(row[4]):
            found[row[4], row[3]] += int(row[1])
    busy = sum(found.values()) or 1
    return sorted(((n / busy, *where) for where, n in found.items()), reverse=True)


def table(title: str, by_host: dict[str, list]) -> str:
    lines = [title]
    for number in range(TOP):
        cells = [f"{h}: {rows[number][0] * 100:4.1f} %  {rows[number][1]:32}"
                 for h, rows in by_host.items() if number < len(rows)]
        if cells:
            lines.append("  " + "   ".join(cells).rstrip())
    return "\n".join(lines)
