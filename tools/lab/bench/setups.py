# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The four set-ups that a bench compares, beside each other on the same two hosts.

          host a                                                  host b
    +----------------------+             cable 0            +----------------------+
    | iroce: VF 0 plain    |--------------------------------| VF 0 plain     iroce |
    |        VF 1 sealed   |                                | VF 1 sealed          |
    |                      |             cable 1            |                      |
    | rxe: address 1 plain |--------------------------------| address 1 plain  rxe |
    |      address 2 sealed|                                | address 2 sealed     |
    +----------------------+                                +----------------------+

Before anything is measured the captures prove what is sealed and what is not; then the captures
are taken away, for they cost time.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import secrets
import time
from collections.abc import Callable

from .. import adapter, judge
from ..config import LabError
from ..frames import Pcap
from ..labs import Lab
from ..perftest import End
from ..progress import Progress

MTUS = (1500, 9000)
PAYLOAD = {1500: 1024, 9000: 4096}	# the path MTU of RoCE that fits


@dataclasses.dataclass(frozen=True)
class SetUp:
    name: str
    sealed: bool
    is_iroce: bool
    net: int            # third byte of its addresses

    def ip(self, host: str) -> str:
        return f"192.168.{self.net}.{1 if host == 'a' else 2}"


SETUPS = (SetUp("iroce + ESP", True, True, 212), SetUp("rxe + ESP", True, False, 214),
          SetUp("iroce plain", False, True, 211), SetUp("rxe plain", False, False, 213))


def xfrm_script(local: str, peer: str, spi_out: int, spi_in: int, key_out: str, key_in: str,
                reqid: int, dev: str | None) -> str:
    """What a user types: two SAs and two policies, with or without packet offload."""
    offload = {d: f" offload packet dev {dev} dir {d}" if dev else "" for d in ("in", "out")}
    policy = f" offload packet dev {dev}" if dev else ""
    # An SA that says it is outbound has no window: the kernel refuses one.
    window = {"in": "replay-window 128 ", "out": "" if dev else "replay-window 128 "}
    lines = []
    for way, src, dst, spi, key in (("out", local, peer, spi_out, key_out),
                                    ("in", peer, local, spi_in, key_in)):
        lines.append(f"ip xfrm state add src {src} dst {dst} proto esp spi {spi:#x} "
                     f"reqid {reqid} mode transport flag esn {window[way]}"
                     f"aead 'rfc4106(gcm(aes))' 0x{key} 128{offload[way]}")
        lines.append(f"ip xfrm policy add src {src} dst {dst} dir {way} tmpl src {src} dst {dst} "
                     f"proto esp reqid {reqid} mode transport{policy}")
    return "\n".join(lines)


