# SPDX-License-Identifier: GPL-2.0
"""The two modules as an external build (M=), into a folder of this checkout."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from . import lock
from .kernels import Kernel
from .proc import log_path, logged
from .settings import BUILD, TOP, Settings, clean_env
from .toolchain import Toolchain, find_rustc
from .ui import Failure, Step, say

_RUST_WARNING = re.compile(r"^(warning|error)(\[|:)")
_RUST_PLACE = re.compile(r"^\s+--> (?P<place>\S+)")
_C_WARNING = re.compile(r"^(?P<file>[^\s:]+):\d+(:\d+)?: (warning|error):")
MODULES = ("iommu_mock.ko", "iommu_mock_kunit.ko")


def our_warnings(log: Path) -> list[str]:
    """Warnings of a module build that are about our files, each with its place."""
    found: list[str] = []
    open_place = False
    for line in log.read_text(errors="replace").splitlines():
        place = _RUST_PLACE.match(line)
        if place and open_place:
            name = os.path.relpath(os.path.normpath(place.group("place")), TOP)
            found[-1] += f" ({name})"
            open_place = False
            continue
        in_c = _C_WARNING.match(line)
        if in_c:
            if TOP in (TOP / in_c.group("file")).resolve().parents:
                found.append(line)
        elif _RUST_WARNING.match(line) and "emitted" not in line:
            found.append(line)
            open_place = True
        elif "WARNING: modpost" in line or "warning: objtool" in line:
            found.append(line)
    return found


def build(settings: Settings, kernel: Kernel, tools: Toolchain, name: str,
          title: str = "", pedantic: bool = False) -> Path:
    """Build against one of our kernels; returns the folder.

    The folder belongs to one kernel build: when another one takes its name,
    it is emptied, as kbuild would not notice by itself. A pedantic
    build begins from nothing, so that all warnings show, and fails at any.
    """
    out, log = _make(settings, kernel, tools, name, ["modules"], title or f"modules for {name}",
                     pedantic)
    for module in MODULES:
        if not (out / module).is_file():
            raise Failure(f"the build ended well but made no {module}", log)
    return out


def clippy(settings: Settings, kernel: Kernel, tools: Toolchain, name: str, title: str) -> None:
    """Have clippy and the C compiler at W=1 read everything; no code comes of it."""
    sources = [*TOP.glob("drivers/iommu/mock/*_main.rs"), *TOP.glob("kunit/*_main.rs"),
               *TOP.glob("rust/*/*.c"), *TOP.glob("kunit/helpers/*.c")]
    objects = [str(path.relative_to(TOP).with_suffix(".o")) for path in sources]
    _make(settings, kernel, tools, name,
          ["CLIPPY=1", "W=1", "KRUSTFLAGS=-Zno-codegen", *objects], title, True)


def _make(settings: Settings, kernel: Kernel, tools: Toolchain, name: str, arguments: list[str],
          title: str, pedantic: bool) -> tuple[Path, Path]:
    out = BUILD / "modules" / name
    log = log_path(f"modules-{name}")
    marker = out / ".kernel"
    with lock.cache(shared=True), lock.hold(BUILD / "modules" / f"{name}.lock"), \
            Step(title) as step:
        if pedantic or not marker.is_file() or marker.read_text() != str(kernel.objects):
            shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        marker.write_text(str(kernel.objects))
        arch = ["ARCH=um"] if name.startswith("uml") else []
        logged(step, ["make", "-C", kernel.objects, *arch, f"M={TOP}", f"MO={out}",
                      *tools.make_options(), f"-j{settings.jobs}", *arguments],
               log, env=tools.env(), what="module build")
        if pedantic:
            found = our_warnings(log)
            if found:
                raise Failure(f"{len(found)} warnings, the first: {found[0]}", log)
    return out, log


def _config_value(config: str, name: str) -> str:
    match = re.search(rf'^{name}="?(.*?)"?$', config, re.M)
    return match.group(1) if match else ""


def check_kdir(kdir: Path) -> str:
    """Say what is wrong with the user's kernel build; returns its configuration."""
    if not kdir.is_dir():
        raise Failure(f"KDIR={kdir}: no such folder")
    if not (kdir / ".config").is_file():
        raise Failure(f"KDIR={kdir}: not configured (it has no .config). Name a kernel build "
                      "folder in which `make` has run to its end.")
    config = (kdir / ".config").read_text(errors="replace")
    if _config_value(config, "CONFIG_RUST") != "y":
        raise Failure(f"KDIR={kdir}: configured without CONFIG_RUST=y, which these modules need "
                      "(`make LLVM=1 rustavailable` in its source tells what Rust support lacks)")
    for name in ("CONFIG_MODULES", "CONFIG_IOMMU_API", "CONFIG_DEBUG_FS", "CONFIG_CONFIGFS_FS"):
        if _config_value(config, name) != "y":
            raise Failure(f"KDIR={kdir}: configured without {name}=y")
    if not (kdir / "include/config/auto.conf").is_file() or not (kdir / "Module.symvers").is_file():
        raise Failure(f"KDIR={kdir}: configured, but not built (no Module.symvers). "
                      "Run `make` there.")
    built_by = _config_value(config, "CONFIG_RUSTC_VERSION_TEXT")
    here = find_rustc()
    if built_by != here:
        raise Failure(f"KDIR={kdir}: built by another rustc; kernel and modules must share one.\n"
                      f"  the kernel was built by  {built_by or 'an unknown rustc'}\n"
                      f"  rustc on PATH is         {here}\n"
                      "  Put that rustc first on PATH, or rebuild the kernel.")
    return config


