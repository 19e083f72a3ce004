# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts what a host executes, exactly and from outside.

With `-icount` QEMU counts every instruction of a guest; its monitor tells the number
(query-replay), with nothing in the guest that would have to be taken away again.  An idle CPU
executes nothing, so idle time is not in it.  While a CPU runs the number lags by up to a time
slice, so it is read when both hosts are at rest.

What a host does of itself (timers, work queues) is measured once and taken away by the time that
a measurement lasts.  What starts a run, ends it and tells about it is in every run: of two lengths
of run the difference has none of it.

How many packets an interrupt brings depends on how fast the two QEMUs happen to run, and so did
the cost of a packet (by up to 15 % beside a load).  So while something is measured the cables
deliver what has come once in BATCH_US of the receiving host's time, all at once, as a NIC that
moderates its interrupts does (QEMU's filter-buffer): in that time any machine gets to the end of a
window.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time

from ..config import CABLES, LabError

BATCH_US = 5000
LOOK_SECONDS = 0.02
REST_RATE = 10e6		# instructions a second: more than a host's own doings, far below a run's
REST_TIMEOUT = 20


@dataclasses.dataclass(frozen=True)
class Reading:
    when: float
    counts: dict[str, int]

    def __sub__(self, other: Reading) -> Reading:
        return Reading(self.when - other.when,
                       {h: n - other.counts[h] for h, n in self.counts.items()})


class Meter:
    """Of a lab that was started with icount."""

    def __init__(self, lab):
        self.lab = lab
        self.own_rate: dict[str, float] = {}	# instructions a second, with nothing to do

    @contextlib.contextmanager
    def batches(self):
        """While the block runs both cables deliver in batches."""
        names = [(host, cable) for host in self.lab.hosts.values() for cable in CABLES]
        with contextlib.ExitStack() as stack:
            for host, cable in names:
                # "tx": what the netdev, the outside, transmits to the guest.
                host.qmp("object-add", **{"qom-type": "filter-buffer", "id": f"batch{cable}",
                                          "netdev": f"cable{cable}", "queue": "tx",
                                          "interval": BATCH_US})
                stack.callback(host.qmp, "object-del", id=f"batch{cable}")
            yield

    def read(self) -> Reading:
        return Reading(time.monotonic(), {name: host.qmp("query-replay")["icount"]
                                          for name, host in self.lab.hosts.items()})

    def rest(self) -> Reading:
        """Waits until neither host has anything to do."""
        end = time.monotonic() + REST_TIMEOUT
        last = self.read()
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            now = self.read()
            step = now - last
            if max(step.counts.values()) < REST_RATE * step.when:
                return now
            last = now
        raise LabError(f"the hosts do not come to rest in {REST_TIMEOUT} s")

    def learn_own_rate(self, looks: int = 3, seconds: float = 0.2) -> None:
        """What the hosts execute when nobody asks for anything: the least of all looks so far.

        A look at which a host happens to do something once would spoil a whole round.
        """
        for _ in range(looks):
            begin = self.rest()
            time.sleep(seconds)
            step = self.read() - begin
            for host, count in step.counts.items():
                rate = count / step.when
                self.own_rate[host] = min(self.own_rate.get(host, rate), rate)

    def cost(self, action) -> dict[str, float]:
        """Host -> instructions that action() makes it execute."""
        begin = self.rest()
        action()
        step = self.rest() - begin
        return {h: n - self.own_rate.get(h, 0) * step.when for h, n in step.counts.items()}
