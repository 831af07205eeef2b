# SPDX-License-Identifier: GPL-2.0
"""The guided demo: what the module writes goes to the terminal, nothing else."""

from __future__ import annotations

import re

from .guest import Guest, Result
from .session import Session
from .ui import Failure, Step, say

TIMEOUT = 120
TOTALS = re.compile(r"^demo: (\d+) steps?, (\d+) failed\b")


def run(session: Session) -> None:
    """make demo: boot, print the demo, judge it by its last line."""
    guest = _guest(session)
    say()
    result = guest.run(TIMEOUT, lambda text: None if text is None else say(text))
    say()
    judge(result)


def check(session: Session) -> None:
    """The same as a test: without its text."""
    guest = _guest(session)
    with Step("demo") as step:
        step.note = judge(guest.run(TIMEOUT, lambda text: step.progress(text or "")))


def _guest(session: Session) -> Guest:
    kernel, modules = session.modules("uml")
    return Guest(kernel, False, "demo", "demo", modules,
                 {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params())},
                 ["kunit.enable=0"])


def judge(result: Result) -> str:
    """The line of totals of a demo in which all went as it should."""
    totals = next((TOTALS.match(text) for text in reversed(result.lines) if text.strip()), None)
    if result.status != 0:
        raise Failure(f"the demo's guest reports exit status {result.status}", result.kernel_log)
    if totals is None:
        raise Failure("the demo did not end with its line of totals", result.kernel_log)
    if int(totals.group(2)) or not int(totals.group(1)):
        raise Failure(f"the demo failed: {totals.group(0)}", result.kernel_log)
    return totals.group(0)
