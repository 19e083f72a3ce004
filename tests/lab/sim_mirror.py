#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A Debian mirror whose backports are not what they were, to see what the lab says then.

    tests/lab/sim_mirror.py MODE -- tools/roce-ipsec-lab setup      runs a command at that mirror
    tests/lab/sim_mirror.py MODE                                    serves until Ctrl-C

        apt ---> 127.0.0.1 --- redirected ---> this machine's own mirror
                     |
                     +-- the backports' Release and Packages, and what MODE changes of them

Nothing in it is signed, so ROCE_IPSEC_LAB_MIRROR_TRUSTED is set for the command; give it a cache
of its own (ROCE_IPSEC_LAB_CACHE), or what it makes is taken for today's Debian afterwards.
"""

import argparse
import hashlib
import http.server
import lzma
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from lab import mirror  # noqa: E402
from lab.config import LabError  # noqa: E402

MODES = {
    "as-is": "the backports of today",
    "series": "testing's packages: another series of kernels",
    "none": "backports without a package",
    "no-suite": "a mirror without backports",
    "no-headers": "a kernel without its headers",
    "broken": "a kernel with one name in one header changed, so that our modules do not compile",
    "mid-sync": "an index that names other digests than the kernel's packages have",
    "busy": "a mirror that answers 503 about its backports",
}
INDEX = "main/binary-amd64/Packages"
# What "broken" renames: an operation that every driver with xfrm offload has.
HEADER, OLD, NEW = "include/linux/netdevice.h", "xdo_dev_state_add", "xdo_dev_state_renamed"


def fetch(uri: str, target: Path) -> bytes:
    """As apt would: by the host's proxies."""
    done = subprocess.run(["/usr/lib/apt/apt-helper", "download-file", uri, target], check=False,
                          capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"cannot get {uri}: {mirror.hint(done.stdout + done.stderr)}")
    return target.read_bytes()


