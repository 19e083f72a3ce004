# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab test: everything that can be checked, from pure C to two hosts on both kernels.

    unit        ctest in the guest image: core, provider, library, tool; spin on tests/model
    sanitize    the same for core under ASan + UBSan and under TSan
    build       the modules for each kernel, without a warning
    judge       the outside judge, on captures made by its own tests
    bench       instructions per packet, on a lab of its own, against tests/bench/budget.json
    lab         the lab itself: its cache, its beginning and its end, without hosts
    vm          tests/vm: two hosts, both kernels

Kernels are asked of the mirror anew.  A newest kernel that cannot be had is said and left out; one
that our modules do not build for is a failed test, with the compiler's first error.

With a FILTER (pytest's -k) only judge, lab and vm run, and of them what matches.  The last line
is always "N passed, N failed".
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as etree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import bench, chroot, image, kernelname, kernels, project
from .cache import remove_tree
from .config import LabError, available_memory, cache_root, locked, make_dir, source_root
from .labs import memory_of_lab
from .progress import Progress
from .run import die_with_parent, end_group, outcome, tail

PYTHON = "/usr/bin/python3"
GROUPS = ("unit", "sanitize", "build", "judge", "lab", "bench", "vm")
BY_NAME = ("judge", "lab", "vm")
SANITIZERS = {"asan": "address,undefined", "tsan": "thread"}
# What a build needs of the tree; the lab's own files change often and are not compiled.
NOT_COPIED = shutil.ignore_patterns(".*", "build*", "__pycache__", "lab", "vm")


class Tally:
    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    def add(self, passed: int, failed: list[str]) -> None:
        self.passed += passed
        self.failed += failed


def add_arguments(parser) -> None:
    parser.add_argument("filter", nargs="?", metavar="FILTER",
                        help="only tests whose name matches, as pytest's -k does")
    kernelname.add_option(parser, action="append", default=None,
                       help="on this kernel only (default: stable and newest)")
    parser.add_argument("--full", action="store_true",
                        help="every combination of parameters on every kernel")
    parser.add_argument("--only", action="append", choices=GROUPS,
                        help="one group of tests (may be given several times)")


def main(args, progress: Progress) -> int:
    groups = args.only or (list(BY_NAME) if args.filter else list(GROUPS))
    tally = Tally()
    begin = time.monotonic()
    img = image.ensure(progress)
    chosen = choose_kernels(img, args.kernel, progress)
    if "build" in groups or "vm" in groups:
        chosen = [k for k in chosen if builds(img, k, tally, progress)]
    # One lab for each kernel, and one that is counted.
    is_room = available_memory() >= (len(chosen) + 1) * memory_of_lab()
    lanes = start_vm(args, [k.role for k in chosen]) if "vm" in groups and chosen else []
    try:
        # Hosts often only wait: what needs none is done meanwhile, and what is counted, not timed.
        without_hosts(args, groups, img, tally, progress)
        if "bench" in groups and is_room:
            check_budget(tally, progress)
        for lane in lanes:
            lane.finish(tally)
        if "bench" in groups and not is_room:
            check_budget(tally, progress)
    except BaseException:
        # Ctrl-C: all at once, each has hosts to stop.
        with ThreadPoolExecutor(max_workers=max(1, len(lanes))) as pool:
            list(pool.map(Pytest.stop, lanes))
        raise
    print()
    for name in tally.failed:
        print(f"FAILED {name}")
    print(f"after {time.monotonic() - begin:.0f} s:")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.passed else 0


def check_budget(tally: Tally, progress: Progress) -> None:
    """Instructions of the stable kernel: the budget is of that one."""
    name = os.environ.get("ROCE_IPSEC_LAB_NAME")
    os.environ["ROCE_IPSEC_LAB_NAME"] = f"{name or 'test'}-bench"
    try:
        count, wrong = bench.check_budget(progress)
    except (LabError, AssertionError) as err:
        print(f"bench: {err}")
        count, wrong = 0, ["it could not be measured"]
    finally:
        if name:
            os.environ["ROCE_IPSEC_LAB_NAME"] = name
        else:
            del os.environ["ROCE_IPSEC_LAB_NAME"]
    tally.add(count - len(wrong) if count else 0, [f"bench: {line}" for line in wrong])


def without_hosts(args, groups, img: image.Image, tally: Tally, progress: Progress) -> None:
    if "unit" in groups or "sanitize" in groups:
        with locked(cache_root() / "units.lock",
                    lambda: progress.say("another run builds the unit tests; waiting for it")):
            src = copy_sources()
            if "unit" in groups:
                run_ctest(img, src, "unit", "/src", [], tally, progress)
            if "sanitize" in groups:
                for name, kinds in SANITIZERS.items():
                    run_ctest(img, src, name, "/src/tests/unit", [f"-DIROCE_SANITIZE={kinds}"],
                              tally, progress)
    for name in ("judge", "lab"):
        if name in groups:
            run = Pytest(source_root() / "tests" / name, args, [])
            try:
                run.finish(tally)
            except BaseException:
                run.stop()
                raise


def choose_kernels(img: image.Image, wanted: list[str] | None, progress) -> list[kernels.Kernel]:
    """Those the user names; else stable, and newest where there is one today."""
    if wanted:
        found = [kernelname.choose(img, name, progress) for name in wanted]
        return list({kernel.role: kernel for kernel in found}.values())
    found = [kernels.ensure(img, "stable", progress, ask=True)]
    try:
        found.append(kernels.ensure(img, "newest", progress, ask=True))
    except LabError as err:
        print(f"going on without the newest kernel: {err.brief}")
    return found


def builds(img: image.Image, kernel: kernels.Kernel, tally: Tally, progress) -> bool:
    """Whether our modules build for a kernel; without a warning, or that is a failed test too."""
    name = f"build: modules for the {kernel.role} kernel"
    try:
        part, = project.ensure(img, progress, [project.Wanted(kernel)])
    except LabError as err:
        print(f"{name}, {kernel.release}: {err}")
        tally.add(0, [name])
        return False
    for line in [*part.warnings, *part.notes]:
        print(f"{name}, {kernel.release}: {line}")
    tally.add(int(not part.warnings), [name] if part.warnings else [])
    return True


def copy_sources() -> Path:
    """One state of the tree, whatever an editor does meanwhile; unchanged files keep their times."""
    target = make_dir(cache_root() / "units/src")
    fresh = cache_root() / "units/src.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source_root(), fresh, ignore=NOT_COPIED)
    shutil.rmtree(target)
    fresh.rename(target)
    return target


def run_ctest(img: image.Image, src: Path, name: str, tree: str, options: list[str], tally: Tally,
              progress: Progress) -> None:
    """Configure, build, run; a build that fails is one failed test with its log shown."""
    build = cache_root() / f"units/{name}-{img.key}"
    mark = build.with_suffix(".unfinished")
    if mark.exists():
        remove_tree(build)		# a killed compiler may leave half an object file
    make_dir(build)
    mark.touch()
    log = cache_root() / f"units/{name}.log"
    jobs = str(os.cpu_count() or 1)
    # TSan cannot lay out its shadow under high ASLR entropy of newer host kernels.
    run = "setarch -R " if name == "tsan" else ""
    script = (f"cmake -S {tree} -B /build {' '.join(options)} && cmake --build /build -j{jobs} && "
              f"echo BUILT && cd /build && {run}ctest --output-on-failure -j{jobs}")
    binds = [(src, "/src", "ro"), (build, "/build", "rw")]
    with progress.step(f"{name}: building and running the unit tests"):
        # Below the hosts, which are timed by what they time out on.
        status, output = outcome(["nice", "-n", "10",
                                  *chroot.argv(img.root, ["sh", "-c", script], binds)],
                                 f"{name}: the unit tests", log=log)
    mark.unlink()
    results = re.findall(r"^\s*\d+/\d+ Test\s+#\d+: (\S+) \.*\s*(?:\*\*\*)?(\w+)", output, re.M)
    bad = [f"{name}: {test}" for test, verdict in results if verdict != "Passed"]
    if "BUILT" not in output or (status and not bad) or not results:
        bad.append(f"{name}: build")
    tally.add(sum(verdict == "Passed" for _, verdict in results), bad)
    print(f"{name}: {len(results) - len(bad)} of {len(results)} passed")
    for line in spin_says(build):
        print(f"  {line}")
    if bad:
        print(tail(output, 60))
        print(f"(all of it: {log})")


def spin_says(build: Path) -> list[str]:
    """What tests/model found, states and errors; ctest shows the output of failed tests alone."""
    try:
        text = (build / "Testing/Temporary/LastTest.log").read_text(errors="replace")
    except OSError:
        return []
    return re.findall(r"^spin: (.*)$", text, re.M)


def _begin() -> None:
    """In the child: of an interrupt that its caller ignores (nohup) pytest would not end."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Pytest:
    """pytest in a process of its own; its output is the report for people, a JUnit file the count.

    log: where the output goes; finish() shows it from there, as it comes.
    """

    def __init__(self, folder: Path, args, more: list[str], env: dict | None = None,
                 log: Path | None = None):
        self.folder, self.log = folder, log
        part = f"{folder.name}-{os.getpid()}{'-' + log.stem if log else ''}"
        self.report = make_dir(cache_root()) / f"report-{part}.xml"
        argv = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-ra", "--tb=short",
                "--durations=8", f"--junitxml={self.report}", *more, str(folder)]
        argv += ["-v"] if folder.name == "vm" else ["-q"]
        if args.filter:
            argv += ["-k", args.filter]
        sys.stdout.flush()
        output = open(log, "wb") if log else None
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True,
                                     stdout=output, stderr=subprocess.STDOUT if log else None,
                                     preexec_fn=_begin,
                                     env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1",
                                              **(env or {})))
        if output:
            output.close()

    def finish(self, tally: Tally) -> None:
        if self.log:
            self._show()
        status = self.proc.wait()
        try:
            passed, failed = read_report(self.report)
        except (OSError, LabError):
            passed, failed = 0, []
        self.report.unlink(missing_ok=True)
        if status not in (0, 1, 5) or (status == 1 and not failed):
            failed.append(f"{self.folder.name}: pytest ended with status {status}")
        tally.add(passed, failed)

    def _show(self) -> None:
        """What is in the log, and what comes, until the end."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            while True:
                ended = self.proc.poll() is not None
                print(log.read(), end="", flush=True)
                if ended:
                    return
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.proc.wait(1)

    def stop(self) -> None:
        """pytest's fixtures stop the hosts; of SIGTERM it would simply die."""
        end_group(self.proc, patience=60, first=signal.SIGINT)


def start_vm(args, roles: list[str]) -> list[Pytest]:
    """Both kernels at once where the memory is enough for two labs: hosts often only wait."""
    folder = source_root() / "tests/vm"
    options = [f"--kernel={role}" for role in roles] + (["--all"] if args.full else [])
    logs = make_dir(cache_root() / "logs")
    if len(roles) < 2 or available_memory() < len(roles) * memory_of_lab():
        return [Pytest(folder, args, options, log=logs / "pytest.log")]
    name = os.environ.get("ROCE_IPSEC_LAB_NAME") or "test"
    print(f"kernels {' and '.join(roles)} at the same time, shown one after the other")
    return [Pytest(folder, args, [*options, f"--lane={role}"],
                   {"ROCE_IPSEC_LAB_NAME": f"{name}-{role}"},
                   logs / f"pytest-{role}.log")
            for role in roles]


def read_report(path: Path) -> tuple[int, list[str]]:
    """JUnit: a test that fails in its call and again in its teardown is listed once."""
    try:
        cases = etree.parse(path).getroot().iter("testcase")
    except etree.ParseError as err:
        raise LabError(f"pytest left no report: {err}") from err
    good: set[str] = set()
    bad: list[str] = []
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            bad += [] if name in bad else [name]
        elif case.find("skipped") is None:
            good.add(name)
    return len(good - set(bad)), bad
