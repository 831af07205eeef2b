// SPDX-License-Identifier: GPL-2.0

//! Which operation to do next, and how.

use super::DOMAINS;
use crate::{
    iommu::Pasid,
    random::Random,
    rig::{
        DomainNo,
        HandleNo,
        Rig,
        PASIDS, //
    },
};
use kernel::prelude::*;

/// An operation. Devices are named by their place among those present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Attach {
        domain: DomainNo,
        handle: Option<HandleNo>,
    },
    Replace {
        domain: DomainNo,
        handle: HandleNo,
    },
    Detach {
        domain: DomainNo,
    },
    Claim,
    Release,
    ClaimDevice {
        at: u32,
        owner: u64,
    },
    ReleaseDevice {
        at: u32,
    },
    Bind {
        at: u32,
    },
    Unbind {
        at: u32,
    },
    AttachPasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
    },
    ReplacePasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
        handle: HandleNo,
    },
    DetachPasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
    },
    Unplug {
        at: u32,
    },
}

impl Op {
    /// Does it.
    pub(super) fn perform(self, rig: &mut dyn Rig) -> Result {
        match self {
            Op::Attach { domain, handle } => rig.attach(domain, handle),
            Op::Replace { domain, handle } => rig.replace(domain, handle),
            Op::Detach { domain } => {
                rig.detach(domain);
                Ok(())
            }
            Op::Claim => rig.claim(),
            Op::Release => {
                rig.release();
                Ok(())
            }
            Op::ClaimDevice { at, owner } => rig.claim_device(at, owner),
            Op::ReleaseDevice { at } => {
                rig.release_device(at);
                Ok(())
            }
            Op::Bind { at } => rig.bind(at),
            Op::Unbind { at } => {
                rig.unbind(at);
                Ok(())
            }
            Op::AttachPasid { at, domain, pasid } => rig.attach_pasid(at, domain, pasid),
            Op::ReplacePasid {
                at,
                domain,
                pasid,
                handle,
            } => rig.replace_pasid(at, domain, pasid, handle),
            Op::DetachPasid { at, domain, pasid } => {
                rig.detach_pasid(at, domain, pasid);
                Ok(())
            }
            Op::Unplug { at } => rig.unplug(at),
        }
    }
}

/// What the users of the group know of it.
pub(super) struct Model {
    pub(super) members: u32,
    /// Numbers of the devices present, and whether a driver is bound to each.
    pub(super) present: KVec<(u32, bool)>,
    pub(super) attached: Option<DomainNo>,
    /// What is attached came with a handle.
    handle: bool,
    /// Uses by kernel drivers. One whose end was refused goes on without a driver.
    pub(super) uses: u32,
    /// Claims not yet released.
    pub(super) claims: u32,
    pub(super) pasids: [Option<DomainNo>; PASIDS as usize],
    next_handle: u64,
}

impl Model {
    pub(super) fn new(members: u32) -> Self {
        let mut present = KVec::new();
        for id in 0..members {
            let _ = present.push((id, false), GFP_KERNEL);
        }
        Self {
            members,
            present,
            attached: None,
            handle: false,
            uses: 0,
            claims: 0,
            pasids: [None; PASIDS as usize],
            next_handle: 1,
        }
    }

    /// Whether a user has anything attached.
    pub(super) fn in_use(&self) -> bool {
        self.attached.is_some() || self.pasids.iter().any(Option::is_some)
    }

    /// Chooses an operation that its caller may ask for, though it need not succeed.
    pub(super) fn choose(&mut self, random: &mut Random) -> Op {
        loop {
            if let Some(op) = self.propose(random) {
                return op;
            }
        }
    }

