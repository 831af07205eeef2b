# SPDX-License-Identifier: GPL-2.0
"""Debian packages: what must be installed, and what is only downloaded.

A suite that the machine's own sources do not list (backports) is read
through a private apt folder in the cache: signatures are checked as usual,
and neither the machine's sources nor its installed packages are touched.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .proc import log_path, logged, output
from .settings import LLVM_MIN, cache_dir, clean_env
from .ui import Failure, Step, Unavailable

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BACKPORTS = "trixie-backports"

BUILD_PACKAGES = ("make", "libc6-dev", "flex", "bison", "bc", "libelf-dev", "libssl-dev",
                  "xz-utils", "kmod", "perl", "diffutils")
RUN_PACKAGES = ("qemu-system-x86",)
LINT_PACKAGES = ("shellcheck",)
DOC_PACKAGES = ("python3-sphinx",)


def llvm_packages(major: int) -> list[str]:
    """The packages that make up one LLVM release."""
    return [f"clang-{major}", f"lld-{major}", f"llvm-{major}", f"libclang-{major}-dev"]


def installed(names: list[str] | tuple[str, ...]) -> set[str]:
    """Which of these packages are installed."""
    found = set()
    for name in names:
        status = output(["dpkg-query", "-W", "-f", "${Status}", name])
        if status == "install ok installed":
            found.add(name)
    return found


def _as_root() -> list[str] | None:
    """How to become root without a question, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and output(["sudo", "-n", "true"]) is not None:
        return ["sudo", "-n"]
    return None


def _apt_env() -> dict[str, str]:
    return {**clean_env(), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def update() -> None:
    """Refresh the machine's package lists (needs root; a failure is not fatal here)."""
    root = _as_root()
    if root is None:
        return
    with Step("package lists") as step:
        logged(step, [*root, "apt-get", "update"], log_path("apt-update"), env=_apt_env(),
               accept=lambda code: True)


def require(names: list[str] | tuple[str, ...], refresh: bool = True) -> None:
    """Install what is missing, or say exactly what to type."""
    if not shutil.which("dpkg-query"):
        raise Failure("this is no Debian system: install by hand what these packages hold: "
                      + " ".join(names))
    missing = [name for name in names if name not in installed(names)]
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    root = _as_root()
    if root is None:
        raise Failure("packages are missing and there is no root here (nor sudo without a "
                      "password); run this, then try again:\n"
                      "    sudo apt-get update && sudo " + " ".join(install))
    if refresh:
        update()
    with Step("installing " + " ".join(missing)) as step:
        logged(step, [*root, *install], log_path("apt-install"), env=_apt_env(),
               what="apt-get install")


def installable_llvm() -> list[int]:
    """Majors of LLVM that the machine's sources offer, newest first."""
    listing = output(["apt-cache", "search", "--names-only", r"^clang-[0-9]+$"]) or ""
    majors = {int(m) for m in re.findall(r"^clang-(\d+) ", listing, re.M)}

    def complete(major: int) -> bool:
        shown = output(["apt-cache", "policy", *llvm_packages(major)]) or ""
        return len(re.findall(r"^  Candidate: \d", shown, re.M)) == len(llvm_packages(major))

    return [m for m in sorted(majors, reverse=True) if m >= LLVM_MIN and complete(m)]


class Backports:
    """A private view of one suite of the Debian archive."""

    def __init__(self) -> None:
        self.root = cache_dir() / "apt"
        self.options: list[str] = []

    def open(self) -> None:
        """Write the private source and fetch its lists."""
        if self.options:
            return
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        source = self.root / "sources.list"
        source.write_text(f"deb [signed-by={KEYRING}] {self._uri()} {BACKPORTS} main\n")
        options = []
        for key, value in (("Dir::Etc::sourcelist", source), ("Dir::Etc::sourceparts", "/dev/null"),
                           ("Dir::State::lists", self.root / "lists"),
                           ("Dir::Cache", self.root / "cache"), ("APT::Sandbox::User", "root"),
                           ("APT::Get::List-Cleanup", "false")):
            options += ["-o", f"{key}={value}"]
        if os.geteuid() != 0:
            options += ["-o", "Debug::NoLocking=1"]
        with Step(f"package lists of {BACKPORTS}") as step:
            try:
                logged(step, ["apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update"],
                       log_path("apt-backports"), env=_apt_env(), what="apt-get update")
            except Failure as failure:
                raise Unavailable(f"{BACKPORTS} cannot be read: {failure}", failure.log) from None
        self.options = options

    @staticmethod
    def _uri() -> str:
        """The archive that this machine itself uses."""
        codename = ""
        for line in Path("/etc/os-release").read_text().splitlines():
            if line.startswith("VERSION_CODENAME="):
                codename = line.split("=", 1)[1].strip('"')
        rows = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]) or ""
        for row in rows.splitlines():
            fields = row.split()
            if len(fields) == 2 and fields[1] == codename:
                return fields[0]
        raise Unavailable(f"no Debian source of suite {codename or '?'} is configured here "
                          "(apt-get indextargets lists none; try: apt-get update)")

    def versions(self, package: str) -> list[str]:
        """All versions of a package, newest first (apt's own order)."""
        self.open()
        rows = output(["apt-cache", *self.options, "madison", package], env=_apt_env()) or ""
        return [row.split("|")[1].strip() for row in rows.splitlines() if row.count("|") == 2]

    def download(self, package: str, version: str) -> Path:
        """Fetch one package into the cache and return its path."""
        self.open()
        return _download(self.options, package, version)


def own_versions(package: str) -> list[str]:
    """Versions of a package in the machine's own sources, newest first."""
    rows = output(["apt-cache", "madison", package], env=_apt_env()) or ""
    return [row.split("|")[1].strip() for row in rows.splitlines() if row.count("|") == 2]


def own_download(package: str, version: str) -> Path:
    """Fetch a package of the machine's own sources, without installing it."""
    return _download([], package, version)


def _download(options: list[str], package: str, version: str) -> Path:
    folder = cache_dir() / "debs"
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{package}_{version.split(':')[-1]}_*.deb"
    present = sorted(folder.glob(pattern))
    if present:
        return present[0]
    work = folder / f"tmp.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        with Step(f"downloading {package} {version}") as step:
            try:
                logged(step, ["apt-get", *options, "download", f"{package}={version}"],
                       log_path("apt-download"), cwd=work, env=_apt_env(),
                       what="apt-get download")
            except Failure as failure:
                raise Unavailable(f"{package} {version} cannot be downloaded",
                                  failure.log) from None
        arrived = sorted(work.glob("*.deb"))
        if not arrived:
            raise Unavailable(f"{package} {version}: nothing was downloaded",
                              log_path("apt-download"))
        name = arrived[0].name.replace("%3a", ":").split("_")
        target = folder / "_".join([package, version.split(":")[-1], name[-1]])
        arrived[0].rename(target)
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)
