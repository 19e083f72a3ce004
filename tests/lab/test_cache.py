# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What is in the cache is whole, or it is made again."""

import os
import shutil
import stat
import time

import pytest

import madeup
from lab import cache, guestbuild, image, kernels, mirror, project
from lab.config import LabError

TEXT = "sixteen bytes ..\n" * 100


def fill(folder):
    (folder / "disk").write_text(TEXT)
    (folder / "deep").mkdir()
    (folder / "deep/file").write_text("more")


@pytest.fixture
def made(tmp_path):
    return cache.make(tmp_path / "thing-1", tmp_path / "thing.lock", fill)


def again(made):
    """How often it is made by asking twice for it."""
    calls = []
    for _ in range(2):
        cache.make(made, made.parent / "thing.lock", lambda f: (calls.append(1), fill(f)))
    return len(calls)


def flip_one_byte(made):
    data = bytearray((made / "disk").read_bytes())
    data[700] ^= 1
    (made / "disk").write_bytes(data)


DAMAGE = {
    "truncated": lambda made: os.truncate(made / "disk", 5),
    "emptied": lambda made: os.truncate(made / "disk", 0),
    "one byte of it changed": flip_one_byte,
    "a file is missing": lambda made: (made / "deep/file").unlink(),
    "the seal is missing": lambda made: (made / cache.SEAL).unlink(),
    "the seal is cut": lambda made: os.truncate(made / cache.SEAL, 20),
    "the seal is of another kind": lambda made: (made / cache.SEAL).write_text("[1]"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_folder_is_made_again_once(made, what):
    DAMAGE[what](made)
    assert not cache.is_whole(made)
    assert again(made) == 1
    assert (made / "disk").read_text() == TEXT


def test_a_whole_folder_is_not_made_again(made):
    assert again(made) == 0


def test_a_copy_with_other_times_is_whole(made):
    os.utime(made / "disk", (1, 1))
    assert cache.is_whole(made)


@pytest.mark.parametrize("error", [KeyboardInterrupt, LabError, OSError])
def test_what_was_interrupted_leaves_nothing(tmp_path, error):
    def build(folder):
        fill(folder)
        raise error("in the middle")

    with pytest.raises(error):
        cache.make(tmp_path / "thing-1", tmp_path / "thing.lock", build)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    left = tmp_path / "new-thing-1-abcdef"
    left.mkdir()
    (left / "disk").write_text("half")
    made = cache.make(tmp_path / "thing-1", tmp_path / "thing.lock", fill)
    assert not left.exists() and cache.is_whole(made)


def test_the_ones_used_last_stay(tmp_path):
    for number in range(4):
        made = cache.make(tmp_path / f"thing-{number}", tmp_path / "thing.lock", fill)
        os.utime(made, (number, number))
    cache.find(tmp_path / "thing-0")
    cache.forget_old(tmp_path, "thing-*", 1, but=tmp_path / "thing-1")
    assert sorted(p.name for p in tmp_path.glob("thing-*")) == ["thing-0", "thing-1"]


# ---- the build folders ---------------------------------------------------------------------------

def test_a_build_goes_on_from_one_that_came_to_its_end(tmp_path):
    work = tmp_path / "work"
    with project._orderly(work):
        (work / "object.o").write_text("whole")
    with pytest.raises(LabError), project._orderly(work):
        raise LabError("does not compile")
    with project._orderly(work):
        assert (work / "object.o").exists()


@pytest.mark.parametrize("ending", [False, True], ids=["interrupted", "ended by another thread"])
def test_a_build_starts_anew_after_one_that_was_killed(tmp_path, monkeypatch, ending):
    work = tmp_path / "work"
    monkeypatch.setattr(project, "is_ending", lambda: ending)
    error = LabError if ending else KeyboardInterrupt
    with pytest.raises(error), project._orderly(work):
        (work / "object.o").write_text("half")
        raise error()
    with project._orderly(work):
        assert not (work / "object.o").exists()


# ---- the image -----------------------------------------------------------------------------------

@pytest.fixture
def no_mirror(monkeypatch):
    """An image in a moment: what the mirror and mmdebstrap would do, done by hand."""
    def unpack(_tar, tmp):
        for name in image.NEEDED:
            (tmp / "root" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp / "root" / name).write_text(name)
        (tmp / "root.squashfs").write_text(TEXT)

    def resolve(_tmp, _suites, packages):
        if "nonsense" in packages:
            raise LabError("trixie has no package named nonsense")
        return {"packages": packages, "releases": ""}

    monkeypatch.setattr(image, "need_disk", lambda *_: None)
    monkeypatch.setattr(mirror, "mirrors", lambda: {mirror.SUITE: "", mirror.BACKPORTS: ""})
    monkeypatch.setattr(image, "resolve", resolve)
    monkeypatch.setattr(image, "_debootstrap", lambda tmp, _suites, _packages: tmp / "tar")
    monkeypatch.setattr(image, "_unpack", unpack)


IMAGE_DAMAGE = {
    "the disk is cut": lambda i: os.truncate(i.squashfs, 100),
    "the disk is changed": lambda i: i.squashfs.write_text(TEXT.replace(".", ",")),
    "image.json is cut": lambda i: os.truncate(i.path / "image.json", 10),
    "it was never finished": lambda i: (i.path / cache.SEAL).unlink(),
    "the compiler is missing": lambda i: (i.root / "usr/bin/gcc").unlink(),
    "QEMU is missing": lambda i: (i.root / "usr/bin/qemu-system-x86_64").unlink(),
}


@pytest.mark.parametrize("what", IMAGE_DAMAGE)
def test_a_damaged_image_is_not_used(no_mirror, progress, what):
    made = image.ensure(progress)
    assert image.find() is not None
    IMAGE_DAMAGE[what](made)
    assert image.find() is None
    assert image.ensure(progress).is_whole()


def test_packages_on_top_are_remembered_only_if_debian_has_them(no_mirror, progress):
    plain = image.ensure(progress)
    with pytest.raises(LabError, match="no package named nonsense"):
        image.ensure(progress, extra=["nonsense"])
    assert image.ensure(progress).key == plain.key
    more = image.ensure(progress, extra=["jq"])
    image.remember_extra(["jq"])
    assert more.key != plain.key and image.ensure(progress).key == more.key
    assert image.ensure(progress).info["with"] == ["jq"]


def test_a_full_disk_is_told_before_anything_is_fetched(progress, monkeypatch):
    monkeypatch.setattr("lab.config.free_bytes", lambda _path: 100 << 20)
    with pytest.raises(LabError, match="needs 4500 MB in .*, only 100 MB are free"):
        image.ensure(progress)


def test_the_proxy_and_its_password_are_in_no_file(monkeypatch):
    option = 'Acquire::http::Proxy "http://user:secret@proxy.example:3128";'
    monkeypatch.setattr(mirror, "proxy_options", lambda: [option])
    with mirror.proxy_file() as fd:
        with open(f"/proc/self/fd/{fd}", encoding="ascii") as handle:
            assert handle.read() == option + "\n"
        assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:")
        assert not os.get_inheritable(fd) and stat.S_ISREG(os.fstat(fd).st_mode)


# ---- the kernels ---------------------------------------------------------------------------------

def change_disk(kernel):
    text = kernel.disk.read_text()
    kernel.disk.write_text(text.replace("ext4", "ext5"))
    assert kernel.disk.stat().st_size == len(text)


def write_json(name, text):
    return lambda kernel: (kernel.path / name).write_text(text)


KERNEL_DAMAGE = {
    "vmlinuz is cut": lambda k: os.truncate(k.vmlinuz, 3),
    "vmlinuz is missing": lambda k: k.vmlinuz.unlink(),
    "the disk of modules is cut": lambda k: os.truncate(k.disk, 3),
    "the disk of modules is changed": change_disk,
    "kernel.json is cut": lambda k: os.truncate(k.path / "kernel.json", 10),
    "kernel.json is of another kind": write_json("kernel.json", "[1]"),
    "modules.dep is missing": lambda k: (k.modules / "modules.dep").unlink(),
    "the headers are missing":
        lambda k: shutil.rmtree(k.root / "usr/src" / f"linux-headers-{k.release}"),
    "the seal is missing": lambda k: (k.path / cache.SEAL).unlink(),
    "the whole folder is missing": lambda k: shutil.rmtree(k.path),
}


@pytest.mark.parametrize("what", KERNEL_DAMAGE)
def test_a_damaged_kernel_is_not_used_but_made_again_once(instant, img, progress, fetched,
                                                          what):
    kernel = kernels.ensure(img, "stable", progress)
    assert kernels.find(img, "stable").path == kernel.path
    KERNEL_DAMAGE[what](kernel)
    assert kernels.find(img, "stable") is None
    for _ in range(2):
        kernel = kernels.ensure(img, "stable", progress)
    assert fetched == [madeup.STABLE] * 2 and kernel.is_whole()
    assert kernel.vmlinuz.read_text() == f"vmlinuz {madeup.STABLE}"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"path": 7}', '{"path": "elsewhere"}', "{}"])
def test_what_is_remembered_of_the_mirror_is_asked_again_if_it_makes_no_sense(
        instant, img, progress, fetched, text):
    kernels.ensure(img, "stable", progress)
    kernels._note(img, "stable").write_text(text)
    assert kernels.find(img, "stable") is None
    assert kernels.ensure(img, "stable", progress).release == madeup.STABLE
    assert kernels.find(img, "stable") and fetched == [madeup.STABLE]


def test_a_kernel_whose_making_fails_leaves_nothing(instant, img, progress, fetched,
                                                    monkeypatch, tmp_path):
    def fail(*_args, **_more):
        raise LabError("no depmod")

    monkeypatch.setattr(kernels.chroot, "run_in", fail)
    with pytest.raises(LabError, match="no depmod"):
        kernels.ensure(img, "stable", progress)
    assert [p for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


def test_of_a_role_s_kernels_the_two_used_last_stay(instant, img, progress, fetched,
                                                    tmp_path):
    for number in range(1, 5):
        instant.kernel(madeup.SUITE, f"90.{number}.1-amd64")
        kernels.ensure(img, "stable", progress, ask=True)
        time.sleep(0.02)
    left = [p.name.rpartition("-")[0] for p in (tmp_path / "cache").glob("kernel-*") if p.is_dir()]
    assert sorted(left) == ["kernel-stable-90.3.1-amd64", "kernel-stable-90.4.1-amd64"]


# ---- small builds --------------------------------------------------------------------------------

def test_a_damaged_program_folder_is_built_again(tmp_path, monkeypatch):
    built = []

    def compile_it(_root, command, _what, binds):
        built.append(command)
        (binds[1][0] / "probe").write_text("program")

    class Fake:
        key = "0123456789abcdef"
        root = tmp_path

    source = tmp_path / "src"
    source.mkdir()
    (source / "probe.c").write_text("int main(void) { return 0; }\n")
    monkeypatch.setattr(guestbuild.chroot, "run_in", compile_it)
    folder = guestbuild.programs(Fake, source)
    assert guestbuild.programs(Fake, source) == folder and len(built) == 1
    os.truncate(folder / "probe", 1)
    guestbuild.programs(Fake, source)
    assert len(built) == 2 and (folder / "probe").read_text() == "program"
