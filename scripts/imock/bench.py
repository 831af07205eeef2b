# SPDX-License-Identifier: GPL-2.0
"""make bench: ours beside the kernel's C, as a table, JSON and a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import bench_plot
from .guest import Guest
from .kernels import Kernel
from .session import Session
from .settings import BUILD
from .ui import Failure, Step, say

TIMEOUT = 3600
CPUS = (1, 2)
TITLES = {
    "group": "Groups: attach, replace, claim",
    "table": "Page tables",
    "growth": "Page tables, by the mappings that are there",
    "shared": "Page tables, by threads",
    "shadowed": "Lazy unmapping under a hypervisor that shadows, in its time",
    "iova": "IOVAs: alloc+free, by threads",
    "lazy": "Lazy unmapping",
    "moved": "Replace beside unmap all + map all",
}

Row = dict[str, Any]


def run(session: Session) -> None:
    """Boot with one CPU and with two, measure, and write all files."""
    kernel, modules = session.modules("bench")
    rows = [row for cpus in CPUS for row in measure(session, kernel, modules, cpus)]
    for row in rows:
        row["missed"] = missed(row)
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    results = {"kernel": session.source.label, "effort": session.settings.effort or 100,
               "rows": rows}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "ratios.svg").write_text(bench_plot.plot(rows))
    for line in table(rows):
        say(line)
    say()
    say(f"  {folder / 'results.json'}")
    say(f"  {folder / 'ratios.svg'}")


def measure(session: Session, kernel: Kernel, modules: list[Path], cpus: int) -> list[Row]:
    """What a boot with so many CPUs measures."""
    guest = Guest(kernel, False, f"bench-{cpus}", "bench", modules,
                  {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params())},
                  ["kunit.enable=0", f"ncpus={cpus}"])
    with Step(f"measuring with {cpus} CPU{'s' if cpus > 1 else ''}") as step:
        result = guest.run(TIMEOUT, lambda text: step.progress((text or "")[:60]))
        if result.status != 0:
            raise Failure(f"the guest reports exit status {result.status}", result.kernel_log)
        rows = parse(result.lines)
        if not rows:
            raise Failure("nothing was measured", result.kernel_log)
        failed = [row for row in rows if "failed" in row]
        if failed:
            raise Failure(f"{failed[0]['bench']}: failed with error {failed[0]['failed']}",
                          result.kernel_log)
        step.note = f"{len(rows)} figures"
    return rows


def parse(lines: list[str]) -> list[Row]:
    """The lines that are JSON."""
    rows = []
    for line in lines:
        if not line.startswith("{"):
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise Failure(f"a line is no JSON ({error}): {line[:200]}") from None
    return rows


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


def nanoseconds(time: float) -> str:
    """Short, with the unit that fits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if time >= size:
            return f"{time / size:.2f} {unit}"
    return f"{time:.1f} ns"


def spread(quartiles: list[float]) -> str:
    """A median with how far the middle half of all rounds is from it."""
    low, median, high = quartiles
    percent = 50 * (high - low) / median if median else 0
    return f"{nanoseconds(median):>9} +-{percent:3.0f}%"


def table(rows: list[Row]) -> list[str]:
    """All rows for a terminal; those that miss a floor are marked with !!, an aim with !."""
    lines: list[str] = []
    title = None
    for row in rows:
        if (row["bench"], row["cpus"]) != title:
            title = (row["bench"], row["cpus"])
            lines += ["", f"{TITLES.get(row['bench'], row['bench'])} ({row['cpus']} CPU)", ""]
        lines.append(_line(row))
    figures = [row for row in rows if row.get("floor")]
    for limit in ("floor", "aim"):
        kept = sum(row["missed"] not in (limit, "floor") for row in figures)
        lines.append(f"{'' if limit == 'aim' else chr(10)}{limit}s: {kept} of {len(figures)} kept")
    return lines


def _line(row: Row) -> str:
    size = f"{row['size']}" if row["size"] else ""
    head = f"  {row['what']:<46.46} {size:>8}  {row['peer']:<22.22}"
    if "missing" in row:
        return f"{head} not measured: {row['missing']}"
    limits = f"{row['floor']:5.2f} {row['aim']:5.2f}" if row.get("floor") else ""
    mark = {"floor": "!!", "aim": "!", "": ""}[row["missed"]]
    if "figure" in row:
        return f"{head} {row['figure']:>40.3f} {row['unit']:<8} {limits} {mark}".rstrip()
    return (f"{head} {spread(row['ours'])} {spread(row['theirs'])} {row['ratio']:>6.3f}"
            f"          {limits} {mark}").rstrip()
