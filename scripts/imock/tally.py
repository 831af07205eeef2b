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

    def attempt(self, name: str, test: Callable[[], Tally | None]) -> bool:
        """Run one test and count it; its own tally counts if it returns one."""
        try:
            result = test()
        except Unavailable as failure:
            self.skipped += 1
            self.remarks.append(f"skipped: {name}: {str(failure).splitlines()[0]}")
            say(f"  skipped: {name}: {failure}")
            return False
        except Failure as failure:
            self.failed += 1
            self.remarks.append(f"failed: {name}: {str(failure).splitlines()[0]}")
            report_failure(failure)
            return False
        self.add(result if result is not None else Tally(passed=1))
        return result is None or result.failed == 0

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
