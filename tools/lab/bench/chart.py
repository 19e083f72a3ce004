# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Draws the instructions as an SVG of bars: a group for each cell, a bar for each set-up.

Plain text, no script, no font of its own: it shows wherever an image does, and its source differs
only where figures differ.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from .figures import TITLES
from .setups import PAYLOAD, SETUPS

COLOURS = {"iroce + ESP": "#0b6e99", "rxe + ESP": "#c9622b",
           "iroce plain": "#7fb8d0", "rxe plain": "#e5b794"}
LABELS, BARS, NUMBERS = 130, 480, 90	# the three columns, pixels
BAR, GAP, HEAD, TOP = 14, 12, 30, 64


def svg(instructions: dict, caption: str) -> str:
    """instructions: as in the JSON, {"1500": {"iroce + ESP": {"send_64k": N}}}."""
    body, y = [], TOP
    for mtu, by_setup in instructions.items():
        body.append(_text(8, y + 16, f"MTU {mtu}, {PAYLOAD[int(mtu)] >> 10} KB packets", "head"))
        y += HEAD
        # A round trip costs as much as many packets: each cell has a scale of its own.
        for cell in (c for c in TITLES if any(c in row for row in by_setup.values())):
            rows = [(s.name, by_setup[s.name][cell]) for s in SETUPS
                    if cell in by_setup.get(s.name, {})]
            most = max(value for _, value in rows)
            body.append(_text(8, y + BAR - 3, TITLES[cell]))
            for name, value in rows:
                body += _bar(y, name, value, most)
                y += BAR
            y += GAP
    legend = [part for number, name in enumerate(COLOURS)
              for part in _legend(8 + number * 150, 38, name)]
    width = LABELS + BARS + NUMBERS
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
        f'viewBox="0 0 {width} {y}">',
        "<style>text{font:12px sans-serif;fill:#222}.head{font-weight:bold}"
        ".title{font-size:14px;font-weight:bold}</style>",
        f'<rect width="{width}" height="{y}" fill="#fff"/>',
        _text(8, 20, caption, "title"), *legend, *body, "</svg>", ""])


def _bar(y: int, name: str, value: float, most: float) -> list[str]:
    length = round(BARS * value / most, 1)
    return [f'<rect x="{LABELS}" y="{y}" width="{length}" height="{BAR - 2}" '
            f'fill="{COLOURS[name]}"/>',
            _text(LABELS + length + 6, y + BAR - 3, f"{value:,.0f}")]


def _legend(x: int, y: int, name: str) -> list[str]:
    return [f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[name]}"/>',
            _text(x + 18, y + 10, name)]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(text)}</text>'
