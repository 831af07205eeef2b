# SPDX-License-Identifier: GPL-2.0
"""The page of the report: one file without anything from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

Case = dict[str, Any]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #d0d7de; padding: .25rem .6rem; text-align: left;
         vertical-align: top; }
th { background: #f6f8fa; font-weight: 600; }
td.hitless { background: #dafbe1; } td.blocked { background: #fff8c5; }
td.broken { background: #ffebe9; } td.none { background: #f6f8fa; color: #818b98; }
td.not-exhausted { background: #ddf4ff; }
td small { display: block; color: #59636e; }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; font: 12px/1.6 ui-monospace, monospace; }
th small { display: block; font-weight: 400; color: #59636e; }
.key span { padding: 0 .6rem; margin-right: .8rem; border: 1px solid #d0d7de; }
a { color: inherit; }
"""

VARIANTS = {
    "OldStays": "the old space stays in use",
    "Alike": "both map to the same pages",
    "UnmapOld": "a page is unmapped in the old space",
    "CutOld": "a page and its table go in the old space",
    "UnmapNew": "a page is unmapped in the new space",
    "CutNew": "a page and its table go in the new space",
    "MapOld": "a page is mapped in the old space",
    "MapNew": "a page is mapped in the new space",
    "OtherOnOld": "another endpoint stays on the old space",
    "OtherOnNew": "another endpoint is on the new space",
    "PasidStays": "a PASID stays where it is",
    "Writer": "another agent writes the entry",
}

EXPLAIN = """
<p>Each cell is one change of what a device's DMA reaches, made by the driver's own code, and
decided by exhausting what the hardware may see of it: when each unit of an entry is fetched, what
stays cached, which stores are visible early, when commands are carried out, and what a second
actor does meanwhile.</p>
<p class="key"><span style="background:#dafbe1">hitless</span>every DMA reaches what the old or
the new domain says <span style="background:#fff8c5">blocked</span>or is aborted for a while
<span style="background:#ffebe9">broken</span>or something else happens: the timeline tells what
<span style="background:#ddf4ff">not exhausted</span>too many states: no verdict</p>
"""


def page(matrix: dict[str, Any]) -> str:
    """The whole page."""
    cases: list[Case] = matrix["cases"]
    families = list(dict.fromkeys(case["family"] for case in cases))
    body = [f"<h1>Hitless or not: {len(cases)} cases</h1>", EXPLAIN,
            f"<p>Linux {escape(matrix['kernel'])}; {_sums(cases)}</p>"]
    for family in families:
        body.append(_family(family, [c for c in cases if c["family"] == family]))
    if matrix["mutants"]:
        body.append(_mutants(matrix["mutants"]))
    return ("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width\">"
            f"<title>iommu-mock: hitless or not</title><style>{STYLE}</style></head>\n<body>"
            + "\n".join(body) + "</body></html>\n")


def _sums(cases: list[Case]) -> str:
    compared = [case for case in cases if "before" in case]
    before = sum(case["before"] for case in compared)
    after = sum(case["states"] for case in compared)
    return (f"{sum(case['states'] for case in cases):,} states, "
            f"{sum(case['transitions'] for case in cases):,} transitions. Each state stands for "
            f"up to 2<sup>{max(case['hardware_lg2'] for case in cases)}</sup> states of hardware. "
            f"In {len(compared):,} cases the reduction left {after:,} of {before:,} states.")


def _name(case: Case) -> str:
    whose = "PASID: " if case.get("pasid") else ""
    return f"{whose}{case['from']} → {case['to']}"


def _anchor(case: Case) -> str:
    raw = f"{case['family']}-{case['protocol']}-{_name(case)}-{case.get('variant', '')}"
    return "".join(c if c.isalnum() else "-" for c in raw)


def _family(family: str, cases: list[Case]) -> str:
    alone = [case for case in cases if not case.get("variant")]
    others = [case for case in cases if case.get("variant")]
    told = [_details(case) for case in cases if case["timeline"]]
    return (f"<h2>{escape(family)}</h2>{_table(alone)}"
            "<details><summary>With others at work meanwhile</summary>"
            + _table(others) + "</details>" + "".join(told))


def _table(cases: list[Case]) -> str:
    protocols = list(dict.fromkeys(case["protocol"] for case in cases))
    keys = list(dict.fromkeys((_name(case), case.get("variant", "")) for case in cases))
    found = {(_name(case), case.get("variant", ""), case["protocol"]): case for case in cases}
    rows = []
    for name, variant in keys:
        cells = [_cell(found.get((name, variant, protocol))) for protocol in protocols]
        shown = escape(name) + (f"<small>{escape(VARIANTS.get(variant, variant))}</small>"
                                if variant else "")
        rows.append(f"<tr><th>{shown}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(p)}</th>" for p in protocols)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(case: Case | None) -> str:
    if case is None:
        return '<td class="none">–</td>'
    verdict = case["verdict"]
    broken = case.get("invariant", "").strip() if verdict == "broken" else ""
    shown = verdict + (f": {broken}" if broken else "")
    if case["timeline"]:
        shown = f'<a href="#{_anchor(case)}">{escape(shown)}</a>'
    cost = f"{case['stores']} stores, {case['commands']} commands, {case['waits']} waits"
    if case["calls"]:
        cost = f"{case['calls']} calls"
    return (f'<td class="{verdict.replace(" ", "-")}">{shown}<small>{cost}</small>'
            f"<small>{case['states']:,} states</small></td>")


def _details(case: Case) -> str:
    variant = VARIANTS.get(case.get("variant", ""), "")
    what = f"{_name(case)}, {case['protocol']}{', ' if variant else ''}{variant}"
    lines = escape("\n".join(case["timeline"]))
    return (f'<details id="{_anchor(case)}"><summary>{escape(what)}: how it breaks</summary>'
            f"<pre>{lines}</pre></details>")


def _mutants(mutants: list[Case]) -> str:
    rows = []
    for mutant in mutants:
        killed = mutant.get("killed_by")
        cell = (f'<td class="hitless">{escape(killed)}</td>' if killed else
                f'<td class="none">equivalent: {escape(mutant.get("equivalent", "?"))}</td>')
        rows.append("<tr>" + "".join(f"<td>{escape(str(mutant.get(key, '')))}</td>" for key in
                                     ("family", "protocol", "case", "mutant")) + cell + "</tr>")
    return ("<h2>Mutants</h2><p>Each is one edit of the steps of a protocol, and must be noticed by "
            "an invariant unless it changes nothing that hardware can see.</p><table><tr>"
            "<th>family</th><th>protocol</th><th>case</th><th>edit</th><th>killed by</th></tr>"
            + "".join(rows) + "</table>")
