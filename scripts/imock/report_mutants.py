# SPDX-License-Identifier: GPL-2.0
"""The report's tables of mutants."""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from typing import Any

from .report_matrix import VARIANTS, name

Item = dict[str, Any]

# What differs between transitions that are otherwise alike.
VALUES = re.compile(r"\b(0x)?[0-9a-f]{5,}\b|\b0x[0-9a-f]+\b|(?<=space )\d+")
# Examples that are told of in one line of the list.
EXAMPLES = 3

EXPLAIN = """
<p>Each is one edit of the steps that a driver emitted, made at every step of every protocol. It is
killed by an invariant that does not hold any more, alone or with somebody else at work, or it is
as good as the original for a reason that was computed. I1 (strong): it blocks where the original
is hitless.</p>
"""


def fate(mutant: Item) -> tuple[str, str]:
    """killed, equivalent or left, and by what or why."""
    for key, word in (("killed_by", "killed"), ("equivalent", "equivalent")):
        if key in mutant:
            return word, str(mutant[key])
    return "left", str(mutant["left"])


def sums(mutants: list[Item]) -> str:
    """How many came to what end, in a cell."""
    count = Counter(fate(mutant)[0] for mutant in mutants)
    left = f"<small>{count['left']} left</small>" if count["left"] else ""
    return (f"{count['killed']:,} killed<small>{count['equivalent']:,} equivalent</small>{left}")


def section(mutants: list[Item]) -> str:
    """All about mutants."""
    body = [f'<h2 id="mutants">Mutants: {len(mutants):,}</h2>', EXPLAIN]
    for key in dict.fromkeys((m["family"], m["protocol"]) for m in mutants):
        mine = [m for m in mutants if (m["family"], m["protocol"]) == key]
        body.append(f"<details><summary>{escape(' '.join(key))}: {len(mine):,} mutants, "
                    f"{sum('killed_by' in m for m in mine):,} killed</summary>"
                    + _counts(mine) + _list(mine) + "</details>")
    return "".join(body)


def _counts(mutants: list[Item]) -> str:
    """Kind of edit against what became of it."""
    found = Counter((_kind(m), fate(m)) for m in mutants)
    fates = sorted({fate(m) for m in mutants},
                   key=lambda f: (f[0] != "killed", len(f[1]), f[1]))
    head = "".join(f"<th>{word}<small class=\"why\">{escape(why)}</small></th>" for word, why in fates)
    rows = []
    for kind in dict.fromkeys(sorted(_kind(m) for m in mutants)):
        cells = "".join(f'<td class="count {of[0]}">{found[kind, of] or ""}</td>'
                        if found[kind, of] else '<td class="none"></td>' for of in fates)
        total = sum(found[kind, of] for of in fates)
        rows.append(f'<tr><th>{escape(kind)}</th><td class="count">{total}</td>{cells}</tr>')
    return f"<table><tr><th>edit</th><th>all</th>{head}</tr>{''.join(rows)}</table>"


def _kind(mutant: Item) -> str:
    return f"{mutant['of']} {mutant['mutant']}"


def _list(mutants: list[Item]) -> str:
    """Every edit; those of several transitions that differ in values only are one line."""
    groups: dict[tuple[str, str, str, str], list[Item]] = {}
    for mutant in mutants:
        step = VALUES.sub("…", mutant["step"])
        groups.setdefault((_kind(mutant), step, *fate(mutant)), []).append(mutant)
    rows = []
    for (kind, step, word, why), alike in sorted(groups.items()):
        where = list(dict.fromkeys(name(mutant) for mutant in alike))
        more = f", and {len(where) - EXAMPLES} more" if len(where) > EXAMPLES else ""
        variants = sorted({VARIANTS[m["variant"]] for m in alike
                           if m.get("variant") in VARIANTS})
        shown = f"<small>{escape('; '.join(variants))}</small>" if variants else ""
        rows.append(
            f"<tr><td>{escape(kind)}</td><td>{escape(step)}</td>"
            f'<td class="count">{len(alike)}</td>'
            f"<td>{escape('; '.join(where[:EXAMPLES]))}{more}</td>"
            f'<td class="{ {"killed": "hitless", "left": "broken"}.get(word, "none") }">'
            f"{escape(f'{word}: {why}' if word != 'killed' else why)}{shown}</td></tr>")
    return ("<details><summary>one by one</summary><table><tr><th>edit</th><th>step</th><th>how "
            "often</th><th>where</th><th>killed by, or equivalent</th></tr>"
            + "".join(rows) + "</table></details>")
