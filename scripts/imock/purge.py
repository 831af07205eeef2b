# SPDX-License-Identifier: GPL-2.0
"""Give back the disk space: the cache and build/."""

from __future__ import annotations

import shutil

from . import lock
from .settings import BUILD, cache_dir
from .ui import say


def run() -> None:
    """Remove both; the next run begins from nothing."""
    cache = cache_dir()
    if cache.is_dir():
        with lock.cache():
            for path in cache.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()
        say(f"  emptied {cache}")
    if BUILD.is_dir():
        shutil.rmtree(BUILD)
        say(f"  removed {BUILD}")
