# SPDX-License-Identifier: GPL-2.0
"""Lints that need nothing but the files: unsafe, SPDX, length, Python."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from .proc import output
from .settings import TOP
from .ui import Failure

MAX_LINES = 500
UNSAFE_HOMES = ("rust/ccore", "rust/kapi")
NO_SPDX = ("COPYING", ".rustfmt.toml")
SPDX = "SPDX-License-Identifier: GPL-2.0"

# What may hold the word without being code, in the order in which it hides it.
_RUST_TEXT = re.compile(
    r"""(?P<line>//[^\n]*)"""
    r"""|(?P<block>/\*)"""
    r"""|(?P<raw>\b(?:b|c)?r(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes))"""
    r"""|(?P<string>(?:b|c)?"(?:[^"\\]|\\(?:.|\n))*")"""
    r"""|(?P<char>b?'(?:[^'\\\n]|\\[^\n]{1,9}?)')"""
    r"""|(?P<unsafe>\bunsafe\b)""")
_BLOCK = re.compile(r"/\*|\*/")


def files() -> list[Path]:
    """All files of the project, committed or about to be."""
    listed = output(["git", "-C", TOP, "ls-files", "-z", "-c", "-o", "--exclude-standard"])
    if listed is not None:
        names = [name for name in listed.split("\0") if name]
    else:
        names = [str(p.relative_to(TOP)) for p in TOP.rglob("*")
                 if p.relative_to(TOP).parts[0] not in ("build", ".git")]
    return sorted({TOP / name for name in names if (TOP / name).is_file()
                   and not (TOP / name).is_symlink()})


def relative(path: Path) -> str:
    """A path as the user knows it."""
    return path.relative_to(TOP).as_posix()


def _complain(what: str, found: list[str]) -> None:
    if found:
        raise Failure(what + ":\n" + "\n".join(f"    {line}" for line in found))


def unsafe_lines(text: str) -> list[int]:
    """Lines with the keyword in code, not in comments or literals."""
    found = []
    position = 0
    while True:
        match = _RUST_TEXT.search(text, position)
        if match is None:
            return found
        position = match.end()
        if match.group("unsafe"):
            found.append(text.count("\n", 0, match.start()) + 1)
        elif match.group("block"):
            depth = 1
            while depth:
                edge = _BLOCK.search(text, position)
                if edge is None:
                    return found
                depth += 1 if edge.group() == "/*" else -1
                position = edge.end()


def check_unsafe() -> None:
    """No unsafe outside the two rooms that are made for it."""
    found = []
    for path in files():
        name = relative(path)
        at_home = any(name.startswith(home + "/") or name == home + ".rs" for home in UNSAFE_HOMES)
        if path.suffix == ".rs" and not at_home:
            found += [f"{name}:{line}" for line in unsafe_lines(path.read_text())]
    _complain("unsafe outside " + " and ".join(UNSAFE_HOMES), found)


def check_spdx() -> None:
    """Every file names its license in its first lines."""
    found = []
    for path in files():
        if relative(path) in NO_SPDX:
            continue
        head = path.read_text(errors="replace").split("\n")[:3]
        if not any(SPDX in line for line in head):
            found.append(relative(path))
    _complain(f"no '{SPDX}' in the first lines", found)


def check_length() -> None:
    """No file becomes a dumping ground."""
    found = []
    for path in files():
        count = len(path.read_text(errors="replace").splitlines())
        if count > MAX_LINES and relative(path) != "COPYING":
            found.append(f"{relative(path)}: {count} lines")
    _complain(f"longer than {MAX_LINES} lines", found)


def _is_python(path: Path) -> bool:
    if path.suffix == ".py":
        return True
    with open(path, "rb") as stream:
        first = stream.readline()
    return first.startswith(b"#!") and b"python" in first


def check_python() -> None:
    """Every Python file compiles; pyflakes agrees, where it is installed."""
    found = []
    sources = [path for path in files() if _is_python(path)]
    for path in sources:
        try:
            compile(path.read_text(), relative(path), "exec")
        except SyntaxError as error:
            found.append(f"{relative(path)}:{error.lineno}: {error.msg}")
    if importlib.util.find_spec("pyflakes"):
        done = subprocess.run([sys.executable, "-B", "-m", "pyflakes", *map(str, sources)],
                              stdout=subprocess.PIPE, check=False)
        found += done.stdout.decode().splitlines()
    _complain("Python", found)
