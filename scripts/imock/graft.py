# SPDX-License-Identifier: GPL-2.0
"""Graft this checkout into a kernel tree as drivers/iommu/mock, and undo it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .settings import TOP
from .source import tree_version
from .ui import Failure, say

GRAFT_DIR = "drivers/iommu/mock"
KCONFIG = "drivers/iommu/Kconfig"
MAKEFILE = "drivers/iommu/Makefile"
KCONFIG_LINE = f'source "{GRAFT_DIR}/Kconfig"\n'
MAKEFILE_LINE = "obj-y += mock/\n"


def _with(text: str, line: str) -> str:
    if line in text.splitlines(keepends=True):
        return text
    return text + ("" if text.endswith("\n") else "\n") + line


def with_kconfig(text: str) -> str:
    """drivers/iommu/Kconfig with our menu entry."""
    return _with(text, KCONFIG_LINE)


def with_makefile(text: str) -> str:
    """drivers/iommu/Makefile with our folder."""
    return _with(text, MAKEFILE_LINE)


def _replace(path: Path, text: str) -> None:
    """Write beside and rename, so that a hard-linked copy of the tree stays as it is."""
    fresh = path.with_name(path.name + ".graft")
    fresh.write_text(text)
    shutil.copymode(path, fresh)
    fresh.rename(path)


def _without(path: Path, line: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    if line in lines:
        lines.remove(line)
        _replace(path, "".join(lines))


def _check(tree: Path) -> None:
    tree_version(tree)
    for name in (KCONFIG, MAKEFILE):
        if not (tree / name).is_file():
            raise Failure(f"{tree} has no {name}")


def graft(tree: Path) -> None:
    """One symbolic link and two lines; doing it twice changes nothing more."""
    _check(tree)
    link = tree / GRAFT_DIR
    if link.is_symlink():
        if os.readlink(link) != str(TOP):
            raise Failure(f"{link} points to {os.readlink(link)}; ungraft that first")
    elif link.exists():
        raise Failure(f"{link} is in the way and is not a graft")
    else:
        link.symlink_to(TOP)
    for name, edit in ((KCONFIG, with_kconfig), (MAKEFILE, with_makefile)):
        path = tree / name
        text = path.read_text()
        if edit(text) != text:
            _replace(path, edit(text))
    say(f"grafted into {tree} as {GRAFT_DIR}; try there:")
    say(f"  tools/testing/kunit/kunit.py run --kunitconfig {GRAFT_DIR}/kunit "
        "--make_options LLVM=-<N>")


def ungraft(tree: Path) -> None:
    """Take back what graft did; other changes of the user stay."""
    _check(tree)
    link = tree / GRAFT_DIR
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise Failure(f"{link} is not a graft; left alone")
    _without(tree / KCONFIG, KCONFIG_LINE)
    _without(tree / MAKEFILE, MAKEFILE_LINE)
    say(f"{tree} is as it was before")
