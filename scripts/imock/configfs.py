# SPDX-License-Identifier: GPL-2.0
"""Mock IOMMUs by configfs: made, refused, failing, and asked at random."""

from __future__ import annotations

import re
from pathlib import Path

from .guest import Guest
from .session import Session
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, say

UML_OPERATIONS = 100_000
VM_OPERATIONS = 2_000
UML_TIMEOUT = 300
VM_TIMEOUT = 900
WORKERS = 2

# The core warns when the very first attach of a group fails, which a random rule does. What the
# other worker is refused may come in between.
FIRST_ATTACH = re.compile(
    r"-+\[ cut here \]-+\n(?:[^\n]*iommu_mock: [^\n]*\n)*"
    r"[^\n]*WARNING: [^\n]*\biommu_setup_default_domain\+"
    r".*?-+\[ end trace [^\n]*", re.DOTALL)


def _noise(log: Path) -> tuple[list[str], int]:
    """What must not be in the log, and how often the core warned of a first attach."""
    text = log.read_text(errors="replace").replace("\r", "")
    rest, count = FIRST_ATTACH.subn("", text)
    return splats(log, rest), count


def run(session: Session, vm: bool) -> Tally:
    """One boot; under UML there is no DMA API, so that only the VM changes a group's type."""
    settings = session.settings
    operations = (VM_OPERATIONS if vm else UML_OPERATIONS) * (settings.effort or 100) // 100
    conf: dict[str, object] = {
        "OPERATIONS": max(WORKERS, operations),
        "WORKERS": WORKERS,
        "SEED": (settings.seed or 1) & 0x7fffffff,
        "DEFAULT": "DMA-FQ" if vm else "identity",
        # Where DMA to 0x12345678 goes then: nothing is mapped.
        "REACHED": "aborted" if vm else "0x12345678",
        "LOCKDEP": int(vm),
    }
    kernel, modules = session.modules("x86" if vm else "uml")
    name = "configfs-vm" if vm else "configfs-uml"
    guest = Guest(kernel, vm, name, "configfs", modules, conf,
                  ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=8M"])
    place = "the x86-64 VM" if vm else "UML"
    with Step(f"configfs and {operations:,} random requests in {place}") as step:
        result = guest.run(VM_TIMEOUT if vm else UML_TIMEOUT,
                           lambda line: step.progress(line or ""))
        noise, warned = _noise(result.kernel_log)
        if result.status != 0 or noise:
            for line in [*result.lines[-10:], *(f"splat: {line}" for line in noise[:10])]:
                say(f"    | {line}")
            raise Failure("unexpected splats in the kernel log" if result.status == 0
                          else "configfs does not what it should", result.kernel_log)
        if "configfs: done" not in result.lines:
            raise Failure("the guest did not say 'configfs: done'", result.kernel_log)
        told = next((line for line in result.lines if line.startswith("requests: ")), "")
        step.note = f"{told}, {warned} first attaches failed"
    return Tally(passed=1)
