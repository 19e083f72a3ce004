# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The guest image: Debian 13 with both kernels, made once and cached by content.

One folder per image in the cache: root/ (to build in), root.squashfs (what the hosts share
read-only), vmlinuz-K per kernel, image.json (what it is), and the seal of these files.
Everything is made in a temporary folder beside it and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache as folders
from . import chroot
from .cache import remove_tree
from .config import (KERNELS, LabError, cache_root, digest_files, locked, make_dir, need_disk)
from .hostpkg import network_hint
from .run import run

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
GUEST = Path(__file__).resolve().parent / "guest"
DISK_MB = 4500
# meta package -> (kernel series the lab calls it by, suite it comes from)
KERNEL_SUITES = {"6.12": SUITE, "7.2": f"{SUITE}-backports"}

# What a host never has hardware for, and documentation nobody reads in there.
EXCLUDE = ["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*",
           "/usr/lib/modules/*/kernel/drivers/gpu/*", "/usr/lib/modules/*/kernel/drivers/media/*",
           "/usr/lib/modules/*/kernel/drivers/net/wireless/*", "/usr/lib/modules/*/kernel/sound/*",
           "/usr/lib/modules/*/kernel/drivers/iio/*", "/usr/lib/modules/*/kernel/drivers/staging/*",
           "/usr/lib/modules/*/kernel/drivers/scsi/*", "/usr/lib/modules/*/kernel/drivers/usb/*",
           "/usr/lib/modules/*/kernel/drivers/comedi/*", "/usr/lib/modules/*/kernel/drivers/isdn/*"]
INCLUDE = ["/usr/share/doc/python3-pyverbs/*", "/usr/share/doc/rdma-core/tests/*", "/usr/share/doc/*/copyright"]


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

    def release(self, kernel: str) -> str:
        """uname -r of a kernel series."""
        return self.info["kernels"][kernel]

    def vmlinuz(self, kernel: str) -> Path:
        return self.path / f"vmlinuz-{kernel}"

    def is_whole(self) -> bool:
        """False for a folder that something else than us has changed or emptied.

        root/ has too many files to look at each time: what every build needs stands for the rest.
        """
        needed = ["usr/bin/env", "usr/bin/gcc", "usr/bin/cmake"]
        for release in self.info["kernels"].values():
            needed += [f"usr/lib/modules/{release}/modules.dep", f"usr/src/linux-headers-{release}"]
        return folders.is_whole(self.path) and all((self.root / n).exists() for n in needed)


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


def mirrors() -> dict[str, str]:
    """Suite -> URI, from where this host itself gets Debian."""
    override = os.environ.get("ROCE_IPSEC_LAB_MIRROR")
    fmt = "$(CREATED_BY)|$(CODENAME)|$(ORIGIN)|$(REPO_URI)"
    try:
        out = subprocess.run(["apt-get", "indextargets", "--format", fmt], check=False,
                             capture_output=True, text=True).stdout
    except OSError as err:
        raise LabError("apt-get is missing: the lab knows Debian hosts only") from err
    found: dict[str, str] = {}
    security = None
    for line in out.splitlines():
        kind, codename, origin, uri = line.split("|", 3)
        if kind != "Packages" or origin != "Debian":
            continue
        if codename.endswith("-security"):
            security = security or uri
        elif "main" not in found and not codename.endswith("-backports"):
            found["main"] = uri
    main = override or found.get("main")
    if not main:
        raise LabError("the host's apt lists name no Debian mirror; run apt-get update, or set "
                       "ROCE_IPSEC_LAB_MIRROR")
    suites = {SUITE: main, f"{SUITE}-updates": main, f"{SUITE}-backports": main}
    if security:
        suites[f"{SUITE}-security"] = security
    return suites


def source_lines(suites: dict[str, str], signed: bool = True) -> list[str]:
    option = f"[signed-by={KEYRING}] " if signed else ""
    return [f"deb {option}{uri} {suite} main" for suite, uri in suites.items()]


