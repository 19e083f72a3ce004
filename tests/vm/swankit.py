# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""strongSwan between the hosts of a lab: charon and swanctl as Debian ships them, without systemd.

    a: charon, trap and start ---- IKE in clear, the rest in ESP ---- charon, trap :b

Host a begins; b answers, and begins where traffic asks for it.
"""

from __future__ import annotations

import contextlib
import re

from lab import judge
from lab.aead import random_key

from kit import each, local_ip, poll, xfrm_events

IKE_PORTS = (500, 4500)
LOG = "/run/charon.log"
DAEMON = "charon-systemd"

# A peer that has died is given up after 12 s (1 + 1.8 + 3.2 + 5.8).  Of the plugins only what is
# needed: each costs an emulated host time at the daemon's start.
STRONGSWAN_CONF = f"""
{DAEMON} {{
	load = random nonce openssl kernel-netlink socket-default vici
	retransmit_timeout = 1
	retransmit_tries = 3
	filelog {{
		log {{
			path = {LOG}
			append = yes
			flush_line = yes
			default = 1
			knl = 2
		}}
	}}
}}
swanctl {{
	load = openssl
}}
"""

SWANCTL_CONF = """
connections {{
	roce {{
		local_addrs = {local}
		remote_addrs = {peer}
		version = 2
		proposals = aes128gcm16-prfsha256-x25519
		keyingtries = 0
		dpd_delay = 5s
		{connection}
		local {{
			auth = psk
		}}
		remote {{
			auth = psk
		}}
		children {{
			roce {{
				mode = transport
				esp_proposals = aes128gcm16-esn
				local_ts = {local_ts}
				remote_ts = {remote_ts}
				hw_offload = {hw_offload}
				rekey_time = {rekey}s
				rand_time = 1s
				life_time = {life}s
				start_action = {start}
				dpd_action = {dpd}
			}}
		}}
	}}
}}
secrets {{
	ike {{
		secret = 0x{secret}
	}}
}}
"""

# The socket of one that was killed is still there: only an answer says that it runs.
START = f"""
mkdir -p /etc/swanctl
{DAEMON} > /run/charon.out 2>&1 < /dev/null &
n=0
until swanctl --load-all > /run/swanctl.out 2>&1; do
	n=$((n+1))
	[ $n -lt 100 ] || {{ cat /run/charon.out /run/swanctl.out {LOG}; exit 1; }}
	sleep 0.2
done
"""

KILL = f"""
pid=$(pidof {DAEMON}) || exit 0
kill -{{}} $pid
n=0
while kill -0 $pid 2> /dev/null; do n=$((n+1)); [ $n -lt 200 ] || exit 1; sleep 0.05; done
"""


class Swan:
    """The daemon of both hosts, and the keys of all SAs that they install."""

    def __init__(self, lab, wire, **child):
        self.lab, self.wire = lab, wire
        self.child = {"local_ts": "dynamic", "remote_ts": "dynamic", "hw_offload": "packet",
                      "rekey": 3600, "life": 3960, "start": "trap|start", "connection": "",
                      **child}
        self._secret = random_key(128).hex()
        self._monitors = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Swan":
        for host in self.lab.hosts.values():
            starts = host is self.lab.a or self.child["start"] == "none"
            host.write("/etc/strongswan.conf", STRONGSWAN_CONF)
            host.write("/etc/swanctl/swanctl.conf", SWANCTL_CONF.format(
                local=local_ip(host), peer=local_ip(host.peer), secret=self._secret,
                **{**self.child, "start": self.child["start"] if starts else "trap",
                   "dpd": "clear" if self.child["start"] == "none" else "restart"}), 0o600)
            self._monitors[host.name] = self._stack.enter_context(xfrm_events(host, "SA"))
        each(self.lab, f"rm -f {LOG}\n{START}")
        return self

    def __exit__(self, *_) -> None:
        """What they have installed stays, as after a crash: unprotect() is the next thing to do."""
        each(self.lab, KILL.format("KILL"), check=False)
        self._stack.close()
        self.learn()

    def start(self, host) -> None:
        host.run(["sh", "-e"], input=START)

    def kill(self, host) -> None:
        host.run(["sh", "-e"], input=KILL.format("KILL"))

    def ask(self, host, *words, check: bool = True) -> str:
        return host.run(["swanctl", *words], check=check).stdout

    def log(self, host) -> str:
        return host.run(["cat", LOG]).stdout

    def rekeys(self, host) -> int:
        return len(re.findall(r"\] rekeyed CHILD_SA", self.log(host)))

    def outbound(self, host) -> set[int]:
        """SPIs of the outbound SAs that the kernel has, whoever made them."""
        text = host.run("ip xfrm state list nokeys").stdout
        return {int(spi, 16) for spi in re.findall(
            rf"src {re.escape(local_ip(host))} dst \S+\n\s+proto esp spi (0x[1-9a-f][0-9a-f]*) ", text)}

    def wait_sas(self, host, timeout: int = 20, other_than: set[int] = frozenset()) -> set[int]:
        return poll(lambda: self.outbound(host) - other_than, timeout,
                    f"host {host.name}: an outbound SA")

    def learn(self) -> None:
        """Keys, as the kernel has told them to who listens: an SA may come and go between two looks."""
        for monitor in self._monitors.values():
            text = re.sub(r"(?m)^(Updated|Deleted) ", "", monitor.stdout)
            self.wire.add_keys(judge.sas_from_xfrm(text))

    def check_sealed(self, frames) -> None:
        """No RoCE in clear, and nothing else but IKE."""
        judge.check_no_cleartext([f for f in frames if not is_ike(f)],
                                 [local_ip(h) for h in self.lab.hosts.values()], "the cables")


def is_ike(frame) -> bool:
    at = frame.l4
    return frame.kind == "udp" and any(
        int.from_bytes(frame.raw[i:i + 2], "big") in IKE_PORTS for i in (at, at + 2))
