# SPDX-License-Identifier: GPL-2.0
"""The finding that ends in an oops, in a boot of its own: Documentation/findings/dma_fq.c."""

from __future__ import annotations

import re
import shutil

from .guest import Guest
from .proc import log_path, logged
from .session import Session
from .settings import BUILD, TOP
from .tally import Tally
from .ui import Failure, Step

TIMEOUT = 200
NAME = "dma_fq"
SOURCE = TOP / "Documentation" / "findings" / f"{NAME}.c"

# A call of address 0 by the timer of a flush queue.
OOPS = re.compile(r"BUG: kernel NULL pointer dereference, address: 0+\b.*?RIP: 0010:0x0\b.*?"
                  r"\bfq_flush_timeout\+.*?Kernel panic", re.DOTALL)


def run(session: Session) -> Tally:
    """One boot, which must not come to its end."""
    kernel = session.kernel("x86")
    folder = BUILD / "findings"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE, folder)
    (folder / "Kbuild").write_text(f"obj-m := {NAME}.o\n")
    with Step("the finding that oopses, in the x86-64 VM") as step:
        logged(step, ["make", "-C", kernel.objects, f"M={folder}", *session.tools.make_options(),
                      "modules"], log_path(NAME), env=session.tools.env(), what="module build")
        guest = Guest(kernel, True, NAME, "oops", [folder / f"{NAME}.ko"], {},
                      ["loglevel=7", "kunit.filter_glob=none", "oops=panic", "iommu.strict=1"],
                      dies=True)
        result = guest.run(TIMEOUT, lambda line: step.progress(line or ""))
        text = result.kernel_log.read_text(errors="replace")
        if result.status >= 0:
            raise Failure("no oops: fixed upstream? see Documentation/findings.rst",
                          result.kernel_log)
        if not OOPS.search(text) or "oops: armed" not in result.lines:
            raise Failure("it died, but not of a flush queue", result.kernel_log)
    return Tally(passed=1)
