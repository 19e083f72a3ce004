# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The control plane: what ip xfrm is told, refused, and shown; nothing but stock iproute2.

    a: VF (packet offload) ---- cable 0 ---- VF (packet offload) :b
"""

import re

import pytest

from kit import (Flow, Moved, Protection, Vt, check_does_not_move, end, local_ip, ping, poll,
                 queue_pairs, restore_addresses, traffic, unprotect, wait_answer, xfrm_events, xfrm_stat)
from lab import perftest

pytestmark = [pytest.mark.lab(scenario="vf"), pytest.mark.dealt]


@pytest.fixture
def clean(lab):
    yield
    unprotect(lab)


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def sealed(request, lab, wire, clean):
    protection = Protection(lab, wire, six=request.param == 6).up()
    ping(lab.a, protection.six)
    return protection


# ---- counters and lifetimes ----------------------------------------------------------------------

def test_ip_xfrm_state_tells_true_packets_and_bytes(lab, wire, sealed):
    wire.forget()
    before = {h: sealed.out.state(lab.host(h)) for h in "ab"}
    ping(lab.a, sealed.six, count=10)
    sent = [f for f in wire.frames(0, "a") if f.kind == "esp" and f.spi == sealed.out.spi]
    assert len(sent) >= 10
    for host in "ab":
        state = sealed.out.state(lab.host(host))
        assert state["packets"] - before[host]["packets"] == len(sent), state["text"]
        # As software xfrm counts in transport mode: what follows the IP header.
        assert state["bytes"] - before[host]["bytes"] >= 10 * 64


def test_ip_xfrm_state_tells_the_true_sequence_number(lab, wire, sealed):
    ping(lab.a, sealed.six, count=5)
    last = max(f.seq for f in wire.frames(0, "a") if f.kind == "esp" and f.spi == sealed.out.spi)
    assert sealed.out.state(lab.a)["oseq"] == last
    seen = sealed.out.state(lab.b)["text"]
    assert re.search(rf"\bseq 0x0*{last:x}\b", seen), seen


@pytest.mark.parametrize("unit,limit", [("packet", 20), ("byte", 2000)])
def test_lifetimes_expire_softly_then_hard_and_the_kernel_says_so(lab, wire, clean, unit, limit):
    protection = Protection(lab, wire)
    protection.out.more = f"limit {unit}-soft {limit} limit {unit}-hard {2 * limit}"
    with xfrm_events(lab.a, "expire") as monitor:
        protection.up()
        poll(lambda: ping(lab.a, count=3, check=False) and "hard 0" in monitor.stdout, 30,
             "a soft expire event")
        poll(lambda: ping(lab.a, count=5, check=False).rc and "hard 1" in monitor.stdout, 60,
             "a hard expire event and no traffic")
    assert f"{protection.out.spi:08x}" in monitor.stdout.replace("0x", "").lower()
    # From then on the stack itself drops: it has a policy and no state.
    sent = sum(f.kind == "esp" and f.spi == protection.out.spi for f in wire.frames(0, "a"))
    if unit == "packet":
        assert sent <= 2 * limit, "sent beyond the hard limit"
    wire.check_no_cleartext([local_ip(lab.a), local_ip(lab.b)])


def test_roce_expires_an_sa_like_host_traffic_does(lab, wire, clean):
    protection = Protection(lab, wire)
    protection.out.more = "limit packet-hard 100"
    protection.up()
    with pytest.raises(perftest.ToolFailed):
        perftest.pingpong(end(lab.b), end(lab.a), iters=1000)
    sent = sum(f.kind == "esp" and f.spi == protection.out.spi for f in wire.frames(0, "a"))
    assert sent == 100
    wire.check_no_cleartext([])


def test_drops_show_in_xfrm_stat_as_mlx5_maps_them(lab, wire, sealed):
    """Auth -> InStateProtoError, replay -> InStateSeqError, trailer -> InHdrError."""
    ping(lab.a, sealed.six, count=3)
    frame = [f for f in wire.frames(0, "a") if f.kind == "esp" and f.spi == sealed.out.spi][-1]
    moved = Moved(lab.b, xfrm_stat)
    lab.inject("b", 0, frame.raw)
    bad = bytearray(frame.raw)
    bad[-1] ^= 1
    lab.inject("b", 0, bytes(bad[:frame.l4 + 7]) + bytes((bad[frame.l4 + 7] ^ 1,))
               + bytes(bad[frame.l4 + 8:]))

    def updated():
        # The counters come with the driver's statistics callback, so ask for them.
        sealed.out.state(lab.b)
        return moved["XfrmInStateSeqError"] >= 1 and moved["XfrmInStateProtoError"] >= 1

    poll(updated, 20, f"xfrm_stat moved: {moved.now()}")


# ---- what is refused, and that it says why -------------------------------------------------------

def state_command(lab, **change):
    """An SA of host a, with one thing changed; not added by itself."""
    flow = Flow(lab.a, lab.b)
    dev = lab.a.env["NETDEV"]
    parts = {"src": flow.src_ip, "dst": flow.dst_ip, "proto": "esp", "mode": "mode transport",
             "alg": f"aead 'rfc4106(gcm(aes))' 0x{'11' * 20} 128", "sel": "", "flag": "",
             "more": "", "offload": f"offload packet dev {dev} dir out"}
    parts.update(change)
    return (f"ip xfrm state add src {parts['src']} dst {parts['dst']} proto {parts['proto']} "
            f"spi {flow.spi:#x} reqid {flow.reqid} {parts['mode']} {parts['flag']} {parts['alg']} "
            f"{parts['sel']} {parts['more']} {parts['offload']}")


REFUSED = {
    "crypto offload": {"offload": "offload crypto dev {dev} dir out"},
    "tunnel mode": {"mode": "mode tunnel"},
    "beet mode": {"mode": "mode beet"},
    "AH": {"proto": "ah", "alg": "auth 'hmac(sha256)' 0x" + "11" * 32},
    "another AEAD": {"alg": "aead 'rfc7539esp(chacha20,poly1305)' 0x" + "11" * 36 + " 128"},
    "GMAC": {"alg": "aead 'rfc4543(gcm(aes))' 0x" + "11" * 20 + " 128"},
    "CBC": {"alg": "enc 'cbc(aes)' 0x" + "11" * 16 + " auth 'hmac(sha256)' 0x" + "11" * 32},
    "192-bit key": {"alg": "aead 'rfc4106(gcm(aes))' 0x" + "11" * 28 + " 128"},
    "8-byte ICV": {"alg": "aead 'rfc4106(gcm(aes))' 0x" + "11" * 20 + " 64"},
    "12-byte ICV": {"alg": "aead 'rfc4106(gcm(aes))' 0x" + "11" * 20 + " 96"},
    "UDP encapsulation": {"more": "encap espinudp 4500 4500 0.0.0.0"},
    "window too large": {"flag": "flag esn replay-window 8192",
                         "offload": "offload packet dev {dev} dir in"},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_adapter_cannot_do_is_refused_with_a_reason(lab, clean, what):
    change = {k: v.format(dev=lab.a.env["NETDEV"]) for k, v in REFUSED[what].items()}
    done = lab.a.run(state_command(lab, **change), check=False)
    assert done.rc, f"{what} was accepted"
    assert re.search(r"Error: \S+.*\S+", done.stderr), f"{what}: no reason given: {done.stderr}"
    assert "ip xfrm" not in lab.a.run("ip xfrm state").stdout
    assert "proto" not in lab.a.run("ip xfrm state").stdout


def test_the_accepted_form_of_those_commands_is_accepted(lab, clean):
    """The counter-proof: the refusals above are not about something else."""
    lab.a.run(state_command(lab))


def test_a_duplicate_sa_is_refused_and_the_first_goes_on(lab, wire, sealed):
    done = lab.a.run(["sh", "-e"], input=sealed.out.state_command(lab.a), check=False)
    assert done.rc and "exists" in done.stderr
    ping(lab.a, sealed.six, count=3)


@pytest.mark.only("newest")	# The older one's xfrm_state_migrate() warns when it fails.
def test_finding_an_sa_is_not_moved_out_of_its_windows_sight(lab, wire, clean):
    """XFRM_MSG_MIGRATE made a copy for software, with the window that xfrm had read last (I4)."""
    sealed = Protection(lab, wire).up()
    ping(lab.a, count=3)
    check_does_not_move(lab, sealed.out)
    ping(lab.a, count=3)


def test_a_policy_the_adapter_cannot_keep_is_refused_with_a_reason(lab, clean):
    a, b, dev = local_ip(lab.a), local_ip(lab.b), lab.a.env["NETDEV"]
    for tmpl in (f"tmpl src {a} dst {b} proto esp reqid 9 mode tunnel",
                 f"tmpl src {a} dst {b} proto ah reqid 9 mode transport",
                 f"tmpl src {a} dst {b} proto esp reqid 9 mode transport "
                 f"tmpl src {a} dst {b} proto esp reqid 8 mode transport"):
        done = lab.a.run(f"ip xfrm policy add src {a} dst {b} dir out {tmpl} "
                         f"offload packet dev {dev}", check=False)
        assert done.rc and re.search(r"Error: \S+", done.stderr), tmpl + done.stderr


# ---- policies ------------------------------------------------------------------------------------

@pytest.mark.dealt
def test_a_policy_that_most_roce_passes_by_is_taken_with_a_warning(lab, clean):
    a, b, dev = local_ip(lab.a), local_ip(lab.b), lab.a.env["NETDEV"]
    for ports, warned in (("sport 4791 dport 4791", True), ("dport 4791", False),
                          ("sport 500 dport 500", False)):
        done = lab.a.run(f"ip xfrm policy add src {a} dst {b} proto udp {ports} dir out tmpl src {a} "
                         f"dst {b} proto esp reqid 9 mode transport offload packet dev {dev}")
        assert ("Warning: " in done.output and "source ports 49152 to 65535" in done.output) \
            == warned, f"{ports}: {done.output}"


def test_a_policy_for_udp_alone_leaves_ping_in_clear_and_seals_roce(lab, wire, clean):
    Protection(lab, wire, selector="proto udp").up()
    ping(lab.a, count=3)
    perftest.pingpong(end(lab.b), end(lab.a), iters=20)
    report = wire.check_sealed_roce(at_least=50)
    assert report.kinds["icmp"] >= 6 and not report.sealed_kinds["icmp"]


def test_a_policy_with_port_4791_seals_roce(lab, wire, clean):
    """What rdma_rxe silently sends in clear."""
    Protection(lab, wire, selector="proto udp dport 4791").up()
    perftest.pingpong(end(lab.b), end(lab.a), iters=20)
    report = wire.check_sealed_roce(at_least=50)
    assert report.sealed_kinds.keys() == {"roce"}


def test_a_prefix_policy_seals_what_is_in_it(lab, wire, clean):
    a, b = local_ip(lab.a), local_ip(lab.b)
    network = re.sub(r"\.\d+$", ".0/24", a)
    protection = Protection(lab, wire)
    wire.add_keys([flow.sa for flow in protection.flows])
    for host in lab.hosts.values():
        for flow in protection.flows:
            flow.add_state(host)
            host.run(f"ip xfrm policy add src {network} dst {network} "
                     f"dir {flow.direction(host)} priority 100 tmpl src {flow.src_ip} "
                     f"dst {flow.dst_ip} proto esp reqid {flow.reqid} mode transport "
                     f"offload packet dev {host.env['NETDEV']}")
    ping(lab.a, count=2)
    perftest.pingpong(end(lab.b), end(lab.a), iters=10)
    wire.check_sealed_roce(at_least=20)
    wire.check_no_cleartext([a, b])


def test_the_better_priority_wins(lab, wire, clean):
    """A block for TCP port 9 in front of a policy that seals everything."""
    protection = Protection(lab, wire, priority=100).up()
    a, b, dev = local_ip(lab.a), local_ip(lab.b), lab.a.env["NETDEV"]
    lab.a.run(f"ip xfrm policy add src {a} dst {b} proto udp dport 4791 dir out priority 10 "
              f"action block offload packet dev {dev}")
    moved = Moved(lab.a)
    ping(lab.a, count=2)
    with pytest.raises(perftest.ToolFailed):
        perftest.pingpong(end(lab.b), end(lab.a), iters=10)
    assert moved["ipsec_tx_drop_blocked"] or moved["ipsec_tx_drop_pkts"]
    wire.check_no_cleartext([a, b])
    assert protection.out.state(lab.a)["mode"]


def test_a_policy_without_an_sa_asks_for_one_and_sends_nothing(lab, wire, clean):
    a, b, dev = local_ip(lab.a), local_ip(lab.b), lab.a.env["NETDEV"]
    with xfrm_events(lab.a, "acquire") as monitor:
        poll(lambda: lab.a.run("grep -l 'ip.xfrm.monitor' /proc/[0-9]*/cmdline", check=False
                               ).stdout, 10)
        moved = Moved(lab.a)
        lab.a.run(f"ip xfrm policy add src {a} dst {b} proto udp dir out tmpl src {a} dst {b} "
                  f"proto esp reqid 77 mode transport offload packet dev {dev}")
        with pytest.raises(perftest.ToolFailed):
            perftest.pingpong(end(lab.b), end(lab.a), iters=5)
        poll(lambda: "acquire" in monitor.stdout, 20, "an ACQUIRE")
    assert moved["ipsec_tx_drop_no_state"] >= 1
    wire.check_no_cleartext()


def test_finding_R9_two_peers_of_one_policy_are_asked_for_at_once(lab, programs, clean):
    """A queue pair that gives up after one try: who has to wait a second is never asked for."""
    host, a = lab.a, local_ip(lab.a)
    network = re.sub(r"\.\d+$", ".0/24", a)
    peers = [re.sub(r"\.\d+$", f".{n}", a) for n in (201, 202, 203)]
    dev = host.env["NETDEV"]
    # Nobody has these addresses.
    host.run("\n".join(f"ip neigh replace {peer} lladdr 02:00:00:00:00:99 dev {dev}" for peer in peers))
    with xfrm_events(host, "acquire") as monitor:
        host.run(f"ip xfrm policy add src {network} dst {network} proto udp dir out tmpl proto esp "
                 f"reqid 77 mode transport offload packet dev {dev}")
        sides = [Vt(host, programs) for _ in peers]
        for side, peer in zip(sides, peers):
            side.ask(f"connect qpn=99 psn=1 gid=::ffff:{peer} timeout=12 retry=0")
        for side in sides:
            side.begin("write 1 8 0 0")
        poll(lambda: all(f"dst {peer}" in monitor.stdout for peer in peers), 5,
             f"an ACQUIRE for each: {monitor.stdout}")
        for side in sides:
            side.close()
    host.run("\n".join(f"ip neigh del {peer} dev {dev}" for peer in peers))


def test_a_flow_is_resolved_again_when_its_policy_appears(lab, wire, programs, clean):
    """In clear first; from the moment of the policy on only sealed."""
    with queue_pairs(lab, programs, timeout=17) as (a, b):
        with traffic(a, b):
            assert wire.examine().clear_roce
            protection = Protection(lab, wire).up()
            start = a.done()
            poll(lambda: a.done() > start + 20, 30, "writes go on, sealed")
            wire.forget()
            start = a.done()
            poll(lambda: a.done() > start + 50, 30)
            wire.check_sealed_roce(at_least=50)
        assert a.state() == "RTS" and protection


def test_states_are_read_while_the_device_goes_down(lab, clean):
    """Going down takes the SAs away at once, whoever asks for their counters in this moment."""
    dev = lab.a.env["NETDEV"]
    flows = [Flow(lab.a, lab.b) for _ in range(40)]
    reader = "while :; do ip -s xfrm state; cat /proc/net/xfrm_stat; " \
             "ip -s xfrm state get src {} dst {} proto esp spi {:#x}; done > /dev/null 2>&1"
    readers = [lab.a.spawn(reader.format(f.src_ip, f.dst_ip, f.spi)) for f in flows[3::16]]
    try:
        for four in range(0, len(flows), 4):
            lab.a.run(["sh", "-e"], input="\n".join(f.state_command(lab.a)
                                                    for f in flows[four:four + 4])
                      + f"\nip link set {dev} down; ip link set {dev} up")
            assert "spi" not in lab.a.run("ip xfrm state").stdout
    finally:
        for proc in readers:
            proc.kill(9)
        restore_addresses(lab)
    wait_answer(lab.a, "the link is back")


def test_a_hundred_sas_and_policies_come_and_go(lab, wire, clean):
    a, b, dev = local_ip(lab.a), local_ip(lab.b), lab.a.env["NETDEV"]
    lines = []
    for n in range(100):
        lines.append(f"ip xfrm state add src {a} dst {b} proto esp spi {0x9000 + n:#x} "
                     f"reqid {500 + n} mode transport aead 'rfc4106(gcm(aes))' "
                     f"0x{n:040x} 128 offload packet dev {dev} dir out")
        lines.append(f"ip xfrm policy add src {a} dst {b} proto udp dport {2000 + n} dir out "
                     f"tmpl src {a} dst {b} proto esp reqid {500 + n} mode transport "
                     f"offload packet dev {dev}")
    lab.a.run(["sh", "-e"], input="\n".join(lines), timeout=300)
    assert lab.a.run("ip xfrm state").stdout.count("mode packet") == 100
    unprotect(lab)
    assert "proto" not in lab.a.run("ip xfrm state").stdout
    ping(lab.a)
