# SPDX-License-Identifier: GPL-2.0
"""Sums up what kmemleak has found after the suites were gone."""

from __future__ import annotations

import re
from collections import Counter

from .symbols import Symbols

OBJECT = re.compile(r"^unreferenced object .*\(size (\d+)\)")
CALLER = re.compile(r"^ {4}(?:\[<[0-9a-f]+>\] )?0x([0-9a-f]+)")
# Deeper is the suite that was running.
FRAMES = 6


def summary(lines: list[str], symbols: Symbols) -> list[str]:
    """How often what was lost that which functions had asked for, the most frequent first."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if match := OBJECT.match(line):
            found.append((match.group(1), []))
        elif found and (match := CALLER.match(line)):
            found[-1][1].append(symbols.name(int(match.group(1), 16)))
    counts = Counter((size, tuple(names[:FRAMES])) for size, names in found)
    return [f"leaked: {count} x {size} bytes, asked for in {' < '.join(names) or 'the kernel'}"
            for (size, names), count in counts.most_common()]
