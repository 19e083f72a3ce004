# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The hosts' kernels, by role: what Debian offers today, never a number that somebody wrote down.

    stable   the suite's own kernel
    newest   whatever the suite's backports have; there may be none, or one that cannot be had

Each is a folder in the cache on top of the image: root/ (its packages' files: modules, headers,
and a compiler if it asks for another than the image has), modules.squashfs (a disk of the hosts),
vmlinuz, kernel.json.  What was learnt from the mirror is remembered in kernel-ROLE-RECIPE.json:
setup and test ask again, the others take what is there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from . import cache as folders
from . import chroot, mirror
from .config import (ROLES, LabError, cache_root, digest_files, locked, make_dir, need_disk)
from .image import Image, squash, temporary
from .mirror import BACKPORTS, SUITE, Apt, MirrorAway, Package

DISK_MB = 1500
KEEP_OLD = 1
# What a host never has hardware for.
EXCLUDE = [f"/{top}lib/modules/*/kernel/{sub}/*" for top in ("", "usr/") for sub in (
    "sound", "drivers/gpu", "drivers/media", "drivers/net/wireless", "drivers/iio",
    "drivers/staging", "drivers/usb", "drivers/comedi", "drivers/isdn")]
EXCLUDE += ["/usr/share/doc/*", "/usr/share/man/*", "/boot/System.map-*"]


class NoKernel(LabError):
    """Nobody offers a kernel for this role; the text says what is missing."""


@dataclass(frozen=True)
class Offer:
    """What a mirror has for a role: uname -r, and the packages that an image lacks for it."""

    release: str
    packages: list[Package]


class Kernel:
    """A finished kernel in the cache."""

    def __init__(self, path: Path):
        self.path = path
        info = json.loads((path / "kernel.json").read_text())
        self.role, self.release, self.key = info["role"], info["release"], info["key"]

    root = property(lambda self: self.path / "root")
    disk = property(lambda self: self.path / "modules.squashfs")
    vmlinuz = property(lambda self: self.path / "vmlinuz")
    modules = property(lambda self: self.root / "usr/lib/modules" / self.release)

    @property
    def series(self) -> str:
        return series_of(self.release)

    @property
    def build(self) -> str:
        """Where kbuild is, in the image with this kernel on top."""
        return f"/lib/modules/{self.release}/build"

    def is_whole(self) -> bool:
        """root/ has too many files to look at each time: two stand for the rest."""
        return (folders.is_whole(self.path) and (self.modules / "modules.dep").exists()
                and (self.root / "usr/src" / f"linux-headers-{self.release}").exists())


def series_of(release: str) -> str:
    return ".".join(release.split(".")[:2])


def find(img: Image, role: str) -> Kernel | None:
    """The kernel that the last answer of the mirror named, if it is there and whole."""
    name = _noted(_note(img, role))
    return load(cache_root() / name) if name else None


