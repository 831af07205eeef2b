# SPDX-License-Identifier: GPL-2.0
"""KUnit under UML, run by the kernel tree's own kunit.py."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Iterator

from . import kernels, lock, view
from .kernels import Kernel
from .proc import log_path, logged
from .settings import BUILD, SCRIPTS, Settings
from .source import Source
from .splat import splats
from .tally import Tally
from .toolchain import Toolchain
from .ui import Failure, Step, log_tail, say

QUICK_TIMEOUT = 120
FULL_TIMEOUT = 600
OURS = "iommu_mock*"
_STAMP = re.compile(r"^\[\d\d:\d\d:\d\d\] ?")


def _cases(group: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """All leaves below a group of kunit.py's json: (name, status).

    After a crash it holds leaves without a name, too; _crash tells of that.
    """
    for case in group.get("test_cases", []):
        if case["name"]:
            yield f"{prefix}{case['name']}", case["status"]
    for child in group.get("sub_groups", []):
        yield from _cases(child, f"{prefix}{child['name']}: ")


def _count(group: dict[str, Any], prefix: str) -> Tally:
    tally = Tally()
    for name, status in _cases(group, prefix):
        if status == "PASS":
            tally.passed += 1
        elif status == "SKIP":
            tally.skipped += 1
        else:
            tally.failed += 1
            tally.remarks.append(f"failed: {name}")
    return tally


def _stand_in(kernel: Kernel) -> tuple[Path, Path]:
    """What kunit.py takes for a build folder: its kernel writes to a file first.

    And a copy of the kernel itself, as another checkout may soon put its own suites into it.
    """
    folder = BUILD / "kunit" / kernel.source.series
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(SCRIPTS / "uml-to-file", folder / "linux")
    image = folder / "linux-with-suites"
    shutil.copy2(kernel.image, image)
    return folder, image


def _crash(log: Path) -> str | None:
    """The innermost case that kunit.py says the kernel died in."""
    names = re.findall(r"\[CRASHED\] (\w.*?) =*$", log.read_text(errors="replace"), re.M)
    return str(names[0]) if names else None


def _show_failures(log: Path) -> None:
    """What kunit.py printed about failing cases, without its time stamps."""
    lines = [_STAMP.sub("", line) for line in log_tail(log, 200)]
    body = [line for line in lines if line.strip() and not line.startswith("$ ")]
    say("\n".join([*(f"    | {line}" for line in body[-80:]), f"    full log: {log}"]))


def run(settings: Settings, source: Source, tools: Toolchain, quick: bool) -> Tally:
    """Build and run the suites; quick leaves out what is slow."""
    with lock.cache():
        kernel = kernels.uml_kunit(settings, source, tools)
        stand_in, image = _stand_in(kernel)
    label = kernel.source.series
    log = log_path(f"kunit-{label}")
    report = log.with_suffix(".json")
    report.unlink(missing_ok=True)
    tree = view.folder(kernel.source)
    raw = log_path(f"kunit-{label}-kernel")
    command = [*kernels.kunit_py(tree, tools, "exec", stand_in), f"--json={report}",
               "--failed", "--timeout", str(QUICK_TIMEOUT if quick else FULL_TIMEOUT)]
    if quick:
        command += ["--filter", "speed>slow"]
    for parameter in settings.test_params("iommu_mock_kunit."):
        command += ["--kernel_args", parameter]
    command.append(settings.filter or OURS)
    env = {**tools.env(), "IMOCK_LINUX": str(image), "IMOCK_OUTPUT": str(raw)}
    with Step(f"KUnit suites on UML {kernel.source.label}") as step:
        code = logged(step, command, log, env=env, accept=lambda status: True)
        try:
            tree_of_results = json.loads(report.read_text())
        except (OSError, ValueError):
            raise Failure("kunit.py gave no results", log) from None
        tally = _count(tree_of_results, f"{label}: ")
        died_in = _crash(log)
        if died_in is not None:
            tally.failed += 1
            tally.remarks.append(f"failed: {label}: the kernel died in {died_in}; see {raw}")
        step.note = tally.line()
        step.status = "FAILED" if tally.failed or code != 0 else "ok"
    if settings.filter and not tree_of_results.get("sub_groups"):
        raise Failure(f"FILTER={settings.filter}: no suite or case has such a name; try "
                      f"FILTER='{OURS[:-1]}*{settings.filter.strip('*')}*'")
    say("\n".join(f"    {group['name']:<48} {_count(group, '').line()}"
                  for group in tree_of_results.get("sub_groups", [])))
    if tally.failed or code != 0:
        _show_failures(log)
    if code != 0 and not tally.failed:
        raise Failure("kunit.py reports an error beyond failing cases", raw)
    if not tally.passed + tally.failed:
        raise Failure("no case ran" + (f": nothing matches FILTER={settings.filter}"
                                       if settings.filter else ""), raw)
    if died_in is not None:
        say("\n".join([f"    the kernel died in {died_in}; its last lines:",
                       *(f"    | {line}" for line in log_tail(raw))]))
    noise = splats(raw)
    if noise:
        tally.failed += 1
        tally.remarks.append(f"failed: unexpected splats in the kernel log of KUnit: {noise[0]}")
        say("\n".join([f"    unexpected in {raw}:", *(f"    | {line}" for line in noise[:10])]))
    return tally
