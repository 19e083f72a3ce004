# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One round: the hosts made ready, storms on both, everything taken down again, and what is left.

What a round does follows from its seed alone, but for the ways in which threads and hosts meet.
"""

from __future__ import annotations

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .. import adapter, scenario
from ..config import LabError
from ..progress import Progress
from . import storms

SCENARIOS = ("ipsec", "bond", "vf", "adapters", "ipsec", "bond-plain")
UNLOAD_SECONDS = 600
# Of what a host does after its storms have ended by their own clocks.
GRACE_SECONDS = 240

# Kills what is left of the storms, and unloads all that is ours and what it stands on.
_CLEAR = f"""
echo 0 > /sys/kernel/debug/failslab/probability
echo 0 > /sys/kernel/debug/fail_page_alloc/probability
exec 2>/dev/null
for p in /proc/[0-9]*; do
	[ -e $p/exe ] && read -r name < $p/comm || continue
	case $name in storm_verbs|python3|ib_send_bw|ping|timeout|sleep) kill -9 ${{p#/proc/}} ;; esac
done
ip -all netns del
ip xfrm policy flush; ip xfrm state flush
ip link del bond0
rm -f {scenario.KEY_FILE}
TRIES=300
{adapter.UNLOAD}
exit 0"""

# What nobody points to any more; its age has to be five seconds, so it is asked for twice.
_LEAKS = """
f=/sys/kernel/debug/kmemleak
[ -e $f ] || exit 0
echo scan > $f
sleep 6
echo scan > $f
cat $f
echo clear > $f"""


@dataclass(frozen=True)
class Plan:
    number: int
    seed: int
    scenario: str
    on: dict[str, tuple[str, ...]]		# host -> names of storms
    probability: int				# of failing allocations, percent

    def __str__(self) -> str:
        where = "; ".join(f"{host}: {' '.join(names)}" for host, names in self.on.items())
        return f"round {self.number} (seed {self.seed}), {self.scenario}; {where}"


def plan(number: int, seed: int, only: list[str]) -> Plan:
    """only: names of the storms to choose from; empty: all."""
    rng = random.Random(seed)
    where = SCENARIOS[rng.randrange(len(SCENARIOS))]
    there = [s.name for s in storms.possible(where) if not only or s.name in only]
    on = {host: tuple(rng.sample(there, min(len(there), rng.randrange(1, 4)))) for host in "ab"}
    return Plan(number, seed, where, on, rng.choice((1, 3, 10)))


def run(lab, what: Plan, seconds: int) -> dict[str, int]:
    """Returns calls made, by kind; LabError if hosts do not do what they are told any more."""
    lab.info["scenario"] = what.scenario
    scenario.prepare(lab, Progress(quiet=True))
    calls: dict[str, int] = {}
    with ThreadPoolExecutor(8) as pool:
        jobs = []
        for number, (name, host) in enumerate(lab.hosts.items()):
            host.run(["sh", "-c", storms.FAIL_SETUP, "sh", str(what.probability)])
            traffic = storms.TRAFFIC_CLIENT if name == "a" else storms.TRAFFIC_SERVER
            scripts = [storms.Storm("traffic", "", traffic)]
            scripts += [storms.by_name(storm) for storm in what.on[name]]
            for at, storm in enumerate(scripts):
                jobs.append(pool.submit(host.run, ["sh"], check=False, timeout=seconds * 4 + GRACE_SECONDS,
                                        input=storm.command(what.seed * 64 + number * 16 + at, seconds)))
        for job in jobs:
            for kind, count in _calls_in(job.result().stdout):
                calls[kind] = calls.get(kind, 0) + count
    return calls


def _calls_in(text: str):
    for match in re.finditer(r"^calls (\d+) refused (\d+)$", text, re.M):
        yield "verbs", int(match[1])
    for match in re.finditer(r'"(\w+)": \[(\d+), (\d+)\]', text):
        yield match[1], int(match[2])


def clear(lab) -> list[str]:
    """Unloads everything; returns what did not go."""
    def one(host):
        begin = time.monotonic()
        left = host.run(["sh"], input=_CLEAR, timeout=UNLOAD_SECONDS).stdout.strip()
        host.set_env({})
        return [f"host {host.name}: still loaded after {time.monotonic() - begin:.0f} s: {left}"] \
            if left else []

    with ThreadPoolExecutor(2) as pool:
        return [line for found in pool.map(one, lab.hosts.values()) for line in found]


def leaks(lab) -> list[str]:
    """What kmemleak knows of, told by each host."""
    def one(host):
        try:
            text = host.run(["sh"], input=_LEAKS, timeout=UNLOAD_SECONDS).stdout.strip()
        except LabError as err:
            return [f"host {host.name}: kmemleak does not answer: {err.brief}"]
        return [f"host {host.name}: {text}"] if text else []

    with ThreadPoolExecutor(2) as pool:
        return [line for found in pool.map(one, lab.hosts.values()) for line in found]
