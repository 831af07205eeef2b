// SPDX-License-Identifier: GPL-2.0

//! Defects for sanitizers to report: write the name of one to the debugfs file `seeded`.
//!
//! A sanitizer that does not see its defect here sees nothing in our Rust, however silent it is.
//! `scripts/imock/sanitize.py` knows which one has to report which, and how.

use crate::kapi::unsound;
use core::{
    hint::black_box,
    mem, //
};
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
    uaccess::UserSliceReader, //
};

/// The longest name, with a newline.
const LONGEST: usize = 32;

/// Commits the defect whose name is written.
///
/// # Errors
///
/// EINVAL for a name that there is not, ENOMEM, EFAULT.
pub(crate) fn commit(reader: &mut UserSliceReader) -> Result {
    let mut buffer = [0; LONGEST];
    let length = reader.len();
    let name = buffer.get_mut(..length).ok_or(EINVAL)?;
    reader.read_slice(name)?;
    let name = core::str::from_utf8(name).map_err(|_| EINVAL)?.trim();
    let defect = DEFECTS.iter().find(|(known, _)| *known == name);
    let (_, defect) = defect.ok_or(EINVAL)?;
    defect()
}

/// A name, and what commits it.
type Defect = (&'static str, fn() -> Result);

/// All of them.
const DEFECTS: [Defect; 8] = [
    ("use-after-free", || unsound::use_after_free().map(|_| ())),
    ("out-of-bounds", || unsound::out_of_bounds().map(|_| ())),
    ("out-of-pages", || unsound::out_of_pages().map(|_| ())),
    ("leak", leak),
    ("lock-order", lock_order),
    ("sleep", sleep_in_atomic_context),
    ("overflow", overflow),
    ("precondition", broken_precondition),
];

/// Forgets allocations: safe, and a mistake all the same. Of several, as a pointer to the last one
/// may be left on a stack.
fn leak() -> Result {
    for _ in 0..8 {
        mem::forget(KBox::new([0u8; 200], GFP_KERNEL)?);
    }
    Ok(())
}

/// Two locks, taken in one order and then in the other.
#[pin_data]
struct Locks {
    #[pin]
    one: Mutex<u32>,
    #[pin]
    two: Mutex<u32>,
}

fn lock_order() -> Result {
    let init = pin_init!(Locks {
        one <- new_mutex!(0, "seeded::one"),
        two <- new_mutex!(0, "seeded::two"),
    });
    let locks = KBox::pin_init(init, GFP_KERNEL)?;
    let add = |first: &Mutex<u32>, second: &Mutex<u32>| {
        let mut first = first.lock();
        *first += *second.lock();
    };
    add(&locks.one, &locks.two);
    add(&locks.two, &locks.one);
    Ok(())
}

/// An allocation that may sleep while a spinlock is held.
#[pin_data]
struct Spinning {
    #[pin]
    lock: SpinLock<u32>,
}

fn sleep_in_atomic_context() -> Result {
    let init = pin_init!(Spinning { lock <- new_spinlock!(0, "seeded::lock") });
    let spinning = KBox::pin_init(init, GFP_KERNEL)?;
    let mut number = spinning.lock.lock();
    *number = *KBox::new(1, GFP_KERNEL)?;
    Ok(())
}

fn broken_precondition() -> Result {
    unsound::broken_precondition();
    Ok(())
}

fn overflow() -> Result {
    let sum = black_box(u32::MAX) + black_box(1);
    black_box(sum);
    Ok(())
}
