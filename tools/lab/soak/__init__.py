# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""roce-ipsec-lab soak: two hosts on a kernel that looks for faults, and everything that hurts.

    command     the command line; the suite once, then rounds until the time is over
    storms      what storms there are, and what they run in the hosts
    round       one round: hosts made ready, storms, everything unloaded, what is left
    report      findings: the whole of what the kernel says, and how to have it again
"""

from .command import add_arguments, main

__all__ = ["add_arguments", "main"]
