// SPDX-License-Identifier: GPL-2.0

//! One group of devices behind either core, for cases that both must pass.

mod kernel_core;
mod ours;

pub(crate) use kernel_core::Kernel;

use crate::{
    iommu::{
        DefaultType,
        Domain,
        EndpointId,
        Pasid,
        Region,
        RegionKind, //
    },
    kapi::kunit::{
        check,
        Outcome,
        Param, //
    },
    mark,
    mock::{
        endpoint::EndpointConfig,
        fault::Rule,
        hw::Reach,
        shell::Mock, //
    },
    recorder::{
        Call,
        Recorder,
        Tag, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// A core under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// `rust/group`.
    Ours,
    /// `drivers/iommu/iommu.c`.
    Kernel,
}

/// What the devices of a rig are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Platform devices that are not translated by default.
    Untranslated,
    /// Platform devices that are; that takes a kernel with a DMA layer.
    Translated,
    /// The same, and the last one has a range that firmware needs mapped 1:1.
    Direct,
    /// The same, and one must not be lazy.
    OneStrict,
    /// The same, and every second one is left to its former kernel until it is used, which the
    /// kernel's core does if it was booted for a crash dump.
    Deferred,
    /// Devices that can be reset; under the kernel's core, PCI functions with ATS.
    Resettable,
}

impl Scene {
    /// What firmware needs in [`Scene::Direct`].
    const RANGE: Region = Region {
        start: 0x2000_0000,
        size: 0x3000,
        kind: RegionKind::Direct,
    };

    /// Whether endpoint `id` of a group of `members` may be lazy.
    pub(crate) fn may_be_lazy(self, id: u32, members: u32) -> bool {
        // The first of one or two, else one in the middle.
        self != Scene::OneStrict || id != members.saturating_sub(1) / 2
    }

    /// Makes endpoint `id` of a group of `members` what it is here.
    fn wire(self, id: u32, members: u32, endpoint: &mut EndpointConfig) {
        endpoint.max_pasids = PASIDS;
        endpoint.deferred_flush = self.may_be_lazy(id, members);
        match self {
            // Without this, kernels that have a DMA layer would translate.
            Scene::Untranslated => endpoint.default_type = Some(DefaultType::Identity),
            Scene::Translated | Scene::OneStrict | Scene::Resettable => (),
            Scene::Direct => endpoint.region = Some(Self::RANGE).filter(|_| id + 1 == members),
            Scene::Deferred => endpoint.deferred = id & 1 == 0,
        }
    }
}

/// What a case is run with.
pub(crate) struct Setting {
    /// The core.
    pub(crate) core: Core,
    /// Members of the group.
    pub(crate) members: u32,
    /// What they are.
    pub(crate) scene: Scene,
}

impl Param for Setting {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = match self.core {
            Core::Ours => "our core",
            Core::Kernel => "the kernel's core",
        };
        write!(f, "{core}, {} members", self.members)
    }
}

impl Setting {
    pub(crate) const fn new(core: Core, members: u32) -> Self {
        Self {
            core,
            members,
            scene: Scene::Untranslated,
        }
    }

    /// The same with other devices.
    pub(crate) fn scene(self, scene: Scene) -> Self {
        Self { scene, ..self }
    }

    /// Builds what it says.
    pub(crate) fn build(&self) -> Result<KBox<dyn Rig>> {
        let (members, scene) = (self.members, self.scene);
        match self.core {
            Core::Ours => Ok(KBox::new(ours::Ours::new(members, scene)?, GFP_KERNEL)?),
            Core::Kernel => Ok(KBox::new(Kernel::of(members, scene)?, GFP_KERNEL)?),
        }
    }
}

/// Every core with every group size.
pub(crate) const SETTINGS: [Setting; 6] = [
    Setting::new(Core::Ours, 1),
    Setting::new(Core::Ours, 2),
    Setting::new(Core::Ours, 5),
    Setting::new(Core::Kernel, 1),
    Setting::new(Core::Kernel, 2),
    Setting::new(Core::Kernel, 5),
];

/// A domain of a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DomainNo(pub(crate) usize);

/// A handle of a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandleNo(pub(crate) u64);

/// One group of devices numbered from 0, with [`PASIDS`] PASIDs each, behind a core. All goes away
/// when dropped.
///
/// Errors are the core's own, with the soft one as [`Self::soft`].
pub(crate) trait Rig {
    /// The hardware and its driver.
    fn mock(&self) -> &dyn Mock;

    /// The calls the driver got.
    fn recorder(&self) -> &Recorder;

    /// How this core says that a domain does not fit.
    fn soft(&self) -> Error;

    /// Makes a marked paging domain.
    fn domain(&mut self) -> Result<DomainNo>;

    /// Where a device on the domain gets to at the mark.
    fn reach(&self, domain: DomainNo) -> Reach;

    /// The domain's tag in the recorder.
    fn tag(&self, domain: DomainNo) -> Tag;

