# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A key daemon that nobody here wrote: strongSwan with hw_offload = packet, under RoCE traffic.

    a: ib_write_bw --- VF --- only ESP and IKE --- VF --- ib_write_bw :b
       charon ------- xfrm, offload packet ------------- charon

It rekeys, dies and comes again, terminates: nothing is ever in clear, no nonce comes twice, and a
queue pair has no error that the SAs' lifetimes do not ask for.
"""

import time

import pytest

from kit import Moved, end, hw_counters, poll, queue_pairs, traffic, unprotect, wait_answer
from lab import judge, perftest
from swankit import Swan

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]

# Single packets, which keeps the captures of a long run small: 200 a second and as many answers.
SIZE, RATE = 1024, 200
# Seconds between two looks at the captures, and how many frames of one look are opened.
LOOK, OPENED = 20, 400


@pytest.fixture
def daemons(lab, wire):
    """daemons(rekey=20, ...): a context, charon on both hosts."""
    yield lambda **child: Swan(lab, wire, **child)
    unprotect(lab)


class Run:
    """ib_write_bw from a to b for some seconds, and what the captures say about it."""

    def __init__(self, lab, wire, swan, seconds):
        self.lab, self.wire, self.swan = lab, wire, swan
        self.frames = self.opened = 0
        self.begin, self.seconds = time.monotonic(), seconds
        self.moved = Moved(lab.a, hw_counters)
        self.drops = [Moved(host) for host in lab.hosts.values()]
        self.server = lab.b.spawn(self._command(end(lab.b)))
        lab.b.wait_port(perftest.PERFTEST_PORT)
        self.client = lab.a.spawn([*self._command(end(lab.a)), end(lab.b).ip])

    def _command(self, at):
        return ["ib_write_bw", "-d", at.dev, "-x", str(at.gidx), "-F", "-s", str(SIZE), "-D",
                str(self.seconds), "-u", str(perftest.QP_TIMEOUT), "--rate_limit_type", "SW",
                "--rate_units", "p", "--rate_limit", str(RATE), "--burst_size", "1"]

    def look(self):
        """What came since the last look is sealed, and some of it opens with the daemons' keys."""
        taken = self.wire.take()
        self.swan.learn()
        frames = [f for part in taken.values() for f in part]
        self.swan.check_sealed(frames)
        self.frames += len(frames)
        report = judge.examine(taken[0, "a"][:OPENED], list(self.wire.keys.values()))
        report.check_sealed_roce(at_least=0)
        self.opened += report.sealed_roce

    def until(self, seconds):
        """Goes on, looking, until so many seconds of the run are over."""
        while (left := self.begin + seconds - time.monotonic()) > 0:
            assert self.client.poll() is None, self.client.result().output
            time.sleep(min(LOOK, left))
            self.look()

    def finish(self):
        """Both ends without an error."""
        for proc in (self.client, self.server):
            done = proc.wait(120)
            assert not done.rc and "error" not in done.output.lower(), done.output
        self.look()
        assert self.opened, "nothing was sealed"

    def told(self):
        drops = ", ".join(f"{name} {value} at {moved.host.name}" for moved in self.drops
                          for name, value in moved.now().items() if "_drop_" in name
                          and not name.endswith(("_pkts", "_bytes")))
        rekeys = ", ".join(f"{self.swan.rekeys(h)} at {h.name}" for h in self.lab.hosts.values())
        return (f"{time.monotonic() - self.begin:.0f} s: {self.moved['rdma_sends']} messages, "
                f"rekeys {rekeys}; {self.frames} frames at all ends, none of RoCE in clear, "
                f"{self.opened} opened; {self.wire.oracle.associations} SAs and "
                f"{self.wire.oracle.frames} nonces sent in this lab, "
                f"{len(self.wire.oracle.repeats())} of them twice; dropped: {drops or 'nothing'}")


def storm(lab, wire, swan, seconds, deaths, figures):
    """Writes through rekeys while daemons are killed: [(second, host)]."""
    wait_answer(lab.a)
    # A daemon that is asked before it listens: "port unreachable" comes in clear, before all policies.
    wire.forget()
    run = Run(lab, wire, swan, seconds)
    for second, host in deaths:
        run.until(second)
        old = swan.outbound(host)
        swan.kill(host)
        swan.start(host)
        # No `ip xfrm state flush` by hand.
        swan.wait_sas(host, 60, other_than=old)
    run.until(seconds)
    run.finish()
    figures(run.told())
    return run


