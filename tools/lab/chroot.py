# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs commands in the guest image on the host: that is where the project is built.

A mount and PID namespace around a chroot; as an ordinary user also a user namespace, in which the
caller is root.  The image itself is read-only in there, except for what is bound into it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from .config import LabError, make_dir
from .run import run

# Folders that the image has so that something can be bound there.
MOUNT_POINTS = ("src", "build", "out")

# Files in the image that the host's devices are bound to.
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_SCRIPT = """
set -e
PATH=$PATH:/usr/sbin:/sbin	# where Debian has chroot, and ordinary users do not look
mount --make-rprivate /
{base}
for f in {devices}; do
	mount --bind /dev/$f {root}/dev/$f
done
mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm
mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
# A host that hides parts of its own /proc forbids a fresh one.
mount -t proc proc {root}/proc 2>/dev/null || mount --rbind /proc {root}/proc
{binds}
mount -o remount,bind,ro {root}
exec chroot {root} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 {env} \\
	sh -c 'cd "$0" && exec "$@"' {cwd} {command}
"""


def _base(root: Path, layers: list[Path]) -> str:
    """How the image comes to lie where the chroot goes, with other folders over it."""
    where = shlex.quote(str(root))
    if not layers:
        return f"mount --bind {where} {where}"
    # Read-only: all of them are lower folders.
    lower = ":".join(str(p).replace(":", "\\:") for p in [*layers, root])
    return f"mount -t overlay -o {shlex.quote(f'lowerdir={lower}')} overlay {where}"


def argv(root: Path | list[Path], command: list[str], binds=(), cwd: str = "/",
         env: dict | None = None) -> list[str]:
    """The command line; binds are (host path, path in the image, "ro" or "rw").

    root: the image's, or a list of folders, the upper ones first, the image's last.
    """
    *layers, root = root if isinstance(root, list) else [root]
    lines = []
    for source, target, mode in binds:
        where = shlex.quote(f"{root}{target}")
        lines.append(f"mount --bind {shlex.quote(str(source))} {where}")
        if mode == "ro":
            lines.append(f"mount -o remount,bind,ro {where}")
    script = _SCRIPT.format(
        root=shlex.quote(str(root)), base=_base(root, layers), devices=" ".join(DEVICES),
        binds="\n".join(lines), cwd=shlex.quote(cwd),
        env=" ".join(shlex.quote(f"{k}={v}") for k, v in (env or {}).items()),
        command=" ".join(shlex.quote(c) for c in command))
    line = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if os.getuid() != 0:
        line += ["--user", "--map-root-user"]
    return line + ["sh", "-c", script]


def _hint(output: str) -> str | None:
    if "unshare failed" in output or "write failed /proc/self/uid_map" in output:
        return ("this host does not allow namespaces here: as an ordinary user it needs "
                "unprivileged user namespaces, as root in a container CAP_SYS_ADMIN")
    if "No space left on device" in output:
        return "the disk is full"
    return None


def run_in(root: Path | list[Path], command: list[str], what: str, binds=(), cwd: str = "/", env=None,
           log: Path | None = None, hint=None) -> str:
    """hint(output): what to say of a failure beyond what is known here."""
    return run(argv(root, command, binds, cwd, env), what, log=log,
               hint=lambda output: _hint(output) or (hint(output) if hint else None))


def call_in(root: Path | list[Path], command: list[str], binds=(), cwd: str = "/", env=None) -> int:
    """The same with the caller's terminal; returns the exit status."""
    try:
        return subprocess.call(argv(root, command, binds, cwd, env))
    except OSError as err:
        raise LabError(f"cannot start unshare: {err.strerror}") from err


def merge_usr(out: Path) -> None:
    """/lib of a folder would hide the image's link /lib -> usr/lib: everything goes below /usr."""
    for name in ("bin", "sbin", "lib", "lib64"):
        folder = out / name
        if folder.is_dir():
            make_dir(out / "usr")
            shutil.copytree(folder, out / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(folder)