def proxy_options() -> list[str]:
    """The host's way to the mirror (proxies), in apt.conf form."""
    out = subprocess.run(["apt-config", "dump"], check=False, capture_output=True, text=True).stdout
    keep = re.compile(r'^Acquire::(https?::)?(Proxy|Retries|http::Timeout)\S* "[^"]+";$', re.I)
    return [line for line in out.splitlines() if keep.match(line)]


def resolve(tmp: Path, suites: dict[str, str], packages: list[str]) -> dict:
    """Asks the mirror which kernels it has now; checks that every package exists.

    Returns {"kernels": {series: release}, "packages": [...], "releases": sha256 of what the
    mirror signed}.
    """
    apt = tmp / "apt"
    for sub in ("state/lists/partial", "cache/archives/partial", "etc"):
        (apt / sub).mkdir(parents=True)
    (apt / "etc/sources.list").write_text("\n".join(source_lines(suites)) + "\n")
    opts = []
    for key, value in {"Dir::Etc::sourcelist": apt / "etc/sources.list",
                       "Dir::Etc::sourceparts": "/dev/null",
                       "Dir::Etc::preferencesparts": "/dev/null",
                       "Dir::State": apt / "state", "Dir::State::status": "/dev/null",
                       "Dir::Cache": apt / "cache", "APT::Architecture": "amd64",
                       "APT::Update::Post-Invoke-Success": "", "APT::Sandbox::User": "",
                       "Acquire::Languages": "none"}.items():
        opts += ["-o", f"{key}={value}"]
    run(["apt-get", *opts, "update", "--error-on=any"], f"asking the mirror for {SUITE}",
        hint=network_hint)

    kernels = {}
    names = list(packages)
    for series, suite in KERNEL_SUITES.items():
        out = run(["apt-cache", *opts, "show", f"linux-image-amd64/{suite}"],
                  f"looking for kernel {series}", hint=network_hint)
        match = re.search(r"^Depends: .*?linux-image-(\S+)", out, re.M)
        if not match or not match[1].startswith(series + "."):
            raise LabError(f"{suite} has kernel {match[1] if match else 'none'}, the lab wants "
                           f"{series}; KERNELS in tools/lab/config.py must follow Debian")
        kernels[series] = match[1]
        # With the suite apt also takes from there what the kernel needs newer than trixie's.
        names += [f"linux-image-{match[1]}/{suite}", f"linux-headers-{match[1]}/{suite}"]
    plain = [name.split("/")[0] for name in names]
    out = subprocess.run(["apt-cache", *opts, "show", "--no-all-versions", *plain], check=False,
                         capture_output=True, text=True)
    known = set(re.findall(r"^Package: (\S+)", out.stdout, re.M))
    unknown = [n for n in plain if n not in known]
    if unknown:
        raise LabError(f"{SUITE} has no package named {', '.join(unknown)}")
    sha = hashlib.sha256()
    for release in sorted((apt / "state/lists").glob("*Release")):
        sha.update(release.read_bytes())
    return {"kernels": kernels, "packages": names, "releases": sha.hexdigest()}


