// SPDX-License-Identifier: GPL-2.0

//! Which operation to do next, and how.

use super::{
    coverage::Coverage,
    divergence::Divergence,
    misuse::{
        How,
        Misuse, //
    },
    ops::{
        Op,
        Pages, //
    },
    DOMAINS, //
};
use crate::{
    iommu::{
        DefaultType,
        Pasid, //
    },
    random::Random,
    rig::{
        DomainNo,
        HandleNo,
        Scene,
        PASIDS, //
    },
};
use kernel::prelude::*;

/// A device of the group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    pub(super) id: u32,
    /// A driver is bound to it.
    pub(super) bound: bool,
    /// Resets that were begun and not ended.
    pub(super) resets: u32,
}

/// What the users of the group know of it.
pub(super) struct Model {
    pub(super) members: u32,
    pub(super) scene: Scene,
    pub(super) present: KVec<Present>,
    pub(super) attached: Option<DomainNo>,
    /// What is attached came with a handle.
    pub(super) handle: bool,
    /// The type of the default domain.
    pub(super) home: Option<DefaultType>,
    /// Uses by kernel drivers. One whose end was refused goes on without a driver.
    pub(super) uses: u32,
    /// Claims not yet released.
    pub(super) claims: u32,
    pub(super) pasids: [Option<DomainNo>; PASIDS as usize],
    /// Those whose domain came with a handle.
    handles: [bool; PASIDS as usize],
    next_handle: u64,
}

impl Model {
    pub(super) fn new(members: u32, scene: Scene) -> Result<Self> {
        let mut present = KVec::new();
        for id in 0..members {
            let (bound, resets) = (false, 0);
            present.push(Present { id, bound, resets }, GFP_KERNEL)?;
        }
        Ok(Self {
            members,
            scene,
            present,
            home: None,
            attached: None,
            handle: false,
            uses: 0,
            claims: 0,
            pasids: [None; PASIDS as usize],
            handles: [false; PASIDS as usize],
            next_handle: 1,
        })
    }

    /// Whether a user has anything attached.
    pub(super) fn in_use(&self) -> bool {
        self.attached.is_some() || self.pasids.iter().any(Option::is_some)
    }

    /// Chooses an operation that its caller may ask for, though it need not succeed.
    pub(super) fn choose(&mut self, random: &mut Random) -> Op {
        loop {
            let op = match self.scene != Scene::Untranslated && random.chance(40) {
                true => self.propose_of_scene(random),
                false => self.propose(random),
            };
            if let Some(op) = op.filter(|op| self.permits(*op)) {
                return op;
            }
        }
    }

    /// Chooses what to get wrong: what is possible, and was seen least.
    pub(super) fn choose_misuse(&self, random: &mut Random, coverage: &Coverage) -> Option<Op> {
        let any = DomainNo(random.below(DOMAINS as u32) as usize);
        let domain = self.attached.filter(|_| random.chance(50)).unwrap_or(any);
        let with_handle = self.handles.iter().position(|handle| *handle);
        let pasid = with_handle.map_or(1 + random.below(PASIDS - 1), |pasid| pasid as u32);
        let how = How {
            at: random.below(self.present.len() as u32),
            domain,
            pasid: Pasid::new(pasid).ok()?,
        };
        let possible = Misuse::ALL.into_iter().filter(|m| m.is_possible(how, self));
        let misuse = possible.min_by_key(|misuse| coverage.of(*misuse))?;
        Some(Op::Misuse { misuse, how })
    }

    /// Whether a caller that keeps to the rules may ask for it.
    pub(super) fn permits(&self, op: Op) -> bool {
        let there = |at: u32| self.present.get(at as usize);
        match op {
            Op::Attach { .. } | Op::Replace { .. } | Op::Claim | Op::Release => {
                !self.present.is_empty()
            }
            // A user detaches what it has attached.
            Op::Detach { domain } => self.attached == Some(domain),
            Op::DetachPasid { at, domain, pasid } => {
                let used = self.pasids.get(pasid.get() as usize).copied().flatten();
                there(at).is_some() && used == Some(domain)
            }
            // A PCI function is not a device of that driver.
            Op::Bind { at } => {
                self.scene != Scene::Resettable && there(at).is_some_and(|device| !device.bound)
            }
            Op::Unbind { at } => there(at).is_some_and(|device| device.bound),
            Op::Unplug { at } => there(at).is_some_and(|device| !device.bound),
            // Drivers use DMA while nobody else has the group.
            Op::UseDma { at } => {
                there(at).is_some()
                    && !self.in_use()
                    && self.claims == 0
                    && self.home != Some(DefaultType::Identity)
            }
            Op::ClaimDevice { at, .. }
            | Op::ReleaseDevice { at }
            | Op::AttachPasid { at, .. }
            | Op::ReplacePasid { at, .. }
            | Op::ResetPrepare { at }
            | Op::ResetDone { at } => there(at).is_some(),
            Op::SetType { .. } => !self.present.is_empty(),
            Op::Map { .. } | Op::Unmap { .. } => self.scene == Scene::Untranslated,
            // A group without devices is gone.
            Op::Plug { id } => {
                self.scene == Scene::Untranslated
                    && !self.present.is_empty()
                    && self.present.iter().all(|device| device.id != id)
            }
            Op::Misuse { misuse, how } => misuse.is_possible(how, self),
        }
    }

