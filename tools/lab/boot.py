# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The initramfs of a host: busybox, the modules of the first seconds, and our guest scripts.

The scripts travel in here and not in the image, so that a change of theirs costs a second and not
a new image.
"""

from __future__ import annotations

import lzma
import shutil
import tempfile
from pathlib import Path

from . import cache as folders
from . import chroot
from .config import digest_files
from .image import GUEST, Image
from .kernels import Kernel

# In this order, each after what it depends on.
# The second line is what a real host's CPU would have brought in by udev's coldplug.
MODULES = ["virtio_pci", "virtio_blk", "squashfs", "overlay", "virtio_console", "virtio_net",
           "aesni_intel", "ghash_clmulni_intel", "crc32_pclmul", "crc32c_intel",
           # so that two hosts that go on from one snapshot have each their own randomness
           "vmgenid"]
APPLETS = ["sh", "mount", "umount", "insmod", "mkdir", "cat", "cp", "grep", "seq", "usleep",
           "poweroff", "switch_root", "echo"]
KEEP_OLD = 1
SOURCES = ["initramfs-init", "init", "agent.c"]


def _module_order(base: Path) -> list[str]:
    """Paths below a kernel's modules, dependencies first."""
    deps: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in (base / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        deps[path] = rest.split()
        paths[Path(path).name.split(".")[0].replace("-", "_")] = path
    order: list[str] = []

    def add(path: str) -> None:
        for dep in deps[path]:
            if dep not in order:
                add(dep)
        if path not in order:
            order.append(path)

    for name in MODULES:
        if name in paths:		# else it is built in
            add(paths[name])
    return order


def ensure(image: Image, kernel: Kernel) -> Path:
    """The initramfs for a kernel, made if there is none of these scripts and this image yet."""
    key = digest_files([(n, GUEST / n) for n in SOURCES] + [("boot.py", Path(__file__).resolve())])
    final = kernel.path / f"initrd-{image.key}-{key}"

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as tmp:
            _fill(image, kernel, Path(tmp))
            _pack(image, Path(tmp), folder)

    folders.make(final, kernel.path / "initrd.lock", build)
    folders.forget_old(kernel.path, "initrd-*", KEEP_OLD, but=final)
    return final / "initrd"


def _fill(image: Image, kernel: Kernel, work: Path) -> None:
    root = image.root
    for sub in ("bin", "dev", "proc", "sys", "modules", "lab"):
        (work / sub).mkdir(parents=True)
    shutil.copy2(root / "usr/bin/busybox", work / "bin/busybox")
    for applet in APPLETS:
        (work / "bin" / applet).symlink_to("busybox")
    shutil.copyfile(GUEST / "initramfs-init", work / "init")
    (work / "init").chmod(0o755)
    shutil.copyfile(GUEST / "init", work / "lab/init")
    (work / "lab/init").chmod(0o755)
    chroot.run_in(root, ["gcc", "-Wall", "-Wextra", "-O2", "-static", "-o", "/out/agent",
                         "/src/agent.c"], "building the agent",
                  binds=[(GUEST, "/src", "ro"), (work / "lab", "/out", "rw")])
    names = []
    for path in _module_order(kernel.modules):
        source = kernel.modules / path
        name = source.name.removesuffix(".xz")
        if source.name.endswith(".xz"):
            with lzma.open(source) as packed:
                (work / "modules" / name).write_bytes(packed.read())
        else:
            shutil.copyfile(source, work / "modules" / name)
        names.append(name)
    (work / "modules/order").write_text("\n".join(names) + "\n")


def _pack(image: Image, work: Path, folder: Path) -> None:
    chroot.run_in(image.root, ["sh", "-c", "find . -mindepth 1 | sort | "
                               "cpio -o -H newc --quiet -R 0:0 > /out/initrd"],
                  "packing the initramfs", binds=[(work, "/src", "ro"), (folder, "/out", "rw")],
                  cwd="/src")
