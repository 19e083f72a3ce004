# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""How a lab begins and ends: one of each name, enough room, and nothing left after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab import Lab, LabError, cli, hostpkg, labs, mirror, qemu, run, scenario
from lab.config import HOSTS, state_dir

TOOLS = Path(run.__file__).resolve().parents[1]
INFO = {"kernel": "stable", "scenario": "vf", "mtu": 1500, "kvm": False, "logs": "/nonexistent"}


def pretend(name, pid):
    """A state folder as that of a running lab, both of whose hosts are the given process."""
    state = state_dir(name)
    state.mkdir(parents=True, mode=0o700)
    (state / "lab.json").write_text(json.dumps(INFO))
    for host in HOSTS:
        (state / host).mkdir()
        (state / host / "pid").write_text(f"{pid} {qemu.start_time(pid)}\n")
    return state


# ---- one lab of a name ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["lab", "mine"])
def test_a_second_lab_of_a_name_is_refused_with_what_to_do(progress, name):
    pretend(name, os.getpid())
    with pytest.raises(LabError) as told:
        Lab.up(name=name, progress=progress)
    assert f"lab {name} is already running (kernel stable, scenario vf)" in str(told.value)
    assert f"roce-ipsec-lab --lab {name} down" in str(told.value)


def test_what_a_dead_lab_left_is_cleared_away(progress):
    dead = subprocess.Popen(["true"])
    state = pretend("lab", dead.pid)
    dead.wait()
    labs._clear_stale("lab", state, progress)
    assert not state.exists() and "left behind" in progress.lines[0]


def test_a_state_folder_of_somebody_else_is_refused(progress, places, monkeypatch):
    monkeypatch.delenv("ROCE_IPSEC_LAB_STATE")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places))
    (places / f"roce-ipsec-lab-{os.getuid()}").symlink_to(places)
    with pytest.raises(LabError, match="not a folder of this user"):
        Lab.up(progress=progress)


def test_the_name_given_reaches_what_starts_hosts_by_itself(monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "cmd_dispatch",
                        lambda *_: seen.append(os.environ["ROCE_IPSEC_LAB_NAME"]) or 0)
    monkeypatch.setattr(cli, "take_interrupts", lambda: None)
    monkeypatch.setenv("ROCE_IPSEC_LAB_NAME", "other")
    assert cli.main(["--lab", "mine", "demo"]) == 0
    assert seen == ["mine"]


# ---- enough room ---------------------------------------------------------------------------------

def test_too_little_memory_is_told_before_anything_is_built(progress, monkeypatch):
    monkeypatch.setattr(labs, "available_memory", lambda: 900)
    with pytest.raises(LabError, match="two hosts of 1024 MB need 2648 MB .* 900 MB are available"):
        Lab.up(progress=progress)


def test_a_disk_that_is_full_is_told(progress, monkeypatch):
    monkeypatch.setattr("lab.config.free_bytes", lambda _path: 0)
    with pytest.raises(LabError, match="a lab needs 500 MB in .*, only 0 MB are free"):
        Lab.up(progress=progress)


def test_a_disk_that_fills_up_meanwhile_is_no_traceback(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "/cache/disk")

    monkeypatch.setattr(cli, "cmd_down", full)
    monkeypatch.setattr(cli, "take_interrupts", lambda: None)
    assert cli.main(["down"]) == 1
    assert capsys.readouterr().err == "roce-ipsec-lab: /cache/disk: No space left on device\n"


# ---- what the host lacks -------------------------------------------------------------------------

def test_an_ordinary_user_is_told_what_to_install(progress, monkeypatch):
    monkeypatch.setattr(hostpkg, "missing_packages", lambda _for_tests: ["mmdebstrap", "uidmap"])
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(LabError) as told:
        hostpkg.ensure(progress)
    assert ("sudo apt-get install --no-install-recommends mmdebstrap uidmap"
            in str(told.value).splitlines()[1])


@pytest.mark.parametrize("uid,for_tests,wanted", [
    (0, False, ["debian-archive-keyring", "mmdebstrap"]),
    (1000, False, ["debian-archive-keyring", "mmdebstrap", "uidmap"]),
    (0, True, ["debian-archive-keyring", "mmdebstrap", "python3-pytest"])])
