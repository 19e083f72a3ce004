# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Fixtures of the tests on the lab's two hosts.

        host a                                host b
    +------------+        cable 0         +------------+
    |    VF 0    |------------------------|    VF 0    |     every end of both cables is captured
    |            |                        |            |     outside the hosts: a0, a1, b0, b1
    |    VF 1    |------------------------|    VF 1    |
    +------------+        cable 1         +------------+

A lab is booted once per (kernel, scenario) and shared by the tests that ask for it with
@pytest.mark.lab(scenario=..).  After every test the nonce oracle (I3) has gone over all four
captures and the consoles have been read; both fail the test that was running.  A lab in which a
test failed is booted afresh for the next one; in one that a test declares spoilt everything is
unloaded and made again.
"""

import json
import os
import re
import shutil
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import Lab, guestbuild, image, kernelname, kernels, scenario  # noqa: E402
from lab.config import ROLES, cache_root  # noqa: E402
from lab.progress import Progress  # noqa: E402
import bondkit  # noqa: E402
from kit import Wire  # noqa: E402

KERNELS = (*ROLES, *kernelname.DEBUG_NAMES)
SCENARIO_ORDER = ("vf", "ipsec", "bond", "bond-plain", "adapters", "rxe", "bare")
CABLE_MTU = 9000
# Of a test that fails: what comes with the report, and how many tests' consoles and captures stay.
CONSOLE_LINES, KEPT_LOGS = 60, 4
FIGURES: list[str] = []
# Seconds of each test by phase, seconds of CPU that the hosts took, commands in them; and seconds of
# the labs booted (tests/README.md).
TIMES: dict[str, dict[str, float]] = {}
BOOTS: list[tuple[str, float]] = []
LAB_NAME = os.environ.get("ROCE_IPSEC_LAB_NAME") or "test"


def pytest_addoption(parser):
    parser.addoption("--kernel", action="append", choices=KERNELS,
                     help="run on this kernel only (may be given twice; default: all in the cache)")
    parser.addoption("--lane", choices=ROLES,
                     help="of what would run on all kernels, this one's part")
    parser.addoption("--all", action="store_true",
                     help="every combination of parameters on every kernel")
    parser.addoption("--minutes", type=float, default=5,
                     help="of the tests that run for a long time (default: 5; only with --all)")
    parser.addoption("--cpus", type=int, metavar="N",
                     help="CPUs of each host (default: what the machine can bear)")
    parser.addoption("--again", type=int, metavar="N",
                     help="how often what must hold however often is done (default: a test's own few times)")
    parser.addoption("--attach", metavar="NAME",
                     help="use the lab of that name that is up, for tests of its kernel and scenario")


def pytest_configure(config):
    config.addinivalue_line("markers", "dealt: on one kernel, unless --all")
    config.addinivalue_line("markers", "full: with --all only")
    config.addinivalue_line("markers", "only(role): what it is about, the other role's kernel has not")
    config.addinivalue_line("markers", "lab(scenario, cpus=None, spoils=False, bonds=False): the lab that "
                                       "a test needs; spoils: the next one wants it made anew; bonds: the "
                                       "hosts may have what bonds stand on, from a test before it")


def pytest_generate_tests(metafunc):
    if "kernel" in metafunc.fixturenames:
        roles = metafunc.config.getoption("kernel")
        if not roles:
            roles = [r for r in ROLES if kernels.find(image.find(), r)] or ROLES[:1]
        metafunc.parametrize("kernel", roles, scope="session")


class Wanted(NamedTuple):
    """What a test's mark asks for; cpus None: what the machine can bear."""

    scenario: str
    cpus: int | None
    spoils: bool
    bonds: bool


def _wanted(item):
    mark = item.get_closest_marker("lab")
    if not mark:
        return None
    return Wanted(mark.kwargs.get("scenario", "vf"), mark.kwargs.get("cpus"),
                  mark.kwargs.get("spoils", False), mark.kwargs.get("bonds", False))


def _deal(items):
    """The cases to run: of each test every value of every parameter, and the test on each kernel.

    A case that brings a value that no case before it had goes to one of the kernels, in turn;
    which one begins differs from test to test.  A test that is marked as dealt goes to one kernel
    even if it has one case only.  All combinations on all kernels: --all.
    """
    families: dict = {}
    for item in items:
        params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        kernel = params.pop("kernel", None)
        case = tuple(sorted((name, repr(value)) for name, value in params.items()))
        families.setdefault((item.module, item.originalname), []).append((kernel, case, item))
    dealt = []
    for (_, name), members in families.items():
        roles = [role for role in KERNELS if role in {kernel for kernel, _, _ in members}]
        cases = list(dict.fromkeys(case for _, case, _ in members))
        seen: set = set()
        chosen = [case for case in cases
                  if not case or (set(case) - seen and not seen.update(case))]
        turn = zlib.crc32(name.encode())
        for kernel, case, item in members:
            if kernel is None:
                wanted = True
            elif len(roles) < 2:
                wanted = case in chosen
            elif len(chosen) == 1 and not item.get_closest_marker("dealt"):
                wanted = case == chosen[0]
            else:
                wanted = case in chosen and roles.index(kernel) == (
                    (chosen.index(case) + turn) % len(roles))
            if wanted:
                dealt.append(item)
    return dealt


