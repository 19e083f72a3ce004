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
# Injected failures that the kernel itself comments on.
EXPECTED = [re.compile(p) for p in (
    r"page allocation failure: ", r"vmalloc error: ", r"FAULT_INJECTION: ",
)]


def reports_in(text: str) -> list[str]:
    """What a console says of faults, each as long as it is."""
    lines = text.splitlines()
    found, at = [], 0
    while at < len(lines):
        if not faults.scan_text(lines[at]):
            at += 1
            continue
        end = at + 1
        while end < len(lines) and end - at < LINES and not _is_over(lines, end):
            end += 1
        report = "\n".join(lines[at:end])
        if not any(p.search(line) for p in EXPECTED for line in lines[max(0, at - 1):at + 1]):
            found.append(report)
        at = end
    return found


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
