# SPDX-License-Identifier: GPL-2.0
"""The page of the report: one file without anything from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from . import report_matrix, report_mutants
from .report_style import STYLE

Item = dict[str, Any]

FAMILIES = {
    "vtd": "Intel VT-d",
    "amd": "AMD-Vi",
    "smmuv3": "Arm SMMUv3",
    "s390": "s390 PCI functions",
}

EXPLAIN = """
<p>Each cell is one change of what a device's DMA reaches, made by the driver's own code, and
decided by exhausting what the hardware may see of it: when each unit of an entry is fetched, what
stays cached, which stores are visible early, when commands are carried out, and what a second
actor does meanwhile. The small squares are the same change with somebody else at work; a square
that is red leads to the timeline of a counter-example.</p>
<table class="key"><tr><td class="hitless">hitless</td><td>every DMA reaches what the old or the
new domain says</td></tr><tr><td class="blocked">blocked</td><td>or is aborted for a while: the
contract allows that</td></tr><tr><td class="broken">broken</td><td>or something else happens; the
invariants are listed at the end</td></tr><tr><td class="not-exhausted">not exhausted</td><td>there
are too many states: nothing is said</td></tr></table>
"""

INVARIANTS = (
    ("I1", "an access is answered by the old or by the new side (strong), or aborted (weak)"),
    ("I2", "a line of the IOTLB is as the owner of its tag says"),
    ("I3", "a tag that is nobody's has no line"),
    ("I4", "what was unmapped is not reached any more"),
    ("I5", "no table is read that was freed"),
    ("I6", "behind success only the new side is in force"),
    ("I7", "behind failure the old side is in force"),
    ("I8", "nothing passes untranslated, unless a side is identity"),
    ("I9", "blocked does not pass through identity"),
    ("I10", "a function that does DMA is not driven into error state"),
    ("lost update", "what another agent wrote to the entry is still there"),
)


def page(matrix: dict[str, Any]) -> str:
    """The whole page."""
    cases: list[Item] = matrix["cases"]
    mutants: list[Item] = matrix["mutants"]
    body = [f"<h1>Hitless or not: {len(cases):,} cases</h1>", EXPLAIN,
            f"<p>Linux {escape(matrix['kernel'])}; {_sums(cases)}</p>",
            _overview(matrix["protocols"], cases, mutants)]
    for family in dict.fromkeys(case["family"] for case in cases):
        body.append(f'<h2 id="{escape(family)}">{escape(FAMILIES.get(family, family))}</h2>')
        body.append(report_matrix.family([c for c in cases if c["family"] == family]))
    body.append(report_mutants.section(mutants))
    rows = "".join(f"<tr><th>{name}</th><td>{escape(says)}</td></tr>" for name, says in INVARIANTS)
    body.append(f'<h2 id="invariants">Invariants</h2><table>{rows}</table>')
    return ("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width\">"
            f"<title>iommu-mock: hitless or not</title><style>{STYLE}</style></head>\n<body>"
            + "\n".join(body) + "</body></html>\n")


def _sums(cases: list[Item]) -> str:
    compared = [case for case in cases if "before" in case]
    before = sum(case["before"] for case in compared)
    after = sum(case["states"] for case in compared)
    return (f"{sum(case['states'] for case in cases):,} states, "
            f"{sum(case['transitions'] for case in cases):,} transitions. Each state stands for "
            f"up to 2<sup>{max(case['hardware_lg2'] for case in cases)}</sup> states of hardware. "
            f"In {len(compared):,} cases the reduction left {after:,} of {before:,} states.")


def _overview(protocols: list[Item], cases: list[Item], mutants: list[Item]) -> str:
    """A line for each protocol."""
    head = "".join(f"<th>{name}</th>" for name in
                   ("family", "protocol", "alone", "with others at work",
                    "entries must be read", "behind a refused step", "mutants"))
    rows = []
    for item in protocols:
        def of(items: list[Item], item: Item = item) -> list[Item]:
            return [i for i in items
                    if (i["family"], i["protocol"]) == (item["family"], item["protocol"])]
        mine = of(cases)
        bars = [_bar([c for c in mine if bool(c.get("variant")) is others])
                for others in (False, True)]
        bits = f"{64 * item['reads']} bits at a time"
        rows.append(
            f'<tr><td><a href="#{escape(item["family"])}">{escape(item["family"])}</a></td>'
            f"<th>{escape(item['protocol'])}</th><td>{bars[0]}</td><td>{bars[1]}</td>"
            f"<td>{bits}</td>{_failures(item)}<td>{report_mutants.sums(of(mutants))}</td></tr>")
    return f'<table class="overview"><tr>{head}</tr>{"".join(rows)}</table>'


def _bar(cases: list[Item]) -> str:
    """How many cases have each verdict."""
    parts = []
    for verdict in ("hitless", "blocked", "broken", "not exhausted"):
        count = sum(case["verdict"] == verdict for case in cases)
        if count:
            parts.append(f'<span class="{verdict.replace(" ", "-")}" title="{verdict}" '
                         f'style="flex-grow:{count}">{count}</span>')
    return f'<div class="bar">{"".join(parts)}</div>'


def _failures(item: Item) -> str:
    """Where DMA goes when a step of the driver is refused, as the driver declares and was found."""
    if not item["failures"]:
        return '<td class="none">no step can fail</td>'
    found = f"<small>in {item['failures'] - item['old_in_force']} of {item['failures']}</small>"
    if item["behind_failure"] == "old":
        return f'<td class="hitless">old in force<small>in all {item["failures"]}</small></td>'
    return f'<td class="blocked">blocked, as declared{found}</td>'
