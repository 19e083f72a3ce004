# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The soak's command line: the VM suite once, then storms for as long as is wanted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

from .. import guestbuild, image, kernelname
from ..config import LabError, cache_root, source_root
from ..labs import Lab
from ..progress import Progress
from . import report, round, storms

CPUS = 2
LEAKS_EVERY = 5		# rounds: a look for leaks takes half a minute


def add_arguments(parser) -> None:
    default = kernelname.DEBUG_NAMES[0]
    kernelname.add_option(parser, default=default, metavar="|".join(kernelname.DEBUG_NAMES),
                          help=f"default: {default}, built the first time; Debian's own ones will do, "
                          "but find less")
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="of storms (default: 30)")
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds in place of minutes")
    parser.add_argument("--seconds", type=int, default=30, metavar="N",
                        help="of storm in a round, by the hosts' clocks (default: 30)")
    parser.add_argument("--seed", type=int, metavar="N",
                        help="of the first round, to have it again (default: another one each time)")
    parser.add_argument("--storm", action="append", default=[], choices=[s.name for s in storms.STORMS],
                        help="only these (may be given several times): "
                        + "; ".join(f"{s.name}: {s.what}" for s in storms.STORMS))
    parser.add_argument("--no-suite", dest="suite", action="store_false",
                        help="without the VM tests before the storms")
    parser.add_argument("--filter", metavar="FILTER", help="of the VM tests those that match (pytest -k)")


def main(args, progress: Progress) -> int:
    img = image.ensure(progress)
    kernelname.choose(img, args.kernel, progress)
    failed = _suite(args) if args.suite else 0
    if args.rounds == 0:
        return 1 if failed else 0
    found = Soak(args, img, progress).run()
    return 1 if failed or found else 0


def _suite(args) -> int:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            str(source_root() / "tests/vm"), "--kernel", args.kernel, "--cpus", str(CPUS)]
    argv += ["-k", args.filter] if args.filter else []
    return subprocess.call(argv)


class Soak:
    def __init__(self, args, img, progress: Progress):
        self.args, self.progress = args, progress
        self.lab: Lab | None = None
        self.programs = guestbuild.programs(img, source_root() / "tests/soak/src")
        self.report = report.Report(cache_root() / "logs" / f"soak-{os.getuid()}", args.kernel)
        self.calls: dict[str, int] = {}
        self.seen: dict[str, int] = {}		# host -> characters of its console that were read

    def run(self) -> int:
        """Returns how many findings there were."""
        begin = self.last = time.monotonic()
        seed = self.args.seed if self.args.seed is not None else random.SystemRandom().randrange(1 << 24)
        number = 0
        try:
            while number < self.args.rounds if self.args.rounds else \
                    time.monotonic() - begin < self.args.minutes * 60:
                self.round(round.plan(number, seed + number, self.args.storm))
                number += 1
        except KeyboardInterrupt:
            print("interrupted")
        finally:
            if self.lab:
                self.down(None)
        print(self.report.summary(number, self.calls, begin, self.last))
        return len(self.report.names)

    def round(self, what: round.Plan) -> None:
        self.progress.say(str(what))
        # Hosts that do not come up are the caller's to hear of: there is nothing to soak.
        lab = self.up()
        try:
            lab.mark(f"soak: {what}")
            with self.progress.step(f"round {what.number}"):
                for kind, count in round.run(lab, what, self.args.seconds).items():
                    self.calls[kind] = self.calls.get(kind, 0) + count
                left = round.clear(lab)
                if not left and what.number % LEAKS_EVERY == LEAKS_EVERY - 1:
                    left = round.leaks(lab)
        except LabError as err:
            left = [f"hosts that do not do what they are told: {err}"]
        news = self.news()
        lost = [name for name, text in news.items() if report.has_lost_its_disk(text)]
        found = [line for text in news.values() for line in report.reports_in(text)]
        found += [] if lost else left
        if lost and left:
            self.progress.say(f"host {', '.join(lost)}: an injected failure took the disk away; "
                              "the hosts are made anew")
        if found or lost:
            if found:
                self.report.take(what, str(what), found, lab)
                self.last = time.monotonic()
            # What goes wrong in a kernel that has gone wrong is no finding.
            self.down(what)

    def up(self) -> Lab:
        if not self.lab:
            self.lab = Lab.up(kernel=self.args.kernel, scenario="bare", mtu=9000, cpus=CPUS, capture=False,
                              progress=self.progress)
            self.seen = {}
            for host in self.lab.hosts.values():
                host.run(["mkdir", "-p", storms.FOLDER])
                for path in (*self.programs.iterdir(),
                             *(source_root() / "tests/soak/src").glob("*.py")):
                    if path.suffix != ".json":
                        host.put(path, f"{storms.FOLDER}/{path.name}", mode=0o755)
                host.write(f"{storms.FOLDER}/failing", storms.FAILING, mode=0o755)
        return self.lab

    def news(self) -> dict[str, str]:
        """What each console has said since the last look."""
        said = {}
        for name in self.lab.hosts:
            text = report.faults.read(self.lab.console(name))
            said[name] = text[self.seen.get(name, 0):]
            self.seen[name] = len(text)
        return said

    def down(self, what) -> None:
        lab, known = self.lab, len(self.lab.scan())
        rest = lab.down()[known:]
        self.lab = None
        # Without a round that is being blamed already.
        if rest and what is None:
            self.report.take(None, "at the end", rest, lab)
            self.last = time.monotonic()