def _kernel(item):
    return item.callspec.params.get("kernel") if hasattr(item, "callspec") else None


def _is_of_kernel(item) -> bool:
    mark = item.get_closest_marker("only")
    return not mark or (_kernel(item) or "").split("-")[0] == mark.args[0]


def _keep(config, items, wanted):
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = [item for item in items if item in wanted]


def pytest_collection_modifyitems(config, items):
    """One boot per lab: sorted by kernel, then scenario; the spoilers last."""
    _keep(config, items, [i for i in items if _is_of_kernel(i)])
    if not config.getoption("--all"):
        _keep(config, items, [i for i in items if not i.get_closest_marker("full")])
        _keep(config, items, _deal(items))
    lane = config.getoption("--lane")
    if lane:
        _keep(config, items, [i for i in items if (_kernel(i) or ROLES[0]) == lane])

    def order(item):
        wanted = _wanted(item)
        if not wanted or "kernel" not in item.fixturenames:
            return (-1, 0, 0, False, "", 0)
        return (KERNELS.index(_kernel(item)), SCENARIO_ORDER.index(wanted.scenario),
                wanted.cpus or 0, wanted.spoils, *item.location[:2])

    items.sort(key=order)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)
    times = TIMES.setdefault(item.nodeid, {})
    times[report.when] = report.duration
    keeper = getattr(item.session, "keeper", None)
    if keeper and report.failed:
        report.sections += keeper.consoles(item.name)
    if keeper and report.when == "teardown" and any(
            getattr(item, f"report_{phase}", report).failed for phase in ("setup", "call", "teardown")):
        keeper.keep_logs(item.name)
    if keeper:
        for name, spent in keeper.spent_since().items():
            times[name] = times.get(name, 0) + spent


class Keeper:
    """Holds the one lab that is up."""

    def __init__(self, attach, cpus):
        self.lab = self.wire = self.key = self._logs = None
        self.is_spoilt = False
        self.attach, self.cpus = attach, cpus
        self._spent = self._told = {"cpu": 0.0, "commands": 0.0}
        self.progress = Progress(quiet=bool(os.environ.get("ROCE_IPSEC_TEST_QUIET")))

    def get(self, kernel, scenario, cpus):
        key = (kernel, scenario)
        cpus = self.cpus or cpus
        if self.attach and self.key != key:
            self.lab = Lab.attach(self.attach)
            if (self.lab.kernel, self.lab.scenario) != key:
                pytest.skip(f"lab {self.attach} has another kernel or scenario")
            self.key, self.wire = key, Wire(self.lab)
            self.wire.skip()
        if self.key == key and self.is_spoilt:
            self._renew()
        if self.key != key:
            faults = self.end()
            assert not faults, "the lab before: the consoles say:\n" + "\n".join(faults)
            begin = time.monotonic()
            self.lab = Lab.up(kernel=kernel, scenario=scenario, mtu=CABLE_MTU, name=LAB_NAME,
                              cpus=cpus, progress=self.progress)
            BOOTS.append((f"{kernel} {scenario}", time.monotonic() - begin))
            self.key = key
            self.wire = Wire(self.lab)
        if cpus:
            self.lab.switch_on(cpus)
        return self.lab

    def _renew(self):
        """The hosts as they were made: all that is ours goes, with nothing left, and comes again.

        Takes half of what another boot would.
        """
        begin = time.monotonic()
        try:
            bondkit.both(self.lab, bondkit.remove_all)
            scenario.prepare(self.lab, self.progress)
            self.wire.learn()
        except BaseException:
            self.close()		# the test before has broken it
            raise
        self.is_spoilt = False
        BOOTS.append((f"{self.key[0]} {self.key[1]}, renewed", time.monotonic() - begin))

    def end(self):
        """Of a lab that is in order: close() after a look at what is left when modules go."""
        try:
            if self.lab:
                bondkit.clear(self.lab)
        finally:
            faults = self.close()
        return faults

    def close(self):
        """Returns what the consoles said that no test has been blamed for."""
        self._spent = self._spent_now()
        lab, self.lab, self.key, self.wire = self.lab, None, None, None
        self.is_spoilt = False
        self._logs = lab.logs if lab else self._logs
        return lab.down() if lab and not self.attach else []

    def consoles(self, test):
        """What they have said since the test began: of the lab that is up, or was until now."""
        logs = self.lab.logs if self.lab else self._logs
        for path in sorted(logs.glob("console-*.log")) if logs else ():
            text = path.read_text(errors="replace").rpartition(f"test: {test}\n")[2]
            yield path.stem, "\n".join(text.splitlines()[-CONSOLE_LINES:])

    def keep_logs(self, test):
        """Of a lab that is down: the next one of its name would begin by removing them."""
        if self.lab or not self._logs or not self._logs.exists():
            return
        kept = self._logs.with_name(f"{self._logs.name}-failed")
        kept.mkdir(exist_ok=True)
        place = kept / re.sub(r"[^\w.-]", "-", test)[:100]
        shutil.rmtree(place, ignore_errors=True)
        self._logs.rename(place)
        for old in sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
            shutil.rmtree(old, ignore_errors=True)

    def _spent_now(self):
        hosts = self.lab.hosts.values() if self.lab else ()
        return {"cpu": self._spent["cpu"] + sum(h.machine.cpu_seconds() for h in hosts),
                "commands": self._spent["commands"] + sum(h.commands for h in hosts)}

    def spent_since(self):
        """Of the hosts' CPU seconds and commands, what it has not told yet."""
        now = self._spent_now()
        told, self._told = self._told, now
        return {name: now[name] - told[name] for name in now}


