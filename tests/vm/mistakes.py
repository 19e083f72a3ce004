# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Builds of the modules in which something is wrong on purpose: do the judges notice?

All mistakes are in one build of the tree, each in a module of its own: a test loads the one it is
about, and the rest from the build under test.
"""

from __future__ import annotations

from pathlib import Path

from lab import kernels, project
from lab.config import source_root

# file, what is right, what is wrong
MISTAKES = (
    # iroce.ko: IVs come in pairs.
    ("adapter/ipsec/esp.c", "sa->num->iv_base + seq", "sa->num->iv_base + (seq & ~1ull)"),
    # ipsec_roce.ko: whoever the ports belong to, they are taken for one engine ...
    ("helper/bond.c", "facts->is_one_engine &= port->engine && port->engine == engine;",
     "facts->is_one_engine &= true;"),
    # ... and the second one is not asked whether it can share the first one's numbers.
    ("helper/shadow.c", "	if (sa->placement == IROCE_PLACE_SHARED)\n		first = find_first",
     "	if (false)\n		first = find_first"),
)


def modules(image, kernel: str) -> Path:
    """The folder with the broken modules for the kernel of a role."""
    texts: dict[str, str] = {}
    for name, right, wrong in MISTAKES:
        text = texts.get(name) or (source_root() / "kernel-module" / name).read_text()
        assert text.count(right) == 1, f"{name} has changed: adapt tests/vm/mistakes.py\n{right}"
        texts[name] = text.replace(right, wrong)
    return project.changed_modules(image, kernels.find(image, kernel), texts)
