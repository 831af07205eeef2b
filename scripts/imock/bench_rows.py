# SPDX-License-Identifier: GPL-2.0
"""What the benchmarks in a guest say: a row for each line of JSON."""

from __future__ import annotations

import json
from typing import Any

from .guest import Result
from .ui import Failure

Row = dict[str, Any]

# Not more than theirs; what is measured is never quite the same.
GROWTH = {"floor": 1.1, "aim": 1.0}


def parse(result: Result, by: str) -> list[Row]:
    """The rows of a guest in which everything could be measured, by time or by instructions."""
    if result.status != 0:
        raise Failure(f"the guest reports exit status {result.status}", result.kernel_log)
    rows = []
    for line in filter(lambda line: line.startswith("{"), result.lines):
        try:
            rows.append({**json.loads(line), "by": by})
        except json.JSONDecodeError as error:
            raise Failure(f"a line is no JSON ({error}): {line[:200]}") from None
    if not rows:
        raise Failure("nothing was measured", result.kernel_log)
    for row in rows:
        if "failed" in row:
            raise Failure(f"{row['bench']}: failed with error {row['failed']}", result.kernel_log)
    rows = [new for row in rows for new in (row, *_growth(row, rows))]
    for row in rows:
        row["missed"] = missed(row)
    return rows


def _growth(row: Row, rows: list[Row]) -> list[Row]:
    """By how much more ours has grown than theirs, behind the row with the largest table."""
    if row["bench"] != "growth" or "ratio" not in row:
        return []
    alike = [other for other in rows if all(
        other[key] == row[key] for key in ("bench", "what", "peer"))]
    least, most = (choose(alike, key=lambda other: other["size"]) for choose in (min, max))
    if row is not most:
        return []
    return [{**{key: row[key] for key in ("bench", "cpus", "by", "size", "peer")},
             "what": f"{row['what']}, growth", "unit": "ours / theirs",
             "figure": round(row["ratio"] / least["ratio"], 3), **GROWTH}]


def value(row: Row) -> float | None:
    """What the limits are about: a ratio, or another figure."""
    return row.get("ratio", row.get("figure"))


def missed(row: Row) -> str:
    """Which limit a row does not keep, if any."""
    figure = value(row)
    if figure is None or not row.get("floor"):
        return ""
    if figure > row["floor"]:
        return "floor"
    return "aim" if figure > row["aim"] else ""