    fn propose(&mut self, random: &mut Random) -> Option<Op> {
        let at = random.below(self.present.len() as u32);
        let domain = DomainNo(random.below(DOMAINS as u32) as usize);
        let handle = HandleNo(self.next_handle);
        self.next_handle += 1;
        let used = self.pasids.iter().position(Option::is_some);
        let (_, bound) = *self.present.get(at as usize)?;
        match random.below(32) {
            0..=4 => Some(Op::Attach {
                domain,
                handle: Some(handle).filter(|_| random.chance(60)),
            }),
            5..=9 => Some(Op::Replace { domain, handle }),
            // A user detaches what it has attached.
            10..=13 => Some(Op::Detach {
                domain: self.attached?,
            }),
            14..=15 => Some(Op::Claim).filter(|_| !self.in_use() || random.chance(20)),
            16 => Some(Op::ClaimDevice {
                at,
                owner: 1 + u64::from(random.chance(20)),
            }),
            17..=18 => Some(Op::Release).filter(|_| self.claims != 0 || random.chance(10)),
            19 => Some(Op::ReleaseDevice { at }).filter(|_| self.claims != 0 || random.chance(20)),
            20..=21 => Some(Op::Bind { at }).filter(|_| !bound),
            22..=24 => Some(Op::Unbind { at }).filter(|_| bound),
            25..=26 => Some(Op::AttachPasid {
                at,
                domain,
                pasid: Pasid::new(1 + random.below(PASIDS)).ok()?,
            }),
            27..=28 => {
                let pasid = match used.filter(|_| random.chance(80)) {
                    Some(used) => used as u32,
                    None => 1 + random.below(PASIDS),
                };
                Some(Op::ReplacePasid {
                    at,
                    domain,
                    pasid: Pasid::new(pasid).ok()?,
                    handle,
                })
            }
            29..=30 => {
                let used = used?;
                Some(Op::DetachPasid {
                    at,
                    domain: (*self.pasids.get(used)?)?,
                    pasid: Pasid::new(used as u32).ok()?,
                })
            }
            _ => Some(Op::Unplug { at }).filter(|_| !bound && random.chance(20)),
        }
    }

    /// Notes that an operation has succeeded.
    pub(super) fn done(&mut self, op: Op) {
        match op {
            Op::Attach { domain, handle } => {
                self.attached = Some(domain);
                self.handle = handle.is_some();
            }
            Op::Replace { domain, .. } => {
                self.attached = Some(domain);
                self.handle = true;
            }
            Op::Detach { .. } => self.forget_attached(),
            Op::Claim | Op::ClaimDevice { .. } => self.claims += 1,
            // With attachments left, a release only warns.
            Op::Release if !self.refuses_release() => {
                self.claims = 0;
                self.forget_attached();
            }
            Op::ReleaseDevice { .. } if self.claims > 1 => self.claims -= 1,
            Op::ReleaseDevice { .. } if !self.refuses_release() => {
                self.claims = 0;
                self.forget_attached();
            }
            Op::Release | Op::ReleaseDevice { .. } => (),
            Op::Bind { at } => {
                self.set_bound(at, true);
                self.uses += 1;
            }
            Op::Unbind { at } => {
                self.set_bound(at, false);
                if !self.is_held() {
                    self.uses = self.uses.saturating_sub(1);
                }
            }
            Op::AttachPasid { domain, pasid, .. } | Op::ReplacePasid { domain, pasid, .. } => {
                self.set_pasid(pasid, Some(domain));
            }
            Op::DetachPasid { pasid, .. } => self.set_pasid(pasid, None),
            Op::Unplug { at } => {
                let _ = self.present.remove(at as usize);
            }
        }
    }

    fn refuses_release(&self) -> bool {
        self.claims == 0 || self.is_held()
    }

    /// Whether a handle or PASID is left. A domain that came without a handle is forced off.
    fn is_held(&self) -> bool {
        self.handle || self.pasids.iter().any(Option::is_some)
    }

    fn forget_attached(&mut self) {
        self.attached = None;
        self.handle = false;
    }

    fn set_bound(&mut self, at: u32, bound: bool) {
        if let Some(device) = self.present.get_mut(at as usize) {
            device.1 = bound;
        }
    }

    fn set_pasid(&mut self, pasid: Pasid, domain: Option<DomainNo>) {
        if let Some(slot) = self.pasids.get_mut(pasid.get() as usize) {
            *slot = domain;
        }
    }
}
