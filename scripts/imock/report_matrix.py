# SPDX-License-Identifier: GPL-2.0
"""The report's tables of verdicts, and the timelines of what breaks."""

from __future__ import annotations

from html import escape
from typing import Any

Item = dict[str, Any]

VARIANTS = {
    "OldStays": "the old space stays in use",
    "Alike": "both map to the same pages",
    "UnmapOld": "a page is unmapped in the old space",
    "CutOld": "a page and its table go in the old space",
    "UnmapNew": "a page is unmapped in the new space",
    "CutNew": "a page and its table go in the new space",
    "UnmapBehindOld": "a page is unmapped in what the old space is nested in",
    "UnmapBehindNew": "a page is unmapped in what the new space is nested in",
    "MapOld": "a page is mapped in the old space",
    "MapNew": "a page is mapped in the new space",
    "OtherOnOld": "another endpoint stays on the old space",
    "OtherOnNew": "another endpoint is on the new space",
    "PasidStays": "a PASID stays where it is",
    "Writer": "another agent writes the entry",
    "Returns": "the endpoint was on the new side before",
    "Ats": "the endpoint keeps translations itself (ATS)",
    "AtsUnmapOld": "the same, and a page is unmapped in the old space",
    "AtsUnmapNew": "the same, and a page is unmapped in the new space",
}

# What a line of a timeline is about, by how it begins.
KINDS = (
    ("store ", "store"),
    ("barrier", "order"),
    ("wait", "order"),
    ("submit ", "command"),
    ("carries out ", "command"),
    ("MPCIFC", "command"),
    ("RPCIT", "command"),
    ("in memory: ", "memory"),
    ("writes ", "store"),
    ("DMA ", "dma"),
    ("reads the list", "books"),
    ("reads ", "reads"),
    ("fills ", "reads"),
    ("knows ", "reads"),
    ("keeps ", "reads"),
)


def name(case: Item) -> str:
    """A transition in words."""
    whose = "PASID: " if case.get("pasid") else ""
    how = ", ATS" if case.get("ats") else ""
    return f"{whose}{case['from']} → {case['to']}{how}"


def _anchor(case: Item) -> str:
    raw = f"{case['family']}-{case['protocol']}-{name(case)}-{case.get('variant', '')}"
    return "".join(c if c.isalnum() else "-" for c in raw)


def family(cases: list[Item]) -> str:
    """All about the cases of one family."""
    others = [case for case in cases if case.get("variant")]
    told = [case for case in cases if case["timeline"]]
    timelines = "".join(_timeline(case) for case in told)
    shown = (f"<details><summary>{len(told)} counter-examples</summary>{timelines}</details>"
             if told else "")
    return (_matrix(cases) + shown
            + f"<details><summary>The {len(others):,} cases with others at work, one by one"
              f"</summary>{_list(others)}</details>")


def _matrix(cases: list[Item]) -> str:
    protocols = list(dict.fromkeys(case["protocol"] for case in cases))
    found = {(name(c), c["protocol"], c.get("variant", "")): c for c in cases}
    rows = []
    for key in dict.fromkeys(name(case) for case in cases):
        cells = "".join(_cell(found, key, protocol) for protocol in protocols)
        rows.append(f"<tr><th>{escape(key)}</th>{cells}</tr>")
    head = "".join(f"<th>{escape(p)}</th>" for p in protocols)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(found: dict[tuple[str, str, str], Item], key: str, protocol: str) -> str:
    case = found.get((key, protocol, ""))
    if case is None:
        return '<td class="none">–</td>'
    squares = []
    for variant, says in VARIANTS.items():
        other = found.get((key, protocol, variant))
        if other is None:
            squares.append('<i class="gap"></i>')
            continue
        title = escape(f"{says}: {_verdict(other)}")
        shown = f'class="{_class(other)}" title="{title}"'
        link = f'<a href="#{_anchor(other)}" {shown}></a>'
        squares.append(link if other["timeline"] else f"<i {shown}></i>")
    return (f'<td class="{_class(case)}">{_linked(case)}<small>{_cost(case)}</small>'
            f'<div class="others">{"".join(squares)}</div></td>')


def _class(case: Item) -> str:
    return str(case["verdict"]).replace(" ", "-")


def _verdict(case: Item) -> str:
    broken = case.get("invariant", "").strip() if case["verdict"] == "broken" else ""
    return case["verdict"] + (f": {broken}" if broken else "")


def _linked(case: Item) -> str:
    shown = escape(_verdict(case))
    return f'<a href="#{_anchor(case)}">{shown}</a>' if case["timeline"] else shown


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _cost(case: Item) -> str:
    costs = [_some(case[key + "s"], key) for key in ("store", "command", "wait", "call")
             if case[key + "s"]]
    costs.append(_some(case["states"], "state"))
    half = (len(costs) + 1) // 2
    return ",<br>".join(", ".join(part) for part in (costs[:half], costs[half:]) if part)


def _list(cases: list[Item]) -> str:
    protocols = list(dict.fromkeys(case["protocol"] for case in cases))
    found = {(name(c), c["variant"], c["protocol"]): c for c in cases}
    rows = []
    for key, variant in dict.fromkeys((name(case), case["variant"]) for case in cases):
        cells = []
        for protocol in protocols:
            case = found.get((key, variant, protocol))
            cells.append('<td class="none">–</td>' if case is None else
                         f'<td class="{_class(case)}">{_linked(case)}'
                         f"<small>{_some(case['states'], 'state')}</small></td>")
        says = escape(VARIANTS.get(variant, variant))
        rows.append(f"<tr><th>{escape(key)}<small>{says}</small></th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(p)}</th>" for p in protocols)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _timeline(case: Item) -> str:
    """A counter-example: time goes down, the driver on the left, what hardware does on the right."""
    variant = VARIANTS.get(case.get("variant", ""), "")
    what = f"{case['protocol']}: {name(case)}{', ' if variant else ''}{variant}"
    verdict, *lines = case["timeline"]
    cells = ['<div class="time head"></div><div class="head">driver</div>'
             '<div class="head">others</div><div class="head">memory and hardware</div>']
    for time, line in enumerate(lines, 1):
        left, _, right = (part.strip() for part in line.partition("|"))
        who, _, act = left.partition(": ")
        if left.startswith("from before"):
            time, who, act = 0, "", ""
        lanes = [act if who == "driver" else "", act if who not in ("", "driver") else "", right]
        drawn = "".join(f"<div>{_event(text)}</div>" for text in lanes)
        cells.append(f'<div class="time">{time or "before"}</div>{drawn}')
    return (f'<details><summary>{escape(what)}</summary>'
            f'<p id="{_anchor(case)}">{escape(verdict)}.</p><div class="lanes">{"".join(cells)}</div></details>')


def _event(text: str) -> str:
    if not text:
        return ""
    kind = next((kind for start, kind in KINDS if text.startswith(start)), "books")
    return f'<span class="{kind}">{escape(text)}</span>'
