# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Builds of the modules in which something is wrong on purpose: do the judges notice?

All mistakes are in one build of the tree, each in a module of its own: a test loads the one it is
about, and the rest from the build under test.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import guestbuild, kernels
from lab.config import source_root

# file, what is right, what is wrong
MISTAKES = (
    # iroce.ko: IVs come in pairs.
    ("adapter/esp.c", "sa->num->iv_base + seq", "sa->num->iv_base + (seq & ~1ull)"),
    # ipsec_roce.ko: whoever the ports belong to, they are taken for one engine ...
    ("helper/bond.c", "facts->is_one_engine &= port->engine && port->engine == engine;",
     "facts->is_one_engine &= true;"),
    # ... and the second one is not asked whether it can share the first one's numbers.
    ("helper/shadow.c", "	if (sa->placement == IROCE_PLACE_SHARED)\n		first = find_first",
     "	if (false)\n		first = find_first"),
)


def modules(image, kernel: str, folder: Path) -> Path:
    """The folder with the broken modules for the kernel of a role; sources are put together in folder."""
    tree = folder / "kernel-module"
    shutil.copytree(source_root() / "kernel-module", tree,
                    ignore=shutil.ignore_patterns(".*", "*.o", "*.ko", "*.mod*", "*.order"))
    for name, right, wrong in MISTAKES:
        text = (tree / name).read_text()
        assert text.count(right) == 1, f"{name} has changed: adapt tests/vm/mistakes.py\n{right}"
        (tree / name).write_text(text.replace(right, wrong))
    return guestbuild.module(image, kernels.find(image, kernel), tree, "iroce").parent
