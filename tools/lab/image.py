# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The guest image: Debian 13 without a kernel, made once and cached by content.

One folder per image in the cache: root/ (to build in, and where the lab's own tools are: QEMU,
tshark), root.squashfs (what the hosts share read-only), image.json (what it is), and the seal of
these files.  Everything is made in a temporary folder beside it and renamed.  Kernels come on top:
kernels.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from . import cache as folders
from . import chroot, mirror
from .cache import remove_tree
from .config import LabError, cache_root, digest_files, locked, make_dir, need_disk
from .mirror import SUITE
from .run import run

GUEST = Path(__file__).resolve().parent / "guest"
DISK_MB = 4500

# Documentation nobody reads in there, firmware of other machines.
EXCLUDE = ["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*",
           "/usr/share/qemu/edk2-*", "/usr/share/icons/*", "/usr/share/wireshark/help/*",
           # Rules for hardware that a host does not have: udev goes through all of them for each
           # queue of each VF, which made them a fifth of what loading an adapter costs.
           *(f"/usr/lib/udev/rules.d/{name}.rules" for name in (
               "60-autosuspend", "60-block", "60-cdrom_id", "60-dmi-id", "60-drm", "60-evdev",
               "60-fido-id", "60-input-id", "60-persistent-*", "60-sensor", "60-serial",
               "64-btrfs", "70-camera", "70-joystick", "70-memory", "70-mouse", "70-power-switch",
               "70-touchpad", "75-probe_mtd", "78-sound-card", "81-net-dhcp", "90-iocost"))]
INCLUDE = ["/usr/share/doc/python3-pyverbs/*", "/usr/share/doc/rdma-core/tests/*",
           "/usr/share/doc/*/copyright"]
# For this machine, out of root/: not on the hosts' disk.
TOOLS = ["usr/bin/qemu-system-*", "usr/share/qemu", "usr/share/seabios",
         "usr/lib/x86_64-linux-gnu/qemu"]

NEEDED = ["usr/bin/env", "usr/bin/gcc", "usr/bin/cmake", "usr/bin/qemu-system-x86_64"]


class Image:
    """A finished image in the cache."""

    def __init__(self, path: Path):
        self.path = path
        self.info = json.loads((path / "image.json").read_text())

    @property
    def root(self) -> Path:
        return self.path / "root"

    @property
    def squashfs(self) -> Path:
        return self.path / "root.squashfs"

    @property
    def key(self) -> str:
        return self.info["key"]

    def is_whole(self) -> bool:
        """False for a folder that something else than us has changed or emptied.

        root/ has too many files to look at each time: what every build needs stands for the rest.
        """
        return folders.is_whole(self.path) and all((self.root / n).exists() for n in NEEDED)


def base_packages() -> list[str]:
    lines = (GUEST / "packages").read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def extra_packages(cache: Path) -> list[str]:
    """What the last `setup --with` asked for."""
    try:
        return list(json.loads((cache / "with.json").read_text()))
    except (OSError, ValueError):
        return []


def remember_extra(names: list[str]) -> None:
    """Only what an image was built with: a name that Debian does not know must not stick."""
    tmp = make_dir(cache_root()) / f"with.{os.getpid()}"
    tmp.write_text(json.dumps(names))
    tmp.rename(cache_root() / "with.json")


def image_key(extra: list[str]) -> str:
    here = Path(__file__).resolve()
    files = [("image.py", here), ("packages", GUEST / "packages")]
    return digest_files(files, json.dumps(sorted(extra)).encode())


def find(extra: list[str] | None = None) -> Image | None:
    """The image that this source tree and the wanted packages ask for, if it is there and whole.

    extra: packages on top; None: those of the last `setup --with`.
    """
    cache = cache_root()
    path = cache / f"image-{image_key(extra_packages(cache) if extra is None else extra)}"
    try:
        image = Image(path)
        if not image.is_whole():
            return None
        os.utime(path)		# used now: not the one to go when a third comes
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return image


def resolve(tmp: Path, suites: dict[str, str], packages: list[str]) -> dict:
    """Checks that the mirror has every package.

    Returns {"packages": [...], "releases": sha256 of what the mirror signed}.
    """
    apt = mirror.Apt(tmp / "apt", suites)
    apt.update()
    unknown = apt.unknown(packages)
    if unknown:
        raise LabError(f"{SUITE} has no package named {', '.join(unknown)}")
    return {"packages": packages, "releases": apt.digest()}


