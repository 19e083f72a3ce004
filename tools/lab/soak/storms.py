# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Storms: programs and scripts that do to a host for a while what nobody should.

Each is a shell script with $SEED, $SECONDS_ and what the scenario wrote about the host ($RDMADEV ..);
it ends by itself and its exit status means nothing.  What it may break, the end of the round puts
in order by unloading everything.
"""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "/tmp/soak"

# r N: a number below N in $R, from $SEED.  goes_on: is there time left?
_HEAD = f"""
. /run/roce-ipsec-lab.env
r() {{ SEED=$(((SEED * 1103515245 + 12345) & 0x7fffffff)); R=$(((SEED >> 8) % $1)); }}
up() {{ read -r t _ < /proc/uptime; echo ${{t%.*}}; }}
END=$(($(up) + SECONDS_))
goes_on() {{ read -r t _ < /proc/uptime; [ ${{t%.*}} -lt $END ]; }}
functions() {{ for d in /sys/bus/pci/drivers/iroce/*:*; do [ -e $d ] && echo ${{d##*/}}; done; }}
one() {{ set -- $(functions); [ $# -gt 0 ] || return; r $#; shift $R; echo $1; }}
netdev() {{ for n in /sys/bus/pci/devices/$1/net/*; do [ -e $n ] && echo ${{n##*/}}; done; }}
cd {FOLDER}
exec 2>/dev/null
"""


@dataclass(frozen=True)
class Storm:
    name: str
    what: str
    script: str
    scenarios: tuple[str, ...] = ()		# empty: in each

    def command(self, seed: int, seconds: int) -> str:
        return f"SEED={seed} SECONDS_={seconds}\n{_HEAD}{self.script}"


def _verbs(prefix: str) -> str:
    """Ten seconds at a time: a process that one of its own threads has ended is followed by another."""
    return f"""
while goes_on; do
	r 1000000
	{prefix} ./storm_verbs -d $RDMADEV -g $GIDX -s 8 -t 4 -r $R || sleep 0.5
done"""


# Traffic is no storm of its own: it goes on beside all the others, and what becomes of it is no finding.
TRAFFIC_SERVER = """
while goes_on; do
	timeout 15 ib_send_bw -d $RDMADEV -x $GIDX -D 3 -s 4096 || sleep 0.3
done"""
TRAFFIC_CLIENT = """
ping -q -i 0.02 -w $SECONDS_ $PEER_IP > /dev/null &
while goes_on; do
	timeout 15 ib_send_bw -d $RDMADEV -x $GIDX -D 3 -s 4096 $PEER_IP || sleep 0.3
done
wait"""

STORMS = (
    Storm("verbs", "verbs, by users, with four threads each", """
chmod 666 /dev/infiniband/uverbs*
for user in 1000 1001; do
	(SEED=$((SEED + user)); """ + _verbs("setpriv --reuid $user --regid $user --clear-groups") + """) &
done
wait"""),
    Storm("verbs-fail", "verbs, with allocations that fail", _verbs("./failing")),
    Storm("netlink", "xfrm, devlink, ethtool, nldev, rtnetlink", """
while goes_on; do
	r 1000000
	python3 storm_nl.py 8 $R || sleep 0.5
done"""),
    Storm("netlink-fail", "the same, with allocations that fail", """
while goes_on; do
	r 1000000
	./failing python3 storm_nl.py 8 $R || sleep 0.5
done"""),
    Storm("unbind", "drivers leave their functions, VFs come and go", """
while goes_on; do
	r 8
	case $R in
	0)	pf=$(for d in /sys/bus/pci/drivers/iroce/*/sriov_numvfs; do echo $d; done | head -1)
		r 4; n=$R; echo 0 > $pf; echo $n > $pf ;;
	*)	f=$(one); [ "$f" ] || { sleep 0.2; continue; }
		echo $f > /sys/bus/pci/drivers/iroce/unbind
		r 3; [ $R = 0 ] && sleep 0.5
		echo $f > /sys/bus/pci/drivers/iroce/bind ;;
	esac
	r 10; sleep 0.$R
	n=$(netdev $f); [ "$n" ] && ip link set $n up && ip addr add $LOCAL_IP/24 dev $n
done"""),
    Storm("unbind-fail", "the same, with allocations that fail", """
while goes_on; do
	f=$(one); [ "$f" ] || { sleep 0.2; continue; }
	./failing sh -c "echo $f > /sys/bus/pci/drivers/iroce/unbind; echo $f > /sys/bus/pci/drivers/iroce/bind"
	echo $f > /sys/bus/pci/drivers/iroce/bind
	n=$(netdev $f); [ "$n" ] && ./failing ip link set $n up && ip addr add $LOCAL_IP/24 dev $n
	r 10; sleep 0.$R
done"""),
    Storm("netns", "functions move to other namespaces, which go", """
while goes_on; do
	f=$(one); n=$(netdev $f); [ "$n" ] || { sleep 0.2; continue; }
	ip netns add pod
	ip link set $n netns pod
	ip -n pod link set $n up; ip -n pod addr add $LOCAL_IP/24 dev $n
	ip netns exec pod ip xfrm policy add src $LOCAL_IP dst $PEER_IP dir out offload packet dev $n \\
		tmpl src $LOCAL_IP dst $PEER_IP proto esp mode transport
	ip netns exec pod ping -q -c 3 -i 0.05 -W 1 $PEER_IP > /dev/null
	r 3; [ $R = 0 ] && ip -n pod link set $n netns 1
	ip netns del pod
	r 10; sleep 0.$R
done"""),
    Storm("bond", "ports join, leave, lose their carrier, modes change", """
while goes_on; do
	for port in $PORT $PORT1; do
		r 7
		case $R in
		0|1)	ip link set $port nomaster ;;
		2|3)	ip link set $port down; ip link set $port master bond0 ;;
		4)	ip link set $port down; ip link set $port up ;;
		5)	ip link set bond0 type bond active_slave $port ;;
		6)	ip link set $port address 02:00:00:00:0$R:01 ;;
		esac
	done
	r 20
	case $R in
	0)	ip link set bond0 down; ip link set bond0 type bond mode active-backup; ip link set bond0 up ;;
	1)	ip link set bond0 down; ip link set bond0 type bond mode balance-xor; ip link set bond0 up ;;
	2)	ethtool -K bond0 esp-hw-offload off; ethtool -K bond0 esp-hw-offload on ;;
	3)	ip link set bond0 down; ip link set bond0 up ;;
	esac
	r 10; sleep 0.$R
done""", ("bond", "bond-plain", "adapters")),
    Storm("rekey", "SAs and policies come and go by the hundred", """
esp() { echo "xfrm state $1 src $2 dst $3 proto esp spi $4 reqid $4 mode transport aead rfc4106(gcm(aes)) \\
0x0123456789012345678901234567890123456789 128 flag esn replay-window 128 sel src $2 dst $3 \\
offload packet dev $NETDEV dir $5"; }
while goes_on; do
	for i in 1 2 3 4 5 6 7 8; do
		r 64; spi=$((R + 4096))
		r 3
		case $R in
		0)	esp add $LOCAL_IP $PEER_IP $spi out; esp add $PEER_IP $LOCAL_IP $spi in ;;
		1)	echo "xfrm state delete src $LOCAL_IP dst $PEER_IP proto esp spi $spi"
			echo "xfrm state delete src $PEER_IP dst $LOCAL_IP proto esp spi $spi" ;;
		2)	echo "xfrm policy update src $LOCAL_IP dst $PEER_IP dir out offload packet dev $NETDEV \\
tmpl src $LOCAL_IP dst $PEER_IP proto esp reqid $spi mode transport"
			echo "xfrm policy delete src $LOCAL_IP dst $PEER_IP dir out" ;;
		esac
	done | ip -force -batch -
	r 40; [ $R = 0 ] && ip xfrm state flush
done"""),
    Storm("look", "everybody who looks: counters, tables, dumps", """
while goes_on; do
	ethtool -S $NETDEV; ethtool -i $NETDEV; ip -s xfrm state; ip xfrm policy; rdma statistic
	rdma resource show qp; devlink dev show; devlink port show; ip -d -s link
	cat /sys/class/infiniband/*/ports/1/gids/[0-3] /sys/class/infiniband/*/ports/1/hw_counters/*
	cat /proc/net/xfrm_stat /proc/net/bonding/*
	r 3; sleep 0.$R
done > /dev/null"""),
    Storm("tc", "the switch inside gets another mode, rules come and go", """
pf=$(for d in /sys/bus/pci/drivers/iroce/*/sriov_numvfs; do d=${d%/*}; echo ${d##*/}; done | head -1)
while goes_on; do
	n=$(netdev $pf); [ "$n" ] || { sleep 0.2; continue; }
	r 6
	case $R in
	0)	devlink dev eswitch set pci/$pf mode switchdev ;;
	1)	devlink dev eswitch set pci/$pf mode legacy ;;
	2)	tc qdisc add dev $NETDEV clsact
		tc filter add dev $NETDEV egress matchall action drop ;;
	3)	tc qdisc del dev $NETDEV clsact ;;
	4)	ip link set $n vf 0 trust on spoofchk off; ip link set $n vf 0 mac 02:00:00:00:00:0$R ;;
	5)	ip link set $n mtu 1500; ip link set $n mtu 9000 ;;
	esac
	r 10; sleep 0.$R
done"""),
)

# Whose allocations fail is said by task: its program is started with it, and may not even come up.
FAILING = """#!/bin/sh
echo 1 > /proc/self/make-it-fail
exec "$@"
"""
FAIL_SETUP = """
for what in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$what || exit 0
	echo Y > task-filter; echo $1 > probability; echo 1 > interval; echo -1 > times
	echo 0 > space; echo 0 > verbose
	for f in ignore-gfp-wait ignore-gfp-highmem; do [ -e $f ] && echo N > $f; done
	[ -e min-order ] && echo 0 > min-order
done
exit 0"""


def by_name(name: str) -> Storm | None:
    return next((storm for storm in STORMS if storm.name == name), None)


def possible(scenario: str) -> list[Storm]:
    return [storm for storm in STORMS if not storm.scenarios or scenario in storm.scenarios]
