# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Finds kernel faults on a console.

Strict: whatever looks like a kernel complaint counts, except what stock Debian kernels are known
to say in these hosts without any of our code (ALLOWED, each with its reason).  That an out-of-tree
module taints the kernel is no complaint, and no pattern takes it for one.
"""

from __future__ import annotations

import re
from pathlib import Path

FAULTS = [re.compile(p) for p in (
    r"\bBUG\b", r"\bOops\b", r"WARNING: ", r"\bKFENCE: ", r"\bKASAN: ", r"\bUBSAN: ",
    r"general protection fault", r"kernel NULL pointer", r"unable to handle (kernel )?page",
    r"Kernel panic", r"kernel BUG at", r"Call Trace:",
    # slab debugging
    r"Redzone|Poison overwritten|Object already free|Objects remaining|Freelist Ptr",
    r"Slab .* has|\bslab error\b|double free|page_poison|pagealloc: memory corruption",
    r"kmemleak: \d+ new suspected memory leaks",
    # references and life cycle
    r"refcount_t: ", r"unregister_netdevice: waiting", r"leaked reference|ref_tracker: (?!memory alloc)",
    r"sysfs: cannot create duplicate", r"kobject .* tried to", r"ODEBUG: ",
    r"list_(add|del) corruption", r"scheduling while atomic|sleeping function called",
    r"bad unlock balance|possible circular locking|suspicious RCU|inconsistent lock state",
    # hangs
    r"rcu.*(self-detected|detected (expedited )?stall)", r"soft lockup|hard LOCKUP",
    r"blocked for more than", r"Bad page state|Bad rss-counter|stack-protector|DMA-API",
    r"INFO: (task|trying|rcu|inconsistent)", r"\bleaked (memory|object)",
    r"iroce\S*: .*(leak|still (in use|busy)|not freed)",
    r"invalid opcode:|divide error:|stack segment:|double fault|Out of memory:",
)]

ALLOWED = [re.compile(p) for p in (
    # the kernel repeats its command line, which names the debug options
    r"ommand line: ",
)]

# A program died of a fault of its own: nothing of the kernel's, but its users want to know
# (arch/x86: show_signal(), show_signal_msg()).
CRASHES = [re.compile(p) for p in (r"\[\d+\]: segfault at ",
                                   r"traps: .*\[\d+\] .*ip:[0-9a-f]+ sp:")]

# Lines after a fault that belong to it and explain it.
CONTEXT = 6


def scan_text(text: str) -> list[str]:
    """One entry per fault: the line and a few that follow."""
    lines = [line.rstrip() for line in text.splitlines()]
    faults = []
    skip_until = -1
    for number, line in enumerate(lines):
        if not _matches(FAULTS, line) or _matches(ALLOWED + CRASHES, line):
            continue
        if number < skip_until:
            continue		# still the same report
        skip_until = number + 30
        faults.append("\n".join(lines[number:number + CONTEXT]))
    return faults


def crashes_in(text: str) -> list[str]:
    """The lines about programs that died."""
    return [line for line in text.splitlines() if _matches(CRASHES, line)]


def _matches(patterns: list[re.Pattern], line: str) -> bool:
    return any(p.search(line) for p in patterns)


def read(console: Path) -> str:
    """What a console has said so far."""
    try:
        return console.read_text(errors="replace")
    except OSError:
        return ""
