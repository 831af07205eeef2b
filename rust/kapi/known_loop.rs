// SPDX-License-Identifier: GPL-2.0

//! Instructions whose number is known, to check what counts instructions.

use core::num::NonZeroU64;

/// Runs two instructions `times` times; false where the CPU has none that are known.
#[cfg(target_arch = "x86_64")]
pub(crate) fn run(times: NonZeroU64) -> bool {
    // SAFETY: Changes nothing but the register and flags, and ends as the register is not 0.
    unsafe {
        core::arch::asm!(
            "2: dec {left}",
            "jnz 2b",
            left = inout(reg) times.get() => _,
            options(nomem, nostack),
        );
    }
    true
}

/// As above.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn run(_times: NonZeroU64) -> bool {
    false
}
