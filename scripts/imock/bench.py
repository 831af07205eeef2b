# SPDX-License-Identifier: GPL-2.0
"""make bench: ours beside the kernel's C, as a table, JSON and a plot."""

from __future__ import annotations

import json

from . import bench_count, bench_plot, bench_profile, bench_table
from .bench_profile import Profile
from .bench_rows import Row, parse
from .guest import Guest
from .session import Session
from .settings import BUILD
from .ui import Failure, Step, report_failure, say

TIMEOUT = 3600
# What a second CPU changes nothing for is measured with one.
SUBJECTS = {1: "group table growth shared iova lazy shadowed moved", 2: "group shared iova lazy"}


def run(session: Session) -> None:
    """Count, measure with one CPU and with two, look into what misses, and write all files."""
    lost = []
    counted: list[Row] = []
    difference = None
    profiles: list[Profile] = []
    # The times are not lost for what else fails.
    try:
        counted, difference = bench_count.run(session)
    except Failure as failure:
        lost.append("instructions were not counted")
        report_failure(failure)
    rows = [row for cpus in SUBJECTS for row in measure(session, cpus)] + counted
    try:
        profiles = bench_profile.run(session, rows)
    except Failure as failure:
        lost.append("there are no profiles")
        report_failure(failure)
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    results = {"kernel": session.source.label, "effort": session.settings.effort or 100,
               "counts_differ_by": difference, "rows": rows, "profiles": profiles}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "ratios.svg").write_text(bench_plot.plot(rows))
    for line in bench_table.table(rows, profiles):
        say(line)
    say()
    say(f"  {folder / 'results.json'}")
    say(f"  {folder / 'ratios.svg'}")
    if lost:
        raise Failure(f"{' and '.join(lost)}, see above")


def measure(session: Session, cpus: int) -> list[Row]:
    """What a boot with so many CPUs measures."""
    kernel, modules = session.modules("bench")
    guest = Guest(kernel, False, f"bench-{cpus}", "bench", modules,
                  {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params()),
                   "SUBJECTS": SUBJECTS[cpus]},
                  ["kunit.enable=0", f"ncpus={cpus}"])
    with Step(f"measuring with {cpus} CPU{'s' if cpus > 1 else ''}") as step:
        rows = parse(guest.run(TIMEOUT, lambda text: step.progress((text or "")[:60])), "time")
        step.note = f"{len(rows)} figures"
    return rows
