# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Builds the project inside the guest image, and packs each part as a disk of its own.

Parts: "modules-ROLE" (the kernel modules for the kernel of a role) and "userland" (what CMake installs).  A host
mounts the disks of its parts over the image's root.  Each part is cached under a digest of exactly
the sources it is made from; its build folder stays, so that a small change is a small build.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import chroot
from . import cache as folders
from .cache import remove_tree
from .config import (LabError, cache_root, digest_files, locked, make_dir, need_disk,
                     source_root)
from .image import Image, squash
from .kernels import Kernel
from .run import end_all, is_ending, outcome, run

USERLAND = "userland"
MODULE_SOURCES = ["kernel-module", "tests/layers"]
USERLAND_SOURCES = ["CMakeLists.txt", "cmake", "kernel-module", "providers", "libipsec-roce",
                    "tools", "tests", "LICENSES"]
# Sources of the lab itself, and what only the host runs: no reason to build again.
NOT_SOURCES = ["tools/lab", "tools/roce-ipsec-lab", "tests/vm", "tests/bench", "tests/judge",
               "tests/lab", "tests/soak", "tests/guest"]
# What a build in the tree by hand leaves behind.
SUFFIXES_IGNORED = {".o", ".ko", ".cmd", ".mod", ".order", ".symvers", ".pyc", ".swp"}
KEEP_OLD = 6


@dataclass
class Part:
    """One finished disk."""

    name: str
    disk: Path
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """One part to be: the modules for a kernel, or, without one, the userland."""

    kernel: Kernel | None = None

    @property
    def name(self) -> str:
        return f"modules-{self.kernel.role}" if self.kernel else USERLAND


def parts_of(*kernels: Kernel) -> list[Wanted]:
    """What hosts with these kernels run."""
    return [*map(Wanted, kernels), Wanted()]


def sources(tops: list[str], tree: Path) -> list[tuple[str, Path]]:
    """The source files below the given names, relative name first."""
    found = []
    for top in tops:
        base = tree / top
        if base.is_file():
            found.append((top, base))
        for folder, dirs, files in os.walk(base):
            rel = Path(folder).relative_to(tree)
            dirs[:] = sorted(d for d in dirs if not d.startswith(".") and d != "__pycache__"
                             and str(rel / d) not in NOT_SOURCES)
            for name in files:
                path = rel / name
                if (name.startswith(".") or path.suffix in SUFFIXES_IGNORED
                        or str(path) in NOT_SOURCES or name.endswith((".mod.c", "~"))):
                    continue
                if (tree / path).is_file():
                    found.append((str(path), tree / path))
    return found


def _part_sources(part: Wanted, tree: Path) -> list[tuple[str, Path]]:
    """Empty: the tree does not have this part."""
    if not part.kernel:
        return sources(USERLAND_SOURCES, tree) if (tree / "CMakeLists.txt").exists() else []
    return sources(MODULE_SOURCES, tree) if (tree / "kernel-module/Kbuild").exists() else []


def ensure(img: Image, progress, wanted: list[Wanted], strict: bool = True) -> list[Part]:
    """The disks of the wanted parts, built if need be; parts the tree lacks are left out.

    strict: a part that does not build is an error.  Else it is reported and left out.
    """
    tree = source_root()
    cache = make_dir(cache_root())
    found: dict[str, Part] = {}
    missing = []
    for part in wanted:
        files = _part_sources(part, tree)
        if not files:
            continue
        try:
            done = _find(cache, part.name, _key(img, part, files))
        except OSError as err:
            raise LabError(f"cannot read the sources: {err}") from err
        if done:
            found[part.name] = done
        else:
            missing.append(part)
    errors: dict[str, LabError] = {}
    if missing:
        _forget_builds(cache)
        need_disk(cache, 300, "building the project")
        with progress.step(f"building {', '.join(p.name for p in missing)} in the guest image"), \
                ThreadPoolExecutor(max_workers=2) as pool:
            jobs = {part.name: pool.submit(_build, cache, img, part, tree, progress)
                    for part in missing}
            try:
                for name, job in jobs.items():
                    try:
                        found[name] = job.result()
                    except LabError as err:
                        errors[name] = err
            except BaseException:
                end_all()
                raise
        for part in (found[p.name] for p in missing if p.name in found):
            for line in [*part.warnings, *part.notes]:
                progress.say(f"{part.name}: {line}")
    for name, err in errors.items():
        if strict:
            raise err
        progress.say(f"{name} does not build, going on without it\n{err}")
    return [found[part.name] for part in wanted if part.name in found]


