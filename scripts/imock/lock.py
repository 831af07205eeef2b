# SPDX-License-Identifier: GPL-2.0
"""Locks between runs, and between the lanes of one run: files, so that both see them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from typing import Iterator

from .settings import cache_dir
from .ui import Failure, say

_OWNER = 20


class _Held(threading.local):
    """What this thread holds: descriptor and depth by file."""

    def __init__(self) -> None:
        self.files: dict[Path, tuple[int, int]] = {}


_HELD = _Held()


def held_fds() -> tuple[int, ...]:
    """What a child has to inherit.

    With it a lock outlives a killed parent for as long as a build that it
    started is still running.
    """
    return tuple(fd for fd, _ in _HELD.files.values())


@contextlib.contextmanager
def hold(file: Path, shared: bool = False) -> Iterator[None]:
    """Take the lock of a file, waiting for whoever has it; nests in one thread, as first taken."""
    fd, depth = _HELD.files.get(file) or (_take(file, shared), 0)
    _HELD.files[file] = fd, depth + 1
    try:
        yield
    finally:
        if depth:
            _HELD.files[file] = fd, depth
        else:
            del _HELD.files[file]
            os.close(fd)


def cache(shared: bool = False) -> contextlib.AbstractContextManager[None]:
    """The lock of the cache: kernel builds take it alone, who builds against them shares it."""
    return hold(cache_dir() / "lock", shared)


def _take(file: Path, shared: bool) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Failure(f"cannot use {file.parent}: {error.strerror}") from None
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        # Another lane of this run shows what it is doing by itself.
        if os.pread(fd, _OWNER, 0) != _ours():
            say(f"  waiting for another run that uses {file} ...")
        fcntl.flock(fd, how)
    os.pwrite(fd, _ours(), 0)
    return fd


def _ours() -> bytes:
    """Who has the lock; of one length, so that one write replaces another whole."""
    return f"{os.getpid():<{_OWNER}}".encode()
