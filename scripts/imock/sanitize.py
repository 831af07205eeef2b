# SPDX-License-Identifier: GPL-2.0
"""make check-sanitize: all suites under the kernel's sanitizers, which first have to report
defects that are there in our Rust.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .guest import Guest, Result
from .leaks import summary
from .session import Session
from .splat import splats
from .symbols import Symbols, base
from .tally import Tally
from .ui import Failure, Step, duration, say

EFFORT = 5
TIMEOUT = 2400
SEEDED_TIMEOUT = 300
OURS = "iommu_mock_kunit"


@dataclass(frozen=True)
class Defect:
    """A defect of kunit/seeded.rs, and what says that it was seen."""

    name: str
    sanitizer: str
    report: str
    # The guest does not survive it.
    fatal: bool = False

    def seen(self, text: str) -> bool:
        """Whether the kernel log since it was committed has the report."""
        return re.search(self.report, text, re.S) is not None


KASAN = (
    Defect("use-after-free", "KASAN", rf"BUG: KASAN: slab-use-after-free in [^\n]*{OURS}"),
    Defect("out-of-bounds", "KASAN", rf"BUG: KASAN: slab-out-of-bounds in [^\n]*{OURS}"),
    Defect("out-of-pages", "KASAN", rf"BUG: KASAN: vmalloc-out-of-bounds in [^\n]*{OURS}"),
)
SLEEP = Defect("sleep", "the check of atomic context",
               rf"BUG: sleeping function called from invalid context.*{OURS}")
LEAK = Defect("leak", "kmemleak", rf"kmemleak: unreferenced object.*{OURS}")
LOCK_ORDER = Defect("lock-order", "lockdep",
                    r"possible circular locking dependency.*seeded::(one|two)")
RUSTC = (
    Defect("overflow", "rustc's overflow check", "attempt to add with overflow", True),
    Defect("precondition", "rustc's debug assertions", "unsafe precondition", True),
)


@dataclass(frozen=True)
class Place:
    """A kernel with its sanitizers."""

    name: str
    flavour: str
    vm: bool
    # The last one may turn its sanitizer off for good.
    defects: tuple[Defect, ...]
    parameters: tuple[str, ...] = ()

    @property
    def sanitizers(self) -> str:
        """Their names."""
        return ", ".join(dict.fromkeys(defect.sanitizer for defect in self.defects))


PLACES = (
    Place("UML", "kasan", False, (*KASAN, SLEEP, *RUSTC),
          ("kasan_multi_shot", "ncpus=1")),
    Place("the x86-64 VM", "x86", True, (SLEEP, LEAK, LOCK_ORDER),
          # An emulator that has to wait for its turn is no stall. What takes turns, as schedules do,
          # is faster on one CPU than on two that wake each other.
          ("kmemleak=on", "tsc=reliable", "rcupdate.rcu_cpu_stall_timeout=300", "maxcpus=1")),
)


# The judge takes most of the time, so it has a boot of its own.
SUITES = (("all suites but the judge's", "iommu_mock_[!j]*"), ("the judge's", "iommu_mock_j*"))


class Run:
    """One place to be in, and what is booted there."""

    def __init__(self, session: Session, place: Place) -> None:
        self.session = session
        self.place = place
        self.kernel, self.modules = session.modules(place.flavour)

    def boot(self, what: str, glob: str, defects: tuple[Defect, ...], step: Step) -> Result:
        """Boot, run the suites of a glob, commit defects."""
        settings = self.session.settings
        params = [p for p in settings.test_params() if not p.startswith("effort=")]
        params.append(f"effort={max(1, EFFORT * (settings.effort or 100) // 100)}")
        conf: dict[str, object] = {
            "GLOB": glob, "DEFECTS": " ".join(defect.name for defect in defects),
            "LOCKDEP": int(LOCK_ORDER in self.place.defects), "KMEMLEAK": int(LEAK in self.place.defects),
            "TEST_PARAMS": " ".join(params), "PARAMS": "",
        }
        guest = Guest(self.kernel, self.place.vm, f"sanitize-{self.place.flavour}-{what}",
                      "sanitize", self.modules, conf,
                      ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=4M",
                       "kunit.timeout=1800", *self.place.parameters], memory=1024)
        return guest.run(SEEDED_TIMEOUT if glob == "none" else TIMEOUT,
                         lambda line: step.progress(line or ""))

    def leaks(self, result: Result) -> list[str]:
        """What the suites lost, in lines for a person."""
        if not any("unreferenced object" in line for line in result.lines):
            return []
        bases = {name: at for line in result.lines for name, at in base(line).items()}
        system_map = self.kernel.objects / "System.map"
        return summary(result.lines, Symbols(system_map, self.modules, bases))


def _part(log: Path, defect: Defect) -> str:
    """The kernel log from one defect to the next."""
    text = log.read_text(errors="replace").replace("\r", "")
    match = re.search(rf"@@defect {defect.name}\n(.*?)(?=@@defect|\Z)", text, re.S)
    return match.group(1) if match else ""


def _must_see(log: Path, defects: tuple[Defect, ...]) -> None:
    for defect in defects:
        if not defect.seen(_part(log, defect)):
            raise Failure(f"{defect.sanitizer} does not see {defect.name} in Rust", log)


def _seeded(run: Run) -> Tally:
    """Every sanitizer sees its defects."""
    gentle = tuple(defect for defect in run.place.defects if not defect.fatal)
    fatal = [defect for defect in run.place.defects if defect.fatal]
    with Step(f"seeded defects are reported in {run.place.name}") as step:
        result = run.boot("seeded", "none", gentle, step)
        if result.status != 0:
            raise Failure(result.lines[-1] if result.lines else "no defect was committed",
                          result.kernel_log)
        _must_see(result.kernel_log, gentle)
        for defect in fatal:
            try:
                log = run.boot(defect.name, "none", (defect,), step).kernel_log
            except Failure as died:
                if died.log is None:
                    raise
                log = died.log
            _must_see(log, (defect,))
        step.note = ", ".join(defect.name for defect in run.place.defects)
    return Tally(passed=len(run.place.defects))


def _suites(run: Run, what: str, glob: str) -> Tally:
    """Suites without a report, by sanitizers that are on until the end."""
    gentle = tuple(defect for defect in run.place.defects if not defect.fatal)
    with Step(f"{what} in {run.place.name}") as step:
        result = run.boot("judge" if glob.endswith("j*") else "suites", glob, gentle, step)
        log = result.kernel_log
        text = log.read_text(errors="replace")
        noise = splats(log, text.split("@@defect", 1)[0])
        leaks = run.leaks(result)[:10]
        told = result.lines[-1 if leaks else -12:] if result.status else []
        for line in [*leaks, *told, *noise[:10]]:
            say(f"    | {line}")
        if noise:
            raise Failure(f"{len(noise)} unexpected reports: {noise[0]}", log)
        if result.status != 0:
            raise Failure("the suites did not pass", log)
        _must_see(log, gentle)
        step.note = next((line for line in result.lines if line.startswith("suites: ")), "")
    return Tally(passed=1)


def run(session: Session) -> int:
    """Place by place: first that the sanitizers see, then that they see nothing."""
    tally = Tally()
    overall = Step("")
    for place in PLACES:
        here: list[Run] = []
        tally.attempt(f"kernel of {place.name}",
                      lambda place=place: here.append(Run(session, place)) or Tally())
        if here:
            say(f"  {place.name}: {place.sanitizers}")
            tally.attempt(f"seeded defects in {place.name}", lambda: _seeded(here[0]))
            for what, glob in SUITES:
                tally.attempt(f"{what} in {place.name}",
                              lambda what=what, glob=glob: _suites(here[0], what, glob))
    say()
    say(f"  all of it took {duration(overall.elapsed)}")
    return tally.close()
