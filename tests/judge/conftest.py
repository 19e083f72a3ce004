# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Makes the lab's Python package importable; nothing here needs a lab that runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
