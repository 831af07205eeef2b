# SPDX-License-Identifier: GPL-2.0
"""Child processes: logged, timed, and ended with everything they started."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from .lock import held_fds
from .settings import LOGS, clean_env
from .ui import Failure, Step

_BUILD_LINE = re.compile(r"^\s{2}[A-Z][A-Z0-9 ]*( \[M\])?\s+(?P<what>\S.*)")
_RUNNING: set[subprocess.Popen] = set()
_STOPPING = threading.Event()


@contextlib.contextmanager
def running(args: Sequence[str], at_once: bool = False,
            **options: Any) -> Iterator[subprocess.Popen]:
    """A process that leads a group of its own, which ends with the block.

    At once: without asking it first. An interrupt of the run interrupts every lane here.
    """
    _stop_here()
    process = subprocess.Popen(args, start_new_session=True, **options)
    _RUNNING.add(process)
    try:
        yield process
    finally:
        _end_group(process, at_once)
        _RUNNING.discard(process)
        _stop_here()


def _stop_here() -> None:
    if _STOPPING.is_set():
        raise KeyboardInterrupt


def end_all() -> None:
    """End what all lanes are running, and let them start nothing more."""
    _STOPPING.set()
    for process in list(_RUNNING):
        _end_group(process, at_once=False)


def _end_group(process: subprocess.Popen, at_once: bool) -> None:
    """End a process and everything it started (it leads its own group)."""
    for sig, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        if at_once and sig == signal.SIGTERM:
            continue
        try:
            os.killpg(process.pid, sig)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def log_path(name: str) -> Path:
    """The log file of that name, its folder made."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"


class _Follower:
    """Reads what was added to a log, to show that something moves."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")
        self.count = 0
        self.last = ""

    def poll(self) -> str:
        """Number of lines so far, and what the last one was about."""
        for raw in self._file.read().splitlines():
            self.count += 1
            line = raw.decode(errors="replace")
            match = _BUILD_LINE.match(line)
            if match:
                self.last = match.group("what")
            elif line.strip():
                self.last = line.strip()
        return f"{self.count:>6}  {self.last}"

    def close(self) -> None:
        """Let go of the log."""
        self._file.close()


def logged(step: Step, argv: Sequence[object], log: Path, *, env: dict[str, str] | None = None,
           cwd: Path | None = None, timeout: float | None = None, append: bool = False,
           accept: Callable[[int], bool] = lambda code: code == 0, what: str = "") -> int:
    """Run a command with its output in a log; a failing one raises Failure."""
    args = [str(a) for a in argv]
    with open(log, "ab" if append else "wb") as out:
        out.write(("$ " + " ".join(args) + "\n").encode())
        out.flush()
        try:
            with running(args, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                         env=env or clean_env(), cwd=cwd, pass_fds=held_fds()) as process, \
                    contextlib.closing(_Follower(log)) as follower:
                while process.poll() is None:
                    step.progress(follower.poll())
                    if timeout is not None and step.elapsed > timeout:
                        raise Failure(f"{what or args[0]}: no end after {timeout:.0f} s", log)
                    time.sleep(0.05)
        except OSError as error:
            raise Failure(f"cannot run {args[0]}: {error.strerror}") from None
    if not accept(process.returncode):
        raise Failure(f"{what or os.path.basename(args[0])} failed "
                      f"(exit status {process.returncode})", log)
    return process.returncode


def output(argv: Sequence[object], env: dict[str, str] | None = None) -> str | None:
    """Standard output of a short command, or None when it fails or is not there."""
    try:
        done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              env=env or clean_env(), check=False)
    except OSError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def need_space(where: Path, gib: float, what: str) -> None:
    """Refuse before a disk fills up half way."""
    probe = where
    while not probe.exists():
        probe = probe.parent
    free = shutil.disk_usage(probe).free / 2**30
    if free < gib:
        raise Failure(f"not enough disk space for {what}: {gib:.1f} GiB needed, "
                      f"{free:.1f} GiB free at {where}\n"
                      "  free some, or put the cache elsewhere with XDG_CACHE_HOME=<folder>")
