# SPDX-License-Identifier: GPL-2.0
"""Kernel builds in the cache: UML to load modules, UML with KUnit, x86-64 for QEMU."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import lock, unpack, view
from .proc import log_path, logged, need_space
from .settings import BUILD, SCRIPTS, TOP, Settings
from .source import Source
from .toolchain import Toolchain
from .ui import Failure, Step

KUNITCONFIG = TOP / "kunit" / ".kunitconfig"
UML_CONFIG = SCRIPTS / "kernel" / "uml.config"
FRAGMENTS = {flavour: SCRIPTS / "kernel" / f"{flavour}.config"
             for flavour in ("bench", "kasan", "bench-x86")}
X86_CONFIG = SCRIPTS / "kernel" / "x86.config"
OURS = re.compile(r"^CONFIG_IOMMU_MOCK\w*=.*\n", re.M)

BUILD_GIB = 1.5
COMPLETE = ".imock-complete"


@dataclass(frozen=True)
class Kernel:
    """A finished build: what to boot, and what to build modules against."""

    source: Source
    objects: Path
    image: Path


def _key(tools: Toolchain, *texts: str) -> str:
    digest = hashlib.sha256("\n".join([tools.identity(), *texts]).encode())
    return digest.hexdigest()[:10]


def _uml_config(flavour: str) -> str:
    text = KUNITCONFIG.read_text() + UML_CONFIG.read_text()
    if flavour == "kunit":
        return text
    text = OURS.sub("", text)
    return _with_fragment(text, flavour)


def _x86_config(flavour: str) -> str:
    return _with_fragment(X86_CONFIG.read_text(), flavour)


def _with_fragment(text: str, flavour: str) -> str:
    return merge(text, FRAGMENTS[flavour].read_text()) if flavour in FRAGMENTS else text


def _objects(source: Source, flavour: str, tools: Toolchain) -> Path:
    # That of the tests shares the key of the one without them.
    config = _x86_config(flavour) if flavour.endswith("x86") else \
        _uml_config("uml" if flavour == "kunit" else flavour)
    return view.build_folder(source) / f"{flavour}-{_key(tools, config)}"


def kunit_py(tree: Path, tools: Toolchain, command: str, objects: Path) -> list[object]:
    """The beginning of a command line of the tree's own kunit.py."""
    line: list[object] = [tree / "tools/testing/kunit/kunit.py", command, "--build_dir", objects]
    if command == "config":
        for option in tools.make_options():
            line += ["--make_options", option]
    return line


def _uml_build(step: Step, tree: Path, tools: Toolchain, objects: Path, flavour: str,
               jobs: int) -> None:
    """Configure with kunit.py, which checks the result; build as it would, but with a log."""
    BUILD.mkdir(exist_ok=True)
    config = BUILD / f"{flavour}.kunitconfig"
    config.write_text(_uml_config(flavour))
    log = log_path(f"build-{flavour}-{tree.name}")
    logged(step, [*kunit_py(tree, tools, "config", objects), "--kunitconfig", config], log,
           env=tools.env(), what="kunit.py config")
    logged(step, ["make", "-C", tree, "ARCH=um", f"O={objects}", *tools.make_options(),
                  f"-j{jobs}", "all"], log, env=tools.env(), append=True, what="make")
    (objects / COMPLETE).touch()


