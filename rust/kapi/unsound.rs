// SPDX-License-Identifier: GPL-2.0

//! Mistakes that only a sanitizer sees, to show that it sees them in Rust.
//!
//! They cannot be made without `unsafe`. Each does what it must not, reads at most, and leaves
//! nothing behind that others would stumble over. The compiler must not see through them, hence the
//! `black_box()`.

use core::{
    hint::black_box,
    ptr, //
};
use kernel::prelude::*;

/// Bytes of an allocation; one that `kvmalloc()` takes from the slab is as large.
const SIZE: usize = 48;

/// Bytes of an allocation that comes from `vmalloc()`, not a number of whole pages.
const PAGES: usize = (3 << 12) + SIZE;

/// Reads the first byte of memory that has been freed.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn use_after_free() -> Result<u8> {
    let pointer = KBox::into_raw(KBox::new([0u8; SIZE], GFP_KERNEL)?);
    let pointer = black_box(pointer);
    // SAFETY: It comes from `into_raw()`.
    drop(unsafe { KBox::from_raw(pointer) });
    // SAFETY: None: this is the mistake. The memory is still mapped, and what is read is not used.
    Ok(unsafe { ptr::read_volatile(pointer.cast::<u8>()) })
}

/// Reads the byte behind the end of a vector on the heap.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn out_of_bounds() -> Result<u8> {
    let vector = KVec::from_elem(0u8, SIZE, GFP_KERNEL)?;
    Ok(read_behind(&vector))
}

/// The same with a vector that is mapped page by page.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn out_of_pages() -> Result<u8> {
    let vector = VVec::from_elem(0u8, PAGES, GFP_KERNEL)?;
    Ok(read_behind(&vector))
}

fn read_behind(bytes: &[u8]) -> u8 {
    let behind = black_box(bytes.as_ptr().wrapping_add(bytes.len()));
    // SAFETY: None: this is the mistake. Both `SIZE` and `PAGES` leave room behind the end, in the
    // same object or page, and what is read is not used.
    unsafe { ptr::read_volatile(behind) }
}

/// Breaks what `get_unchecked()` demands, without an access: of a zero-sized type.
pub(crate) fn broken_precondition() {
    let units = [(); 4];
    // SAFETY: None: this is the mistake. There is nothing to be read.
    let unit = unsafe { units.get_unchecked(black_box(4)) };
    black_box(unit);
}
