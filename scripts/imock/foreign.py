# SPDX-License-Identifier: GPL-2.0
"""The VM with an IOMMU of QEMU's, whose kernel believes that another one has crashed."""

from __future__ import annotations

from .cycles import test_params
from .guest import Guest
from .session import Session
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, say

TIMEOUT = 300
NAME = "foreign"

# What makes a kernel one that saves the memory of another is this address alone.
PARAMETERS = ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=2M", "intel_iommu=on",
              "elfcorehdr=0x1000000"]


def run(session: Session) -> Tally:
    """One boot; every line of the guest that begins with ok or not ok is a check."""
    kernel, modules = session.modules("x86")
    conf: dict[str, object] = {"LOCKDEP": 1, "A": "0000:00:03.0",
                               "TEST_PARAMS": " ".join(test_params(session.settings, True))}
    guest = Guest(kernel, True, NAME, NAME, modules, conf, PARAMETERS,
                  devices=["intel-iommu", "edu,addr=3"])
    tally = Tally()
    with Step("beside another IOMMU in the x86-64 VM") as step:
        result = guest.run(TIMEOUT, lambda line: step.progress(line or ""))
        bad = [line for line in result.lines if line.startswith("not ok ")]
        bad += [f"splat: {line}" for line in splats(result.kernel_log)[:20]]
        if result.status != 0 or "foreign: done" not in result.lines:
            bad.append("the guest did not say 'foreign: done'")
        tally.passed = sum(line.startswith("ok ") for line in result.lines)
        step.note = f"{tally.passed} checks"
        if bad:
            for line in [*bad, *result.lines[-5:]]:
                say(f"    | {line}")
            raise Failure(f"{len(bad)} checks failed", result.kernel_log)
    return tally