def _debootstrap(tmp: Path, suites: dict[str, str], packages: list[str]) -> Path:
    """One tar file with the whole root."""
    tar = tmp / "root.tar"
    dirs = " ".join(f'"$1/{d}"' for d in (*chroot.MOUNT_POINTS, "usr/lib/roce-ipsec-lab"))
    finish = (f'mkdir -p {dirs} && rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap '
              '"$1"/etc/udev/rules.d/70-persistent-net.rules')
    argv = ["mmdebstrap", "--variant=apt", "--components=main", "--format=tar",
            "--mode=" + ("root" if os.getuid() == 0 else "unshare"),
            f"--include={','.join(packages)}",
            f"--customize-hook={finish}",
            "--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false",
            "--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude={p}" for p in EXCLUDE]
    argv += [f"--dpkgopt=path-include={p}" for p in INCLUDE]
    with mirror.proxy_file() as proxy:
        argv += [f"--aptopt=/proc/self/fd/{proxy}", SUITE, str(tar), *mirror.source_lines(suites)]
        run(argv, "building the guest image", env=dict(os.environ, TMPDIR=str(tmp), LC_ALL="C.UTF-8"),
            log=tmp.parent / "image.log", hint=_bootstrap_hint, pass_fds=(proxy,))
    return tar


def _bootstrap_hint(output: str) -> str | None:
    if "newuidmap" in output or "/etc/subuid" in output:
        return ("this user has no subordinate user ids; as root: "
                "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER")
    return mirror.hint(output)


def _unpack(tar: Path, tmp: Path) -> None:
    """The tar becomes a folder to build in and a read-only disk to boot from."""
    root = tmp / "root"
    root.mkdir()
    run(["tar", "-C", root, "-p", "--no-same-owner", "--exclude=./dev/*", "-xf", tar],
        "unpacking the guest image")
    tar.unlink()
    (root / "dev/shm").mkdir(exist_ok=True)
    for name in chroot.DEVICES:
        (root / "dev" / name).touch()
    # lz4: decompressing is what a guest without KVM feels most.
    squash(root, root, tmp / "root.squashfs", ["boot", "usr/src", *TOOLS])


def squash(root: Path, source: Path, disk: Path, leave_out: list[str] = ()) -> None:
    """A folder becomes a read-only disk; root: where mksquashfs comes from."""
    more = ["-wildcards", "-e", *leave_out] if leave_out else []
    chroot.run_in(root, ["mksquashfs", "/src", f"/out/{disk.name}", "-comp", "lz4", "-all-root",
                         "-no-progress", "-quiet", *more], f"packing {disk.name}",
                  binds=[(source, "/src", "ro"), (disk.parent, "/out", "rw")])


@contextlib.contextmanager
def temporary(cache: Path, name: str):
    """A folder in the cache that does not outlive the block, even if another run left one."""
    make_dir(cache)
    for old in cache.glob(f"tmp.{name}.*"):
        # Whoever made it holds the lock we hold now, so it is dead.
        remove_tree(old)
    path = Path(tempfile.mkdtemp(prefix=f"tmp.{name}.", dir=cache))
    path.chmod(0o755)
    try:
        yield path
    finally:
        remove_tree(path)


def ensure(progress, refresh: bool = False, extra: list[str] | None = None) -> Image:
    """Finds the image or builds it; extra as in find()."""
    cache = make_dir(cache_root())
    image = None if refresh else find(extra)
    if image:
        return image
    with locked(cache / "image.lock",
                lambda: progress.say("another run builds the guest image; waiting for it")):
        image = None if refresh else find(extra)
        if image:
            return image
        return _build(cache, extra_packages(cache) if extra is None else extra, progress)


def _build(cache: Path, extra: list[str], progress) -> Image:
    key = image_key(extra)
    final = cache / f"image-{key}"
    need_disk(cache, DISK_MB, "the guest image")
    suites = mirror.mirrors()
    suites.pop(mirror.BACKPORTS)
    with temporary(cache, "image") as tmp:
        with progress.step("asking the Debian mirror for packages"):
            found = resolve(tmp, suites, base_packages() + extra)
        remove_tree(tmp / "apt")
        with progress.step("building the guest image (Debian 13, once)"):
            tar = _debootstrap(tmp, suites, found["packages"])
        with progress.step("packing the guest image"):
            _unpack(tar, tmp)
            info = {"key": key, "with": extra, "made": time.time(), **found}
            (tmp / "image.json").write_text(json.dumps(info, indent=1))
            folders.seal(tmp, [p for p in tmp.iterdir() if p.is_file()])
        if final.exists():
            old = final.rename(cache / f"tmp.image.old-{key}-{os.getpid()}")
            tmp.rename(final)
            remove_tree(old)
        else:
            tmp.rename(final)
    # Two: a developer switches between branches.
    folders.forget_old(cache, "image-*", 1, but=final)
    return Image(final)