def load(folder: Path) -> Kernel | None:
    """The kernel in a folder of the cache, if it is whole; using it makes it young."""
    try:
        kernel = Kernel(folder)
        if not kernel.is_whole():
            return None
        os.utime(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kernel


def ensure(img: Image, role: str, progress, ask: bool = False) -> Kernel:
    """The kernel of a role, fetched if the cache has none.

    ask: what the mirror offers now, even if the cache has one; a mirror that is away, or that
    cannot deliver, is told, and the one that is there used.  NoKernel: nobody has one.
    """
    if not ask:
        kernel = find(img, role)
        if kernel:
            return kernel
    with locked(make_dir(cache_root()) / f"kernel-{role}.lock",
                lambda: progress.say(f"another run fetches the {role} kernel; waiting for it")):
        kernel = find(img, role)
        if kernel and not ask:
            return kernel
        try:
            return _fetch(img, role, progress)
        except NoKernel:
            _note(img, role).unlink(missing_ok=True)
            raise
        except LabError as err:
            if not kernel:
                raise
            away = isinstance(err, MirrorAway)
            reason = "the mirror cannot be reached" if away else str(err).splitlines()[0]
            progress.say(f"{role} kernel: {reason}; going on with {kernel.release} from the cache")
            return kernel


# -- what the mirror offers

def _sources(role: str) -> tuple[dict[str, str], str | None]:
    """The suites that a role's kernel comes from, and the preferred one."""
    suites = mirror.mirrors()
    if role == "newest":
        return suites, BACKPORTS
    suites.pop(BACKPORTS)
    return suites, None


def offered(apt: Apt, suite: str, pinned: bool, headers_only: bool = False) -> Offer:
    """The kernel that an Apt's sources have, with headers, installable; or NoKernel.

    pinned: of that suite alone, not of the others among the sources.
    """
    # Of a suite that is preferred, but lacks a package, the others' would be taken.
    record = apt.show("linux-image-amd64" + (f"/{suite}" if pinned else ""))
    image = re.search(r"^Depends: .*?\blinux-image-(\S+)", record or "", re.M)
    if not image:
        raise NoKernel(f"{suite} has no kernel today")
    release = image[1].rstrip(",")
    names = [f"linux-headers-{release}"] + ([] if headers_only else [f"linux-image-{release}"])
    lacking = apt.unknown(names)
    if lacking:
        raise NoKernel(f"{suite} has kernel {release}, but no {' and no '.join(lacking)}")
    try:
        return Offer(release, apt.needed(names))
    except LabError as err:
        raise NoKernel(f"{suite} has kernel {release}, but it cannot be installed: {err}") from err


# -- made

def _recipe(img: Image) -> str:
    here = Path(__file__).resolve()
    return digest_files([("kernels.py", here)], img.key.encode())


def _note(img: Image, role: str) -> Path:
    return cache_root() / f"kernel-{role}-{_recipe(img)}.json"


def _noted(note: Path) -> str:
    """The name of the folder that a note is about; empty without a readable one."""
    try:
        return str(json.loads(note.read_text())["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _remember(img: Image, role: str, what: dict) -> None:
    note = _note(img, role)
    tmp = note.with_suffix(f".{os.getpid()}")
    tmp.write_text(json.dumps(what | {"asked": time.time()}))
    tmp.rename(note)


def _forget_notes(role: str) -> None:
    """Those about kernels whose folders have gone."""
    for note in cache_root().glob(f"kernel-{role}-*.json"):
        name = _noted(note)
        if not name or not (cache_root() / name).is_dir():
            note.unlink(missing_ok=True)


def _ask(apt: Apt, role: str) -> Offer | NoKernel:
    """That there is none today is an answer, not a failure to ask."""
    newest = role == "newest"
    try:
        apt.update()
        return offered(apt, BACKPORTS if newest else SUITE, pinned=newest)
    except mirror.NoSuite as err:
        return NoKernel(str(err))
    except NoKernel as err:
        return err


def _fetch(img: Image, role: str, progress) -> Kernel:
    """Asks the mirror and makes what it offers, unless that is there; the caller holds the lock."""
    cache = cache_root()
    with temporary(cache, f"kernel-{role}") as tmp:
        with progress.step(f"asking the Debian mirror for the {role} kernel"):
            apt = Apt(tmp / "apt", *_sources(role), status=img.root / "var/lib/dpkg/status")
            offer = _ask(apt, role)
        if isinstance(offer, NoKernel):
            raise offer
        key = digest_files([], f"{_recipe(img)} {' '.join(map(str, offer.packages))}".encode())
        final = cache / f"kernel-{role}-{offer.release}-{key}"
        kernel = load(final)
        if not kernel:
            need_disk(cache, DISK_MB, f"kernel {offer.release}")
            with progress.step(f"fetching the {role} kernel, {offer.release}"):
                folders.put(final, lambda folder: _make(img, role, offer, key, apt, folder),
                            sealed=files_to_seal)
            kernel = Kernel(final)
    _remember(img, role, {"path": final.name})
    folders.forget_old(cache, f"kernel-{role}-*", KEEP_OLD, but=final)
    _forget_notes(role)
    return kernel


def unpack(img: Image, apt: Apt, packages: list[Package], folder: Path) -> Path:
    """The packages' files as folder/root, to be laid over the image's."""
    root = make_dir(folder / "root")
    for deb in apt.download(packages, folder / "debs"):
        mirror.unpack(deb, root, EXCLUDE)
        deb.unlink()
    (folder / "debs").rmdir()
    chroot.merge_usr(root)
    return root


def files_to_seal(folder: Path) -> list[Path]:
    """Of a kernel's folder: root/ has too many files to look at each time."""
    return [p for p in folder.iterdir() if p.is_file()]


def _find_vmlinuz(release: str, places: list[Path]) -> Path:
    """Debian's packages have had it at two places so far."""
    for path in places:
        if path.exists():
            return path
    raise LabError(f"the packages of kernel {release} have no vmlinuz where Debian has put it so far")


def finish(img: Image, folder: Path, release: str, vmlinuz: Path) -> None:
    """Makes a kernel's folder of what is in its root/: modules.dep, the hosts' disk, vmlinuz."""
    root = folder / "root"
    modules = root / "usr/lib/modules" / release
    # Where our own modules come to lie.
    make_dir(modules / "updates")
    chroot.run_in([root, img.root], ["depmod", "--outdir", "/out", release],
                  f"depmod for {release}", binds=[(make_dir(folder / "out"), "/out", "rw")])
    chroot.merge_usr(folder / "out")
    shutil.copytree(folder / "out", root, dirs_exist_ok=True)
    shutil.rmtree(folder / "out")
    shutil.move(vmlinuz, folder / "vmlinuz")
    (folder / "vmlinuz").chmod(0o644)
    disk = make_dir(folder / "disk/usr/lib/modules")
    modules.rename(disk / release)
    squash(img.root, folder / "disk", folder / "modules.squashfs")
    (disk / release).rename(modules)
    shutil.rmtree(folder / "disk")


def _make(img: Image, role: str, offer: Offer, key: str, apt: Apt, folder: Path) -> None:
    root = unpack(img, apt, offer.packages, folder)
    modules = root / "usr/lib/modules" / offer.release
    finish(img, folder, offer.release, _find_vmlinuz(
        offer.release, [root / f"boot/vmlinuz-{offer.release}", modules / "vmlinuz"]))
    info = {"role": role, "release": offer.release, "key": key, "made": time.time(),
            "packages": [str(p) for p in offer.packages]}
    (folder / "kernel.json").write_text(json.dumps(info, indent=1))
