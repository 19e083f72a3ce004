# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the host itself must have, and how it gets there (the only thing that may need root)."""

from __future__ import annotations

import os
import shutil
import subprocess

from .config import LabError
from .run import run

# program looked for -> Debian package that brings it
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "cpio": "cpio",
    "newuidmap": "uidmap",
    "tshark": "tshark",
}
PYTHON_MODULES = {"pytest": "python3-pytest"}


def _have_module(name: str) -> bool:
    # The system's python runs the lab, whatever else PATH offers.
    return subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def missing_packages() -> list[str]:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    need = {pkg for prog, pkg in PROGRAMS.items() if not shutil.which(prog, path=path)}
    need |= {pkg for mod, pkg in PYTHON_MODULES.items() if not _have_module(mod)}
    return sorted(need)


def network_hint(output: str) -> str | None:
    """Says in one sentence what apt says in forty lines."""
    if "No space left on device" in output:
        return "the disk is full"
    signs = ("Could not resolve", "Temporary failure resolving", "Unable to connect",
             "Could not connect", "Connection timed out", "Connection failed",
             "Failed to fetch", "Network is unreachable", "Connection refused")
    for line in output.splitlines():
        if any(sign in line for sign in signs):
            return ("the package registry cannot be reached; check the network and the host's "
                    f"apt sources, then run it again\n  {line.strip()}")
    if "Unable to locate package" in output or "has no installation candidate" in output:
        return "the host's package lists are too old or lack the 'main' component: apt-get update"
    return None


def ensure(progress) -> None:
    """Installs what is missing; without root it says what to type."""
    missing = missing_packages()
    if not missing:
        return
    if os.getuid() != 0:
        raise LabError("the host lacks packages; install them once with\n"
                       f"  sudo apt-get install --no-install-recommends {' '.join(missing)}")
    if not shutil.which("apt-get"):
        raise LabError(f"the host lacks {', '.join(missing)} and has no apt-get; "
                       "the lab knows Debian hosts only")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    with progress.step(f"installing on the host: {' '.join(missing)}"):
        run(["apt-get", "update", "-q"], "apt-get update", env=env, hint=network_hint)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing],
            "installing host packages", env=env, hint=network_hint)
    still = missing_packages()
    if still:
        raise LabError(f"installed, but still not usable: {', '.join(still)}")