@pytest.fixture(scope="session")
def keeper(request):
    keeper = Keeper(request.config.getoption("--attach"), request.config.getoption("--cpus"))
    # For the report of each phase: in the last one a test has no fixtures any more.
    request.session.keeper = keeper
    yield keeper
    faults = keeper.end()
    assert not faults, "the consoles say:\n" + "\n".join(faults)


@pytest.fixture
def lab(request, keeper, kernel):
    """The lab that the test's mark asks for; afterwards consoles and nonces are judged."""
    scenario, cpus, spoils, bonds = _wanted(request.node)
    lab = keeper.get(kernel, scenario, cpus)
    if not bonds:
        bondkit.clear(lab)
    wire = keeper.wire
    known, crashed = len(lab.scan()), len(lab.crashes())
    wire.start(request.node.name)
    bad = None
    try:
        yield lab
    finally:
        report = getattr(request.node, "report_call", None)
        if report is None or report.failed:
            bad = "the test failed"
        keeper.is_spoilt = spoils
    try:
        faults = lab.scan()[known:]
        wire.finish()
        assert not faults, "the consoles say:\n" + "\n".join(faults)
        crashes = lab.crashes()[crashed:]
        assert not crashes, "programs crashed:\n" + "\n".join(crashes)
        wire.oracle.check()
    except BaseException:
        bad = "the judge found a fault"
        raise
    finally:
        if bad:
            rest = keeper.close()
            assert not [f for f in rest[known:] if f not in faults], \
                "the consoles say, at the end:\n" + "\n".join(rest[known:])


@pytest.fixture
def wire(lab, keeper):
    """What the cables carried since the test began."""
    return keeper.wire


@pytest.fixture(scope="session")
def programs():
    """Folder with the programs of tests/vm/src, built for the hosts."""
    return guestbuild.programs(image.find())


@pytest.fixture
def minutes(request):
    """How long a test of the long ones runs."""
    return request.config.getoption("--minutes")


@pytest.fixture
def figures(request):
    """figures("64 flows: ...") puts a line into the report: what was measured, not judged."""
    name = request.node.name
    return lambda text: FIGURES.append(f"{name}: {text}")


def pytest_terminal_summary(terminalreporter):
    if TIMES:
        show_times(terminalreporter)
    if FIGURES:
        terminalreporter.section("figures")
        for line in FIGURES:
            terminalreporter.write_line(line)


def show_times(terminalreporter):
    """Where the time went: by file, and the boots."""
    terminalreporter.section("seconds: set-up, test, judging after it; CPU of the hosts; commands")
    files: dict[str, list[float]] = {}
    for nodeid, times in TIMES.items():
        row = files.setdefault(nodeid.split("::")[0].rpartition("/")[2], [0] * 6)
        for at, name in enumerate(("setup", "call", "teardown", "cpu", "commands")):
            row[at] += times.get(name, 0)
        row[5] += 1
    files["all"] = [sum(column) for column in zip(*files.values())]
    for name, row in sorted(files.items(), key=lambda item: -sum(item[1][:3])):
        terminalreporter.write_line(f"{name:28} {row[5]:4.0f} tests" + "".join(
            f" {seconds:7.1f}" for seconds in row[:4]) + f" {row[4]:6.0f}")
    for name in dict.fromkeys(name for name, _ in BOOTS):
        took = [seconds for other, seconds in BOOTS if other == name]
        terminalreporter.write_line(f"labs of {name}: {len(took)} in {sum(took):.1f} s")
    with open(cache_root() / "logs" / f"times-{LAB_NAME}.json", "w", encoding="ascii") as file:
        json.dump({"tests": TIMES, "labs": BOOTS}, file, indent=1)


@pytest.fixture
def again(request):
    """again(2, 10): how often to do what must hold however often: twice, ten times in all of the
    suite (--all), or as --again says."""
    option = request.config.getoption
    return lambda times, all_=None: option("--again") or (option("--all") and all_) or times


@pytest.fixture
def guest_image():
    return image.find()