def test_the_host_needs_no_more_than_what_makes_the_image(monkeypatch, uid, for_tests, wanted):
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(hostpkg.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(hostpkg, "FILES", {"/nonexistent": "debian-archive-keyring"})
    monkeypatch.setattr(hostpkg, "_have_module", lambda _name: False)
    assert hostpkg.missing_packages(for_tests) == wanted


AWAY = "E: Failed to fetch http://m/x  Could not connect to m:80 (1.2.3.4)"
MOVING = "being updated: its index and its files disagree"


@pytest.mark.parametrize("said,meant", [
    (AWAY, "cannot be reached"),
    ("Err:1 http://m x\n  Temporary failure resolving 'm'", "cannot be reached"),
    ("E: Unable to locate package nonsense", "does not have it"),
    ("write error: No space left on device", "the disk is full"),
    ("E: Failed to fetch http://m/x  Error writing to file - write (28: No space left on device)",
     "the disk is full"),
    ("E: Failed to fetch http://m/x.deb  404  Not Found [IP: 1.2.3.4 80]", MOVING),
    ("  Hash Sum mismatch\nE: Failed to fetch http://m/x.deb  Hash Sum mismatch", MOVING),
    ("E: Failed to fetch http://m/x.deb  File has unexpected size (3 != 4). "
     "Mirror sync in progress?", MOVING),
    ("E: Failed to fetch http://m/x  407  Proxy Authentication Required", "a password"),
    ("Get:3 http://m x [407 kB]\nE: Failed to fetch http://m/x  503  Busy", "did not deliver it"),
    ("E: Failed to fetch http://m/InRelease  503  Service Unavailable [IP: 1.2.3.4 80]\n"
     "E: The repository 'http://m x InRelease' is not signed.", "did not deliver it"),
    ("GPG error: http://m x: NO_PUBKEY 0E98404D386FA1D9", "debian-archive-keyring"),
])
def test_what_apt_says_is_put_into_one_sentence(said, meant):
    assert meant in mirror.hint(said).splitlines()[0]


def test_the_sentence_is_followed_by_the_line_that_names_the_file():
    said = "Err:1 x\n  Hash Sum mismatch\nE: Failed to fetch http://m/x.deb  Hash Sum mismatch"
    assert mirror.hint(said).splitlines()[1].strip() == said.splitlines()[2]


def test_the_host_s_own_package_lists_are_another_matter_than_the_mirror_s():
    assert "apt-get update" in hostpkg.host_hint("E: Unable to locate package nonsense")
    assert hostpkg.host_hint(AWAY) == mirror.hint(AWAY)


LISTS = """\
Packages|bookworm-backports|Debian|http://b/debian
Packages|stable|Elsewhere|http://x/
Sources|bookworm|Debian|http://s/debian
Packages|bookworm|Debian|http://m/debian
Packages|bookworm-updates|Debian|http://u/debian
Packages|bookworm-security|Debian|http://sec/debian
"""


@pytest.fixture
def host_lists(monkeypatch):
    """What the host's apt tells of its lists; returns how often it was asked."""
    asked = []

    def run(argv, **_more):
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 0, LISTS, "")

    mirror._host_mirrors.cache_clear()
    monkeypatch.setattr(mirror.subprocess, "run", run)
    yield asked
    mirror._host_mirrors.cache_clear()


def test_the_mirror_is_the_host_s_own_with_its_security_suite(host_lists):
    suites = mirror.mirrors()
    assert suites == {mirror.SUITE: "http://m/debian", f"{mirror.SUITE}-updates": "http://m/debian",
                      mirror.BACKPORTS: "http://m/debian",
                      f"{mirror.SUITE}-security": "http://sec/debian"}
    assert mirror.mirrors() == suites and len(host_lists) == 1


def test_another_mirror_is_taken_instead_and_the_host_s_is_not_asked_for(host_lists, monkeypatch):
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", "http://own")
    assert set(mirror.mirrors().values()) == {"http://own"} and len(mirror.mirrors()) == 3
    assert host_lists == []


def test_a_host_that_knows_no_debian_is_told_what_to_set(host_lists, monkeypatch):
    monkeypatch.setitem(globals(), "LISTS", "")
    with pytest.raises(LabError, match="set ROCE_IPSEC_LAB_MIRROR"):
        mirror.mirrors()