class Backports:
    """What is served in their place: path -> bytes, or the path it is redirected to."""

    def __init__(self, mode: str, real: str, work: Path):
        self.mode, self.real, self.work = mode, real, work
        self.made: dict[str, bytes | str] = {}
        if mode in ("as-is", "series"):
            self._of("testing" if mode == "series" else mirror.BACKPORTS)
        elif mode == "none":
            self._serve("")
        elif mode in ("no-headers", "broken", "mid-sync"):
            change = {"no-headers": self._without_headers, "broken": self._broken,
                      "mid-sync": self._other_digest}[mode]
            self.index = self._records()
            self._serve("\n\n".join(filter(None, map(change, self.index))) + "\n")

    def _fetch(self, path: str) -> bytes:
        return fetch(f"{self.real}/{path}", self.work / Path(path).name)

    def _of(self, suite: str) -> None:
        """Another suite's index under this name."""
        text = self._fetch(f"dists/{suite}/Release").decode()
        lines = re.findall(rf"^ [0-9a-f]{{64}} +\d+ {INDEX}(?:\.xz)?$", text, re.M)
        self._release("\n".join(lines))
        self._put(f"{INDEX}.xz", f"dists/{suite}/{INDEX}.xz")

    def _records(self) -> list[str]:
        data = self._fetch(f"dists/{mirror.BACKPORTS}/{INDEX}.xz")
        return lzma.decompress(data).decode().strip().split("\n\n")

    def _serve(self, packages: str) -> None:
        data = packages.encode()
        self._put(INDEX, data)
        self._release(f" {hashlib.sha256(data).hexdigest()} {len(data)} {INDEX}")

    def _release(self, digests: str) -> None:
        self._put("Release", (
            f"Origin: Debian\nSuite: {mirror.BACKPORTS}\nCodename: {mirror.BACKPORTS}\n"
            "NotAutomatic: yes\nButAutomaticUpgrades: yes\nArchitectures: amd64\n"
            f"Components: main\nSHA256:\n{digests}\n").encode())

    def _put(self, name: str, content: bytes | str) -> None:
        self.made[f"dists/{mirror.BACKPORTS}/{name}"] = content

    # -- changes of one record of the index; None: it is left out

    @staticmethod
    def _without_headers(record: str) -> str | None:
        return None if record.startswith("Package: linux-headers-") else record

    @staticmethod
    def _other_digest(record: str) -> str:
        if not record.startswith("Package: linux-"):
            return record
        return re.sub(r"^SHA256: .*$", "SHA256: " + "0" * 64,
                      re.sub(r"^MD5sum: .*\n", "", record, flags=re.M), flags=re.M)

    def _broken(self, record: str) -> str:
        kernel = next(re.search(r"^Depends: .*?\blinux-image-(\S+)-amd64", other, re.M)[1]
                      for other in self.index if other.startswith("Package: linux-image-amd64\n"))
        name = f"linux-headers-{kernel}-common"
        if not record.startswith(f"Package: {name}\n"):
            return record
        path = re.search(r"^Filename: (.*)$", record, re.M)[1]
        deb, tree = self.work / "headers.deb", self.work / name
        fetch(f"{self.real}/{path}", deb)
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        header = tree / "usr/src" / name / HEADER
        text = header.read_text()
        if OLD not in text:
            raise LabError(f"{name} has no {OLD} in {HEADER} any more: rename something else")
        header.write_text(text.replace(OLD, NEW))
        subprocess.run(["dpkg-deb", "-b", "-Zgzip", "-z1", "--root-owner-group", tree, deb],
                       check=True, stdout=subprocess.DEVNULL)
        data = deb.read_bytes()
        self.made[f"pool/changed/{name}.deb"] = data
        record = re.sub(r"^MD5sum: .*\n", "", record, flags=re.M)
        for key, value in (("Filename", f"pool/changed/{name}.deb"), ("Size", str(len(data))),
                           ("SHA256", hashlib.sha256(data).hexdigest())):
            record = re.sub(rf"^{key}: .*$", f"{key}: {value}", record, flags=re.M)
        return record

    # -- answers

    def answer(self, path: str) -> tuple[int, bytes, str | None]:
        """Status, body, and where to go instead."""
        content = self.made.get(urllib.parse.unquote(path))
        if isinstance(content, bytes):
            return 200, content, None
        if content is None and path.startswith(f"dists/{mirror.BACKPORTS}/"):
            return 503 if self.mode == "busy" else 404, b"", None
        return 302, b"", f"{self.real}/{content or path}"


def server(backports: Backports) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, body, elsewhere = backports.answer(self.path.lstrip("/"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if elsewhere:
                self.send_header("Location", elsewhere)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{mode:12}{text}" for mode, text in MODES.items()))
    parser.add_argument("mode", choices=MODES, metavar="MODE")
    parser.add_argument("command", nargs="*", metavar="-- CMD ...")
    args = parser.parse_args()
    os.environ.pop("ROCE_IPSEC_LAB_MIRROR", None)
    with tempfile.TemporaryDirectory(prefix="sim-mirror-") as work:
        try:
            real = mirror.main_of(mirror.mirrors()).rstrip("/")
            backports = Backports(args.mode, real, Path(work))
        except LabError as err:
            print(f"sim_mirror.py: {err}", file=sys.stderr)
            return 1
        with server(backports) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            # A proxy knows nothing of this machine's 127.0.0.1.
            direct = Path(work) / "apt.conf"
            direct.write_text('Acquire::http::Proxy::127.0.0.1 "DIRECT";\n')
            env = {"ROCE_IPSEC_LAB_MIRROR": f"http://127.0.0.1:{web.server_port}",
                   "ROCE_IPSEC_LAB_MIRROR_TRUSTED": "yes", "APT_CONFIG": str(direct)}
            try:
                if args.command:
                    return subprocess.call(args.command, env=dict(os.environ, **env))
                print(*(f"export {name}={value}" for name, value in env.items()), sep="\n",
                      flush=True)
                threading.Event().wait()
            except KeyboardInterrupt:
                pass
    return 130


if __name__ == "__main__":
    sys.exit(main())
