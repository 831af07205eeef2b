# SPDX-License-Identifier: GPL-2.0
"""rust-project.json at the top of the checkout, for editors.

The kernel's generator describes its own crates, but finds the roots of a
module only when they lie beside their Kbuild; ours are added here, with the
flags that kbuild really passes.
"""

from __future__ import annotations

import json

from . import lock, modules
from .proc import log_path, logged
from .rustc_line import ROOTS, RustcLine
from .session import Session
from .settings import TOP
from .ui import Failure, Step, say

DEPENDENCIES = ("core", "kernel", "pin_init", "zerocopy", "zerocopy_derive")


def run(session: Session) -> None:
    """make rust-analyzer."""
    kernel = session.kernel("uml")
    out = modules.build(session.settings, kernel, session.tools, session.folder("uml"))
    log = log_path("rust-analyzer")
    with lock.cache(), Step("rust-project.json") as step:
        logged(step, ["make", "-C", kernel.objects, "ARCH=um", f"M={TOP}", f"MO={out}",
                      *session.tools.make_options(), "rust-analyzer"], log,
               env=session.tools.env(), what="make rust-analyzer")
        made = out / "rust-project.json"
        if not made.is_file():
            raise Failure("the kernel's generator wrote no rust-project.json", log)
        project = json.loads(made.read_text())
        crates = project["crates"]
        index = {crate["display_name"]: number for number, crate in enumerate(crates)}
        generated = crates[index["kernel"]]["cfg"]
        for name, target in ROOTS:
            line = RustcLine(out, target)
            crates.append({
                "display_name": name, "root_module": line.source, "is_workspace_member": True,
                "deps": [{"crate": index[dep], "name": dep} for dep in DEPENDENCIES],
                "cfg": generated + line.cfgs(), "edition": "2021", "env": line.env})
        (TOP / "rust-project.json").write_text(json.dumps(project, indent=4, sort_keys=True) + "\n")
    say(f"  {TOP / 'rust-project.json'}")
