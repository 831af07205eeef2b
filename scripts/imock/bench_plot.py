# SPDX-License-Identifier: GPL-2.0
"""The ratios of make bench as an SVG that stands on its own.

A line for each operation and peer; a mark on it for each size, and for each way of measuring.
"""

from __future__ import annotations

import math
from html import escape

from .bench_rows import Row, value
from .bench_table import TITLES

LEFT, WIDTH, RIGHT, STEP, TOP = 370, 460, 120, 17, 74
LOW, HIGH = 0.1, 4.0
TICKS = (0.1, 0.2, 0.4, 0.67, 0.8, 1.0, 1.3, 2.0, 4.0)
COLOURS = {"floor": "#b3261e", "aim": "#b26a00", "": "#2e7d32"}
WORDS = {"": "keeps its aim", "aim": "keeps its floor only", "floor": "misses its floor"}
WAYS = {"time, 1 CPU": "circle", "time, 2 CPUs": "ring", "instructions": "diamond"}

Line = tuple[str, list[Row]]


def plot(rows: list[Row]) -> str:
    """All rows that have a limit, by sections."""
    sections: dict[str, dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        if row.get("floor") and value(row) is not None:
            lines = sections.setdefault(row["bench"], {})
            lines.setdefault((row["what"], row["peer"]), []).append(row)
    height = TOP + sum(STEP * (len(lines) + 2) for lines in sections.values()) + 10
    width = LEFT + WIDTH + RIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>', *_legend()]
    y = float(TOP)
    for name, lines in sections.items():
        y += STEP
        out.append(_text(10, y + 4, TITLES.get(name, name), extra='font-weight="bold"'))
        out += _axis(y, STEP * len(lines) + 8)
        for (what, peer), marks in lines.items():
            y += STEP
            out += _line(f"{what} / {peer}", marks, y)
        y += STEP
    return "\n".join([*out, "</svg>", ""])


def _x(ratio: float) -> float:
    """Ratios are on a logarithmic axis; what is off it is at its end."""
    at = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return LEFT + at * WIDTH


def _text(x: float, y: float, text: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def _mark(shape: str, x: float, y: float, colour: str) -> str:
    if shape == "diamond":
        return (f'<path d="M{x - 4.5:.1f} {y:.1f}l4.5 -4.5l4.5 4.5l-4.5 4.5z" fill="white" '
                f'stroke="{colour}" stroke-width="1.5"/>')
    fill = colour if shape == "circle" else "none"
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="{colour}" '
            'stroke-width="1.5"/>')


def _limit(ratio: float, y: float, dashed: bool) -> str:
    dash = ' stroke-dasharray="2 2"' if dashed else ""
    return (f'<line x1="{_x(ratio):.1f}" y1="{y - 7}" x2="{_x(ratio):.1f}" y2="{y + 7}" '
            f'stroke="#444"{dash}/>')


def _legend() -> list[str]:
    out = [_text(10, 24, "Ours / the other side", extra='font-size="16"'),
           _text(10, 42, "Left of 1 ours takes less. A mark for each size, below 0.1 at 0.1; "
                         "at the right the least and the most.")]
    x = 16.0
    for way, shape in WAYS.items():
        out += [_mark(shape, x, 58, "#444"), _text(x + 10, 62, way)]
        x += 110
    for name, dashed in (("floor", False), ("aim", True)):
        place = _x(1) - x
        out += [f'<g transform="translate({-place:.1f})">{_limit(1, 58, dashed)}</g>',
                _text(x + 8, 62, name)]
        x += 60
    for missed, words in WORDS.items():
        out += [f'<rect x="{x:.1f}" y="53" width="10" height="10" fill="{COLOURS[missed]}"/>',
                _text(x + 15, 62, words)]
        x += 125
    return out


def _axis(y: float, height: float) -> list[str]:
    out = []
    for tick in TICKS:
        x = _x(tick)
        out.append(f'<line x1="{x:.1f}" y1="{y + 8:.1f}" x2="{x:.1f}" y2="{y + 8 + height:.1f}" '
                   f'stroke="{"#777" if tick == 1.0 else "#e0e0e0"}"/>')
        out.append(_text(x, y + 4, f"{tick:g}", "middle", 'fill="#666" font-size="10"'))
    return out


def _way(row: Row) -> str:
    if row["by"] == "instructions":
        return WAYS["instructions"]
    return WAYS["time, 1 CPU" if row["cpus"] == 1 else "time, 2 CPUs"]


def _line(name: str, rows: list[Row], y: float) -> list[str]:
    ratios = [value(row) or 0.0 for row in rows]
    least, most = min(ratios), max(ratios)
    out = [_text(LEFT - 12, y + 4, name, "end"),
           f'<line x1="{_x(least):.1f}" y1="{y}" x2="{_x(most):.1f}" y2="{y}" stroke="#bbb"/>',
           _limit(rows[0]["floor"], y, False), _limit(rows[0]["aim"], y, True)]
    # Those that miss most are on top.
    for row, ratio in sorted(zip(rows, ratios), key=lambda pair: pair[1]):
        out.append(_mark(_way(row), _x(ratio), y, COLOURS[row["missed"]]))
    text = f"{least:.2f}" if f"{least:.2f}" == f"{most:.2f}" else f"{least:.2f} to {most:.2f}"
    out.append(_text(LEFT + WIDTH + 12, y + 4, text))
    return out
