# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The Debian mirror: where it is, what it offers today, and files from it.

An Apt is apt with sources and folders of its own: nothing of the host's own state is read or
changed but the address of its mirror and its proxies, and no root is needed.

$ROCE_IPSEC_LAB_MIRROR          another mirror than the host's
$ROCE_IPSEC_LAB_MIRROR_TRUSTED  "yes": that one signs nothing (somebody's own, on this machine)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .config import LabError
from .run import outcome, run

SUITE = "trixie"
BACKPORTS = f"{SUITE}-backports"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_UNREACHABLE = ("Could not resolve", "Temporary failure resolving", "Unable to connect",
                "Could not connect", "Connection timed out", "Connection failed",
                "Network is unreachable", "Connection refused", "Could not handshake")
# An index that names files which are not there (any more), or are other files by now.
_IN_MOTION = ("Hash Sum mismatch", "File has unexpected size", "Mirror sync in progress",
              "404  Not Found", "File not found", "is not valid yet", "Release file is expired")


class MirrorAway(LabError):
    """The mirror does not answer: what is in the cache may still do."""


class NoSuite(LabError):
    """The mirror does not have one of the suites."""


def hint(output: str) -> str | None:
    """Says in one sentence what apt says in forty lines; None: it is nothing that we know."""
    def first(signs) -> str | None:
        """apt's errors name the file, its running commentary may not."""
        found = [ln.strip() for ln in output.splitlines() if any(s in ln for s in signs)]
        return next((ln for ln in found if ln.startswith("E: ")), found[0] if found else None)

    if "No space left on device" in output:
        return "the disk is full"
    # apt puts two blanks behind a status, and one behind a size.
    if "Proxy Authentication Required" in output or "  407  " in output:
        return "the proxy wants a password; put it into the host's apt configuration"
    line = first(_UNREACHABLE)
    if line:
        return ("the package registry cannot be reached; check the network and the host's "
                f"apt sources, then run it again\n  {line}")
    line = first(_IN_MOTION)
    if line:
        return ("the mirror is being updated: its index and its files disagree; run it again in "
                f"some minutes\n  {line}")
    # A Release file that was not delivered also counts as one that is not signed.
    busy = re.search(r"^E: Failed to fetch \S+  5\d\d  .*", output, re.M)
    if busy:
        return f"the mirror did not deliver it\n  {busy[0]}"
    if "NO_PUBKEY" in output or "is not signed" in output:
        return ("the mirror's signature cannot be checked; install debian-archive-keyring on this "
                "host")
    line = first(("Unable to locate package", "has no installation candidate"))
    if line:
        return f"the mirror does not have it (any more)\n  {line}"
    line = first(("Failed to fetch",))
    return f"the mirror did not deliver it\n  {line}" if line else None


def is_away(output: str) -> bool:
    return any(sign in output for sign in _UNREACHABLE)


def mirrors() -> dict[str, str]:
    """Suite -> URI, from where this host itself gets Debian."""
    override = os.environ.get("ROCE_IPSEC_LAB_MIRROR")
    main, security = (override, None) if override else _host_mirrors()
    if not main:
        raise LabError("the host's apt lists name no Debian mirror; run apt-get update, or set "
                       "ROCE_IPSEC_LAB_MIRROR")
    suites = {SUITE: main, f"{SUITE}-updates": main, BACKPORTS: main}
    if security:
        suites[f"{SUITE}-security"] = security
    return suites


@functools.cache
def _host_mirrors() -> tuple[str | None, str | None]:
    """The URIs of main and of security; apt reads all its lists to tell them, so once is enough."""
    fmt = "$(CREATED_BY)|$(CODENAME)|$(ORIGIN)|$(REPO_URI)"
    try:
        out = subprocess.run(["apt-get", "indextargets", "--format", fmt], check=False,
                             capture_output=True, text=True).stdout
    except OSError as err:
        raise LabError("apt-get is missing: the lab gets Debian with it (any distribution that "
                       "packages apt and mmdebstrap will do)") from err
    main = security = None
    for line in out.splitlines():
        kind, codename, origin, uri = line.split("|", 3)
        if kind != "Packages" or origin != "Debian":
            continue
        if codename.endswith("-security"):
            security = security or uri
        elif not codename.endswith("-backports"):
            main = main or uri
    return main, security


def main_of(suites: dict[str, str]) -> str:
    """The URI that every suite but security's is at."""
    return suites[SUITE]


def source_lines(suites: dict[str, str]) -> list[str]:
    own = os.environ.get("ROCE_IPSEC_LAB_MIRROR_TRUSTED") == "yes"
    option = "trusted=yes" if own else f"signed-by={KEYRING}"
    return [f"deb [{option}] {uri} {suite} main" for suite, uri in suites.items()]


def proxy_options() -> list[str]:
    """The host's way to the mirror (proxies), in apt.conf form."""
    out = subprocess.run(["apt-config", "dump"], check=False, capture_output=True, text=True).stdout
    keep = re.compile(r'^Acquire::(https?::)?(Proxy|Retries|http::Timeout)\S* "[^"]+";$', re.I)
    return [line for line in out.splitlines() if keep.match(line)]


@contextlib.contextmanager
def proxy_file():
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


@dataclass(frozen=True)
class Package:
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}={self.version}"


