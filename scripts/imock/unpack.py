# SPDX-License-Identifier: GPL-2.0
"""Unpack all or nothing: work in a scratch folder, then rename into place."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Iterator

from .proc import log_path, logged
from .ui import Failure, Step


@contextlib.contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside target; the caller renames its result to target.

    What an interrupted run left behind is removed first; the caller holds
    the cache's lock, so nobody else is at work there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(".tmp.*"):
        shutil.rmtree(stale, ignore_errors=True)
    work = target.parent / f".tmp.{os.getpid()}"
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def deb(step: Step, package: Path, where: Path) -> None:
    """Unpack a Debian package; a broken one is removed, to be fetched anew."""
    try:
        logged(step, ["dpkg-deb", "-x", package, where], log_path("unpack"),
               what=f"unpacking {package.name}")
    except Failure:
        package.unlink(missing_ok=True)
        raise


def tarball(step: Step, archive: Path, where: Path) -> None:
    """Unpack a compressed tar archive."""
    logged(step, ["tar", "-xf", archive, "-C", where], log_path("unpack"), append=True,
           what=f"unpacking {archive.name}")
