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
PROTOCOL = ("family", "protocol", "reads", "failures", "old_in_force", "behind_failure")
CASE = ("family", "protocol", "from", "to", "verdict", "stores", "commands", "waits", "calls",
        "states", "transitions", "timeline")
MUTANT = ("family", "protocol", "from", "to", "mutant", "of", "step")
FATES = ("killed_by", "equivalent", "left")

Item = dict[str, Any]


def run(session: Session) -> None:
    """Boot, let the judge decide every case and mutant, and write both files."""
    matrix = {"kernel": session.source.label, **collect(session)}
    folder = BUILD / "report"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.json").write_text(json.dumps(matrix, indent=1) + "\n")
    (folder / "index.html").write_text(report_page.page(matrix))
    say(f"  {folder / 'index.html'}")
    say(f"  {folder / 'matrix.json'}")


def collect(session: Session) -> dict[str, list[Item]]:
    """The protocols, cases and mutants that the module reports."""
    kernel, modules = session.modules("uml")
    guest = Guest(kernel, False, "report", "report", modules,
                  {"PARAMS": "", "TEST_PARAMS": " ".join(session.settings.test_params())},
                  ["kunit.enable=0"])
    with Step("the judge's matrix") as step:
        result = guest.run(TIMEOUT, lambda text: step.progress((text or "")[:60]))
        if result.status != 0:
            raise Failure(f"the guest reports exit status {result.status}", result.kernel_log)
        found = parse(result.lines)
        for kind, items in found.items():
            if not items:
                raise Failure(f"the judge decided no {kind}", result.kernel_log)
        step.note = f"{len(found['cases'])} cases, {len(found['mutants'])} mutants"
    return found


def parse(lines: list[str]) -> dict[str, list[Item]]:
    """What is in lines, of which those that are no JSON are not ours."""
    found: dict[str, list[Item]] = {"protocols": [], "cases": [], "mutants": []}
    for line in lines:
        if not line.startswith("{"):
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            raise Failure(f"the judge wrote a line that is no JSON ({error}): {line[:200]}") \
                from None
        kind, keys, good = "cases", CASE, item.get("verdict") in VERDICTS
        if "mutant" in item:
            kind, keys, good = "mutants", MUTANT, sum(fate in item for fate in FATES) == 1
        elif "reads" in item:
            kind, keys, good = "protocols", PROTOCOL, True
        missing = [key for key in keys if key not in item]
        if missing or not good:
            raise Failure(f"the judge wrote a line without {missing or 'a verdict'}: {line[:200]}")
        found[kind].append(item)
    return found
