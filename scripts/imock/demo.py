# SPDX-License-Identifier: GPL-2.0
"""The guided demo: what the module writes goes to the terminal, nothing else."""

from __future__ import annotations

import re

from .guest import Guest
from .session import Session
from .tally import Tally
from .ui import Failure, say

TIMEOUT = 120
TOTALS = re.compile(r"^demo: (\d+) steps?, (\d+) failed\b")


def run(session: Session, show: bool = True) -> Tally:
    """Boot, print the demo, judge it by its last line."""
    kernel, modules = session.modules("uml")
    guest = Guest(kernel, False, "demo", "demo", modules,
                  {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params())},
                  ["kunit.enable=0"])
    if show:
        say()

    def line(text: str) -> None:
        if show:
            say(text)

    result = guest.run(TIMEOUT, line)
    if show:
        say()
    totals = next((TOTALS.match(text) for text in reversed(result.lines) if text.strip()), None)
    if result.status != 0:
        raise Failure(f"the demo's guest reports exit status {result.status}", result.kernel_log)
    if totals is None:
        raise Failure("the demo did not end with its line of totals", result.kernel_log)
    if int(totals.group(2)) or not int(totals.group(1)):
        raise Failure(f"the demo failed: {totals.group(0)}", result.kernel_log)
    return Tally(passed=1)
