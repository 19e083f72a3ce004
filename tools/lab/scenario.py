# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Brings the hosts of a lab from booted to ready for a scenario.

    port 0: 192.168.200.1 -- cable 0 -- 192.168.200.2      fd00:200::1, ::2
    port 1: 192.168.201.1 -- cable 1 -- 192.168.201.2      fd00:201::1, ::2

vf      iroce on both cables, one VF per port with these addresses
ipsec   the same, each VF protected towards its peer by roce-ipsec-setup
rxe     host a as ipsec; host b has rdma_rxe on the cables themselves and software xfrm
bond    the two VFs are ports of bond0 (balance-xor, layer3+4), protected by roce-ipsec-setup:

            bond0: 192.168.202.1, fd00:202::1 -- cables 0 and 1 -- 192.168.202.2, fd00:202::2

bond-plain  the same, not protected: for SAs that are typed by hand

adapters  as bond-plain, but each cable has an adapter of its own: they count SAs by themselves

What a host got is in its /run/roce-ipsec-lab.env: NETDEV RDMADEV GIDX GIDX6 LOCAL_IP PEER_IP
LOCAL_IP6 PEER_IP6 for port 0, and the same names with 1 behind them (NETDEV1 ...) for port 1.
In bond, all of these are the bond's, which has one RDMA device, and PORT PORT1 are its ports; in
adapters each port has its RDMA device, RDMADEV and RDMADEV1.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from . import adapter, judge
from .config import CABLES, LabError

KEY_FILE = "/etc/roce-ipsec-lab.key"
PREFIX4, PREFIX6 = 24, 64
RXE_REPLAY_WINDOW = 128
RXE_PRIORITY = 100
BOND, BOND_NET = "bond0", 2
BONDS = ("bond", "bond-plain", "adapters")
PLAIN = ("vf", "bond-plain", "adapters")

_ADDRESS = '''
set -e
dev=$1 mtu=$2; shift 2
ip link set dev $dev mtu $mtu up
for addr in "$@"; do
	case $addr in *:*) ip addr replace $addr dev $dev nodad;; *) ip addr replace $addr dev $dev;; esac
done'''


def address(host: str, port: int, six: bool = False) -> str:
    number = 1 if host == "a" else 2
    return f"fd00:20{port}::{number}" if six else f"192.168.20{port}.{number}"


# Who may not use its link-local address yet asks for no neighbour; a queue pair's connecting waits
# for one for a second (ib_resolve_unicast_gid_dmac()) and fails.
_IPV6_IS_READY = """
for i in $(seq 200); do
	[ "$(ip -6 addr show tentative)" ] || exit 0
	sleep 0.1
done
exit 1"""


def wait_ipv6(host) -> None:
    """Until the host has found its IPv6 addresses to be nobody else's (RFC 4862, section 5.4)."""
    if host.run(_IPV6_IS_READY, check=False).rc:
        raise LabError(f"host {host.name}: IPv6 addresses are still tentative:\n"
                       + host.run("ip -6 addr show tentative", check=False).output)


def prepare(lab, progress) -> None:
    if lab.scenario == "bare":
        return
    _prepare(lab, progress)
    # After all else: the kernel looks meanwhile.
    _on_both(lab, wait_ipv6)


def _prepare(lab, progress) -> None:
    stock = lab.b if lab.scenario == "rxe" else None
    if lab.scenario in BONDS:
        with progress.step("bonding the VFs"):
            _on_both(lab, _devices_bond)
    else:
        with progress.step("bringing up the RDMA devices"):
            _on_both(lab, lambda host: (_devices_rxe if host is stock else devices_iroce)(host))
    if lab.scenario in PLAIN:
        return
    with progress.step("protecting the traffic"):
        lab.a.run(["roce-ipsec-setup", "genkey", KEY_FILE])
        if stock:
            _protect(lab.a)
            _protect_rxe(lab.a, stock)
        else:
            lab.b.write(KEY_FILE, lab.a.read(KEY_FILE), mode=0o600)
            _on_both(lab, _protect)


def _on_both(lab, call) -> None:
    """Both hosts at once; the first error counts, and so does Ctrl-C: the other host is not
    waited for, its command ends with the host."""
    pool = ThreadPoolExecutor(max_workers=len(lab.hosts))
    try:
        for job in [pool.submit(call, host) for host in lab.hosts.values()]:
            job.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _vfs(host) -> list[adapter.Function]:
    between = "/" if host.lab.scenario == "adapters" else ","
    pfs = adapter.load(host, between.join(f"cable{c}" for c in CABLES))
    if len(pfs) != len(CABLES):
        raise LabError(f"host {host.name}: iroce has {len(pfs)} PFs instead of {len(CABLES)}")
    return [adapter.devices(host, adapter.make_vfs(host, pf, 1)[0]) for pf in pfs]


