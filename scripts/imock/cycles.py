# SPDX-License-Identifier: GPL-2.0
"""Load, run and unload the modules many times, in UML and in the QEMU VM."""

from __future__ import annotations

from .guest import Guest
from .session import Session
from .settings import Settings
from .splat import splats
from .tally import Tally
from .ui import Failure, Step, say

UML_CYCLES = 1000
VM_CYCLES = 20
UML_TIMEOUT = 300
VM_TIMEOUT = 900
VM_EFFORT_DIVISOR = 20

# A small suite for every cycle.
CYCLE_GLOB = "iommu_mock_harness"

# What the VM runs once, where locks are checked and CPUs are two: the suites, but for those that
# take no lock (judge, page tables, copies) or run one thread at a time by themselves (schedules);
# and with families other than the plain one only that of the contract, and what only
# hardware with caches shows. What is left out here runs in the VM of make check-sanitize.
VM_GLOBS = (
    "iommu_mock_[!adjpsv]*",
    "iommu_mock_[ap][!gm]*",
    "iommu_mock_d[!m]*",
    "iommu_mock_dma_[!c]*",
    "iommu_mock_search",
    "iommu_mock_pgtable_threads",
    "iommu_mock_*_contract",
    "iommu_mock_*_kernel_dma",
)

# PCI functions that have ATS, each behind a port of its own, and no driver here.
ATS_FUNCTIONS = 3
ATS_DEVICES = [
    *(f"pcie-root-port,id=port{n},chassis={n},addr={16 + n}" for n in range(ATS_FUNCTIONS)),
    *(f"virtio-rng-pci,bus=port{n},ats=on,disable-legacy=on" for n in range(ATS_FUNCTIONS)),
]


def test_params(settings: Settings, vm: bool) -> list[str]:
    """EFFORT and SEED as module parameters.

    The VM is emulated and checks locks: a twentieth of the repetitions there.
    """
    params = [p for p in settings.test_params() if not vm or not p.startswith("effort=")]
    if vm:
        params.append(f"effort={max(1, (settings.effort or 100) // VM_EFFORT_DIVISOR)}")
    return params


def run(session: Session, vm: bool) -> Tally:
    """One boot with all cycles; the VM runs suites once with lock checking on, too."""
    count = VM_CYCLES if vm else UML_CYCLES
    conf: dict[str, object] = {
        "COUNT": count,
        "GLOB": CYCLE_GLOB,
        "LOCKDEP": int(vm),
        "SUITES": " ".join(VM_GLOBS) if vm else "",
        "PARAMS": "endpoints=4 group_size=2",
        "GROUPS_EXPECTED": 2,
        "TEST_PARAMS": " ".join(test_params(session.settings, vm)),
    }
    kernel, modules = session.modules("x86" if vm else "uml")
    place = "the x86-64 VM" if vm else "UML"
    name = "cycles-vm" if vm else "cycles-uml"
    guest = Guest(kernel, vm, name, "cycles", modules, conf,
                  ["loglevel=7", "kunit.filter_glob=none", "log_buf_len=2M"]
                  # Emulation with lock checking is slow enough.
                  + (["kunit.filter=speed>slow"] if vm else []),
                  devices=ATS_DEVICES if vm else [])
    with Step(f"{count} cycles of load, run, unload in {place}, with suites in every fifth") as step:
        result = guest.run(VM_TIMEOUT if vm else UML_TIMEOUT,
                           lambda line: step.progress(line or ""))
        noise = splats(result.kernel_log)
        if result.status != 0 or noise:
            for line in result.lines[-10:]:
                say(f"    | {line}")
            for line in noise[:10]:
                say(f"    | splat: {line}")
            raise Failure("unexpected splats in the kernel log" if result.status == 0
                          else "a cycle went wrong", result.kernel_log)
        done = f"cycles: {count} done"
        if done not in result.lines:
            raise Failure(f"the guest did not say '{done}'", result.kernel_log)
        step.note = next((line for line in result.lines if line.startswith("suites: ")), "")
    return Tally(passed=2 if vm else 1)
