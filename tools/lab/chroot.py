# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs commands in the guest image on the host: that is where the project is built.

A mount and PID namespace around a chroot; as an ordinary user also a user namespace, in which the
caller is root.  The image itself is read-only in there, except for what is bound into it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from .config import LabError
from .run import run

# Folders that the image has so that something can be bound there.
MOUNT_POINTS = ("src", "build", "out")

_SCRIPT = """
set -e
PATH=$PATH:/usr/sbin:/sbin	# where Debian has chroot, and ordinary users do not look
mount --make-rprivate /
mount --bind {root} {root}
for f in null zero full random urandom tty; do
	touch {root}/dev/$f 2>/dev/null || true
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


def argv(root: Path, command: list[str], binds=(), cwd: str = "/", env: dict | None = None
         ) -> list[str]:
    """The command line; binds are (host path, path in the image, "ro" or "rw")."""
    lines = []
    for source, target, mode in binds:
        where = shlex.quote(f"{root}{target}")
        lines.append(f"mount --bind {shlex.quote(str(source))} {where}")
        if mode == "ro":
            lines.append(f"mount -o remount,bind,ro {where}")
    script = _SCRIPT.format(
        root=shlex.quote(str(root)), binds="\n".join(lines), cwd=shlex.quote(cwd),
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


def run_in(root: Path, command: list[str], what: str, binds=(), cwd: str = "/", env=None,
           log: Path | None = None) -> str:
    return run(argv(root, command, binds, cwd, env), what, log=log, hint=_hint)


def call_in(root: Path, command: list[str], binds=(), cwd: str = "/", env=None) -> int:
    """The same with the caller's terminal; returns the exit status."""
    try:
        return subprocess.call(argv(root, command, binds, cwd, env))
    except OSError as err:
        raise LabError(f"cannot start unshare: {err.strerror}") from err