def test_writes_go_on_through_rekeys_and_the_death_of_the_daemon(lab, wire, daemons, figures):
    """finding R14: after a daemon was killed, no new SAs came before a flush by hand."""
    with daemons(rekey=5, life=60) as swan:
        storm(lab, wire, swan, 16, [(9, lab.a)], figures)
        assert swan.rekeys(lab.a) >= 2


@pytest.mark.full
def test_writes_go_on_for_a_long_time(lab, wire, daemons, figures, minutes):
    seconds = int(60 * minutes)
    with daemons(rekey=20, life=60) as swan:
        storm(lab, wire, swan, seconds, [(seconds / 2, lab.a), (seconds * 3 / 4, lab.b)], figures)
        assert swan.rekeys(lab.a) >= seconds / 40


def test_terminate_closes_the_flow_at_once_and_the_queue_pair_learns_by_its_retries(
        lab, wire, programs, daemons, figures):
    with daemons(start="none") as swan:
        swan.ask(lab.a, "--initiate", "--child", "roce")
        with queue_pairs(lab, programs, timeout=14, retry=7) as (a, b), \
                traffic(a, b, depth=4, drain=False):
            moved = Moved(lab.a)
            swan.ask(lab.a, "--terminate", "--child", "roce")
            begin = time.monotonic()
            assert not swan.outbound(lab.a)
            # With the next try: the queue pair may be waiting for the answer to its last one.
            moved.wait("ipsec_tx_drop_fenced", 1, timeout=1)
            counted = time.monotonic() - begin
            # 4.096 us << 14 and seven retries, each of which waits longer, up to eight times.
            poll(lambda: a.state() == "ERR", 20, "the queue pair gives up")
            took = time.monotonic() - begin
            drops = {n: v for n, v in moved.now().items() if "_tx_drop_" in n}
            # One counter has them all, and no event came before the error.
            assert set(drops) <= {"ipsec_tx_drop_fenced", "ipsec_tx_drop_pkts",
                                  "ipsec_tx_drop_bytes"}, drops
            assert not a.events()
    swan.check_sealed(wire.frames())
    figures(f"the first drop was counted within {counted:.1f} s, the error came after {took:.1f} s")


@pytest.mark.full
def test_auto_after_a_death_closes_what_it_does_not_offload(lab, wire, daemons):
    """strongSwan takes EEXIST for a device that cannot offload and updates the policies that it has
    left to software ones; what they protected is closed, until a rekey offloads them again."""
    with daemons(hw_offload="auto", rekey=15, life=60) as swan:
        old = swan.wait_sas(lab.a)
        assert lab.a.run("ip xfrm policy").stdout.count("mode packet")
        swan.kill(lab.a)
        swan.start(lab.a)
        assert "trying without offload" in swan.log(lab.a)
        swan.wait_sas(lab.a, other_than=old)
        poll(lambda: swan.rekeys(lab.a), 40, "a rekey")
        wait_answer(lab.a)
        perftest.pingpong(end(lab.b), end(lab.a), iters=50)
        swan.learn()
    frames = wire.frames()
    swan.check_sealed(frames)
    assert sum(f.kind == "esp" for f in frames) > 100


@pytest.mark.full
@pytest.mark.parametrize("selector, is_sealed",
                         [("dynamic[udp/4791]", False), ("dynamic[udp]", True)])
def test_selectors_that_let_the_source_port_open_protect_roce(lab, wire, daemons, selector,
                                                              is_sealed):
    """IKE narrows udp/4791 at both ends to a policy for both ports, which no RoCE packet has."""
    dev = lab.a.env["NETDEV"]
    with daemons(start="none", local_ts=selector, remote_ts=selector) as swan:
        swan.ask(lab.a, "--initiate", "--child", "roce")
        perftest.pingpong(end(lab.b), end(lab.a), iters=20)
        said = lab.a.run(["roce-ipsec-setup", "verify", "--dev", dev, "--peer", end(lab.b).ip],
                         check=False).stdout
        assert ("for some UDP source ports only" in said) != is_sealed, said
    roce = judge.cleartext_roce(wire.frames())
    assert bool(roce) != is_sealed


@pytest.mark.full
def test_esp_in_udp_is_refused_with_the_reason(lab, wire, daemons):
    """`encap = yes` does what a NAT between the hosts does."""
    with daemons(start="none", connection="encap = yes") as swan:
        swan.ask(lab.a, "--initiate", "--child", "roce", check=False)
        assert any("ESP in UDP or TCP cannot be offloaded" in swan.log(h)
                   for h in lab.hosts.values()), swan.log(lab.b)
        assert not swan.outbound(lab.a)
