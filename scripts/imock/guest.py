# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel with an initramfs and talk to what runs in it.

The kernel log goes to a file of its own, live, so that it is complete even
when the guest dies; the other console carries what the guest's script says.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from . import initramfs
from .kernels import Kernel
from .proc import log_path, running
from .ui import Failure, say

BEGIN = "@@guest begin"
END = re.compile(r"^@@guest end (\d+)$")


@dataclass
class Result:
    """What a guest's script said and how it ended."""

    status: int
    lines: list[str] = field(default_factory=list)
    kernel_log: Path = Path()


@dataclass
class Guest:
    """One boot: kernel, modules, the script of scripts/guest and its settings.

    Programs go to /bin, devices are those of QEMU. One that dies has no status.
    """

    kernel: Kernel
    vm: bool
    name: str
    script: str
    modules: list[Path]
    conf: dict[str, object]
    parameters: list[str]
    programs: list[Path] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    dies: bool = False
    # MiB, if it needs more than usual.
    memory: int | None = None
    # One CPU, by whose instructions all clocks go: each boot is the same.
    counted: bool = False
    # A socket for commands to QEMU.
    monitor: Path | None = None

    def _initramfs(self) -> Path:
        conf = {"RUN": self.script, "OUT": "ttyS1" if self.vm else "tty0", **self.conf}
        return initramfs.write(self.name, self.modules, conf, self.programs)

    def _command(self, log: Path, log_fd: int) -> list[str]:
        archive = str(self._initramfs())
        if self.vm:
            program = shutil.which("qemu-system-x86_64")
            if program is None:
                raise Failure("qemu-system-x86_64 is not installed")
            append = ["console=ttyS0,115200", "panic=-1", *self.parameters]
            cpus = ["-smp", "1", "-icount", "shift=0,sleep=off", "-seed", "1",
                    "-rtc", "base=2000-01-01,clock=vm"] if self.counted else ["-smp", "2"]
            return [program, "-M", "q35", "-accel", "tcg", "-cpu", "max", *cpus,
                    "-m", str(self.memory or 512), "-display", "none", "-monitor",
                    f"unix:{self.monitor},server=on,wait=off" if self.monitor else "none",
                    "-no-reboot", "-nodefaults", "-chardev", f"file,id=log,path={log}",
                    "-serial", "chardev:log", "-chardev", "stdio,id=out,signal=off",
                    "-serial", "chardev:out", "-kernel", str(self.kernel.image),
                    "-initrd", archive, "-append", " ".join(append),
                    *(word for device in self.devices for word in ("-device", device))]
        # A console whose input is "null" cannot be opened, so both name one file twice.
        return [str(self.kernel.image), f"mem={self.memory or 256}M", f"initrd={archive}",
                "con0=fd:0,fd:1", f"con1=fd:{log_fd},fd:{log_fd}", "console=tty1", "seccomp=auto",
                "panic=-1", *self.parameters]

    def run(self, timeout: float, on_line: Callable[[str | None], None]) -> Result:
        """Run to the end; every line between begin and end goes to on_line.

        When nothing is said for a while it is called with None.
        """
        log = log_path(f"{self.name}-kernel")
        host = log_path(f"{self.name}-host")
        result = Result(-1, kernel_log=log)
        with open(log, "w+b") as kernel_log, open(host, "wb") as errors:
            # At once: a kernel that handles a signal writes to its log what misleads.
            with running(self._command(log, kernel_log.fileno()), at_once=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                         pass_fds=(kernel_log.fileno(),)) as process:
                self._read(process, time.monotonic() + timeout, on_line, result)
        if result.status < 0 and not self.dies:
            raise Failure(f"{self.name}: the guest died before its script ended "
                          f"(exit status {process.returncode})",
                          log if log.stat().st_size else host)
        return result

    def _read(self, process: subprocess.Popen, deadline: float,
              on_line: Callable[[str | None], None], result: Result) -> None:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        buffer = b""
        inside = False
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.name}: the guest did not end in time; it was stopped",
                                  result.kernel_log)
                if not selector.select(0.2):
                    on_line(None)
                    continue
                chunk = process.stdout.read()
                if chunk is None:
                    continue
                if chunk == b"":
                    return
                *whole, buffer = (buffer + chunk).split(b"\n")
                for raw in whole:
                    line = raw.decode(errors="replace").replace("\r", "")
                    end = END.match(line)
                    if end:
                        result.status = int(end.group(1))
                        inside = False
                    elif line == BEGIN:
                        inside = True
                    elif inside:
                        result.lines.append(line)
                        on_line(line)

    def interact(self) -> None:
        """Give the terminal to the guest's shell; put it right afterwards."""
        log = log_path(f"{self.name}-kernel")
        saved = termios.tcgetattr(0) if sys.stdin.isatty() else None
        try:
            with open(log, "w+b") as kernel_log, \
                    open(log_path(f"{self.name}-host"), "wb") as errors:
                process = subprocess.Popen(self._command(log, kernel_log.fileno()),
                                           stderr=errors, pass_fds=(kernel_log.fileno(),))
                try:
                    process.wait()
                finally:
                    if process.poll() is None:
                        process.kill()
        finally:
            if saved is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
                os.set_blocking(0, True)
        say()
        if process.returncode != 0:
            raise Failure(f"the guest ended with exit status {process.returncode}", log)
        say(f"kernel log of this session: {log}")