class Bench:
    """Two hosts with some of the set-ups on them."""

    def __init__(self, lab: Lab, progress: Progress, setups: tuple[SetUp, ...] = SETUPS):
        self.lab = lab
        self.progress = progress
        self.setups = setups
        self.ends: dict[str, dict[str, End]] = {s.name: {} for s in setups}
        self.netdevs: dict[str, list[str]] = {"a": [], "b": []}

    def prepare(self) -> None:
        has_rxe = any(not s.is_iroce for s in self.setups)
        what = "adapter on cable 0" + (", rxe on cable 1" if has_rxe else "")
        for host in self.lab.hosts.values():
            with self.progress.step(f"host {host.name}: {what}"):
                self._prepare_iroce(host)
                if has_rxe:
                    self._prepare_rxe(host)
        for setup in self.setups:
            if setup.sealed:
                self._protect(setup)
        for setup in self.setups:
            for host in self.lab.hosts.values():
                end = self.ends[setup.name][host.name]
                # Neighbours known, carrier up: nothing of that kind happens while measuring.
                host.run(f"ping -c1 -W5 {self.ends[setup.name][host.peer.name].ip}", timeout=30)
                self.netdevs[host.name] += [d for d in [netdev_of(host, end.ip)]
                                            if d not in self.netdevs[host.name]]

    def _prepare_iroce(self, host) -> None:
        pf = adapter.load(host, "cable0")[0]
        vfs = adapter.make_vfs(host, pf, 2)
        for setup in (s for s in self.setups if s.is_iroce):
            vf = adapter.devices(host, vfs[setup.sealed])
            host.run(f"ip link set {vf.netdev} up mtu {max(MTUS)} && "
                     f"ip addr add {setup.ip(host.name)}/24 dev {vf.netdev}")
            self._add_end(setup, host, vf.rdmadev)

    def _prepare_rxe(self, host) -> None:
        host.run("modprobe rdma_rxe && rdma link add rxe0 type rxe netdev cable1 && "
                 "ip link set cable1 up")
        for setup in (s for s in self.setups if not s.is_iroce):
            host.run(f"ip addr add {setup.ip(host.name)}/24 dev cable1")
            self._add_end(setup, host, "rxe0")

    def _add_end(self, setup: SetUp, host, rdmadev: str) -> None:
        ip = setup.ip(host.name)
        self.ends[setup.name][host.name] = End(host, rdmadev,
                                               adapter.gid_index(host, rdmadev, ip), ip)

    def _protect(self, setup: SetUp) -> None:
        keys = {"a": secrets.token_hex(20), "b": secrets.token_hex(20)}
        spis = {"a": setup.net << 8 | 1, "b": setup.net << 8 | 2}
        for host in self.lab.hosts.values():
            me, peer = host.name, host.peer.name
            dev = netdev_of(host, setup.ip(me)) if setup.is_iroce else None
            # Through standard input: a command that fails is printed, keys must not be.
            host.run(["sh", "-e"], input=xfrm_script(
                setup.ip(me), setup.ip(peer), spis[me], spis[peer], keys[me], keys[peer],
                setup.net, dev))

    def set_mtu(self, mtu: int) -> None:
        for name, host in self.lab.hosts.items():
            for dev in self.netdevs[name]:
                host.run(f"ip link set {dev} mtu {mtu}")
            # rxe changes its active MTU with the netdev; wait for the address's GID, too.
        for setup in self.setups:
            for host in self.lab.hosts.values():
                self._add_end(setup, host, self.ends[setup.name][host.name].dev)

    # -- what the cables show

    def prove(self, send_a_little: Callable[[SetUp], object]) -> None:
        """Each set-up once, captured: the sealed ones only in ESP, the plain ones in clear."""
        sas = []
        for host in self.lab.hosts.values():
            sas += judge.sas_from_xfrm(host.run("ip xfrm state").stdout)
        for setup in self.setups:
            pcap = Pcap(self.lab.pcap(0 if setup.is_iroce else 1))
            pcap.skip()
            send_a_little(setup)
            report = judge.examine(list(pcap.read()), sas)
            if setup.sealed:
                report.check_sealed_roce(at_least=5)
            elif not report.clear_roce or report.wrong_icrc:
                raise judge.Guilty(f"{setup.name}: {len(report.clear_roce)} RoCE frames in clear, "
                                   f"{len(report.wrong_icrc)} with a wrong ICRC")

    def drop_captures(self) -> None:
        for host in self.lab.hosts.values():
            for obj in host.qmp("qom-list", path="/objects"):
                if "filter-dump" in obj["type"]:
                    host.qmp("object-del", id=obj["name"])


def netdev_of(host, ip: str) -> str:
    for link in json.loads(host.run("ip -j addr").stdout):
        if any(a.get("local") == ip for a in link.get("addr_info", ())):
            return link["ifname"]
    raise LabError(f"host {host.name}: no interface has address {ip}")


def environment(lab: Lab) -> dict:
    """What the figures were measured on."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        model = next((ln.split(":")[1].strip() for ln in info if ln.startswith("model name")), "")
    version = lab.a.qmp("query-version")["qemu"]
    return {"qemu": ".".join(str(version[k]) for k in ("major", "minor", "micro")),
            "cpu": model, "machine": platform.machine(),
            "guest_kernel": lab.a.run("uname -r").stdout.strip(),
            "guest_cpus": int(lab.a.run("nproc").stdout), "when": time.strftime("%F %T %z")}
