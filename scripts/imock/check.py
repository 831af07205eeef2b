# SPDX-License-Identifier: GPL-2.0
"""make check: every test there is, and one closing line that counts them."""

from __future__ import annotations

from . import (configfs, consumers, cycles, demo, foreign, initramfs, lanes, lint, modules, oops,
               packages, source, suites)
from .session import Session
from .tally import Tally
from .ui import Step, duration, say

LANES = 2


def _kunit(session: Session) -> Tally:
    return suites.run(session.settings, session.source, session.tools, False)


def _kunit_other(session: Session) -> list[lanes.Test]:
    """The other supported kernel: build, and KUnit without the slow cases, which are much of the
    same that the fast ones do.
    """
    version = session.settings.other_kernel

    def test() -> Tally:
        tree = source.obtain(version, session.backports)
        return suites.run(session.settings, tree, session.tools, True)

    return [(f"KUnit on Linux {version}", test)] if session.settings.ksrc is None else []


def _untouched(session: Session) -> None:
    """The modules against the x86-64 build, whose source has no graft in it."""
    modules.build(session.settings, session.kernel("x86"), session.tools, session.folder("x86"),
                  title="modules against the untouched tree, no warning", pedantic=True)


def run(session: Session) -> int:
    """Everything, two at a time: first what is most likely to fail, then the longest first."""
    packages.require([*packages.BUILD_PACKAGES, *packages.RUN_PACKAGES, *packages.LINT_PACKAGES])
    overall = Step("")
    # What several tests need is fetched once, before they begin.
    series, _ = session.source.series, session.tools
    initramfs.busybox()
    tests: list[lanes.Test] = [
        ("lints", lambda: lint.run(session)),
        ("module build against an untouched tree", lambda: _untouched(session)),
        (f"KUnit on Linux {series}", lambda: _kunit(session)),
        ("20 cycles in the VM", lambda: cycles.run(session, True)),
        *_kunit_other(session),
        ("configfs in UML", lambda: configfs.run(session, False)),
        ("consumers in the VM", lambda: consumers.run(session)),
        ("1,000 cycles in UML", lambda: cycles.run(session, False)),
        ("configfs in the VM", lambda: configfs.run(session, True)),
        ("another IOMMU in the VM", lambda: foreign.run(session)),
        ("a finding that oopses in the VM", lambda: oops.run(session)),
        ("demo", lambda: demo.check(session)),
    ]
    tally = Tally()
    lanes.run(tests, min(LANES, session.settings.jobs), tally)
    say()
    say(f"  all of it took {duration(overall.elapsed)}")
    return tally.close()
