# SPDX-License-Identifier: GPL-2.0
"""What most commands share: settings, packages, tools, the kernel in question."""

from __future__ import annotations

import threading
from pathlib import Path

from . import kernels, modules, packages, source, toolchain
from .kernels import Kernel
from .settings import Settings
from .source import Source
from .toolchain import Toolchain


class Session:
    """Finds each thing when it is first asked for, and only once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.backports = packages.Backports()
        self._tools: Toolchain | None = None
        self._source: Source | None = None
        self._kernels: dict[str, Kernel] = {}
        self._finding = threading.RLock()

    @property
    def tools(self) -> Toolchain:
        """The compilers, with the packages that a kernel build needs."""
        if self._tools is None:
            packages.require(packages.BUILD_PACKAGES)
            self._tools = toolchain.find(self.backports)
        return self._tools

    @property
    def source(self) -> Source:
        """KSRC's tree, or KERNEL's."""
        if self._source is None:
            self._source = source.select(self.settings, self.backports)
        return self._source

    def kernel(self, flavour: str) -> Kernel:
        """A kernel of the source in question, built if need be."""
        with self._finding:
            if flavour not in self._kernels:
                build = {"uml": kernels.uml, "x86": kernels.x86,
                         "bench": kernels.bench, "kasan": kernels.kasan,
                         "bench-x86": kernels.bench_x86}[flavour]
                tools = self.tools
                self._kernels[flavour] = build(self.settings, self.source, tools)
            return self._kernels[flavour]

    def folder(self, flavour: str) -> str:
        """Name of the folder that holds the modules for a kernel."""
        where = {"uml": "uml", "x86": "vm", "bench": "uml-bench",
                 "kasan": "uml-kasan", "bench-x86": "vm-bench"}[flavour]
        return f"{where}-{'own' if self.source.own else self.source.series}"

    def modules(self, flavour: str) -> tuple[Kernel, list[Path]]:
        """A kernel and both modules built for it."""
        kernel = self.kernel(flavour)
        out = modules.build(self.settings, kernel, self.tools, self.folder(flavour))
        return kernel, [out / name for name in modules.MODULES]
