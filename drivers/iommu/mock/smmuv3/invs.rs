// SPDX-License-Identifier: GPL-2.0

//! What has to be invalidated when something of a domain is unmapped (struct arm_smmu_invs in
//! Linux).

use kernel::prelude::*;

/// What an invalidation is of. In this order they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Stage 1 under an ASID.
    S1Asid,
    /// Stage 2 under a VMID.
    S2Vmid,
    /// All of a guest's stage 1 under a VMID.
    S2VmidS1Clear,
    /// What an endpoint asked for by ATS.
    Ats,
    /// All that an endpoint asked for by ATS, as its addresses are a guest's.
    AtsFull,
}

impl Kind {
    /// It is about an endpoint, which may only be told when the TLB has been.
    pub(crate) fn is_ats(self) -> bool {
        matches!(self, Self::Ats | Self::AtsFull)
    }
}

/// One invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inv {
    /// Of what.
    pub(crate) kind: Kind,
    /// ASID, VMID or StreamID.
    pub(crate) id: u32,
    /// SubstreamID, for ATS; 0 without.
    pub(crate) ssid: u32,
}

/// An invalidation, and how many attachments need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The invalidation.
    pub(crate) inv: Inv,
    /// At least 1.
    pub(crate) users: u32,
}

/// Those of a domain, in order, each once.
///
/// Linux has an array that readers need no lock for, so that what nobody uses stays in it until it
/// is copied. Here a lock is around it, and what nobody uses is gone.
pub(crate) struct Invs {
    list: KVec<Counted>,
}

impl Invs {
    /// Makes an empty list.
    pub(crate) fn new() -> Self {
        Self { list: KVec::new() }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Counted] {
        &self.list
    }

    /// Adds a user to each of `added`. Nothing is added where that fails.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn merge(&mut self, added: &[Inv]) -> Result {
        self.list.reserve(added.len(), GFP_KERNEL)?;
        for inv in added {
            match self.list.binary_search_by_key(inv, |counted| counted.inv) {
                Ok(at) => {
                    if let Some(counted) = self.list.get_mut(at) {
                        counted.users = counted.users.saturating_add(1);
                    }
                }
                Err(at) => {
                    // There is room.
                    let counted = Counted {
                        inv: *inv,
                        users: 1,
                    };
                    let _ = self.list.insert_within_capacity(at, counted);
                }
            }
        }
        Ok(())
    }

    /// How many attachments need an invalidation.
    pub(crate) fn users(&self, inv: Inv) -> u32 {
        let at = self.list.binary_search_by_key(&inv, |counted| counted.inv);
        let counted = at.ok().and_then(|at| self.list.get(at));
        counted.map_or(0, |counted| counted.users)
    }

    /// Takes a user from an invalidation. Returns whether it was the last.
    pub(crate) fn unref(&mut self, inv: Inv) -> bool {
        let Ok(at) = self.list.binary_search_by_key(&inv, |counted| counted.inv) else {
            return false;
        };
        let Some(counted) = self.list.get_mut(at) else {
            return false;
        };
        counted.users = counted.users.saturating_sub(1);
        let last = counted.users == 0;
        if last {
            let _ = self.list.remove(at);
        }
        last
    }
}
