# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Folders in the cache: made whole or not at all, and known again when something broke them.

A finished folder is sealed: sealed.json, written last, tells size, time and digest of its files.
What lacks it, or does not match it, is not used but made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .config import locked, make_dir

SEAL = "sealed.json"
CHUNK = 1 << 20


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(CHUNK):
            sha.update(block)
        # The seal must not reach the disk before what it vouches for.
        os.fsync(handle.fileno())
    return sha.hexdigest()


def seal(folder: Path, files: list[Path] | None = None) -> None:
    """Vouches for the given files, else for all in the folder."""
    files = files if files is not None else [p for p in folder.rglob("*")
                                             if p.is_file() and not p.is_symlink()]
    entries = {str(p.relative_to(folder)): [p.stat().st_size, p.stat().st_mtime_ns, _digest(p)]
               for p in files}
    (folder / SEAL).write_text(json.dumps(entries, indent=1))


def is_whole(folder: Path) -> bool:
    """Whether the folder's files are what was sealed; reads only those that somebody touched."""
    try:
        entries = json.loads((folder / SEAL).read_text())
        for name, (size, mtime_ns, digest) in entries.items():
            st = (folder / name).stat()
            if st.st_size != size or (st.st_mtime_ns != mtime_ns
                                      and _digest(folder / name) != digest):
                return False
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return True


def find(folder: Path) -> Path | None:
    """The folder, if it is whole; using it makes it young (see forget_old)."""
    if not is_whole(folder):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    return folder


def make(final: Path, lock: Path, build, waiting=None) -> Path:
    """The folder, made by build(temporary folder) unless it is there and whole."""
    if find(final):
        return final
    with locked(lock, waiting):
        return find(final) or put(final, build)


def put(final: Path, build, sealed=None) -> Path:
    """Makes the folder beside its place, seals and moves it; the caller holds its lock.

    sealed(folder): the files to vouch for, if not all.
    """
    prefix = f"new-{final.name}-"
    for left in final.parent.glob(f"{prefix}*"):
        # Whoever made it held the lock that we hold: it is dead.
        remove_tree(left)
    tmp = Path(tempfile.mkdtemp(prefix=prefix, dir=make_dir(final.parent)))
    try:
        tmp.chmod(0o755)
        build(tmp)
        seal(tmp, sealed(tmp) if sealed else None)
        remove_tree(final)
        tmp.rename(final)
    finally:
        remove_tree(tmp)
    return final


def forget_old(cache: Path, pattern: str, keep: int, but: Path) -> None:
    """Of the folders that match, leaves those used last, and the given one."""
    found = [p for p in cache.glob(pattern) if p.is_dir() and p != but]
    found.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    for path in found[keep:]:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """rm -rf, also for folders without write permission (Debian ships a few)."""
    if not path.exists():
        return
    subprocess.run(["chmod", "-R", "u+rwX", path], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists() and os.getuid() != 0:
        # mmdebstrap's own leftovers belong to subordinate ids.
        subprocess.run(["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", path],
                       check=False, stderr=subprocess.DEVNULL)
