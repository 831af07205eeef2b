# SPDX-License-Identifier: GPL-2.0
"""The compiler's command line of a crate root, as kbuild saved it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .ui import Failure

# Crate name, and its object below the folder of the module build.
ROOTS = (("iommu_mock_main", "drivers/iommu/mock/iommu_mock_main.o"),
         ("iommu_mock_kunit_main", "kunit/iommu_mock_kunit_main.o"))

_WITH_VALUE = ("--out-dir", "--crate-type", "--emit", "-L", "--extern", "--cfg", "--check-cfg")


class RustcLine:
    """Environment, flags and source of one rustc run."""

    def __init__(self, out: Path, target: str) -> None:
        path = (out / target).parent / f".{Path(target).name}.cmd"
        try:
            text = path.read_text()
        except OSError:
            raise Failure(f"{path} is not there: the module build keeps no commands") from None
        match = re.match(r"savedcmd_\S+ := (.*)", text)
        if match is None:
            raise Failure(f"{path} has an unknown form")
        words = shlex.split(match.group(1).split(" ; ")[0])
        self.env: dict[str, str] = {}
        while re.match(r"^\w+=", words[0]):
            key, value = words.pop(0).split("=", 1)
            self.env[key] = value
        self.source = next(word for word in reversed(words) if word.endswith(".rs"))
        self.flags = words[1:]
        self.flags.remove(self.source)

    def without(self, *prefixes: str) -> list[str]:
        """The flags without those that begin so (and their separate values)."""
        kept = []
        words = iter(self.flags)
        for word in words:
            if word.startswith(prefixes):
                if word in _WITH_VALUE:
                    next(words, None)
                continue
            kept.append(word)
        return kept

    def cfgs(self) -> list[str]:
        """What is set with --cfg on the command line itself."""
        found = [word[len("--cfg="):] for word in self.flags if word.startswith("--cfg=")]
        found += [b for a, b in zip(self.flags, self.flags[1:]) if a == "--cfg"]
        return found
