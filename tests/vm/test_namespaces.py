# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A function in a container's network namespace, as plugins put it there.

    host a                            host b
    +---- pod -----+
    | VF netdev    |----- cable 0 ----| VF
    | RDMA device  |
    +--------------+   `rdma system set netns exclusive`, `ip link set VF netns pod`,
                       `rdma dev set DEV netns pod`
"""

import contextlib
import re

import pytest

from kit import Flow, IP_BATCH, end, ip_lines, local_ip, ping, poll, unprotect, wait_answer
from lab import perftest
from lab.adapter import gid_index

pytestmark = [pytest.mark.lab(scenario="vf", cpus=2, spoils=True), pytest.mark.dealt]


class Pod:
    """Host a's VF and its RDMA device in a namespace of their own; a host's face for kit."""

    def __init__(self, host):
        self.host, self.env, self.peer, self.name = host, host.env, host.peer, host.name
        self.dev, self.rdma = host.env["NETDEV"], host.env["RDMADEV"]

    def _inside(self, cmd):
        return ["ip", "netns", "exec", "pod", *(cmd if isinstance(cmd, list) else ["sh", "-c", cmd])]

    def run(self, cmd, **more):
        return self.host.run(self._inside(cmd), **more)

    def spawn(self, cmd, *rest, **more):
        return self.host.spawn(self._inside(cmd), *rest, **more)

    def wait_listener(self, *rest):
        return type(self.host).wait_listener(self, *rest)

    def enter(self):
        self.host.run(f"ip link set {self.dev} netns pod")
        # It never came back.
        self.host.run(f"timeout 30 rdma dev set {self.rdma} netns pod", timeout=60)
        address = local_ip(self.host)
        self.run(IP_BATCH, input=ip_lines("link set lo up", f"link set {self.dev} up",
                                          f"addr add {address}/24 dev {self.dev}"))
        gid_index(self, self.rdma, address)

    def leave(self):
        self.run(f"rdma dev set {self.rdma} netns home", check=False)
        self.run(f"ip link set {self.dev} netns home", check=False)

    def end(self):
        index = gid_index(self, self.rdma, local_ip(self.host))
        return perftest.End(self, self.rdma, index, local_ip(self.host), local_ip(self.host))


@contextlib.contextmanager
def pods(host):
    # `rdma` knows namespaces by name alone.
    host.run("rdma system set netns exclusive && ip netns attach home 1 && ip netns add pod")
    pod = Pod(host)
    try:
        yield pod
    finally:
        pod.leave()
        host.run("ip netns del pod; ip netns del home; rdma system set netns shared", check=False)


def at_home(host):
    host.run(IP_BATCH, input=ip_lines(f"link set {host.env['NETDEV']} up",
                                      f"addr add {local_ip(host)}/24 dev {host.env['NETDEV']}"))


def test_finding_netns_a_device_moves_into_a_pod_and_works_there(lab, wire):
    with pods(lab.a) as pod:
        for _ in range(3):
            pod.enter()
            perftest.pingpong(pod.end(), end(lab.b), iters=20)
            pod.leave()
            assert lab.a.env["RDMADEV"] in lab.a.run("rdma dev").stdout
        pod.enter()
        flows = [Flow(lab.a, lab.b), Flow(lab.b, lab.a)]
        for side, host in (("a", pod), ("b", lab.b)):
            named = lab.hosts[side]
            host.run(IP_BATCH, input=ip_lines(*[f.state_command(named) for f in flows],
                                              *[f.policy_command(named) for f in flows]))
        wire.add_keys([f.sa for f in flows])
        wire.forget()
        pod.run(["ping", "-c", "2", "-W", "5", local_ip(lab.b)])
        perftest.pingpong(pod.end(), end(lab.b), iters=20)
        wire.check_sealed_roce(20)
        pod.leave()
        # R11: the pod's fence is the pod's, and goes with it; the host begins with defaults.
        unprotect(lab)
        at_home(lab.a)
        wait_answer(lab.a, "an answer to a VF that came back from a pod")
        flags = lab.a.run(f"ethtool --show-priv-flags {lab.a.env['NETDEV']}").stdout
        assert re.search(r"ipsec-fail-closed\s*: on", flags), flags


def test_finding_netns_a_pod_that_ends_gives_the_function_back(lab):
    with pods(lab.a) as pod:
        pod.enter()
        with pod.spawn(["ping", "-i", "0.01", local_ip(lab.b)]) as pinging:
            poll(lambda: "bytes from" in pinging.stdout, 20, "traffic in the pod")
            lab.a.run("ip netns del pod", timeout=60)
        poll(lambda: lab.a.env["NETDEV"] in lab.a.run("ip -br link").stdout, 30, "the VF back")
        poll(lambda: lab.a.env["RDMADEV"] in lab.a.run("rdma dev").stdout, 30, "its RDMA device")
    at_home(lab.a)
    ping(lab.a)
