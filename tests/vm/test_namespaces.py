# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A function in a container's network namespace (podkit.py), and back in the host's."""

import re

import pytest

from kit import Flow, IP_BATCH, end, local_ip, ping, poll, protecting, unprotect, wait_answer
from lab import perftest
from podkit import at_home, pods

pytestmark = [pytest.mark.lab(scenario="vf", cpus=2, spoils=True), pytest.mark.dealt]


def test_finding_netns_a_device_moves_into_a_pod_and_works_there(lab, wire, again):
    with pods(lab.a) as pod:
        for _ in range(again(3)):
            pod.enter()
            perftest.pingpong(pod.end(), end(lab.b), iters=20)
            pod.leave()
            assert lab.a.env["RDMADEV"] in lab.a.run("rdma dev").stdout
        for _ in range(again(1)):
            wire.forget()
            pod.enter()
            flows = [Flow(lab.a, lab.b), Flow(lab.b, lab.a)]
            for side, host in (("a", pod), ("b", lab.b)):
                host.run(IP_BATCH, input=protecting(flows, lab.hosts[side]))
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


def test_finding_netns_a_pod_that_ends_gives_the_function_back(lab, again):
    for _ in range(again(1)):
        with pods(lab.a) as pod:
            pod.enter()
            with pod.spawn(["ping", "-i", "0.01", local_ip(lab.b)]) as pinging:
                poll(lambda: "bytes from" in pinging.stdout, 20, "traffic in the pod")
                lab.a.run("ip netns del pod", timeout=60)
            poll(lambda: lab.a.env["NETDEV"] in lab.a.run("ip -br link").stdout, 30, "the VF back")
            poll(lambda: lab.a.env["RDMADEV"] in lab.a.run("rdma dev").stdout, 30, "its RDMA device")
        at_home(lab.a)
        ping(lab.a)
