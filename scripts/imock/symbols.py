# SPDX-License-Identifier: GPL-2.0
"""Names of addresses in the kernel and in our modules."""

from __future__ import annotations

import bisect
import re
import subprocess
from pathlib import Path

LOADED = re.compile(r"^(iommu_mock\w*) .* 0x([0-9a-f]+)(?: \(\w+\))?$")


def base(line: str) -> dict[str, int]:
    """Where a module of ours is, if that is a line of /proc/modules that says so."""
    loaded = LOADED.match(line)
    return {loaded.group(1): int(loaded.group(2), 16)} if loaded else {}


class Symbols:
    """Names of addresses in the kernel and in our modules."""

    def __init__(self, system_map: Path, modules: list[Path], bases: dict[str, int]) -> None:
        found = [(int(address, 16), name) for address, kind, name in
                 (line.split() for line in system_map.read_text().splitlines()) if kind in "tT"]
        for module in modules:
            listed = subprocess.run(["nm", "-C", module], capture_output=True, text=True, check=True)
            for line in listed.stdout.splitlines():
                words = line.split(None, 2)
                if len(words) == 3 and words[1] in "tT" and module.stem in bases:
                    found.append((bases[module.stem] + int(words[0], 16), _short(words[2])))
        found.sort()
        self._addresses = [address for address, _ in found]
        self._names = [name for _, name in found]

    def name(self, address: int) -> str:
        """The function that an address is in."""
        at = bisect.bisect_right(self._addresses, address) - 1
        return self._names[at] if at >= 0 else "user space"


def _short(name: str) -> str:
    """A path of Rust without its crate and without what types are made of."""
    name = re.sub(r"iommu_mock\w*::(?:rust::)?", "", name)
    name = re.sub(r"::\{closure#\d+\}", "", name)
    # <T>::f and <T as Trait>::f, from the inside out.
    while True:
        shorter = re.sub(r"(^|[^\w:>])<([^<>]*?)(?: as [^<>]*)?>::", r"\1\2::", name)
        shorter = re.sub(r"(\w)(?:::)?<[^<>]*>", r"\1", shorter)
        if shorter == name:
            return name
        name = shorter