    fn propose_of_scene(&mut self, random: &mut Random) -> Option<Op> {
        let at = random.below(self.present.len() as u32);
        let device = *self.present.get(at as usize)?;
        match (self.scene, random.below(10)) {
            (Scene::Deferred, 0..=6) => Some(Op::UseDma { at }),
            // Not so often that the group is always busy.
            (Scene::Resettable, 0..=2) => {
                let resets = self.present.iter().any(|device| device.resets != 0);
                Some(Op::ResetPrepare { at }).filter(|_| !resets || random.chance(30))
            }
            (Scene::Resettable, 3..=8) => {
                Some(Op::ResetDone { at }).filter(|_| device.resets != 0 || random.chance(5))
            }
            // Of a group in use it is seldom possible.
            _ if (self.in_use() || self.uses != 0 || self.claims != 0) && random.chance(60) => None,
            _ => Some(Op::SetType {
                wanted: random.pick([
                    None,
                    Some(DefaultType::Identity),
                    Some(DefaultType::Dma),
                    Some(DefaultType::DmaLazy),
                ]),
            }),
        }
    }

    fn propose(&mut self, random: &mut Random) -> Option<Op> {
        let at = random.below(self.present.len() as u32);
        let domain = DomainNo(random.below(DOMAINS as u32) as usize);
        let handle = HandleNo(self.next_handle);
        self.next_handle += 1;
        let used = self.pasids.iter().position(Option::is_some);
        match random.below(38) {
            0..=4 => Some(Op::Attach {
                domain,
                handle: Some(handle).filter(|_| random.chance(60)),
            }),
            5..=9 => Some(Op::Replace { domain, handle }),
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
            20..=21 => Some(Op::Bind { at }),
            22..=24 => Some(Op::Unbind { at }),
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
            31..=32 => {
                let absent = |id: &u32| self.present.iter().all(|device| device.id != *id);
                (0..self.members).find(absent).map(|id| Op::Plug { id })
            }
            33..=34 => Some(Op::Map {
                domain,
                pages: pages(random),
            }),
            35..=36 => Some(Op::Unmap {
                domain,
                pages: pages(random),
            }),
            _ => Some(Op::Unplug { at }).filter(|_| random.chance(20)),
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
            Op::AttachPasid { domain, pasid, .. } => self.set_pasid(pasid, Some(domain), false),
            Op::ReplacePasid { domain, pasid, .. } => self.set_pasid(pasid, Some(domain), true),
            Op::DetachPasid { pasid, .. } => self.set_pasid(pasid, None, false),
            Op::Plug { id } => {
                let (bound, resets) = (false, 0);
                // A device that is missing here is missed by whoever compares.
                let _ = self.present.push(Present { id, bound, resets }, GFP_KERNEL);
            }
            Op::Unplug { at } => {
                let _ = self.present.remove(at as usize);
            }
            Op::ResetPrepare { at } => self.count_reset(at, |resets| resets + 1),
            Op::ResetDone { at } => self.count_reset(at, |resets| resets.saturating_sub(1)),
            // What that changes is seen, not computed.
            Op::SetType { .. } | Op::UseDma { .. } => (),
            Op::Map { .. } | Op::Unmap { .. } | Op::Misuse { .. } => (),
        }
    }

    /// What makes a group lazy in Linux that has a member which must not be.
    pub(super) fn is_lazy_in_linux(&self, wanted: Option<DefaultType>) -> Option<Divergence> {
        let may = |device: &Present| self.scene.may_be_lazy(device.id, self.members);
        if self.present.iter().all(may) {
            return None;
        }
        match (self.home, wanted) {
            (Some(DefaultType::Dma), Some(DefaultType::DmaLazy)) => Some(Divergence::LazyUntested),
            (_, None | Some(DefaultType::DmaLazy)) if self.present.first().is_some_and(may) => {
                Some(Divergence::LazyAsFirst)
            }
            _ => None,
        }
    }

    /// Notes the type of the default domain, which nobody may have chosen. Returns whether the
    /// group went to a new one.
    pub(super) fn has_home(&mut self, home: DefaultType, auto: bool) -> bool {
        let former = self.home.replace(home);
        let live = (former, home) == (Some(DefaultType::Dma), DefaultType::DmaLazy) && !auto;
        // One that is to be lazy, and may not, is a new one.
        let anew = auto && home == DefaultType::Dma;
        let moved = anew || former != self.home && !live;
        if moved {
            self.forget_attached();
        }
        moved
    }

    pub(super) fn is_in_reset(&self, at: u32) -> bool {
        let device = self.present.get(at as usize);
        device.is_some_and(|device| device.resets != 0)
    }

    fn count_reset(&mut self, at: u32, change: impl Fn(u32) -> u32) {
        if let Some(device) = self.present.get_mut(at as usize) {
            device.resets = change(device.resets);
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
            device.bound = bound;
        }
    }

    /// Whether the domain of a PASID came with a handle.
    pub(super) fn pasid_has_handle(&self, pasid: Pasid) -> bool {
        self.handles.get(pasid.get() as usize) == Some(&true)
    }

    fn set_pasid(&mut self, pasid: Pasid, domain: Option<DomainNo>, handle: bool) {
        let at = pasid.get() as usize;
        if let (Some(slot), Some(has)) = (self.pasids.get_mut(at), self.handles.get_mut(at)) {
            (*slot, *has) = (domain, handle);
        }
    }
}

/// Some pages of a domain.
fn pages(random: &mut Random) -> Pages {
    let first = random.below(Pages::WINDOW);
    Pages {
        first: u64::from(first),
        count: u64::from(1 + random.below(Pages::WINDOW - first)),
    }
}
