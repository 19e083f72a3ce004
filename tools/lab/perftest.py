# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs the RDMA programs that everybody has between two hosts and reads what they print.

perftest (ib_write_bw ..), ibv_*_pingpong, rping, ucmatose: all of them are a server on one host
and a client on the other, and differ in how one says so.
"""

from __future__ import annotations

import dataclasses
import re

from .config import LabError
from .host import listening, patient

PERFTEST_PORT = 18515
PINGPONG_PORT = 18515
RPING_PORT = 7174
UCMATOSE_PORT = 7471


class ToolFailed(AssertionError):
    """A program of the pair failed; the text has what both printed."""


@dataclasses.dataclass(frozen=True)
class End:
    """A host's part: its RDMA device, the GID's index there, and the address that GID is.

    tcp: where the programs' own TCP connection goes if not to ip: the pingpongs listen on IPv4 only.
    """

    host: object
    dev: str
    gidx: int
    ip: str
    tcp: str = ""


@dataclasses.dataclass
class Pair:
    """What both ends printed."""

    server: str
    client: str


def run_pair(server: End, client: End, server_cmd: list[str], client_cmd: list[str],
             port: int, timeout: float = 60, is_cm: bool = False) -> Pair:
    """Starts the server, waits until it listens, runs the client; both must exit with 0."""
    # RDMA CM's listeners are in no table of ports.
    look = patient(f"rdma resource show cm_id | grep -q 'state LISTEN.*:{port} '") if is_cm else \
        listening(port)
    with server.host.spawn(server_cmd) as proc:
        try:
            server.host.wait_listener(look, f"port {port}", timeout, proc)
        except LabError as err:
            raise ToolFailed(f"{err}: {' '.join(server_cmd)}\n"
                             f"{proc.stdout}{proc.stderr}") from err
        done = client.host.run(client_cmd, check=False, timeout=timeout)
        if done.rc:
            # Whatever the server has to say to it comes soon or never.
            proc.kill()
            there = proc.wait(timeout=10)
            raise ToolFailed(
                f"host {client.host.name}: {' '.join(client_cmd)} exits with {done.rc}\n"
                f"{done.stdout}{done.stderr}\n"
                f"host {server.host.name}: {' '.join(server_cmd)}\n{there.stdout}{there.stderr}")
        there = proc.wait(timeout=timeout)
    if there.rc:
        raise ToolFailed(f"host {server.host.name}: {' '.join(server_cmd)} exits with {there.rc}\n"
                         f"{there.stdout}{there.stderr}")
    return Pair(there.stdout + there.stderr, done.stdout + done.stderr)


def pingpong(server: End, client: End, kind: str = "rc", size: int = 4096, iters: int = 100,
             check: bool = True, mtu: int | None = None, timeout: float = 60) -> Pair:
    """ibv_{rc,ud,uc,srq}_pingpong; check: with -c, both sides validate the data."""
    name = f"ibv_{kind}_pingpong"
    more = ["-s", str(size), "-n", str(iters)] + (["-c"] if check else [])
    if mtu and kind != "ud":
        more += ["-m", str(mtu)]

    def cmd(end: End) -> list[str]:
        return [name, "-d", end.dev, "-g", str(end.gidx), *more]

    return run_pair(server, client, cmd(server), [*cmd(client), server.tcp or server.ip],
                    PINGPONG_PORT, timeout)


@dataclasses.dataclass
class Bandwidth:
    size: int
    iters: int
    gbits: float
    mpps: float


@dataclasses.dataclass
class Latency:
    size: int
    iters: int
    typical: float      # microseconds
    least: float
    p99: float


# Local ACK timeout, 4.096 us << 18 = 1.07 s. With perftest's own 14 (67 ms) an emulated host that
# stands still for a moment makes rdma_rxe retransmit, and for a message that was acknowledged as a
# whole but is not completed yet its requester then sends an empty SEND ONLY with the next PSN
# (req_retry() with comp.psn past the WQE's last_psn): the messages shift, IBV_WC_LOC_LEN_ERR.
QP_TIMEOUT = 18


def _perftest_cmd(tool: str, end: End, size: int, iters: int, more: list[str]) -> list[str]:
    return [tool, "-d", end.dev, "-x", str(end.gidx), "-F", "-s", str(size), "-n", str(iters),
            "-u", str(QP_TIMEOUT), *more]


def perftest(tool: str, server: End, client: End, size: int, iters: int,
             more: list[str] | None = None, timeout: float = 120) -> Pair:
    more = list(more or [])
    if ":" in server.ip:
        more.append("--ipv6-addr")
    if tool.endswith("_bw"):
        more.append("--report_gbits")
    return run_pair(server, client, _perftest_cmd(tool, server, size, iters, more),
                    [*_perftest_cmd(tool, client, size, iters, more), server.ip], PERFTEST_PORT,
                    timeout)


def _row(tool: str, text: str, size: int) -> list[str]:
    """The last line of figures for that size."""
    rows = [line.split() for line in text.splitlines() if re.match(rf"\s*{size}\s+\d+\s", line)]
    if not rows:
        raise ToolFailed(f"{tool} printed no result\n{text}")
    return rows[-1]


def bandwidth(tool: str, server: End, client: End, size: int = 65536, iters: int = 300,
              more: list[str] | None = None, timeout: float = 120) -> Bandwidth:
    """ib_{write,send,read}_bw; the average over the run."""
    row = _row(tool, perftest(tool, server, client, size, iters, more, timeout).client, size)
    return Bandwidth(int(row[0]), int(row[1]), float(row[3]), float(row[4]))


def latency(tool: str, server: End, client: End, size: int = 8, iters: int = 500,
            more: list[str] | None = None, timeout: float = 120) -> Latency:
    """ib_{write,send,read}_lat; half of a round trip for write and send."""
    row = _row(tool, perftest(tool, server, client, size, iters, more, timeout).client, size)
    # bytes iterations min max typical average stdev 99% 99.9%
    return Latency(int(row[0]), int(row[1]), float(row[4]), float(row[2]), float(row[7]))


def rping(server: End, client: End, iters: int = 10, size: int = 256, timeout: float = 60) -> Pair:
    """RDMA CM, sends, reads and writes; -V compares the data."""
    return run_pair(server, client,
                    ["rping", "-s", "-a", server.ip, "-V", "-C", str(iters), "-S", str(size)],
                    ["rping", "-c", "-a", server.ip, "-V", "-C", str(iters), "-S", str(size)],
                    RPING_PORT, timeout, is_cm=True)


def ucmatose(server: End, client: End, conns: int = 2, msgs: int = 10, size: int = 100,
             timeout: float = 60) -> Pair:
    """RDMA CM connections with sends; each side says so if one is missing."""
    more = ["-c", str(conns), "-C", str(msgs), "-S", str(size)]
    if ":" in server.ip:
        more += ["-f", "ip6"]
    pair = run_pair(server, client, ["ucmatose", "-b", server.ip, *more],
                    ["ucmatose", "-s", server.ip, "-b", client.ip, *more],
                    UCMATOSE_PORT, timeout, is_cm=True)
    for text in (pair.server, pair.client):
        # It exits with 0 in some failures, but then it does not say this.
        if "test complete" not in text or "return status 0" not in text:
            raise ToolFailed(f"ucmatose\n{pair.server}\n{pair.client}")
    return pair
