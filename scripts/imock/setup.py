# SPDX-License-Identifier: GPL-2.0
"""make setup: everything that has to be installed, downloaded or built once."""

from __future__ import annotations

from . import initramfs, packages, source
from .session import Session
from .settings import cache_dir
from .ui import say


def run(session: Session) -> None:
    """Packages, compilers, the newest point release of the kernel's source."""
    packages.require([*packages.BUILD_PACKAGES, *packages.RUN_PACKAGES, *packages.LINT_PACKAGES])
    initramfs.busybox()
    tools = session.tools
    tree = source.select(session.settings, session.backports, refresh=True)
    say(f"  {tools.rustc}; LLVM {tools.llvm}; {tools.bindgen_version}")
    say(f"  core library: {tools.core}")
    say(f"  Linux {tree.label}: {tree.tree}")
    say(f"  cache: {cache_dir()}")
