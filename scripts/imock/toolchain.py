# SPDX-License-Identifier: GPL-2.0
"""The compilers: rustc as found, the newest LLVM, bindgen, the core library's source."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import lock, packages, unpack
from .proc import log_path, logged, need_space, output
from .settings import BINDGEN_MIN, LLVM_MIN, RUSTC_MIN, cache_dir, clean_env
from .ui import Failure, Step


@dataclass(frozen=True)
class Toolchain:
    """Everything a kernel build is told about its tools."""

    rustc: str
    llvm: int
    bindgen: Path
    bindgen_version: str
    core: Path

    def env(self) -> dict[str, str]:
        """The environment of a kernel build."""
        env = clean_env()
        for name in list(env):
            if name in ("ARCH", "CROSS_COMPILE", "LLVM", "CC", "RUSTFLAGS", "KCONFIG_CONFIG") \
                    or name.startswith("KBUILD_"):
                del env[name]
        env["PATH"] = f"{self.bindgen.parent}{os.pathsep}{env.get('PATH', '')}"
        env["RUST_LIB_SRC"] = str(self.core)
        env["LIBCLANG_PATH"] = f"/usr/lib/llvm-{self.llvm}/lib"
        return env

    def make_options(self) -> list[str]:
        """What goes on the kernel's make command line."""
        return [f"LLVM=-{self.llvm}"]

    def identity(self) -> str:
        """What a kernel build depends on; part of its key in the cache."""
        return "\n".join([self.rustc, f"LLVM {self.llvm}", self.bindgen_version])


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted version number in a text."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(n) for n in match.group(0).split(".")) if match else ()


def find_rustc() -> str:
    """rustc's version line; the kernel wants a minimum."""
    text = output(["rustc", "--version"])
    if text is None:
        raise Failure("rustc is not on PATH; install rustc and cargo "
                      f"{'.'.join(map(str, RUSTC_MIN))} or newer")
    if numbers(text) < RUSTC_MIN:
        raise Failure(f"{text.strip()} is too old: the kernel wants "
                      f"{'.'.join(map(str, RUSTC_MIN))} or newer")
    return text.strip()


def _installed_llvm() -> list[int]:
    """Majors of LLVM that are completely installed, newest first."""
    majors = []
    for folder in Path("/usr/lib").glob("llvm-*"):
        suffix = folder.name[len("llvm-"):]
        tools = ("clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-link")
        if suffix.isdigit() and int(suffix) >= LLVM_MIN and list(folder.glob("lib/libclang*.so*")) \
                and all(shutil.which(f"{tool}-{suffix}") for tool in tools):
            majors.append(int(suffix))
    return sorted(majors, reverse=True)


def find_llvm() -> int:
    """The newest installed LLVM; if there is none, the newest that can be installed."""
    have = _installed_llvm()
    if have:
        return have[0]
    offered = packages.installable_llvm()
    if not offered:
        packages.update()
        offered = packages.installable_llvm()
    if not offered:
        raise Failure(f"no LLVM >= {LLVM_MIN} is installed or offered by this machine's package "
                      f"sources; the kernel needs clang, lld, llvm and libclang of one release")
    packages.require(packages.llvm_packages(offered[0]), refresh=False)
    have = _installed_llvm()
    if not have:
        raise Failure(f"LLVM {offered[0]} was installed, but its tools are not on PATH")
    return have[0]


def _bindgen_version(program: Path | str, llvm: int) -> str:
    env = {**clean_env(), "LIBCLANG_PATH": f"/usr/lib/llvm-{llvm}/lib"}
    return (output([program, "--version"], env=env) or "").strip()


def find_bindgen(llvm: int) -> tuple[Path, str]:
    """bindgen: BINDGEN=, the system's if new enough, else one built into the cache."""
    least = ".".join(map(str, BINDGEN_MIN))
    named = os.environ.get("BINDGEN", "").strip()
    own = cache_dir() / "tools" / "bindgen"
    candidates = [named] if named else [shutil.which("bindgen") or "", str(own / "bin/bindgen")]
    seen = ""
    for program in filter(None, candidates):
        version = _bindgen_version(program, llvm)
        if numbers(version) >= BINDGEN_MIN:
            return Path(program).absolute(), version
        seen = f"{program} is {version or 'not to be run'}"
    if named:
        raise Failure(f"BINDGEN: {seen}; the kernel wants {least} or newer")
    if shutil.which("cargo") is None:
        raise Failure(f"bindgen {least} or newer is needed ({seen or 'none is installed'}), and "
                      "there is no cargo to build one")
    _build_bindgen(own, seen, least)
    version = _bindgen_version(own / "bin/bindgen", llvm)
    if numbers(version) < BINDGEN_MIN:
        raise Failure(f"the bindgen that cargo built says {version or 'nothing'}; "
                      f"{least} or newer is needed", log_path("bindgen"))
    return own / "bin/bindgen", version


