# SPDX-License-Identifier: GPL-2.0
"""make check: every test there is, and one closing line that counts them."""

from __future__ import annotations

from . import configfs, consumers, cycles, demo, lint, modules, packages, source, suites
from .session import Session
from .tally import Tally
from .ui import Step, duration, say


def _kunit(session: Session) -> Tally:
    return suites.run(session.settings, session.source, session.tools, False)


def _kunit_other(session: Session) -> Tally:
    """The other supported kernel: build, and KUnit without the slow cases, which are much of the
    same that the fast ones do.
    """
    tree = source.obtain(session.settings.other_kernel, session.backports)
    return suites.run(session.settings, tree, session.tools, True)


def _untouched(session: Session) -> None:
    """The modules against the x86-64 build, whose source has no graft in it."""
    modules.build(session.settings, session.kernel("x86"), session.tools, session.folder("x86"),
                  title="modules against the untouched tree, no warning", pedantic=True)


def run(session: Session) -> int:
    """Everything, in the order in which it is most likely to fail."""
    packages.require([*packages.BUILD_PACKAGES, *packages.RUN_PACKAGES, *packages.LINT_PACKAGES])
    settings = session.settings
    tally = Tally()
    overall = Step("")
    steps = [
        ("lints", lambda: lint.run(session)),
        (f"KUnit on Linux {session.source.series}", lambda: _kunit(session)),
        ("1,000 cycles in UML", lambda: cycles.run(session, False)),
        ("configfs in UML", lambda: configfs.run(session, False)),
        ("demo", lambda: demo.check(session)),
        ("module build against an untouched tree", lambda: _untouched(session)),
        ("configfs in the VM", lambda: configfs.run(session, True)),
        ("consumers in the VM", lambda: consumers.run(session)),
        ("20 cycles in the VM", lambda: cycles.run(session, True)),
    ]
    if settings.ksrc is None:
        steps.append((f"KUnit on Linux {settings.other_kernel}", lambda: _kunit_other(session)))
    for name, test in steps:
        tally.attempt(name, test)
    say()
    say(f"  all of it took {duration(overall.elapsed)}")
    return tally.close()
