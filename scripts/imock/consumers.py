# SPDX-License-Identifier: GPL-2.0
"""What uses IOMMUs, on mocks in the VM: sysfs, a driver, VFIO and iommufd."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .guest import Guest
from .proc import log_path, logged
from .session import Session
from .settings import BUILD, GUEST
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, say

TIMEOUT = 900
NAME = "consumers"

# Functions without a driver here, and one that has one.
DEVICES = {"A": ("0000:00:03.0", "edu,addr=3"), "B": ("0000:00:04.0", "edu,addr=4"),
           "USED": ("0000:00:05.0", "pci-serial,addr=5")}

# The core's own warnings of the two faults that it cannot handle: in the first
# attach of a group, and in the return to the default domain.
TRACE = re.compile(r"-+\[ cut here \]-+\n(?:(?!cut here).*\n)*?.*-+\[ end trace [^\n]*")
EXPECTED = {"first attach": "iommu_setup_default_domain",
            "return to the default domain": "__iommu_release_dma_ownership"}


def program(session: Session) -> Path:
    """The user-space program, with the interfaces of the kernel it will run on."""
    headers = BUILD / "guest" / "include" / "linux"
    headers.mkdir(parents=True, exist_ok=True)
    for name in ("iommufd.h", "vfio.h"):
        shutil.copy(session.source.tree / "include/uapi/linux" / name, headers / name)
    target = BUILD / "guest" / NAME
    with Step("user-space program of the VM") as step:
        logged(step, [f"clang-{session.tools.llvm}", "-std=gnu2x", "-O2", "-static", "-Wall",
                      "-Wextra", "-Werror", "-I", headers.parent, "-D__user=",
                      "-D__counted_by(x)=", "-o", target, GUEST / f"{NAME}.c"],
               log_path(NAME), what="clang")
    return target


def _noise(log: Path, families: int) -> list[str]:
    """What must not be in the log, or must be and is not."""
    text = log.read_text(errors="replace").replace("\r", "")
    seen = dict.fromkeys(EXPECTED, 0)

    def known(match: re.Match[str]) -> str:
        for what, function in EXPECTED.items():
            if re.search(rf"WARNING: [^\n]*\b{function}\b", match.group()):
                seen[what] += 1
                return ""
        return match.group()

    noise = splats(log, TRACE.sub(known, text))
    for (what, count), wanted in zip(seen.items(), (1, families)):
        if count != wanted:
            noise.append(f"{count} warnings of a failed {what}, not {wanted}")
    return noise


def run(session: Session) -> Tally:
    """One boot; every line of the guest that begins with ok or not ok is a check."""
    kernel, modules = session.modules("x86")
    conf: dict[str, object] = {name: address for name, (address, _) in DEVICES.items()}
    guest = Guest(kernel, True, NAME, NAME, modules, {"LOCKDEP": 1, **conf},
                  ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=4M", "kmemleak=on"],
                  [program(session)], [device for _, device in DEVICES.values()])
    tally = Tally()
    with Step("consumers in the x86-64 VM") as step:
        result = guest.run(TIMEOUT, lambda line: step.progress(line or ""))
        bad = [line for line in result.lines if line.startswith("not ok ")]
        done = next((line for line in result.lines if line.startswith("consumers: done")), "")
        families = done.removeprefix("consumers: done with ").split()
        bad += [f"splat: {line}" for line in _noise(result.kernel_log, len(families))[:20]]
        if not done or result.status != 0:
            bad.append("the guest did not say 'consumers: done'")
        tally.passed = sum(line.startswith("ok ") for line in result.lines)
        tally.failed = len(bad)
        tally.remarks = [f"failed: {line}" for line in bad]
        step.note = f"{tally.passed} checks with {', '.join(families)}"
        if bad:
            for line in [*bad, *result.lines[-5:]]:
                say(f"    | {line}")
            raise Failure(f"{len(bad)} checks of consumers failed", result.kernel_log)
    return tally