def _forget_builds(cache: Path) -> None:
    """The build folders of images that are gone."""
    for folder in [*cache.glob("build-*"), *cache.glob("units/*-*")]:
        key = folder.name.rpartition("-")[2]
        if folder.is_dir() and not (cache / f"image-{key}").exists():
            remove_tree(folder)


def _key(img: Image, part: Wanted, files: list[tuple[str, Path]]) -> str:
    here = [("project.py", Path(__file__).resolve())]
    kernel = part.kernel.key if part.kernel else ""
    return digest_files(files + here, f"{img.key} {part.name} {kernel}".encode())


def _find(cache: Path, name: str, key: str) -> Part | None:
    folder = folders.find(cache / f"part-{name}-{key}")
    if not folder:
        return None
    info = json.loads((folder / "part.json").read_text())
    return Part(name, folder / "disk.squashfs", info["warnings"], info["notes"])


def _build(cache: Path, img: Image, part: Wanted, tree: Path, progress) -> Part:
    """Copies the sources first: the build then sees one state, and the digest is of that state."""
    name = part.name
    work = cache / f"build-{img.key}" / name
    with locked(cache / f"build-{name}.lock",
                lambda: progress.say(f"another run builds {name}; waiting for it")), \
            _orderly(work, part.kernel.key if part.kernel else ""):
        src = make_dir(work / "src")
        files = sync(_part_sources(part, tree), src)
        key = _key(img, part, files)
        done = _find(cache, name, key)
        if done:
            return done
        out = work / "out"
        remove_tree(out)
        out.mkdir()
        log = work / "build.log"
        if part.kernel:
            text = build_modules(img, part.kernel, src, out, log)
        else:
            text = _build_userland(img, work, src, out, log)
        return _pack(cache, img, name, key, out, text)


def _can_go_on(work: Path, kernel: str) -> bool:
    """Has a build for that kernel come to its own end here?"""
    of = work / "kernel"
    return not (work / "unfinished").exists() and of.exists() and of.read_text() == kernel


@contextlib.contextmanager
def _orderly(work: Path, kernel: str = ""):
    """Only a build that came to its own end leaves something for the next one to go on from.

    One that was killed may leave half an object file that is newer than its source; one for
    another kernel leaves objects that make takes for its own.
    """
    mark = work / "unfinished"
    if not _can_go_on(work, kernel):
        remove_tree(work)
    make_dir(work)
    (work / "kernel").write_text(kernel)
    mark.touch()
    try:
        yield
    except LabError:
        if not is_ending():
            mark.unlink()
        raise
    mark.unlink()


def sync(files: list[tuple[str, Path]], target: Path) -> list[tuple[str, Path]]:
    """Makes target's sources equal to files; unchanged ones keep their time stamps."""
    wanted = dict(files)
    for name, path in files:
        copy = target / name
        try:
            data = path.read_bytes()
        except OSError as err:
            raise LabError(f"cannot read {path}: {err.strerror}") from err
        if not copy.exists() or copy.read_bytes() != data:
            make_dir(copy.parent)
            copy.write_bytes(data)
        copy.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    for name, path in sources(["."], target):
        if str(Path(name)) not in wanted:
            path.unlink()
    return [(name, target / name) for name, _ in files]


def _jobs() -> str:
    return f"-j{max(1, min(8, os.cpu_count() or 1))}"


def make_modules(img: Image, layer: Path, build: str, release: str, src: Path, log: Path,
                 variables: tuple[str, ...] = ()) -> str:
    """kernel-module below src for the headers in a layer on the image; returns what make said.

    variables: further ones for make, NAME=VALUE.
    """
    return chroot.run_in(
        [layer, img.root], ["make", "-C", build, "M=/build", "W=1", *variables, _jobs(), "modules"],
        f"building the modules for {release}", binds=[(src / "kernel-module", "/build", "rw")],
        log=log, hint=_first_error)


def _first_error(output: str) -> str | None:
    """The compiler's first error with the line it is about; the rest follows from it, as a rule."""
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if re.search(r": (fatal )?error: |^ERROR: modpost: ", line):
            return "\n" + "\n".join(lines[number:number + 3])
    return None


def build_modules(img: Image, kernel: Kernel, src: Path, out: Path, log: Path) -> str:
    target = f"usr/lib/modules/{kernel.release}"
    updates = make_dir(out / target / "updates")
    faces = face_objects(src)
    text = make_modules(img, kernel.root, kernel.build, kernel.release, src, log,
                        (f"IROCE_ALONE={faces}",) if faces else ())
    built = [p for p in (src / "kernel-module").rglob("*.ko")]
    if not built:
        raise LabError(f"building the modules for {kernel.release} made no module ({log})")
    for module in built:
        shutil.copyfile(module, updates / module.name)
    # depmod must see Debian's modules and ours together, and may write only into out.
    chroot.run_in([kernel.root, img.root], ["depmod", "--outdir", "/out", kernel.release],
                  f"depmod for {kernel.release}",
                  binds=[(updates, f"/{target}/updates", "ro"), (out, "/out", "rw")])
    chroot.merge_usr(out)
    return text + check_layers(img, kernel, src)


