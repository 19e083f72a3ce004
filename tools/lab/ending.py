# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Does a host come to rest?  A kernel that loops, or waits for ever, says nothing on its console.

Asked before a host is switched off: all its programs are killed, and then none may be left (what
SIGKILL does not end hangs in the kernel), and each CPU has to become idle.
"""

from __future__ import annotations

from .config import LabError
from .host import Host

SECONDS = 120

# What is left of a host is its init and the agent with its children.  Kernel threads have no exe.
# Prints one paragraph for each process that stays, and for each CPU that never has a moment's rest.
_REST = r"""
look() {	# $left: the programs there are, without a subshell, which would be one more
	left=
	for p in /proc/[0-9]*; do
		case ${p#/proc/} in 1|$$|$PPID) continue ;; esac
		[ -e $p/exe ] && read -r name < $p/comm && [ "$name" != agent ] &&
			left="$left ${p#/proc/}"
	done 2>/dev/null
	[ "$left" ]
}
tell() {	# PID: name, state, and where in the kernel it is
	read -r stat < /proc/$1/stat || return
	state=${stat##*) }
	echo "$2: process $1 ${stat%)*}), state ${state%% *}"
	sed 's/^/  /' /proc/$1/stack
} 2>/dev/null
n=0
while look && [ $n -lt 100 ]; do
	kill -9 $left 2>/dev/null
	n=$((n+1)); sleep 0.1
done
for pid in $left; do tell $pid "cannot be killed"; done

# Of each CPU: all its ticks but idle and iowait.
busy() {
	while read -r cpu user nice system idle iowait irq soft rest; do
		case $cpu in cpu[0-9]*) echo $cpu $((user+nice+system+irq+soft)) $((idle+iowait)) ;; esac
	done < /proc/stat
}
n=0
busy > /run/busy.old
while :; do
	sleep 0.2
	busy > /run/busy.new
	tired=
	while read -r cpu ran idle && read -r _ ran2 idle2 <&3; do
		[ $((ran2-ran)) -gt $(((idle2-idle)*4)) ] && tired="$tired $cpu"
	done < /run/busy.old 3< /run/busy.new
	[ "$tired" ] && [ $n -lt 50 ] || break
	mv /run/busy.new /run/busy.old
	n=$((n+1))
done
[ -z "$tired" ] || echo "never idle:$tired"
[ -z "$tired" ] || for p in /proc/[0-9]*; do
	[ ${p#/proc/} = $$ ] && continue
	read -r stat < $p/stat || continue
	state=${stat##*) }
	[ "${state%% *}" = R ] && tell ${p#/proc/} "runs"
done 2>/dev/null
exit 0
"""


def restless(host: Host) -> list[str]:
    """What of a host does not end or does not rest; empty if all is well."""
    try:
        with host.spawn(["sh"], input=_REST) as proc:
            result = proc.wait(SECONDS)
    except LabError as err:
        return [f"host {host.name}: does not answer when it is told to end: {err.brief}"]
    text = result.stdout.strip()
    return [f"host {host.name}: {text}"] if text else []
