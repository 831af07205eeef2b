# SPDX-License-Identifier: GPL-2.0
"""Finds in a kernel log what must not be there."""

from __future__ import annotations

import re
from pathlib import Path

SPLAT = re.compile(
    r"WARNING: |BUG: |Call Trace:|possible circular locking|possible recursive locking|"
    r"inconsistent lock state|bad unlock balance|suspicious RCU usage|INFO: task .* blocked|"
    r"sleeping function called|Oops|general protection fault|Kernel panic|"
    r"unreferenced object|refcount_t:|list_(add|del) corruption|UBSAN:|KASAN:|"
    r"held lock freed|Unknown rela relocation|Unknown symbol")

# What the guests themselves cause and may cause.
EXPECTED = (
    re.compile(r"WARNING: Deprecated"),
)


def splats(log: Path, text: str | None = None) -> list[str]:
    """Lines of a kernel log that tell of a defect."""
    if text is None:
        try:
            text = log.read_text(errors="replace")
        except OSError:
            return []
    return [line.strip() for line in text.replace("\r", "").splitlines()
            if SPLAT.search(line) and not any(e.search(line) for e in EXPECTED)]
