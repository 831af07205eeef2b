# SPDX-License-Identifier: GPL-2.0
"""The ratios of make bench as an SVG that stands on its own."""

from __future__ import annotations

import math
from html import escape
from typing import Any

LEFT, WIDTH, STEP, TOP = 460, 420, 18, 70
LOW, HIGH = 0.1, 4.0
COLOURS = {"floor": "#b3261e", "aim": "#b26a00", "": "#2e7d32"}

Row = dict[str, Any]


def _x(ratio: float) -> float:
    """Ratios are on a logarithmic axis; what is off it is at its end."""
    at = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return LEFT + at * WIDTH


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def plot(rows: list[Row]) -> str:
    """A line for each ratio: where it is, and where its floor and its aim are."""
    rows = [row for row in rows if row.get("floor") and "missing" not in row]
    height = TOP + STEP * len(rows) + 30
    width = LEFT + WIDTH + 80
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           _text(10, 22, "Time of ours / time of the other side", extra='font-size="15"'),
           _text(10, 40, "Left of 1 is faster. | floor, : aim; red misses the floor, "
                         "orange the aim.")]
    for tick in (0.1, 0.25, 0.5, 0.67, 0.8, 1.0, 1.3, 2.0, 4.0):
        x = _x(tick)
        out.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 24}" '
                   f'stroke="{"#888" if tick == 1.0 else "#ddd"}"/>')
        out.append(_text(x, TOP - 12, f"{tick:g}", "middle"))
    for number, row in enumerate(rows):
        out += _row(row, TOP + STEP * number + 8)
    return "\n".join([*out, "</svg>", ""])


def _row(row: Row, y: float) -> list[str]:
    ratio = row.get("ratio", row.get("figure"))
    size = f" [{row['size']}]" if row["size"] else ""
    out = [_text(LEFT - 10, y + 4, f"{row['what']}{size}, {row['peer']}, {row['cpus']} CPU", "end")]
    for limit, dash in (("floor", ""), ("aim", ' stroke-dasharray="2 2"')):
        x = _x(row[limit])
        out.append(f'<line x1="{x:.1f}" y1="{y - 6}" x2="{x:.1f}" y2="{y + 6}" '
                   f'stroke="#444"{dash}/>')
    out.append(f'<circle cx="{_x(ratio):.1f}" cy="{y}" r="4" fill="{COLOURS[row["missed"]]}"/>')
    out.append(_text(LEFT + WIDTH + 10, y + 4, f"{ratio:.3f}"))
    return out
