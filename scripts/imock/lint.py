# SPDX-License-Identifier: GPL-2.0
"""All lints: those of the kernel's own tools, and those of lint_text."""

from __future__ import annotations

import re
import shutil
from typing import Callable

from . import lint_text, modules, packages
from .lint_text import files, relative
from .proc import log_path, logged
from .session import Session
from .settings import SCRIPTS, TOP
from .tally import Tally
from .ui import Failure, Step, Unavailable


def _rustfmt(session: Session, step: Step) -> None:
    wanted = session.source.tree / ".rustfmt.toml"
    if (TOP / ".rustfmt.toml").read_bytes() != wanted.read_bytes():
        raise Failure(f".rustfmt.toml is not that of Linux {session.source.label}")
    if shutil.which("rustfmt") is None:
        raise Unavailable("rustfmt is not installed (rustup component add rustfmt)")
    sources = [path for path in files() if path.suffix == ".rs"]
    logged(step, ["rustfmt", "--edition", "2021", "--config-path", TOP / ".rustfmt.toml",
                  "--check", "--color", "never", *sources], log_path("rustfmt"),
           what="rustfmt --check")


def _clippy(session: Session) -> None:
    if shutil.which("clippy-driver") is None:
        raise Unavailable("clippy is not installed (rustup component add clippy)")
    modules.clippy(session.settings, session.kernel("uml"), session.tools,
                   session.folder("uml") + "-clippy", "lint: clippy and W=1, no warning")


def _checkpatch(session: Session, step: Step) -> None:
    names = ("Kbuild", "Kconfig", "Makefile")
    sources = [path for path in files()
               if path.suffix in (".rs", ".c", ".h", ".sh") or path.name in names]
    log = log_path("checkpatch")
    logged(step, ["perl", session.source.tree / "scripts/checkpatch.pl", "--no-tree", "--strict",
                  "--quiet", "--show-types", "--no-summary", "-f", *sources], log,
           what="checkpatch.pl --strict")


def _shellcheck(step: Step) -> None:
    packages.require(packages.LINT_PACKAGES)
    scripts = []
    for path in files():
        with open(path, "rb") as stream:
            first = stream.readline()
        if first.startswith(b"#!") and re.search(rb"\bsh\b", first):
            scripts.append(relative(path))
    logged(step, ["shellcheck", "-x", "-P", TOP, *scripts], log_path("shellcheck"), cwd=TOP,
           what="shellcheck")


def _ledger(step: Step) -> None:
    checker = SCRIPTS / "ledger-check"
    if not checker.is_file():
        raise Unavailable("there is no scripts/ledger-check")
    logged(step, [checker], log_path("ledger"), cwd=TOP, what="ledger-check")


def _text(name: str, check: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with Step(f"lint: {name}"):
            check()
    return run


def _with_step(name: str, check: Callable[[Step], None]) -> Callable[[], None]:
    def run() -> None:
        with Step(f"lint: {name}") as step:
            check(step)
    return run


def run(session: Session) -> Tally:
    """Every lint counts as one test."""
    tally = Tally()
    tests: list[tuple[str, Callable[[], None]]] = [
        ("SPDX", _text("SPDX", lint_text.check_spdx)),
        ("file length", _text("file length", lint_text.check_length)),
        ("unsafe", _text("no unsafe outside its rooms", lint_text.check_unsafe)),
        ("Python", _text("Python", lint_text.check_python)),
        ("shellcheck", _with_step("shellcheck", _shellcheck)),
        ("ledger", _with_step("ledger", _ledger)),
        ("rustfmt", _with_step("rustfmt", lambda step: _rustfmt(session, step))),
        ("checkpatch", _with_step("checkpatch", lambda step: _checkpatch(session, step))),
        ("clippy and W=1", lambda: _clippy(session)),
    ]
    for name, test in tests:
        tally.attempt(name, test)
    return tally


def command(session: Session) -> int:
    """make lint."""
    return run(session).close()
