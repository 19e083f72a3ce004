# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the host itself must have, and how it gets there (the only thing that may need root)."""

from __future__ import annotations

import os
import shutil
import subprocess

from . import mirror
from .config import LabError
from .run import run

# What is looked for -> the Debian package that brings it.  All else comes with the guest image.
PROGRAMS = {"mmdebstrap": "mmdebstrap"}
# An ordinary user's image belongs to subordinate ids while it is made.
USER_PROGRAMS = {"newuidmap": "uidmap"}
FILES = {mirror.KEYRING: "debian-archive-keyring"}
PYTHON_MODULES = {"pytest": "python3-pytest"}


def _have_module(name: str) -> bool:
    # The system's python runs the lab, whatever else PATH offers.
    return subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def missing_packages(for_tests: bool = False) -> list[str]:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    programs = PROGRAMS | (USER_PROGRAMS if os.getuid() else {})
    need = {pkg for prog, pkg in programs.items() if not shutil.which(prog, path=path)}
    need |= {pkg for name, pkg in FILES.items() if not os.path.exists(name)}
    if for_tests:
        need |= {pkg for mod, pkg in PYTHON_MODULES.items() if not _have_module(mod)}
    return sorted(need)


def host_hint(output: str) -> str | None:
    """As mirror.hint(), for the host's own package lists."""
    if "Unable to locate package" in output or "has no installation candidate" in output:
        return "the host's package lists are too old or lack the 'main' component: apt-get update"
    return mirror.hint(output)


def ensure(progress, for_tests: bool = False) -> None:
    """Installs what is missing; without root it says what to type."""
    missing = missing_packages(for_tests)
    if not missing:
        return
    if os.getuid() != 0:
        raise LabError("the host lacks packages; install them once with\n"
                       f"  sudo apt-get install --no-install-recommends {' '.join(missing)}")
    if not shutil.which("apt-get"):
        raise LabError(f"the host lacks {', '.join(missing)} and has no apt-get; "
                       "install them the way this system does")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    with progress.step(f"installing on the host: {' '.join(missing)}"):
        run(["apt-get", "update", "-q"], "apt-get update", env=env, hint=host_hint)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing],
            "installing host packages", env=env, hint=host_hint)
    still = missing_packages(for_tests)
    if still:
        raise LabError(f"installed, but still not usable: {', '.join(still)}")
