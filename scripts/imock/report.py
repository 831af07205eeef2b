# SPDX-License-Identifier: GPL-2.0
"""make report: the judge's matrix as JSON and as a page that stands on its own."""

from __future__ import annotations

import json
from typing import Any

from . import report_page
from .guest import Guest
from .session import Session
from .settings import BUILD
from .ui import Failure, Step, say

TIMEOUT = 600
VERDICTS = ("hitless", "blocked", "broken", "not exhausted")
KEYS = ("family", "protocol", "from", "to", "verdict", "stores", "commands", "waits", "calls",
        "states", "transitions", "timeline")

Case = dict[str, Any]


def run(session: Session) -> None:
    """Boot, let the judge decide every case, and write both files."""
    cases, mutants = collect(session)
    folder = BUILD / "report"
    folder.mkdir(parents=True, exist_ok=True)
    matrix = {"kernel": session.source.label, "cases": cases, "mutants": mutants}
    (folder / "matrix.json").write_text(json.dumps(matrix, indent=1) + "\n")
    (folder / "index.html").write_text(report_page.page(matrix))
    say(f"  {folder / 'index.html'}")
    say(f"  {folder / 'matrix.json'}")


def collect(session: Session) -> tuple[list[Case], list[Case]]:
    """The cases and mutants that the module reports."""
    kernel, modules = session.modules("uml")
    guest = Guest(kernel, False, "report", "report", modules,
                  {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params())},
                  ["kunit.enable=0"])
    with Step("the judge's matrix") as step:
        result = guest.run(TIMEOUT, lambda text: step.progress((text or "")[:60]))
        if result.status != 0:
            raise Failure(f"the guest reports exit status {result.status}", result.kernel_log)
        cases, mutants = parse(result.lines)
        if not cases:
            raise Failure("the judge decided no case", result.kernel_log)
        step.note = f"{len(cases)} cases, {len(mutants)} mutants"
    return cases, mutants


def parse(lines: list[str]) -> tuple[list[Case], list[Case]]:
    """Cases and mutants out of lines, of which those that are no JSON are not ours."""
    cases: list[Case] = []
    mutants: list[Case] = []
    for line in lines:
        if not line.startswith("{"):
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            raise Failure(f"the judge wrote a line that is no JSON ({error}): {line[:200]}") \
                from None
        if "mutant" in item:
            mutants.append(item)
            continue
        missing = [key for key in KEYS if key not in item]
        if missing or item["verdict"] not in VERDICTS:
            raise Failure(f"the judge wrote a case without {missing or 'a verdict'}: {line[:200]}")
        cases.append(item)
    return cases, mutants
