// SPDX-License-Identifier: GPL-2.0

//! How many of something there may be.

use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A number of shares.
#[pin_data]
pub(super) struct Quota {
    #[pin]
    left: Mutex<u32>,
}

impl Quota {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(shares: u32) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self { left <- new_mutex!(shares, "Quota::left") }),
            GFP_KERNEL,
        )
    }

    /// Takes one share; `None` where none is left.
    pub(super) fn take(self: &Arc<Self>) -> Option<Share> {
        let mut left = self.left.lock();
        *left = left.checked_sub(1)?;
        Some(Share(self.clone()))
    }
}

/// One share, given back when dropped.
pub(super) struct Share(Arc<Quota>);

impl Drop for Share {
    fn drop(&mut self) {
        *self.0.left.lock() += 1;
    }
}
