# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A made-up Debian mirror in a folder, for file:// URIs: tiny packages, made-up kernel numbers.

    mirror/dists/SUITE/main/binary-amd64/Packages     what a suite has
    mirror/dists/SUITE/Release                        its digest
    mirror/pool/NAME_VERSION_amd64.deb                one file for all suites

The image that kernels lie on is made up as well: a dpkg status file and a key.
"""

import hashlib
import io
import re
import shutil
import tarfile
import time
from pathlib import Path

from lab.mirror import BACKPORTS, SUITE, Package

STABLE, NEWEST, NEXT = "90.1.5-amd64", "91.2.3+bpo-amd64", "92.4.1+bpo-amd64"


def deb(control: str, files: dict[str, str]) -> bytes:
    """A package as dpkg-deb would build it, without dpkg-deb's half second."""
    def member(name: str, data: bytes) -> bytes:
        head = f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(data):<10}`\n".encode()
        return head + data + b"\n" * (len(data) % 2)

    def tar(entries: dict[str, str]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
            for name, text in entries.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size, info.mode = len(text.encode()), 0o644
                archive.addfile(info, io.BytesIO(text.encode()))
        return out.getvalue()

    return b"!<arch>\n" + b"".join((member("debian-binary", b"2.0\n"),
                                    member("control.tar.gz", tar({"control": control})),
                                    member("data.tar.gz", tar(files))))


class Mirror:
    """Suites come into being empty, as real ones do."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.suites: dict[str, dict[str, str]] = {}
        for suite in (SUITE, f"{SUITE}-updates", BACKPORTS):
            self.suite(suite)

    def suite(self, suite: str) -> None:
        self.suites.setdefault(suite, {})
        self._write(suite)

    def drop(self, suite: str) -> None:
        del self.suites[suite]
        where = self.folder / f"dists/{suite}"
        (where / "Release").unlink()
        (where / "main/binary-amd64/Packages").unlink()

    def file(self, name: str) -> Path:
        """The package's file in the pool."""
        found, = (self.folder / "pool").glob(f"{name}_*.deb")
        return found

    def add(self, suite: str, name: str, version: str = "1", depends: str = "",
            files: dict[str, str] | None = None) -> None:
        control = (f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
                   "Maintainer: nobody <nobody@example>\n"
                   + (f"Depends: {depends}\n" if depends else "") + "Description: made up\n")
        pool = self.folder / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        path = pool / f"{name}_{version}_amd64.deb"
        path.write_bytes(deb(control, files or {f"usr/share/{name}": name}))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.suites[suite][name] = (f"{control}Filename: pool/{path.name}\n"
                                    f"Size: {path.stat().st_size}\nSHA256: {digest}\n")
        self._write(suite)

    def remove(self, suite: str, name: str) -> None:
        del self.suites[suite][name]
        self._write(suite)

    def kernel(self, suite: str, release: str, needs: str = "", vmlinuz: str = "boot/vmlinuz-{}"
               ) -> None:
        """linux-image-amd64 and what it stands for; needs: what the headers depend on."""
        modules = f"usr/lib/modules/{release}/kernel/fs/ext4.ko"
        version = release.split("-")[0]
        self.add(suite, f"linux-image-{release}", version, files={
            modules: "module", vmlinuz.format(release): f"vmlinuz {release}"})
        self.add(suite, f"linux-headers-{release}", version, needs, files={
            f"usr/src/linux-headers-{release}/Makefile": "all:"})
        self.add(suite, "linux-image-amd64", version, f"linux-image-{release} (= {version})")

    def _write(self, suite: str) -> None:
        where = self.folder / f"dists/{suite}/main/binary-amd64"
        where.mkdir(parents=True, exist_ok=True)
        packages = "\n".join(self.suites[suite].values()).encode()
        (where / "Packages").write_bytes(packages)
        date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
        (where.parents[1] / "Release").write_text(
            f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nDate: {date}\n"
            "Architectures: amd64\nComponents: main\nSHA256:\n"
            f" {hashlib.sha256(packages).hexdigest()} {len(packages)} main/binary-amd64/Packages\n")


def instant_apt(mirror: Mirror):
    """In Apt's place where a test is not about apt, which takes its seconds."""
    class Instant:
        def __init__(self, _folder, suites, prefer=None, status=None):
            self.suite = prefer or SUITE

        def update(self):
            pass

        def show(self, name):
            return mirror.suites[self.suite].get(name.partition("/")[0])

        def unknown(self, names):
            return [name for name in names if not self.show(name)]

        def needed(self, names):
            return [Package(name, re.search(r"^Version: (.*)", self.show(name), re.M)[1])
                    for name in names]

        def download(self, packages, target):
            target.mkdir()
            return [Path(shutil.copy(mirror.file(p.name), target)) for p in packages]

    return Instant


class Image:
    """What kernels.py wants of the guest image."""

    key = "0123456789abcdef"

    def __init__(self, folder: Path):
        self.root = folder
        (folder / "var/lib/dpkg").mkdir(parents=True)
        (folder / "var/lib/dpkg/status").write_text("")


def pretend_image_programs(monkeypatch, kernels) -> list[str]:
    """depmod and mksquashfs, which real images have; returns the list of kernels made so far."""
    made: list[str] = []

    def run_in(_root, command, _what, binds=(), **_more):
        assert command[0] == "depmod"
        release = command[-1]
        made.append(release)
        folder = Path(binds[0][0]) / "lib/modules" / release
        folder.mkdir(parents=True)
        (folder / "modules.dep").write_text("kernel/fs/ext4.ko:\n")

    def squash(_root, source, disk, _leave_out=()):
        disk.write_text(" ".join(sorted(str(p.relative_to(source)) for p in source.rglob("*"))))

    monkeypatch.setattr(kernels.chroot, "run_in", run_in)
    monkeypatch.setattr(kernels, "squash", squash)
    monkeypatch.setattr(kernels, "need_disk", lambda *_: None)
    return made
