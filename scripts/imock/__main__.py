# SPDX-License-Identifier: GPL-2.0
"""python3 -m imock COMMAND: what the make targets call."""

from __future__ import annotations

import signal
import sys
from typing import Callable

from . import (bench, check, demo, docs, lint, modules, purge, report, rust_analyzer, sanitize,
               schedules, setup, shell, soak, suites)
from .session import Session
from .settings import Settings
from .tally import Tally
from .ui import Failure, report_failure, say


def _kunit(session: Session) -> int:
    tally = Tally()
    tally.attempt("KUnit", lambda: suites.run(session.settings, session.source,
                                              session.tools, True))
    return tally.close()


def _demo(session: Session) -> int:
    demo.run(session)
    return 0


def _always(action: Callable[[Session], None]) -> Callable[[Session], int]:
    def run(session: Session) -> int:
        action(session)
        return 0
    return run


COMMANDS: dict[str, Callable[[Session], int]] = {
    "setup": _always(setup.run),
    "kunit": _kunit,
    "demo": _demo,
    "bench": _always(bench.run),
    "check": check.run,
    "check-sanitize": sanitize.run,
    "check-schedules": schedules.run,
    "soak": soak.run,
    "lint": lint.command,
    "uml": _always(lambda session: shell.run(session, False)),
    "vm": _always(lambda session: shell.run(session, True)),
    "docs": _always(docs.run),
    "report": _always(report.run),
    "rust-analyzer": _always(rust_analyzer.run),
    "purge": _always(lambda session: purge.run()),
    "modules": _always(lambda session: modules.for_kdir(session.settings, "modules")),
    "modules_install": _always(lambda session: modules.for_kdir(session.settings,
                                                                "modules_install")),
    "clean": _always(lambda session: modules.clean(session.settings)),
}


def main(arguments: list[str]) -> int:
    """Run one command; failures are told in one place."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say("usage: python3 -m imock " + "|".join(COMMANDS))
        return 2
    try:
        return COMMANDS[arguments[0]](Session(Settings()))
    except Failure as failure:
        report_failure(failure)
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
