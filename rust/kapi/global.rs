// SPDX-License-Identifier: GPL-2.0

//! A value of the whole module, for callbacks that are given none of their own.

/// Declares a module `$name` with a value that is filled in once and is taken out in the end:
/// `fill(value)` returns what takes it out when dropped, or EBUSY where it was filled before;
/// `get()` a clone of what is there.
macro_rules! global {
    ($(#[$meta:meta])* mod $name:ident: $type:ty) => {
        $(#[$meta])*
        mod $name {
            use super::*;
            use kernel::sync::atomic::{
                Acquire,
                Atomic,
                Full,
                Release, //
            };

            static BEGUN: Atomic<u32> = Atomic::new(0);
            static READY: Atomic<u32> = Atomic::new(0);

            kernel::sync::global_lock! {
                // SAFETY: Nobody locks it before `READY` is set, which is after `init`.
                unsafe(uninit) static VALUE: Mutex<Option<$type>> = None;
            }

            /// Takes the value out when dropped.
            pub(super) struct Filled(());

            impl Drop for Filled {
                fn drop(&mut self) {
                    let value = VALUE.lock().take();
                    drop(value);
                }
            }

            pub(super) fn fill(value: $type) -> Result<Filled> {
                if BEGUN.xchg(1, Full) != 0 {
                    return Err(EBUSY);
                }
                // SAFETY: The exchange lets one caller through, and that only once.
                unsafe { VALUE.init() };
                READY.store(1, Release);
                *VALUE.lock() = Some(value);
                Ok(Filled(()))
            }

            pub(super) fn get() -> Option<$type> {
                match READY.load(Acquire) {
                    0 => None,
                    _ => VALUE.lock().clone(),
                }
            }
        }
    };
}
pub(crate) use global;