def _debootstrap(tmp: Path, suites: dict[str, str], packages: list[str]) -> Path:
    """One tar file with the whole root."""
    tar = tmp / "root.tar"
    # The guest boots with our initramfs: don't spend a minute on Debian's.
    divert = ("chroot \"$1\" dpkg-divert --local --rename --add /usr/sbin/update-initramfs && "
              "ln -s /bin/true \"$1/usr/sbin/update-initramfs\"")
    dirs = " ".join(f'"$1/{d}"' for d in (*chroot.MOUNT_POINTS, "usr/lib/roce-ipsec-lab"))
    finish = (f'mkdir -p {dirs} && rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap '
              '"$1"/etc/udev/rules.d/70-persistent-net.rules && '
              'for k in "$1"/usr/lib/modules/*; do mkdir -p "$k/updates"; done')
    argv = ["mmdebstrap", "--variant=apt", "--components=main", "--format=tar",
            "--mode=" + ("root" if os.getuid() == 0 else "unshare"),
            f"--include={','.join(packages)}", f"--essential-hook={divert}",
            f"--customize-hook={finish}",
            "--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false",
            "--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude={p}" for p in EXCLUDE]
    argv += [f"--dpkgopt=path-include={p}" for p in INCLUDE]
    with _proxy_file() as proxy:
        argv += [f"--aptopt=/proc/self/fd/{proxy}", SUITE, str(tar), *source_lines(suites)]
        run(argv, "building the guest image", env=dict(os.environ, TMPDIR=str(tmp)),
            log=tmp.parent / "image.log", hint=_bootstrap_hint, pass_fds=(proxy,))
    return tar


@contextlib.contextmanager
def _proxy_file():
    """The proxy options as a file in memory, for its descriptor's holders alone.

    They may hold a password, so not in argv and in no file that others can read; and mmdebstrap
    reads them as a subordinate user, which cannot read a file of ours with mode 0600.
    """
    fd = os.memfd_create("proxy.conf")
    try:
        os.write(fd, ("\n".join(proxy_options()) + "\n").encode())
        yield fd
    finally:
        os.close(fd)


def _bootstrap_hint(output: str) -> str | None:
    if "newuidmap" in output or "/etc/subuid" in output:
        return ("this user has no subordinate user ids; as root: "
                "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER")
    return network_hint(output)


def _unpack(tar: Path, tmp: Path) -> None:
    """The tar becomes a folder to build in and a read-only disk to boot from."""
    root = tmp / "root"
    root.mkdir()
    run(["tar", "-C", root, "-p", "--no-same-owner", "--exclude=./dev/*", "-xf", tar],
        "unpacking the guest image")
    tar.unlink()
    (root / "dev/shm").mkdir(exist_ok=True)
    # The disk needs no headers and no boot files.  lz4: decompressing is what a guest without
    # KVM feels most.
    run(["mksquashfs", root, tmp / "root.squashfs", "-comp", "lz4", "-all-root", "-no-progress",
         "-quiet", "-e", "boot", "usr/src"], "packing the guest image")


@contextlib.contextmanager
def temporary(cache: Path):
    """A folder in the cache that does not outlive the block, even if another run left one."""
    make_dir(cache)
    for old in cache.glob("tmp-*"):
        # Whoever made it holds the lock we hold now, so it is dead.
        remove_tree(old)
    path = Path(tempfile.mkdtemp(prefix="tmp-", dir=cache))
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
    suites = mirrors()
    with temporary(cache) as tmp:
        with progress.step("asking the Debian mirror for kernels and packages"):
            found = resolve(tmp, suites, base_packages() + extra)
        remove_tree(tmp / "apt")
        with progress.step("building the guest image (Debian 13, once)"):
            tar = _debootstrap(tmp, suites, found["packages"])
        with progress.step("packing the guest image"):
            _unpack(tar, tmp)
            for kernel in KERNELS:
                shutil.copy2(tmp / f"root/boot/vmlinuz-{found['kernels'][kernel]}",
                             tmp / f"vmlinuz-{kernel}")
            info = {"key": key, "with": extra, "made": time.time(), **found}
            (tmp / "image.json").write_text(json.dumps(info, indent=1))
            folders.seal(tmp, [p for p in tmp.iterdir() if p.is_file()])
        if final.exists():
            old = final.rename(cache / f"tmp-old-{key}-{os.getpid()}")
            tmp.rename(final)
            remove_tree(old)
        else:
            tmp.rename(final)
    # Two: a developer switches between branches.
    folders.forget_old(cache, "image-*", 1, but=final)
    return Image(final)
