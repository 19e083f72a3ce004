# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Findings of a soak: the whole of what a kernel says, once each, with how to have it again."""

from __future__ import annotations

import re
import time
from pathlib import Path

from .. import faults
from ..cache import remove_tree
from ..config import HOSTS, make_dir

# A report of KASAN's has three stacks and the memory around.
LINES = 120
# Injected failures that the kernel itself comments on, so many lines before the stack.
EXPECTED = [re.compile(p) for p in (
    r"page allocation failure: ", r"vmalloc error: ", r"FAULT_INJECTION: ",
)]
EXPECTED_LINES = 5
# An injected failure that hit a read of the hosts' own disk: squashfs keeps the error for good, and
# programs cannot be started any more.
_DISK = re.compile(r"SQUASHFS error: Unable to read metadata cache entry")


def reports_in(text: str) -> list[str]:
    """What a console says of faults, each as long as it is."""
    lines = text.splitlines()
    found, at = [], 0
    while at < len(lines):
        if not faults.scan_text(lines[at]) or _is_expected(lines, at):
            at += 1
            continue
        end = at + 1
        while end < len(lines) and end - at < LINES and not _is_over(lines, end):
            end += 1
        found.append("\n".join(lines[at:end]))
        at = end
    return found


def _is_expected(lines: list[str], at: int) -> bool:
    """Is it the stack that comes with an injected failure, or the line about that?"""
    before = lines[max(0, at - EXPECTED_LINES):at + 1] if "Call Trace:" in lines[at] else lines[at:at + 1]
    return any(p.search(line) for p in EXPECTED for line in before)


def has_lost_its_disk(text: str) -> bool:
    return bool(_DISK.search(text))


def _is_over(lines: list[str], at: int) -> bool:
    """KASAN ends with a bar, an oops with its own mark, the rest with the end of its last stack."""
    line = lines[at]
    return bool(re.search(r"-\[ end trace |={60}", line) or "roce-ipsec-lab: " in line)


def name_of(report: str) -> str:
    """The same for the same fault: its first line without numbers, addresses and times."""
    first = re.sub(r"^\[ *[\d.]+\] ", "", report.splitlines()[0])
    return re.sub(r"0x[0-9a-f]+|[0-9a-f]{8,}|\+0x\S+|\b\d+\b", "N", first)


class Report:
    def __init__(self, folder: Path, kernel: str):
        self.folder, self.kernel = folder, kernel
        self.names: dict[str, int] = {}
        remove_tree(folder)
        make_dir(folder)

    def take(self, what, where: str, texts: list[str], lab) -> None:
        """Findings of a round; the consoles are kept with the first of each."""
        for text in texts:
            name = name_of(text)
            self.names[name] = self.names.get(name, 0) + 1
            if self.names[name] > 1:
                continue
            place = make_dir(self.folder / f"{len(self.names):02d}")
            for host in HOSTS:
                (place / f"console-{host}.log").write_text(faults.read(lab.console(host)))
            again = "" if what is None else (
                f"roce-ipsec-lab soak --kernel {self.kernel} --no-suite --seed {what.seed} --rounds 1\n")
            (place / "finding.txt").write_text(f"{where}\n{again}\n{text}\n")
            print(f"\nFINDING {len(self.names)}: {where}\n{again}{text}\n"
                  f"(consoles: {place})\n", flush=True)

    def summary(self, rounds: int, calls: dict[str, int], begin: float, last: float) -> str:
        minutes = (time.monotonic() - begin) / 60
        made = ", ".join(f"{count:,} {kind}" for kind, count in sorted(calls.items())) or "none"
        lines = [f"{rounds} rounds in {minutes:.0f} minutes; calls: {made}"]
        lines += [f"  {count} times: {name}" for name, count in self.names.items()]
        lines.append(f"{len(self.names)} findings; the last {(time.monotonic() - last) / 60:.0f} "
                     f"minutes clean" if self.names else "0 findings")
        return "\n".join(lines)
