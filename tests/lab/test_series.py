# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""No file but compat.h names a kernel series: kernels have roles (stable, newest), and whoever
writes a number down is wrong as soon as Debian has another one.

Judged is what stands in the tree, not what any mirror has today.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lab.project import SUFFIXES_IGNORED

ROOT = Path(__file__).resolve().parents[2]
COMPAT = "kernel-module/compat/compat.h"
# Anywhere: a version test, a name with its number, a release as uname -r tells it.
NAMED = re.compile(r"KERNEL_VERSION\(|LINUX_VERSION[_]CODE|\b([Ll]inux|[Kk]ernels?)[- ]v?[1-9]\.\d"
                   r"|(?<![\d.])[1-9]\.\d+\.\d+[^\s\"'`]*-amd64")
# Outside tables of figures: a number that could be a series, alone.
BARE = re.compile(r"(?<![\w.])(6\.(1[2-9]|[2-9]\d)|[789]\.\d{1,2})(?!\w|\.\d)")
# Numbers that are something else, by what stands beside them; they are taken out of a line first.
OTHERS = [re.compile(pattern) for pattern in (
    r"\b(iproute2|QEMU|rdma-core|libibverbs|glibc|gcc|GCC|CMake|cmake|Python|apt|tshark|Wireshark)"
    r"[ (,]{1,3}\d+(\.\d+)+",						# other software's versions
    r"\bIBTA (vol\. |volume )\d, \d+(\.\d+)*( and \d+(\.\d+)*)?",	# the book's chapters
    r"\bRFC \d+,? (section )?\d+(\.\d+)*",
    r"%-?\d+\.\d+l?f|:[<>]?\d+\.\d+f",					# C's and Python's formats
    r"\b\d+\.\d+ ?(%|times\b|[KMG]?i?B\b|[kKMG]b/s|[num]?s\b|s\b)",	# a figure and its unit
)]


def tracked(root: Path) -> list[Path]:
    """What git tracks below root; without git, what lies there."""
    try:
        done = subprocess.run(["git", "-C", root, "ls-files", "-z"], check=False,
                              capture_output=True, text=True)
        names = [name for name in done.stdout.split("\0") if name]
    except OSError:
        names = []
    if names:
        return [root / name for name in names if (root / name).is_file()]
    found = []
    for folder, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if not d.startswith((".", "build")) and d != "__pycache__"]
        found += [Path(folder) / name for name in files
                  if Path(name).suffix not in SUFFIXES_IGNORED and not name.endswith(".mod.c")]
    return found


def names_a_series(line: str) -> bool:
    for other in OTHERS:
        line = other.sub("", line)
    return bool(NAMED.search(line) or (not line.startswith("|") and BARE.search(line)))


def findings(root: Path) -> list[str]:
    found = []
    for path in sorted(tracked(root)):
        name = str(path.relative_to(root))
        data = path.read_bytes()
        if name == COMPAT or b"\0" in data:
            continue
        found += [f"{name}:{number}: {line.strip()}" for number, line
                  in enumerate(data.decode(errors="replace").splitlines(), 1)
                  if names_a_series(line)]
    return found


def test_no_file_but_compat_h_names_a_kernel_series():
    assert findings(ROOT) == []


# Numbers are put together here, or this file would name them.
OLD, NEW = f"6.{12}", f"7.{3}"
PLANTED = [f"#if KERNEL{'_'}VERSION(6, 12, 0)", f"on Linux {OLD}", f"kernel {OLD}, one CPU",
           f"linux-{NEW}",
           f"kernels {OLD} and {NEW}", f"on Debian's {OLD} and {NEW} kernels", f"--kernel {NEW}",
           f"ROLES = ('{OLD}', '{NEW}')", f"| 10,000, kernel {NEW} | 16.8 s |", f"(since {OLD})",
           f"it came with {OLD}.", f"{OLD}.1-amd64", f"up --kernel {OLD}|{NEW}", f"Linux v5.{4}",
           f"iproute2 and kernel {NEW}", f"from {NEW} on"]


@pytest.mark.parametrize("line", PLANTED)
def test_a_planted_line_is_found(tmp_path, line):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/new.md").write_text(f"one\n{line}\n")
    assert findings(tmp_path) == [f"docs/new.md:2: {line}"]


def test_a_planted_line_is_found_in_what_git_tracks(tmp_path):
    (tmp_path / "new.md").write_text(PLANTED[1])
    (tmp_path / "untracked.md").write_text(PLANTED[1])
    for command in (["init", "-q"], ["add", "new.md"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert findings(tmp_path) == [f"new.md:1: {PLANTED[1]}"]


def test_compat_h_may_name_them(tmp_path):
    path = tmp_path / COMPAT
    path.parent.mkdir(parents=True)
    path.write_text(PLANTED[0])
    assert findings(tmp_path) == []


# A table's line is told by its beginning, which a line of Python has not.
TABLE = f"| 379 (369 .. 407) | {8}.25, {7}.10 |"


@pytest.mark.parametrize("line", [
    TABLE, "plain iproute2 (6.15 or later)", "no KVM, QEMU 7.2, stable kernel", "192.0.2.2",
    "(IBTA volume 1, 9.7 and 10.3)", "IBTA vol. 1, 9.7.7.2.5", 'f"{row[1]:7.1f} "',
    "it took 7.1 s, or 8.5 times as long",
    "kernel 90.1 of a made-up mirror", "RFC 4303, 3.4.3"])
def test_other_numbers_are_left_alone(line):
    assert not names_a_series(line)
