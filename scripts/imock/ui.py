# SPDX-License-Identifier: GPL-2.0
"""One line per step, with elapsed time; progress moves on a terminal only."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

TAIL_LINES = 25
TAIL_WIDTH = 160
NAME_WIDTH = 50


class Failure(Exception):
    """Something the user has to know; printed without a traceback."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class Unavailable(Failure):
    """Something cannot be had here and now; a caller may count it as skipped."""


_MOVING = sys.stdout.isatty()
_DRAWING = threading.RLock()


def say(text: str = "") -> None:
    """Print one thing at once; its lines stay together."""
    with _DRAWING:
        if _MOVING:
            sys.stdout.write("\r\x1b[K")
        print(text, flush=True)


def duration(seconds: float) -> str:
    """Short form for people: 0.3 s, 42 s, 3 min 05 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(round(seconds)), 60)
    return f"{minutes} min {rest:02d} s"


def log_tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log, as far as it exists."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    shown = [line.rstrip()[:TAIL_WIDTH] for line in text.replace("\r", "").rstrip().split("\n")]
    return [line for line in shown if not line.startswith("$ ")][-lines:]


def report_failure(failure: Failure) -> None:
    """Print a failure, the end of its log and where the log is."""
    lines = [f"error: {failure}"]
    if failure.log is not None:
        lines += [f"    | {line}" for line in log_tail(failure.log)]
        lines.append(f"    full log: {failure.log}")
    say("\n".join(lines))


class Step:
    """A unit of work that the user sees as one line; several may go on side by side."""

    _open: list[Step] = []
    _drawn = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.note = ""
        self.status = ""
        self.start = time.monotonic()
        self._detail = ""

    def __enter__(self) -> Step:
        with _DRAWING:
            Step._open.append(self)
        self.progress("")
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: object) -> None:
        if kind is None:
            self._finish(self.status or "ok")
        elif issubclass(kind, Unavailable):
            self._finish("skipped")
        elif issubclass(kind, Failure):
            self._finish("FAILED")
        else:
            self._finish("stopped")

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.start

    def progress(self, detail: str) -> None:
        """Redraw the moving line; does nothing when not on a terminal."""
        self._detail = detail
        now = time.monotonic()
        if not _MOVING or (detail and now - Step._drawn < 0.1):
            return
        with _DRAWING:
            Step._drawn = now
            width = shutil.get_terminal_size().columns - 1
            share = width // len(Step._open or [self])
            line = "".join(f"{step._short(share):<{share}}" for step in Step._open or [self])
            sys.stdout.write("\r\x1b[K" + line[:width])
            sys.stdout.flush()

    def _short(self, width: int) -> str:
        name = self.name if width < 2 * NAME_WIDTH else f"{self.name:<{NAME_WIDTH}}"
        return f"  {name} {duration(self.elapsed):>8}  {self._detail}"[:width - 1]

    def _finish(self, word: str) -> None:
        note = f"  {self.note}" if self.note else ""
        with _DRAWING:
            Step._open.remove(self)
            say(f"  {self.name:<{NAME_WIDTH}} {duration(self.elapsed):>12}  {word:<7}{note}"
                .rstrip())
