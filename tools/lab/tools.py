# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The lab's tools out of the guest image: QEMU, its firmware, tshark.

Every machine thus has the same emulator and the same judge.  They run here, not in a chroot: the
image's own loader starts them with the image's own libraries.
"""

from __future__ import annotations

import os

from .config import LabError
from .image import Image

LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"


def command(img: Image, program: str) -> list[str]:
    """The beginning of a command line that runs a program of the image on this machine."""
    root = img.root
    path = root / "usr/bin" / program
    if not path.exists():
        raise LabError(f"the guest image has no {program}; roce-ipsec-lab setup --refresh")
    return [str(root / LOADER), "--argv0", program, "--library-path", str(root / LIBRARIES), str(path)]


def qemu(img: Image) -> list[str]:
    share = img.root / "usr/share"
    return [*command(img, "qemu-system-x86_64"), "-L", str(share / "qemu"), "-L",
            str(share / "seabios")]


def environment(img: Image) -> dict[str, str]:
    """What the programs look for in places that are somebody else's here."""
    root = img.root
    return dict(os.environ, QEMU_MODULE_DIR=str(root / LIBRARIES / "qemu"),
                WIRESHARK_DATA_DIR=str(root / "usr/share/wireshark"),
                WIRESHARK_PLUGIN_DIR=str(root / LIBRARIES / "wireshark/plugins"))