def _compiler_option(config: str) -> list[str]:
    """LLVM= as the kernel was built, unless the user says it."""
    if os.environ.get("LLVM") or os.environ.get("CC"):
        return [f"{k}={os.environ[k]}" for k in ("LLVM", "CC") if os.environ.get(k)]
    if _config_value(config, "CONFIG_CC_IS_CLANG") != "y":
        return []
    match = re.search(r"clang version (\d+)", _config_value(config, "CONFIG_CC_VERSION_TEXT"))
    if match and shutil.which(f"clang-{match.group(1)}"):
        return [f"LLVM=-{match.group(1)}"]
    return ["LLVM=1"]


def for_kdir(settings: Settings, target: str) -> None:
    """make [modules|modules_install|clean] KDIR=..."""
    if settings.kdir is None:
        raise Failure("which kernel? Name a configured and built kernel with KDIR=<build folder>; "
                      "`make help` lists what needs no kernel of yours.")
    config = check_kdir(settings.kdir)
    out = BUILD / "modules" / "kdir"
    marker = out / ".kernel"
    if target != "modules_install" and marker.is_file() and \
            marker.read_text() != str(settings.kdir):
        shutil.rmtree(out)
    if target == "modules_install" and not all((out / module).is_file() for module in MODULES):
        raise Failure(f"nothing to install; run `make KDIR={settings.kdir}` first")
    out.mkdir(parents=True, exist_ok=True)
    marker.write_text(str(settings.kdir))
    log = log_path(f"kdir-{target}")
    env = clean_env()
    arch = ["ARCH=um"] if _config_value(config, "CONFIG_UML") == "y" else []
    with Step(f"{target} for {settings.kdir}") as step:
        logged(step, ["make", "-C", settings.kdir, *arch, f"M={TOP}", f"MO={out}",
                      *_compiler_option(config), f"-j{settings.jobs}", target],
               log, env=env, what=f"make {target}")
    if target == "modules":
        for module in MODULES:
            say(f"  {out / module}")
    elif target == "clean":
        shutil.rmtree(out, ignore_errors=True)


def clean(settings: Settings) -> None:
    """make clean: the modules for KDIR, or without KDIR all that make built here."""
    if settings.kdir is not None:
        for_kdir(settings, "clean")
        return
    for folder in ("modules", "guest", "docs"):
        shutil.rmtree(BUILD / folder, ignore_errors=True)
    say("  build/ emptied, but for its logs; the cache is left alone (make purge)")
