# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""I4 on bonds: what came on one cable is a replay on either, whatever happened since.

    a: UDP to ports where nobody listens ---> bond0 ---- cables 0 and 1 ----> bond0 :b
                                                 ^
                                                 +--- the test sends recorded frames again

b's UdpNoPorts says what was delivered, its drop counters by which name the rest was refused.
"""

import pytest

from bondkit import (BACKUP, BACKUP_VF, WINDOW, XOR, Delivery, activate, addresses, bond_seen,
                     bonded, esp, helper, knock, made, no_ports, port_counters, ports, wait_whole)
from kit import CABLES, Moved, Protection, ping, wait_answer

pytestmark = [pytest.mark.lab(scenario="bare", bonds=True), pytest.mark.dealt]

N_REPLAYED = 12
OWNER = 3


@pytest.mark.parametrize("shape", [XOR, BACKUP], ids=str)
def test_a_recorded_frame_is_never_delivered_again(lab, wire, figures, shape):
    with bonded(lab, wire, shape):
        sealed = Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        old = record(lab, wire, sealed.out)
        assert all(old.values()) if shape is XOR else old[0] and not old[1]
        check_that_fresh_frames_arrive(lab, old, sealed)
        replay(lab, figures, old, CABLES, "at once")

        lab.cut(0)
        wait_whole(lab, (1,))
        newer = record(lab, wire, sealed.out)
        assert newer[1] and not newer[0]
        replay(lab, figures, old, (1,), "after fail-over")
        replay(lab, figures, newer, (1,), "after fail-over, from after it")
        lab.plug(0)
        wait_whole(lab)
        seen = {"0 and 1": old[0] + old[1] + newer[1]}
        replay(lab, figures, seen, CABLES, "after the cable is back")

        rekey(lab, sealed)
        record(lab, wire, sealed.out)
        replay(lab, figures, seen, CABLES, "after rekey")
        wire.check_no_cleartext(addresses(lab))


def test_the_active_port_owns_the_sa_and_hands_it_over(lab, wire):
    """I3: the new port sends on at numbers the old one cannot have used.  I4: nor takes any."""
    with bonded(lab, wire, BACKUP, peer=BACKUP_VF):
        for host in lab.hosts.values():
            activate(host, 0)
        sealed = Protection(lab, wire, window=WINDOW).up()
        wait_answer(lab.a, "an answer over cable 0")
        ping(lab.a, count=5)
        old = [f.raw for f in esp(wire, 0, "a", sealed.back.spi)]
        last = sealed.out.state(lab.a)["oseq"]
        assert last >= 6 and len(old) >= 6
        for host in lab.hosts.values():
            activate(host, 1)
        wait_answer(lab.a, "an answer over cable 1")
        assert len(esp(wire, 1)) >= 2
        assert sealed.out.state(lab.a)["oseq"] >= last + 65536
        assert bond_seen(lab.a)["n_handovers"] >= 2
        assert [sa["placement"] for sa in helper(lab.a, "sas")] == [OWNER, OWNER]
        # b's ports are of one adapter: nothing had to be handed over there.
        assert bond_seen(lab.b)["n_handovers"] == 0
        taken = sealed.back.state(lab.a)["packets"]
        moved = port_counters(lab.a, "ipsec_rx_drop_replay")
        for raw in old:
            lab.inject("a", 1, raw)
        moved.wait(ports(lab.a)[1], len(old))
        assert sealed.back.state(lab.a)["packets"] == taken
        wire.check_no_cleartext(addresses(lab))


def test_a_port_that_comes_late_knows_what_came_meanwhile(lab, wire):
    """I4: a number missing when the newcomer was told of the window has come when it takes over."""
    with bonded(lab, wire, BACKUP):
        sealed = Protection(lab, wire, window=WINDOW).up()
        ping(lab.a)
        (frame, *_) = record(lab, wire, sealed.out)[0]
        ahead, missing = (made(frame.raw, sealed.out, number) for number in (1500, 1490))
        deliver(lab, ahead)
        lab.b.run(f"ip link set {ports(lab.b)[1]} nomaster")
        # xfrm knows the port's window now, and the number that is missing in it.
        sealed.out.state(lab.b)
        lab.b.run(f"ip link set {ports(lab.b)[1]} master bond0")
        wait_whole(lab)
        deliver(lab, missing)
        for host in lab.hosts.values():
            activate(host, 1)
        for again in (ahead, missing):
            delivery = Delivery(lab)
            lab.inject("b", 1, again)
            delivery.check_none_delivered(1, "what port 0 took, at port 1")


def deliver(lab, raw):
    moved = Moved(lab.b, no_ports)
    lab.inject("b", 0, raw)
    moved.wait("UdpNoPorts")


def record(lab, wire, flow):
    """Fresh traffic to b, all of it delivered; some of its frames by the cable they came on."""
    wire.forget()
    moved = Moved(lab.b, no_ports)
    knocks = knock(lab.a)
    moved.wait("UdpNoPorts", knocks)
    return {c: [f for f in esp(wire, c, "b", flow.spi)][-N_REPLAYED:] for c in CABLES}


def replay(lab, figures, recorded, to, when):
    for source, old in recorded.items():
        for cable in to if old else ():
            delivery = Delivery(lab)
            for frame in old:
                lab.inject("b", cable, frame.raw)
            names = delivery.check_none_delivered(len(old), f"{when}, cable {source} to {cable}")
            figures(f"{when}: {len(old)} frames of cable {source} sent again on {cable}: {names}")


def check_that_fresh_frames_arrive(lab, recorded, sealed):
    """The counter-proof: a frame that the test makes itself is delivered, once."""
    # Ahead of what a has sent, and within what a will not reach in this test before it is rekeyed.
    fresh = made(recorded[0][0].raw, sealed.out, 1500)
    deliver(lab, fresh)
    delivery = Delivery(lab)
    lab.inject("b", 0, fresh)
    delivery.check_none_delivered(1, "a frame of the test's own, again")


def rekey(lab, sealed):
    """Make before break, both directions."""
    for old in (sealed.out, sealed.back):
        fresh = sealed.fresh(old)
        fresh.add_state(fresh.dst)
        fresh.add_state(fresh.src)
        old.delete_state(old.src)
        old.delete_state(old.dst)
    wait_answer(lab.a, "an answer through the new SAs")