def uml(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The UML kernel without our code: the one that loads the modules."""
    objects = _objects(source, "uml", tools)
    with lock.cache():
        if not (objects / COMPLETE).exists() or source.own:
            with Step(f"UML kernel {source.label}") as step:
                _begin(step, objects, _objects(source, "kunit", tools))
                _uml_build(step, view.refresh(source), tools, objects, "uml", settings.jobs)
    return Kernel(source, objects, objects / "linux")


def uml_kunit(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The UML kernel with the suites built in; always brought up to date."""
    objects = _objects(source, "kunit", tools)
    with lock.cache(), Step(f"UML kernel {source.label} with the suites") as step:
        _begin(step, objects, _objects(source, "uml", tools))
        _uml_build(step, view.refresh(source), tools, objects, "kunit", settings.jobs)
    return Kernel(source, objects, objects / "linux")


def _apart(settings: Settings, source: Source, tools: Toolchain, flavour: str,
           what: str) -> Kernel:
    """A UML kernel that shares no objects with the others."""
    objects = _objects(source, flavour, tools)
    with lock.cache():
        if not (objects / COMPLETE).exists() or source.own:
            with Step(f"UML kernel {source.label} {what}") as step:
                need_space(objects, BUILD_GIB, "a UML kernel")
                objects.mkdir(parents=True, exist_ok=True)
                _uml_build(step, view.refresh(source), tools, objects, flavour, settings.jobs)
    return Kernel(source, objects, objects / "linux")


def bench(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The UML kernel in which is measured: without checks, with two CPUs."""
    return _apart(settings, source, tools, "bench", "to measure in")


def kasan(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The UML kernel whose accesses to memory are checked, with two CPUs."""
    return _apart(settings, source, tools, "kasan", "with KASAN")


def _begin(step: Step, objects: Path, donor: Path) -> None:
    """Begin from the other, finished UML build of the same tree instead of from nothing."""
    if objects.is_dir():
        return
    need_space(objects, BUILD_GIB, "a UML kernel")
    if not (donor / COMPLETE).exists():
        objects.mkdir(parents=True)
        return
    with unpack.scratch(objects) as work:
        step.progress("copying the objects of the other UML build")
        shutil.copytree(donor, work / "copy", symlinks=True)
        (work / "copy" / COMPLETE).unlink()
        (work / "copy").rename(objects)


def x86(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The x86-64 kernel for QEMU."""
    return _x86(settings, source, tools, "x86", "")


def bench_x86(settings: Settings, source: Source, tools: Toolchain) -> Kernel:
    """The one whose instructions are counted: without checks."""
    return _x86(settings, source, tools, "bench-x86", " to count in")


def _x86(settings: Settings, source: Source, tools: Toolchain, flavour: str,
         what: str) -> Kernel:
    """From the untouched tree (but see Source.in_place)."""
    objects = _objects(source, flavour, tools)
    image = objects / "arch/x86/boot/bzImage"
    with lock.cache():
        if not (objects / COMPLETE).exists() or source.own:
            need_space(objects, BUILD_GIB, "an x86-64 kernel")
            objects.mkdir(parents=True, exist_ok=True)
            with Step(f"x86-64 kernel {source.label}{what}") as step:
                _x86_build(step, settings, source, tools, objects, flavour)
            (objects / COMPLETE).touch()
    return Kernel(source, objects, image)


def _x86_build(step: Step, settings: Settings, source: Source, tools: Toolchain,
               objects: Path, flavour: str) -> None:
    log = log_path(f"build-{flavour}-{source.key}")
    tree = view.refresh(source) if source.in_place else source.tree
    make: list[object] = ["make", "-C", tree, f"O={objects}", *tools.make_options(),
                          f"-j{settings.jobs}"]
    log.unlink(missing_ok=True)

    def run(what: str, argv: list[object]) -> None:
        logged(step, argv, log, env=tools.env(), append=True, what=what)

    fragment = _x86_config(flavour)
    marker = objects / ".imock-fragment"
    if not marker.exists() or marker.read_text() != fragment or not (objects / ".config").exists():
        run("make tinyconfig", [*make, "tinyconfig"])
        config = objects / ".config"
        config.write_text(merge(config.read_text(), fragment))
        run("make olddefconfig", [*make, "olddefconfig"])
        missing = unmet(fragment, config.read_text())
        if flavour in FRAGMENTS:
            missing += contradicted(FRAGMENTS[flavour].read_text(), config.read_text())
        if missing:
            raise Failure("the kernel's configuration refused: " + ", ".join(missing), log)
        marker.write_text(fragment)
    run("make", [*make, "bzImage", "modules"])


def merge(config: str, fragment: str) -> str:
    """A configuration with a fragment on top, each symbol set once."""
    symbol = re.compile(r"^(?:# )?(CONFIG_\w+)[ =]", re.M)
    replaced = set(symbol.findall(fragment))
    kept = [line for line in config.splitlines(keepends=True)
            if not (symbol.match(line) and symbol.match(line).group(1) in replaced)]
    return "".join(kept) + fragment


def unmet(fragment: str, config: str) -> list[str]:
    """Lines of a fragment that a resolved configuration does not have."""
    have = set(config.splitlines())
    return [line for line in fragment.splitlines()
            if line.startswith("CONFIG_") and line not in have]


def contradicted(fragment: str, config: str) -> list[str]:
    """Symbols that a fragment turns off and a resolved configuration has."""
    off = re.findall(r"^# (CONFIG_\w+) is not set$", fragment, re.M)
    return [f"# {symbol} is not set" for symbol in off
            if re.search(rf"^{symbol}=", config, re.M)]
