# SPDX-License-Identifier: GPL-2.0
"""make docs: rustdoc of the crate and Sphinx for Documentation; warnings are errors."""

from __future__ import annotations

import shutil
import sys

from . import lock, modules, packages
from .proc import log_path, logged, output
from .rustc_line import ROOTS, RustcLine
from .session import Session
from .settings import BUILD, TOP, cache_dir
from .ui import Failure, Step, say

OUT = BUILD / "docs"
SPHINX_PIN = "sphinx>=5,<9"
_RUSTDOC_DROPS = ("--out-dir", "--crate-type", "--emit", "--remap-path-scope", "-Zbinary_dep",
                  "-Cembed-bitcode", "-Clto")


def run(session: Session) -> None:
    """Both halves."""
    rustdoc(session)
    sphinx()


def rustdoc(session: Session) -> None:
    """By hand, with the flags of the module build: kbuild has no such target for M=."""
    kernel = session.kernel("uml")
    out = modules.build(session.settings, kernel, session.tools, session.folder("uml"))
    target = OUT / "rustdoc"
    for name, objects in ROOTS:
        line = RustcLine(out, objects)
        env = {**session.tools.env(), **line.env, "RUSTC_BOOTSTRAP": "1"}
        log = log_path(f"rustdoc-{name}")
        with Step(f"rustdoc {name}") as step:
            logged(step, ["rustdoc", *line.without(*_RUSTDOC_DROPS), "--crate-name", name,
                          "--document-private-items", "-Dwarnings", "-o", target, line.source],
                   log, env=env, cwd=out, what="rustdoc")
    say(f"  {target / ROOTS[0][0] / 'index.html'}")


def _sphinx_build() -> list[str]:
    """sphinx-build: on PATH, from Debian, or in a private virtual environment."""
    found = shutil.which("sphinx-build")
    if found and output([found, "--version"]):
        return [found]
    private = cache_dir() / "tools" / "sphinx"
    if not (private / "bin/sphinx-build").is_file():
        try:
            packages.require(packages.DOC_PACKAGES)
            found = shutil.which("sphinx-build")
            if found:
                return [found]
        except Failure as failure:
            say(f"  {str(failure).splitlines()[0]}; trying a virtual environment instead")
        with lock.cache(), Step("Sphinx in a virtual environment") as step:
            shutil.rmtree(private, ignore_errors=True)
            log = log_path("sphinx-venv")
            logged(step, [sys.executable, "-m", "venv", private], log, what="python3 -m venv")
            logged(step, [private / "bin/python", "-m", "pip", "install", SPHINX_PIN], log,
                   append=True, what="pip install sphinx")
    return [str(private / "bin/sphinx-build")]


def sphinx() -> None:
    """Documentation/*.rst as HTML."""
    source = TOP / "Documentation"
    if not (source / "index.rst").is_file():
        raise Failure(f"{source} has no index.rst")
    command = _sphinx_build()
    conf: list[object] = [] if (source / "conf.py").is_file() else \
        ["-C", "-D", "project=iommu-mock", "-D", "html_theme=alabaster"]
    with Step("Sphinx") as step:
        logged(step, [*command, "-W", "--keep-going", "-b", "html", "-d", OUT / "doctrees", *conf,
                      source, OUT / "html"], log_path("sphinx"), what="sphinx-build")
    say(f"  {OUT / 'html' / 'index.html'}")
