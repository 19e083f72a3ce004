# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab bench: the adapter beside stock rdma_rxe with software xfrm, same hosts, same run.

    setups      the four set-ups on the two hosts, and the proof of what is sealed
    meter       instructions of a host, counted by QEMU
    ruler       instructions per packet: cells, rounds, TCP, the floor
    profile     where they go, by function
    figures     tables and JSON;  chart: the SVG;  budget: what a figure may be at most
    wall        the same set-ups by the clock (perftest): proves nothing about other machines
    bond        the other half: a bond of two VFs with thousands of SAs, by the clock
"""

from .command import add_arguments, check_budget, main
from .setups import SETUPS, xfrm_script

__all__ = ["SETUPS", "add_arguments", "check_budget", "main", "xfrm_script"]
