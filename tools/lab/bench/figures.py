# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Makes tables and JSON of what the ruler measured, and says how two tables differ."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from ..config import LabError
from .ruler import CELLS, median, total
from .setups import PAYLOAD, SETUPS

TITLES = {c.name: c.title for c in CELLS}
WIDTH = 19
CAPTION = """\
Guest instructions per data packet, hosts a and b together (ping-pong: per round trip), median of
{rounds} rounds and half the way from the least to the most.  Packets of a 64 KB message:
{packets}.  TCP: per full segment, over the set-up's addresses
(iroce: a VF, sealed by packet offload; rxe: virtio, sealed by the kernel's own ESP)."""


def instructions(figures: dict) -> dict:
    """{"1500": {"iroce + ESP": {"send_64k": N}}}: medians of both hosts' sum."""
    return {str(mtu): {name: {cell: round(median(rounds)) for cell, rounds in cells.items()}
                       for name, cells in by_setup.items()}
            for mtu, by_setup in figures.items()}


def detail(figures: dict) -> dict:
    """The same with each host's median and every round's sum."""
    def of(rounds: list[dict]) -> dict:
        return {**{h: round(statistics.median(r[h] for r in rounds)) for h in rounds[0]},
                "rounds": [round(total(r)) for r in rounds]}

    return {str(mtu): {name: {cell: of(rounds) for cell, rounds in cells.items()}
                       for name, cells in by_setup.items()}
            for mtu, by_setup in figures.items()}


def spread(values: list[float]) -> float:
    """Half the way from the least to the most, in per cent of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values) * 100


def table(figures: dict, rounds: int) -> str:
    packets = ", ".join(f"MTU {m}: {65536 // p} of {p >> 10} KB"
                        for m, p in PAYLOAD.items())
    lines = [CAPTION.format(rounds=rounds, packets=packets)]
    for mtu, by_setup in figures.items():
        cells = [c for c in TITLES if any(c in row for row in by_setup.values())]
        lines += ["", f"{f'MTU {mtu}':14}" + "".join(TITLES[c].rjust(WIDTH) for c in cells)]
        for name, row in by_setup.items():
            lines.append(f"{name:14}" + "".join(_cell(row.get(c)).rjust(WIDTH) for c in cells))
    return "\n".join(lines)


def _cell(rounds: list[dict] | None) -> str:
    if not rounds:
        return "-"
    sums = [total(r) for r in rounds]
    return f"{statistics.median(sums):,.0f} ±{spread(sums):4.1f} %"


def floor_text(cipher: dict[int, int], echo: list[dict]) -> str:
    """What nobody can go below: each packet is sealed and opened, and crosses the cable."""
    passes = ", ".join(f"{size} B {2 * cost:,}" for size, cost in cipher.items())
    return ("The floor: rfc4106(gcm(aes)) alone, sealing and opening: " + passes + ";\n"
            f"an empty round trip of the cable (a raw frame and its echo): {median(echo):,.0f}")


def verdict(figures: dict) -> str:
    """Where iroce costs less than rxe, and where it costs more."""
    lines = []
    for mtu, by_setup in figures.items():
        for sealed in (True, False):
            ours, theirs = (next((s.name for s in SETUPS if s.sealed == sealed
                                  and s.is_iroce == is_iroce)) for is_iroce in (True, False))
            if ours not in by_setup or theirs not in by_setup:
                continue
            parts = [f"{TITLES[c]} {median(by_setup[ours][c]) / median(by_setup[theirs][c]):.2f}"
                     for c in TITLES if c in by_setup[ours] and c in by_setup[theirs]]
            lines.append(f"MTU {mtu}: {ours} takes, of {theirs}'s instructions: {', '.join(parts)}"
                         " times")
    return "\n".join(lines)


def differences(old: dict, new: dict) -> str:
    """Per cell: how far the new instructions are from the old ones, in per cent."""
    lines, most = [], 0.0
    for mtu, by_setup in new.items():
        for name, row in by_setup.items():
            before = old.get(mtu, {}).get(name, {})
            parts = []
            for cell, value in row.items():
                if before.get(cell):
                    change = (value / before[cell] - 1) * 100
                    most = max(most, abs(change))
                    parts.append(f"{TITLES.get(cell, cell)} {change:+.1f} %")
            lines.append(f"MTU {mtu} {name:14}{', '.join(parts) or 'was not measured'}")
    return "\n".join([*lines, f"most: {most:.1f} %"])


def read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text())
    except OSError as err:
        raise LabError(f"cannot read {path}: {err.strerror}") from err
    except ValueError as err:
        raise LabError(f"{path}: {err}") from err
    if not isinstance(found, dict) or not isinstance(found.get("instructions"), dict):
        raise LabError(f"{path} has no instructions")
    return found


def write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as err:
        raise LabError(f"cannot write {path}: {err.strerror}") from err
