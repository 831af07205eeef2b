# SPDX-License-Identifier: GPL-2.0
"""A private view of a kernel tree with this checkout grafted in.

The view is a handful of real folders on the way to the grafted files; all
else is symbolic links, folder by folder, so that it costs nothing and an
edit in the tree is at once an edit in the view. A tree that has been built
in place is mirrored file by file instead, without what was built.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .graft import GRAFT_DIR, KCONFIG, MAKEFILE, with_kconfig, with_makefile
from .proc import output
from .settings import TOP, cache_dir
from .source import Source
from .ui import Failure

# kunit.py finds the tree by its own real path, hence copies of it.
COPIED = "tools/testing/kunit"
REAL = (".", "drivers", "drivers/iommu", "tools", "tools/testing")


def build_folder(source: Source) -> Path:
    """Where all kernel builds of a source live."""
    return cache_dir() / "build" / source.key


def folder(source: Source) -> Path:
    """Where the view of a source is."""
    return cache_dir() / "view" / source.key


def refresh(source: Source) -> Path:
    """Bring the view up to date with the tree; the caller holds the lock."""
    view = folder(source)
    if source.in_place:
        _refresh_files(source.tree, view)
    else:
        for name in REAL:
            _refresh_folder(source.tree / name, view / name, name)
    _copy_folder(source.tree / COPIED, view / COPIED)
    for name, edit in ((KCONFIG, with_kconfig), (MAKEFILE, with_makefile)):
        _write(view / name, edit((source.tree / name).read_text()))
    _point(view / GRAFT_DIR, source)
    return view


def _is_ours(parent: str, name: str) -> bool:
    path = os.path.normpath(os.path.join(parent, name))
    return path in REAL or path in (COPIED, KCONFIG, MAKEFILE, GRAFT_DIR)


def _refresh_folder(origin: Path, mirror: Path, parent: str) -> None:
    mirror.mkdir(parents=True, exist_ok=True)
    wanted = {name for name in os.listdir(origin)
              if not _is_ours(parent, name) and name != ".git"}
    for name in os.listdir(mirror):
        path = mirror / name
        if _is_ours(parent, name):
            continue
        if name in wanted and path.is_symlink() and os.readlink(path) == str(origin / name):
            wanted.discard(name)
        elif path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
    for name in wanted:
        (mirror / name).symlink_to(origin / name)


def _refresh_files(tree: Path, view: Path) -> None:
    """One link for every file that git does not ignore."""
    listed = output(["git", "-C", tree, "ls-files", "-z", "-c", "-o", "--exclude-standard"])
    if listed is None:
        raise Failure(f"git cannot list the files of {tree}")
    skipped = (COPIED + "/", GRAFT_DIR + "/")
    wanted = {name for name in listed.split("\0") if name and not name.startswith(skipped)
              and name not in (KCONFIG, MAKEFILE, GRAFT_DIR)}
    for parent, folders, names in os.walk(view):
        base = os.path.relpath(parent, view)
        for name in list(folders):
            path = os.path.join(parent, name)
            inside = os.path.normpath(os.path.join(base, name))
            if os.path.islink(path):
                if inside != GRAFT_DIR and inside not in wanted:
                    os.unlink(path)
            elif inside == COPIED:
                folders.remove(name)
        for name in names:
            inside = os.path.normpath(os.path.join(base, name))
            if inside not in wanted and inside not in (KCONFIG, MAKEFILE):
                os.unlink(os.path.join(parent, name))
    for name in wanted:
        link, target = view / name, tree / name
        if not link.is_symlink() and os.path.lexists(target):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)


def _copy_folder(origin: Path, mirror: Path) -> None:
    mirror.mkdir(parents=True, exist_ok=True)
    for path in origin.rglob("*"):
        target = mirror / path.relative_to(origin)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif path.suffix != ".pyc":
            old = target.stat() if target.exists() else None
            new = path.stat()
            if old is None or (old.st_mtime_ns, old.st_size) != (new.st_mtime_ns, new.st_size):
                shutil.copy2(path, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _point(link: Path, source: Source) -> None:
    """Point the graft at this checkout; objects of another one are dropped."""
    if link.is_symlink() and os.readlink(link) == str(TOP):
        return
    if link.is_symlink() or link.exists():
        link.unlink()
    for objects in build_folder(source).glob(f"*/{GRAFT_DIR}"):
        shutil.rmtree(objects)
    link.symlink_to(TOP)
