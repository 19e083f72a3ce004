# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Brings the hosts of a lab from booted to ready for a scenario."""

from __future__ import annotations


def prepare(lab, progress) -> None:
    if lab.scenario == "bare":
        return
