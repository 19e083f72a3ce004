# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What tools/roce-ipsec-lab starts: the package by its name, wherever the tree is."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from lab.cli import main  # noqa: E402

sys.exit(main())