def test_apt_is_read_in_english_whatever_the_user_speaks(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setattr(mirror, "outcome",
                        lambda argv, _what, **more: seen.append(more["env"]["LC_ALL"]) or (0, ""))
    apt = mirror.Apt(tmp_path / "apt", {})
    apt.update()
    apt.show("x")
    apt.unknown(["x"])
    apt.needed(["x"])
    apt.download([], tmp_path)
    assert seen == ["C.UTF-8"] * 5


# ---- Ctrl-C --------------------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {tools!r})
from lab import run
run.take_interrupts()
try:
    run.run(["sh", "-c", "{trap} sleep 987654 & echo $! > {pid}; wait"], "a build")
except KeyboardInterrupt:
    sys.exit(130)
"""


def alive(pid):
    return qemu.start_time(pid) is not None


def wait_for(good, seconds=10):
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number,trap", [
    (signal.SIGINT, ""), (signal.SIGTERM, ""), (signal.SIGHUP, ""),
    (signal.SIGINT, "trap '' TERM;")], ids=["INT", "TERM", "HUP", "INT, stubborn"])
def test_an_interrupt_ends_what_was_started_and_its_children(places, number, trap):
    pid_file = places / "pid"
    text = PROGRAM.format(tools=str(TOOLS), pid=pid_file, trap=trap)
    with subprocess.Popen([sys.executable, "-c", text]) as proc:
        wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        # The second one comes while the first is being served.
        for _ in range(2):
            proc.send_signal(number)
            time.sleep(0.1)
        try:
            assert proc.wait(20) == 130
        finally:
            proc.kill()
    wait_for(lambda: not alive(int(pid_file.read_text())))


def test_what_the_caller_ignores_stays_ignored(places):
    text = PROGRAM.format(tools=str(TOOLS), pid=places / "pid", trap="").replace(
        "run.run(", "import os, signal\n    os.kill(os.getpid(), signal.SIGHUP); sys.exit(7)\n    (")
    done = subprocess.run([sys.executable, "-c", text], check=False,
                          preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert done.returncode == 7


def test_an_interrupt_waits_until_what_was_started_is_known():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with run.interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append(1)
        done.append(2)
    assert done == [1]


def test_the_other_host_is_not_waited_for_after_an_interrupt():
    class Two:
        hosts = {"a": "a", "b": "b"}

    free = threading.Event()

    def call(host):
        if host == "a":
            raise KeyboardInterrupt
        free.wait(20)

    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            scenario._on_both(Two, call)
        assert time.monotonic() - begin < 5
    finally:
        free.set()


def test_a_thread_starts_nothing_more_once_the_run_is_ending(monkeypatch):
    monkeypatch.setattr(run, "_is_ending", threading.Event())
    run.end_all()
    with pytest.raises(LabError, match="interrupted"):
        run.run(["true"], "a build")


def test_a_lab_that_is_interrupted_is_killed_and_gone(places):
    with subprocess.Popen(["sleep", "1000"]) as host:
        state = pretend("lab", host.pid)
        lab = Lab.attach("lab")
        with pytest.raises(KeyboardInterrupt), lab:
            raise KeyboardInterrupt
        # The lab may have collected the exit status, as it does with hosts of its own.
        assert not alive(host.pid)
    assert not state.exists()


# ---- an emulator that falls over itself ----------------------------------------------------------

class Booting(Lab):
    """A lab whose boots end as its list says, without any QEMU."""

    def __init__(self, ends, monkeypatch):
        self.ends, self.starts = list(ends), 0
        self.info = {"kernel": "stable", "mtu": 1500, "debug": True, "icount": False,
                     "kvm": True, "cold": False}
        self.hosts = {}
        monkeypatch.setattr(labs.boot, "ensure", lambda *_: None)
        monkeypatch.setattr(labs.tools, "environment", lambda _img: {})

    def _clear_machines(self):
        pass

    def _start(self, *_):
        self.starts += 1
        end = self.ends.pop(0)
        if end:
            raise end


def test_a_qemu_that_fell_over_its_own_assertion_is_started_once_more_and_that_is_said(
        progress, monkeypatch):
    lab = Booting([labs.EmulatorDied("host b: hw/pci: Assertion `x' failed"), None], monkeypatch)
    lab._boot(None, None, [], 1, 1024, True, progress)
    assert lab.starts == 2 and "booting once more: host b: hw/pci" in progress.lines[0]


@pytest.mark.parametrize("ends", [
    [LabError("host b died while booting: Kernel panic")],
    [labs.EmulatorDied("once"), labs.EmulatorDied("twice")]], ids=["the guest's fault", "twice"])
def test_any_other_end_of_a_boot_is_a_failure(progress, monkeypatch, ends):
    lab = Booting(ends, monkeypatch)
    with pytest.raises(LabError):
        lab._boot(None, None, [], 1, 1024, True, progress)
    assert not lab.ends


@pytest.mark.parametrize("said,is_own", [
    ("qemu-system-x86_64: hw/pci/msix.c:228: msix_table_mmio_write: Assertion `a <= b' failed.\n",
     True),
    ("", False), ("qemu-system-x86_64: terminating on signal 15\n", False)])
def test_only_qemus_own_assertion_counts_as_its_fault(tmp_path, said, is_own):
    machine = qemu.Machine("a", tmp_path, tmp_path)
    machine.output.write_text(said)
    assert bool(machine.own_fault()) == is_own


# ---- the command line ----------------------------------------------------------------------------

@pytest.mark.parametrize("given", [["-r", "a0.pcap", "-Y", "esp"], ["--version"], []])
def test_tshark_gets_its_options_as_they_are(monkeypatch, given):
    """`roce-ipsec-lab tshark -r FILE` was a usage error: argparse took -r for an option of ours."""
    started = []
    monkeypatch.setattr(cli, "take_interrupts", lambda: None)
    monkeypatch.setattr(cli, "_ready", lambda progress: None)
    monkeypatch.setattr(cli.image, "ensure", lambda progress: None)
    monkeypatch.setattr(cli.tools, "command", lambda img, name: [name])
    monkeypatch.setattr(cli.tools, "environment", lambda img: {})
    monkeypatch.setattr(os, "execve", lambda program, argv, env: started.append(argv))
    cli.main(["-q", "tshark", *given])
    assert started == [["tshark", *given]]
