# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab canary: do our modules build for the kernels that are on their way to us, and for the
other architecture that NICs with IPsec live on?

Debian's testing, sid and experimental have what backports will have in weeks or months.  arm64 is
the stable kernel's, built with a cross compiler: engine and helper alone, as the adapter needs rdmavt.
Only headers are fetched, and nothing is booted.  Says for each what the compiler says first.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from . import image, kernels, mirror, project
from .config import LabError, cache_root, locked, make_dir, source_root
from .progress import Progress

# Each with the suite that it builds upon.
SUITES = {"testing": [], "sid": [], "experimental": ["sid"]}
# Debian's name of an architecture -> what its tools begin with.
FOREIGN = {"arm64": "aarch64-linux-gnu"}
ALL = (*SUITES, *FOREIGN)


@dataclass
class Verdict:
    suite: str
    release: str = "-"
    builds: bool | None = None		# None: there is nothing to build for
    said: str = ""

    def __str__(self) -> str:
        word = {True: "builds", False: "BREAKS", None: "none"}[self.builds]
        lines = "".join(f"\n    {line}" for line in self.said.splitlines())
        return f"{self.suite:14}{self.release:28}{word}{lines}"


@contextlib.contextmanager
def _workplace(progress: Progress):
    """A folder for one run at a time; it goes afterwards."""
    cache = cache_root()
    with locked(cache / "canary.lock", lambda: progress.say("another run asks; waiting for it")), \
            image.temporary(cache, "canary") as work:
        yield work


def look(img: image.Image, suite: str, known: dict[str, Verdict], progress: Progress) -> Verdict:
    """known: release -> verdict of an earlier suite; a kernel that two of them have is built once."""
    verdict = Verdict(suite)
    main = mirror.main_of(mirror.mirrors())
    with _workplace(progress) as work:
        apt = mirror.Apt(work / "apt", {name: main for name in [*SUITES[suite], suite]},
                         prefer=suite, status=img.root / "var/lib/dpkg/status")
        try:
            with progress.step(f"asking the Debian mirror for {suite}'s kernel"):
                apt.update()
                offer = kernels.offered(apt, suite, pinned=True, headers_only=True)
        except (kernels.NoKernel, mirror.NoSuite) as err:
            verdict.said = str(err)
            return verdict
        verdict.release = offer.release
        if offer.release in known:
            same = known[offer.release]
            verdict.builds, verdict.said = same.builds, f"the same as {same.suite}'s"
            return verdict
        with progress.step(f"{offer.release}: fetching headers, building the modules"):
            verdict.builds, verdict.said = _build(img, apt, offer, work)
    return verdict


def look_abroad(img: image.Image, arch: str, progress: Progress) -> Verdict:
    """The suite's own kernel for another architecture."""
    verdict = Verdict(arch)
    tools = FOREIGN[arch]
    with _workplace(progress) as work:
        apt = mirror.Apt(work / "apt", mirror.mirrors(), status=img.root / "var/lib/dpkg/status",
                         foreign=arch)
        with progress.step(f"asking the Debian mirror for {arch}'s kernel"):
            apt.update()
            record = apt.show(f"linux-headers-{arch}:{arch}")
        headers = re.search(r"^Depends: .*?\b(linux-headers-(\S+))", record or "", re.M)
        if not headers:
            verdict.said = f"the mirror has no kernel for {arch}"
            return verdict
        verdict.release = headers[2]
        # The compiler that these headers want, as one that runs here; of their own needs what is to be read.
        compiler = re.search(r"\bgcc-\d+\b", apt.show(f"{headers[1]}:{arch}") or "")
        cross = f"{compiler[0] if compiler else 'gcc'}-{tools}"
        wanted = apt.needed([f"{cross}:amd64"])
        wanted += [p for p in apt.needed([f"{headers[1]}:{arch}"])
                   if p.name.startswith(("linux-headers-", "linux-kbuild-", "pahole"))]
        with progress.step(f"{verdict.release}: fetching a cross compiler and headers, building the modules"):
            verdict.builds, verdict.said = _build(
                img, apt, kernels.Offer(verdict.release, wanted), work,
                (f"ARCH={arch}", f"CROSS_COMPILE={tools}-"))
    return verdict


def _build(img: image.Image, apt: mirror.Apt, offer: kernels.Offer, work: Path,
           variables: tuple[str, ...] = ()) -> tuple[bool, str]:
    layer = kernels.unpack(img, apt, offer.packages, work)
    src = make_dir(work / "src")
    project.sync(project.sources(project.MODULE_SOURCES, source_root()), src)
    try:
        text = project.make_modules(img, layer, f"/usr/src/linux-headers-{offer.release}",
                                    offer.release, src,
                                    cache_root() / f"canary-{offer.release}.log", variables)
    except LabError as err:
        return False, str(err)
    return True, "\n".join([*project.warnings_in(text), *project.notes_in(text)])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", nargs="*", metavar="SUITE",
                        help=f"of {', '.join(ALL)} (default: all)")


def main(args, progress: Progress) -> int:
    for suite in args.suite:
        if suite not in ALL:
            raise LabError(f"suite {suite!r}: one of {', '.join(ALL)}")
    img = image.ensure(progress)
    known: dict[str, Verdict] = {}
    failed = False
    for suite in args.suite or ALL:
        try:
            verdict = look_abroad(img, suite, progress) if suite in FOREIGN else \
                look(img, suite, known, progress)
        except mirror.MirrorAway:
            raise
        except LabError as err:		# one suite that is being updated is no reason to stop
            verdict = Verdict(suite, said=str(err))
            failed = True
        if verdict.builds is not None:
            known.setdefault(verdict.release, verdict)
        failed |= verdict.builds is False
        print(verdict, flush=True)
    return 1 if failed else 0
