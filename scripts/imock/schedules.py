# SPDX-License-Identifier: GPL-2.0
"""make check-schedules: threads that use a group at once, in more orders than make check tries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .guest import Guest
from .kernels import Kernel
from .session import Session
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, duration, say

TIMEOUT = 1800
_FOUND = re.compile(r"# .*: (\d+) schedules, (\d+) steps, (\d+) choices spared, (\d+) cut")
_SCENES = re.compile(r"# .*: (\d+) scenes, (\d+) of obedient callers")


@dataclass
class Counts:
    """What was explored."""

    scenes: int = 0
    schedules: int = 0
    steps: int = 0
    cut: int = 0

    def take(self, log: str) -> None:
        """Add what a kernel log says."""
        for match in _SCENES.finditer(log):
            self.scenes += int(match.group(1))
        for match in _FOUND.finditer(log):
            self.schedules += int(match.group(1))
            self.steps += int(match.group(2))
            self.cut += int(match.group(4))

    def add(self, other: Counts) -> None:
        """Add those of another part."""
        for name in ("scenes", "schedules", "steps", "cut"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def line(self) -> str:
        """For people."""
        return (f"{self.scenes} scenes, {self.schedules} schedules, {self.steps} steps, "
                f"{self.cut} choices cut by the bound")


@dataclass(frozen=True)
class Part:
    """One boot: the suites of a glob."""

    title: str
    glob: str
    # Whether what has to be asked for is asked for.
    asked: bool = False


# Preemptions of triples. Those of pairs (2) and of named scenes (3) are in their suites.
TRIPLES = 2

PARTS = (
    Part("the explorer finds what is there", "iommu_mock_schedule"),
    Part("named scenes, 3 preemptions", "iommu_mock_schedule_named"),
    Part("pairs, 2 preemptions", "iommu_mock_schedule_pairs"),
    Part("pairs and named scenes, other families", "iommu_mock_*_schedule_families", True),
    Part(f"triples, {TRIPLES} preemptions", "iommu_mock_schedule_triples", True),
)


def _explore(kernel: Kernel, modules: list[Path], part: Part, total: Counts) -> Tally:
    params = [f"triples={TRIPLES}"] if part.asked else []
    guest = Guest(kernel, False, f"schedules-{PARTS.index(part)}", "suites", modules,
                  {"GLOB": part.glob, "TEST_PARAMS": " ".join(params), "PARAMS": ""},
                  ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=4M"])
    with Step(part.title) as step:
        result = guest.run(TIMEOUT, lambda line: step.progress(line or ""))
        text = result.kernel_log.read_text(errors="replace")
        noise = splats(result.kernel_log, text)
        if result.status != 0 or noise:
            for line in [*result.lines[-5:], *noise[:10]]:
                say(f"    | {line}")
            raise Failure("a schedule ended as it must not; its timeline and how to replay it are "
                          "in the log" if result.status else "splats in the kernel log",
                          result.kernel_log)
        found = Counts()
        found.take(text)
        total.add(found)
        step.note = found.line() if found.scenes else result.lines[-1]
    return Tally(passed=1)


def run(session: Session) -> int:
    """Part by part."""
    tally = Tally()
    total = Counts()
    overall = Step("")
    kernel, modules = session.modules("uml")
    for part in PARTS:
        tally.attempt(part.title, lambda part=part: _explore(kernel, modules, part, total))
    say()
    say(f"  {total.line()}")
    say(f"  all of it took {duration(overall.elapsed)}")
    return tally.close()
