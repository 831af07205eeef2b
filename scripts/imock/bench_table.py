# SPDX-License-Identifier: GPL-2.0
"""The figures of make bench for a terminal of 120 columns."""

from __future__ import annotations

from .bench_profile import Profile
from .bench_rows import Row

TITLES = {
    "group": "Groups: attach, replace, claim",
    "table": "Page tables",
    "growth": "Page tables, by the mappings that are there",
    "shared": "Page tables, by threads",
    "shadowed": "Lazy unmapping under a hypervisor that shadows, in its time",
    "iova": "IOVAs: alloc+free, by threads",
    "lazy": "Lazy unmapping",
    "moved": "Replace beside unmap all + map all",
    "loop": "What is counted",
}
MARKS = {"floor": "!!", "aim": "!", "": ""}


def quantity(number: float, by: str) -> str:
    """Short, with the unit that fits."""
    steps = (("G", 1e9), ("M", 1e6), ("k", 1e3)) if by == "instructions" else \
        (("s", 1e9), ("ms", 1e6), ("us", 1e3))
    for unit, size in steps:
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:.1f}" if by == "instructions" else f"{number:.1f} ns"


def spread(quartiles: list[float], by: str) -> str:
    """A median with how far the middle half of all rounds is from it; counts have no spread."""
    low, median, high = quartiles
    if by == "instructions":
        return f"{quantity(median, by):>9}     "
    percent = 50 * (high - low) / median if median else 0
    return f"{quantity(median, by):>9} {percent:3.0f}%"


def title(row: Row) -> str:
    """What a section is about."""
    what = "instructions" if row["by"] == "instructions" else "time"
    return (f"{TITLES.get(row['bench'], row['bench'])}: "
            f"{what}, {row['cpus']} CPU{'s' if row['cpus'] > 1 else ''}")


def table(rows: list[Row], profiles: list[Profile]) -> list[str]:
    """All rows by sections, then how many limits are kept, which floors are not, and why."""
    figures = [row for row in rows if row.get("floor")]
    broken = [row for row in figures if row["missed"] == "floor"]
    lines = _sections(rows)
    if broken:
        lines += ["", "What misses its floor:", *_sections(broken)]
    if profiles:
        lines += ["", "Where the CPU is meanwhile, on both sides and between them:"]
    for profile in profiles:
        lines += ["", *(f"  {name}" for name in profile["figures"])]
        lines += [f"    {share:6.1%}  {name:.108}" for name, share in profile["functions"]]
    lines.append("")
    for limit in ("floor", "aim"):
        kept = sum(row["missed"] not in (limit, "floor") for row in figures)
        lines.append(f"{limit}s: {kept} of {len(figures)} kept")
    return lines


def _sections(rows: list[Row]) -> list[str]:
    lines: list[str] = []
    section = None
    for row in rows:
        if title(row) != section:
            section = title(row)
            lines += ["", section, f"  {'':<37} {'size':>8} {'beside':<20} {'ours':>9} {'+-':>4} "
                      f"{'theirs':>9} {'+-':>4} {'ratio':>6} {'floor':>5} {'aim':>4}"]
        lines.append(_line(row))
    return lines


def _line(row: Row) -> str:
    size = f"{row['size']}" if row["size"] else ""
    head = f"  {row['what']:<37.37} {size:>8} {row['peer']:<20.20}"
    if "missing" in row:
        return f"{head} not measured: {row['missing']}"
    limits = f"{row['floor']:5.2f} {row['aim']:4.2f}" if row.get("floor") else ""
    mark = MARKS[row["missed"]]
    if "figure" in row:
        return f"{head} {row['unit']:>29} {row['figure']:>6.3f} {limits} {mark}".rstrip()
    return (f"{head} {spread(row['ours'], row['by'])} {spread(row['theirs'], row['by'])} "
            f"{row['ratio']:>6.3f} {limits} {mark}").rstrip()
