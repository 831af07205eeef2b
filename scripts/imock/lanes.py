# SPDX-License-Identifier: GPL-2.0
"""Tests side by side: a guest has one busy CPU, and so has a compiler of one crate."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Callable

from . import proc
from .tally import Tally, outcome

Test = tuple[str, Callable[[], Tally | None]]


def run(tests: list[Test], count: int, tally: Tally) -> None:
    """Run the tests in so many lanes, begun in this order; an interrupt ends what they started."""
    with ThreadPoolExecutor(count) as lanes:
        try:
            for done in as_completed([lanes.submit(outcome, *test) for test in tests]):
                tally.add(done.result())
        except BaseException:
            proc.end_all()
            lanes.shutdown(cancel_futures=True)
            raise
