# SPDX-License-Identifier: GPL-2.0
"""Instructions instead of time: an emulated CPU whose clock counts them.

With -icount shift=0 the clock of QEMU advances by 1 ns for each instruction, also the one that
rdtsc reads, so that a nanosecond in the guest is an instruction.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from . import proc
from .bench_rows import Row, parse
from .guest import Guest
from .session import Session
from .ui import Failure, Step

BOOTS = 2
SUBJECTS = "loop group table growth iova lazy moved"
TIMEOUT = 1800
# How much the counts of two boots may differ, and that of the known loop from the truth.
BOUND = 0.001
LOOP = 2
# The fewest rounds there are, as they are all alike.
EFFORT = 1
# The kernel takes the clock that it is told of as it is.
CLOCK = ["tsc=reliable", "clocksource=tsc", "tsc_early_khz=1000000"]


def run(session: Session) -> tuple[list[Row], float]:
    """The rows of the first boot, and how much those of another differ at most."""
    kernel, modules = session.modules("bench-x86")
    guests = [Guest(kernel, True, f"count-{number}", "count", modules,
                    {"PARAMS": "", "TEST_PARAMS": f"effort={EFFORT}", "SUBJECTS": SUBJECTS},
                    ["kunit.enable=0", *CLOCK], counted=True) for number in range(BOOTS)]
    with Step(f"counting instructions in {BOOTS} boots") as step, \
            ThreadPoolExecutor(BOOTS) as boots:
        try:
            rows, *others = boots.map(
                lambda guest: parse(guest.run(TIMEOUT, lambda text: step.progress(text or "")),
                                    "instructions"), guests)
        except BaseException:
            proc.end_all()
            raise
        check_loop(rows)
        most = max(difference(rows, other) for other in others)
        step.note = f"{len(rows)} figures, " + \
            (f"which differ by {100 * most:.4f} % at most" if most else "the same in each")
        if most > BOUND:
            raise Failure(f"the boots differ by {100 * most:.2f} %: that is no count")
    return rows, most


def check_loop(rows: list[Row]) -> None:
    """A loop whose instructions are known is counted as it has to be."""
    for figure in (row["figure"] for row in rows if row["bench"] == "loop"):
        if abs(figure / LOOP - 1) > BOUND:
            raise Failure(f"a loop of {LOOP} instructions counts as {figure}")


def difference(rows: list[Row], others: list[Row]) -> float:
    """How much the figures of two boots differ at most, as a part of them."""
    def figures(row: Row) -> list[float]:
        return [*row.get("ours", []), *row.get("theirs", []),
                *(row[key] for key in ("ratio", "figure") if key in row)]

    def name(row: Row) -> tuple[object, ...]:
        return row["bench"], row["what"], row["size"], row["peer"]

    if [name(row) for row in rows] != [name(row) for row in others]:
        raise Failure("two boots measured different things")
    return max((abs(a - b) / max(abs(a), abs(b)) for row, other in zip(rows, others)
                for a, b in zip(figures(row), figures(other)) if a != b), default=0.0)
