# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where the lab keeps its things, and its error type.

Two places: the cache (images and builds, survives reboots, may be deleted at any time) and the
state folder of one running lab (sockets, consoles, captures).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import time
from pathlib import Path

# Of kernels: the suite's own, and what its backports have today (see kernels.py).
ROLES = ("stable", "newest")
HOSTS = ("a", "b")
CABLES = (0, 1)
SCENARIOS = ("bare", "vf", "ipsec", "bond", "bond-plain", "adapters", "rxe")
MTUS = (1500, 9000)

# A unix socket's path has 108 bytes; "agent23.sock" and a host's folder must still fit.
STATE_PATH_MAX = 80


class LabError(Exception):
    """Something the user can read and act upon."""

    @property
    def brief(self) -> str:
        """In one line: what happened, and the first thing that was said about it."""
        lines = [line.strip() for line in str(self).splitlines() if line.strip()]
        return " ".join(lines[:2])


def source_root() -> Path:
    """The source tree the project is built from."""
    override = os.environ.get("ROCE_IPSEC_LAB_SOURCE")
    if override:
        return Path(override).resolve()
    return Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    override = os.environ.get("ROCE_IPSEC_LAB_CACHE")
    if override:
        return Path(override).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    base = Path(base) if base else Path.home() / ".cache"
    return base / "roce-ipsec-lab"


def make_dir(path: Path, mode: int = 0o755) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as err:
        raise LabError(f"cannot create {path}: {err.strerror}") from err
    return path


def lab_name(name: str | None = None) -> str:
    name = name or os.environ.get("ROCE_IPSEC_LAB_NAME") or "lab"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", name):
        raise LabError(f"lab name {name!r}: letters, digits, '_', '.', '-' only, 32 at most")
    return name


def state_base() -> Path:
    override = os.environ.get("ROCE_IPSEC_LAB_STATE")
    if override:
        return Path(override).resolve()
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"roce-ipsec-lab-{os.getuid()}"


def state_dir(name: str | None = None) -> Path:
    path = state_base() / lab_name(name)
    if len(os.fsencode(path)) > STATE_PATH_MAX:
        raise LabError(f"state folder {path} has too long a path for sockets; "
                       "set ROCE_IPSEC_LAB_STATE to a shorter one")
    return path


def check_private(path: Path) -> None:
    """Refuses a state folder that another user prepared for us (it may be below /tmp)."""
    st = os.lstat(path)
    if st.st_uid != os.getuid() or (st.st_mode & 0o170000) != 0o040000:
        raise LabError(f"{path} is not a folder of this user; remove it or set "
                       "ROCE_IPSEC_LAB_STATE")


@contextlib.contextmanager
def locked(path: Path, waiting=None):
    """An exclusive lock held for the block; calls waiting() once if another process has it."""
    make_dir(path.parent)
    with open(path, "a", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            if err.errno not in (errno.EAGAIN, errno.EACCES):
                raise LabError(f"cannot lock {path}: {err.strerror}") from err
            if waiting:
                waiting()
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    time.sleep(0.2)
        yield


def digest_files(files, extra: bytes = b"") -> str:
    """One digest over names, modes and contents; files is a list of (name, Path)."""
    sha = hashlib.sha256(extra)
    for name, path in sorted(files):
        data = path.read_bytes()
        mode = path.stat().st_mode & 0o111
        sha.update(f"{name}\0{mode}\0{len(data)}\0".encode())
        sha.update(data)
    return sha.hexdigest()[:16]


def free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def need_disk(path: Path, megabytes: int, what: str) -> None:
    free = free_bytes(path) // 2**20
    if free < megabytes:
        raise LabError(f"{what} needs {megabytes} MB in {path}, only {free} MB are free")


def available_memory() -> int:
    """Megabytes that can be used without swapping."""
    with open("/proc/meminfo", encoding="ascii") as info:
        for line in info:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 1 << 30
