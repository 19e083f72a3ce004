# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Hosts as they were when they had booted, to go on from instead of booting once more.

Without KVM a boot is what a lab costs most.  A snapshot is a folder in the cache with what QEMU
migrates to a file, for each host; it holds no key and no address, for it is taken before a scenario
begins.  It serves for exactly this image, kernel, project and shape of hosts, and until this
machine boots again: an emulated CPU counts its time by the ticks of the real one.

Whoever goes on from one gets new randomness (QEMU's vmgenid, which the guest's kernel obeys) and
the time of day.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from pathlib import Path

from . import cache as folders
from . import tools
from .config import LabError, cache_root, locked
from .image import Image

KEEP_OLD = 3
PATIENCE = 60
# Nothing waits for a network here.
FAST = 1 << 40


def boot_id() -> str:
    """Of this machine, since it was switched on."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def folder_of(argvs: dict[str, list[str]], *places: Path) -> Path:
    """The snapshot of hosts with these command lines; places: folders of this lab alone."""
    text = repr(sorted(argvs.items()))
    for place in places:
        text = text.replace(str(place), "")
    # Measured anew each time; a capture is no part of a host.
    text = re.sub(r"tsc_early_khz=\d+|'-object', 'filter-dump,[^']*', ", "", text)
    digest = hashlib.sha256(f"{boot_id()} {text}".encode()).hexdigest()[:16]
    return cache_root() / f"snapshot-{digest}"


def save(img: Image, folder: Path, machines: dict) -> None:
    """Machines, by host, that run; they go on afterwards."""
    # A host's memory is poisoned where it is free: all alike, so it packs to a thirtieth.
    pack = shlex.join([*tools.command(img, "zstd"), "-1", "-q", "-c"])

    def build(tmp: Path) -> None:
        for name, machine in machines.items():
            machine.qmp("migrate-set-parameters", **{"max-bandwidth": FAST})
            machine.qmp("migrate", uri=f"exec:{pack} > {shlex.quote(str(tmp / name))}")
        for machine in machines.values():
            _wait(machine, "query-migrate", ("completed",), ("failed", "cancelled"))
            machine.qmp("cont")

    with locked(folder.parent / "snapshot.lock"):
        if not folders.find(folder):
            folders.put(folder, build)
            folders.forget_old(folder.parent, "snapshot-*", KEEP_OLD, but=folder)


def resume(img: Image, folder: Path, machines: dict) -> None:
    """Machines that were started with -incoming defer go on from the snapshot."""
    unpack = shlex.join([*tools.command(img, "zstd"), "-q", "-d", "-c"])
    for name, machine in machines.items():
        machine.wait_monitor()
        # The cables stay silent: nobody but the hosts' own kernels speaks on them.
        machine.qmp("migrate-set-parameters", **{"announce-rounds": 0})
        machine.qmp("migrate-incoming", uri=f"exec:{unpack} {shlex.quote(str(folder / name))}")
    for machine in machines.values():
        _wait(machine, "query-status", ("running",), ("internal-error", "guest-panicked"))


def _wait(machine, question: str, good: tuple, bad: tuple) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        status = machine.qmp(question).get("status")
        if status in good:
            return
        if status in bad or time.monotonic() > end:
            raise LabError(f"host {machine.host}: {question} says {status}")
        time.sleep(0.05)
