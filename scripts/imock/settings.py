# SPDX-License-Identifier: GPL-2.0
"""Where things are and what the user asked for on make's command line."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .ui import Failure

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
LOGS = BUILD / "log"
SCRIPTS = TOP / "scripts"
GUEST = SCRIPTS / "guest"

KERNELS = ("7.3", "7.2")
DEFAULT_KERNEL = KERNELS[0]
LLVM_MIN = 17
BINDGEN_MIN = (0, 71, 1)
RUSTC_MIN = (1, 85, 0)

# Set by an outer make; an inner kernel build must not see our own variables.
MAKE_NOISE = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "GNUMAKEFLAGS",
              "KERNEL", "KSRC", "KDIR", "EFFORT", "SEED", "FILTER", "MINUTES", "M", "O",
              "V", "W", "C")


def cache_dir() -> Path:
    """The per-user cache: sources, tools and kernel builds."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base).absolute() / "iommu-mock"


def clean_env() -> dict[str, str]:
    """The environment without what an outer make put there."""
    return {k: v for k, v in os.environ.items() if k not in MAKE_NOISE}


def _number(name: str, low: int, high: int) -> int | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = int(text, 0)
    except ValueError:
        raise Failure(f"{name}={text}: not a number") from None
    if not low <= value <= high:
        raise Failure(f"{name}={text}: must be {low} to {high}")
    return value


class Settings:
    """The variables of make's command line, checked once."""

    def __init__(self) -> None:
        if os.uname().machine != "x86_64":
            raise Failure(f"this is {os.uname().machine}; UML and the VM need x86-64")
        for path in (TOP, cache_dir()):
            if re.search(r"[\s:#$']", str(path)):
                raise Failure(f"{path}: the kernel's build system cannot handle such a path")
        self.kernel = os.environ.get("KERNEL", "").strip() or DEFAULT_KERNEL
        if self.kernel not in KERNELS:
            raise Failure(f"KERNEL={self.kernel}: supported are {' and '.join(KERNELS)}")
        ksrc = os.environ.get("KSRC", "").strip()
        self.ksrc = Path(ksrc).expanduser().resolve() if ksrc else None
        kdir = os.environ.get("KDIR", "").strip()
        self.kdir = Path(kdir).expanduser().resolve() if kdir else None
        self.filter = os.environ.get("FILTER", "").strip()
        self.effort = _number("EFFORT", 1, 100_000)
        self.seed = _number("SEED", 0, 2**64 - 1)
        self.minutes = _number("MINUTES", 1, 100_000)
        self.jobs = len(os.sched_getaffinity(0))

    def test_params(self, prefix: str = "") -> list[str]:
        """EFFORT and SEED as module parameters (with a prefix: as kernel parameters)."""
        pairs = (("effort", self.effort), ("seed", self.seed))
        return [f"{prefix}{name}={value}" for name, value in pairs if value is not None]

    @property
    def other_kernel(self) -> str:
        """The supported version that was not asked for."""
        return next(k for k in KERNELS if k != self.kernel)
