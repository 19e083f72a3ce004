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


# Each program that a script starts costs a host 20 ms without KVM: these do with the shell alone.
_PFS = """
for d in /sys/bus/pci/drivers/iroce/*:*; do
	[ -e $d/sriov_totalvfs ] && echo ${d##*/}
done
:"""
_VFS = """
echo $2 > $1/sriov_numvfs || exit
n=0
while [ $n -lt $2 ] && cd -P $1/virtfn$n 2>/dev/null; do
	echo ${PWD##*/}
	n=$((n+1))
done
:"""
# A function is usable when its driver has registered both devices (and udev has renamed them).
_DEVICES = """
udevadm settle
tries=0
while [ $tries -lt 300 ]; do
	for net in $1/net/*; do :; done
	for rdma in $1/infiniband/*; do :; done
	[ -e $net ] && [ -e $rdma ] && echo ${net##*/} ${rdma##*/} && exit
	tries=$((tries+1))
	sleep 0.1
done
exit 1"""


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


# $TRIES: how often a module in use is asked to go.  Prints what has stayed.
UNLOAD = """
# sriov_disable() sleeps for a second: at all PFs at once.
for vfs in /sys/bus/pci/drivers/iroce/*/sriov_numvfs; do
	[ ! -e $vfs ] || echo 0 > $vfs &
done
wait
for module in ipsec_roce iroce ipsec_roce_engine bonding; do
	n=0
	while grep -q "^$module " /proc/modules && [ $n -lt $TRIES ]; do
		rmmod $module 2>/dev/null || sleep 0.2
		n=$((n+1))
	done
done
ip link set cable0 up; ip link set cable1 up
grep -E "^(ipsec_roce|ipsec_roce_engine|iroce|bonding) " /proc/modules
"""


def pfs(host) -> list[str]:
    return sorted(host.run(_PFS).stdout.split())


def make_vfs(host, pf: str, count: int) -> list[str]:
    """sriov_numvfs; returns the VFs' PCI addresses in order."""
    links = host.run(["sh", "-c", _VFS, "sh", f"/sys/bus/pci/devices/{pf}", str(count)],
                     timeout=120).stdout.split()
    if len(links) != count:
        raise LabError(f"host {host.name}: {pf} has {len(links)} VFs, {count} were asked for")
    return links


def devices(host, pci: str) -> Function:
    """Waits until the function's devices are there."""
    done = host.run(["sh", "-c", _DEVICES, "sh", f"/sys/bus/pci/devices/{pci}"], check=False, timeout=120)
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
tries=0
while [ $tries -lt 300 ]; do
	udevadm settle
	dev=$(rdma link | sed -n "s,^link \\([^/]*\\)/1 .* netdev $1 *$,\\1,p")
	[ -n "$dev" ] && [ -d /sys/class/infiniband/$dev ] && echo $dev && exit
	tries=$((tries+1))
	sleep 0.1
done
exit 1"""


def rdma_of(host, netdev: str) -> str:
    """Waits for the RDMA device of a network device: of a function, or of a bond of functions."""
    done = host.run(["sh", "-c", _RDMA_OF, "sh", netdev], check=False, timeout=120)
    if done.rc:
        raise LabError(f"host {host.name}: no RDMA device has the network device {netdev}")
    return done.stdout.strip()


# Tables have up to 1024 GIDs, many of which read as errors.
_GID = """
cd $1 || exit
tries=0
while [ $tries -lt 100 ]; do
	for file in $(grep -lx $2 gids/* 2>/dev/null); do
		read -r type < gid_attrs/types/${file#gids/} && [ "$type" = "RoCE v2" ] &&
			echo ${file#gids/} && exit
	done 2>/dev/null
	tries=$((tries+1))
	sleep 0.1
done
exit 1"""


def gid_index(host, rdmadev: str, ip: str) -> int:
    """Index of the RoCEv2 GID of an address; polls, for GIDs follow addresses a little later."""
    if ":" in ip:
        gid = ipaddress.ip_address(ip).exploded
    else:
        gid = "0000:0000:0000:0000:0000:ffff:%02x%02x:%02x%02x" % tuple(map(int, ip.split(".")))
    done = host.run(["sh", "-c", _GID, "sh", f"/sys/class/infiniband/{rdmadev}/ports/1", gid],
                    check=False, timeout=60)
    if done.rc:
        raise LabError(f"host {host.name}: {rdmadev} has no RoCEv2 GID for {ip}")
    return int(done.stdout)
