# SPDX-License-Identifier: GPL-2.0
"""Child processes: logged, timed, and ended with everything they started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, Sequence

from .settings import LOGS, cache_dir, clean_env
from .ui import Failure, Step, say

_BUILD_LINE = re.compile(r"^\s{2}[A-Z][A-Z0-9 ]*( \[M\])?\s+(?P<what>\S.*)")


def end_group(process: subprocess.Popen, at_once: bool = False) -> None:
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
            process = subprocess.Popen(args, stdout=out, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, env=env or clean_env(), cwd=cwd,
                                       start_new_session=True, pass_fds=Lock.held_fds())
        except OSError as error:
            raise Failure(f"cannot run {args[0]}: {error.strerror}") from None
        follower = _Follower(log)
        try:
            while process.poll() is None:
                step.progress(follower.poll())
                if timeout is not None and step.elapsed > timeout:
                    end_group(process)
                    raise Failure(f"{what or args[0]}: no end after {timeout:.0f} s", log)
                time.sleep(0.05)
        except BaseException:
            end_group(process)
            raise
        finally:
            follower.close()
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


class Lock:
    """The one lock of the cache: two kernel builds never run at once.

    Children inherit the descriptor, so the lock outlives a killed parent for
    as long as a build that it started is still running.
    """

    _fd: int | None = None
    _depth = 0

    @classmethod
    def held_fds(cls) -> tuple[int, ...]:
        """What a child has to inherit."""
        return () if cls._fd is None else (cls._fd,)

    @classmethod
    @contextlib.contextmanager
    def hold(cls) -> Iterator[None]:
        """Take the lock, waiting for another run if need be; nests."""
        if cls._depth == 0:
            cls._fd = cls._take()
        cls._depth += 1
        try:
            yield
        finally:
            cls._depth -= 1
            if cls._depth == 0 and cls._fd is not None:
                os.close(cls._fd)
                cls._fd = None

    @staticmethod
    def _take() -> int:
        cache = cache_dir()
        try:
            cache.mkdir(parents=True, exist_ok=True)
            fd = os.open(cache / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Failure(f"cannot use the cache {cache}: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  waiting for another run that uses the same cache ...")
            fcntl.flock(fd, fcntl.LOCK_EX)
        return fd


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
