# SPDX-License-Identifier: GPL-2.0
"""An interactive guest with the modules loaded."""

from __future__ import annotations

import sys

from . import packages
from .guest import Guest
from .session import Session
from .ui import Failure

ENDPOINTS = "endpoints=4 group_size=2"
CLAIM = "claim_pci_without_dma_isolation=1"


def run(session: Session, vm: bool) -> None:
    """make uml, make vm."""
    if not sys.stdin.isatty():
        raise Failure("this gives you a shell, so it needs a terminal")
    if vm:
        packages.require(packages.RUN_PACKAGES)
    kernel, modules = session.modules("x86" if vm else "uml")
    Guest(kernel, vm, "vm" if vm else "uml", "shell", modules,
          {"PARAMS": f"{ENDPOINTS} {CLAIM}" if vm else ENDPOINTS,
           "TEST_PARAMS": " ".join(session.settings.test_params())},
          ["kunit.filter_glob=none"], [], ["edu,addr=3", "edu,addr=4"]).interact()