def _build_bindgen(target: Path, seen: str, least: str) -> None:
    with lock.cache():
        if target.exists():
            shutil.rmtree(target)
        need_space(target.parent, 0.7, "bindgen")
        with unpack.scratch(target) as work, Step("building bindgen") as step:
            env = {k: v for k, v in clean_env().items() if k != "RUSTFLAGS"}
            env["CARGO_TARGET_DIR"] = str(work / "target")
            try:
                logged(step, ["cargo", "install", "--locked", "bindgen-cli",
                              "--root", work / "out"],
                       log_path("bindgen"), env=env, what="cargo install bindgen-cli")
            except Failure as failure:
                raise Failure(f"bindgen {least} or newer is needed "
                              f"({seen or 'none is installed'}), and building one failed",
                              failure.log) from None
            (work / "out").rename(target)


def find_core(rustc: str, backports: packages.Backports) -> Path:
    """The core library's source, of exactly rustc's version."""
    release = ".".join(map(str, numbers(rustc)))
    tried = []
    named = os.environ.get("RUST_LIB_SRC", "").strip()
    if named:
        if (Path(named) / "core/src/lib.rs").is_file():
            return Path(named).absolute()
        tried.append(f"RUST_LIB_SRC={named} holds no core/src/lib.rs")
    sysroot = (output(["rustc", "--print", "sysroot"]) or "").strip()
    in_sysroot = Path(sysroot) / "lib/rustlib/src/rust/library"
    if (in_sysroot / "core/src/lib.rs").is_file():
        return in_sysroot
    tried.append(f"not in rustc's sysroot ({in_sysroot})")
    private = cache_dir() / "rust-src" / release
    if (private / "core/src/lib.rs").is_file():
        return private
    if shutil.which("rustup") and "rustup" in sysroot:
        with Step("rustup component add rust-src") as step:
            code = logged(step, ["rustup", "component", "add", "rust-src"], log_path("rustup"),
                          accept=lambda code: True)
            step.status = "ok" if code == 0 else "not had"
        if (in_sysroot / "core/src/lib.rs").is_file():
            return in_sysroot
        tried.append("rustup component add rust-src failed")
    return _core_from_package(release, private, backports, tried)


def _core_from_package(release: str, target: Path, backports: packages.Backports,
                       tried: list[str]) -> Path:
    problem = ""
    found = None
    try:
        for source, versions in ((packages.own_download, packages.own_versions("rust-src")),
                                 (backports.download, backports.versions("rust-src"))):
            matching = [v for v in versions if numbers(v) == numbers(release)]
            if matching:
                found = source("rust-src", matching[0])
                break
    except Failure as failure:
        problem = f" ({failure})"
    if found is None:
        tried.append(f"no Debian package rust-src {release} to be had{problem}")
        raise Failure(f"the source of Rust's core library {release} was not found:\n    - "
                      + "\n    - ".join(tried)
                      + "\n  Install it, or name it with RUST_LIB_SRC=<folder that holds core/>.")
    with lock.cache(), unpack.scratch(target) as work, Step(f"unpacking rust-src {release}") as step:
        unpack.deb(step, found, work)
        roots = list(work.glob("usr/src/rustc-*/library"))
        if not roots or not (roots[0] / "core/src/lib.rs").is_file():
            raise Failure(f"{found.name} holds no core library")
        roots[0].rename(target)
    return target


def find(backports: packages.Backports) -> Toolchain:
    """All tools; what is missing is installed, built or explained."""
    rustc = find_rustc()
    llvm = find_llvm()
    bindgen, version = find_bindgen(llvm)
    return Toolchain(rustc, llvm, bindgen, version, find_core(rustc, backports))
