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
svg text { font: 12px ui-monospace, monospace; } svg .lane { font-weight: 600; }
.key span { padding: 0 .6rem; margin-right: .8rem; border: 1px solid #d0d7de; }
a { color: inherit; }
"""

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
    total = {key: sum(case[key] for case in cases) for key in ("states", "before", "transitions")}
    return (f"{total['states']:,} states explored ({total['before']:,} without reduction), "
            f"{total['transitions']:,} transitions")


def _name(case: Case) -> str:
    variant = f" ({case['variant']})" if case.get("variant") else ""
    return f"{case['from']} → {case['to']}{variant}"


def _anchor(case: Case) -> str:
    raw = f"{case['family']}-{case['protocol']}-{_name(case)}"
    return "".join(c if c.isalnum() else "-" for c in raw)


def _family(family: str, cases: list[Case]) -> str:
    protocols = list(dict.fromkeys(case["protocol"] for case in cases))
    names = list(dict.fromkeys(_name(case) for case in cases))
    found = {(_name(case), case["protocol"]): case for case in cases}
    rows = []
    for name in names:
        cells = [_cell(found.get((name, protocol))) for protocol in protocols]
        rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(p)}</th>" for p in protocols)
    told = [_details(case) for case in cases if case["timeline"]]
    return (f"<h2>{escape(family)}</h2><table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
            + "".join(told))


def _cell(case: Case | None) -> str:
    if case is None:
        return '<td class="none">–</td>'
    verdict = case["verdict"]
    shown = verdict + (f": {case['invariant']}" if case.get("invariant") else "")
    if case["timeline"]:
        shown = f'<a href="#{_anchor(case)}">{escape(shown)}</a>'
    cost = f"{case['stores']} stores, {case['commands']} commands, {case['waits']} waits"
    if case["calls"]:
        cost = f"{case['calls']} calls"
    return (f'<td class="{verdict.replace(" ", "-")}">{shown}<small>{cost}</small>'
            f"<small>{case['states']:,} states</small></td>")


def _details(case: Case) -> str:
    what = escape(case.get("what") or case["verdict"])
    return (f'<details id="{_anchor(case)}"><summary>{escape(_name(case))}, '
            f"{escape(case['protocol'])}: {what}</summary>{_timeline(case['timeline'])}</details>")


def _timeline(steps: list[list[str]]) -> str:
    """Two lanes, downwards: what the driver and other actors do, and what the hardware does."""
    width, top, line = 1080, 34, 24
    height = top + line * len(steps) + 10
    parts = [f'<svg width="100%" viewBox="0 0 {width} {height}" role="img">',
             '<text class="lane" x="10" y="18">driver and others</text>',
             f'<text class="lane" x="{width // 2 + 20}" y="18">hardware</text>',
             f'<line x1="{width // 2}" y1="8" x2="{width // 2}" y2="{height - 6}" '
             'stroke="#d0d7de"/>']
    for number, (lane, text) in enumerate(steps):
        y = top + line * number
        right = lane == "hardware"
        x = width // 2 + 20 if right else 10
        colour = "#cf222e" if number == len(steps) - 1 else "#0969da" if right else "#1b1f24"
        parts.append(f'<circle cx="{width // 2}" cy="{y + 4}" r="4" fill="{colour}"/>'
                     f'<text x="{x}" y="{y + 8}" fill="{colour}">{escape(text[:76])}'
                     f"<title>{escape(text)}</title></text>")
    return "".join(parts) + "</svg>"


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
