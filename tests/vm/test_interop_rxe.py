# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Code that is not ours: host b is stock rdma_rxe with software xfrm.

    a: iroce VF, packet offload ---- cable 0 ---- rdma_rxe, software ESP :b

Every program in both directions, in clear and in ESP, over IPv4 and IPv6, at both MTUs.  Of the
combinations of the last three each kernel has four in which all pairs of values occur, and of these
each program has two in one direction and two in the other; `--all` runs all of them.
"""

import pytest

from kit import Protection, end, ping, set_mtu, unprotect
from lab import perftest

BW_ITERS, LAT_ITERS = 20, 30


def pingpong(kind):
    def run(server, client, mtu):
        perftest.pingpong(server, client, kind, size=1024 if kind == "ud" else 4096, iters=40,
                          mtu=4096 if mtu == 9000 else 1024)
    return run


def bw(tool):
    return lambda server, client, mtu: perftest.bandwidth(tool, server, client, 65536, BW_ITERS)


def lat(tool):
    return lambda server, client, mtu: perftest.latency(tool, server, client, 8, LAT_ITERS)


PROGRAMS = {
    "ibv_rc_pingpong": pingpong("rc"),
    "ibv_ud_pingpong": pingpong("ud"),
    **{f"ib_{op}_bw": bw(f"ib_{op}_bw") for op in ("send", "write", "read")},
    **{f"ib_{op}_lat": lat(f"ib_{op}_lat") for op in ("send", "write", "read")},
    "rping": lambda server, client, mtu: perftest.rping(server, client),
    "ucmatose": lambda server, client, mtu: perftest.ucmatose(server, client),
}
# Dealt to the kernels in turn: those with an even number of big, IPv6 and ESP to one of them, the
# others to the other.
COMBINATIONS = [(mtu, six, (mtu == 9000) ^ six ^ odd) for mtu in (1500, 9000) for six in (False, True)
                for odd in (False, True)]


def name_of(combination):
    mtu, six, sealed = combination
    return f"mtu{mtu}-{'ipv6' if six else 'ipv4'}-{'esp' if sealed else 'clear'}"


def is_for(network, program, way):
    """Half of the programs one way and half the other; on the other kernel the other way round."""
    place = COMBINATIONS.index(network)
    return (place // 4 + place + list(PROGRAMS).index(program) + way) % 2 == 0


@pytest.fixture
def network(request, lab, wire):
    """MTU and protection of a combination; shared by consecutive tests of the same."""
    mtu, six, sealed = request.param
    unprotect(lab)      # scenario rxe comes protected
    set_mtu(lab, mtu)
    if sealed:
        Protection(lab, wire, six).up()
    ping(lab.a, six)
    wire.forget()
    yield mtu, six, sealed
    unprotect(lab)


def check(request, lab, wire, network, ways, at_least):
    """One combination: the programs that fall to it, from each client to its server."""
    mtu, six, sealed = network
    every = request.config.getoption("--all")
    failed = []
    ran = 0
    for way, (server, client) in enumerate(ways):
        ends = end(server, six), end(client, six)
        for program, run in PROGRAMS.items():
            if not every and not is_for(network, program, way):
                continue
            ran += 1
            try:
                run(*ends, mtu)
            except (AssertionError, Exception) as err:
                failed.append(f"{program}, server on {server.name}: {err}")
    assert not failed, f"{len(failed)} of {ran} failed:\n" + "\n".join(failed)
    if sealed:
        wire.check_sealed_roce(at_least)
    else:
        report = wire.examine()
        assert len(report.clear_roce) > at_least and not report.esp and not report.wrong_icrc


@pytest.mark.lab(scenario="rxe")
@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of, indirect=True)
def test_stock_rxe_understands_us_and_we_it(request, lab, wire, network):
    check(request, lab, wire, network, ((lab.b, lab.a), (lab.a, lab.b)), 200)


@pytest.mark.lab(scenario="vf")
@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of, indirect=True)
def test_iroce_understands_iroce(request, lab, wire, network):
    # Both ends are alike: one direction.
    check(request, lab, wire, network, ((lab.b, lab.a),), 100)


@pytest.mark.parametrize("scenario", [
    pytest.param("rxe", marks=pytest.mark.lab(scenario="rxe")),
    pytest.param("vf", marks=pytest.mark.lab(scenario="vf", cpus=2))])
def test_32_queue_pairs_at_once_are_sealed_and_correct(lab, wire, scenario):
    unprotect(lab)
    try:
        Protection(lab, wire).up()
        perftest.perftest("ib_write_bw", end(lab.b), end(lab.a), 8192, 20, ["-q", "32"])
        perftest.perftest("ib_send_bw", end(lab.a), end(lab.b), 4096, 20, ["-q", "32", "-b"])
        wire.check_sealed_roce(at_least=3000)
    finally:
        unprotect(lab)