    /// Frees a domain that nobody is on.
    fn free(&mut self, domain: DomainNo);

    /// Attaches the group, with a handle or without.
    fn attach(&mut self, domain: DomainNo, handle: Option<HandleNo>) -> Result;

    /// Replaces the group's domain and handle.
    fn replace(&mut self, domain: DomainNo, handle: HandleNo) -> Result;

    /// Detaches the group, and the handle with it.
    fn detach(&mut self, domain: DomainNo);

    /// The handle of the group's domain.
    fn handle(&self) -> Result<HandleNo>;

    /// Claims the group.
    fn claim(&mut self) -> Result;

    /// Releases the claim of the group.
    fn release(&mut self);

    /// Claims the group through one device for `owner`, which is not 0.
    fn claim_device(&mut self, at: u32, owner: u64) -> Result;

    /// Releases such a claim.
    fn release_device(&mut self, at: u32);

    /// Binds a kernel driver to a device.
    fn bind(&mut self, at: u32) -> Result;

    /// Unbinds it.
    fn unbind(&mut self, at: u32);

    /// Attaches a PASID through one device.
    fn attach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid) -> Result;

    /// Replaces the domain of a PASID.
    fn replace_pasid(
        &mut self,
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
        handle: HandleNo,
    ) -> Result;

    /// Detaches a PASID.
    fn detach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid);

    /// Plugs device `id` in, behind the others.
    fn plug(&mut self, id: u32) -> Result;

    /// Unplugs a device.
    fn unplug(&mut self, at: u32) -> Result;

    /// Maps `size` bytes of a domain.
    fn map(&mut self, domain: DomainNo, iova: u64, paddr: u64, size: u64) -> Result;

    /// Unmaps them up to the first that is not mapped, and returns how many those were.
    fn unmap(&mut self, domain: DomainNo, iova: u64, size: u64) -> u64;

    /// Where a domain leads to.
    fn translate(&self, domain: DomainNo, iova: u64) -> Option<u64>;

    /// Changes the type of the default domain, `None` for what suits the devices.
    fn set_type(&mut self, wanted: Option<DefaultType>) -> Result;

    /// That type.
    fn default_type(&self) -> Result<DefaultType>;

    /// Takes a look at the default domain, and marks it where it is not. The group must be on it.
    fn look_home(&mut self) -> Result;

    /// The default domain as of then; `None` before.
    fn at_home(&self) -> Option<&Arc<Domain>>;

    /// Begins a reset of a device.
    fn reset_prepare(&mut self, at: u32) -> Result;

    /// Ends it.
    fn reset_done(&mut self, at: u32);

    /// Does what a driver does before its device may do DMA, and what attaches it if that was
    /// deferred. Whether it is attached then is not said.
    fn use_dma(&mut self, at: u32) -> Result;
}

/// One more than the largest PASID of a device of a rig.
pub(crate) const PASIDS: u32 = 8;

impl dyn Rig + '_ {
    /// Adds a rule to what fails.
    pub(crate) fn fail(&self, rule: Rule) -> Result {
        self.mock().faults().add(rule)
    }

    /// Where a device at home gets to at the mark.
    pub(crate) fn home(&self) -> Reach {
        Reach::Memory(mark::IOVA)
    }

    /// Where a device gets to at the mark.
    pub(crate) fn truth(&self, at: u32) -> Reach {
        self.mock().dma(EndpointId(at), None, mark::IOVA)
    }

    /// Where the DMA of a PASID gets to at the mark.
    pub(crate) fn pasid_truth(&self, at: u32, pasid: Pasid) -> Reach {
        self.mock().dma(EndpointId(at), Some(pasid), mark::IOVA)
    }

    /// Checks that devices `0..members` get there.
    pub(crate) fn check_all(&self, members: u32, expected: Reach) -> Outcome {
        for at in 0..members {
            let truth = self.truth(at);
            check!(
                truth == expected,
                "device {at} reaches {truth:x?}, not {expected:x?}"
            );
        }
        Ok(())
    }

    /// Checks that the driver was called to attach these, in this order: device, target, origin;
    /// no tag where it may be any domain of the core. Forgets what was recorded.
    pub(crate) fn check_calls(&self, expected: &[(u32, Option<Tag>, Option<Tag>)]) -> Outcome {
        let events = self.recorder().take();
        check!(
            events.len() == expected.len(),
            "{} calls, expected {}: {:?}",
            events.len(),
            expected.len(),
            &events[..]
        );
        for (event, (at, to, from)) in events.iter().zip(expected) {
            let Call::Attach { to: t, from: f, .. } = event.call else {
                check!(false, "unexpected call {:?}", event);
                continue;
            };
            let right = event.endpoint == EndpointId(*at)
                && to.is_none_or(|to| to == t)
                && (from.is_none() || *from == f);
            check!(right, "unexpected call {:?}", event);
        }
        Ok(())
    }
}
