# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The helper's netlink family against those who mean it no good.

    hostile_nl.py ---- generic netlink ipsec_roce ---- bond0, protected, in use

As root, as nobody, as root of a user and network namespace of one's own.
"""

import json
from errno import ENODEV, EPERM
from pathlib import Path

import pytest

from bondkit import WINDOW, XOR, addresses, bond_seen, bonded, helper
from kit import Protection, local_ip, ping

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]

NOBODY = 65534


def test_hostile_netlink_is_refused_and_changes_nothing(lab, wire):
    with bonded(lab, wire, XOR):
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        host = lab.a
        host.put(Path(__file__).parent / "src/hostile_nl.py", "/tmp/hostile_nl.py", 0o755)
        before = bond_seen(host)
        index, placement = before["ifindex"], before["placement"]

        def attack(kind, *args, inside=()):
            done = host.run([*inside, "python3", "/tmp/hostile_nl.py", kind, str(index),
                             *map(str, args)], timeout=120)
            return {int(err): count for err, count in json.loads(done.stdout).items()}

        with host.spawn(["ping", "-i", "0.02", "-q", local_ip(lab.b)]):
            for kind in ("truncated", "unknown", "types"):
                taken = attack(kind)
                assert sum(taken.values()) > 10 and not taken.get(0), (kind, taken)
                assert helper(host, "bonds") == [before], kind
            # Rubbish may by chance be a question.
            noise = attack("random")
            assert sum(n for err, n in noise.items() if err) > 100, noise
            assert set(attack("place", NOBODY)) == {EPERM}
            # R18: each question takes RTNL.
            assert set(attack("look", NOBODY)) == {EPERM}
            # In a netns of one's own one is root, and bond0 is not there.
            assert set(attack("place", inside=("unshare", "-n"))) == {ENODEV}
            assert set(attack("place", inside=("setpriv", f"--reuid={NOBODY}", "--clear-groups",
                                               "unshare", "-Urn"))) <= {ENODEV}
        after = helper(host, "bonds")
        assert after == [before] and after[0]["placement"] == placement
        ping(host)
        wire.check_no_cleartext(addresses(lab))
