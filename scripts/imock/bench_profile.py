# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of a figure go that misses its floor.

The measurement is made again by the emulated CPU, for so many rounds that it is nearly all there
is, and every now and then the CPU is asked where it is.
"""

from __future__ import annotations

import re
import socket
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .bench_count import CLOCK, SUBJECTS
from .bench_rows import Row
from .guest import Guest
from .session import Session
from .symbols import Symbols, base
from .ui import Failure, Step

SAMPLES = 1500
# A quick machine is done before that; with fewer than these, shares are not worth a look.
FEWEST = 500
TIMEOUT = 300
EFFORT = 1_000_000
BEGINS = "@@profile begins"
RIP = re.compile(r"RIP=([0-9a-f]+)")
# Fewer are noise.
LEAST = 0.03

Profile = dict[str, Any]


def run(session: Session, rows: list[Row]) -> list[Profile]:
    """Profiles of all measurements of which some figure misses its floor."""
    def key(row: Row) -> tuple[object, ...]:
        return row["bench"], row["what"], row["size"], row["peer"]

    counted = {key(row): row for row in rows if row["by"] == "instructions"}
    wanted: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        same = counted.get(key(row))
        if row["missed"] == "floor" and same and row["bench"] in SUBJECTS.split():
            names = wanted.setdefault((row["bench"], same["measurement"]), [])
            name = " ".join(filter(None, (row["what"], str(row["size"] or ""), row["peer"])))
            if name not in names:
                names.append(name)
    return [{"figures": names, **_profile(session, bench, number)}
            for (bench, number), names in wanted.items()]


def _profile(session: Session, bench: str, number: int) -> Profile:
    kernel, modules = session.modules("bench-x86")
    samples: list[int] = []
    bases: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, \
            Step(f"profile of {bench}, measurement {number}") as step:
        monitor = Path(folder) / "monitor"
        sampler = threading.Thread(target=_sample, args=(monitor, samples), daemon=True)

        def on_line(line: str | None) -> None:
            bases.update(base(line or ""))
            if line == BEGINS:
                sampler.start()
            step.progress(f"{len(samples)} samples")

        guest = Guest(kernel, True, f"profile-{bench}-{number}", "profile", modules,
                      {"PARAMS": "", "SUBJECTS": bench,
                       "TEST_PARAMS": f"effort={EFFORT} measurement={number}"},
                      ["kunit.enable=0", "nokaslr", *CLOCK], counted=True, dies=True,
                      monitor=monitor)
        log = guest.run(TIMEOUT, on_line).kernel_log
        if sampler.ident is not None:
            sampler.join()
        if len(samples) < FEWEST:
            raise Failure(f"only {len(samples)} samples of {bench}, measurement {number}", log)
        symbols = Symbols(kernel.objects / "System.map", modules, bases)
        counts = Counter(symbols.name(address) for address in samples)
        step.note = f"{len(samples)} samples"
    shares = [(name, count / len(samples)) for name, count in counts.most_common()]
    return {"bench": bench, "measurement": number,
            "functions": [[name, round(share, 3)] for name, share in shares if share >= LEAST]}


def _sample(monitor: Path, samples: list[int]) -> None:
    """Ask the CPU where it is until that was often enough, and end it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(str(monitor))
        stream = connection.makefile("rw")
        try:
            while len(samples) < SAMPLES:
                # It has to get somewhere.
                time.sleep(0.005)
                stream.write("stop\ninfo registers\ncont\n")
                stream.flush()
                found = None
                while not found:
                    line = stream.readline()
                    if not line:
                        return
                    found = RIP.search(line)
                samples.append(int(found.group(1), 16))
            stream.write("quit\n")
            stream.flush()
            # Who hangs up is not heard.
            while stream.readline():
                pass
        except OSError:
            # The guest has ended.
            return
