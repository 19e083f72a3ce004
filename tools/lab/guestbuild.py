# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Builds the small programs and modules that tests, demo and bench put into the hosts.

In the guest image, with its compiler and its kernels' headers, at the speed of this machine;
cached by content beside the image.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import cache as folders
from . import chroot
from .config import cache_root, digest_files, make_dir, source_root
from .image import Image
from .kernels import Kernel

PROGRAM_FLAGS = ["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
KEEP_OLD = 3
PROGRAM_LIBS = ["-lrdmacm", "-libverbs"]


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [(str(p.relative_to(folder)), p) for p in sorted(folder.rglob("*"))
            if p.is_file() and not p.name.startswith(".")]


def _cached(image: Image, what: str, files: list[tuple[str, Path]], salt: str, build) -> Path:
    """The folder with what build(folder) made from these files, made now or earlier."""
    cache = make_dir(cache_root())
    final = cache / f"{what}-{image.key}-{digest_files(files, salt.encode())}"
    folders.make(final, cache / f"{what}.lock", build)
    # Another run may be at work with those of another source tree.
    folders.forget_old(cache, f"{what}-*-*", KEEP_OLD, but=final)
    return final


def programs(image: Image, folder: Path | None = None) -> Path:
    """Each .c file of the folder as a program of that name; returns where they are.

    Headers that programs of several folders share are in tests/guest.
    """
    folder = folder or source_root() / "tests/vm/src"
    shared = source_root() / "tests/guest"
    files = _files(folder) + _files(shared)

    def build(out: Path) -> None:
        for source in sorted(folder.glob("*.c")):
            chroot.run_in(image.root, ["gcc", *PROGRAM_FLAGS, "-I/build", "-o", f"/out/{source.stem}",
                                       f"/src/{source.name}", *PROGRAM_LIBS],
                          f"building {source.name}",
                          binds=[(folder, "/src", "ro"), (out, "/out", "rw"),
                                 (shared, "/build", "ro")])

    return _cached(image, "programs", files, " ".join(PROGRAM_FLAGS + PROGRAM_LIBS), build)


def module(image: Image, kernel: Kernel, folder: Path, name: str) -> Path:
    """Builds a kernel module's folder for a kernel; returns the path of name.ko."""
    files = _files(folder)

    def build(out: Path) -> None:
        # kbuild writes where the source is, so it gets a copy.
        shutil.copytree(folder, out, dirs_exist_ok=True)
        chroot.run_in([kernel.root, image.root],
                      ["make", "-s", f"-j{os.cpu_count() or 1}", "-C", kernel.build, "M=/build",
                       "modules"],
                      f"building {name}.ko for {kernel.release}", binds=[(out, "/build", "rw")])

    return _cached(image, f"module-{name}-{kernel.role}", files, kernel.key, build) / f"{name}.ko"
