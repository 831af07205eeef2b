# SPDX-License-Identifier: GPL-2.0
"""make soak: two CPUs do random operations on groups, for as long as is asked, after planted
defects have shown that this can fail.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from .guest import Guest
from .session import Session
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, say

# Seconds between lines of progress, and seconds that a boot and a burst may take besides.
INTERVAL = 60
PATIENCE = 600
ADDED = ("operations", "done", "refused", "unplugged", "faults", "warned", "groups", "ms")
FAILED = re.compile(r"# (\S+\.rs:\d+: .*)")


class Sums:
    """What all bursts come to."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(ADDED, 0)
        self.cpus = 0
        self.seeds: list[int] = []
        self.failed: int | None = None
        self.slowest = 0
        self.noticed = 0
        self.unnoticed: list[str] = []
        self._said = time.monotonic()

    def take(self, line: str) -> None:
        """One line of the guest."""
        try:
            what: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            # What the script says when it fails.
            return
        if "defect" in what:
            self._seeded(what)
        else:
            self._burst(what)

    def _burst(self, burst: dict[str, Any]) -> None:
        for key in ADDED:
            self.values[key] += burst[key]
        self.cpus |= burst["cpus"]
        self.seeds.append(burst["seed"])
        if burst["failed"] and self.failed is None:
            self.failed = burst["seed"]

    def _seeded(self, defect: dict[str, Any]) -> None:
        name = defect["defect"]
        if "unseen" in defect:
            say(f"    seeded: {name}: not by a soak: {defect['unseen']}")
        elif defect["noticed"]:
            race = ", by two threads only" if defect["raced"] else ""
            say(f"    seeded: {name} noticed after {defect['groups']} groups, "
                f"{defect['ms']} ms{race}")
            self.noticed += 1
            self.slowest = max(self.slowest, defect["ms"])
        else:
            say(f"    seeded: {name} not noticed in {defect['groups']} groups, "
                f"{defect['ms']} ms")
            self.unnoticed.append(name)

    def line(self) -> str:
        """All of it for people."""
        sums = self.values
        per_second = 1000 * sums["operations"] // max(1, sums["ms"])
        return (f"{sums['operations']} operations, {per_second} per second, seeds "
                f"{self.seeds[0]} to {self.seeds[-1]}: {sums['done']} done, {sums['refused']} "
                f"refused, {sums['unplugged']} unplugged, {sums['faults']} faults, "
                f"{sums['warned']} WARNs counted, {sums['groups']} groups; "
                f"{self.noticed} planted defects noticed, the last after {self.slowest} ms")

    def progress(self, step: Step, line: str | None) -> None:
        """Take a line; now and then say how far it is."""
        if line is not None:
            self.take(line)
        if self.seeds:
            step.progress(self.line())
            if time.monotonic() - self._said > INTERVAL:
                self._said = time.monotonic()
                say(f"    {int(step.elapsed):>5} s  {self.line()}")


def _whys(log: Path) -> list[str]:
    """What the checks said, of those that failed without a defect."""
    text = log.read_text(errors="replace").replace("\r", "")
    return FAILED.findall(text.partition("@@seeded end")[2])


def _soak(session: Session) -> Tally:
    minutes = session.settings.minutes or 1
    kernel, modules = session.modules("kasan")
    seed = session.settings.seed
    if seed is None:
        seed = time.time_ns() >> 20 & 0xffff_ffff
    guest = Guest(kernel, False, "soak", "soak", modules,
                  {"SECONDS_TO_SOAK": 60 * minutes, "TEST_PARAMS": f"seed={seed}", "PARAMS": ""},
                  ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=2M", "kasan_multi_shot",
                   "ncpus=2"], memory=1024)
    sums = Sums()
    with Step(f"soaking for {minutes} min from seed {seed}") as step:
        result = guest.run(60 * minutes + PATIENCE, lambda line: sums.progress(step, line))
        noise = splats(result.kernel_log)
        for line in [*(f"splat: {line}" for line in noise[:10]), *_whys(result.kernel_log)[:10]]:
            say(f"    | {line}")
        if sums.unnoticed:
            raise Failure(f"a soak does not notice {', '.join(sums.unnoticed)}", result.kernel_log)
        if sums.failed is not None:
            raise Failure(f"a check failed in the burst of seed {sums.failed}; make soak "
                          f"SEED={sums.failed} asks for the same again, but who comes first differs: "
                          "make check-schedules tries orders one by one", result.kernel_log)
        if noise or result.status != 0 or not sums.seeds:
            raise Failure(f"{len(noise)} splats" if noise else
                          (result.lines or ["the guest's script failed"])[-1], result.kernel_log)
        if sums.cpus != 3:
            raise Failure(f"CPUs that did anything: {sums.cpus:#b}, not two", result.kernel_log)
        step.note = sums.line()
    return Tally(passed=1)


def run(session: Session) -> int:
    """One boot."""
    tally = Tally()
    tally.attempt("soak", lambda: _soak(session))
    return tally.close()