def devices_iroce(host) -> None:
    """An adapter for the cables with a VF a port, addressed, in the host's env."""
    values: dict[str, object] = {}
    for port, vf in enumerate(_vfs(host)):
        values |= _port(host, port, vf.netdev, vf.rdmadev)
    host.set_env(values)


def _devices_bond(host) -> None:
    vfs = _vfs(host)
    host.run("modprobe ipsec_roce")
    adapter.make_bond(host, BOND, [vf.netdev for vf in vfs])
    ip, ip6 = address(host.name, BOND_NET), address(host.name, BOND_NET, six=True)
    peer = host.peer.name
    host.run(["sh", "-c", _ADDRESS, "sh", BOND, str(host.lab.mtu), f"{ip}/{PREFIX4}",
              f"{ip6}/{PREFIX6}"])
    devs = [vf.rdmadev for vf in vfs] if host.lab.scenario == "adapters" else \
        [adapter.rdma_of(host, BOND)]
    rdma = {f"{name}{port or ''}": value for port, dev in enumerate(devs) for name, value in
            (("RDMADEV", dev), ("GIDX", adapter.gid_index(host, dev, ip)),
             ("GIDX6", adapter.gid_index(host, dev, ip6)))}
    host.set_env({"NETDEV": BOND, **rdma, "LOCAL_IP": ip, "PEER_IP": address(peer, BOND_NET),
                  "LOCAL_IP6": ip6, "PEER_IP6": address(peer, BOND_NET, six=True),
                  **{f"PORT{n or ''}": vf.netdev for n, vf in enumerate(vfs)}})


def _devices_rxe(host) -> None:
    host.run("modprobe rdma_rxe")
    values: dict[str, object] = {}
    for port in CABLES:
        host.run(f"rdma link add rxe{port} type rxe netdev cable{port}")
        values |= _port(host, port, f"cable{port}", f"rxe{port}")
    host.set_env(values)


def _port(host, port: int, netdev: str, rdmadev: str) -> dict[str, object]:
    """Addresses a port's device; returns its part of the host's env."""
    ip, ip6 = address(host.name, port), address(host.name, port, six=True)
    peer = host.peer.name
    host.run(["sh", "-c", _ADDRESS, "sh", netdev, str(host.lab.mtu), f"{ip}/{PREFIX4}",
              f"{ip6}/{PREFIX6}"])
    values = {"NETDEV": netdev, "RDMADEV": rdmadev,
              "GIDX": adapter.gid_index(host, rdmadev, ip),
              "GIDX6": adapter.gid_index(host, rdmadev, ip6),
              "LOCAL_IP": ip, "PEER_IP": address(peer, port),
              "LOCAL_IP6": ip6, "PEER_IP6": address(peer, port, six=True)}
    return {f"{name}{port or ''}": value for name, value in values.items()}


def _protect(host) -> None:
    ports = (0,) if host.lab.scenario in BONDS else CABLES
    for port in ports:
        for six in ("", "6"):
            host.run(["roce-ipsec-setup", "up", "--dev", host.env[f"NETDEV{port or ''}"],
                      "--peer", host.env[f"PEER_IP{six}{port or ''}"], "--key-file", KEY_FILE])


def _protect_rxe(host, stock) -> None:
    """The same SAs in software, read from the kernel that has them offloaded; keys not in argv."""
    lines = []
    for sa in judge.sas_from_xfrm(host.run("ip xfrm state").stdout):
        ends = f"src {sa.src} dst {sa.dst}"
        lines.append(f"xfrm state add {ends} proto esp spi {sa.spi:#x} reqid {sa.spi} "
                     f"mode transport aead rfc4106(gcm(aes)) 0x{sa.key.hex()} 128 "
                     f"replay-window {RXE_REPLAY_WINDOW} flag esn sel {ends}")
        is_out = sa.dst in (host.env[k] for k in host.env if k.startswith("LOCAL_IP"))
        lines.append(f"xfrm policy add {ends} dir {'out' if is_out else 'in'} "
                     f"priority {RXE_PRIORITY} tmpl {ends} proto esp reqid {sa.spi} "
                     "mode transport")
    stock.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
