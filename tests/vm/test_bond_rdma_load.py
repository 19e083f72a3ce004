# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What befalls a bond while queue pairs write: none has an error, none loses a message.

    a: queue pairs --> one RDMA device = port 0 + port 1 ---- cables 0 and 1 ---- the same :b

Over the hosts' PFs in 802.3ad, over VFs in balance-xor and in active-backup. The nonce oracle goes
over all of it.
"""

import pytest

from bondkit import BACKUP_VF, LACP, WINDOW, XOR, addresses, bonded, use_rdma, wait_whole
from kit import CABLES, Moved, Protection, each, hw_counters, ping, poll
from test_bond_load import FLAP_MIIMON, FLAPS, add_port, flap, remove_port
from test_bond_rdma import RESEND, STALL, pairs, progress, writing

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]

MIIMON = 0.1


def longest_gap(both):
    return max(int(a.ask("gap")["ms"]) for a, _ in both) / 1000


@pytest.mark.parametrize("shape", [LACP, XOR, BACKUP_VF], ids=str)
def test_queue_pairs_go_on_sealed_through_all_that_befalls_a_bond(lab, wire, figures, programs,
                                                                  shape):
    with bonded(lab, wire, shape):
        use_rdma(lab)
        if shape is BACKUP_VF:
            # Cables without a switch: both ends must choose the same one.
            each(lab, lambda host: f"ip link set bond0 type bond primary {host.env['PORT']}")
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        with pairs(lab, wire, programs, spread=shape is not BACKUP_VF) as both, writing(both):
            for what, event, cables in (
                    ("cable 0 cut", lambda: lab.cut(0), (1,)),
                    ("cable 0 plugged", lambda: lab.plug(0), CABLES),
                    ("port 1 removed", lambda: remove_port(lab, 1), (0,)),
                    ("port 1 added", lambda: add_port(lab, 1), CABLES),
                    ("port 0 removed", lambda: remove_port(lab, 0), (1,)),
                    ("port 0 added", lambda: add_port(lab, 0), CABLES),
                    ("cable 1 cut", lambda: lab.cut(1), (0,)),
                    ("cable 1 plugged", lambda: lab.plug(1), CABLES)):
                longest_gap(both)
                moved = Moved(lab.a, hw_counters)
                event()
                wait_whole(lab, cables)
                progress(both)
                gap = longest_gap(both)
                figures(f"{what}: longest gap of a queue pair {gap * 1000:.0f} ms, "
                        f"{moved['completer_retry_err']} times sent again")
                # Ports that are taken and given by hand are so at one end before the other.
                assert gap <= MIIMON + RESEND + STALL or "port" in what
        wire.check_no_cleartext(addresses(lab))


def test_queue_pairs_live_through_many_flaps_in_a_row(lab, wire, figures, programs, again):
    flaps = again(*FLAPS)
    with bonded(lab, wire, XOR, miimon=FLAP_MIIMON):
        use_rdma(lab)
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        with pairs(lab, wire, programs) as both, writing(both):
            longest_gap(both)
            flap(lab, flaps)
            wait_whole(lab)
            progress(both)
            figures(f"{flaps} flaps: longest gap of a queue pair {longest_gap(both) * 1000:.0f} ms")
        wire.check_no_cleartext(addresses(lab))


def test_a_bond_that_loses_its_helper_closes_its_queue_pairs(lab, wire, programs):
    """I1: helper and policies are gone, the ports' fences and the queue pairs' memory are not."""
    with bonded(lab, wire, XOR):
        use_rdma(lab)
        Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        with pairs(lab, wire, programs) as both:
            for a, b in both:
                a.ask(f"traffic 2048 {b.target()}")
            progress(both)
            lab.a.run("rmmod ipsec_roce", timeout=60)
            moved = Moved(lab.a, hw_counters)
            poll(lambda: any("tx_drop" in name for name in moved.now()), 20, "drops, counted")
        wire.check_no_cleartext(addresses(lab))
