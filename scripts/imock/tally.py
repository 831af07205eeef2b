# SPDX-License-Identifier: GPL-2.0
"""Counts of what passed, failed and was skipped, and the closing line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from .ui import Failure, Unavailable, report_failure, say


@dataclass
class Tally:
    """Sums over all tests of a run; a test that could not run is never silent."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    remarks: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take over another tally."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.remarks += other.remarks

    def attempt(self, name: str, test: Callable[[], Tally | None]) -> None:
        """Run one test and count it."""
        self.add(outcome(name, test))

    def line(self) -> str:
        """The closing line, alone on its line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def close(self) -> int:
        """Print remarks and the closing line; returns the exit status."""
        if self.remarks:
            say()
        for remark in self.remarks:
            say(f"  {remark}")
        say()
        say(self.line())
        return 1 if self.failed or not self.passed else 0


def outcome(name: str, test: Callable[[], Tally | None]) -> Tally:
    """Run one test; what it returns counts, or if it returns none, as one that passed."""
    try:
        return test() or Tally(passed=1)
    except Unavailable as failure:
        say(f"  skipped: {name}: {failure}")
        return Tally(skipped=1, remarks=[f"skipped: {name}: {str(failure).splitlines()[0]}"])
    except Failure as failure:
        report_failure(failure)
        return Tally(failed=1, remarks=[f"failed: {name}: {str(failure).splitlines()[0]}"])
