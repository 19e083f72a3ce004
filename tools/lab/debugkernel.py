# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Kernels that are built here, from Debian's source, with what finds faults switched on.

    kasan   memory, leaks, locks, contexts, life of objects
    kcsan   data races (the compiler can do one of the two)

Each is a folder in the cache as the stock kernels' are (see kernels.py), so that whoever takes a
Kernel takes one of these.  The configuration is small: what the hosts, the tests and our modules need
(debug/common.config, and debug/older.config for what not all kernels have an option for) and what is
looked for (debug/FLAVOUR.config), over allnoconfig.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

from . import cache as folders
from . import chroot, kernels, mirror
from .config import LabError, cache_root, digest_files, locked, make_dir, need_disk
from .image import Image, squash, temporary
from .kernels import Kernel
from .run import run

FLAVOURS = ("kasan", "kcsan")
CONFIGS = Path(__file__).resolve().parent / "debug"
# On top of what the image has to build our modules with.
BUILD_PACKAGES = ["bc", "bison", "flex", "libelf-dev", "perl", "xz-utils"]
DISK_MB = 9000
KEEP_OLD = 0


def ensure(img: Image, stock: Kernel, flavour: str, progress) -> Kernel:
    """The kernel of this flavour that has the series of a stock one, built if the cache has none."""
    cache = make_dir(cache_root())
    name = f"debugkernel-{stock.role}-{flavour}"
    files = [(p.name, p) for p in (*_fragments(flavour), Path(__file__).resolve())]
    key = digest_files(files, f"{img.key} {stock.release}".encode())
    final = cache / f"{name}-{stock.release}-{key}"
    kernel = kernels.load(final)
    if kernel:
        return kernel
    with locked(cache / f"{name}.lock",
                lambda: progress.say(f"another run builds the {flavour} kernel; waiting for it")):
        kernel = kernels.load(final)
        if not kernel:
            need_disk(cache, DISK_MB, f"building a kernel with {flavour}")
            with temporary(cache, name) as work:
                layer, source = _fetch(img, stock, work, progress)
                folders.put(final, lambda folder: _make(
                    img, stock, flavour, key, [layer, img.root], source, work, folder, progress),
                    sealed=kernels.files_to_seal)
            kernel = Kernel(final)
    folders.forget_old(cache, f"{name}-*", KEEP_OLD, but=final)
    return kernel


def _fragments(flavour: str) -> list[Path]:
    """The lines of all but the last one have to hold."""
    return [CONFIGS / f"{name}.config" for name in ("common", flavour, "older")]


def _fetch(img: Image, stock: Kernel, work: Path, progress) -> tuple[Path, Path]:
    """What to build with, as a layer on the image, and the source."""
    package = f"linux-source-{stock.series}"
    with progress.step(f"fetching {package} and what builds it"):
        apt = mirror.Apt(work / "apt", mirror.mirrors(), status=img.root / "var/lib/dpkg/status")
        apt.update()
        record = apt.show(package)
        version = re.search(r"^Version: (\S+)", record or "", re.M)
        if not version:
            raise LabError(f"the mirror has no {package} (any more)")
        layer = kernels.unpack(img, apt, apt.needed(BUILD_PACKAGES), make_dir(work / "tools"))
        deb = next(p for p in apt.download([mirror.Package(package, version[1])], work / "debs")
                   if p.name.startswith(f"{package}_"))
        run(["dpkg-deb", "-x", deb, work / "deb"], f"unpacking {package}")
        shutil.rmtree(work / "debs")
    with progress.step(f"unpacking {package}"):
        source = make_dir(work / "source")
        tar = f"/out/{package}.tar.xz"
        chroot.run_in([layer, img.root], ["tar", "-xJf", tar, "--strip-components=1", "-C", "/src"],
                      f"unpacking {package}", binds=[(source, "/src", "rw"),
                                                     (work / "deb/usr/src", "/out", "ro")])
        shutil.rmtree(work / "deb")
    return layer, source


# In the image: the source at /src, a build folder at /build, what comes of it at /out.
_CONFIGURE = """make -s O=/build KCONFIG_ALLCONFIG=/build/fragment allnoconfig
grep -E '^CONFIG|^# CONFIG_.* is not set' /build/wanted | while read -r line; do
	grep -qxF -- "$line" /build/.config || echo "does not hold: $line"
done > /build/lost
if [ -s /build/lost ]; then cat /build/lost; exit 1; fi"""

_INSTALL = """make -s O=/build INSTALL_MOD_PATH=/out modules_install
release=$(make -s O=/build kernelrelease)
# What modules of others are built with, as Debian's headers packages have it.
make -s O=/build run-command \\
	KBUILD_RUN_COMMAND='$(srctree)/scripts/package/install-extmod-build /out/usr/src/linux-headers-$(KERNELRELEASE)'
rm -f /out/lib/modules/$release/build /out/lib/modules/$release/source
ln -s /usr/src/linux-headers-$release /out/lib/modules/$release/build
cp /build/System.map /out/usr/src/linux-headers-$release/
echo "$release" > /build/release"""


def _make(img: Image, stock: Kernel, flavour: str, key: str, layers: list[Path], source: Path,
          work: Path, folder: Path, progress) -> None:
    build = make_dir(work / "build")
    texts = [p.read_text() for p in _fragments(flavour)]
    wanted = "\n".join([*texts[:-1], f'CONFIG_LOCALVERSION="-{flavour}"', ""])
    (build / "wanted").write_text(wanted)
    (build / "fragment").write_text(wanted + texts[-1])
    root = make_dir(folder / "root")

    def inside(script: str, what: str) -> None:
        chroot.run_in(layers, ["sh", "-ec", script], what, cwd="/src", log=folder / "build.log",
                      binds=[(source, "/src", "ro"), (build, "/build", "rw"), (root, "/out", "rw")])

    what = f"the {stock.role} kernel with {flavour}"
    with progress.step(f"configuring {what}"):
        inside(_CONFIGURE, f"configuring {what}")
    with progress.step(f"building {what} (about 20 minutes on two cores)"):
        inside(f"make -s O=/build -j{os.cpu_count() or 1} bzImage modules", f"building {what}")
    with progress.step(f"packing {what}"):
        inside(_INSTALL, f"installing {what}")
        release = (build / "release").read_text().strip()
        chroot.merge_usr(root)
        kernels.finish(img, folder, release, build / "arch/x86/boot/bzImage")
    info = {"role": f"{stock.role}-{flavour}", "release": release, "key": key, "made": time.time(),
            "packages": []}
    (folder / "kernel.json").write_text(json.dumps(info, indent=1))
