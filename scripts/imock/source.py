# SPDX-License-Identifier: GPL-2.0
"""Kernel source trees: from Debian's linux-source packages, or the user's own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from . import lock, packages, unpack
from .proc import need_space
from .settings import KERNELS, Settings, cache_dir
from .ui import Failure, Step, Unavailable, say

SOURCE_GIB = 2.6


@dataclass(frozen=True)
class Source:
    """A tree, its series (7.3), its full name and what keys its builds.

    in_place: it holds a build of its own, which our builds must not see.
    """

    tree: Path
    series: str
    label: str
    key: str
    own: bool
    in_place: bool = False


def version_order(version: str) -> list[int]:
    """Sort key of versions of one package."""
    return [int(n) for n in re.findall(r"\d+", version)]


def _folder() -> Path:
    return cache_dir() / "source"


def cached(series: str) -> list[Path]:
    """Unpacked trees of a series, newest first."""
    trees = _folder().glob(f"linux-{series}.*")
    return sorted(trees, key=lambda p: version_order(p.name), reverse=True)


def _as_source(tree: Path, series: str) -> Source:
    label = tree.name[len("linux-"):]
    return Source(tree, series, label.split("-")[0], label, False)


def obtain(series: str, backports: packages.Backports, refresh: bool = False) -> Source:
    """The newest tree of a series: cached, or downloaded and unpacked.

    With refresh the suite is asked for a newer point release; if it cannot
    be read, what is cached stays good.
    """
    have = cached(series)
    if have and not refresh:
        return _as_source(have[0], series)
    package = f"linux-source-{series}"
    try:
        versions = backports.versions(package)
    except Unavailable as failure:
        if have:
            say(f"  offline: using the cached {have[0].name} ({str(failure).splitlines()[0]})")
            return _as_source(have[0], series)
        raise
    if not versions:
        if have:
            return _as_source(have[0], series)
        raise Unavailable(f"{packages.BACKPORTS} has no {package}")
    target = _folder() / f"linux-{versions[0]}"
    if not target.is_dir():
        with lock.cache():
            try:
                _unpack(package, versions[0], backports, target)
            except Unavailable as failure:
                if not have:
                    raise
                say(f"  {failure}; using the cached {have[0].name}")
                return _as_source(have[0], series)
    return _as_source(target, series)


def _unpack(package: str, version: str, backports: packages.Backports, target: Path) -> None:
    if target.is_dir():
        return
    need_space(target.parent, SOURCE_GIB, f"the source of Linux {version.split('-')[0]}")
    archive = backports.download(package, version)
    with unpack.scratch(target) as work, Step(f"unpacking {package}") as step:
        unpack.deb(step, archive, work)
        tars = sorted((work / "usr/src").glob("*.tar.*"))
        if not tars:
            raise Failure(f"{archive.name} holds no source archive")
        unpack.tarball(step, tars[0], work)
        trees = [p.parent for p in work.glob("*/MAINTAINERS")]
        if len(trees) != 1:
            raise Failure(f"{archive.name}: {len(trees)} source trees in it, expected one")
        trees[0].rename(target)


def tree_version(tree: Path) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL as the tree's own Makefile says."""
    try:
        text = (tree / "Makefile").read_text()
    except OSError:
        raise Failure(f"KSRC={tree}: no kernel source tree (it has no Makefile)") from None
    numbers = []
    for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"):
        match = re.search(rf"^{name} = (\d+)$", text, re.M)
        if not match:
            raise Failure(f"KSRC={tree}: no kernel source tree (its Makefile sets no {name})")
        numbers.append(match.group(1))
    return ".".join(numbers)


def own(tree: Path) -> Source:
    """The user's tree; other versions than the supported ones get one warning."""
    version = tree_version(tree)
    for needed in ("drivers/iommu/Kconfig", "drivers/iommu/Makefile", "rust/kernel"):
        if not (tree / needed).exists():
            raise Failure(f"KSRC={tree}: has no {needed}")
    in_place = (tree / ".config").exists() or (tree / "include/config").is_dir()
    if in_place and not (tree / ".git").exists():
        raise Failure(f"KSRC={tree}: has been built in place and is no git checkout, so that its "
                      "sources cannot be told from what was built.\n"
                      "  Run `make mrproper` there (it deletes that build and its .config), or "
                      "name a clean copy.")
    series = ".".join(version.split(".")[:2])
    if series not in KERNELS:
        say(f"warning: {tree} is Linux {version}; supported are {' and '.join(KERNELS)}. Trying.")
    digest = hashlib.sha256(str(tree).encode()).hexdigest()[:10]
    return Source(tree, series, f"{version} ({tree})", f"own-{digest}", True, in_place)


def select(settings: Settings, backports: packages.Backports, refresh: bool = False) -> Source:
    """The tree that this run is about."""
    if settings.ksrc is not None:
        return own(settings.ksrc)
    return obtain(settings.kernel, backports, refresh)
