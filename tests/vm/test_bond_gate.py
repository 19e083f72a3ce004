# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I3: the helper's refusal is what keeps one key off two engines, and the oracle would notice.

    a: bond0 over two adapters, the helper deliberately broken ---- cable 0 ---- bond0 :b
                                                               ---- cable 1 ----

Both engines of a count from 1.  Traffic flows, both ends are happy, and only the oracle can tell.
(iroce's IVs begin at a random number, so here it is the sequence numbers that repeat; most NICs
make the IV of them.)
"""

import pytest

import mistakes
from bondkit import (APART, WINDOW, XOR, addresses, bond_seen, bonded, esp, helper, knock,
                     ports, switch_on)
from kit import CABLES, Protection, poll
from lab import judge

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]

SHARED = 1


def test_one_key_on_two_engines_is_refused_and_would_be_caught(lab, wire, figures, guest_image,
                                                               kernel):
    module = mistakes.modules(guest_image, kernel) / "ipsec_roce.ko"
    with bonded(lab, wire, APART, peer=XOR, unload="a"):
        bond = bond_seen(lab.a)
        said = helper(lab.a, "place", bond["ifindex"], SHARED)
        assert "a shared SA would repeat nonces: use per-port SAs" in said["text"], said
        lab.a.put(module, "/tmp/ipsec_roce-broken.ko")
        lab.a.run("rmmod ipsec_roce; insmod /tmp/ipsec_roce-broken.ko")
        switch_on(lab.a)
        sealed = Protection(lab, wire, window=WINDOW).up()
        assert [sa["placement"] for sa in helper(lab.a, "sas")] == [SHARED, SHARED]
        wire.learn()
        knock(lab.a, rounds=2)
        guilty = poll(lambda: verdict(lab, wire, sealed.out.spi), 10, "the oracle sees repeats")
        figures(f"one key on two engines: {str(guilty).splitlines()[0]}")
        assert "I3 broken" in str(guilty) and "sequence number" in str(guilty)
        wire.check_no_cleartext(addresses(lab))
        wire.disown()


def verdict(lab, wire, spi):
    """What an oracle of our own says of host a's frames, if it says anything."""
    macs = [lab.a.run(f"cat /sys/class/net/{dev}/address").stdout.strip() for dev in ports(lab.a)]
    oracle = judge.NonceOracle()
    for cable in CABLES:
        oracle.add(lab.pcap(cable, "a"), esp(wire, cable, "a", spi), macs)
    try:
        oracle.check()
    except judge.Guilty as guilty:
        return guilty
    return None