class Apt:
    """suites: suite -> URI; prefer: the suite whose packages win over others' newer ones.

    status: the dpkg status file of what counts as installed; none: nothing is.
    foreign: an architecture whose packages there are as well, by name:architecture.
    """

    def __init__(self, folder: Path, suites: dict[str, str], prefer: str | None = None,
                 status: Path | None = None, foreign: str | None = None):
        self.folder = folder
        self.suites = list(suites)
        for sub in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "etc/sources.list").write_text("\n".join(source_lines(suites)) + "\n")
        options = {"Dir::Etc::sourcelist": folder / "etc/sources.list",
                   "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::preferences": "/dev/null",
                   "Dir::Etc::preferencesparts": "/dev/null", "Dir::State": folder / "state",
                   "Dir::State::status": status or "/dev/null", "Dir::Cache": folder / "cache",
                   "APT::Architecture": "amd64", "APT::Architectures::": "amd64",
                   "APT::Update::Post-Invoke-Success": "", "APT::Update::Post-Invoke": "",
                   "APT::Sandbox::User": "", "APT::Install-Recommends": "false",
                   "Acquire::Languages": "none", "Acquire::Retries": "2",
                   "Debug::NoLocking": "true"}
        if prefer:
            options["APT::Default-Release"] = prefer
        self._options = [word for key, value in options.items()
                         for word in ("-o", f"{key}={value}")]
        if foreign:
            self._options += ["-o", f"APT::Architectures::={foreign}"]

    def _outcome(self, program: str, arguments: list[str], what: str, cwd: Path | None = None
                 ) -> tuple[int, str]:
        """Exit status and output, in English: it is read."""
        return outcome([program, *self._options, *arguments], what, cwd=cwd,
                       env=dict(os.environ, LC_ALL="C.UTF-8"))

    def update(self) -> None:
        what = "asking the mirror"
        status, output = self._outcome("apt-get", ["update", "-q", "--error-on=any"], what)
        absent = self._absent(output) if status and not is_away(output) else None
        if absent:
            raise NoSuite(f"the mirror has no {absent}")
        _check(status, output, what)

    def _absent(self, output: str) -> str | None:
        """A suite that the mirror answered about: not even its Release file is there."""
        said = re.search(r"repository '\S+ (\S+) Release' does not have a Release file", output)
        if said:
            return said[1]
        # At a mirror that is trusted, apt looks for the packages nonetheless.
        lists = self.folder / "state/lists"
        return next((suite for suite in self.suites if re.search(
            rf"Failed to fetch \S+/dists/{suite}/\S+ +(404  |File not found)", output)
            and not list(lists.glob(f"*_dists_{suite}_*Release"))), None)

    def show(self, name: str) -> str | None:
        """The record of the version that would be installed; None: there is no such package."""
        status, output = self._outcome("apt-cache", ["show", "--no-all-versions", name],
                                       f"looking for {name}")
        return output if not status and "Package: " in output else None

    def unknown(self, names: list[str]) -> list[str]:
        """Which of these the mirror does not have."""
        _, output = self._outcome("apt-cache", ["show", "--no-all-versions", *names],
                                  "looking for packages")
        known = set(re.findall(r"^Package: (\S+)", output, re.M))
        return [name for name in names if name not in known]

    def needed(self, names: list[str]) -> list[Package]:
        """What apt would install for these; LabError if it cannot."""
        status, output = self._outcome("apt-get", ["install", "--simulate", "-q", *names],
                                       "resolving")
        if status:
            raise LabError(_why_not(output))
        return [Package(*found) for found in
                re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", output, re.M)]

    def download(self, packages: list[Package], target: Path) -> list[Path]:
        """The packages' files, whose digests apt has checked."""
        target.mkdir(parents=True, exist_ok=True)
        what = "fetching packages"
        status, output = self._outcome("apt-get", ["download", "-q", *map(str, packages)], what,
                                       cwd=target)
        _check(status, output, what)
        return sorted(target.glob("*.deb"))

    def digest(self) -> str:
        """Of what the mirror signed."""
        sha = hashlib.sha256()
        for release in sorted((self.folder / "state/lists").glob("*Release")):
            sha.update(release.read_bytes())
        return sha.hexdigest()


def _check(status: int, output: str, what: str) -> None:
    if status:
        text = f"{what} failed: {hint(output) or output.strip()[-2000:]}"
        raise (MirrorAway if is_away(output) else LabError)(text)


def _why_not(output: str) -> str:
    """apt's reasons in one line, without its preaching."""
    lines = [" ".join(ln.split()) for ln in output.splitlines()
             if re.search(r"(Depends|Breaks|Conflicts): |no installation candidate", ln)
             or ln.startswith("E: Unable to locate")]
    return "; ".join(lines[:4]) or " ".join(output.split())[-300:]


def unpack(deb: Path, target: Path, exclude: list[str]) -> None:
    """A package's files without its scripts; a path that is excluded names files as dpkg's
    path-exclude does."""
    options = [f"--exclude=.{path}" for path in exclude]
    run(["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | (shift 2; tar -x "$@")', "sh", deb, "",
         "-C", target, "-p", "--no-same-owner", "--wildcards", *options],
        f"unpacking {deb.name}", hint=hint)
