# SPDX-License-Identifier: GPL-2.0
"""A small initramfs: busybox, the guest scripts, the modules and a configuration.

The archive (cpio, newc format) is written here because that needs no root
for its one device node.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from . import lock, packages, unpack
from .settings import BUILD, GUEST, cache_dir
from .ui import Failure, Step, Unavailable

FOLDERS = ("bin", "dev", "etc", "guest", "lib", "lib/modules", "proc", "root", "run", "sys", "tmp")


class Archive:
    """Entries of a newc cpio archive."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._inode = 0

    def _pad(self) -> None:
        fill = -self._size % 4
        self._parts.append(b"\0" * fill)
        self._size += fill

    def _add(self, name: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        raw = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0)
        for block in (b"070701" + b"".join(b"%08x" % f for f in fields) + raw, data):
            self._parts.append(block)
            self._size += len(block)
            self._pad()

    def folder(self, name: str) -> None:
        """An empty directory."""
        self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """A regular file."""
        self._add(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name: str, major: int, minor: int) -> None:
        """A character device."""
        self._add(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def finish(self) -> bytes:
        """The archive with its trailer."""
        self._add("TRAILER!!!", 0)
        return b"".join(self._parts)


def busybox() -> Path:
    """A static busybox: the installed one, or its package unpacked in the cache."""
    if packages.installed(["busybox-static"]):
        return Path("/bin/busybox")
    private = cache_dir() / "tools" / "busybox"
    if private.is_file():
        return private
    versions = packages.own_versions("busybox-static")
    if not versions:
        packages.update()
        versions = packages.own_versions("busybox-static")
    if not versions:
        raise Unavailable("the package busybox-static is not in this machine's package sources")
    package = packages.own_download("busybox-static", versions[0])
    with lock.cache(), unpack.scratch(private) as work, Step("unpacking busybox-static") as step:
        unpack.deb(step, package, work)
        found = [p for p in work.rglob("busybox") if p.is_file() and p.parent.name == "bin"]
        if not found:
            raise Failure(f"{package.name} holds no busybox")
        found[0].rename(private)
    return private


def write(name: str, modules: list[Path], conf: dict[str, object],
          programs: list[Path]) -> Path:
    """Write the archive for one run; conf becomes shell variables of the guest."""
    archive = Archive()
    for folder in FOLDERS:
        archive.folder(folder)
    archive.node("dev/console", 5, 1)
    archive.file("bin/busybox", busybox().read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", (GUEST / "init").read_bytes(), 0o755)
    for script in sorted(GUEST.iterdir()):
        if script.name != "init" and script.suffix not in (".c", ".h"):
            archive.file(f"guest/{script.name}", script.read_bytes(), 0o755)
    for program in programs:
        archive.file(f"bin/{program.name}", program.read_bytes(), 0o755)
    for module in modules:
        archive.file(f"lib/modules/{module.name}", module.read_bytes())
    text = "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in conf.items())
    archive.file("etc/guest.conf", text.encode())
    path = BUILD / "guest" / f"{name}.cpio"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive.finish())
    return path
