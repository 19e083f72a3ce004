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

from kit import IP_BATCH, ip_lines, local_ip
from lab import perftest
from lab.adapter import gid_index


class Pod:
    """Host a's VF and its RDMA device in a namespace of their own; a host's face for kit."""

    def __init__(self, host):
        self.host, self.peer, self.name, self.put = host, host.peer, host.name, host.put
        self.dev, self.rdma = host.env["NETDEV"], host.env["RDMADEV"]

    @property
    def env(self):
        return self.host.env

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