def face_objects(src: Path) -> str:
    """Has tests/layers write a source for each face of the kernel's rooms; the objects' names."""
    script = src / "tests/layers/alone"
    if not script.exists():
        return ""
    return run([sys.executable, str(script), str(src)], str(script)).strip()


def check_layers(img: Image, kernel: Kernel, src: Path) -> str:
    """What tests/layers has against the objects that were built below src: warnings, a line each.

    The kernel's own kernel-doc, if its package has one, reads the comments of the faces. A fault
    is no reason not to run the modules, but a test that failed.
    """
    checks = src / "tests/layers"
    if not (checks / "rooms").exists():
        return ""
    rooms = re.findall(r"^(\S+)\s+kernel-module/", (checks / "rooms").read_text(), re.M)
    script = (f"cd /src/tests/layers; ./circles /src /src; ./calls /src /src {' '.join(rooms)}; "
              f"./kerneldoc /src {kernel.build}/scripts/kernel-doc")
    _, output = outcome(chroot.argv([kernel.root, img.root], ["sh", "-c", script],
                                    [(src, "/src", "ro")]), "tests/layers")
    lines = [line for line in output.splitlines() if not re.search(r"no circle$| rooms$", line)]
    return "".join(f"\nwarning: layers: {line}" for line in lines)


def _build_userland(img: Image, work: Path, src: Path, out: Path, log: Path) -> str:
    binds = [(src, "/src", "ro"), (make_dir(work / "build"), "/build", "rw"), (out, "/out", "rw")]
    script = ("cmake -S /src -B /build -DCMAKE_INSTALL_PREFIX=/usr "
              "-DCMAKE_BUILD_TYPE=RelWithDebInfo && "
              f"cmake --build /build {_jobs()} && DESTDIR=/out cmake --install /build")
    text = chroot.run_in(img.root, ["sh", "-c", script], "building the userland", binds=binds,
                         log=log)
    chroot.merge_usr(out)
    return text


def changed_modules(img: Image, kernel: Kernel, texts: dict[str, str]) -> Path:
    """A folder with the modules as they are when these files of kernel-module have other texts.

    Goes on from the build of the tree, so that little more than these files is compiled.
    """
    cache = make_dir(cache_root())
    part = Wanted(kernel)
    name, files = part.name, _part_sources(part, source_root())
    key = digest_files(files, f"{img.key} {kernel.key} {sorted(texts.items())}".encode())
    final = cache / f"changed-{name}-{key}"

    def build(tmp: Path) -> None:
        work, src = cache / f"build-{img.key}" / name, tmp / "src"
        with locked(cache / f"build-{name}.lock"):
            if _can_go_on(work, kernel.key):
                shutil.copytree(work / "src", src)
        sync(files, make_dir(src))
        for path, text in texts.items():
            (src / "kernel-module" / path).write_text(text)
        make_modules(img, kernel.root, kernel.build, kernel.release, src, tmp / "build.log")
        for module in (src / "kernel-module").rglob("*.ko"):
            shutil.move(module, tmp / module.name)
        remove_tree(src)

    folders.make(final, cache / "changed.lock", build)
    folders.forget_old(cache, f"changed-{name}-*", KEEP_OLD, but=final)
    return final


def warnings_in(text: str) -> list[str]:
    # Debian's headers name the compiler package they were built with; ours may be newer.
    ignore = ("the compiler differs from the one used to build the kernel", "BTF generation")
    return [line for line in text.splitlines()
            if "warning:" in line.lower() and not any(i in line for i in ignore)]


def notes_in(text: str) -> list[str]:
    """What the sources themselves have to say: compat.h about a kernel that it does not know."""
    return list(dict.fromkeys(re.findall(r"note: '#pragma message: (.*)'", text)))


def _pack(cache: Path, img: Image, name: str, key: str, out: Path, said: str) -> Part:
    warnings, notes = warnings_in(said), notes_in(said)

    def build(folder: Path) -> None:
        squash(img.root, out, folder / "disk.squashfs")
        info = {"warnings": warnings, "notes": notes, "made": time.time()}
        (folder / "part.json").write_text(json.dumps(info))

    final = folders.put(cache / f"part-{name}-{key}", build)
    folders.forget_old(cache, f"part-{name}-*", KEEP_OLD, but=final)
    return Part(name, final / "disk.squashfs", warnings, notes)
