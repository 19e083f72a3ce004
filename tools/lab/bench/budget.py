# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What each figure of iroce may be at most: tests/bench/budget.json.

Instructions may go down, never up by more than the slack without a word in the commit that
changes the budget.  The slack of a stream is 1 %: its figures repeat within half of that, and an
extra copy of each payload, at both ends, is 1.3 to 2.3 % of what a packet costs.  A ping-pong's is
3 %.  The file has the keys of the bench's JSON; it also knows the kernel it was taken on (by a digest:
the tree names no kernel by its number).  Another kernel's own share differs, and Debian has a new one
every few weeks: a figure on one may be OTHER_KERNEL_PERCENT over it until somebody takes a new budget.
`bench --short --new-budget` writes it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..config import LabError, source_root
from .figures import TITLES, read_json, write_text

OTHER_KERNEL_PERCENT = 10
SLACK_PERCENT = {"send_64k": 1, "pingpong_8": 3}


def path() -> Path:
    return source_root() / "tests/bench/budget.json"


def read() -> dict:
    budget = read_json(path())
    if not isinstance(budget.get("slack_percent"), dict):
        raise LabError(f"{path()} has no slack_percent")
    return budget


def write(instructions: dict, kernel: str) -> None:
    text = json.dumps({"slack_percent": SLACK_PERCENT, "kernel": mark_of(kernel),
                       "instructions": instructions}, indent=1)
    write_text(path(), text + "\n")


def mark_of(kernel: str) -> str:
    return hashlib.sha256(kernel.encode()).hexdigest()[:12]


def over_budget(instructions: dict, budget: dict, same_kernel: bool = True) -> list[str]:
    """A line for each figure that is over its budget, that has none, or that is missing."""
    found = []
    cells = {(mtu, name, cell) for source in (instructions, budget["instructions"])
             for mtu, by_setup in source.items() for name, row in by_setup.items() for cell in row}
    for mtu, name, cell in sorted(cells):
        what = f"MTU {mtu}, {name}, {TITLES.get(cell, cell)}"
        value, most = (source.get(mtu, {}).get(name, {}).get(cell)
                       for source in (instructions, budget["instructions"]))
        if value is None:
            found.append(f"{what}: in the budget, not measured")
        elif most is None:
            found.append(f"{what}: {value:,} instructions, not in the budget")
        elif value > most * (1 + slack(budget, cell, same_kernel)):
            found.append(f"{what}: {value:,} instructions, {(value / most - 1) * 100:.1f} % over "
                         f"the budget of {most:,} (slack: "
                         f"{slack(budget, cell, same_kernel) * 100:g} %)")
    return found


def least(one: dict, other: dict) -> dict:
    """Of two measurements of the same cells, the smaller figure of each."""
    return {mtu: {name: {cell: min(value, other.get(mtu, {}).get(name, {}).get(cell, value))
                         for cell, value in row.items()} for name, row in by_setup.items()}
            for mtu, by_setup in one.items()}


def slack(budget: dict, cell: str, same_kernel: bool = True) -> float:
    """A share: how far a figure may be off its budget.  None where the file says nothing."""
    percent = budget["slack_percent"].get(cell, 0)
    return (percent if same_kernel else max(percent, OTHER_KERNEL_PERCENT)) / 100


def count(budget: dict) -> int:
    return sum(len(row) for by_setup in budget["instructions"].values()
               for row in by_setup.values())


def savings(instructions: dict, budget: dict) -> list[str]:
    """Figures so far below their budget that it should be lowered."""
    return [f"MTU {mtu}, {name}, {TITLES.get(cell, cell)}: {value:,} of {most:,}"
            for mtu, by_setup in budget["instructions"].items()
            for name, row in by_setup.items() for cell, most in row.items()
            if (value := instructions.get(mtu, {}).get(name, {}).get(cell)) is not None
            and value < most * (1 - slack(budget, cell))]
