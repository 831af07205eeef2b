// SPDX-License-Identifier: GPL-2.0

//! ASIDs and VMIDs.

use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Bits of an id, as where SMMU_IDR0.ASID16 and VMID16 are 0.
const BITS: usize = 8;

/// A pool of ids from 1 on, of which the lowest is handed out first. 0 is reserved: VMID 0 is that
/// of streams without stage 2.
#[pin_data]
pub(super) struct Ids {
    #[pin]
    taken: Mutex<[bool; 1 << BITS]>,
}

impl Ids {
    /// Makes a pool with all its ids.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self { taken <- new_mutex!([false; 1 << BITS], "Ids::taken") })
    }

    /// Takes an id.
    ///
    /// # Errors
    ///
    /// ENOSPC.
    pub(super) fn take(self: &Arc<Self>) -> Result<Id> {
        let mut taken = self.taken.lock();
        let mut ids = (0u16..).zip(taken.iter_mut()).skip(1);
        let (number, taken) = ids.find(|(_, taken)| !**taken).ok_or(ENOSPC)?;
        *taken = true;
        Ok(Id {
            number,
            pool: self.clone(),
        })
    }
}

/// An id, which goes back to its pool when it is dropped.
pub(super) struct Id {
    number: u16,
    pool: Arc<Ids>,
}

impl Id {
    /// The id.
    pub(super) fn get(&self) -> u16 {
        self.number
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        if let Some(taken) = self.pool.taken.lock().get_mut(usize::from(self.number)) {
            *taken = false;
        }
    }
}
