# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I3: the oracle over all captures has teeth.

    a: iroce.ko, deliberately broken ---- cable 0 ---- iroce.ko :b

Every test of this folder passes the oracle.  Here a module is built whose nonces come in pairs: it
works, both ends are happy, and only the oracle can tell.
"""

import pytest

import mistakes
from lab import adapter, judge, perftest
from lab.adapter import gid_index
from lab.bench import xfrm_script
from lab.perftest import End


@pytest.fixture
def broken_module(guest_image, kernel):
    """iroce.ko from a copy of the sources in which one line is wrong."""
    return mistakes.modules(guest_image, kernel) / "iroce.ko"


@pytest.mark.lab(scenario="bare")
def test_the_oracle_fails_on_a_build_that_uses_nonces_twice(lab, wire, broken_module):
    lab.a.put(broken_module, "/tmp/iroce-broken.ko")
    ends, macs = [], []
    for host, module in ((lab.a, "/tmp/iroce-broken.ko"), (lab.b, None)):
        pf = adapter.load(host, "cable0", module)[0]
        vf = adapter.devices(host, adapter.make_vfs(host, pf, 1)[0])
        ip = f"10.44.0.{len(ends) + 1}"
        host.run(f"ip link set {vf.netdev} up && ip addr add {ip}/24 dev {vf.netdev}")
        macs.append(host.run(f"cat /sys/class/net/{vf.netdev}/address").stdout.strip())
        ends.append((End(host, vf.rdmadev, gid_index(host, vf.rdmadev, ip), ip), vf.netdev))
    protect(*ends)
    try:
        perftest.pingpong(ends[1][0], ends[0][0], iters=50)
        broken, good = judge.NonceOracle(), judge.NonceOracle()
        broken.add(lab.pcap(0, "a"), wire.frames(0, "a"), [macs[0]])
        good.add(lab.pcap(0, "b"), wire.frames(0, "b"), [macs[1]])
        assert broken.frames > 50 and good.frames > 50, "not sealed"
        with pytest.raises(judge.Guilty, match="I3 broken(.|\n)*IV .* twice"):
            broken.check()
        good.check()
    finally:
        wire.disown()
        for host in lab.hosts.values():
            host.run("rmmod iroce", check=False, timeout=60)


def protect(one, two):
    keys, spis = ["22" * 20, "33" * 20], [0x1051, 0x1052]
    for (me, dev), (peer, _), way in ((one, two, 1), (two, one, -1)):
        me.host.run(["sh", "-e"], input=xfrm_script(me.ip, peer.ip, *spis[::way], *keys[::way], 7,
                                                    dev))
