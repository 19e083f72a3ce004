# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The software adapter in a host, as an operator handles it: load, make VFs, find their devices.

For tests and the bench, which want other adapters than the scenarios have.
"""

from __future__ import annotations

import dataclasses
import ipaddress

from .config import LabError


@dataclasses.dataclass(frozen=True)
class Function:
    """A PF or VF: its PCI address, network device and RDMA device."""

    pci: str
    netdev: str
    rdmadev: str


_PFS = ("for d in /sys/bus/pci/drivers/iroce/*:*; do "
        "if [ -e $d/sriov_totalvfs ]; then basename $d; fi; done")
# A function is usable when its driver has registered both devices (and udev has renamed them).
_DEVICES = '''
udevadm settle
for i in $(seq 300); do
	net=$(ls /sys/bus/pci/devices/$1/net 2>/dev/null)
	rdma=$(ls /sys/bus/pci/devices/$1/infiniband 2>/dev/null)
	[ -n "$net" ] && [ -n "$rdma" ] && echo $net $rdma && exit
	sleep 0.1
done
exit 1'''


def load(host, cables: str = "cable0", module: str | None = None) -> list[str]:
    """Loads iroce (or the given .ko in the host); returns the PFs' PCI addresses in order."""
    if module:
        # What modprobe would have done for it.
        host.run("modprobe rdmavt; modprobe ib_core; modprobe ib_uverbs; modprobe rdma_ucm; "
                 "modprobe ipsec_roce_engine; "
                 f"insmod {module} cables={cables}", timeout=60)
    else:
        host.run(f"modprobe iroce cables={cables}", timeout=60)
    return pfs(host)


def pfs(host) -> list[str]:
    return sorted(host.run(_PFS).stdout.split())


def make_vfs(host, pf: str, count: int) -> list[str]:
    """sriov_numvfs; returns the VFs' PCI addresses in order."""
    host.run(f"echo {count} > /sys/bus/pci/devices/{pf}/sriov_numvfs", timeout=120)
    links = host.run(f"cd /sys/bus/pci/devices/{pf}; for n in $(seq 0 {count - 1}); do "
                     "basename $(readlink virtfn$n); done").stdout.split()
    if len(links) != count:
        raise LabError(f"host {host.name}: {pf} has {len(links)} VFs, {count} were asked for")
    return links


def devices(host, pci: str) -> Function:
    """Waits until the function's devices are there."""
    done = host.run(["sh", "-c", _DEVICES, "sh", pci], check=False, timeout=120)
    if done.rc:
        raise LabError(f"host {host.name}: function {pci} has no network or RDMA device")
    netdev, rdmadev = done.stdout.split()
    return Function(pci, netdev, rdmadev)


_BOND = """
set -e
bond=$1 mode=$2 miimon=$3 more=$4; shift 4
# By itself it would make a bond0 of its own.
modprobe bonding max_bonds=0
ip link add $bond type bond mode $mode xmit_hash_policy layer3+4 miimon $miimon $more
for port in "$@"; do ip link set $port down; ip link set $port master $bond; done
# Not there without the helper, which takes a bond a moment after it has appeared.
for i in $(seq 50); do
	ethtool -K $bond esp-hw-offload on 2>/dev/null || true
	ethtool -k $bond | grep -q "esp-hw-offload: on" && break
	sleep 0.1
done
ip link set $bond up"""


def make_bond(host, name: str, ports: list[str], mode: str = "balance-xor", miimon: int = 100,
              more: str = "") -> None:
    """A bond of network devices, its IPsec offload switched on if there is one; no address.

    more: further options of `ip link add type bond`.
    """
    host.run(["sh", "-c", _BOND, "sh", name, mode, str(miimon), more, *ports], timeout=60)


# Two functions of one adapter give up their own RDMA devices for the bond's, a moment later.
_RDMA_OF = """
for i in $(seq 300); do
	udevadm settle
	dev=$(rdma link | sed -n "s,^link \\([^/]*\\)/1 .* netdev $1 *$,\\1,p")
	[ -n "$dev" ] && [ -d /sys/class/infiniband/$dev ] && echo $dev && exit
	sleep 0.1
done
exit 1"""


def rdma_of(host, netdev: str) -> str:
    """Waits for the RDMA device of a network device: of a function, or of a bond of functions."""
    done = host.run(["sh", "-c", _RDMA_OF, "sh", netdev], check=False, timeout=120)
    if done.rc:
        raise LabError(f"host {host.name}: no RDMA device has the network device {netdev}")
    return done.stdout.strip()


def gid_index(host, rdmadev: str, ip: str) -> int:
    """Index of the RoCEv2 GID of an address; polls, for GIDs follow addresses a little later."""
    if ":" in ip:
        gid = ipaddress.ip_address(ip).exploded
    else:
        gid = "0000:0000:0000:0000:0000:ffff:%02x%02x:%02x%02x" % tuple(map(int, ip.split(".")))
    script = (f'cd /sys/class/infiniband/{rdmadev}/ports/1; for i in $(seq 100); do '
              f'for f in $(grep -lx {gid} gids/* 2>/dev/null); do n=${{f#gids/}}; '
              f'grep -q "RoCE v2" gid_attrs/types/$n 2>/dev/null && echo $n && exit; done; '
              f'sleep 0.1; done; exit 1')
    done = host.run(script, check=False, timeout=60)
    if done.rc:
        raise LabError(f"host {host.name}: {rdmadev} has no RoCEv2 GID for {ip}")
    return int(done.stdout)
