# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Kernels by role: what a mirror has is taken, what it has not is said, and a cache helps out.

The mirror is made up (madeup.py); dpkg-deb, the cache and, but where the test is not about it, apt
are real.
"""

import argparse
import multiprocessing
import subprocess
import time
import urllib.parse

import pytest

from lab import LabError, canary, cli, image, kernelname, kernels
from lab import mirror as mirrors
from lab.config import cache_root
from lab.kernels import NoKernel
from lab.mirror import BACKPORTS, SUITE, MirrorAway
from madeup import NEWEST, NEXT, STABLE

# Nobody listens there.
AWAY = "http://127.0.0.1:1/debian"
MOVING = "the mirror is being updated: its index and its files disagree"


@pytest.fixture
def ask(img, progress, fetched):
    """ask("newest") -> the kernel that there is for it today."""
    return lambda role="newest": kernels.ensure(img, role, progress, ask=True)


@pytest.fixture
def choose(img, progress, fetched):
    """choose("91.2") -> the kernel of that role or series."""
    return lambda wanted: kernelname.choose(img, wanted, progress)


def lacks(ask, role="newest"):
    """What is said when nobody has a kernel; always in one line."""
    with pytest.raises(NoKernel) as told:
        ask(role)
    assert "\n" not in str(told.value)
    return str(told.value)


# ---- what there is -------------------------------------------------------------------------------

def test_stable_is_the_suite_s_own_and_newest_what_its_backports_have(debian, ask):
    debian.kernel(BACKPORTS, NEWEST)
    assert ask("stable").release == STABLE
    newest = ask()
    assert (newest.role, newest.release, newest.series) == ("newest", NEWEST, "91.2")


def test_newest_follows_the_backports_to_another_series(debian, ask, img):
    debian.kernel(BACKPORTS, NEWEST)
    ask()
    debian.kernel(BACKPORTS, NEXT)
    assert kernels.find(img, "newest").release == NEWEST
    assert ask().release == NEXT
    assert kernels.find(img, "newest").release == NEXT


def test_stable_is_never_a_backport_even_if_that_is_all_there_is(debian, ask):
    debian.kernel(BACKPORTS, NEWEST)
    debian.remove(SUITE, "linux-image-amd64")
    assert lacks(ask, "stable") == f"{SUITE} has no kernel today"


def test_newest_is_the_backports_even_if_the_suite_has_a_higher_number(debian, ask):
    debian.kernel(BACKPORTS, NEWEST)
    debian.kernel(SUITE, NEXT)
    assert ask().release == NEWEST


def test_without_asking_the_mirror_is_left_alone(debian, ask, img, progress, fetched, monkeypatch):
    debian.kernel(BACKPORTS, NEWEST)
    ask()
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", AWAY)
    assert kernels.ensure(img, "newest", progress).release == NEWEST
    assert progress.lines == [] and fetched == [NEWEST]


def test_a_kernel_is_fetched_once_however_often_the_mirror_is_asked(debian, ask, fetched):
    assert ask("stable").path == ask("stable").path
    assert fetched == [STABLE]


def test_a_newer_build_of_the_same_kernel_is_another_kernel(debian, ask):
    before = ask("stable")
    debian.add(SUITE, "late", "2", files={"usr/src/late": "x"})
    debian.kernel(SUITE, STABLE, needs="late")
    assert ask("stable").key != before.key


def test_notes_about_kernels_that_are_gone_go_too(debian, ask):
    ask("stable")
    cache = cache_root()
    for name in ("gone", "there"):
        (cache / f"kernel-stable-{name}.json").write_text(f'{{"path": "kernel-stable-{name}"}}')
    (cache / "kernel-stable-there").mkdir()
    (cache / "kernel-stable-torn.json").write_text("{")
    ask("stable")
    assert (cache / "kernel-stable-there.json").exists()
    assert not (cache / "kernel-stable-gone.json").exists()
    assert not (cache / "kernel-stable-torn.json").exists()


def test_what_the_image_has_is_not_fetched_again(debian, ask, img):
    debian.add(SUITE, "there", "2")
    debian.kernel(SUITE, STABLE, needs="there")
    (img.root / "var/lib/dpkg/status").write_text(
        "Package: there\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n"
        "Maintainer: nobody\nDescription: made up\n")
    assert not (ask("stable").root / "usr/share/there").exists()


def test_what_the_headers_need_lies_in_the_layer(debian, ask):
    debian.add(SUITE, "needed", "2")
    debian.kernel(SUITE, STABLE, needs="needed")
    assert (ask("stable").root / "usr/share/needed").exists()


# ---- what there is not ---------------------------------------------------------------------------

@pytest.mark.parametrize("others", [False, True])
def test_backports_without_a_kernel_have_none_whatever_the_suite_has(debian, ask, others):
    if others:
        debian.add(BACKPORTS, "something-else")
    assert lacks(ask) == f"{BACKPORTS} has no kernel today"


def test_a_mirror_without_backports_is_told_so(debian, ask):
    debian.drop(BACKPORTS)
    assert lacks(ask) == f"the mirror has no {BACKPORTS}"
    assert ask("stable").release == STABLE


@pytest.mark.parametrize("package", ["headers", "image"])
def test_the_missing_package_is_named(debian, ask, package):
    debian.kernel(BACKPORTS, NEWEST)
    debian.remove(BACKPORTS, f"linux-{package}-{NEWEST}")
    assert lacks(ask) == f"{BACKPORTS} has kernel {NEWEST}, but no linux-{package}-{NEWEST}"


def test_of_a_kernel_that_cannot_be_installed_apt_s_reason_is_given(debian, ask):
    debian.kernel(BACKPORTS, NEWEST, needs="gcc-made-up (>= 3)")
    said = lacks(ask)
    assert said.startswith(f"{BACKPORTS} has kernel {NEWEST}, but it cannot be installed: ")
    assert said.endswith(f"linux-headers-{NEWEST} : Depends: gcc-made-up (>= 3) "
                         "but it is not installable")


def test_a_kernel_that_is_gone_from_the_mirror_is_not_used_any_more(debian, ask, img):
    debian.kernel(BACKPORTS, NEWEST)
    ask()
    debian.remove(BACKPORTS, "linux-image-amd64")
    lacks(ask)
    assert kernels.find(img, "newest") is None


# ---- a mirror in motion, a mirror that is away ---------------------------------------------------

def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def change(path):
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


MOTION = {"a file is gone": lambda p: p.unlink(), "a file is changed": change,
          "a file has another size": cut}


@pytest.mark.parametrize("what", MOTION)
def test_a_mirror_whose_files_disagree_with_its_index_is_told_so(debian, ask, what, tmp_path):
    debian.kernel(BACKPORTS, NEWEST)
    MOTION[what](debian.file(f"linux-headers-{NEWEST}"))
    with pytest.raises(LabError) as told:
        ask()
    assert not isinstance(told.value, NoKernel)
    first, second = str(told.value).splitlines()
    assert MOVING in first and f"linux-headers-{NEWEST}" in urllib.parse.unquote(second)
    assert [p for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


@pytest.mark.parametrize("what", MOTION)
def test_while_the_mirror_moves_the_kernel_in_the_cache_is_used_and_said(debian, ask, progress,
                                                                         what):
    debian.kernel(BACKPORTS, NEWEST)
    ask()
    debian.kernel(BACKPORTS, NEXT)
    MOTION[what](debian.file(f"linux-image-{NEXT}"))
    assert ask().release == NEWEST
    assert progress.lines == [
        f"newest kernel: fetching packages failed: {MOVING}; run it again in some minutes; "
        f"going on with {NEWEST} from the cache"]


def test_an_index_that_is_not_what_the_release_file_says_is_a_mirror_in_motion(debian, ask):
    change(debian.folder / f"dists/{SUITE}/main/binary-amd64/Packages")
    with pytest.raises(LabError, match=f"asking the mirror failed: {MOVING}"):
        ask("stable")


def test_a_mirror_that_is_away_is_told_so(debian, ask, monkeypatch):
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", AWAY)
    with pytest.raises(MirrorAway, match="the package registry cannot be reached"):
        ask("stable")


def test_while_the_mirror_is_away_the_kernel_in_the_cache_is_used_and_said(debian, ask, progress,
                                                                          monkeypatch):
    ask("stable")
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", AWAY)
    assert ask("stable").release == STABLE
    assert progress.lines == ["stable kernel: the mirror cannot be reached; going on with "
                              f"{STABLE} from the cache"]


def test_a_damaged_kernel_does_not_help_out(debian, ask, monkeypatch):
    ask("stable").vmlinuz.unlink()
    monkeypatch.setenv("ROCE_IPSEC_LAB_MIRROR", AWAY)
    with pytest.raises(MirrorAway):
        ask("stable")


def test_a_mirror_that_is_not_signed_is_refused_unless_it_is_trusted(debian, ask, monkeypatch):
    monkeypatch.delenv("ROCE_IPSEC_LAB_MIRROR_TRUSTED")
    with pytest.raises(LabError, match="signature cannot be checked"):
        ask("stable")


# ---- chosen by a user ----------------------------------------------------------------------------

@pytest.mark.parametrize("wanted,got", [("stable", STABLE), ("newest", NEWEST), ("90.1", STABLE),
                                        ("91.2", NEWEST)])
def test_a_kernel_is_chosen_by_role_or_by_the_series_that_a_role_is_of(instant, choose,
                                                                       wanted, got):
    instant.kernel(BACKPORTS, NEWEST)
    assert choose(wanted).release == got


def test_a_series_that_nobody_has_is_refused_with_those_there_are(instant, choose):
    instant.kernel(BACKPORTS, NEWEST)
    with pytest.raises(LabError) as told:
        choose("93.5")
    assert str(told.value) == f"no kernel 93.5 here: stable is {STABLE}; newest is {NEWEST}"


def test_a_series_that_nobody_has_is_refused_even_if_there_is_no_newest(instant, choose):
    with pytest.raises(LabError) as told:
        choose("93.5")
    assert str(told.value) == (f"no kernel 93.5 here: stable is {STABLE}; "
                               f"{BACKPORTS} has no kernel today")


def test_stable_is_chosen_whatever_newest_is(debian, choose):
    debian.drop(BACKPORTS)
    assert choose("stable").release == STABLE
    assert choose("90.1").release == STABLE


@pytest.mark.parametrize("name", ["oldest", "90", "90.1.5-amd64", "", "90.1; true"])
def test_an_unknown_kernel_is_a_usage_error_that_names_the_roles(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.build_parser().parse_args(["up", "--kernel", name])
    assert ended.value.code == cli.EXIT_USAGE
    assert "one of stable, newest, or a series" in capsys.readouterr().err


def test_setup_goes_on_without_a_newest_kernel_and_says_so_in_one_line(instant, img, progress,
                                                                       fetched, monkeypatch):
    monkeypatch.setattr(cli.project, "ensure", lambda *_: [])
    assert cli.newest(img, progress) == []
    assert progress.lines == [
        f"going on without the newest kernel: {BACKPORTS} has no kernel today"]


# ---- two at once ---------------------------------------------------------------------------------

def test_of_two_processes_one_fetches_and_the_other_waits(instant, img, progress, fetched, tmp_path,
                                                          monkeypatch):
    log = tmp_path / "log"
    pretended = kernels.chroot.run_in

    def slow(*args, **more):
        with open(log, "a", encoding="ascii") as handle:
            handle.write("made\n")
        time.sleep(2)
        pretended(*args, **more)

    def child(pipe):
        kernel = kernels.ensure(img, "stable", progress)
        pipe.send((str(kernel.path), kernel.is_whole(), progress.lines))

    monkeypatch.setattr(kernels.chroot, "run_in", slow)
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe() for _ in range(2)]
    procs = [fork.Process(target=child, args=(pipe[1],)) for pipe in pipes]
    for proc in procs:
        proc.start()
    assert all(pipe.poll(60) for pipe, _ in pipes)
    answers = [pipe.recv() for pipe, _ in pipes]
    for proc in procs:
        proc.join(10)
    assert {answer[:2] for answer in answers} == {(answers[0][0], True)}
    assert log.read_text() == "made\n"
    assert sorted(answer[2] for answer in answers) == [
        [], ["another run fetches the stable kernel; waiting for it"]]


# ---- how Debian packs it -------------------------------------------------------------------------

@pytest.mark.parametrize("place", ["boot/vmlinuz-{}", "usr/lib/modules/{}/vmlinuz",
                                   "lib/modules/{}/vmlinuz"])
def test_vmlinuz_is_found_at_each_place_where_debian_has_put_it(instant, ask, place):
    instant.kernel(BACKPORTS, NEWEST, vmlinuz=place)
    kernel = ask()
    assert kernel.vmlinuz.read_text() == f"vmlinuz {NEWEST}"
    assert "vmlinuz" not in kernel.disk.read_text()


def test_a_vmlinuz_at_another_place_is_told(instant, ask):
    instant.kernel(BACKPORTS, NEWEST, vmlinuz="usr/share/kernels/{}")
    with pytest.raises(LabError, match=f"kernel {'91.2.3.bpo-amd64'} have no vmlinuz where"):
        ask()


def test_the_disk_of_modules_holds_them_and_a_place_for_ours(instant, ask):
    kernel = ask("stable")
    names = kernel.disk.read_text().split()
    for name in ("kernel/fs/ext4.ko", "modules.dep", "updates"):
        assert f"usr/lib/modules/{STABLE}/{name}" in names


def test_the_packages_are_those_that_dpkg_reads(instant):
    """madeup.deb() writes them without dpkg-deb."""
    name = f"linux-image-{STABLE}"
    told = subprocess.run(["dpkg-deb", "--info", instant.file(name)], check=True,
                          capture_output=True, text=True).stdout
    assert f"Package: {name}" in told


# ---- the image's packages ------------------------------------------------------------------------

def test_a_package_that_debian_renamed_is_named(debian, tmp_path):
    debian.add(SUITE, "tshark")
    with pytest.raises(LabError) as told:
        image.resolve(tmp_path, mirrors.mirrors(), ["tshark", "old-name", "older-name"])
    assert str(told.value) == f"{SUITE} has no package named old-name, older-name"
    assert image.resolve(tmp_path, mirrors.mirrors(), ["tshark"])["packages"] == ["tshark"]


# ---- the canary ----------------------------------------------------------------------------------

@pytest.fixture
def built(monkeypatch):
    """What the canary would build; the compiler is pretended: for kernel 92 it finds an error."""
    names = []

    def build(_img, _apt, offer, _work):
        names.append(offer.release)
        good = not offer.release.startswith("92")
        return good, "" if good else "x.c:1: error: y"

    monkeypatch.setattr(canary, "_build", build)
    return names


def test_the_canary_needs_headers_only_and_tells_what_builds(debian, img, progress, built):
    for suite, release in (("testing", NEWEST), ("sid", NEXT)):
        debian.suite(suite)
        debian.kernel(suite, release)
        debian.remove(suite, f"linux-image-{release}")
    good = canary.look(img, "testing", {}, progress)
    bad = canary.look(img, "sid", {}, progress)
    assert (good.release, good.builds, bad.release, bad.builds) == (NEWEST, True, NEXT, False)
    assert str(good).split() == ["testing", NEWEST, "builds"]
    assert str(bad).splitlines()[1] == "    x.c:1: error: y"
    assert built == [NEWEST, NEXT]


def test_the_canary_builds_a_kernel_that_two_suites_have_once(debian, img, progress, built):
    for suite in ("testing", "sid"):
        debian.suite(suite)
        debian.kernel(suite, NEWEST)
    first = canary.look(img, "testing", {}, progress)
    second = canary.look(img, "sid", {NEWEST: first}, progress)
    assert (second.builds, second.said) == (True, "the same as testing's") and built == [NEWEST]


@pytest.mark.parametrize("has_suite", [True, False])
def test_the_canary_says_when_there_is_nothing_to_build_for(debian, img, progress, built,
                                                            has_suite):
    debian.suite("sid")
    if has_suite:
        debian.suite("experimental")
    verdict = canary.look(img, "experimental", {}, progress)
    assert verdict.builds is None and built == []
    assert verdict.said == ("experimental has no kernel today" if has_suite
                            else "the mirror has no experimental")


def test_the_canary_goes_on_when_one_suite_is_being_updated_and_fails(debian, img, progress, capsys,
                                                                     monkeypatch):
    for suite, release in (("testing", NEWEST), ("sid", NEXT)):
        debian.suite(suite)
        debian.kernel(suite, release)
    change(debian.file(f"linux-headers-{NEWEST}"))
    monkeypatch.setattr(canary.image, "ensure", lambda _progress: img)
    monkeypatch.setattr(canary.project, "make_modules", lambda *_: "")
    args = argparse.Namespace(suite=["testing", "sid"])
    assert canary.main(args, progress) == 1
    out = capsys.readouterr().out.splitlines()
    assert MOVING in out[1] and out[-1].split() == ["sid", NEXT, "builds"]


def test_the_canary_fails_if_one_kernel_breaks_not_if_there_is_none(debian, img, progress, built,
                                                                   monkeypatch):
    monkeypatch.setattr(canary.image, "ensure", lambda _progress: img)
    for suite in canary.SUITES:
        debian.suite(suite)
    args = argparse.Namespace(suite=[])
    assert canary.main(args, progress) == 0
    debian.kernel("sid", NEXT)
    assert canary.main(args, progress) == 1
    args.suite = ["testing", "elsewhere"]
    with pytest.raises(LabError, match="'elsewhere': one of testing, sid, experimental, arm64"):
        canary.main(args, progress)
