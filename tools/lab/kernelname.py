# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Kernels as a user names them.

    stable, newest      a role (see kernels.py)
    X.Y                 a series: the role that has it today
    stable-kasan        a role's kernel, built here with what finds faults (see debugkernel.py)
"""

from __future__ import annotations

import argparse
import re

from . import debugkernel, kernels
from .config import ROLES, LabError
from .image import Image
from .kernels import Kernel, NoKernel

DEBUG_NAMES = tuple(f"{role}-{flavour}" for role in ROLES for flavour in debugkernel.FLAVOURS)


def choose(img: Image, wanted: str, progress) -> Kernel:
    """The kernel of that name, fetched or built if the cache has none."""
    if wanted in ROLES:
        return kernels.ensure(img, wanted, progress)
    if wanted in DEBUG_NAMES:
        role, flavour = wanted.split("-")
        return debugkernel.ensure(img, kernels.ensure(img, role, progress), flavour, progress)
    there = []
    for role in ROLES:
        try:
            kernel = kernels.ensure(img, role, progress)
        except NoKernel as err:
            there.append(str(err))
            continue
        if kernel.series == wanted:
            return kernel
        there.append(f"{role} is {kernel.release}")
    raise LabError(f"no kernel {wanted} here: {'; '.join(there)}")


def is_debug(kernel: Kernel) -> bool:
    """Is it one that was built here?  Slow, large, and looks for faults by itself."""
    return kernel.role in DEBUG_NAMES


def check(text: str) -> str:
    """A name that choose() takes; LabError for anything else."""
    if text in (*ROLES, *DEBUG_NAMES) or re.fullmatch(r"\d{1,2}\.\d{1,3}", text):
        return text
    raise LabError(f"kernel {text!r}: one of {', '.join(ROLES)}, or a series as uname -r begins; "
                   f"built here, in 20 minutes or more: {', '.join(DEBUG_NAMES)}")


def add_option(parser, **more) -> None:
    """--kernel of a command line."""
    def kernel(text: str) -> str:
        try:
            return check(text)
        except LabError as err:
            raise argparse.ArgumentTypeError(str(err)) from None

    parser.add_argument("--kernel", type=kernel, **{
        "metavar": "stable|newest|SERIES", "default": ROLES[0], "help": "Debian's own kernel, what its backports have today, or one "
        "of them by its series (default: stable)"} | more)
